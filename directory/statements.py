"""The statements of the sign-on path, built once; :mod:`directory.plugin` runs them."""

from typing import Any

from sqlalchemy import BindParameter, Select, and_, bindparam, or_, select, update

from directory.validity import (
    ACCOUNT,
    APPLICATION,
    APPLICATION_ENTITY,
    ASSIGNMENT,
    MANDATE,
    MEMBERSHIP,
    NOW,
    PHOTO,
    ROLE,
    STRUCTURE,
    account_usable,
    membership_known,
    membership_valid,
    within_dates,
)
from idp.db import UtcDateTime

_SUBJECT_ID: BindParameter[str] = bindparam("subject_id")
_ENTITY_ID: BindParameter[str] = bindparam("entity_id")

_WITH_PHOTO = ACCOUNT.outerjoin(PHOTO, PHOTO.c.account_id == ACCOUNT.c.id)
_PHOTO = PHOTO.c.digest.label("photo")

CREDENTIALS = select(
    ACCOUNT.c.id,
    ACCOUNT.c.subject_id,
    ACCOUNT.c.mail,
    ACCOUNT.c.given_name,
    ACCOUNT.c.sn,
    ACCOUNT.c.password_hash,
    ACCOUNT.c.password_changed_at,
    ACCOUNT.c.locked,
    ACCOUNT.c.valid_from,
    ACCOUNT.c.valid_until,
    ACCOUNT.c.deleted_at,
).where(ACCOUNT.c.mail_key == bindparam("mail_key"))
"""What signing in needs, whatever the account's state. Binds ``mail_key``."""

PRIVILEGED = (
    select(MANDATE.c.id)
    .where(
        MANDATE.c.account_id == bindparam("of_id"),
        or_(MANDATE.c.valid_until.is_(None), MANDATE.c.valid_until > NOW),
    )
    .limit(1)
)
"""A mandate that is not over, one to come included: as the password's policy reckons."""

REHASH = (
    update(ACCOUNT)
    .where(ACCOUNT.c.id == bindparam("of_id"), ACCOUNT.c.password_hash == bindparam("stored"))
    .values(password_hash=bindparam("fresh"))
)
"""The same password under today's cost, unless it was changed while the old one was hashed."""

NOTE_SIGN_IN = (
    update(ACCOUNT)
    .where(
        ACCOUNT.c.subject_id == bindparam("of_subject"),
        ACCOUNT.c.password_changed_at.is_not_distinct_from(
            bindparam("of_password", type_=UtcDateTime())
        ),
        account_usable(),
    )
    .values(last_sign_in_at=NOW)
)
"""Holds of the state that was checked, or changes no row; then whoever changes that state waits."""

SUBJECT = (
    select(
        ACCOUNT.c.subject_id,
        ACCOUNT.c.mail,
        ACCOUNT.c.given_name,
        ACCOUNT.c.sn,
        ACCOUNT.c.password_changed_at,
        _PHOTO,
    )
    .select_from(_WITH_PHOTO)
    .where(ACCOUNT.c.subject_id == _SUBJECT_ID, account_usable())
)
"""A person whose account is usable. Binds ``subject_id`` and ``now``."""


def _held(*columns: Any) -> Select[Any]:  # noqa: ANN401 - columns of any type
    """Roles in force of the person bound to ``subject_id``, through valid memberships."""
    return (
        select(*columns)
        .select_from(ACCOUNT)
        .join(MEMBERSHIP, MEMBERSHIP.c.account_id == ACCOUNT.c.id)
        .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
        .join(ASSIGNMENT, ASSIGNMENT.c.membership_id == MEMBERSHIP.c.id)
        .join(ROLE, ROLE.c.id == ASSIGNMENT.c.role_id)
        .join(APPLICATION, APPLICATION.c.id == ROLE.c.application_id)
        .where(
            ACCOUNT.c.subject_id == _SUBJECT_ID,
            account_usable(),
            membership_valid(),
            within_dates(ASSIGNMENT),
        )
    )


