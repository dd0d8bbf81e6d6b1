"""Lists of people, on a directory of any size: each page a bounded number of statements.

Scope is part of every statement, by the paths of the actor's mandates; nothing is filtered
afterwards.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Row, Select, exists, select

from directory.authorisation import Actor
from directory.people.columns import ACCOUNT_COLUMNS, GRANT_COLUMNS, LINE_COLUMNS
from directory.people.lines import (
    COUNTED,
    COUNTED_FOUND,
    COUNTED_NAMED,
    FEWEST_LETTERS,
    CandidateLine,
    Count,
    Criteria,
    HolderLine,
    MemberLine,
    Page,
    PersonLine,
    SearchTooShort,
    Sort,
    State,
    StructureName,
)
from directory.people.listing import Listing
from directory.people.making import Making
from directory.people.order import Order
from directory.people.pages import Numbers, Pager
from directory.people.resolving import Resolver
from directory.people.statements import people
from directory.people.wanted import Wanted
from directory.search import search_key
from directory.validity import ACCOUNT, ASSIGNMENT, MEMBERSHIP, PHOTO, not_over

if TYPE_CHECKING:
    from idp.services import Core

__all__ = [
    "CandidateLine",
    "Count",
    "Criteria",
    "HolderLine",
    "MemberLine",
    "Page",
    "People",
    "PersonLine",
    "SearchTooShort",
    "Sort",
    "State",
    "StructureName",
]

L = TypeVar("L")

_HOLDER = (*LINE_COLUMNS, *GRANT_COLUMNS)
_BY_NAME = Order.of(Sort.NAME, descending=False, lines=False)


class People:
    """Counts and pages people and memberships within an actor's scope."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._pager = Pager(core)
        self._resolver = Resolver(core)
        self._making = Making(core)

    def count(self, actor: Actor, criteria: Criteria) -> Count:
        """How many people :meth:`page` would list.

        Raises:
            NotFound: a code that is unknown or out of scope.
            DirectoryError: a state that does not exist.
        """
        wanted = self._resolver.wanted(actor, criteria, of_people=True)
        listing = _people(actor, criteria, wanted)
        numbers = self._pager.count(listing, self._core.clock.now())
        return _judge_people(listing.counted, numbers)

    def ids(self, actor: Actor, criteria: Criteria) -> Select[Any]:
        """The ids of the accounts that :meth:`page` would list, for another statement.

        Raises:
            NotFound: a code that is unknown or out of scope.
            DirectoryError: a state that does not exist.
        """
        wanted = self._resolver.wanted(actor, criteria, of_people=True)
        found = people(wanted, (ACCOUNT.c.id,), _BY_NAME)
        return found.params(now=self._core.clock.now()) if wanted.state else found

    def page(
        self,
        actor: Actor,
        criteria: Criteria,
        *,
        sort: Sort = Sort.NAME,
        descending: bool = False,
        cursor: str | None = None,
        size: int = 20,
    ) -> Page[PersonLine]:
        """A page of the people of whom a membership that meets the criteria lies in scope.

        Raises:
            NotFound: a code that is unknown or out of scope.
            DirectoryError: a state or a size that does not exist.
        """
        now = self._core.clock.now()
        wanted = self._resolver.wanted(actor, criteria, of_people=True)
        listing = _people(actor, criteria, wanted, sort, descending=descending)
        found = self._pager.read(listing, cursor, size, now, _judge_people)
        made = self._making.people(actor, found.rows, now)
        return Page(made, found.first, found.total, found.before, found.after)

    def members(  # noqa: PLR0913 - what a page of a list is asked with
        self,
        actor: Actor,
        structure_code: str,
        *,
        below: bool = True,
        text: str = "",
        sort: Sort = Sort.NAME,
        descending: bool = False,
        cursor: str | None = None,
        size: int = 20,
    ) -> Page[MemberLine]:
        """A page of the memberships of a structure, with those beneath it if ``below``.

        Raises:
            NotFound: the structure is unknown or out of scope.
            DirectoryError: a size that does not exist.
        """
        criteria = Criteria(structure=structure_code, below=below, text=text)
        wanted = self._resolver.wanted(actor, criteria)
        name = ("members", actor.subject_id, criteria)
        listing = _listing(name, wanted, sort, descending=descending)
        return self._lines(listing, cursor, size, partial(self._making.members, actor))

    def holders(  # noqa: PLR0913 - what a page of a list is asked with
        self,
        actor: Actor,
        application_code: str,
        role_code: str,
        *,
        text: str = "",
        sort: Sort = Sort.NAME,
        descending: bool = False,
        cursor: str | None = None,
        size: int = 20,
    ) -> Page[HolderLine]:
        """A page of the memberships that hold a role, in the mandates that cover its application.

        Raises:
            NotFound: the role is unknown, or its application not the actor's.
            DirectoryError: a size that does not exist.
        """
        application_id, role_id = self._resolver.role(actor, application_code, role_code)
        wanted = self._resolver.in_mandates(actor, application_id, text)
        name = ("holders", actor.subject_id, role_id, text)
        listing = _listing(
            name, wanted, sort, descending=descending, columns=_HOLDER, held_role=role_id
        )
        return self._lines(listing, cursor, size, partial(self._making.holders, actor))

    def candidates(  # noqa: PLR0913 - what a page of a list is asked with
        self,
        actor: Actor,
        application_code: str,
        role_code: str,
        text: str,
        *,
        sort: Sort = Sort.NAME,
        descending: bool = False,
        cursor: str | None = None,
        size: int = 20,
    ) -> Page[CandidateLine]:
        """A page of the memberships found by ``text`` to which the actor may give this role.

        Raises:
            SearchTooShort: fewer than three characters.
            NotFound: the role is unknown, or its application not the actor's.
            DirectoryError: a size that does not exist.
        """
        letters = len(search_key(text))
        if letters < FEWEST_LETTERS:
            raise SearchTooShort(f"a search for {letters} characters")
        application_id, role_id = self._resolver.role(actor, application_code, role_code)
        wanted = self._resolver.in_mandates(actor, application_id, text)
        holds = (
            ASSIGNMENT.c.membership_id == MEMBERSHIP.c.id,
            ASSIGNMENT.c.role_id == role_id,
            not_over(ASSIGNMENT),
        )
        begins = select(ASSIGNMENT.c.valid_from).where(*holds).scalar_subquery()
        name = ("candidates", actor.subject_id, role_id, text)
        columns = (*LINE_COLUMNS, exists().where(*holds).label("held"), begins.label("begins"))
        listing = _listing(name, wanted, sort, descending=descending, columns=columns)
        return self._lines(listing, cursor, size, partial(self._making.candidates, actor))

    def _lines(
        self,
        listing: Listing,
        cursor: str | None,
        size: int,
        make: Callable[[Sequence[Row[Any]], datetime], tuple[L, ...]],
    ) -> Page[L]:
        now = self._core.clock.now()
        found = self._pager.read(listing, cursor, size, now, _judge_lines)
        return Page(make(found.rows, now), found.first, found.total, found.before, found.after)


