"""*Mes données*: everything that is held about a person, as one file. RGPD art. 15 and 20."""

import json
from collections.abc import Iterable, Mapping, Sized
from datetime import UTC, datetime

from pyramid.config import Configurator
from pyramid.response import Response

from idp.names import full_name
from idp.records import JournalEntry, MailNote, OpenSession, Pseudonym
from idp.request import Request
from idp.types import Subject
from views import journal
from views.person import signed_in

MOST_EVENTS = 10_000
"""A year of the journal is some thousands for the busiest; the file says when it is cut."""

MOST_MAILS = 1_000
"""A référent gets thousands in the thirty days that they are kept; the file says when it is cut."""

MOST_SESSIONS = 100
"""Of sessions that are over and not purged yet, the list ends there."""

EXPLANATION = (
    "Ce fichier contient ce que le portail détient sur vous. Les dates sont en temps universel "
    "(ISO 8601). Votre mot de passe n'y est pas : il n'est conservé que sous une forme illisible. "
    "Les mails y sont sans leur texte, qui n'est pas conservé après l'envoi."
)
CUT = (
    "Seuls les {most} éléments les plus récents sont ici. Demandez les autres au délégué à la "
    "protection des données."
)
_MAIL_STATES = {
    "waiting": "en attente d'envoi",
    "sent": "envoyé",
    "dead": "non remis",
    "abandoned": "abandonné",
}


def show(request: Request) -> dict[str, object]:
    """What the file holds, and the link to it."""
    signed_in(request)
    return {}


def download(request: Request) -> Response:
    """The file."""
    person = signed_in(request)
    content = everything(request, person.subject)
    text = json.dumps(content, ensure_ascii=False, indent=2, default=_as_text)
    response = Response(body=text.encode(), content_type="application/json", charset="UTF-8")
    today = request.services.clock.now().date().isoformat()
    response.content_disposition = f'attachment; filename="mes-donnees-{today}.json"'
    return response


def everything(request: Request, subject: Subject) -> dict[str, object]:
    """By subject, under French names."""
    services, organization = request.services, request.configuration.organization
    held = services.self_service.record.export(subject.id)
    sessions = services.sessions.of_subject(subject.id, ended=True)
    mails = services.core.mailer.about(subject.login, since=_since(held), most=MOST_MAILS)
    events = services.audit.about(subject.id, most=MOST_EVENTS)
    return {
        "à propos": {
            "personne": full_name(subject.given_name, subject.sn),
            "responsable du traitement": organization.name,
            "délégué à la protection des données": organization.dpo,
            "établi le": services.clock.now(),
            "lire ce fichier": EXPLANATION,
            "journal incomplet": _cut(events, MOST_EVENTS),
            "mails incomplets": _cut(mails, MOST_MAILS),
            "sessions incomplètes": _cut(sessions, MOST_SESSIONS),
        },
        **held,
        "sessions": [_session(each) for each in sessions],
        "pseudonymes transmis aux applications": [
            _pseudonym(each) for each in services.name_ids.of_subject(subject.id)
        ],
        "brouillons de formulaires": services.drafts.own(subject.id),
        "mails": [_mail(each) for each in mails],
        "journal": list(_events(subject, events)),
    }


def _cut(found: Sized, most: int) -> str | None:
    return CUT.format(most=most) if len(found) == most else None


def _since(held: Mapping[str, object]) -> datetime:
    """Since when the address is his: mails to it before that were somebody else's."""
    account, replaced = held.get("compte"), held.get("adresses remplacées")
    dates = [account.get("créé le")] if isinstance(account, Mapping) else []
    if isinstance(replaced, list):
        dates += [each.get("remplacée le") for each in replaced]
    known = [each for each in dates if isinstance(each, datetime)]
    return max(known, default=datetime.min.replace(tzinfo=UTC))


def _session(session: OpenSession) -> dict[str, object]:
    return {
        "commencée le": session.started_at,
        "utilisée en dernier le": session.last_seen_at,
        "se termine au plus tard le": session.expires_at,
        "terminée le": session.ended_at,
        "navigateur": session.user_agent,
        "adresse du réseau": session.address,
    }


def _pseudonym(one: Pseudonym) -> dict[str, object]:
    return {"application": one.entity_id, "pseudonyme": one.value, "créé le": one.created_at}


def _mail(mail: MailNote) -> dict[str, object]:
    return {
        "objet": mail.subject,
        "état": _MAIL_STATES.get(mail.state, mail.state),
        "créé le": mail.created_at,
        "envoyé le": mail.sent_at,
    }


def _events(subject: Subject, events: Iterable[JournalEntry]) -> Iterable[dict[str, object]]:
    for event in events:
        yield {
            "le": event.at,
            "événement": journal.in_words(event.code),
            "par": _actor(subject, event.actor),
            "adresse du réseau": event.address if event.actor in {"", subject.id} else None,
            "application": event.entity_id,
            "précisions": {"code": event.code, "objet": event.target, **event.parameters},
        }


def _actor(subject: Subject, actor: str) -> str:
    """Others who acted have a right to their names; that somebody did is his to know."""
    if actor == subject.id:
        return "vous"
    if not actor:
        return "quelqu'un qui n'était pas connecté"
    return "le service" if ":" in actor or actor == "worker" else "une autre personne habilitée"


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    raise TypeError(type(value).__name__)


def includeme(config: Configurator) -> None:
    """For the person himself."""
    config.add_view(
        show,
        route_name="my_data",
        request_method="GET",
        renderer="views:templates/profile/data.jinja2",
    )
    config.add_view(download, route_name="my_data_file", request_method="GET", effect=True)