ENTITLEMENTS = (
    _held(
        ACCOUNT.c.subject_id,
        ACCOUNT.c.mail,
        ACCOUNT.c.given_name,
        ACCOUNT.c.sn,
        ACCOUNT.c.password_changed_at,
        MEMBERSHIP.c.public_id.label("membership_id"),
        MEMBERSHIP.c.service,
        MEMBERSHIP.c.function,
        MEMBERSHIP.c.application_identifier,
        MEMBERSHIP.c.phone,
        STRUCTURE.c.code.label("structure_code"),
        STRUCTURE.c.label.label("structure_label"),
        STRUCTURE.c.label_path,
        STRUCTURE.c.siret_in_force,
        ROLE.c.value,
        ROLE.c.label,
    )
    .join(APPLICATION_ENTITY, APPLICATION_ENTITY.c.application_id == APPLICATION.c.id)
    .where(
        APPLICATION_ENTITY.c.entity_id == _ENTITY_ID,
        and_(
            or_(APPLICATION.c.opens_at.is_(None), APPLICATION.c.opens_at <= NOW),
            or_(APPLICATION.c.closes_at.is_(None), APPLICATION.c.closes_at > NOW),
        ),
    )
    .order_by(MEMBERSHIP.c.id, ROLE.c.id)
)
"""One row per role held on the SP's application, open now. Binds ``entity_id`` too."""

MEMBERSHIPS_HOLDING = _held(MEMBERSHIP.c.id.label("membership_id")).where(
    APPLICATION.c.id == bindparam("application_id")
)
"""The memberships that hold a role on an application, open or closed. Binds its id too."""

TILES = (
    _held(
        APPLICATION.c.code,
        APPLICATION.c.label,
        APPLICATION.c.description,
        APPLICATION.c.icon,
        APPLICATION.c.start_url,
        APPLICATION.c.opens_at,
        APPLICATION.c.closes_at,
        APPLICATION.c.closed_message,
        APPLICATION_ENTITY.c.entity_id,
    )
    .outerjoin(APPLICATION_ENTITY, APPLICATION_ENTITY.c.application_id == APPLICATION.c.id)
    .distinct()
)
"""One row per application on which the person holds a role, open or closed."""

ROLES = _held(
    APPLICATION.c.label.label("application_label"),
    ROLE.c.label.label("role_label"),
    STRUCTURE.c.label_path.label("structure_path"),
)
"""The roles in force, as the profile lists them."""

_GRANTOR = ACCOUNT.alias("grantor")

ACCESSES = (
    _held(
        APPLICATION.c.label.label("application_label"),
        APPLICATION.c.code.label("application_code"),
        ROLE.c.label.label("role_label"),
        STRUCTURE.c.label_path.label("structure_path"),
        ASSIGNMENT.c.granted_by,
        ASSIGNMENT.c.granted_at,
        ASSIGNMENT.c.valid_from,
        ASSIGNMENT.c.valid_until,
        MEMBERSHIP.c.valid_until.label("membership_until"),
        _GRANTOR.c.given_name,
        _GRANTOR.c.sn,
    )
    .outerjoin(_GRANTOR, _GRANTOR.c.subject_id == ASSIGNMENT.c.granted_by)
    .order_by(ASSIGNMENT.c.id)
)
"""The same with their history, for the person himself."""

STRUCTURE_PATHS = (
    select(STRUCTURE.c.label_path)
    .select_from(ACCOUNT)
    .join(MEMBERSHIP, MEMBERSHIP.c.account_id == ACCOUNT.c.id)
    .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    .where(ACCOUNT.c.subject_id == _SUBJECT_ID, membership_known())
)
"""The structures a person belongs to. Binds ``subject_id``."""

APPLICATION_CODE = (
    select(APPLICATION.c.code)
    .join(APPLICATION_ENTITY, APPLICATION_ENTITY.c.application_id == APPLICATION.c.id)
    .where(APPLICATION_ENTITY.c.entity_id == _ENTITY_ID)
)
"""An application's code. Binds ``entity_id``."""

APPLICATION_LABEL = (
    select(APPLICATION.c.label)
    .join(APPLICATION_ENTITY, APPLICATION_ENTITY.c.application_id == APPLICATION.c.id)
    .where(APPLICATION_ENTITY.c.entity_id == _ENTITY_ID)
)
"""An application's label. Binds ``entity_id``."""
