"""The sign-in page, alone or on the way to an application (``flow``)."""

import re
from dataclasses import dataclass

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.errors import (
    AccountUnusable,
    AuthenticationFailed,
    Busy,
    PasswordOutgrown,
    UnknownFlow,
)
from idp.messages import AcceptedRequest
from idp.request import Request
from idp.security import forms_of, remember
from idp.sessions.sign_in import SignedIn
from idp.sign_on import must_authenticate
from idp.types import SsoSession
from views import way_back
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form
from views.login import cookies, stale
from views.notices import before_sign_in
from views.schemas.sign_in import SignInSchema
from views.urls import see_other

LOST = (
    "La connexion que vous aviez commencée n'est plus en attente. Connectez-vous, puis ouvrez "
    "l'application depuis le portail."
)
LOST_NOTICE = "connexion-perdue"
NOTICES = {
    "session-terminee": "Votre session est terminée. Connectez-vous de nouveau pour continuer.",
    "saisie-conservee": (
        "Votre session est terminée. Ce que vous aviez saisi est conservé pendant 24 heures : "
        "connectez-vous de nouveau pour le retrouver."
    ),
    LOST_NOTICE: LOST,
}

_KEPT = ("flow", "suite")
_FLOW = re.compile(r"[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True, slots=True)
class Flow:
    """The sign-on on whose way the person is; ``accepted`` None when it waits no longer.

    ``leads_back`` is whether giving up ends at the application.
    """

    id: str
    accepted: AcceptedRequest | None
    application_label: str
    leads_back: bool = False

    @property
    def lost(self) -> bool:
        """A sign-on was named and is no longer waiting."""
        return bool(self.id) and self.accepted is None


def find_flow(request: Request, flow_id: str) -> Flow:
    """The flow of this id; none is named, or it is lost: no error, the portal goes on.

    Raises:
        UnknownServiceProvider, UnknownEndpoint: a sign-in would lead to no application.
    """
    if not flow_id:
        return Flow("", None, "")
    if not _FLOW.fullmatch(flow_id):
        return Flow("-", None, "")
    try:
        accepted = request.services.authn_requests.find(flow_id)
    except UnknownFlow:
        return Flow(flow_id, None, "")
    request.services.sign_on.still_registered(accepted)
    label = request.services.directory.application_label(accepted.entity_id)
    return Flow(flow_id, accepted, label, request.services.sign_on.tells(accepted))


def is_asked_again(session: SsoSession | None, accepted: AcceptedRequest | None) -> bool:
    """Somebody is signed in, and the SP that waits wants the password again."""
    return session is not None and accepted is not None and must_authenticate(session, accepted)


def show(request: Request) -> Response:
    """The page; a person who is already signed in goes straight on."""
    flow = find_flow(request, request.params.get("flow", ""))
    session = request.sso_session
    suite = request.GET.get("suite", "")
    if request.subject and not is_asked_again(session, flow.accepted):
        return go_on(
            request, flow, where=way_back.unseal(request, suite, subject_id=request.subject.id)
        )
    login = request.subject.login if request.subject else cookies.login(request)
    initial: Values = {"flow": flow.id, "suite": suite, "keep": bool(cookies.login(request))}
    if login:
        initial["login"] = login
    return page(request, form_of(request, initial), flow)


def submit(request: Request) -> Response:
    """Check the password; then on to the application, or to the portal."""
    flow = find_flow(request, request.POST.get("flow", ""))
    form = form_of(request, {"flow": flow.id})
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: authenticate(request, flow, values),
        on_failure=lambda: page(request, form, flow),
    )


def authenticate(request: Request, flow: Flow, values: Values) -> Response:
    """Open a session, recognise the browser, go on.

    Raises:
        FormRefused: the service said no.
    """
    services, login = request.services, str(values["login"])
    try:
        signed_in = services.sign_in.sign_in(
            login,
            str(values["password"]),
            address=request.address,
            user_agent=(request.user_agent or "")[:400],
            device=cookies.device(request),
            current=request.sso_session,
        )
    except (AuthenticationFailed, Busy) as error:
        raise refusal(request, error) from error
    except PasswordOutgrown as error:
        waiting = flow.id if flow.accepted is not None else ""
        token = services.self_service.passwords.renew(error.subject_id, flow=waiting)
        return see_other(request, path=request.route_path("password_link", token=token))
    where = way_back.unseal(request, str(values["suite"]), subject_id=signed_in.session.subject_id)
    response = enter(request, flow, signed_in, where=where)
    cookies.keep_login(request, response, login if values["keep"] else "")
    return response


