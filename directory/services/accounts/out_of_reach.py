"""Why nothing can be done with somebody: in the bin, moved away, or not this actor's to do.

Asked once something was refused, so that whoever pressed late reads what became of the person.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, may
from directory.models import Account
from directory.services.lookup import account_target
from directory.services.removal.binned import BIN_PERIOD, reads_in_bin
from directory.services.removal.fates import why_not
from directory.services.telling.history import reaches_of
from directory.services.telling.names import LEFT, MOVES
from idp.history import changes

if TYPE_CHECKING:
    from idp.services import Core

_WAYS = MOVES | {"membership.added", "membership.restored"}
"""How somebody comes into a structure, or leaves it otherwise than for the bin."""


class Cause(StrEnum):
    """Of what kind it is."""

    ACCOUNT_IN_BIN = "account-in-bin"
    LEFT = "left"
    """Nothing of his is left in the actor's structures; what he had there is in the bin."""
    MOVED_AWAY = "moved-away"
    """Nothing of his is left there: it was moved elsewhere, as the *Historique* there tells."""
    MEMBERSHIP_IN_BIN = "membership-in-bin"
    """He is there still, with less than before."""
    MEMBERSHIP_GONE = "membership-gone"
    """He is there still; that one was moved out of the actor's structures, or never was."""
    NOT_HIS = "not-his"
    """The actor may not; ``why`` says it."""


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """Who it is, and why; ``why`` is empty where the bin says it all."""

    subject_id: str
    sn: str
    given_name: str
    cause: Cause
    why: str = ""

    @property
    def in_bin(self) -> bool:
        """Whether the bin helps."""
        return self.cause in {Cause.ACCOUNT_IN_BIN, Cause.LEFT, Cause.MEMBERSHIP_IN_BIN}

    @property
    def away(self) -> bool:
        """Whether the actor sees no sheet of his any more, nor anything of him in the bin."""
        return self.cause is Cause.MOVED_AWAY


def out_of_reach(
    core: "Core", actor: Actor, subject_id: str, *, of_account: bool
) -> OutOfReach | None:
    """Why this actor is refused something about a person; None where he may know nothing of it.

    Whom he neither sees, nor reads of in his bin or in the *Historique* of his structures, is as
    one who does not exist. ``of_account``: it is the account's; of a membership in his structures
    nobody but its person is refused anything. Three statements; six of whom he does not see.
    """
    with core.db.reading() as session:
        account = session.scalar(select(Account).where(Account.subject_id == subject_id))
        if account is None:
            return None
        now = core.clock.now()
        target = account_target(session, account, now)
        living = account.deleted_at is None
        visible = may(actor, Permission.SEE_ACCOUNT, target)
        asked = living and visible and (of_account or actor.account_id == account.id)
        why = why_not(actor, target) if asked else ""
        binned = not why and reads_in_bin(session, actor, account, now)
        cause = _cause(living=living, visible=visible, why=why, binned=binned)
        if cause is None and not visible and _moved_away(core, session, actor, subject_id, now):
            cause = Cause.MOVED_AWAY
        if cause is None:
            return None
        return OutOfReach(subject_id, account.sn, account.given_name, cause, why)


def _cause(*, living: bool, visible: bool, why: str, binned: bool) -> Cause | None:
    if why:
        return Cause.NOT_HIS
    if living and visible:
        return Cause.MEMBERSHIP_IN_BIN if binned else Cause.MEMBERSHIP_GONE
    if not binned:
        return None
    return Cause.ACCOUNT_IN_BIN if visible else Cause.LEFT


def _moved_away(
    core: "Core", session: Session, actor: Actor, subject_id: str, now: datetime
) -> bool:
    """Whether a move took him out of the actor's structures, no longer ago than the bin goes back.

    The journal of these structures tells it, which the actor reads in their *Historique* with the
    name of the person, but not where he is now: whoever is told here learns nothing by it.
    """
    last = changes(core.db, _WAYS, reaches_of(session, actor), most=1, among={subject_id})
    return any(each.code == LEFT and each.at > now - BIN_PERIOD for each in last)
