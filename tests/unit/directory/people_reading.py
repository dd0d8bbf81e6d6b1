"""How lists of people are read in tests: as large ones are, and from end to end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from directory.people import listing, lists, pages
from directory.people.lists import Page


@contextmanager
def bounded(
    counted: int, near: int, stretches: Sequence[tuple[int, int]], namesakes: int = 2
) -> Iterator[None]:
    """As if what is much began here: the ways of large directories are tried on small ones."""
    sizes = {
        "NEAR": dict.fromkeys(listing.NEAR, near),
        "STRETCHES": dict.fromkeys(listing.STRETCHES, stretches),
    }
    most = dict.fromkeys(("COUNTED", "COUNTED_FOUND", "COUNTED_NAMED"), counted)
    with (
        patch.multiple(lists, **most),
        patch.multiple(listing, **sizes),
        patch.object(pages, "_MOST_NAMESAKES", namesakes),
    ):
        yield


def follows(
    page: Callable[[str | None], Page[Any]], key: Callable[[Any], str], expected: list[str]
) -> None:
    """Every page forwards, then back again: each line once, in order, well counted."""
    seen: list[list[str]] = []
    cursor: str | None = None
    while True:
        one = page(cursor)
        assert (
            one.total.number == len(expected)
            if one.total.exact
            else one.total.number < len(expected)
        )
        assert one.first == sum(map(len, seen)) + 1
        assert (one.before is None) == (not seen)
        seen.append([key(line) for line in one.lines])
        if one.after is None:
            break
        cursor = one.after
    assert [line for lines in seen for line in lines] == expected
    for at in range(len(seen) - 2, -1, -1):
        assert one.before is not None
        one = page(one.before)
        assert [key(line) for line in one.lines] == seen[at]
        assert one.first == at * 10 + 1
        assert one.after is not None
