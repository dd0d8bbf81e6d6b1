"""Who of those who had the address of an account may refuse that it gets another.

Whoever chose a password at an address may be its owner, and gets a link. A stranger at a mistyped
one never did: for seven days the link goes to the owner of before instead. Of an account that was
never used there is none: see :func:`_is_unused`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, AssignmentTarget, Permission, may
from directory.models import Account, AddressChange, Assignment, Membership, Role, Structure
from directory.search import mail_key


@dataclass(frozen=True, slots=True)
class Claims:
    """What those who had an address of this account may still say of it.

    ``mail`` is the address of now; ``owned``: somebody chose a password there, or was mailed a link
    to refuse already; ``unused``: see :func:`_is_unused`. ``changes``: those that were refused, or
    still may be, the latest last.
    """

    mail: str
    owned: bool
    unused: bool
    changes: Sequence[AddressChange]

    @property
    def contested(self) -> bool:
        """Whether a change was refused, and the correspondant has not decided yet."""
        return any(each.refused_at is not None for each in self.changes)

    @property
    def undoable(self) -> tuple[str, ...]:
        """The addresses of before whose return is no change that anybody may refuse."""
        refused = [each for each in self.changes if each.refused_at is not None]
        put_back = refused or ([] if self.owned else self.changes[-1:])
        return tuple(dict.fromkeys(each.old_mail for each in put_back))

    def refuser(self, new: str = "") -> str:
        """The address whose owner may refuse that the account gets this one; empty: nobody.

        The address of now where it is owned, and where none of before may refuse: its owner may not
        have come by yet, and unless the account is unused, there is something to take from him.
        Else the latest that was owned, unless he gets it back: he is told of each change, so that
        nobody takes the account by waiting for the end of his first link.
        """
        if self.contested:
            return ""
        if self.owned:
            return self.mail
        if not self.changes:
            return "" if self.unused else self.mail
        latest = self.changes[-1]
        return "" if latest.old_mail_key == mail_key(new) else latest.old_mail

    def settle(self, new: str, now: datetime) -> None:
        """Close the changes that are over once the account gets this address.

        Those that it undoes, unless the address of now is owned: else a référent took the account
        from a new address by way of the old one. And all of a contested account, which the
        correspondant alone changes: he decided, and whom he sends away has no link left.
        """
        over = [
            each
            for each in self.changes
            if self.contested or (not self.owned and each.old_mail_key == mail_key(new))
        ]
        for each in over:
            each.settled_at = now


def refusable(session: Session, account: Account, now: datetime) -> bool:
    """Whether somebody has a link with which he may still refuse an address of this account."""
    alive = exists().where(
        AddressChange.account_id == account.id,
        AddressChange.settled_at.is_(None),
        AddressChange.refused_at.is_(None),
        AddressChange.expires_at > now,
    )
    return bool(session.scalar(select(alive)))


def claims(
    session: Session,
    actor: Actor,
    account: Account,
    now: datetime,
    withdrawn: Collection[Membership],
) -> Claims:
    """Of this account, whose address this actor may change. Three statements.

    ``withdrawn``: the memberships that the change takes from it.
    """
    of_account = AddressChange.account_id == account.id
    unsettled = session.scalars(
        select(AddressChange)
        .where(
            of_account,
            AddressChange.settled_at.is_(None),
            or_(AddressChange.refused_at.is_not(None), AddressChange.expires_at > now),
        )
        .order_by(AddressChange.id)
    ).all()
    mailed = select(exists().where(of_account, AddressChange.old_mail_key == account.mail_key))
    owned = account.password_hash is not None or bool(session.scalar(mailed))
    unused = _is_unused(session, actor, account, now, withdrawn)
    return Claims(account.mail, owned, unused, unsettled)


def _is_unused(
    session: Session,
    actor: Actor,
    account: Account,
    now: datetime,
    withdrawn: Collection[Membership],
) -> bool:
    """Nobody ever signed in, and whoever changes the address may give every role that stays.

    It is put right after a slip when it was created. Who takes it gains what he could as well give
    himself by creating an account; the stranger who got its first mail must not be able to lock it.
    A role that is over is nobody's to take, nor one of a membership that goes with the address.
    """
    if account.last_sign_in_at is not None:
        return False
    held = session.execute(
        select(Structure.path, Role.application_id)
        .select_from(Membership)
        .join(Structure, Structure.id == Membership.structure_id)
        .join(Assignment, Assignment.membership_id == Membership.id)
        .join(Role, Role.id == Assignment.role_id)
        .where(
            Membership.account_id == account.id,
            Membership.deleted_at.is_(None),
            Membership.id.not_in([each.id for each in withdrawn]),
            or_(Assignment.valid_until.is_(None), Assignment.valid_until > now),
        )
        .distinct()
    )
    return all(
        may(actor, Permission.GRANT_ROLE, AssignmentTarget(account.id, path, application_id))
        for path, application_id in held
    )
