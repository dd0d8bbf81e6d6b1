"""The bin as a list: who lies there within one's scope, for how many days, and who may restore."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Select, and_, func, literal, select, true, tuple_
from sqlalchemy.orm import Session

from directory.authorisation import AccountTarget, Actor, MembershipTarget, Permission, may
from directory.people.lines import COUNTED, SIZES, Count, Page
from directory.people.statements import count
from directory.people.wanted import words_of
from directory.services.lookup import account_targets
from directory.services.removal.binned import BIN_PERIOD, listed_in_bin, refused
from directory.services.removal.fates import CHANGED_SINCE, DELETED_SINCE, own, why_not
from directory.services.removal.former import former_mail, words_key
from directory.validity import ACCOUNT, MEMBERSHIP, STRUCTURE
from idp.cursors import Cursors
from idp.db import UtcDateTime
from idp.errors import DirectoryError

if TYPE_CHECKING:
    from idp.services import Core

_AFTER, _BEFORE = "after", "before"
_GONE = func.max(MEMBERSHIP.c.deleted_at)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class BinLine:
    """A person with something in the bin.

    ``account``: the account itself lies there; else only memberships do, or were removed before it
    went from elsewhere. ``structures``: label paths of what lies there, within the actor's scope;
    ``refused``: those of them to which the person said no. ``deleted_at``: when the last of it
    went; ``days_left``: days begun until that is purged. ``why``: why the actor may not restore it;
    empty when he may. ``changed``: the address is another since then; ``mail`` is the present one
    where the actor may see it, and ``former`` the one of then; else ``mail`` is the one of then.
    """

    subject_id: str
    mail: str
    changed: bool
    former: str
    sn: str
    given_name: str
    account: bool
    structures: tuple[str, ...]
    refused: tuple[str, ...]
    deleted_at: datetime
    days_left: int
    why: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Behind which line (None: from the start) to read which way; ``first`` as on the page."""

    way: str = _AFTER
    key: tuple[datetime, int] | None = None
    first: int = 1


