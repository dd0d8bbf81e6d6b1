"""Tables as files that French Excel opens right at a double click, made while they are read.

A writer turns batches of lines into bytes: what is written is sent, nothing is kept. Cells are
texts and days. What a spreadsheet would take for a formula is a text here ([OWASP] CSV Injection).
"""

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import IO, Protocol, cast
from xml.sax.saxutils import escape

Cell = str | date | None
Batch = Iterable[Sequence[Cell]]

FULL_WIDTH = (
    "\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}"
    "\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
FORMULA = frozenset("=+-@\t\r\n \N{NO-BREAK SPACE}" + FULL_WIDTH)
"""What a formula may begin with; spaces, because some programs skip them."""

APOSTROPHE = "'"
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"

MAX_LINES = 1_048_575
"""Lines below the titles that a sheet of Excel holds."""
CUT = "Une feuille Excel ne peut pas contenir plus de lignes : exportez en CSV pour les avoir."

REMEMBERED = 20_000
"""Cells, some megabytes."""

_SHEET = "xl/worksheets/sheet1.xml"
_SAMPLE = re.compile(r'<row r="2".*?s="(\d+)".*?</row>')
_DIMENSION = re.compile(r'<dimension ref="[^"]*"/>')
_QUOTED = re.compile('[;"\r\n]')
_SPECIAL = re.compile("[\x00-\x1f&<>\ufffe\uffff]")
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DAY_ZERO = date(1899, 12, 30).toordinal()
_NARROW, _WIDE = 18, 44


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``wide`` where its texts are long."""

    title: str
    wide: bool = False


class Writer(Protocol):
    """One kind of file."""

    content_type: str
    extension: str

    def begin(self, columns: Sequence[Column]) -> bytes:
        """The file up to its first line."""

    def lines(self, batch: Batch) -> bytes:
        """Further lines; may be empty when the writer holds them back."""

    def end(self) -> bytes:
        """What completes the file."""


class CsvWriter:
    """Semicolons, UTF-8 with a byte order mark, CRLF: what French Excel opens at a double click."""

    content_type = "text/csv; charset=utf-8"
    extension = "csv"

    def __init__(self) -> None:
        self._texts = _Texts()

    def begin(self, columns: Sequence[Column]) -> bytes:
        """The byte order mark and the titles."""
        return BOM.encode() + self.lines([[column.title for column in columns]])

    def lines(self, batch: Batch) -> bytes:
        """A line for each."""
        # Half a million lines come by here: no call of ours for what was seen before.
        if len(self._texts) > REMEMBERED:
            self._texts.clear()
        text = self._texts.__getitem__
        return "".join([";".join(map(text, line)) + "\r\n" for line in batch]).encode()

    def end(self) -> bytes:
        """Nothing: the last line has its end."""
        return b""


class _Texts(dict[Cell, str]):
    """Cells as a CSV file holds them, remembered: most come again, structures, states, days."""

    def __missing__(self, cell: Cell) -> str:
        if isinstance(cell, str):
            text = APOSTROPHE + cell if cell and cell[0] in FORMULA else cell
        elif cell is None:
            text = ""
        else:
            text = f"{cell.day:02}/{cell.month:02}/{cell.year:04}"
        if _QUOTED.search(text):
            doubled = text.replace('"', '""')
            text = f'"{doubled}"'
        self[cell] = text
        return text


class XlsxWriter:
    """A real workbook. XlsxWriter makes it with its titles, our lines go straight into its sheet.

    XlsxWriter alone sends nothing before the last line: half a million would take a minute in
    which the browser, and the proxy before it, see no byte.
    """

    content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    extension = "xlsx"

    def __init__(self) -> None:
        self._sent = _Sent()
        self._zip = zipfile.ZipFile(
            cast("IO[bytes]", self._sent), "w", zipfile.ZIP_DEFLATED, compresslevel=1
        )
        self._number = 1
        self._rest = b""
        self._letters: tuple[str, ...] = ()
        self._day_style = ""

    def begin(self, columns: Sequence[Column]) -> bytes:
        """The parts of an empty workbook, and its sheet up to the first line."""
        self._letters = tuple(chr(ord("A") + number) for number in range(len(columns)))
        with zipfile.ZipFile(io.BytesIO(_workbook(columns))) as empty:
            sheet = _DIMENSION.sub("", empty.read(_SHEET).decode())
            head, self._day_style, rest = _SAMPLE.split(sheet)
            self._rest = rest.encode()
            for name in empty.namelist():
                if name != _SHEET:
                    # `writestr` would date them.
                    with self._zip.open(name, "w") as part:
                        part.write(empty.read(name))
        self._sheet = self._zip.open(_SHEET, "w")
        self._sheet.write(head.encode())
        return self._sent.take()

    def lines(self, batch: Batch) -> bytes:
        """A row for each; beyond what a sheet holds, one that says so."""
        rows: list[str] = []
        for line in batch:
            if self._number > MAX_LINES:
                break
            self._number += 1
            rows.append(self._row([CUT] if self._number > MAX_LINES else line))
        self._sheet.write("".join(rows).encode())
        return self._sent.take()

    def end(self) -> bytes:
        """The end of the sheet, and the directory of the file."""
        self._sheet.write(self._rest)
        self._sheet.close()
        self._zip.close()
        return self._sent.take()

    def _row(self, line: Sequence[Cell]) -> str:
        number = self._number
        cells = [
            self._cell(f"{letter}{number}", cell)
            for letter, cell in zip(self._letters, line, strict=False)
            if cell
        ]
        return f'<row r="{number}">{"".join(cells)}</row>'

    def _cell(self, place: str, cell: str | date) -> str:
        """A text is never a formula here, whatever it begins with."""
        if not isinstance(cell, str):
            serial = cell.toordinal() - _DAY_ZERO
            return f'<c r="{place}" s="{self._day_style}"><v>{serial}</v></c>'
        if _SPECIAL.search(cell):
            cell = escape(_UNWRITABLE.sub("", cell))
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{cell}</t></is></c>'


class _Sent:
    """What the archive writes, until it is taken; it can't seek, so the archive never goes back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes | memoryview) -> int:
        """Keep it."""
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is elsewhere."""

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _workbook(columns: Sequence[Column]) -> bytes:
    """A workbook with bold titles that stay in sight, and one day below: its style is wanted."""
    import xlsxwriter  # noqa: PLC0415 - who exports nothing does without it

    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True, "constant_memory": True}) as book:
        # Else the machine's time.
        book.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)})
        bold = book.add_format({"bold": True})
        day = book.add_format({"num_format": "dd/mm/yyyy"})
        sheet = book.add_worksheet("Export")
        sheet.freeze_panes(1, 0)
        for number, column in enumerate(columns):
            sheet.set_column(number, number, _WIDE if column.wide else _NARROW)
            sheet.write_string(0, number, column.title, bold)
        sheet.write_blank(1, 0, None, day)
    return made.getvalue()
