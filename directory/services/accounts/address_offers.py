"""What waits for the person of an account whose address changes: he has accepted nothing yet."""

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from directory.authorisation import Actor, Permission, may
from directory.models import Account, Membership
from directory.services.lookup import membership_target


def offers(
    session: Session, actor: Actor, account: Account, *, lock: bool = False
) -> tuple[list[Membership], list[Membership]]:
    """The memberships that wait for the person: those that stay, and those that go. One statement.

    These go into their structures' bins: who made them restores them if he means the new address
    too. ``lock``: others who change one of them wait; not those who change its structure.
    """
    statement = (
        select(Membership)
        .where(
            Membership.account_id == account.id,
            Membership.deleted_at.is_(None),
            Membership.confirmed_at.is_(None),
        )
        .options(joinedload(Membership.structure, innerjoin=True))
        .order_by(Membership.id)
    )
    if lock:
        statement = statement.with_for_update(of=Membership)
        statement = statement.execution_options(populate_existing=True)
    stay: list[Membership] = []
    go: list[Membership] = []
    for membership in session.scalars(statement):
        his = may(actor, Permission.EDIT_MEMBERSHIP, membership_target(membership))
        (stay if his else go).append(membership)
    return stay, go
