"""What is recorded about a person, for himself: his accesses, and all his data (RGPD art. 15)."""

from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Row, bindparam, select

from directory import statements
from directory.models import AccessRequest, PasswordLinkRow
from directory.models.rights import MandateKind
from directory.search import search_key
from directory.validity import (
    ACCOUNT,
    ADDRESS_CHANGE,
    APPLICATION,
    ASSIGNMENT,
    MANDATE,
    MANDATE_APPLICATION,
    MEMBERSHIP,
    PHOTO,
    ROLE,
    STRUCTURE,
    table,
)
from idp.asking import RequestState
from idp.names import full_name
from idp.self_service import Access

if TYPE_CHECKING:
    from idp.services import Core

_SUBJECT_ID: BindParameter[str] = bindparam("subject_id")
_ACCOUNT = (
    select(ACCOUNT, PHOTO.c.content_type, PHOTO.c.updated_at, PHOTO.c.image)
    .outerjoin(PHOTO, PHOTO.c.account_id == ACCOUNT.c.id)
    .where(ACCOUNT.c.subject_id == _SUBJECT_ID)
)
_MEMBERSHIPS = (
    select(MEMBERSHIP, STRUCTURE.c.label_path)
    .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
    .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    .where(ACCOUNT.c.subject_id == _SUBJECT_ID)
    .order_by(STRUCTURE.c.label_path)
)
_ASSIGNMENTS = (
    select(
        ASSIGNMENT,
        APPLICATION.c.label.label("application"),
        ROLE.c.label.label("role"),
        STRUCTURE.c.label_path,
    )
    .join(MEMBERSHIP, MEMBERSHIP.c.id == ASSIGNMENT.c.membership_id)
    .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
    .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    .join(ROLE, ROLE.c.id == ASSIGNMENT.c.role_id)
    .join(APPLICATION, APPLICATION.c.id == ROLE.c.application_id)
    .where(ACCOUNT.c.subject_id == _SUBJECT_ID)
    .order_by(APPLICATION.c.label, STRUCTURE.c.label_path, ROLE.c.label)
)
_MANDATES = (
    select(MANDATE, STRUCTURE.c.label_path, APPLICATION.c.label.label("application"))
    .join(ACCOUNT, ACCOUNT.c.id == MANDATE.c.account_id)
    .outerjoin(STRUCTURE, STRUCTURE.c.id == MANDATE.c.structure_id)
    .outerjoin(MANDATE_APPLICATION, MANDATE_APPLICATION.c.mandate_id == MANDATE.c.id)
    .outerjoin(APPLICATION, APPLICATION.c.id == MANDATE_APPLICATION.c.application_id)
    .where(ACCOUNT.c.subject_id == _SUBJECT_ID)
    .order_by(MANDATE.c.id, APPLICATION.c.label)
)

_REQUEST = table(AccessRequest)
_REQUESTS = (
    select(_REQUEST, APPLICATION.c.label.label("application"), STRUCTURE.c.label_path)
    .join(MEMBERSHIP, MEMBERSHIP.c.id == _REQUEST.c.membership_id)
    .join(ACCOUNT, ACCOUNT.c.id == MEMBERSHIP.c.account_id)
    .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    .join(APPLICATION, APPLICATION.c.id == _REQUEST.c.application_id)
    .where(ACCOUNT.c.subject_id == _SUBJECT_ID)
    .order_by(_REQUEST.c.id)
)
_LINK = table(PasswordLinkRow)
_LINKS = (
    select(_LINK.c.created_at, _LINK.c.expires_at, _LINK.c.ended_at)
    .join(ACCOUNT, ACCOUNT.c.id == _LINK.c.account_id)
    .where(ACCOUNT.c.subject_id == _SUBJECT_ID)
    .order_by(_LINK.c.id)
)
_ADDRESSES = (
    select(ADDRESS_CHANGE.c.old_mail, ADDRESS_CHANGE.c.changed_at, ADDRESS_CHANGE.c.refused_at)
    .join(ACCOUNT, ACCOUNT.c.id == ADDRESS_CHANGE.c.account_id)
    .where(ACCOUNT.c.subject_id == _SUBJECT_ID)
    .order_by(ADDRESS_CHANGE.c.id)
)

_STATES = {
    RequestState.PENDING: "en attente",
    RequestState.GRANTED: "acceptée",
    RequestState.REFUSED: "refusée",
    RequestState.WITHDRAWN: "retirée",
}

BY_OPERATOR = "L'administration du service"
BY_FORMER = "Une personne qui n'a plus de compte"


