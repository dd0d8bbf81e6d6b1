"""The table that ends a run."""

from collections.abc import Iterable

from tests.fuzz.running import Row

HEADINGS = ("target", "inputs", "accepted", "refused", "slowest", "seconds", "memory growth")


def text(rows: list[Row], seed: int) -> str:
    """One line a target, one for all; then what was found."""
    lines = [HEADINGS, *(_cells(row) for row in rows), _total(rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    table = "\n".join(_line(line, widths) for line in lines)
    found = [f"FINDING in {row.target}: {row.finding}" for row in rows if row.finding]
    return "\n".join([table, f"FUZZ_SEED={seed}", *(found or ["nothing found"])])


def _cells(row: Row) -> tuple[str, ...]:
    figures = row.figures
    return (
        row.target,
        f"{row.inputs:,}",
        f"{int(figures.get('accepted', 0)):,}",
        f"{int(figures.get('refused', 0)):,}",
        f"{figures.get('slowest', 0) * 1000:.0f} ms",
        f"{figures.get('seconds', 0):.1f}",
        f"{figures.get('growth', 0) / 1024**2:.0f} MB",
    )


def _total(rows: list[Row]) -> tuple[str, ...]:
    def added(name: str) -> float:
        return sum(row.figures.get(name, 0) for row in rows)

    def most(name: str) -> float:
        return max((row.figures.get(name, 0) for row in rows), default=0)

    return (
        "all",
        f"{sum(row.inputs for row in rows):,}",
        f"{added('accepted'):,.0f}",
        f"{added('refused'):,.0f}",
        f"{most('slowest') * 1000:.0f} ms",
        f"{added('seconds'):.1f}",
        f"{most('growth') / 1024**2:.0f} MB",
    )


def _line(cells: Iterable[str], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)])
