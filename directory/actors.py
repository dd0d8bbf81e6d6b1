"""Loads an actor: one query, once per request of a screen of the AIA."""

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, select

from directory.authorisation import Actor, Scope
from directory.models.rights import MandateKind
from directory.validity import (
    ACCOUNT,
    MANDATE,
    MANDATE_APPLICATION,
    STRUCTURE,
    account_usable,
    structure_open,
    within_dates,
)

if TYPE_CHECKING:
    from idp.services import Core

_ACTOR = (
    select(
        ACCOUNT.c.id,
        MANDATE.c.id,
        MANDATE.c.kind,
        STRUCTURE.c.path,
        MANDATE_APPLICATION.c.application_id,
    )
    .select_from(ACCOUNT)
    .outerjoin(MANDATE, and_(MANDATE.c.account_id == ACCOUNT.c.id, within_dates(MANDATE)))
    .outerjoin(STRUCTURE, and_(STRUCTURE.c.id == MANDATE.c.structure_id, structure_open()))
    .outerjoin(MANDATE_APPLICATION, MANDATE_APPLICATION.c.mandate_id == MANDATE.c.id)
    .where(
        ACCOUNT.c.subject_id == bindparam("subject_id"),
        account_usable(),
    )
)


def load(core: "Core", subject_id: str) -> Actor | None:
    """The person as an actor, with his mandates in force; None when his account is not usable.

    A mandate on a closed structure gives nothing.
    """
    values = {"subject_id": subject_id, "now": core.clock.now()}
    with core.db.reading() as session:
        rows = session.connection().execute(_ACTOR, values).all()
    if not rows:
        return None
    applications: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
    for _, mandate_id, _, path, application_id in rows:
        if path is not None and application_id is not None:
            applications[mandate_id, path].add(application_id)
    return Actor(
        subject_id=subject_id,
        account_id=rows[0][0],
        scopes=tuple(
            Scope(path, frozenset(ids)) for (_, path), ids in sorted(applications.items())
        ),
        central=any(kind == MandateKind.CENTRAL for _, _, kind, _, _ in rows),
    )
