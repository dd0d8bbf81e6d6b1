"""The statements of *Demander un accès*, built once; :mod:`directory.services` runs them."""

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    String,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
)

from directory.models.rights import MandateKind
from directory.validity import (
    ACCESS_REQUEST,
    ACCOUNT,
    APPLICATION,
    ASSIGNMENT,
    MANDATE,
    MANDATE_APPLICATION,
    MEMBERSHIP,
    NOW,
    ROLE,
    STRUCTURE,
    account_usable,
    membership_known,
    membership_valid,
    within_dates,
)
from idp.asking import RequestState
from idp.db import UtcDateTime

_SUBJECT: BindParameter[str] = bindparam("subject_id")
_ROOT = STRUCTURE.alias("root")


def _word(value: str) -> ColumnElement[str]:
    """A word of ours, written into the statement and not bound.

    Partial indexes depend on these words: SQLite plans a statement anew at each run, for ten times
    its price, when the planner had to look at a bound value; PostgreSQL's generic plan does without
    the index.
    """
    return literal_column(f"'{value}'", String())


_PENDING = ACCESS_REQUEST.c.state == _word(RequestState.PENDING)
_NOT_WITHDRAWN = ACCESS_REQUEST.c.state != _word(RequestState.WITHDRAWN)

_HELD = exists().where(
    ASSIGNMENT.c.membership_id == MEMBERSHIP.c.id,
    ASSIGNMENT.c.role_id == ROLE.c.id,
    ROLE.c.application_id == APPLICATION.c.id,
    within_dates(ASSIGNMENT),
)
_ASKED = exists().where(
    ACCESS_REQUEST.c.membership_id == MEMBERSHIP.c.id,
    ACCESS_REQUEST.c.application_id == APPLICATION.c.id,
    _PENDING,
)
_ROLES = ROLE.alias("any_role")
_OFFERED = and_(
    or_(APPLICATION.c.opens_at.is_(None), APPLICATION.c.opens_at <= NOW),
    or_(APPLICATION.c.closes_at.is_(None), APPLICATION.c.closes_at > NOW),
    exists().where(_ROLES.c.application_id == APPLICATION.c.id),
    ~_HELD.correlate(MEMBERSHIP, APPLICATION),
    ~_ASKED.correlate(MEMBERSHIP, APPLICATION),
)
"""Open, with a role to give, not held, not asked for.

Whoever administers it: where no référent does, the request goes to the correspondant.
"""

WORKPLACES = (
    select(
        MEMBERSHIP.c.id,
        MEMBERSHIP.c.public_id,
        STRUCTURE.c.label.label("structure_label"),
        STRUCTURE.c.label_path,
        APPLICATION.c.id.label("application_id"),
        APPLICATION.c.code,
        APPLICATION.c.label,
        APPLICATION.c.description,
        APPLICATION.c.icon,
    )
    .select_from(ACCOUNT)
    .join(MEMBERSHIP, MEMBERSHIP.c.account_id == ACCOUNT.c.id)
    .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    .outerjoin(APPLICATION, _OFFERED)
    .where(ACCOUNT.c.subject_id == _SUBJECT, account_usable(), membership_valid())
)
"""One row per structure and application that may be asked for; one without, where there is none."""

_ANSWERER = ACCOUNT.alias("answerer")

OWN = (
    select(
        ACCESS_REQUEST,
        APPLICATION.c.label.label("application_label"),
        STRUCTURE.c.label.label("structure_label"),
        _ANSWERER.c.given_name,
        _ANSWERER.c.sn,
    )
    .select_from(ACCESS_REQUEST)
    .join(MEMBERSHIP, MEMBERSHIP.c.id == ACCESS_REQUEST.c.membership_id)
    .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
    .join(APPLICATION, APPLICATION.c.id == ACCESS_REQUEST.c.application_id)
    .outerjoin(_ANSWERER, _ANSWERER.c.subject_id == ACCESS_REQUEST.c.answered_by)
    .where(
        ACCOUNT.c.subject_id == _SUBJECT,
        membership_known(),
        or_(
            _PENDING,
            and_(
                ACCESS_REQUEST.c.answered_at > bindparam("since", type_=UtcDateTime()),
                _NOT_WITHDRAWN,
            ),
        ),
    )
    .order_by(ACCESS_REQUEST.c.id.desc())
    .limit(50)
)
"""What the person asked for. Binds ``subject_id`` and ``since``."""

