"""Lists of people against what the decider says of each membership, one by one, in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from directory.authorisation import (
    AccountTarget,
    AssignmentTarget,
    Permission,
    StructureTarget,
    may,
)
from directory.models import Account, Membership
from directory.people.lists import Criteria, MemberLine, Page, People, PersonLine, Sort, State
from directory.search import search_key
from directory.services.exports.exports import Exports, Options
from idp.services import Services
from tests.unit.directory.people_plans import Made, Plan, made, plans
from tests.unit.directory.people_reading import bounded, follows
from tests.unit.directory.people_rules import (
    account_key,
    fits,
    his,
    holds,
    line_key,
    state_of,
    structure_key,
    tells,
    told,
    visible,
)

pytestmark = pytest.mark.uncovered

WORDS = ("", "eri", "LE", "g", "gall", "œ", "%", "_", "n1", "n1 e")


BOUNDS = st.sampled_from(
    (
        (1000, 6000, ((1, 6000),)),
        (1, 4, ((1, 4), (2, 16))),
        (2, 12, ((1, 12), (2, 48))),
    )
)


def few(number: int) -> st.SearchStrategy[int]:
    return st.integers(0, number - 1)


criteria_of = st.builds(
    Criteria,
    sn=st.sampled_from(("", "", "", "", "e", "le gall", "%")),
    given_name=st.sampled_from(("", "", "", "éri")),
    mail=st.sampled_from(("", "", "", "N1")),
    identifier=st.sampled_from(("", "", "", "x-1")),
    state=st.sampled_from(("", "", *State)),
    text=st.just("") | st.sampled_from(WORDS),
    below=st.booleans(),
)
MANY = settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@MANY
@given(
    plan=plans,
    bounds=BOUNDS,
    criteria=criteria_of,
    where=st.none() | few(6),
    app=st.none() | few(2),
    sort=st.sampled_from(Sort),
    descending=st.booleans(),
)
def test_people(
    services: Services,
    *,
    plan: Plan,
    bounds: tuple[int, int, Sequence[tuple[int, int]]],
    criteria: Criteria,
    where: int | None,
    app: int | None,
    sort: Sort,
    descending: bool,
) -> None:
    with bounded(*bounds), made(services, plan) as world:
        criteria = named(world, criteria, where, app)
        found = [each for each in visible(world) if fits(world, criteria, each)]
        listed = [each for each in found if told(world, criteria, his(world, each.account))]
        expected = _in_order(world, listed, sort, descending=descending)
        people = People(services.core)

        def page(cursor: str | None) -> Page[PersonLine]:
            return people.page(
                world.actor, criteria, sort=sort, descending=descending, cursor=cursor, size=10
            )

        follows(page, lambda line: line.subject_id, expected)
        first = page(None)
        counted = people.count(world.actor, criteria)
        # Of more than are counted, which are looked at is the database's choice.
        assert counted == first.total if counted.exact else not first.total.exact
        assert counted.number <= len(expected)
        for line in first.lines:
            _is_shown(world, line)
        lines = [each for each in found if told(world, criteria, [each])]
        _is_exported(services, world, criteria, lines)


def _in_order(world: Made, found: list[Membership], sort: Sort, *, descending: bool) -> list[str]:
    """Whose memberships these are."""
    accounts = {each.account_id: each.account for each in found}

    def key(account: Account) -> tuple[Any, ...]:
        if sort is Sort.STRUCTURE:
            first = min((e for e in found if e.account is account), key=structure_key)
            return line_key(world, first, sort)
        return account_key(account, sort, seen=tells(world, his(world, account)))

    ordered = sorted(accounts.values(), key=key, reverse=descending)
    return [each.subject_id for each in ordered]


def _is_shown(world: Made, line: PersonLine) -> None:
    """What the line says of him is what the decider lets be seen."""
    theirs = [e for e in visible(world) if e.account.subject_id == line.subject_id]
    assert {each.code for each in line.structures} == {e.structure.code for e in theirs}
    assert (line.state, line.activity) == state_of(world, theirs)
    assert (line.invitation == "jamais connecté") == (line.activity == "jamais")
    paths = frozenset(
        each.structure.path
        for each in world.memberships
        if each.account.subject_id == line.subject_id and each.deleted_at is None
    )
    assert may(world.actor, Permission.SEE_ACCOUNT, AccountTarget(-1, paths))


def _is_exported(
    services: Services, world: Made, criteria: Criteria, found: list[Membership]
) -> None:
    """These lines are in the file, each with what it lets be seen of its account."""
    exports = Exports(services.core)
    export = exports.users(world.actor, criteria, Options(contact=False, file_format="csv"))
    exported = [line for batch in exports.batches(export) for line in batch]
    expected = sorted(found, key=lambda one: line_key(world, one, Sort.NAME))
    assert [(line.mail, line.structure_path) for line in exported] == [
        (each.account.mail, each.structure.label_path) for each in expected
    ]
    for line, each in zip(exported, expected, strict=True):
        assert (line.account_state, line.activity) == state_of(world, [each])
        dates = each.account.valid_from, each.account.valid_until
        known = dates if tells(world, [each]) else (None, None)
        assert (line.valid_from, line.valid_until) == known


def named(world: Made, criteria: Criteria, where: int | None, app: int | None) -> Criteria:
    """With a structure and an application that this actor may name."""
    changes: dict[str, str] = {}
    if where is not None and where < len(world.structures):
        structure = world.structures[where]
        if may(world.actor, Permission.SEE_STRUCTURE, StructureTarget(structure.path)):
            changes["structure"] = structure.code
    covered = {each for scope in world.actor.scopes for each in scope.application_ids}
    if app is not None:
        role = world.roles[app * 2]
        if world.actor.central or role.application_id in covered:
            changes |= {"application": role.application.code}
            changes |= {"role": role.code} if app else {}
    return Criteria(**{**{name: getattr(criteria, name) for name in criteria.__slots__}, **changes})


@MANY
@given(
    plan=plans,
    bounds=BOUNDS,
    text=st.sampled_from(WORDS),
    sort=st.sampled_from(Sort),
    descending=st.booleans(),
)
def test_lines(
    services: Services,
    *,
    plan: Plan,
    bounds: tuple[int, int, Sequence[tuple[int, int]]],
    text: str,
    sort: Sort,
    descending: bool,
) -> None:
    with bounded(*bounds), made(services, plan) as world:
        listed = _Listed(People(services.core), world, text, sort, descending)
        seen = [each for each in visible(world) if fits(world, Criteria(text=text), each)]
        for structure in world.structures:
            if may(world.actor, Permission.SEE_STRUCTURE, StructureTarget(structure.path)):
                inside = [e for e in seen if e.structure.path.startswith(structure.path)]
                listed.members(structure.code, inside)
        application_id = world.roles[0].application_id
        mine = [
            each
            for each in seen
            if may(
                world.actor,
                Permission.GRANT_ROLE,
                AssignmentTarget(each.account_id, each.structure.path, application_id),
            )
        ]
        if mine:
            listed.holders([each for each in mine if holds(world, each, world.roles[:1])])
        if mine and len(search_key(text)) >= 3:
            listed.candidates(mine)


@dataclass
class _Listed:
    """Lists of lines, each read from end to end in one order."""

    people: People
    world: Made
    text: str
    sort: Sort
    descending: bool

    def members(self, code: str, expected: list[Membership]) -> None:
        """Of this structure and below."""
        page = partial(self.people.members, self.world.actor, code, text=self.text)
        self._follows(page, expected)

    def holders(self, expected: list[Membership]) -> None:
        """Of the first role."""
        page = partial(self.people.holders, self.world.actor, "app0", "r0", text=self.text)
        self._follows(page, expected)

    def candidates(self, expected: list[Membership]) -> None:
        """For the first role."""
        page = partial(self.people.candidates, self.world.actor, "app0", "r0", self.text)
        self._follows(page, expected)

    def _follows(self, page: Callable[..., Page[Any]], expected: list[Membership]) -> None:
        ordered = sorted(
            expected,
            key=lambda one: line_key(self.world, one, self.sort),
            reverse=self.descending,
        )
        order = {"sort": self.sort, "descending": self.descending, "size": 10}
        follows(
            lambda cursor: page(cursor=cursor, **order),
            self._told,
            [each.public_id for each in ordered],
        )

    def _told(self, line: MemberLine) -> str:
        (one,) = (e for e in self.world.memberships if e.public_id == line.membership_id)
        assert line.state == state_of(self.world, [one])[0]
        return line.membership_id
