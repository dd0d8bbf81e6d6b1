"""Whom a person may ask: mandates in force on his structure or above, nearest first."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, bindparam, select
from sqlalchemy.orm import Session

from directory.search import search_key
from directory.validity import (
    ACCOUNT,
    APPLICATION,
    APPLICATION_ENTITY,
    MANDATE,
    MANDATE_APPLICATION,
    MEMBERSHIP,
    NOW,
    STRUCTURE,
    account_usable,
    membership_known,
    within_dates,
)
from idp.names import full_name
from idp.settings import Organization
from idp.types import Referent

_PERSON = ACCOUNT.alias("person")
_REFERENT = ACCOUNT.alias("referent")
_ROOT = STRUCTURE.alias("root")


class ReferentRow(NamedTuple):
    """A référent as the statements below yield him, once for each way to reach him."""

    account_id: int | None
    given_name: str | None
    sn: str | None
    mail: str | None
    path: str | None
    root: str | None


def _reached(which: ColumnElement[bool]) -> Select[Any]:
    """Each usable référent of the person bound to ``subject_id``, but for himself.

    ``which``: at which of his memberships.
    """
    return (
        select(
            _REFERENT.c.id.label("account_id"),
            _REFERENT.c.given_name,
            _REFERENT.c.sn,
            _REFERENT.c.mail,
            STRUCTURE.c.path,
            _ROOT.c.path.label("root"),
        )
        .select_from(_PERSON)
        .join(MEMBERSHIP, and_(MEMBERSHIP.c.account_id == _PERSON.c.id, which))
        .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
        .join(
            _ROOT,
            and_(
                STRUCTURE.c.path.startswith(_ROOT.c.path),
                (_ROOT.c.closed_at.is_(None)) | (_ROOT.c.closed_at > NOW),
            ),
        )
        .join(MANDATE, and_(MANDATE.c.structure_id == _ROOT.c.id, within_dates(MANDATE)))
        .join(_REFERENT, and_(_REFERENT.c.id == MANDATE.c.account_id, account_usable(_REFERENT)))
        .where(_PERSON.c.subject_id == bindparam("subject_id"), _REFERENT.c.id != _PERSON.c.id)
    )


OF_PERSON = _reached(membership_known())
"""Whatever the application. Binds ``subject_id`` and ``now``."""

AT_MEMBERSHIP = _reached(MEMBERSHIP.c.id == bindparam("membership_id"))
"""At one membership, confirmed or not. Binds ``membership_id`` too."""

OF_MEMBERSHIP = (
    _reached(membership_known())
    .join(MANDATE_APPLICATION, MANDATE_APPLICATION.c.mandate_id == MANDATE.c.id)
    .where(
        MEMBERSHIP.c.id == bindparam("membership_id"),
        MANDATE_APPLICATION.c.application_id == bindparam("application_id"),
    )
)
"""For one application, at one structure. Binds ``membership_id`` and ``application_id`` too."""

_OF_APPLICATION = (
    _reached(membership_known())
    .add_columns(MANDATE_APPLICATION.c.application_id)
    .join(MANDATE_APPLICATION, MANDATE_APPLICATION.c.mandate_id == MANDATE.c.id)
    .join(
        APPLICATION_ENTITY,
        APPLICATION_ENTITY.c.application_id == MANDATE_APPLICATION.c.application_id,
    )
    .where(APPLICATION_ENTITY.c.entity_id == bindparam("entity_id"))
    .subquery("reached")
)

REFUSAL = (
    select(
        APPLICATION.c.label,
        APPLICATION.c.opens_at,
        APPLICATION.c.closes_at,
        APPLICATION.c.closed_message,
        *(column for column in _OF_APPLICATION.c if column.name != "application_id"),
    )
    .select_from(APPLICATION_ENTITY)
    .join(APPLICATION, APPLICATION.c.id == APPLICATION_ENTITY.c.application_id)
    .outerjoin(_OF_APPLICATION, _OF_APPLICATION.c.application_id == APPLICATION.c.id)
    .where(APPLICATION_ENTITY.c.entity_id == bindparam("entity_id"))
)
"""The application of an entity with the person's référents for it, in one statement.

Four columns of the application, then a :class:`ReferentRow`, all None when there is no référent.
No row when the entity is attached to no application. Binds ``entity_id`` too.
"""


def nearest_first(rows: Iterable[ReferentRow]) -> tuple[Referent, ...]:
    """Each référent once, by his shortest way up to the person's structures, then by name."""
    found: dict[int, tuple[int, str, Referent]] = {}
    for row in rows:
        if row.account_id is None or row.path is None or row.root is None or row.mail is None:
            continue
        distance = row.path.count("/") - row.root.count("/")
        given_name, sn = row.given_name or "", row.sn or ""
        referent = Referent(display_name=full_name(given_name, sn), mail=row.mail)
        entry = (distance, search_key(sn, given_name), referent)
        if row.account_id not in found or distance < found[row.account_id][0]:
            found[row.account_id] = entry
    ordered = sorted(found.values(), key=lambda entry: (entry[0], entry[1], entry[2].mail))
    return tuple(referent for _, _, referent in ordered)


def of_person(session: Session, subject_id: str, now: datetime) -> tuple[Referent, ...]:
    """The référents of a person, whatever the application; empty when he has none."""
    values = {"subject_id": subject_id, "now": now}
    rows = session.connection().execute(OF_PERSON, values)
    return nearest_first(ReferentRow._make(row) for row in rows)


def at_membership(
    session: Session, subject_id: str, membership_id: int, now: datetime
) -> tuple[Referent, ...]:
    """The référents of the structure of this person's membership; empty when it has none."""
    values = {"subject_id": subject_id, "membership_id": membership_id, "now": now}
    rows = session.connection().execute(AT_MEMBERSHIP, values)
    return nearest_first(ReferentRow._make(row) for row in rows)


def or_correspondant(
    referents: tuple[Referent, ...], organization: Organization
) -> tuple[Referent, ...]:
    """These référents, or the correspondant when there is none."""
    if referents:
        return referents
    name = f"Correspondant {organization.name}"
    return (Referent(display_name=name, mail=organization.correspondant),)
