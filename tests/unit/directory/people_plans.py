"""Small directories drawn by chance, and who asks in them, for what is true of all of them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

from hypothesis import strategies as st
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Scope
from directory.models import Account, Application, Assignment, Membership, Role, Structure
from directory.services.structures.changes import refresh_subtree
from idp.services import Services
from tests.common.clock import START

NAMES = ("Éric", "eric", "Le Gall", "Legall", "Œuvre", "Zoé", "d'Arc", "A", "%")


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
    """``parents``: of each structure, an earlier one or none. ``own``: who asks, if any of them."""

    parents: tuple[int | None, ...]
    accounts: tuple[AccountPlan, ...]
    scopes: tuple[tuple[int, frozenset[int]], ...]
    central: bool
    own: int


@dataclass
class Made:
    """What was put into the database of a plan, and who asks."""

    session: Session
    actor: Actor
    structures: list[Structure]
    roles: list[Role]
    memberships: list[Membership] = field(default_factory=list)
    held: dict[str, frozenset[int]] = field(default_factory=dict)


def planned(seed: int, people: tuple[int, int] = (0, 30)) -> Plan:
    """A plan of this seed: dense, because what Hypothesis draws part by part is mostly empty.

    ``people``: at least and at most so many.
    """
    dice = Random(seed)  # noqa: S311 - reproducible, not secret
    size = dice.randint(1, 6)

    def membership(structure: int) -> MembershipPlan:
        return MembershipPlan(
            structure,
            deleted=dice.random() < 0.3,
            suspended=dice.random() < 0.5,
            confirmed=dice.random() < 0.5,
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

    accounts = tuple(account() for _ in range(dice.randint(*people)))
    return Plan(
        parents=tuple(
            dice.choice((None, dice.randrange(at))) if at else None for at in range(size)
        ),
        accounts=accounts,
        scopes=tuple(
            (dice.randrange(size), frozenset(dice.sample(range(2), dice.randint(0, 2))))
            for _ in range(dice.choice((0, 1, 2, 3)))
        ),
        central=dice.random() < 0.15,
        own=dice.randrange(len(accounts) + 1),
    )


plans = st.integers(0, 2**32).map(planned)


class Undone(Exception):
    """Rolls back."""


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
    everything = Made(session, _actor(plan, structures, applications), structures, roles)
    accounts = [_add_account(everything, *each) for each in enumerate(plan.accounts)]
    session.flush()
    if plan.own < len(accounts):
        everything.actor = replace(everything.actor, account_id=accounts[plan.own].id)
    return everything


def _actor(plan: Plan, structures: list[Structure], applications: list[Application]) -> Actor:
    return Actor(
        subject_id="actor",
        account_id=0,
        scopes=tuple(
            Scope(structures[at].path, frozenset(applications[one].id for one in covered))
            for at, covered in plan.scopes
        ),
        central=plan.central,
    )


def _add_account(world: Made, number: int, plan: AccountPlan) -> Account:
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
            # With an account in the bin go all its memberships.
            deleted_at=START if each.deleted or plan.deleted else None,
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
    return account
