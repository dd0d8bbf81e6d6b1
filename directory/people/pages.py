"""Reads one page of a list by key, forwards or backwards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import CTE, Executable, Row, Subquery, select

from directory.people import at_once, nearest
from directory.people.lines import SIZES, Count
from directory.people.listing import Listing
from directory.people.order import Order
from directory.people.statements import count, gathered
from directory.people.wanted import UNSEEN, Wanted
from directory.states import LONG_AGO
from idp.cursors import Cursors
from idp.errors import DirectoryError

if TYPE_CHECKING:
    from idp.services import Core

_MOST_NAMESAKES = 16
"""For each line of the page so many are gathered."""

_FORWARDS, _BACKWARDS = "after", "before"


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many memberships were found, of how many people, and whether there are no others."""

    found: int
    whose: int
    whole: bool

    @classmethod
    def of(cls, row: Row[Any], most: int) -> "Numbers":
        """What a statement says that looked for so many at most."""
        return cls(row.found, row.whose, whole=row.found < most)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a page, and where it lies."""

    rows: Sequence[Row[Any]]
    total: Count
    first: int
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Behind which line (None: from the start) to read which way; ``first`` as on the page."""

    way: str
    key: tuple[Any, ...] | None
    first: int


_START = _Place(_FORWARDS, None, 1)

_Found = tuple[str | None, Row[Any]]
"""A row, and of a list that is sorted by the last sign-in the bucket in which it stands."""

_Part = tuple[Sequence[_Found], bool]
"""The rows of a page, and whether there are more that way."""

_Key = Sequence[Any]


@dataclass(frozen=True, slots=True)
class _Counted:
    """The page too, where all was counted."""

    numbers: Numbers
    page: _Part | None = None


