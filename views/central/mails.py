"""The outbox: what waits, left, or was given up, and why; sending again and abandoning."""

from collections.abc import Callable
from datetime import datetime

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.authorisation import MailsTarget, Permission
from idp.errors import DirectoryError
from idp.mail import MailState
from idp.mail_desk import MailPage, MailSlip
from idp.mail_transports import Cause
from idp.request import Request
from views.central import allowed
from views.times import in_words
from views.urls import see_other

TABS: dict[str, tuple[str, MailState | None]] = {
    "non-remis": ("Non remis", MailState.DEAD),
    "en-attente": ("En attente", MailState.WAITING),
    "partis": ("Partis", MailState.SENT),
    "abandonnes": ("Abandonnés", MailState.ABANDONED),
    "tous": ("Tous", None),
}
FIRST_TAB = "non-remis"

STATES = {
    MailState.WAITING: "En attente",
    MailState.SENT: "Parti",
    MailState.DEAD: "Non remis",
    MailState.ABANDONED: "Abandonné",
}
REASONS = {
    Cause.UNREACHABLE: "Le serveur d'envoi ne répond pas ou refuse la connexion : aucun mail "
    "ne part. Prévenez l'administrateur du service.",
    Cause.INTERRUPTED: "La connexion au serveur d'envoi a été coupée pendant l'envoi.",
    Cause.POSTPONED: "Le serveur du destinataire demande d'attendre.",
    Cause.UNKNOWN_ADDRESS: "Cette adresse n'existe pas. Vérifiez-la auprès de la personne ou de "
    "son référent.",
    Cause.MAILBOX_FULL: "La boîte aux lettres du destinataire est pleine.",
    Cause.POLICY: "Le serveur refuse ce mail par une règle de sécurité (antispam, expéditeur "
    "non autorisé). Prévenez l'administrateur du service.",
    Cause.REFUSED: "Le serveur du destinataire a refusé ce mail.",
    Cause.UNSENDABLE: "L'adresse ne peut pas recevoir de mail telle qu'elle est écrite. "
    "Corrigez-la.",
    Cause.DEFECT: "Une erreur du portail a empêché l'envoi. Prévenez l'administrateur du service.",
}
NOTICES = {
    "renvoye": "Le mail part de nouveau dans un instant.",
    "abandonne": "Le mail est abandonné : il ne partira plus.",
}
MOST_DIGITS = 15
MOST_ADDRESS = 254


def page(request: Request) -> dict[str, object]:
    """One page of the mails that the address asks for, newest first."""
    tab = request.GET.get("etat", "")
    recipient = request.GET.get("destinataire", "").strip()[:MOST_ADDRESS]
    if tab not in TABS:
        tab = "tous" if recipient else FIRST_TAB
    before = request.GET.get("avant", "")
    desk = request.services.mails
    found = desk.page(
        TABS[tab][1],
        before=int(before) if before.isdecimal() and len(before) <= MOST_DIGITS else None,
        recipient=recipient,
    )
    return {
        "tab": tab,
        "tabs": tabs(request, recipient, desk.numbers()),
        "recipient": recipient,
        "page": found,
        "older": older(request, tab, recipient, found),
        "newest": before == "",
        "words": Words(request),
        "notice": NOTICES.get(request.GET.get("avis", "")),
        "refusal": None,
    }


def tabs(
    request: Request, recipient: str, numbers: dict[MailState, int]
) -> list[tuple[str, str, str, int | None]]:
    """Code, title, address and how many (None where nobody counts) of each list."""
    made = []
    for code, (title, state) in TABS.items():
        query = {"etat": code} | ({"destinataire": recipient} if recipient else {})
        count = None if state is None else numbers.get(state)
        made.append((code, title, request.route_path("central_mails", _query=query), count))
    return made


def older(request: Request, tab: str, recipient: str, found: MailPage) -> str | None:
    """The address of the next page."""
    if found.older is None:
        return None
    query = {"etat": tab, "avant": str(found.older)}
    if recipient:
        query["destinataire"] = recipient
    return str(request.route_path("central_mails", _query=query))


class Words:
    """What the page says of a mail."""

    def __init__(self, request: Request) -> None:
        self._now = request.services.clock.now()
        self._zone = request.configuration.organization.time_zone
        self._prefix = f"[{request.configuration.organization.portal_name}] "

    def subject(self, mail: MailSlip) -> str:
        """Without what every subject begins with."""
        return mail.subject.removeprefix(self._prefix)

    def state(self, mail: MailSlip) -> str:
        """In one word or two."""
        return STATES[mail.state]

    def when(self, mail: MailSlip) -> str:
        """What happened to it, or will, and when."""
        tries = f", {mail.attempts} essais" if mail.attempts > 1 else ""
        match mail.state:
            case MailState.SENT:
                return f"Confié au serveur d'envoi {self._at(mail.sent_at or mail.next_try_at)}"
            case MailState.DEAD:
                return f"Arrêté {self._at(mail.next_try_at)}{tries}"
            case MailState.ABANDONED:
                return f"Abandonné {self._at(mail.next_try_at)}"
        if mail.cause is None or mail.next_try_at <= self._now:
            return f"Demandé {self._at(mail.created_at)}, part dans un instant"
        return f"Nouvel essai {self._at(mail.next_try_at)}{tries}"

    def reason(self, mail: MailSlip) -> str:
        """Why it did not leave; empty when it did, or was not tried yet."""
        return "" if mail.cause is None else REASONS[mail.cause]

    def _at(self, moment: datetime) -> str:
        return in_words(moment, self._now, self._zone).replace("au ", "le ", 1)


def doing(act: Callable[[Request, int], object], notice: str) -> Callable[[Request], Response]:
    """A view that does this to the mail of the address, and goes back to the list with a word."""

    def view(request: Request) -> Response:
        try:
            act(request, int(request.matchdict["mail"]))
        except DirectoryError as error:
            values = page(request) | {"refusal": error.public}
            response = render_to_response(
                "views:templates/central_mails.jinja2", values, request=request
            )
            response.status = error.http_status
            return response
        tab = request.GET.get("etat", "")
        query = {"etat": tab if tab in TABS else FIRST_TAB, "avis": notice}
        return see_other(request, "central_mails", query=query)

    return view


def _send_again(request: Request, mail: int) -> object:
    return request.services.mails.send_again(mail)


def _abandon(request: Request, mail: int) -> object:
    return request.services.mails.abandon(mail)


def includeme(config: Configurator) -> None:
    """For the correspondant."""
    guard = allowed(Permission.MANAGE_MAILS, MailsTarget())
    config.add_view(
        page,
        route_name="central_mails",
        request_method="GET",
        renderer="views:templates/central_mails.jinja2",
        decorator=guard,
    )
    for route, act, notice in (
        ("central_mail_again", _send_again, "renvoye"),
        ("central_mail_abandon", _abandon, "abandonne"),
    ):
        config.add_view(
            doing(act, notice), route_name=route, request_method="POST", decorator=guard
        )
