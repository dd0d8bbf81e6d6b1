"""Who names an address may learn whether somebody has it: each is counted and journalled."""

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from directory.authorisation import Actor
from directory.services.own.people_now import lock_person
from idp.errors import TooMany

if TYPE_CHECKING:
    from idp.services import Core

CHECKED = "account.address-checked"
HOUR = timedelta(hours=1)
PER_HOUR = 120
"""Addresses that somebody may check within an hour: a day's work, and no way to try a directory."""


def require_few(core: "Core", session: Session, actor: Actor) -> None:
    """Insist that he may check one more; whoever does notes it in the same transaction.

    Raises:
        TooMany: more than :data:`PER_HOUR`.
    """
    now = core.clock.now()
    # Locked, so that those who ask at once are counted one after the other.
    lock_person(session, actor.subject_id, now)
    counts = core.audit.tally(CHECKED, actor.subject_id, since=now - HOUR)
    if sum(times for times, _ in counts.values()) >= PER_HOUR:
        raise TooMany(
            f"{PER_HOUR} addresses an hour",
            public=f"Vous avez vérifié {PER_HOUR} adresses depuis une heure. Continuez un peu "
            "plus tard ; s'il vous en reste beaucoup, écrivez au correspondant.",
        )


def note(core: "Core", actor: Actor, mail: str, found: str) -> None:
    """Journal that he checked this address, and what it was; empty: what he typed is none."""
    core.audit.record(
        CHECKED, subject_id=actor.subject_id, parameters={"mail": mail, "found": found}
    )