class Pager:
    """Reads pages: a list in one statement or three, by the last sign-in four times as many."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._cursors = Cursors(core.settings.secret)

    def read(
        self,
        listing: Listing,
        cursor: str | None,
        size: int,
        now: datetime,
        judge: Callable[[int, Numbers], Count],
    ) -> Rows:
        """The page at this cursor; the first one when it is empty or was not made for this list.

        ``judge`` says what they make together: up to where counts are exact, and the numbers of
        lines looked at and of whose they are.

        Raises:
            DirectoryError: not one of the sizes.
        """
        if size not in SIZES:
            raise DirectoryError(
                f"page size {size}", public="Ce nombre d'éléments par page n'est pas proposé."
            )
        place = self._place(listing, cursor)
        counted = self._counted(listing, place, size, now)
        total = judge(listing.counted, counted.numbers)
        listing = replace(listing, few=total.exact)
        rows, more = counted.page or self._rows(listing, place, size, now)
        backwards = place.way == _BACKWARDS
        if backwards and not more:
            # The beginning is near, or moved since: a whole first page.
            place, backwards = _START, False
            rows, more = self._rows(listing, place, size, now)
        first = place.first
        has_before = more if backwards else place.key is not None
        has_after = bool(rows) if backwards else more
        return Rows(
            rows=[row for _, row in rows],
            total=total,
            first=first,
            before=self._seal(listing, _BACKWARDS, rows[0], max(1, first - size))
            if has_before and rows
            else None,
            after=self._seal(listing, _FORWARDS, rows[-1], first + len(rows))
            if has_after
            else None,
        )

    def count(self, listing: Listing, now: datetime) -> Numbers:
        """How many lines there are, looked for no further than wanted, and of how many."""
        most = listing.looked_at
        every = at_once.found(listing.memberships(), most)
        return Numbers.of(self._planned(at_once.counted(every), now)[0], most)

    def _counted(self, listing: Listing, place: _Place, size: int, now: datetime) -> _Counted:
        """:meth:`count`; and the page, where all that was counted is all that there is."""
        if not listing.sorted_as_counted:
            return _Counted(self.count(listing, now))
        backwards = place.way == _BACKWARDS
        order = listing.order.reversed() if backwards else listing.order
        most = listing.looked_at
        every = at_once.found(listing.memberships(), most)
        these = at_once.all_of(every, most)
        keys = at_once.keys(these, order, place.key, people=listing.people)
        beside = at_once.counted(every).subquery("numbers")
        rows = self._planned(listing.whole(keys.limit(size + 1), order, beside), now)
        numbers = Numbers.of(rows[0], most)
        if not numbers.whole:
            return _Counted(numbers)
        page = [(None, row) for row in rows[:size] if row.key_0 is not None]
        return _Counted(numbers, (page[::-1] if backwards else page, len(rows) > size))

    def _rows(
        self,
        listing: Listing,
        place: _Place,
        size: int,
        now: datetime,
    ) -> _Part:
        """At most ``size`` rows in the list's order, and whether there are more that way."""
        backwards = place.way == _BACKWARDS
        order = listing.order.reversed() if backwards else listing.order
        found: list[_Found] = []
        for bucket, key in self._buckets(listing, order, place.key):
            wanted = replace(listing.wanted, bucket=bucket)
            most = size + 1 - len(found)
            few = listing.few or bucket == UNSEEN
            walks = order.by_account and not few and not wanted.by_name
            read = self._walked if walks else self._gathered
            rows = self._nearest(listing, order, key, most, now) if walks else None
            if rows is None:
                rows = read(listing, wanted, order, key, most, now)
            found.extend((bucket, row) for row in rows)
            if len(found) > size:
                break
        page = found[:size]
        return (page[::-1] if backwards else page), len(found) > size

    def _nearest(
        self, listing: Listing, order: Order, key: _Key | None, most: int, now: datetime
    ) -> Sequence[Row[Any]] | None:
        """The first rows of many, if search keys lead to them and nobody can stand between them."""
        if not listing.along_search_keys:
            return None
        wanted, role_id = listing.wanted, listing.role_id
        for spare, stretch in listing.stretches(sqlite=self._core.db.is_sqlite):
            along = nearest.along(wanted, role_id, order, key, stretch=stretch, most=spare * most)
            rows = self._named(listing, along, order, key, most, now)
            if len(rows) == most and _is_whole(listing, order, rows):
                return rows
        if not wanted.words and role_id is None:
            return None
        among = nearest.among(listing.memberships(), order, key, _MOST_NAMESAKES * most)
        rows = self._named(listing, among, order, key, most, now)
        return rows if len(rows) == most and _is_whole(listing, order, rows) else None

    def _named(
        self, listing: Listing, these: CTE, order: Order, key: _Key | None, most: int, now: datetime
    ) -> Sequence[Row[Any]]:
        """The first rows of these, each beside their edge; one without a line, if there is none."""
        keys = at_once.keys(these, order, key, people=listing.people).limit(most)
        return self._planned(listing.whole(keys, order, nearest.edge(these, order)), now)

    def _walked(
        self,
        listing: Listing,
        wanted: Wanted,
        order: Order,
        key: _Key | None,
        most: int,
        now: datetime,
    ) -> Sequence[Row[Any]]:
        """The first rows of many, along the index of the sort; as a rule they stand near.

        Else what is wanted is rare, or stands elsewhere close together (people of one name, sorted
        by name): it is gathered.
        """
        # SQLite reads a stretch to its end and sorts it: a short one first, that most lists fill.
        for accounts in (listing.near // 16, listing.near)[0 if self._core.db.is_sqlite else 1 :]:
            stretch = order.stretch(key, accounts)
            near = listing.keys(wanted, stretch)
            if key is not None:
                near = near.where(order.further(key, order.on(stretch)))
            keys = order.sort(near, order.on(stretch)).limit(most)
            rows = self._planned(listing.whole(keys, order), now)
            if len(rows) == most or self._is_last(stretch, accounts, now):
                return rows
        return self._gathered(listing, wanted, order, key, most, now)

    def _is_last(self, stretch: Subquery, accounts: int, now: datetime) -> bool:
        """No account stands behind it."""
        (there,) = self._planned(count(select(stretch.c.id), accounts), now)[0]
        return bool(there < accounts)

    def _gathered(
        self,
        listing: Listing,
        wanted: Wanted,
        order: Order,
        key: _Key | None,
        most: int,
        now: datetime,
    ) -> Sequence[Row[Any]]:
        """The first rows of all.

        Many sorted by structure, or found by a name, are left to the database: it walks along an
        index that tells it all that it wants to know.
        """
        keys = listing.keys(wanted)
        if key is not None:
            keys = keys.where(order.behind(key))
        first = listing.few or (order.by_account and not wanted.by_name)
        keys = gathered(keys, order) if first else order.sort(keys)
        return self._planned(listing.whole(keys.limit(most), order), now)

    def _planned(self, statement: Executable, now: datetime) -> Sequence[Row[Any]]:
        return self._core.db.rows_planned(statement, {"now": now, "long_ago": now - LONG_AGO})

    @staticmethod
    def _buckets(
        listing: Listing, order: Order, key: tuple[Any, ...] | None
    ) -> Sequence[tuple[str | None, tuple[Any, ...] | None]]:
        """What to read one after the other, and behind which key."""
        if not listing.bucketed:
            return ((None, key),)
        buckets = listing.wanted.buckets[:: -1 if order.descending else 1]
        if key is None:
            return tuple((bucket, None) for bucket in buckets)
        first, *rest = buckets[buckets.index(key[0]) :]
        return ((first, key[1:]), *((bucket, None) for bucket in rest))

    def _place(self, listing: Listing, cursor: str | None) -> _Place:
        opened = self._cursors.open(cursor, listing.name) if cursor else None
        if opened is None:
            return _START
        way, first, *key = opened
        return _Place(way, tuple(key), first)

    def _seal(self, listing: Listing, way: str, found: _Found, first: int) -> str:
        bucket, row = found
        key = [*([bucket] if listing.bucketed else ()), *_key_of(listing, row)]
        return self._cursors.seal([way, first, *key], listing.name)


def _is_whole(listing: Listing, order: Order, rows: Sequence[Row[Any]]) -> bool:
    return nearest.is_whole(_key_of(listing, rows[-1]), order, rows[0].edge)


def _key_of(listing: Listing, row: Row[Any]) -> _Key:
    return row[-len(listing.order.key) :]
