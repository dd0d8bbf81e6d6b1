"""Who did something, as far as whoever reads of it may know him.

One answer for lists, exports and *Historique*: somebody who lies in none of the reader's structures
is told by what he is, not by name.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, select

from directory.authorisation import Actor
from directory.models.rights import MandateKind
from directory.services.own.record import BY_FORMER, BY_OPERATOR, is_person
from directory.validity import (
    ACCOUNT,
    MANDATE,
    MEMBERSHIP,
    STRUCTURE,
    membership_known,
    within_dates,
)
from idp.names import full_name

SOMEBODY_ELSE = "Un administrateur d'une autre structure"
CORRESPONDANT = "Le correspondant"

Read = Callable[[Select[Any], Mapping[str, object]], Sequence[Row[Any]]]

_CENTRAL = and_(
    MANDATE.c.account_id == ACCOUNT.c.id,
    MANDATE.c.kind == MandateKind.CENTRAL.value,
    within_dates(MANDATE),
)
_KNOWN = (
    select(
        ACCOUNT.c.subject_id,
        ACCOUNT.c.given_name,
        ACCOUNT.c.sn,
        ACCOUNT.c.deleted_at,
        STRUCTURE.c.path,
        MANDATE.c.id.label("central"),
    )
    .select_from(ACCOUNT)
    .outerjoin(
        MEMBERSHIP,
        and_(MEMBERSHIP.c.account_id == ACCOUNT.c.id, membership_known()),
    )
    .outerjoin(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    .outerjoin(MANDATE, _CENTRAL)
    .where(ACCOUNT.c.subject_id.in_(bindparam("subject_ids", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class Known:
    """A person as he is now.

    ``paths``: the structures that he confirmed; ``gone``: his account is in the bin.
    """

    name: str
    paths: frozenset[str]
    central: bool
    gone: bool


def known(read: Read, subject_ids: Collection[str], now: datetime) -> Mapping[str, Known]:
    """These people, but for those whose account was purged. One statement, if there are any."""
    wanted = sorted(each for each in subject_ids if is_person(each))
    found: dict[str, Known] = {}
    if not wanted:
        return found
    for row in read(_KNOWN, {"subject_ids": wanted, "now": now}):
        before = found.get(row.subject_id)
        paths = {row.path} if row.path is not None else set()
        found[row.subject_id] = Known(
            name=full_name(row.given_name, row.sn),
            paths=frozenset(paths | before.paths if before else paths),
            central=row.central is not None,
            gone=row.deleted_at is not None,
        )
    return found


def doer(actor: Actor, subject_id: str, people: Mapping[str, Known]) -> str:
    """Who did it, in words for this actor; ``people`` are those of :func:`known`."""
    if not is_person(subject_id):
        return BY_OPERATOR
    person = people.get(subject_id)
    if person is None or person.gone:
        return BY_FORMER
    if subject_id == actor.subject_id or actor.everywhere:
        return person.name
    if any(actor.covers(path) for path in person.paths):
        return person.name
    return CORRESPONDANT if person.central else SOMEBODY_ELSE
