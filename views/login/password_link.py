"""The link of a mail: choose a password, and be signed in. A GET spends nothing."""

from http import HTTPStatus

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.errors import (
    Busy,
    DirectoryError,
    LinkRefused,
    UnknownEndpoint,
    UnknownServiceProvider,
)
from idp.log import logger
from idp.request import Request
from idp.self_service import PasswordLink, Purpose
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form
from views.login import stale
from views.login.password_request import SENT
from views.login.sign_in import Flow, enter, find_flow
from views.schemas.passwords import choose_schema
from views.urls import see_other

HEADINGS = {
    "unknown": "Ce lien n'est pas reconnu",
    "expired": "Ce lien n'est plus valable",
    "used": "Ce lien a déjà servi",
    "replaced": "Ce lien a été remplacé",
    "changed": "Ce lien ne sert plus",
    "address": "Ce lien ne sert plus",
    "deleted": "Ce lien ne sert plus",
    "unusable": "Votre compte ne peut pas être utilisé",
}
_STATUSES = {"unknown": HTTPStatus.NOT_FOUND, "unusable": HTTPStatus.FORBIDDEN}

CHOSEN_NOTICE = "mot-de-passe-choisi"
CHOSEN = "Votre mot de passe est enregistré, et vous êtes connecté."
"""What the next page says to whom the link has signed in, and its name."""


def show(request: Request) -> Response:
    """The form, or why there is none."""
    try:
        link = request.services.self_service.passwords.link(request.matchdict["token"])
    except LinkRefused as refused:
        return refusal(request, refused)
    return _page(request, link, _form(request, link))


def submit(request: Request) -> Response:
    """Set the password, sign in, go on to where the person was going."""
    try:
        link = request.services.self_service.passwords.link(request.matchdict["token"])
        form = _form(request, link)
        return handle_form_submission(
            request,
            form,
            on_success=lambda values: _spend(request, link, values),
            on_failure=lambda: _page(request, link, form),
        )
    except LinkRefused as refused:
        return refusal(request, refused)


def again(request: Request) -> Response:
    """*Recevoir un nouveau lien*, of one that is over: its address is known."""
    known = request.services.self_service.passwords.ask_again(request.matchdict["token"])
    return see_other(request, "forgotten_password", query={"avis": SENT} if known else None)


def refusal(request: Request, refused: LinkRefused) -> Response:
    """Which of them it is, and the way on."""
    logger.info("password.link-refused", cause=refused.reason)
    values = {
        "heading": HEADINGS[refused.reason],
        "text": refused.public,
        "reason": refused.reason,
        "again": request.route_path("password_link_again", token=request.matchdict["token"]),
    }
    response = render_to_response("views:templates/link_refused.jinja2", values, request)
    response.status_int = _STATUSES.get(refused.reason, HTTPStatus.GONE)
    return response


def _spend(request: Request, link: PasswordLink, values: Values) -> Response:
    """The password is set, whoever else tries to at this moment.

    Raises:
        FormRefused: it does not meet the policy, or too many people wait; the link stays.
        LinkRefused: somebody was faster, or it is over since the page was shown.
    """
    flow = _waiting(request, link)
    try:
        signed_in = request.services.self_service.passwords.spend(
            request.matchdict["token"],
            str(values["new"]),
            user_agent=(request.user_agent or "")[:400],
            current=request.sso_session,
        )
    except DirectoryError as error:
        raise FormRefused(error.public, field="new") from error
    except Busy as error:
        raise FormRefused.because(error) from error
    return enter(request, flow, signed_in, notice=CHOSEN_NOTICE)


def _waiting(request: Request, link: PasswordLink) -> Flow:
    """The sign-on that waits; one whose application is gone since is lost, not the link."""
    try:
        flow = find_flow(request, link.flow)
    except (UnknownServiceProvider, UnknownEndpoint) as error:
        logger.info("password.flow-lost", cause=error.cause)
        return Flow("", None, "")
    return Flow("", None, "") if flow.lost else flow


def _form(request: Request, link: PasswordLink) -> Form:
    return make_form(
        request,
        choose_schema(link.login, link.policy),
        action=request.route_path("password_link", token=request.matchdict["token"]),
        button="Enregistrer et me connecter",
        initial={"login": link.login},
    )


def _page(request: Request, link: PasswordLink, form: Form) -> Response:
    values = {
        "form": form,
        "link": link,
        "first": link.purpose is Purpose.FIRST_VISIT,
        "renewal": link.purpose is Purpose.RENEWAL,
        "application_label": _waiting(request, link).application_label,
        "notice": stale.notice(request),
    }
    return render_to_response("views:templates/choose_password.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """For whoever has the link."""
    for view, route, method in (
        (show, "password_link", "GET"),
        (submit, "password_link", "POST"),
        (again, "password_link_again", "POST"),
    ):
        config.add_view(
            view, route_name=route, request_method=method, permission=NO_PERMISSION_REQUIRED
        )
