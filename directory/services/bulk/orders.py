"""One action over many accounts: chosen, confirmed with its consequences, then done bit by bit.

Whoever confirms does the first bit himself; the worker does the rest, and goes on after a kill:
what became of an account is written in the transaction that changed it. Each account is asked of
the service and the decider that a single one would be, with the rights that the person who ordered
it has at that moment, and is journalled as his.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, func, insert, literal, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from directory import actors
from directory.authorisation import Actor
from directory.models import Account, BulkAction, BulkItem
from directory.services.accounts.changes import Accounts
from directory.services.accounts.invitations import Invitations
from directory.services.bulk.sheets import (
    UNTOUCHED,
    Action,
    BulkSheet,
    Outcome,
    Prospect,
    latest,
    prospects,
    sheet,
    version_of,
)
from directory.services.lookup import account_by_subject, account_target
from directory.services.removal.bin import Bin
from directory.services.removal.fates import by_subject, facts_of, has_membership_in_scope, why_not
from directory.validity import ACCOUNT, table
from idp.context import Origin, acting, origin
from idp.errors import DirectoryError, NotAllowed, NotFound, StaleEdit
from idp.log import logger
from idp.purge import delete_in_chunks

if TYPE_CHECKING:
    from idp.services import Core

MOST = 5000
"""Accounts of one order."""
UNCONFIRMED = timedelta(hours=2)
"""How long an order waits for its confirmation."""
KEPT = timedelta(days=7)
"""How long it is known what became of it."""
LOCK_SECONDS = 0.1
"""After this no further account is begun in a transaction; with the last one and the commit it
stays below the quarter of a second that a sign-on may wait."""
PAUSE_SECONDS = 0.2
"""Between two transactions: SQLite's other writers look for their turn ten times a second."""

CHANGED = (
    "La situation de cette personne a changé depuis votre confirmation : rien n'a changé pour elle."
)
GONE = "Ce compte n'est plus dans vos structures : il a été supprimé ou déplacé entre-temps."
NO_LONGER = "Vous n'administrez plus cette structure."
DEFECT = "Une erreur du portail a empêché l'opération : rien n'a changé pour ce compte."
TOO_MANY = (
    f"Choisissez {MOST} utilisateurs au plus à la fois : précisez la recherche, puis recommencez."
)

_actions = table(BulkAction)
_items = table(BulkItem)


@dataclass(frozen=True, slots=True)
class _Done:
    outcome: Outcome
    reason: str = ""


