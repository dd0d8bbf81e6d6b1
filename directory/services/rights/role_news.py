"""Tells people which roles they were given or lost, in one mail for all of a quarter of an hour."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, or_, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from directory.models import Account, Assignment, Membership, Role, RoleChange
from directory.validity import account_usable
from idp.db import UtcDateTime
from idp.log import logger

if TYPE_CHECKING:
    from idp.services import Core

GATHERED = timedelta(minutes=15)
"""From the first change until the mail: who grants five roles sends one."""

LATE = timedelta(days=1)
"""What a defect kept from being told for so long is forgotten: it must not fill the batch."""

BATCH = 200

_DUE = (
    select(RoleChange.account_id)
    .group_by(RoleChange.account_id)
    .having(func.min(RoleChange.at) <= bindparam("until", type_=UtcDateTime()))
    .order_by(func.min(RoleChange.at))
    .limit(BATCH)
)


@dataclass(frozen=True, slots=True)
class RoleLine:
    """A role as the mail names it."""

    application: str
    role: str
    structure: str


class RoleNews:
    """Gathers changes of roles and mails them."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def note(self, session: Session, membership: Membership, role: Role, *, granted: bool) -> None:
        """Remember a change in its transaction.

        A membership that its person has not confirmed gives nothing to tell of.
        """
        if membership.confirmed_at is None:
            return
        session.add(
            RoleChange(
                account_id=membership.account_id,
                granted=granted,
                application=role.application.label,
                role=role.label,
                structure=membership.structure.label_path,
                at=self._core.clock.now(),
            )
        )

    def note_all(self, session: Session, membership: Membership, *, granted: bool) -> None:
        """Remember that every role of a membership went, or came back, with the membership."""
        held = session.scalars(
            select(Role)
            .join(Assignment, Assignment.role_id == Role.id)
            .where(
                Assignment.membership_id == membership.id,
                or_(
                    Assignment.valid_until.is_(None),
                    Assignment.valid_until > self._core.clock.now(),
                ),
            )
        )
        for role in held:
            self.note(session, membership, role, granted=granted)

    def tell(self) -> int:
        """Mail everybody whose first change is old enough; how many mails, at most a batch.

        The worker calls it every minute.
        """
        until = self._core.clock.now() - GATHERED
        people = self._core.db.rows(_DUE, {"until": until})
        return sum(self._tell_or_log(row.account_id) for row in people)

    def _tell_or_log(self, account_id: int) -> bool:
        """One mail that cannot be written must not stop those behind it; a day later it is late."""
        try:
            return self._tell_one(account_id)
        except OperationalError:
            raise  # the database, not this person: the worker comes back later
        except Exception:  # noqa: BLE001 - a mail of one person, not of those behind
            logger.exception("roles-changed.mail-failed", account=account_id)
        late = RoleChange.at <= self._core.clock.now() - LATE
        with self._core.db.unit_of_work() as session:
            session.execute(delete(RoleChange).where(RoleChange.account_id == account_id, late))
        return False

    def _tell_one(self, account_id: int) -> bool:
        """Mail one person, in the transaction that forgets the changes; no worker waits for it."""
        with self._core.db.unit_of_work() as session:
            changes = session.scalars(
                select(RoleChange)
                .where(RoleChange.account_id == account_id)
                .order_by(RoleChange.id)
                .with_for_update(skip_locked=True)
            ).all()
            granted, withdrawn = net(changes)
            account = self._reader(session, account_id) if granted or withdrawn else None
            ids = [change.id for change in changes]
            session.execute(delete(RoleChange).where(RoleChange.id.in_(ids)))
            if account is None:
                return False
            parameters = {
                "given_name": account.given_name,
                "sn": account.sn,
                "mail": account.mail,
                "portal_url": self._core.settings.url("/"),
                "granted": granted,
                "withdrawn": withdrawn,
            }
            self._core.mailer.send(account.mail, "roles-changed", parameters)
            return True

    def _reader(self, session: Session, account_id: int) -> Account | None:
        """Who has chosen a password: before the first visit the roles are no news."""
        statement = select(Account).where(
            Account.id == account_id, Account.password_hash.is_not(None), account_usable()
        )
        return session.scalar(statement, {"now": self._core.clock.now()})


def net(changes: Iterable[RoleChange]) -> tuple[list[RoleLine], list[RoleLine]]:
    """What was granted and what withdrawn in the end; what came back to where it was is neither."""
    ends: dict[RoleLine, tuple[bool, bool]] = {}
    for change in changes:
        line = RoleLine(change.application, change.role, change.structure)
        first, _ = ends.get(line, (change.granted, change.granted))
        ends[line] = (first, change.granted)
    granted = [line for line, (first, last) in ends.items() if first and last]
    withdrawn = [line for line, (first, last) in ends.items() if not first and not last]
    return granted, withdrawn