_ACTOR = ACCOUNT.alias("actor")
_CENTRAL = exists().where(
    MANDATE.c.account_id == _ACTOR.c.id,
    MANDATE.c.kind == _word(MandateKind.CENTRAL),
    within_dates(MANDATE),
)
_OWN_MANDATE = (
    select(MANDATE.c.id)
    .join(_ROOT, _ROOT.c.id == MANDATE.c.structure_id)
    .join(MANDATE_APPLICATION, MANDATE_APPLICATION.c.mandate_id == MANDATE.c.id)
    .where(
        MANDATE.c.account_id == _ACTOR.c.id,
        STRUCTURE.c.path.startswith(_ROOT.c.path),
        or_(_ROOT.c.closed_at.is_(None), _ROOT.c.closed_at > NOW),
        within_dates(MANDATE),
        MANDATE_APPLICATION.c.application_id == ACCESS_REQUEST.c.application_id,
    )
    .correlate(_ACTOR, STRUCTURE, ACCESS_REQUEST)
)
_TO_ANSWER = (
    select(ACCESS_REQUEST.c.public_id)
    .select_from(_ACTOR)
    .join(ACCESS_REQUEST, ACCESS_REQUEST.c.membership_id.is_not(None))
    .join(MEMBERSHIP, MEMBERSHIP.c.id == ACCESS_REQUEST.c.membership_id)
    .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
    .join(APPLICATION, APPLICATION.c.id == ACCESS_REQUEST.c.application_id)
    .outerjoin(_ANSWERER, _ANSWERER.c.subject_id == ACCESS_REQUEST.c.answered_by)
    .where(
        _ACTOR.c.subject_id == _SUBJECT,
        account_usable(_ACTOR),
        ACCOUNT.c.id != _ACTOR.c.id,
        ACCOUNT.c.deleted_at.is_(None),
        MEMBERSHIP.c.deleted_at.is_(None),
        or_(_CENTRAL.correlate(_ACTOR), _OWN_MANDATE.exists()),
    )
)
"""Requests of others in the reach of this person's own mandates: what the decider would say."""

_ADMINISTERS = (
    exists()
    .where(
        ACCOUNT.c.subject_id == _SUBJECT,
        MANDATE.c.account_id == ACCOUNT.c.id,
        within_dates(MANDATE),
    )
    .correlate(None)
)
_COUNTED = select(func.count()).select_from(_TO_ANSWER.where(_PENDING).subquery())
WAITING = select(case((_ADMINISTERS, _COUNTED.scalar_subquery())))
"""How many wait for this person; null: he administers nothing. Binds ``subject_id`` and ``now``.

At each opening of the portal: whoever administers nothing, nearly everybody, costs a look at his
mandates and not at the requests of the whole centre.
"""

LINES = (
    _TO_ANSWER.add_columns(
        ACCESS_REQUEST.c.state,
        ACCESS_REQUEST.c.created_at,
        ACCESS_REQUEST.c.answered_at,
        ACCOUNT.c.given_name,
        ACCOUNT.c.sn,
        APPLICATION.c.label.label("application_label"),
        STRUCTURE.c.label.label("structure_label"),
        _ANSWERER.c.given_name.label("answerer_given_name"),
        _ANSWERER.c.sn.label("answerer_sn"),
    )
    .where(
        or_(
            _PENDING,
            and_(
                ACCESS_REQUEST.c.answered_at > bindparam("since", type_=UtcDateTime()),
                _NOT_WITHDRAWN,
            ),
        )
    )
    .order_by(_PENDING.desc(), ACCESS_REQUEST.c.id.desc())
    .limit(bindparam("most"))
)
"""Those that wait first, then those answered since ``since``; at most ``most``."""