class Bulk:
    """Orders over many accounts, and their life."""

    def __init__(self, core: "Core", *, elapsed: Callable[[], float] = monotonic) -> None:
        """``elapsed``: seconds that pass, for the length of a transaction; no date."""
        self._core = core
        self._elapsed = elapsed
        self._accounts = Accounts(core)
        self._bin = Bin(core)
        self._invitations = Invitations(core)

    def choose(
        self, actor: Actor, action: Action, subject_ids: Sequence[str], *, way_back: str = ""
    ) -> str:
        """Keep these accounts for a confirmation; the order's public id.

        Those that do not exist or lie outside the actor's subtrees are left out, alike.
        ``way_back``: the path of the list where the order was given.

        Raises:
            DirectoryError: none is left, or they are too many.
        """
        known = list(dict.fromkeys(subject_ids))
        if len(known) > MOST:
            raise _too_many()
        return self.choose_all(actor, action, by_subject(known), way_back=way_back)

    def choose_all(
        self, actor: Actor, action: Action, which: Select[Any], *, way_back: str = ""
    ) -> str:
        """The same for a selection of account ids, within the actor's subtrees whatever it says.

        Raises:
            DirectoryError: there is none, or they are too many.
        """
        now = self._core.clock.now()
        with self._core.db.unit_of_work() as session:
            order = BulkAction(
                public_id=token_hex(16),
                subject_id=actor.subject_id,
                action=action.value,
                way_back=way_back,
                created_at=now,
                expires_at=now + UNCONFIRMED,
            )
            session.add(order)
            session.flush()
            chosen = (
                select(
                    literal(order.id),
                    ACCOUNT.c.id,
                    ACCOUNT.c.sn,
                    ACCOUNT.c.given_name,
                    ACCOUNT.c.mail,
                    literal(""),
                )
                .where(
                    ACCOUNT.c.id.in_(which),
                    has_membership_in_scope(actor, ACCOUNT.c.id),
                    ACCOUNT.c.deleted_at.is_(None),
                )
                .limit(MOST + 1)
            )
            columns = ("bulk_id", "account_id", "sn", "given_name", "mail", "reason")
            session.execute(insert(_items).from_select(columns, chosen))
            counted = select(func.count()).select_from(_items)
            many = session.scalars(counted.where(_items.c.bulk_id == order.id)).one()
            if many > MOST:
                raise _too_many()
            if not many:
                raise DirectoryError(
                    "nobody was chosen", public="Sélectionnez d'abord au moins un utilisateur."
                )
            return order.public_id

    def instead(self, actor: Actor, public_id: str, action: Action) -> str:
        """Another action for the people of an order: the public id of the new one.

        Raises:
            NotFound: he gave no such order, or it is forgotten.
            DirectoryError: nobody of it is left.
        """
        with self._core.db.unit_of_work() as session:
            order = self._find(session, actor, public_id)
            which = select(_items.c.account_id).where(_items.c.bulk_id == order.id)
            return self.choose_all(actor, action, which, way_back=order.way_back)

    def prospects(self, actor: Actor, public_id: str) -> tuple[Prospect, ...]:
        """What the order would do to each account, computed now. Six statements.

        Raises:
            NotFound: he gave no such order, or it is forgotten.
        """
        return tuple(self._judged(actor, public_id).values())

    def start(self, actor: Actor, public_id: str, version: str | None = None) -> None:
        """Confirm an order, and do its first bit; one that was confirmed is left alone.

        What is so at this moment is what it will do: an account whose fate differs when its turn
        comes stays as it is. ``version``: what was read (:func:`version_of`).

        Raises:
            NotFound: he gave no such order, or it is forgotten.
            StaleEdit: it would not do what was read.
        """
        announced = self._judged(actor, public_id)
        with self._core.db.unit_of_work() as session:
            order = self._find(session, actor, public_id, lock=True)
            if order.started_at is not None:
                return
            if version not in {None, version_of(announced.values())}:
                raise StaleEdit(f"order {public_id} would not do what was read")
            said = [
                {"bulk_id": order.id, "account_id": account_id, "announced": each.announced}
                for account_id, each in announced.items()
            ]
            if said:
                session.execute(update(BulkItem), said)
            now, door = self._core.clock.now(), origin()
            order.started_at, order.expires_at = now, now + KEPT
            order.address, order.request_id = door.address, door.request_id
        self._core.db.resolved(lambda: self.advance(order.id))

    def sheet(self, actor: Actor, public_id: str) -> BulkSheet:
        """How far an order is, and what became of whom. Three statements.

        Raises:
            NotFound: he gave no such order, or it is forgotten.
        """
        with self._core.db.reading() as session:
            return sheet(session, actor, self._find(session, actor, public_id))

    def recent(self, actor: Actor) -> tuple[BulkSheet, ...]:
        """The orders that he confirmed lately, the latest first, without their people."""
        with self._core.db.reading() as session:
            return latest(session, actor.subject_id, self._core.clock.now())

    def work(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Go on with every order under way until it is done; the worker's."""
        for order_id in self._under_way():
            while not stopping() and not self.advance(order_id):
                sleep(PAUSE_SECONDS)

    def advance(self, order_id: int) -> bool:
        """Do some accounts of an order, in one short transaction; whether it is finished.

        One that somebody else is at counts as finished here.
        """
        with self._core.db.unit_of_work() as session:
            begun = self._elapsed()
            order = session.scalar(
                select(BulkAction)
                .where(
                    BulkAction.id == order_id,
                    BulkAction.started_at.is_not(None),
                    BulkAction.finished_at.is_(None),
                )
                .with_for_update(skip_locked=True)
                .execution_options(populate_existing=True)
            )
            if order is None:
                return True
            actor = actors.load(self._core, order.subject_id)
            door = Origin(order.subject_id, order.address, order.request_id)
            with acting(door):
                while self._next(session, order, actor):
                    if self._elapsed() - begun >= LOCK_SECONDS:
                        return False
            order.finished_at = self._core.clock.now()
            return True

    def purge(self) -> int:
        """Forget old orders, but none that is under way; returns how many."""
        over = _actions.c.expires_at <= self._core.clock.now()
        at_rest = or_(_actions.c.started_at.is_(None), _actions.c.finished_at.is_not(None))
        return delete_in_chunks(self._core.db, _actions, over, at_rest)

    def _judged(self, actor: Actor, public_id: str) -> dict[int, Prospect]:
        """What the order would do, by account id."""
        with self._core.db.reading() as session:
            order = self._find(session, actor, public_id)
            # Who left his structures since he was chosen is nobody that he may read of.
            which = select(_items.c.account_id).where(
                _items.c.bulk_id == order.id,
                has_membership_in_scope(actor, _items.c.account_id),
            )
            facts = facts_of(session, session.scalars(which).all(), self._core.clock.now())
        judged = prospects(actor, Action(order.action), facts.values())
        return dict(zip(facts, judged, strict=True))

    def _under_way(self) -> Sequence[int]:
        with self._core.db.reading() as session:
            return session.scalars(
                select(BulkAction.id)
                .where(BulkAction.started_at.is_not(None), BulkAction.finished_at.is_(None))
                .order_by(BulkAction.started_at, BulkAction.id)
            ).all()

    def _find(
        self, session: Session, actor: Actor, public_id: str, *, lock: bool = False
    ) -> BulkAction:
        """An order of his own that is not forgotten."""
        statement = select(BulkAction).where(
            BulkAction.public_id == public_id,
            BulkAction.subject_id == actor.subject_id,
            BulkAction.expires_at > self._core.clock.now(),
        )
        found = session.scalar(statement.with_for_update() if lock else statement)
        if found is None:
            raise NotFound(
                f"order {public_id!r}",
                public="Cette action n'existe pas ou plus : recommencez depuis la liste.",
            )
        return found

    def _next(self, session: Session, order: BulkAction, actor: Actor | None) -> bool:
        """See to one account that waits; False when none does.

        In the order of their ids: two orders that share accounts lock them in the same order.
        """
        row = session.execute(
            select(BulkItem, Account.subject_id)
            .join(Account, Account.id == BulkItem.account_id)
            .where(BulkItem.bulk_id == order.id, BulkItem.outcome.is_(None))
            .order_by(BulkItem.account_id)
            .limit(1)
        ).one_or_none()
        if row is None:
            return False
        item, subject_id = row
        done = self._settle(session, actor, Action(order.action), subject_id, item.announced)
        item.outcome, item.reason = done.outcome.value, done.reason[:300]
        session.flush()
        return True

    def _settle(
        self,
        session: Session,
        actor: Actor | None,
        action: Action,
        subject_id: str,
        announced: str | None,
    ) -> _Done:
        """Do it to one account, or know why not; an account that fails changes nothing."""
        if actor is None or not (actor.scopes or actor.everywhere):
            return _Done(Outcome.REFUSED, NO_LONGER)
        try:
            with session.begin_nested():
                return self._do(session, actor, action, subject_id, announced)
        except NotFound:
            return _Done(Outcome.GONE, GONE)
        except NotAllowed:
            return self._refused(session, actor, subject_id)
        except DirectoryError as error:
            told = CHANGED if isinstance(error, StaleEdit) else error.public
            return _Done(Outcome.REFUSED, told)
        except OperationalError:
            raise  # the database, not this account: the worker comes back
        except Exception:  # noqa: BLE001 - one account, not those behind it
            logger.exception("bulk.item-failed", subject_id=subject_id)
            return _Done(Outcome.FAILED, DEFECT)

    def _do(
        self,
        session: Session,
        actor: Actor,
        action: Action,
        subject_id: str,
        announced: str | None,
    ) -> _Done:
        account = account_by_subject(session, actor, subject_id, lock=True)
        if announced in {None, Outcome.REFUSED}:
            return self._still_nothing(session, actor, action, account)
        match action:
            case Action.LOCK:
                known = account.locked
                self._accounts.lock(actor, account.mail)
                return _Done(Outcome.DONE, "Était déjà verrouillé." if known else "")
            case Action.UNLOCK:
                known = not account.locked
                self._accounts.unlock(actor, account.mail)
                return _Done(Outcome.DONE, "N'était pas verrouillé." if known else "")
            case Action.RESEND:
                self._invitations.send(actor, account.mail)
                return _Done(Outcome.DONE)
            case Action.DELETE:
                removal = self._bin.delete(actor, account.mail, announced=announced)
                where = ", ".join(removal.structures)
                if removal.account:
                    return _Done(Outcome.DONE)
                return _Done(Outcome.KEPT, f"Rattachement retiré : {where}")

    def _still_nothing(
        self, session: Session, actor: Actor, action: Action, account: Account
    ) -> _Done:
        """Why nothing happens to whom nothing was announced for, even if it could by now."""
        facts = facts_of(session, [account.id], self._core.clock.now())
        (now_is,) = prospects(actor, action, facts.values())
        if now_is.outcome in UNTOUCHED:
            return _Done(now_is.outcome, now_is.reason)
        return _Done(Outcome.REFUSED, CHANGED)

    def _refused(self, session: Session, actor: Actor, subject_id: str) -> _Done:
        """Why the decider refused. Its lock went with what was undone: it may be gone by now."""
        try:
            account = account_by_subject(session, actor, subject_id)
        except NotFound:
            return _Done(Outcome.GONE, GONE)
        target = account_target(session, account, self._core.clock.now())
        return _Done(Outcome.REFUSED, why_not(actor, target))


def _too_many() -> DirectoryError:
    return DirectoryError("too many accounts in an order", public=TOO_MANY)
