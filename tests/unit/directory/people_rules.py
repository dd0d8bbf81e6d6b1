"""What the decider says of each membership of a directory, one by one, in memory."""

from typing import Any

from directory.authorisation import (
    AccountTarget,
    AssignmentTarget,
    Permission,
    StructureTarget,
    may,
)
from directory.models import Account, Membership, Role
from directory.people.lists import Criteria, Sort, State
from directory.search import mail_key, search_key
from directory.states import account_state, activity
from tests.common.clock import START
from tests.unit.directory.people_plans import Made

ACTIVITIES = ("jamais", "plus de 6 mois", "moins de 6 mois")


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


def his(world: Made, account: Account) -> list[Membership]:
    """What the decider lets this actor see of him."""
    return [each for each in visible(world) if each.account is account]


def fits(world: Made, criteria: Criteria, membership: Membership) -> bool:
    """Whether it meets the criteria, whatever may be seen of its account."""
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


def told(world: Made, criteria: Criteria, memberships: list[Membership]) -> bool:
    """Whether the criteria may find the account that these are of."""
    return criteria.state in {"", State.SUSPENDED} or tells(world, memberships)


def tells(world: Made, memberships: list[Membership]) -> bool:
    """Whether the state of the account that these are of may be seen by them."""
    confirmed = frozenset(each.structure.path for each in memberships if each.confirmed_at)
    target = AccountTarget(memberships[0].account_id, confirmed)
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