def enter(
    request: Request,
    flow: Flow,
    signed_in: SignedIn,
    *,
    where: str | None = None,
    notice: str = "",
) -> Response:
    """Give the browser its session, recognise it from now on, and go on.

    ``notice`` names what the next page says. A structure that added him asks first.
    """
    if flow.accepted is not None:
        request.services.sign_on.signed_in(signed_in.session, flow.accepted, flow.id)
    headers = remember(request, signed_in.token)
    path = _asked_first(request, flow, signed_in, where=where, notice=notice)
    if path is not None:
        response: Response = see_other(request, path=path, headers=headers)
    else:
        response = go_on(request, flow, where=where, notice=notice, headers=headers)
    cookies.set_device(request, response, signed_in.device_token)
    forms_of(request, signed_in.device_token)
    return response


def _asked_first(
    request: Request, flow: Flow, signed_in: SignedIn, *, where: str | None, notice: str
) -> str | None:
    """The page of what other structures ask him, keeping the way on; None when nothing waits.

    Once for a session: not when an application only wants the password again.
    """
    subject_id, before = signed_in.session.subject_id, request.sso_session
    page = request.route_path("confirmations")
    asked = before is not None and before.subject_id == subject_id
    if asked or (where or "").partition("?")[0] == page:
        return None
    if not request.services.self_service.confirmations.waiting(subject_id):
        return None
    suite = way_back.seal(request, where, subject_id=subject_id) if where else ""
    way = {"flow": flow.id, "suite": suite, "avis": notice}
    return str(request.route_path("confirmations", _query={k: v for k, v in way.items() if v}))


def refusal(request: Request, error: AuthenticationFailed | Busy) -> FormRefused:
    """What the person reads; the service has counted, logged and journalled the cause."""
    refused = FormRefused.because(error)
    if isinstance(error, AccountUnusable):
        correspondant = request.configuration.organization.correspondant
        refused.text += (
            " Adressez-vous à votre référent administrateur ou, à défaut, au correspondant : "
            f"{correspondant}."
        )
    return refused


def go_on(
    request: Request,
    flow: Flow,
    *,
    where: str | None = None,
    notice: str = "",
    headers: list[tuple[str, str]] | None = None,
) -> Response:
    """To the application that waits, else to the page (``where``) at which the session ended.

    Else to the portal, which says when a sign-on was lost.
    """
    said = {"avis": notice} if notice else {}
    if flow.accepted is not None:
        query = {"flow": flow.id} | said
        return see_other(request, "saml_continue", query=query, headers=headers or ())
    if where is not None and not flow.lost:
        return see_other(request, path=where, headers=headers or ())
    query = {"avis": LOST_NOTICE} if flow.lost else said
    return see_other(request, "portal", query=query, headers=headers or ())


def form_of(request: Request, initial: Values) -> Form:
    """The sign-in form."""
    return make_form(
        request,
        SignInSchema(),
        action=request.route_path("sign_in"),
        button="Se connecter",
        initial=initial,
    )


def page(request: Request, form: Form, flow: Flow) -> Response:
    """The page around the form."""
    session = request.sso_session
    values = {
        "form": form,
        "flow": flow,
        "notice": _notice(request, flow),
        "here": {name: request.params[name] for name in _KEPT if request.params.get(name)},
        "named": {"flow": flow.id} if flow.accepted is not None else {},
        "again": is_asked_again(session, flow.accepted),
        "centre_notices_shown": before_sign_in(request),
    }
    return render_to_response("views:templates/sign_in.jinja2", values, request)


def _notice(request: Request, flow: Flow) -> str | None:
    if flow.lost:
        return LOST
    return stale.notice(request) or NOTICES.get(request.GET.get("avis", ""))


def includeme(config: Configurator) -> None:
    """The page and its form, for everybody."""
    for view, method in ((show, "GET"), (submit, "POST")):
        config.add_view(
            view,
            route_name="sign_in",
            request_method=method,
            permission=NO_PERMISSION_REQUIRED,
        )
