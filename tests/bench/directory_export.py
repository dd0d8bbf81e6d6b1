"""P6: every membership of the directory exported, in a process of its own, to see its memory.

``python -m tests.bench.directory_export FOLDER DATABASE_URL csv`` prints one line of JSON;
:func:`exported` runs that. :func:`opened` lets LibreOffice, in French, read a file, and compares
what it sees with what was written.
"""

import csv
import io
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from directory.authorisation import OPERATOR
from directory.people.lines import Criteria
from directory.services.exports.exports import Exports, Options
from idp import garbage
from idp.services import build
from tests.common.settings import make_settings
from views.aia import exports as page

WRITERS = tuple(page.WRITERS)
SOFFICE = "soffice"
COMPARED = 8
"""The first columns, all of them texts: how days look is the reader's choice."""


@dataclass(frozen=True, slots=True)
class Exported:
    """``first_byte`` in seconds; ``grown`` in megabytes of resident memory, from the first byte."""

    file_format: str
    lines: int
    seconds: float
    first_byte: float
    megabytes: float
    grown: float

    @property
    def rate(self) -> float:
        """Lines a second."""
        return self.lines / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.file_format}: {self.lines:,} lines, {self.rate:,.0f} lines/s (goal 50,000 for "
            f"csv), first byte {self.first_byte:.2f} s (goal 1), memory +{self.grown:.0f} MB "
            f"(goal 30), {self.megabytes:.0f} MB"
        )


def exported(folder: Path, database_url: str, file_format: str) -> Exported:
    """The export of everything, in a fresh process; ``folder`` holds the database's secret."""
    module = "tests.bench.directory_export"
    command = [sys.executable, "-W", "ignore", "-m", module, str(folder), database_url, file_format]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return Exported(**json.loads(answer.stdout.splitlines()[-1]))


def export(folder: Path, database_url: str, file_format: str) -> Exported:
    """The export of everything, as the page sends it but for the server."""
    services = build(make_settings(folder, database_url), hurried=True)
    zone = services.settings.organization.time_zone
    garbage.settle()  # as idp.wsgi
    for criteria in (Criteria(sn="no such name"), Criteria()):  # the first warms up
        before = resident()
        started = perf_counter()
        sent = list(sizes(parts(services, criteria, file_format, zone)))
        seconds = perf_counter() - started
    services.db.dispose()
    first, lines = sent[0][0] - started, sent[-1][2]
    return Exported(
        file_format=file_format,
        lines=lines,
        seconds=seconds,
        first_byte=first,
        megabytes=sum(size for _, size, _ in sent) / 1e6,
        grown=max(0.0, peak() - before),
    )


def parts(services: Any, criteria: Criteria, file_format: str, zone: Any) -> Any:  # noqa: ANN401
    """What the view hands to the server, with a count of lines beside each part."""
    exports = Exports(services.core)
    asked = exports.users(OPERATOR, criteria, Options(contact=True, file_format=file_format))
    writer = page.WRITERS[file_format]()
    columns = (*page._PERSON, *page._USER, *page._CONTACT)
    counted = 0

    def encode(batch: Any) -> bytes:  # noqa: ANN401
        nonlocal counted
        counted += len(batch)
        every = page.user_columns(batch, zone)
        return bytes(writer.lines(page.rows_of(every, range(len(every)))))

    sending = exports.send(
        asked, begin=writer.begin(columns), encode=encode, end=writer.end, broken=bytes
    )
    return ((part, counted) for part in sending)


def sizes(sent: Any) -> Iterator[tuple[float, int, int]]:  # noqa: ANN401
    """When each part was there, its bytes, and the lines so far; the parts themselves are gone."""
    for part, lines in sent:
        yield perf_counter(), len(part), lines


def opened(folder: Path, database_url: str, file_format: str) -> str:
    """Whether LibreOffice, in French, sees everybody's export as it was written, in words."""
    services = build(make_settings(folder, database_url), hurried=True)
    zone = services.settings.organization.time_zone
    made = {
        kind: b"".join(part for part, _ in parts(services, Criteria(), kind, zone))
        for kind in {"csv", file_format}
    }
    services.db.dispose()
    seen = opened_in_french(made[file_format], file_format)
    if seen is None:
        return "not opened: LibreOffice is not installed"
    rows = csv.reader(io.StringIO(made["csv"].decode("utf-8-sig")), delimiter=";")
    written = [row[:COMPARED] for row in rows]
    accents = sum(not cell.isascii() for row in written for cell in row)
    wrong = sum(row != cells[:COMPARED] for row, cells in zip(written, seen, strict=False))
    wrong += abs(len(written) - len(seen))
    return f"{len(written):,} lines, {accents:,} cells with accents: {wrong or 'none'} wrong"


def resident() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def peak() -> float:
    """The most megabytes that this process ever had.

    Not ``ru_maxrss``: that begins with what the process had that started this one.
    """
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def opened_in_french(content: bytes, extension: str) -> list[list[str]] | None:
    """The cells that LibreOffice reads in a file of ours, told nothing but that it is in France.

    A CSV file gets the options that its dialog proposes in that locale: UTF-8 by the byte order
    mark, and semicolons. None where LibreOffice is not installed.
    """
    if shutil.which(SOFFICE) is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, f"export.{extension}")
        source.write_bytes(content)
        reading = ["--infilter=CSV:59,34,UTF8,1,,1036"] if extension == "csv" else []
        command = [
            *(SOFFICE, "--headless", f"-env:UserInstallation=file://{folder}/profile"),
            *("--convert-to", "csv:Text - txt - csv (StarCalc):9,34,UTF8,1,,1036,false,true"),
            *reading,
            *("--outdir", f"{folder}/out", str(source)),
        ]
        subprocess.run(command, capture_output=True, check=True, timeout=180)
        text = Path(folder, "out", "export.csv").read_text("utf-8-sig")
    return [line.split("\t") for line in text.splitlines()]


if __name__ == "__main__":
    print(json.dumps(asdict(export(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))))
