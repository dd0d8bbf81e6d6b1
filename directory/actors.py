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
from idp.errors import ConvergencesError

if TYPE_CHECKING:
    from idp.services import Core


class RightsChanged(ConvergencesError):
    """Between the decision and the change, who asked for it got other rights, or none."""

    code = "rights-changed"
    http_status = 409
    heading = "Vos droits d'administration ont changé"
    public_text = (
        "Vos droits d'administration viennent de changer. Rien n'a été enregistré. C'est le "
        "correspondant qui donne et retire les mandats : écrivez-lui si cela vous étonne."
    )


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

_MANDATES = (
    select(MANDATE.c.id)
    .join(MANDATE_APPLICATION, MANDATE_APPLICATION.c.mandate_id == MANDATE.c.id)
    .where(MANDATE.c.account_id == bindparam("account_id"))
    .with_for_update(read=True)
)
"""A référent's, locked. A correspondant's are not: whoever removes one locks them all."""


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


def has_same_rights(core: "Core", actor: Actor) -> bool:
    """Whether he still has the rights he was loaded with; the command line always has."""
    if actor.operator:
        return True
    now = load(core, actor.subject_id)
    return now == actor or (now is not None and now.central and actor.central)


def require_still(core: "Core", actor: Actor) -> None:
    """Insist, as the first act of a unit of work, on the rights that were decided on.

    A référent's mandates last until its end: whoever withdraws one meanwhile waits. To a
    correspondant his own structures are nothing: he may have closed one in the unit before.

    Raises:
        RightsChanged: they are others now, or none.
    """
    if not core.db.is_sqlite:  # which has one writer at a time
        core.db.rows(_MANDATES, {"account_id": actor.account_id})
    if not has_same_rights(core, actor):
        raise RightsChanged(f"the rights of {actor.subject_id!r} changed meanwhile")
