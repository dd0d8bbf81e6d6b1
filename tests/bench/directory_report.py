"""The rows of the directory's bench: one table for a reader, one document for programs."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tests.bench.directory_export import Exported
from tests.bench.report import processor

GOAL = 100.0
"""P5: milliseconds of the server at the 95th percentile."""
RATIO = 2.0
"""P5: of the largest directory to the smallest."""

LEGEND = """
Milliseconds of the server for a whole page with 20 lines and their count, from the request to the
last byte of HTML, as a browser without JavaScript asks for it. p95 by the clock on this machine
(load {load_before:.1f} before, {processors} processors {processor}); CPU p95 of our process and the
database's, which other work disturbs less and which the goals are judged on: at most {goal:.0f} ms,
and {ratio:g} times the small directory's. Both directories are asked in turn, a few times before
that counts; a small one has shorter answers.
2,000 structures, two assignments for each account; the référent "one" has a single structure,
"many" 300 in twelve mandates. PostgreSQL without parallel workers. {took_seconds:.0f} seconds.
The yardstick, one RSA-2048 private operation of `openssl speed`, before and after each engine and
the exports: {rsa_least:.3f} to {rsa_most:.3f} ms of CPU. The lower, the faster was this machine.
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one kind of list takes for one who asks; milliseconds."""

    engine: str
    accounts: int
    actor: str
    what: str
    p50: float
    p95: float
    cpu_p50: float
    cpu_p95: float


def pairs(figures: Sequence[Figure]) -> list[tuple[Figure, Figure]]:
    """The same list in the smallest and in the largest directory of an engine."""
    found: dict[tuple[str, str, str], list[Figure]] = {}
    for each in figures:
        found.setdefault((each.engine, each.actor, each.what), []).append(each)
    return [
        (min(same, key=lambda one: one.accounts), max(same, key=lambda one: one.accounts))
        for same in found.values()
    ]


def verdict(small: Figure, large: Figure) -> str:
    """``met``; or what is missed: the ``time``, the ``ratio``, or both."""
    missed = [
        name
        for name, holds in (
            ("time", large.cpu_p95 <= GOAL),
            ("ratio", large.cpu_p95 <= RATIO * small.cpu_p95),
        )
        if not holds
    ]
    return " + ".join(missed) or "met"


def document(
    figures: Sequence[Figure],
    exports: Sequence[Exported],
    french: Mapping[str, str],
    yardstick: Sequence[float],
    *,
    load: float,
    seconds: float,
) -> dict[str, Any]:
    """What a program may want to know of a run."""
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "took_seconds": seconds,
        "load_before": load,
        "rsa_milliseconds": list(yardstick),
        "rsa_least": min(yardstick),
        "rsa_most": max(yardstick),
        "processors": os.cpu_count(),
        "processor": processor(),
        "python": platform.python_version(),
        "goal": GOAL,
        "ratio": RATIO,
        "figures": [asdict(each) for each in figures],
        "exports": [asdict(each) | {"rate": each.rate} for each in exports],
        "opened_in_french": dict(french),
        "verdicts": [
            {
                "engine": small.engine,
                "actor": small.actor,
                "what": small.what,
                "ratio": large.cpu_p95 / small.cpu_p95,
                "verdict": verdict(small, large),
            }
            for small, large in pairs(figures)
        ],
    }


def text(
    figures: Sequence[Figure],
    exports: Sequence[Exported],
    french: Mapping[str, str],
    made: dict[str, Any],
) -> str:
    """What a reader sees."""
    lines = []
    engine = ""
    for small, large in pairs(figures):
        if small.engine != engine:
            engine = small.engine
            sizes = "".join(f"{f'{each.accounts:,} accounts':>28}" for each in (small, large))
            lines += ["", f"{engine:<49}{sizes}", f"{'':49}" + f"{'p50     p95 CPU p95':>28}" * 2]
        cells = "".join(
            f"{each.p50:>12.1f}{each.p95:>8.1f}{each.cpu_p95:>8.1f}" for each in (small, large)
        )
        ratio = large.cpu_p95 / small.cpu_p95
        lines.append(
            f"{small.actor:<8} {small.what:<40}{cells}   x{ratio:<5.1f}{verdict(small, large)}"
        )
    lines += ["", "export of everybody in the largest", *map(str, exports)]
    lines += ["", "LibreOffice in French, of the smallest"]
    lines += [f"{kind}: {words}" for kind, words in french.items()]
    return "\n".join([*lines, LEGEND.format(**made)])
