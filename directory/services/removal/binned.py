"""What of a person lies in the bin of a structure: no addition and no move takes its place.

Whoever may add somebody to a structure may take what he had there out of the bin, with its roles:
:data:`~directory.authorisation.Permission.ADD_MEMBERSHIP` and ``REMOVE_MEMBERSHIP`` are one rule.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, MembershipTarget, Permission, may
from directory.models import Account, Membership, Structure
from directory.scope import shows_state, visible_to
from directory.services.days import first_day, last_day
from directory.services.lookup import hold_structure
from directory.services.removal.former import changed_since
from directory.validity import ACCOUNT, MEMBERSHIP, STRUCTURE
from idp.errors import AlreadyExists
from idp.history import changes
from idp.names import of
from idp.records import Reach

if TYPE_CHECKING:
    from idp.services import Core

BIN_PERIOD = timedelta(days=20)

_REFUSED = "membership.refused"
_WAYS = {_REFUSED, "membership.removed", "membership.restored"}
_MOST_WAYS = 1000
_REFUSAL = (
    "refusé par cette personne",
    "si vous le rétablissez, la question lui sera posée de nouveau",
)


@dataclass(frozen=True, slots=True)
class BinnedMembership:
    """A membership that can be taken out of the bin; ``structure`` is the code of its structure.

    ``refused``: its person said no to it; else somebody removed it.
    """

    subject_id: str
    mail: str
    structure: str
    label_path: str
    deleted_at: datetime
    refused: bool = False

    @property
    def until(self) -> datetime:
        """The end of its time there, excluded."""
        return self.deleted_at + BIN_PERIOD


class MembershipInBin(AlreadyExists):
    """The person was removed from this structure; ``binned`` is restored instead of replaced."""

    def __init__(self, core: "Core", binned: BinnedMembership) -> None:
        zone = core.settings.organization.time_zone
        deleted, last = first_day(binned.deleted_at, zone), last_day(binned.until, zone)
        how, then = _REFUSAL if binned.refused else ("supprimé", "rétablissez-le")
        super().__init__(
            f"membership of {binned.subject_id!r} in {binned.structure} is in the bin",
            public=f"Le rattachement {of(binned.mail)} à la structure « {binned.label_path} » a "
            f"été {how} le {deleted:%d/%m/%Y}. Il attend dans la corbeille, avec ses rôles, "
            f"jusqu'au {last:%d/%m/%Y} : {then}.",
        )
        self.binned = binned


def restorable(
    core: "Core", session: Session, actor: Actor, account: Account
) -> tuple[BinnedMembership, ...]:
    """What of somebody who is not in the bin himself this actor may take out of it.

    In the order of the structures' names. One statement; two where he never confirmed some of it.
    """
    rows = session.execute(
        select(
            STRUCTURE.c.code,
            STRUCTURE.c.path,
            STRUCTURE.c.label_path,
            MEMBERSHIP.c.deleted_at,
            MEMBERSHIP.c.confirmed_at,
        )
        .join(MEMBERSHIP, MEMBERSHIP.c.structure_id == STRUCTURE.c.id)
        .where(
            MEMBERSHIP.c.account_id == account.id,
            MEMBERSHIP.c.deleted_at > core.clock.now() - BIN_PERIOD,
        )
        .order_by(STRUCTURE.c.label_path, STRUCTURE.c.id)
    )
    his = [
        row
        for row in rows
        if may(actor, Permission.REMOVE_MEMBERSHIP, MembershipTarget(account.id, row.path))
    ]
    waited = {(account.subject_id, row.code) for row in his if row.confirmed_at is None}
    said_no = refused(core, waited)
    return tuple(
        BinnedMembership(
            account.subject_id,
            account.mail,
            row.code,
            row.label_path,
            row.deleted_at,
            (account.subject_id, row.code) in said_no,
        )
        for row in his
    )


def lies_in_bin(actor: Actor, now: datetime) -> ColumnElement[bool]:
    """Whether a membership, beside its account and its structure, lies in the bin of this actor.

    It went with the account, without it, or before it. That an account is in the bin is a state of
    it, which a membership shows to nobody that its person never confirmed.
    """
    shown = or_(ACCOUNT.c.deleted_at.is_(None), shows_state(actor))
    return and_(MEMBERSHIP.c.deleted_at > now - BIN_PERIOD, visible_to(actor), shown)


def listed_in_bin(actor: Actor, now: datetime) -> ColumnElement[bool]:
    """The same of its list, which also keeps to the end what a change of address took him from.

    The line says of it what was true while the account lived, so it tells nothing of its state.
    """
    if actor.everywhere:
        return lies_in_bin(actor, now)
    within = and_(MEMBERSHIP.c.deleted_at > now - BIN_PERIOD, visible_to(actor))
    return or_(lies_in_bin(actor, now), and_(within, changed_since()))


def reads_in_bin(session: Session, actor: Actor, account: Account, now: datetime) -> bool:
    """Whether the bin of this actor holds anything of an account; one statement."""
    his = (
        select(MEMBERSHIP.c.id)
        .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
        .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
        .where(ACCOUNT.c.id == account.id, lies_in_bin(actor, now))
    )
    return session.scalar(his.limit(1)) is not None


def refused(core: "Core", waited: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Which of these memberships in the bin their person refused, by subject id and structure.

    ``waited``: those that were never confirmed; the journal knows what became of them last. One
    statement, and none for none.
    """
    latest: dict[tuple[str | None, str | None], str] = {}
    if waited:
        within = Reach({structure for _, structure in waited}, applications=())
        people = {subject_id for subject_id, _ in waited}
        for change in changes(core.db, _WAYS, [within], most=_MOST_WAYS, among=people):
            latest.setdefault((change.subject_id, change.structure), change.code)
    return frozenset(each for each in waited if latest.get(each) == _REFUSED)


def require_room(
    core: "Core", session: Session, account: Account, structure: Structure
) -> int | None:
    """Insist that this person can be added there; the id of what has been in the bin too long.

    Raises:
        AlreadyExists: he belongs to this structure.
        MembershipInBin: he did until less than 20 days ago.
    """
    known = session.execute(
        select(Membership.id, Membership.deleted_at, Membership.confirmed_at).where(
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
        waited = {(account.subject_id, structure.code)} if known.confirmed_at is None else ()
        raise MembershipInBin(core, replace(binned, refused=bool(refused(core, waited))))
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
