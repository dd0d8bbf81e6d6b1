"""The states of accounts and memberships, in words, as every list and sheet names them."""

from datetime import datetime, timedelta
from typing import Protocol

from directory.validity import Usable, is_over

LONG_AGO = timedelta(days=183)
"""Six months: who signed in before is told apart from who did since."""

IN_BIN, LOCKED, FUTURE, EXPIRED, ACTIVE = (
    "dans la corbeille",
    "verrouillé",
    "à venir",
    "expiré",
    "actif",
)
CLOSED, UNCONFIRMED, SUSPENDED, VALID = "structure fermée", "à confirmer", "suspendu", "valide"
UNDER_WAY, OVER = "en cours", "terminé"
NEVER_CAME, UNDELIVERED = "jamais connecté", "mail non remis"
INVITATIONS = ("account-created", "membership-added", "password-first-visit")
"""The mails that invite a person: the newest says whether he was reached."""
NEVER, LONG, RECENT = "jamais", "plus de 6 mois", "moins de 6 mois"


class MembershipFacts(Protocol):
    """What decides on the state of a membership besides dates: a row of it, or the membership."""

    @property
    def confirmed_at(self) -> datetime | None:
        """By the person."""

    @property
    def suspended(self) -> bool:
        """By a référent or the correspondant."""


def account_state(account: Usable, now: datetime) -> str:
    """Dans la corbeille, verrouillé, à venir, expiré, or actif."""
    if account.deleted_at is not None:
        return IN_BIN
    if account.locked:
        return LOCKED
    if account.valid_from > now:
        return FUTURE
    return EXPIRED if is_over(account.valid_until, now) else ACTIVE


def membership_state(
    membership: MembershipFacts,
    valid_from: datetime | None,
    valid_until: datetime | None,
    structure_closed_at: datetime | None,
    now: datetime,
) -> str:
    """Structure fermée, à confirmer, suspendu, à venir, expiré, or valide."""
    checks = (
        (is_over(structure_closed_at, now), CLOSED),
        (membership.confirmed_at is None, UNCONFIRMED),
        (membership.suspended, SUSPENDED),
        (valid_from is not None and valid_from > now, FUTURE),
        (is_over(valid_until, now), EXPIRED),
    )
    return next((state for holds, state in checks if holds), VALID)


def role_state(valid_from: datetime | None, valid_until: datetime | None, now: datetime) -> str:
    """Of a role held: terminé, à venir, or en cours."""
    if is_over(valid_until, now):
        return OVER
    return FUTURE if valid_from is not None and valid_from > now else UNDER_WAY


def activity(last_sign_in_at: datetime | None, now: datetime) -> str:
    """How long ago somebody signed in, no more exactly than his référents may know."""
    if last_sign_in_at is None:
        return NEVER
    return RECENT if now - last_sign_in_at < LONG_AGO else LONG