class BinList:
    """Reads the bin, latest deletion first."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._cursors = Cursors(core.settings.secret)

    def page(
        self, actor: Actor, *, text: str = "", cursor: str | None = None, size: int = 20
    ) -> Page[BinLine]:
        """A page of it; ``text`` as in *Filtrer*.

        Four statements; one more after going back, one where somebody never confirmed what is here.

        Raises:
            DirectoryError: not one of the sizes.
        """
        if size not in SIZES:
            raise DirectoryError(
                f"page size {size}", public="Ce nombre d'éléments par page n'est pas proposé."
            )
        now = self._core.clock.now()
        whose = f"bin {actor.subject_id} {text}"
        wanted = self._wanted(actor, text, now)
        place = self._place(cursor, whose)
        with self._core.db.reading() as session:
            number = session.scalars(count(wanted, COUNTED)).one()
            rows, more = _rows(session, wanted, place, size)
            if place.way == _BEFORE and not more:
                # The beginning is near, or moved since: a whole first page.
                place = _Place()
                rows, more = _rows(session, wanted, place, size)
            lines = self._lines(session, actor, rows, now)
        backwards = place.way == _BEFORE
        earlier = more if backwards else place.key is not None
        later = bool(rows) if backwards else more
        return Page(
            lines=lines,
            first=place.first,
            total=Count(min(number, COUNTED), exact=number <= COUNTED),
            before=self._seal(_BEFORE, rows[0], max(1, place.first - size), whose)
            if earlier and rows
            else None,
            after=self._seal(_AFTER, rows[-1], place.first + len(rows), whose) if later else None,
        )

    def _wanted(self, actor: Actor, text: str, now: datetime) -> Select[Any]:
        """One row an account.

        ``text`` finds it by any one membership of it here, and the date is that of them all: a
        filter changes neither its day nor its place.
        """
        key = words_key(actor)
        words = (key.contains(word, autoescape=True) for word in words_of(text))
        found = func.count().filter(and_(true(), *words))
        return (
            select(
                ACCOUNT.c.id,
                ACCOUNT.c.subject_id,
                ACCOUNT.c.mail,
                ACCOUNT.c.sn,
                ACCOUNT.c.given_name,
                ACCOUNT.c.deleted_at.label("account_deleted_at"),
                _GONE.label("deleted_at"),
            )
            .select_from(MEMBERSHIP)
            .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
            .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
            .where(listed_in_bin(actor, now))
            .group_by(ACCOUNT.c.id)
            .having(found > 0)
        )

    def _lines(
        self, session: Session, actor: Actor, rows: list[Row[Any]], now: datetime
    ) -> tuple[BinLine, ...]:
        ids = [row.id for row in rows]
        binned = session.execute(
            select(
                MEMBERSHIP.c.account_id,
                MEMBERSHIP.c.deleted_at,
                MEMBERSHIP.c.confirmed_at,
                former_mail().label("former"),
                ACCOUNT.c.subject_id,
                STRUCTURE.c.code,
                STRUCTURE.c.path,
                STRUCTURE.c.label_path,
            )
            .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
            .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
            .where(
                MEMBERSHIP.c.account_id.in_(ids),
                MEMBERSHIP.c.deleted_at > now - BIN_PERIOD,
            )
            .order_by(STRUCTURE.c.label_path)
        )
        of_account: defaultdict[int, list[Any]] = defaultdict(list)
        waited = set()
        for membership in binned:
            of_account[membership.account_id].append(membership)
            if membership.confirmed_at is None and actor.covers(membership.path):
                waited.add((membership.subject_id, membership.code))
        said_no = refused(self._core, waited)
        targets = account_targets(session, ACCOUNT.c.id.in_(ids), now)
        return tuple(
            _line(actor, row, of_account[row.id], targets[row.id], said_no, now)
            for row in rows
            if row.id in targets  # else it was purged meanwhile
        )

    def _place(self, cursor: str | None, whose: str) -> _Place:
        opened = self._cursors.open(cursor, whose) if cursor else None
        if opened is None:
            return _Place()
        way, first, deleted_at, account_id = opened
        return _Place(way, (datetime.fromisoformat(deleted_at), account_id), first)

    def _seal(self, way: str, row: Row[Any], first: int, whose: str) -> str:
        return self._cursors.seal([way, first, row.deleted_at.isoformat(), row.id], whose)


def _rows(
    session: Session, wanted: Select[Any], place: _Place, size: int
) -> tuple[list[Row[Any]], bool]:
    """At most ``size`` rows, latest first, and whether there are more that way."""
    backwards = place.way == _BEFORE
    key = (_GONE, ACCOUNT.c.id)
    statement = wanted.order_by(*(key if backwards else (each.desc() for each in key)))
    if place.key is not None:
        there = tuple_(literal(place.key[0], UtcDateTime()), literal(place.key[1]))
        row = tuple_(*key)
        statement = statement.having(row > there if backwards else row < there)
    found = list(session.execute(statement.limit(size + 1)))
    page = found[:size]
    return (page[::-1] if backwards else page), len(found) > size


def _line(
    actor: Actor,
    row: Row[Any],
    memberships: list[Any],
    target: AccountTarget,
    said_no: Collection[tuple[str, str]],
    now: datetime,
) -> BinLine:
    sees = may(actor, Permission.SEE_ACCOUNT, target)
    former = _former(actor, row, memberships)
    hidden = former is not None and not sees
    account = row.account_deleted_at is not None and sees
    if account:
        memberships = [each for each in memberships if each.deleted_at == row.account_deleted_at]
        why = why_not(actor, target)
    elif row.account_deleted_at is not None:
        # Removed first, then deleted elsewhere: what waits here is his to read of, no more.
        memberships, why = _removed_before(actor, memberships)
    else:
        oneself = not any(
            may(actor, Permission.REMOVE_MEMBERSHIP, MembershipTarget(row.id, each.path))
            for each in memberships
        )
        why = own(actor) if oneself else CHANGED_SINCE if hidden else ""
    left = row.deleted_at + BIN_PERIOD - now
    return BinLine(
        subject_id=row.subject_id,
        mail=former if former is not None and hidden else row.mail,
        changed=former is not None,
        former=former if former is not None and sees else "",
        sn=row.sn,
        given_name=row.given_name,
        account=account,
        structures=tuple(each.label_path for each in memberships if actor.covers(each.path)),
        refused=tuple(
            each.label_path for each in memberships if (row.subject_id, each.code) in said_no
        ),
        deleted_at=row.deleted_at,
        days_left=-(-left // _DAY),
        why=why,
    )


def _former(actor: Actor, row: Row[Any], memberships: list[Any]) -> str | None:
    """The address when the last of it went, where it is another now: so long the actor knew it."""
    last = (each for each in memberships if each.deleted_at == row.deleted_at)
    return next((each.former for each in last if actor.covers(each.path)), None)


def _removed_before(actor: Actor, memberships: list[Any]) -> tuple[list[Any], str]:
    """What went before its account, and why it can't be had back.

    That the account is in the bin too is told by what its person confirmed alone.
    """
    confirmed = [each for each in memberships if each.confirmed_at is not None]
    if any(actor.covers(each.path) for each in confirmed):
        return confirmed, DELETED_SINCE
    return [each for each in memberships if each.former is not None], CHANGED_SINCE
