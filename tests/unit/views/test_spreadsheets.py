"""Files of tables: what a spreadsheet reads in them, and what it never executes."""

import csv
import io
import subprocess
import sys
import zipfile
from datetime import date

import openpyxl
import pytest

from tests.common.processes import REPOSITORY
from views.aia import spreadsheets
from views.aia.spreadsheets import BOM, FORMULA, Cell, Column, CsvWriter, Writer, XlsxWriter

COLUMNS = (Column("Nom"), Column("Prénom", wide=True), Column("Depuis"))
ACCENTS = 'Éloïse d\'Œuvre-Noël; « à » "b" & <c>'


def whole(writer: Writer, *lines: tuple[Cell, ...]) -> bytes:
    return writer.begin(COLUMNS) + b"".join(writer.lines([line]) for line in lines) + writer.end()


def cells(content: bytes) -> list[list[object]]:
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    return [list(row) for row in sheet.iter_rows(values_only=True)]


def test_csv_is_what_french_excel_expects() -> None:
    content = whole(CsvWriter(), ("NOËL", ACCENTS, date(2026, 11, 20)), ("B", "deux\nlignes", None))
    assert content.startswith(BOM.encode() + "Nom;Prénom;Depuis\r\n".encode())
    assert list(csv.reader(io.StringIO(content.decode("utf-8-sig"), ""), delimiter=";"))[1:] == [
        ["NOËL", ACCENTS, "20/11/2026"],
        ["B", "deux\nlignes", ""],
    ]


@pytest.mark.parametrize("first", sorted(FORMULA))
def test_no_cell_begins_a_formula(first: str) -> None:
    evil = f"{first}cmd|' /C calc'!A0"
    text = whole(CsvWriter(), (evil, None, None)).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text, ""), delimiter=";"))[1][0] == "'" + evil
    content = whole(XlsxWriter(), (evil, None, None))
    cell = openpyxl.load_workbook(io.BytesIO(content)).active["A2"]
    assert cell.data_type == "s"
    assert b"<f" not in zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml")


def test_xlsx_keeps_texts_and_days_and_drops_what_xml_cannot_hold() -> None:
    content = whole(
        XlsxWriter(), (ACCENTS, " bord ", date(2026, 11, 20)), ("a\x00\x1fb", None, None)
    )
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert [cell.value for cell in book.active[1]] == ["Nom", "Prénom", "Depuis"]
    assert (book.active["A1"].font.bold, book.active.freeze_panes) == (True, "A2")
    day = book.active["C2"]
    assert (day.is_date, day.value.date()) == (True, date(2026, 11, 20))
    assert cells(content)[1][:2] == [ACCENTS, " bord "]
    assert cells(content)[2] == ["ab", None, None]
    assert len(cells(content)) == 3


def test_every_batch_leaves_at_once_and_the_same_lines_make_the_same_file() -> None:
    writer = XlsxWriter()
    assert writer.begin(COLUMNS).startswith(b"PK")
    batch = [(str(number * 7919), "x", None) for number in range(5000)]
    assert len(writer.lines(batch)) > 1000
    one, other = (whole(XlsxWriter(), ("a", "b", None)) for _ in range(2))
    assert one == other


def test_a_full_sheet_says_that_lines_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MAX_LINES", 3)
    content = whole(XlsxWriter(), *((str(number), None, None) for number in range(9)))
    assert [row[0] for row in cells(content)][1:] == ["0", "1", spreadsheets.CUT]


def test_a_server_starts_without_what_makes_workbooks() -> None:
    program = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "import views.aia.exports\n"
        "assert not {'xlsxwriter', 'openpyxl'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)
