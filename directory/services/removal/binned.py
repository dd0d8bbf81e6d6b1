"""What of a person lies in the bin of a structure: no addition and no move takes its place.

Whoever may add somebody to a structure may take what he had there out of the bin, with its roles:
:data:`~directory.authorisation.Permission.ADD_MEMBERSHIP` and ``REMOVE_MEMBERSHIP`` are one rule.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, MembershipTarget, Permission, may
from directory.models import Account, Membership, Structure
from directory.services.days import first_day, last_day
from directory.services.lookup import hold_structure
from directory.validity import MEMBERSHIP, STRUCTURE
from idp.errors import AlreadyExists

if TYPE_CHECKING:
    from idp.services import Core

BIN_PERIOD = timedelta(days=20)


@dataclass(frozen=True, slots=True)
class BinnedMembership:
    """A membership that can be taken out of the bin; ``structure`` is the code of its structure."""

    subject_id: str
    mail: str
    structure: str
    label_path: str
    deleted_at: datetime

    @property
    def until(self) -> datetime:
        """The end of its time there, excluded."""
        return self.deleted_at + BIN_PERIOD


class MembershipInBin(AlreadyExists):
    """The person was removed from this structure; ``binned`` is restored instead of replaced."""

    def __init__(self, core: "Core", binned: BinnedMembership) -> None:
        zone = core.settings.organization.time_zone
        deleted, last = first_day(binned.deleted_at, zone), last_day(binned.until, zone)
        super().__init__(
            f"membership of {binned.subject_id!r} in {binned.structure} is in the bin",
            public=f"Le rattachement de {binned.mail} à la structure « {binned.label_path} » a été "
            f"supprimé le {deleted:%d/%m/%Y}. Il attend dans la corbeille, avec ses rôles, "
            f"jusqu'au {last:%d/%m/%Y} : rétablissez-le.",
        )
        self.binned = binned


def restorable(
    session: Session, actor: Actor, account: Account, now: datetime
) -> tuple[BinnedMembership, ...]:
    """What of somebody who is not in the bin himself this actor may take out of it. One statement.

    In the order of the structures' names.
    """
    rows = session.execute(
        select(STRUCTURE.c.code, STRUCTURE.c.path, STRUCTURE.c.label_path, MEMBERSHIP.c.deleted_at)
        .join(MEMBERSHIP, MEMBERSHIP.c.structure_id == STRUCTURE.c.id)
        .where(
            MEMBERSHIP.c.account_id == account.id,
            MEMBERSHIP.c.deleted_at > now - BIN_PERIOD,
        )
        .order_by(STRUCTURE.c.label_path, STRUCTURE.c.id)
    )
    return tuple(
        BinnedMembership(account.subject_id, account.mail, row.code, row.label_path, row.deleted_at)
        for row in rows
        if may(actor, Permission.REMOVE_MEMBERSHIP, MembershipTarget(account.id, row.path))
    )


def require_room(
    core: "Core", session: Session, account: Account, structure: Structure
) -> int | None:
    """Insist that this person can be added there; the id of what has been in the bin too long.

    Raises:
        AlreadyExists: he belongs to this structure.
        MembershipInBin: he did until less than 20 days ago.
    """
    known = session.execute(
        select(Membership.id, Membership.deleted_at).where(
            Membership.account_id == account.id, Membership.structure_id == structure.id
        )
    ).one_or_none()
    if known is None:
        return None
    if known.deleted_at is None:
        raise already_there(account, structure)
    binned = BinnedMembership(
        account.subject_id, account.mail, structure.code, structure.label_path, known.deleted_at
    )
    if binned.until > core.clock.now():
        raise MembershipInBin(core, binned)
    return int(known.id)


def make_room(core: "Core", session: Session, account: Account, structure: Structure) -> None:
    """Hold the structure, and forget what was to be purged from its bin.

    The caller has locked the account.

    Raises:
        AlreadyExists, MembershipInBin: as :func:`require_room`.
    """
    hold_structure(session, structure)
    over = require_room(core, session, account, structure)
    if over is not None:
        session.execute(delete(Membership).where(Membership.id == over))


def already_there(account: Account, structure: Structure) -> AlreadyExists:
    """That he belongs to this structure."""
    return AlreadyExists(
        f"account {account.id} is in {structure.code}",
        public=f"{account.mail} est déjà rattaché à la structure « {structure.label_path} ».",
    )
