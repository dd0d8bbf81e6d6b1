"""*Historique*: what was changed, by whom, as far as an administrator may read it.

Changes only: when somebody signs in or opens an application is nobody's business here, and no
network address leaves the journal. The views word what this tells.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, may
from directory.models import Account, Structure
from directory.scope import visible_to
from directory.services.lookup import account_by_subject, account_target, structure_in_scope
from directory.services.telling.names import LEFT, MOVED, HistoryLine, Names
from directory.validity import APPLICATION, MEMBERSHIP, STRUCTURE
from idp.history import changes
from idp.names import full_name
from idp.records import About, Change, Reach

if TYPE_CHECKING:
    from idp.services import Core

SIZES = (20, 50, 100)

CHANGES = frozenset(
    {
        "access-request.granted",
        "access-request.made",
        "access-request.refused",
        "access-request.withdrawn",
        "account.address-changed",
        "account.address-refused",
        "account.created",
        "account.deleted",
        "account.invited-again",
        "account.locked",
        "account.photo-added",
        "account.photo-changed",
        "account.photo-removed",
        "account.renamed",
        "account.reset-asked",
        "account.restored",
        "account.unlocked",
        "account.validity-changed",
        "assignment.dates-changed",
        "assignment.granted",
        "assignment.withdrawn",
        "export.finished",
        "export.interrupted",
        "export.started",
        "membership.added",
        "membership.confirmed",
        "membership.dates-changed",
        "membership.edited",
        "membership.left",
        "membership.moved",
        "membership.refused",
        "membership.removed",
        "membership.restored",
        "membership.resumed",
        "membership.suspended",
        "structure.closed",
        "structure.created",
        "structure.renamed",
        "structure.reopened",
        "structure.siret-changed",
    }
)
"""What a référent reads of his structures and of the people in them."""

FOR_CENTRAL = CHANGES | {"mandate.given", "mandate.withdrawn"}
"""What the correspondant reads: mandates are his to know, as on the sheet."""

OWN = frozenset({"account.photo-added", "account.photo-changed", "account.photo-removed"})
"""What a person does with what is his, and is told only when somebody else did it."""

_MOST_MOVES = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The latest changes first. ``title`` names whose; ``after`` is the next page's cursor."""

    title: str
    lines: tuple[HistoryLine, ...]
    after: str | None


