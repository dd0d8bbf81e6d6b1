"""Why nothing can be done with somebody: he lies in the bin, or it is not this actor's to do.

Asked once something was refused, so that whoever pressed late reads what became of the person.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import select

from directory.authorisation import Actor, Permission, may
from directory.models import Account
from directory.services.lookup import account_target
from directory.services.removal.binned import reads_in_bin
from directory.services.removal.fates import why_not

if TYPE_CHECKING:
    from idp.services import Core


class Cause(StrEnum):
    """Of what kind it is."""

    ACCOUNT_IN_BIN = "account-in-bin"
    LEFT = "left"
    """Nothing of his is left in the actor's structures; what he had there is in the bin."""
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
        return self.cause not in {Cause.NOT_HIS, Cause.MEMBERSHIP_GONE}


def out_of_reach(
    core: "Core", actor: Actor, subject_id: str, *, of_account: bool
) -> OutOfReach | None:
    """Why this actor is refused something about a person; None where he may know nothing of it.

    Whom he neither sees nor reads of in his bin is as one who does not exist. ``of_account``: it
    is the account's; of a membership in his structures nobody but its person is refused anything.
    Three statements.
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
