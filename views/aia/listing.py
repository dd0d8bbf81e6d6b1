"""A long list's address: how it is sorted, filtered and paged, and the addresses beside it.

What stands in an address is read leniently: what is wrong there is as if it were absent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar
from urllib.parse import urlencode

from idp.request import Request

SIZES = (10, 20, 50, 100)
USUAL_SIZE = 20
LONGEST = 200
"""Characters of one parameter; a cursor may have as many as :data:`LONGEST_CURSOR`."""
LONGEST_CURSOR = 600

SORT, SIZE, CURSOR, FILTER = "tri", "taille", "curseur", "filtre"

Key = TypeVar("Key", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Listing(Generic[Key]):
    """Where a list stands; ``list`` of the macros of ``aia/kit.jinja2``.

    ``kept`` are the further parameters (criteria), in the order of the address, empty ones left
    out; ``target`` is the id of the element that holds list and pager, which htmx replaces.
    """

    path: str
    sort: Key
    descending: bool
    size: int
    cursor: str | None
    kept: tuple[tuple[str, str], ...]
    target: str = "liste"

    @property
    def text(self) -> str:
        """What is typed in *Filtrer*."""
        return dict(self.kept).get(FILTER, "")

    @property
    def sizes(self) -> tuple[int, ...]:
        """What *Éléments par page* offers."""
        return SIZES

    @property
    def hidden(self) -> tuple[tuple[str, str], ...]:
        """What the filter's form sends along: all but the filter itself and the page."""
        return tuple(pair for pair in self._query(cursor="") if pair[0] != FILTER)

    def sorted(self, key: str) -> str:
        """The first page sorted by this, the other way round if it is so already."""
        descending = key == self.sort and not self.descending
        return self._address(sort=f"-{key}" if descending else key, cursor="")

    def sized(self, size: int) -> str:
        """The first page of that many lines."""
        return self._address(size=str(size), cursor="")

    def at(self, cursor: str | None) -> str:
        """The page that this cursor names; None: the first."""
        return self._address(cursor=cursor or "")

    def _address(self, **changes: str) -> str:
        return f"{self.path}?{urlencode(self._query(**changes))}"

    def _query(self, **changes: str) -> tuple[tuple[str, str], ...]:
        own = {
            SORT: changes.get("sort", f"-{self.sort}" if self.descending else str(self.sort)),
            SIZE: changes.get("size", str(self.size)),
            CURSOR: changes.get("cursor", self.cursor or ""),
        }
        return (*self.kept, *((name, value) for name, value in own.items() if value))


def listing(
    request: Request,
    sorts: type[Key],
    *,
    path: str,
    kept: Iterable[str] = (),
    target: str = "liste",
) -> Listing[Key]:
    """Read where the list stands from the address; the first of ``sorts`` is the usual one."""
    wanted = request.GET.get(SORT, "")
    descending = wanted.startswith("-")
    known = {str(each): each for each in sorts}
    sort = known.get(wanted.removeprefix("-"))
    size = request.GET.get(SIZE, "")
    cursor = request.GET.get(CURSOR, "")
    named = ((name, request.GET.get(name, "").strip()[:LONGEST]) for name in (FILTER, *kept))
    return Listing(
        path=path,
        sort=sort if sort is not None else next(iter(sorts)),
        descending=descending and sort is not None,
        size=int(size) if size in map(str, SIZES) else USUAL_SIZE,
        cursor=cursor if 0 < len(cursor) <= LONGEST_CURSOR else None,
        kept=tuple((name, value) for name, value in named if value),
        target=target,
    )
