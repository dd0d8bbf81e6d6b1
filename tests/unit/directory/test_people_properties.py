"""Lists of people against what the decider says of each membership, one by one, in memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from directory.authorisation import (
    AccountTarget,
    Actor,
    AssignmentTarget,
    Permission,
    Scope,
    StructureTarget,
    may,
)
from directory.models import Account, Application, Assignment, Membership, Role, Structure
from directory.people import lists as service
from directory.people import pages as people_pages
from directory.people.lists import Criteria, MemberLine, Page, People, Sort, State
from directory.search import mail_key, search_key
from directory.services.exports.exports import Exports, Options
from directory.services.structures.changes import refresh_subtree
from directory.states import account_state, activity
from idp.services import Services
from tests.common.clock import START

NAMES = ("Éric", "eric", "Le Gall", "Legall", "Œuvre", "Zoé", "d'Arc", "A", "%")
WORDS = ("", "eri", "LE", "g", "gall", "œ", "%", "_", "n1", "n1 e")
ACTIVITIES = ("jamais", "plus de 6 mois", "moins de 6 mois")


@dataclass(frozen=True)
class MembershipPlan:
    structure: int
    deleted: bool
    suspended: bool
    confirmed: bool
    roles: frozenset[int]


@dataclass(frozen=True)
class AccountPlan:
    sn: str
    given_name: str
    deleted: bool
    locked: bool
    starts: int
    ends: int | None
    last: int | None
    memberships: tuple[MembershipPlan, ...]


@dataclass(frozen=True)
class Plan:
    """``parents``: of each structure, an earlier one or none."""

    parents: tuple[int | None, ...]
    accounts: tuple[AccountPlan, ...]
    scopes: tuple[tuple[int, frozenset[int]], ...]
    central: bool


@dataclass
class Made:
    """What was put into the database of a plan, and who asks."""

    session: Session
    actor: Actor
    structures: list[Structure]
    roles: list[Role]
    memberships: list[Membership] = field(default_factory=list)
    held: dict[str, frozenset[int]] = field(default_factory=dict)


def few(number: int) -> st.SearchStrategy[int]:
    return st.integers(0, number - 1)


def planned(seed: int) -> Plan:
    """A plan of this seed: dense, because what Hypothesis draws part by part is mostly empty."""
    dice = Random(seed)  # noqa: S311 - reproducible, not secret
    size = dice.randint(1, 6)

    def membership(structure: int) -> MembershipPlan:
        return MembershipPlan(
            structure,
            deleted=dice.random() < 0.3,
            suspended=dice.random() < 0.5,
            confirmed=dice.random() < 0.7,
            roles=frozenset(dice.sample(range(3), dice.randint(0, 3))),
        )

    def account() -> AccountPlan:
        return AccountPlan(
            sn=dice.choice(NAMES),
            given_name=dice.choice(NAMES),
            deleted=dice.random() < 0.15,
            locked=dice.random() < 0.3,
            starts=dice.choice((-400, 1)),
            ends=dice.choice((None, -1, 2)),
            last=dice.choice((None, -1, -183, -300)),
            memberships=tuple(
                map(membership, dice.sample(range(size), dice.randint(0, min(size, 3))))
            ),
        )

    return Plan(
        parents=tuple(
            dice.choice((None, dice.randrange(at))) if at else None for at in range(size)
        ),
        accounts=tuple(account() for _ in range(dice.randint(0, 30))),
        scopes=tuple(
            (dice.randrange(size), frozenset(dice.sample(range(2), dice.randint(0, 2))))
            for _ in range(dice.choice((0, 1, 2, 3)))
        ),
        central=dice.random() < 0.2,
    )


plans = st.integers(0, 2**32).map(planned)


class Undone(Exception):
    """Rolls back."""


@contextmanager
def bounded(counted: int, stretch: int) -> Iterator[None]:
    """As if what is much began here: the ways of large directories are tried on small ones."""
    stretches = (stretch, 2 * stretch, 8 * stretch)
    much = patch.object(service, "COUNTED", counted)
    with much, patch.object(people_pages, "STRETCHES", stretches):
        yield


@contextmanager
def made(services: Services, plan: Plan) -> Iterator[Made]:
    """The plan in the database, until the block ends."""
    with suppress(Undone), services.core.db.unit_of_work() as session:
        yield _make(session, plan)
        raise Undone


def _make(session: Session, plan: Plan) -> Made:
    structures: list[Structure] = []
    for at, parent in enumerate(plan.parents):
        structure = Structure(
            code=f"s{at}",
            label=NAMES[at % 3] + f" {at}",
            parent_id=None if parent is None else structures[parent].id,
            path="",
            label_path="",
            search_key="",
        )
        session.add(structure)
        refresh_subtree(session, structure)
        structures.append(structure)
    applications = [Application(code=f"app{at}", label=f"Application {at}") for at in range(2)]
    session.add_all(applications)
    session.flush()
    roles = [
        Role(application_id=applications[at // 2].id, code=f"r{at}", label=f"R{at}", value=f"R{at}")
        for at in range(3)
    ]
    session.add_all(roles)
    session.flush()
    everything = Made(
        session,
        Actor(
            subject_id="actor",
            account_id=0,
            scopes=tuple(
                Scope(structures[at].path, frozenset(applications[one].id for one in covered))
                for at, covered in plan.scopes
            ),
            central=plan.central,
        ),
        structures,
        roles,
    )
    for number, account in enumerate(plan.accounts):
        _add_account(everything, number, account)
    session.flush()
    return everything


def _add_account(world: Made, number: int, plan: AccountPlan) -> None:
    day = timedelta(days=1)
    account = Account(
        subject_id=f"subject-{number}",
        mail=f"N{number}@ville.fr",
        mail_key=f"n{number}@ville.fr",
        sn=plan.sn,
        given_name=plan.given_name,
        locked=plan.locked,
        valid_from=START + plan.starts * day,
        valid_until=None
        if plan.ends is None
        else START + plan.starts * day + plan.ends * 399 * day,
        last_sign_in_at=None if plan.last is None else START + plan.last * day,
        created_at=START,
        deleted_at=START if plan.deleted else None,
    )
    if plan.ends is not None and plan.ends < 0:
        account.valid_until = account.valid_from + day
    world.session.add(account)
    for at, each in enumerate(plan.memberships):
        membership = Membership(
            public_id=f"membership-{number}-{at}",
            account=account,
            structure=world.structures[each.structure],
            application_identifier=f"X-{number}" if number % 2 else None,
            suspended=each.suspended,
            confirmed_at=START if each.confirmed else None,
            created_at=START,
            deleted_at=START if each.deleted else None,
        )
        world.memberships.append(membership)
        world.session.add_all(
            Assignment(
                membership=membership, role=world.roles[role], granted_by="x", granted_at=START
            )
            for role in each.roles
        )
        world.session.add(membership)
        world.held[membership.public_id] = frozenset(world.roles[role].id for role in each.roles)


def visible(world: Made) -> list[Membership]:
    """What the decider lets this actor see."""
    return [
        each
        for each in world.memberships
        if each.deleted_at is None
        and each.account.deleted_at is None
        and may(world.actor, Permission.SEE_STRUCTURE, StructureTarget(each.structure.path))
    ]


def holds(world: Made, membership: Membership, roles: list[Role]) -> bool:
    """Whether it holds one of these, and he administers that."""
    return any(
        role.id in world.held[membership.public_id]
        and may(
            world.actor,
            Permission.WITHDRAW_ROLE,
            AssignmentTarget(membership.account_id, membership.structure.path, role.application_id),
        )
        for role in roles
    )


def fits(world: Made, criteria: Criteria, membership: Membership) -> bool:
    account, structure = membership.account, membership.structure
    text = search_key(
        account.sn,
        account.given_name,
        account.mail,
        structure.label,
        membership.application_identifier or "",
    )
    state = {
        "": True,
        State.SUSPENDED: membership.suspended,
        State.NEVER: account.last_sign_in_at is None,
    }.get(criteria.state, account_state(account, START) == criteria.state)
    if criteria.state not in {"", State.SUSPENDED}:
        state = state and tells(world, [membership])
    if criteria.structure:
        (root,) = (each for each in world.structures if each.code == criteria.structure)
        inside = structure.path.startswith(root.path) if criteria.below else structure is root
    else:
        inside = True
    roles = [role for role in world.roles if criteria.role in {"", role.code}]
    roles = [role for role in roles if role.application.code == criteria.application]
    return (
        state
        and inside
        and search_key(criteria.sn) in search_key(account.sn)
        and search_key(criteria.given_name) in search_key(account.given_name)
        and mail_key(criteria.mail) in account.mail_key
        and search_key(criteria.identifier) in search_key(membership.application_identifier or "")
        and all(word in text for word in search_key(criteria.text).split())
        and (not criteria.application or holds(world, membership, roles))
    )


def tells(world: Made, memberships: list[Membership]) -> bool:
    """Whether the state of the account that these are of may be seen by them."""
    target = AccountTarget(-1, frozenset(e.structure.path for e in memberships if e.confirmed_at))
    return may(world.actor, Permission.SEE_ACCOUNT_STATE, target)


def state_of(world: Made, memberships: list[Membership]) -> tuple[str, str]:
    """The state and the activity of the account, as these let him read them."""
    account = memberships[0].account
    if not tells(world, memberships):
        return "à confirmer", ""
    return account_state(account, START), activity(account.last_sign_in_at, START)


def account_key(account: Account, sort: Sort, *, seen: bool = True) -> tuple[Any, ...]:
    name = (search_key(account.sn), search_key(account.given_name), account.id)
    if sort is Sort.MAIL:
        return account.mail_key, account.id
    if sort is Sort.GIVEN_NAME:
        return name[1], name[0], name[2]
    if sort is Sort.LAST:
        activities = ACTIVITIES.index(activity(account.last_sign_in_at, START))
        return activities if seen else len(ACTIVITIES), *name
    return name


def structure_key(membership: Membership) -> tuple[Any, ...]:
    return search_key(membership.structure.label_path), membership.structure_id


def line_key(world: Made, membership: Membership, sort: Sort) -> tuple[Any, ...]:
    key = account_key(membership.account, sort, seen=tells(world, [membership]))
    if sort is Sort.STRUCTURE:
        return *structure_key(membership), *key
    return *key, membership.id


def walked(
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


criteria_of = st.builds(
    Criteria,
    sn=st.sampled_from(("", "", "e", "le gall", "%")),
    given_name=st.sampled_from(("", "", "éri")),
    mail=st.sampled_from(("", "", "N1")),
    identifier=st.sampled_from(("", "", "x-1")),
    state=st.sampled_from(("", "", *State)),
    text=st.sampled_from(WORDS),
    below=st.booleans(),
)
MANY = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@MANY
@given(
    plan=plans,
    bounds=st.sampled_from(((1000, 6000), (1, 4))),
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
    bounds: tuple[int, int],
    criteria: Criteria,
    where: int | None,
    app: int | None,
    sort: Sort,
    descending: bool,
) -> None:
    people = People(services.core)
    with bounded(*bounds), made(services, plan) as world:
        criteria = named(world, criteria, where, app)
        found = [each for each in visible(world) if fits(world, criteria, each)]
        accounts = {each.account.id: each.account for each in found}
        firsts = {
            id_: min((e for e in found if e.account_id == id_), key=structure_key)
            for id_ in accounts
        }
        ordered = sorted(
            accounts.values(),
            key=lambda one: (
                line_key(world, firsts[one.id], sort)
                if sort is Sort.STRUCTURE
                else account_key(
                    one, sort, seen=tells(world, [e for e in found if e.account is one])
                )
            ),
            reverse=descending,
        )

        def page(cursor: str | None) -> Page[Any]:
            return people.page(
                world.actor, criteria, sort=sort, descending=descending, cursor=cursor, size=10
            )

        walked(page, lambda line: line.subject_id, [each.subject_id for each in ordered])
        counted, total = people.count(world.actor, criteria), page(None).total
        # Of more than are counted, which are looked at is the database's choice.
        assert counted == total if counted.exact else not total.exact
        assert counted.number <= len(ordered)
        for line in page(None).lines:
            his = [e for e in visible(world) if e.account.subject_id == line.subject_id]
            assert {each.code for each in line.structures} == {e.structure.code for e in his}
            assert (line.state, line.activity) == state_of(world, his)
            assert (line.invitation == "jamais connecté") == (line.activity == "jamais")
            target = AccountTarget(
                -1,
                frozenset(
                    each.structure.path
                    for each in world.memberships
                    if each.account.subject_id == line.subject_id and each.deleted_at is None
                ),
            )
            assert may(world.actor, Permission.SEE_ACCOUNT, target)
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
            told = dates if tells(world, [each]) else (None, None)
            assert (line.valid_from, line.valid_until) == told


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
    bounds=st.sampled_from(((1000, 6000), (1, 4))),
    text=st.sampled_from(WORDS),
    sort=st.sampled_from(Sort),
    descending=st.booleans(),
)
def test_lines(
    services: Services,
    *,
    plan: Plan,
    bounds: tuple[int, int],
    text: str,
    sort: Sort,
    descending: bool,
) -> None:
    people = People(services.core)
    with bounded(*bounds), made(services, plan) as world:
        role = world.roles[0]
        order = {"sort": sort, "descending": descending, "size": 10}

        def expected(found: list[Membership]) -> list[str]:
            ordered = sorted(found, key=lambda one: line_key(world, one, sort), reverse=descending)
            return [each.public_id for each in ordered]

        def told(line: MemberLine) -> str:
            (one,) = (e for e in world.memberships if e.public_id == line.membership_id)
            assert line.state == state_of(world, [one])[0]
            return line.membership_id

        seen = [each for each in visible(world) if fits(world, Criteria(text=text), each)]
        mine = [
            each
            for each in seen
            if may(
                world.actor,
                Permission.GRANT_ROLE,
                AssignmentTarget(each.account_id, each.structure.path, role.application_id),
            )
        ]
        for structure in world.structures:
            if may(world.actor, Permission.SEE_STRUCTURE, StructureTarget(structure.path)):
                walked(
                    lambda cursor, code=structure.code: people.members(
                        world.actor, code, text=text, cursor=cursor, **order
                    ),
                    told,
                    expected([e for e in seen if e.structure.path.startswith(structure.path)]),
                )
        if not mine:
            return
        walked(
            lambda cursor: people.holders(
                world.actor, "app0", "r0", text=text, cursor=cursor, **order
            ),
            told,
            expected([each for each in mine if holds(world, each, [role])]),
        )
        if len(search_key(text)) >= 3:
            walked(
                lambda cursor: people.candidates(
                    world.actor, "app0", "r0", text, cursor=cursor, **order
                ),
                told,
                expected(mine),
            )
