"""The changes of *Historique* in sentences, with what was before and what is since.

``views.journal`` names events for the person they happened to; here somebody else reads them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from directory.services.days import first_day, last_day
from directory.services.telling.names import YOU, HistoryLine
from idp.names import of
from views.templating import thousands

SENTENCES: Mapping[str, str] = {
    "access-request.granted": "accepté la demande d'accès {of_person} à {application}",
    "access-request.made": "demandé l'accès à {application}",
    "access-request.refused": "refusé la demande d'accès {of_person} à {application}",
    "access-request.withdrawn": "retiré sa demande d'accès à {application}",
    "account.address-changed": "changé l'adresse mail {of_person}",
    "account.address-refused": "refusé depuis l'ancienne adresse que {his} adresse soit remplacée",
    "account.created": "créé le compte {of_person}",
    "account.deleted": "mis le compte {of_person} à la corbeille",
    "account.invited-again": "renvoyé à {person} le mail de création de son compte",
    "account.locked": "verrouillé le compte {of_person}",
    "account.photo-added": "ajouté la photo {of_person}",
    "account.photo-changed": "changé la photo {of_person}",
    "account.photo-removed": "supprimé la photo {of_person}",
    "account.renamed": "modifié le nom {of_person}",
    "account.reset-asked": "envoyé à {person} un mail pour choisir un nouveau mot de passe",
    "account.restored": "rétabli le compte {of_person}",
    "account.unlocked": "déverrouillé le compte {of_person}",
    "account.validity-changed": "modifié les dates de validité du compte {of_person}",
    "assignment.dates-changed": "modifié les dates du rôle {role} {of_application} {of_person}",
    "assignment.granted": "donné le rôle {role} {of_application} à {person}",
    "assignment.withdrawn": "retiré le rôle {role} {of_application} à {person}",
    "export.finished": "exporté {lines}",
    "export.interrupted": "commencé un export qui s'est interrompu après {lines}",
    "export.started": "demandé un export",
    "mandate.given": "donné un mandat {kind} à {person}",
    "mandate.withdrawn": "retiré un mandat {kind} à {person}",
    "membership.added": "rattaché {person} à une structure",
    "membership.confirmed": "confirmé son rattachement à une structure",
    "membership.dates-changed": "modifié les dates du rattachement {of_person}",
    "membership.edited": "modifié les informations professionnelles {of_person}",
    "membership.left": "fait quitter une structure à {person}",
    "membership.moved": "changé {person} de structure",
    "membership.refused": "refusé son rattachement à une structure",
    "membership.removed": "retiré {person} d'une structure",
    "membership.restored": "rétabli le rattachement {of_person}",
    "membership.resumed": "mis fin à la suspension du rattachement {of_person}",
    "membership.suspended": "suspendu le rattachement {of_person}",
    "structure.closed": "fermé une structure",
    "structure.created": "créé une structure",
    "structure.renamed": "renommé une structure",
    "structure.reopened": "rouvert une structure",
    "structure.siret-changed": "modifié le SIRET d'une structure",
}

_OWN: Mapping[str, str] = {
    "account.locked": "verrouillé {his} compte en refusant un changement d'adresse",
}
"""What a person does to himself; nobody else's sentence would do."""

_FIELDS: Mapping[str, str] = {
    "sn": "Nom",
    "given_name": "Prénom",
    "service": "Service",
    "function": "Fonction",
    "application_identifier": "Identifiant applicatif",
    "teleworking": "Télétravail",
    "postal_address": "Adresse postale",
    "phone": "Numéro de téléphone",
}
_WHOLE: Mapping[str, str] = {
    "account.address-changed": "Adresse mail",
    "account.validity-changed": "Validité",
    "assignment.dates-changed": "Dates",
    "assignment.granted": "Dates",
    "membership.dates-changed": "Dates",
    "membership.left": "Structure",
    "membership.moved": "Structure",
    "structure.renamed": "Nom",
    "structure.siret-changed": "SIRET",
}
"""What ``before`` and ``after`` hold where they hold one thing alone."""

NOTHING = "non renseigné"
_UNBOUNDED = "sans limite de date"
_PAIR = 2  # a beginning and an end
_KINDS = {"central": "de correspondant", "referent": "de référent administrateur"}


@dataclass(frozen=True, slots=True)
class Difference:
    """What a field held before, and what it holds since."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Told:
    """A change as it is read; ``when`` stands behind the sentence."""

    sentence: str
    when: str
    structure: str
    differences: tuple[Difference, ...]


def tell(line: HistoryLine, zone: ZoneInfo) -> Told:
    """The change in words."""
    return Told(
        sentence=_sentence(line),
        when=_when(line, zone),
        structure=line.structure,
        differences=_differences(line, zone),
    )


def _sentence(line: HistoryLine) -> str:
    count = line.parameters.get("count")
    told = _OWN.get(line.code) if line.own else None
    return ("{actor} {has} " + (told or SENTENCES[line.code])).format(
        actor=line.actor,
        has="avez" if line.actor == YOU else "a",
        his="votre" if line.actor == YOU else "son",
        person=line.person,
        of_person=of(line.person),
        application=line.application,
        of_application=of(line.application),
        role=f"« {line.role} »",
        lines=_lines(count if isinstance(count, int) else 0),
        kind=_KINDS.get(str(line.parameters.get("kind")), ""),
    )


def _lines(count: int) -> str:
    return f"{thousands(count)} ligne{'s' if count > 1 else ''}"


def _when(line: HistoryLine, zone: ZoneInfo) -> str:
    local = line.at.astimezone(zone)
    if line.day_only:
        return f"le {local:%d/%m/%Y}"
    hour = f"{local.hour} h {local.minute:02}".replace(" ", "\N{NO-BREAK SPACE}")
    return f"le {local:%d/%m/%Y} à {hour}"


def _differences(line: HistoryLine, zone: ZoneInfo) -> tuple[Difference, ...]:
    before, after = line.parameters.get("before"), line.parameters.get("after")
    if line.code in _WHOLE:
        one = Difference(_WHOLE[line.code], _value(before, zone), _value(after, zone))
        return () if one.before == one.after or _is_plain_grant(line, one) else (one,)
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return ()
    return tuple(
        Difference(label, _value(before.get(name), zone), _value(after.get(name), zone))
        for name, label in _FIELDS.items()
        if name in after and before.get(name) != after.get(name)
    )


def _is_plain_grant(line: HistoryLine, one: Difference) -> bool:
    """A role given without any date: that it has none is no news."""
    return line.code == "assignment.granted" and one.after == _UNBOUNDED


def _value(value: object, zone: ZoneInfo) -> str:
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, Mapping) and {"from", "until"} <= value.keys():
        return _period(value["from"], value["until"], zone)
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == _PAIR:
        return _period(value[0], value[1], zone)
    return str(value) if value else NOTHING


def _period(begins: object, ends: object, zone: ZoneInfo) -> str:
    """``du 01/01/2026 au 31/12/2026``, the last day included."""
    begin, end = first_day(_moment(begins), zone), last_day(_moment(ends), zone)
    if begin and end:
        return f"du {begin:%d/%m/%Y} au {end:%d/%m/%Y}"
    if begin:
        return f"à partir du {begin:%d/%m/%Y}"
    return f"jusqu'au {end:%d/%m/%Y}" if end else _UNBOUNDED


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
