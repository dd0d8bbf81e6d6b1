"""What the mails are given: the parameters of each kind, with a value of each.

The one place that says so. Senders are checked against it at each mail, the operator's own texts
are tried with these values at the start, and ``docs/operations.md`` lists the names.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType

_MOMENT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
_PERSON = {"given_name": "Prénom", "sn": "Nom", "mail": "prenom.nom@ville.example"}
_REFERENT = {"display_name": "Prénom NOM", "mail": "referent@ville.example"}
_ROLE = {"application": "Application", "role": "Rôle", "structure": "Structure / Service"}
_ACCOUNT = {**_PERSON, "structure": "Structure / Service", "confirmed": True}
_LINK = {
    **_PERSON,
    "link": "https://portail.example/mot-de-passe/lien",
    "hours": 24,
    "asked": "reset",
    "forgotten_url": "https://portail.example/mot-de-passe-oublie",
}
_ANSWER = {
    "given_name": "Prénom",
    "sn": "Nom",
    "application": "Application",
    "structure": "Structure / Service",
}

SAMPLES: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "account-created": _ACCOUNT,
        "membership-added": {**_ACCOUNT, "url": "https://portail.example/rattachements"},
        "membership-added-elsewhere": _ACCOUNT,
        "membership-refused": {**_PERSON, "structure": "Structure / Service"},
        "key-ending": {"kid": "20261120-0a1b2c3d", "use": "signing", "ends_at": _MOMENT},
        "role-granted-to-oneself": {**_PERSON, **_ROLE},
        "access-requested": {
            "name": "Prénom NOM",
            "mail": "prenom.nom@ville.example",
            "structure": "Structure / Service",
            "application": "Application",
            "reason": "Motif",
            "url": "https://portail.example/aia/demandes/1",
        },
        "access-granted": {**_ANSWER, "roles": ["Rôle", "Autre rôle"], "message": "Message"},
        "access-refused": {**_ANSWER, "reason": "Motif"},
        "problem-reported": {
            "name": "Prénom NOM",
            "mail": "prenom.nom@ville.example",
            "incident": "0a1b2c3d4e5f6071",
            "application": "Application",
            "text": "Message",
            "forward": True,
        },
        "account-ending": {**_PERSON, "last_day": date(2026, 11, 20), "referents": [_REFERENT]},
        "address-changed": {**_PERSON, "invited": True, "link": "https://portail.example/lien"},
        "address-put-back": {"mail": "prenom.nom@ville.example"},
        "address-refused": {
            **_PERSON,
            "old_mail": "ancienne.adresse@ville.example",
            "changed_at": _MOMENT,
            "changed_by": "Prénom NOM",
            "url": "https://portail.example/aia/utilisateurs/0a1b2c3d4e5f6071",
        },
        "password-first-visit": _LINK,
        "password-reset": _LINK,
        "password-refused": {
            **_PERSON,
            "forgotten_url": "https://portail.example/mot-de-passe-oublie",
            "why": "Votre compte n'est pas encore ouvert.",
            "opens_at": _MOMENT,
            "referents": [_REFERENT],
        },
        "password-chosen": _PERSON,
        "password-changed": _PERSON,
        "roles-changed": {**_PERSON, "granted": [_ROLE], "withdrawn": [_ROLE]},
    }
)
"""By kind. ``portal_url`` may be given to each."""


def check(kind: str, given: Mapping[str, object]) -> None:
    """A mail is given what its kind takes.

    Raises:
        KeyError: no mail of this kind.
        TypeError: a parameter is missing, or one too many.
    """
    expected, found = set(SAMPLES[kind]), set(given) - {"portal_url"}
    if expected != found:
        raise TypeError(f"the mail {kind}: {', '.join(sorted(expected ^ found))}")