def _judge_people(counted: int, numbers: Numbers) -> Count:
    if numbers.whose > counted:
        return Count(counted, exact=False)
    # Many memberships of few people: there are at least these people.
    return (
        Count(numbers.whose, exact=True) if numbers.whole else Count(numbers.whose - 1, exact=False)
    )


def _judge_lines(counted: int, numbers: Numbers) -> Count:
    return Count(min(numbers.found, counted), exact=numbers.whole and numbers.found <= counted)


def _counted(wanted: Wanted, held_role: int | None = None) -> int:
    if wanted.by_both_names:
        return COUNTED_NAMED
    return COUNTED_FOUND if held_role is not None or wanted.is_search else COUNTED


def _people(
    actor: Actor,
    criteria: Criteria,
    wanted: Wanted,
    sort: Sort = Sort.NAME,
    *,
    descending: bool = False,
) -> Listing:
    """The list of people."""
    return Listing(
        name=repr(("people", actor.subject_id, actor.everywhere, criteria, sort, descending)),
        people=True,
        columns=(*ACCOUNT_COLUMNS, PHOTO.c.digest),
        wanted=wanted,
        order=Order.of(sort, descending=descending, lines=False),
        counted=_counted(wanted),
        bucketed=sort is Sort.LAST,
    )


def _listing(
    name: tuple[object, ...],
    wanted: Wanted,
    sort: Sort = Sort.NAME,
    *,
    descending: bool = False,
    columns: Sequence[Any] = LINE_COLUMNS,
    held_role: int | None = None,
) -> Listing:
    """A list of lines; with ``held_role`` of those that hold it, joined with how."""
    return Listing(
        name=repr((name, wanted.actor.everywhere, sort, descending)),
        people=False,
        columns=columns,
        wanted=wanted,
        order=Order.of(sort, descending=descending, lines=True),
        counted=_counted(wanted, held_role),
        role_id=held_role,
        bucketed=sort is Sort.LAST,
    )
