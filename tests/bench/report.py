"""The rows of the bench: one table for a reader, one JSON document for programs."""

import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.yardstick import Yardstick

HEADER = (
    "#", "what", "figure", "goal", "", "CPU ms", "IFMA off", "p50 ms", "p95 ms", "RSA ms",
)  # fmt: skip
LEFT = {0, 1, 4}

LEGEND = """\
RSA       one RSA-2048 private operation of `openssl speed`, taken before and after each row:
          {plain} ms in this run. Goals are judged on it.
IFMA off  the same CPU in operations without AVX-512 IFMA, which many machines lack:
          {without_ifma} ms in this run.
CPU       of the server's processes and their children; p50 and p95 are the client's.
P3        sign-ins, each the page, the password and the portal, in a new browser: CPU of the
          server, less that of as many bcrypt checks of the same library, by turns.
P4        two workers as in `make run`. Sign-ons one after the other, with a pause, on 8 connections
          to both, while another process posts passwords all the time: right ones, wrong ones, for
          logins that nobody has. Being told to come back is an error but for more people than
          threads. Server, client and storm share the processors.
SLO       from the button to the last page, of a person with a session at ten applications that are
          told by SOAP, in parallel; the dead one takes the connection and never answers.
stock     the same attributes and key; no directory, session, journal or page. {fewest} sign-ons.

{most:,} sign-ons a row, one after the other on one connection; NameID transient.
{processors} processors {processor}, load {load_before:.1f} before; Python {python}; {openssl};
{took_seconds:.0f} seconds.
"""


@dataclass(frozen=True, slots=True)
class Load:
    """A row of sign-ons: CPU of the server for each one, times at the client; milliseconds."""

    sign_ons: int
    cpu: float
    p50: float
    p95: float
    yardstick: Yardstick

    @property
    def units(self) -> float:
        """CPU in RSA-2048 private operations."""
        return self.cpu / self.yardstick.plain

    @property
    def units_without_ifma(self) -> float:
        """The same CPU in the slower operations of a processor without AVX-512 IFMA."""
        return self.cpu / self.yardstick.without_ifma


@dataclass(frozen=True, slots=True)
class Times:
    """How long ``count`` answers took at the client; milliseconds."""

    count: int
    p50: float
    p95: float


def times(seconds: Sequence[float]) -> Times:
    """Of these answers.

    Raises:
        ValueError: there is none.
    """
    p50, p95 = (percentile(seconds, percent) * 1000 for percent in (50, 95))
    return Times(len(seconds), p50, p95)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; ``goal`` is the most that meets it, None when nothing was promised.

    A row of sign-ons has a ``load``; one that only tells how long answers took has ``times``.
    """

    number: str
    what: str
    figure: float
    unit: str
    goal: float | None = None
    load: Load | None = None
    times: Times | None = None

    @property
    def verdict(self) -> str:
        """``met``, ``missed``, or nothing where nothing was promised."""
        if self.goal is None:
            return ""
        return "met" if self.figure <= self.goal else "missed"

    def cells(self) -> list[str]:
        """The texts of the table's columns."""
        goal = "" if self.goal is None else f"≤ {self.goal:g} {self.unit}"
        cells = [self.number, self.what, f"{self.figure:.2f} {self.unit}", goal, self.verdict]
        if self.times is not None:
            return [*cells, "", "", f"{self.times.p50:.2f}", f"{self.times.p95:.2f}", ""]
        if self.load is None:
            return [*cells, "", "", "", "", ""]
        load = self.load
        numbers = (load.cpu, load.units_without_ifma, load.p50, load.p95, load.yardstick.plain)
        return [*cells, *(f"{number:.2f}" for number in numbers[:-1]), f"{numbers[-1]:.3f}"]

    def as_json(self) -> dict[str, Any]:
        """Everything that the table shows, unrounded."""
        document = {**asdict(self), "verdict": self.verdict or None}
        if self.load is not None:
            document["load"] |= {
                "units": self.load.units,
                "units_without_ifma": self.load.units_without_ifma,
            }
        return document


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that this many percent do not exceed (nearest rank).

    Raises:
        ValueError: there is no value.
    """
    if not values:
        raise ValueError("a percentile of nothing")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def table(rows: Sequence[Row]) -> str:
    """The rows under their header, columns aligned."""
    lines = [list(HEADER), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    aligned = [_line(line, widths) for line in lines]
    return "\n".join([aligned[0], "-" * sum(widths, 2 * len(widths) - 2), *aligned[1:]])


def document(
    rows: Sequence[Row], taken: Sequence[Yardstick], *, load: float, seconds: float
) -> dict[str, Any]:
    """What a program may want to know of a run.

    ``load`` is the machine's load average before it, ``seconds`` how long it took.
    """
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "took_seconds": seconds,
        "load_before": load,
        "processors": os.cpu_count(),
        "processor": processor(),
        "openssl": openssl(),
        "python": platform.python_version(),
        "yardsticks": [asdict(each) for each in taken],
        "rows": [row.as_json() for row in ordered(rows)],
    }


def text(rows: Sequence[Row], taken: Sequence[Yardstick], made: dict[str, Any]) -> str:
    """What a reader sees: the table, and what its words mean."""
    loads = [row.load for row in rows if row.load is not None]
    legend = LEGEND.format(
        plain=_range([each.plain for each in taken]),
        without_ifma=_range([each.without_ifma for each in taken]),
        most=max(load.sign_ons for load in loads),
        fewest=min(load.sign_ons for load in loads),
        **made,
    )
    return f"\n{table(ordered(rows))}\n\n{legend}"


def ordered(rows: Sequence[Row]) -> list[Row]:
    """Those with a number first, in its order."""
    return sorted(rows, key=lambda row: (not row.number, row.number))


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What the processor calls itself."""
    for line in cpuinfo.read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def openssl() -> str:
    """The version of the program that measures the yardstick; empty without it."""
    if shutil.which("openssl") is None:
        return ""
    asked = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=False)
    return " ".join(asked.stdout.split()[:2])


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}"


def write(path: Path, document: dict[str, Any]) -> None:
    """Write the document whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.new")
    half.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    half.replace(path)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.ljust(width) if column in LEFT else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()
