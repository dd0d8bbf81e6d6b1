"""What "in force now" means, once, as SQL conditions over a bound ``now``.

A date that is empty does not bound. ``valid_from`` is included, ``valid_until`` is not.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import ColumnElement, FromClause, Table, and_, bindparam, or_

from directory.models import (
    AccessRequest,
    Account,
    AccountPhoto,
    AddressChange,
    Application,
    ApplicationEntity,
    Assignment,
    Mandate,
    MandateApplication,
    Membership,
    NoticeRow,
    Role,
    Structure,
)
from idp.db import Base, UtcDateTime

NOW = bindparam("now", type_=UtcDateTime())


def table(model: type[Base]) -> Table:
    """The Core table of a model: selects on it skip the ORM's own work.

    Raises:
        TypeError: the model is mapped to something else.
    """
    found = model.__table__
    if not isinstance(found, Table):
        raise TypeError(model.__name__)
    return found


ACCESS_REQUEST = table(AccessRequest)
ACCOUNT = table(Account)
ADDRESS_CHANGE = table(AddressChange)
APPLICATION = table(Application)
APPLICATION_ENTITY = table(ApplicationEntity)
ASSIGNMENT = table(Assignment)
MANDATE = table(Mandate)
MANDATE_APPLICATION = table(MandateApplication)
MEMBERSHIP = table(Membership)
NOTICE = table(NoticeRow)
PHOTO = table(AccountPhoto)
ROLE = table(Role)
STRUCTURE = table(Structure)


def within_dates(source: FromClause) -> ColumnElement[bool]:
    """Begun and not over."""
    return and_(
        or_(source.c.valid_from.is_(None), source.c.valid_from <= NOW),
        not_over(source),
    )


def not_over(source: FromClause) -> ColumnElement[bool]:
    """Begun or to come."""
    return or_(source.c.valid_until.is_(None), source.c.valid_until > NOW)


def account_usable(account: FromClause = ACCOUNT) -> ColumnElement[bool]:
    """Not locked, not in the bin, within its dates. ``account`` may be an alias."""
    return and_(account.c.locked.is_(False), account.c.deleted_at.is_(None), within_dates(account))


def membership_known() -> ColumnElement[bool]:
    """Confirmed and not in the bin, whatever its dates."""
    return and_(MEMBERSHIP.c.confirmed_at.is_not(None), MEMBERSHIP.c.deleted_at.is_(None))


def membership_waits() -> ColumnElement[bool]:
    """Waits for its person's word alone: in force, or to come, once he confirms it.

    The caller joins the structure.
    """
    return and_(
        MEMBERSHIP.c.confirmed_at.is_(None),
        MEMBERSHIP.c.deleted_at.is_(None),
        MEMBERSHIP.c.suspended.is_(False),
        or_(MEMBERSHIP.c.valid_until.is_(None), MEMBERSHIP.c.valid_until > NOW),
        structure_open(),
    )


def membership_valid() -> ColumnElement[bool]:
    """Known, not suspended, within its dates, in a structure that is open.

    The caller joins the structure.
    """
    return and_(
        membership_known(),
        MEMBERSHIP.c.suspended.is_(False),
        within_dates(MEMBERSHIP),
        structure_open(),
    )


def structure_open() -> ColumnElement[bool]:
    """Not closed, or closing later."""
    return or_(STRUCTURE.c.closed_at.is_(None), STRUCTURE.c.closed_at > NOW)


class Usable(Protocol):
    """What decides whether an account may be used: a row of it, or the account."""

    @property
    def locked(self) -> bool:
        """By a référent or the correspondant."""

    @property
    def deleted_at(self) -> datetime | None:
        """Since when it is in the bin."""

    @property
    def valid_from(self) -> datetime:
        """Included."""

    @property
    def valid_until(self) -> datetime | None:
        """Excluded."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why an account may not be used: for the log, and in words for its owner."""

    cause: str
    public: str


def why_unusable(account: Usable, now: datetime) -> Unusable | None:
    """Why this account may not be used now; None when it may. As :func:`account_usable`."""
    if account.deleted_at is not None:
        return Unusable("deleted", "Votre compte a été supprimé.")
    if account.locked:
        return Unusable("locked", "Votre compte est verrouillé.")
    if account.valid_from > now:
        return Unusable("not yet valid", "Votre compte n'est pas encore ouvert.")
    if is_over(account.valid_until, now):
        return Unusable("expired", "Votre compte n'est plus valable.")
    return None


def is_over(valid_until: datetime | None, now: datetime) -> bool:
    """Whether an end date has passed."""
    return valid_until is not None and valid_until <= now
