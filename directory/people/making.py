"""Makes lines of rows, with what they need besides: at most two statements for a whole page."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from directory.authorisation import Actor
from directory.people.columns import STRUCTURE_COLUMNS
from directory.people.lines import (
    CandidateLine,
    HolderLine,
    MemberLine,
    PersonLine,
    StructureName,
)
from directory.people.within import Within
from directory.scope import sees_state
from directory.services.telling.doers import doer, known
from directory.states import (
    INVITATIONS,
    NEVER_CAME,
    UNCONFIRMED,
    UNDELIVERED,
    account_state,
    activity,
    membership_state,
)
from directory.validity import MEMBERSHIP, STRUCTURE
from idp.mail_desk import MailDesk, MailSlip

if TYPE_CHECKING:
    from idp.services import Core


class Making:
    """Makes lines."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._mails = MailDesk(core.db, core.clock, core.audit)

    def people(
        self, actor: Actor, rows: Sequence[Row[Any]], now: datetime
    ) -> tuple[PersonLine, ...]:
        """People, each with his structures in scope."""
        structures, confirmed = self._structures(actor, rows)
        seen = {row.id for row in rows if sees_state(actor, row.id, confirmed.get(row.id, ()))}
        never = [row.mail for row in rows if row.id in seen and row.last_sign_in_at is None]
        mails = self._mails.deliveries(never, INVITATIONS)
        return tuple(
            PersonLine(
                subject_id=row.subject_id,
                mail=row.mail,
                sn=row.sn,
                given_name=row.given_name,
                structures=tuple(structures.get(row.id, ())),
                **(_account(row, mails.get(row.mail), now) if row.id in seen else _UNSEEN),
            )
            for row in rows
        )

    def members(
        self, actor: Actor, rows: Sequence[Row[Any]], now: datetime
    ) -> tuple[MemberLine, ...]:
        """Memberships."""
        return tuple(MemberLine(**_member(actor, row, now)) for row in rows)

    def candidates(
        self, actor: Actor, rows: Sequence[Row[Any]], now: datetime
    ) -> tuple[CandidateLine, ...]:
        """Memberships, and whether they hold the role."""
        return tuple(
            CandidateLine(
                **_member(actor, row, now),
                held=row.held,
                begins=row.begins if row.begins is not None and row.begins > now else None,
            )
            for row in rows
        )

    def holders(
        self, actor: Actor, rows: Sequence[Row[Any]], now: datetime
    ) -> tuple[HolderLine, ...]:
        """Memberships, and how they hold the role."""
        grantors = known(self._core.db.rows, {row.granted_by for row in rows}, now)
        return tuple(
            HolderLine(
                **_member(actor, row, now),
                valid_from=row.granted_from,
                valid_until=row.granted_until,
                granted_by=doer(actor, row.granted_by, grantors),
                granted_at=row.granted_at,
            )
            for row in rows
        )

    def _structures(
        self, actor: Actor, rows: Sequence[Row[Any]]
    ) -> tuple[Mapping[int, Sequence[StructureName]], Mapping[int, Sequence[str]]]:
        """Of each account, in the order of the tree; and the paths of those that are confirmed."""
        found: dict[int, list[StructureName]] = {}
        confirmed: dict[int, list[str]] = {}
        if not rows:
            return found, confirmed
        statement = (
            select(
                MEMBERSHIP.c.account_id,
                MEMBERSHIP.c.confirmed_at,
                STRUCTURE.c.path,
                *STRUCTURE_COLUMNS,
            )
            .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
            .where(
                MEMBERSHIP.c.account_id.in_([row.id for row in rows]),
                MEMBERSHIP.c.deleted_at.is_(None),
                *Within.reach(actor).conditions(),
            )
            .order_by(STRUCTURE.c.path_key, STRUCTURE.c.id)
        )
        for row in self._core.db.rows(statement, {}):
            name = StructureName(row.code, row.label, row.label_path)
            found.setdefault(row.account_id, []).append(name)
            if row.confirmed_at is not None:
                confirmed.setdefault(row.account_id, []).append(row.path)
        return found, confirmed


_UNSEEN: dict[str, Any] = {
    "state": UNCONFIRMED,
    "activity": "",
    "has_photo_digest": None,
    "invitation": "",
}
"""Of a person whose state the actor may not see."""


def _account(row: Row[Any], mail: MailSlip | None, now: datetime) -> dict[str, Any]:
    return {
        "state": account_state(row, now),
        "activity": activity(row.last_sign_in_at, now),
        "has_photo_digest": row.digest,
        "invitation": _invitation(row, mail),
    }


def _member(actor: Actor, row: Row[Any], now: datetime) -> dict[str, Any]:
    dates = row.membership_from, row.membership_until
    confirmed = () if row.confirmed_at is None else (row.path,)
    return {
        "membership_id": row.public_id,
        "subject_id": row.subject_id,
        "mail": row.mail,
        "sn": row.sn,
        "given_name": row.given_name,
        "state": account_state(row, now) if sees_state(actor, row.id, confirmed) else UNCONFIRMED,
        "membership_state": membership_state(row, *dates, row.closed_at, now),
        "structure": StructureName(row.code, row.label, row.label_path),
        "function": row.function,
        "service": row.service,
    }


def _invitation(row: Row[Any], mail: MailSlip | None) -> str:
    """*Mail non remis*, *jamais connecté*, or nothing."""
    if row.last_sign_in_at is not None:
        return ""
    return UNDELIVERED if mail is not None and mail.undelivered else NEVER_CAME