class Record:
    """See :class:`idp.self_service.IRecord`."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def accesses(self, subject_id: str) -> tuple[Access, ...]:
        """See :meth:`idp.self_service.IRecord.accesses`. One statement."""
        values = {"subject_id": subject_id, "now": self._core.clock.now()}
        found = [_access(row) for row in self._core.db.rows(statements.ACCESSES, values)]
        return tuple(
            sorted(
                found,
                key=lambda one: search_key(
                    one.application_label, one.structure_path, one.role_label
                ),
            )
        )

    def export(self, subject_id: str) -> Mapping[str, object]:
        """See :meth:`idp.self_service.IRecord.export`. Bounded by what one person has."""
        with self._core.db.unit_of_work():
            accounts = self._rows(_ACCOUNT, subject_id)
            if not accounts:
                return {}
            self._core.audit.record("account.data-exported", subject_id=subject_id)
            return {
                "compte": _account(accounts[0]),
                "photo": _photo(accounts[0]),
                "rattachements": [_membership(row) for row in self._rows(_MEMBERSHIPS, subject_id)],
                "habilitations": [_assignment(row) for row in self._rows(_ASSIGNMENTS, subject_id)],
                "mandats": _mandates(self._rows(_MANDATES, subject_id)),
                "demandes d'accès": [_request(row) for row in self._rows(_REQUESTS, subject_id)],
                "adresses remplacées": [
                    _address(row) for row in self._rows(_ADDRESSES, subject_id)
                ],
                "liens de mot de passe": [_link(row) for row in self._rows(_LINKS, subject_id)],
            }

    def _rows(self, statement: Any, subject_id: str) -> list[Row[Any]]:  # noqa: ANN401 - of any row
        return list(self._core.db.rows(statement, {"subject_id": subject_id}))


def _access(row: Row[Any]) -> Access:
    ends = [each for each in (row.valid_until, row.membership_until) if each is not None]
    return Access(
        application_label=row.application_label,
        application_code=row.application_code,
        role_label=row.role_label,
        structure_path=row.structure_path,
        granted_by=grantor_name(row.granted_by, row),
        since=max(row.granted_at, row.valid_from or row.granted_at),
        until=min(ends, default=None),
    )


def grantor_name(granted_by: str, account: Row[Any] | None) -> str:
    """Who granted, in words; ``account`` is his (``given_name``, ``sn``), while he has one."""
    if account is not None and account.sn is not None:
        return full_name(account.given_name, account.sn)
    return BY_FORMER if is_person(granted_by) else BY_OPERATOR


def is_person(doer: str) -> bool:
    """Whether this, as the journal names who did something, is a person's id."""
    return doer != "" and ":" not in doer and doer != "worker"


def _account(row: Row[Any]) -> dict[str, object]:
    return {
        "identifiant interne": row.subject_id,
        "adresse mail": row.mail,
        "nom": row.sn,
        "prénom": row.given_name,
        "mot de passe": "enregistré sous une forme illisible" if row.password_hash else "aucun",
        "mot de passe choisi le": row.password_changed_at,
        "verrouillé": row.locked,
        "valable à partir du": row.valid_from,
        "valable jusqu'au": row.valid_until,
        "dernière connexion": row.last_sign_in_at,
        "créé le": row.created_at,
        "mis à la corbeille le": row.deleted_at,
    }


def _photo(row: Row[Any]) -> dict[str, object] | None:
    if row.image is None:
        return None
    return {
        "format": row.content_type,
        "enregistrée le": row.updated_at,
        "image (base64)": b64encode(row.image).decode(),
    }


def _membership(row: Row[Any]) -> dict[str, object]:
    return {
        "identifiant interne": row.public_id,
        "structure": row.label_path,
        "service": row.service,
        "fonction": row.function,
        "identifiant applicatif": row.application_identifier,
        "télétravail": row.teleworking,
        "adresse postale professionnelle": row.postal_address,
        "téléphone": row.phone,
        "suspendu": row.suspended,
        "valable à partir du": row.valid_from,
        "valable jusqu'au": row.valid_until,
        "confirmé le": row.confirmed_at,
        "créé le": row.created_at,
        "mis à la corbeille le": row.deleted_at,
    }


def _assignment(row: Row[Any]) -> dict[str, object]:
    return {
        "application": row.application,
        "rôle": row.role,
        "structure": row.label_path,
        "donné le": row.granted_at,
        "valable à partir du": row.valid_from,
        "valable jusqu'au": row.valid_until,
    }


def _mandates(rows: list[Row[Any]]) -> list[dict[str, object]]:
    """One per mandate; its rows, one an application, follow one another."""
    mandates: dict[int, dict[str, object]] = {}
    applications: dict[int, list[str]] = {}
    for row in rows:
        held = applications.setdefault(row.id, [])
        held.extend([row.application] if row.application else [])
        central = row.kind == MandateKind.CENTRAL
        mandates[row.id] = {
            "mandat": "correspondant" if central else "référent administrateur",
            "structure": row.label_path,
            "applications": held,
            "donné le": row.granted_at,
            "valable à partir du": row.valid_from,
            "valable jusqu'au": row.valid_until,
        }
    return list(mandates.values())


def _request(row: Row[Any]) -> dict[str, object]:
    return {
        "application": row.application,
        "structure": row.label_path,
        "motif": row.reason,
        "état": _STATES[RequestState(row.state)],
        "demandé le": row.created_at,
        "répondu le": row.answered_at,
        "réponse": row.answer,
    }


def _address(row: Row[Any]) -> dict[str, object]:
    return {
        "ancienne adresse": row.old_mail,
        "remplacée le": row.changed_at,
        "refusé le": row.refused_at,
    }


def _link(row: Row[Any]) -> dict[str, object]:
    return {
        "créé le": row.created_at,
        "valable jusqu'au": row.expires_at,
        "terminé le": row.ended_at,
    }