class History:
    """Reads the journal for an administrator."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def of_account(
        self, actor: Actor, subject_id: str, *, cursor: str | None = None, size: int = SIZES[0]
    ) -> HistoryPage:
        """What happened to a person's account, and to his memberships and roles within scope.

        Of the account itself nothing is told that is older than his coming into scope, by a new
        membership or by a move; and nothing at all before the person confirmed one. Of somebody in
        the bin what went with him counts.

        Raises:
            NotFound: no such account, or out of scope.
        """
        with self._core.db.reading() as session:
            account = account_by_subject(session, actor, subject_id, binned=None)
            reaches = reaches_of(session, actor)
            found = changes(
                self._core.db,
                _codes(actor),
                reaches,
                most=size + 1,
                about=self._about(session, actor, account, reaches),
                before=_read_cursor(cursor),
            )
            title = full_name(account.given_name, account.sn)
            return self._page(session, actor, title, found, size, reaches)

    def of_structure(
        self,
        actor: Actor,
        code: str,
        *,
        below: bool = False,
        cursor: str | None = None,
        size: int = SIZES[0],
    ) -> HistoryPage:
        """What happened in a structure and, with ``below``, in those under it.

        Raises:
            NotAllowed: there is none, or out of scope.
        """
        with self._core.db.reading() as session:
            structure = structure_in_scope(session, actor, code)
            reaches = reaches_of(session, actor, structure, below=below)
            found = changes(
                self._core.db,
                _codes(actor),
                reaches,
                most=size + 1,
                before=_read_cursor(cursor),
            )
            return self._page(session, actor, structure.label, found, size, reaches)

    def _about(
        self, session: Session, actor: Actor, account: Account, reaches: Collection[Reach]
    ) -> About:
        """What this actor may read of the account itself."""
        target = account_target(session, account, self._core.clock.now())
        if not may(actor, Permission.SEE_ACCOUNT_STATE, target):
            return About(account.subject_id, unless_own=OWN, account=False)
        since = self._known_since(session, actor, account, reaches)
        return About(account.subject_id, since, OWN)

    def _known_since(
        self, session: Session, actor: Actor, account: Account, reaches: Collection[Reach]
    ) -> datetime | None:
        """When he came into scope; None for those who see everything, and for himself."""
        if actor.everywhere or actor.account_id == account.id:
            return None
        mine = frozenset().union(*(reach.structures or () for reach in reaches))
        memberships = session.execute(
            select(MEMBERSHIP.c.created_at, STRUCTURE.c.code)
            .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
            .where(
                MEMBERSHIP.c.account_id == account.id,
                MEMBERSHIP.c.confirmed_at.is_not(None),
                MEMBERSHIP.c.deleted_at.is_not_distinct_from(account.deleted_at),
                visible_to(actor),
            )
        ).all()
        moves = changes(
            self._core.db, {MOVED}, (Reach(),), most=_MOST_MOVES, about=About(account.subject_id)
        )
        came = (_came(row.code, row.created_at, moves, mine) for row in memberships)
        return min(came, default=self._core.clock.now())

    def _page(
        self,
        session: Session,
        actor: Actor,
        title: str,
        found: tuple[Change, ...],
        size: int,
        reaches: Collection[Reach],
    ) -> HistoryPage:
        told = [each for each in found[:size] if not _told_by_arrival(each, reaches)]
        names = Names(session, actor, told, self._core.clock.now())
        return HistoryPage(
            title=title,
            lines=tuple(names.line(each) for each in told),
            after=_write_cursor(found[size - 1]) if len(found) > size else None,
        )


def _codes(actor: Actor) -> frozenset[str]:
    return FOR_CENTRAL if actor.everywhere else CHANGES


def reaches_of(
    session: Session, actor: Actor, structure: Structure | None = None, *, below: bool = True
) -> tuple[Reach, ...]:
    """What he may read, within a structure if one is given. Two statements at the most."""
    if actor.everywhere and structure is None:
        return (Reach(),)
    where = visible_to(actor)
    if structure is not None:
        path = structure.path
        of_it = STRUCTURE.c.path.startswith(path) if below else STRUCTURE.c.path == path
        where = and_(of_it, where)
    structures = session.execute(select(STRUCTURE.c.code, STRUCTURE.c.path).where(where)).all()
    if actor.everywhere:
        return (Reach(frozenset(row.code for row in structures)),)
    wanted = frozenset().union(*(scope.application_ids for scope in actor.scopes))
    applications = select(APPLICATION.c.id, APPLICATION.c.code)
    covered = session.execute(applications.where(APPLICATION.c.id.in_(sorted(wanted)))).all()
    codes = {row.id: row.code for row in covered}
    reaches = (
        Reach(
            frozenset(row.code for row in structures if scope.covers(row.path)),
            frozenset(codes[each] for each in scope.application_ids if each in codes),
        )
        for scope in actor.scopes
    )
    return tuple(reach for reach in reaches if reach.structures)


def _told_by_arrival(change: Change, reaches: Collection[Reach]) -> bool:
    """Whether it is the departure of a move whose other side is read as well: one line tells it."""
    return change.code == LEFT and any(
        reach.structures is None or change.parameters.get("after") in reach.structures
        for reach in reaches
    )


def _came(
    place: str, created_at: datetime, moves: Sequence[Change], mine: Collection[str]
) -> datetime:
    """When a membership, now in this place, came into one of ``mine``: followed back by its moves.

    The moves of a person, the latest first. Where older ones were forgotten, so was all that
    happened before them.
    """
    for move in moves:
        if move.at < created_at:
            break
        if move.parameters.get("after") != place:
            continue
        place = str(move.parameters.get("before"))
        if place not in mine:
            return move.at
    return created_at


def _write_cursor(change: Change) -> str:
    return f"{(change.at - _EPOCH) // timedelta(microseconds=1)}.{change.id}"


def _read_cursor(cursor: str | None) -> tuple[datetime, int] | None:
    """Where the next page begins; the first page for what is no cursor of ours."""
    moment, _, number = (cursor or "").partition(".")
    if not (_is_number(moment) and _is_number(number)):
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(moment)), int(number)
    except OverflowError:
        return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < len(str(2**63))
