"""*Première visite ?* and *Mot de passe oublié ?*: an address is typed, a link may be mailed.

The answer is the same for every address: nothing is looked up here (:mod:`idp.self_service`).
"""

from dataclasses import dataclass

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.request import Request
from idp.self_service import Purpose
from views.forms import Form, Values, handle_form_submission, make_form
from views.login import cookies, stale
from views.login.sign_in import Flow, find_flow
from views.schemas.passwords import AskSchema
from views.urls import see_other

SENT = "envoi"


@dataclass(frozen=True, slots=True)
class Desk:
    """One of the two pages: its words, and the other one."""

    purpose: Purpose
    heading: str
    text: str
    other: str
    other_title: str


DESKS = {
    "first_visit": Desk(
        purpose=Purpose.FIRST_VISIT,
        heading="Première visite",
        text="Votre référent administrateur a créé votre compte ? Indiquez votre adresse : vous "
        "recevrez un message avec un lien pour choisir votre mot de passe.",
        other="forgotten_password",
        other_title="Vous avez déjà un mot de passe, mais l'avez oublié ?",
    ),
    "forgotten_password": Desk(
        purpose=Purpose.RESET,
        heading="Mot de passe oublié",
        text="Indiquez l'adresse avec laquelle vous vous connectez : vous recevrez un message "
        "avec un lien pour choisir un nouveau mot de passe.",
        other="first_visit",
        other_title="Vous venez pour la première fois ?",
    ),
}


def show(request: Request) -> Response:
    """The page; once the form is sent, what comes next."""
    flow = find_flow(request, request.GET.get("flow", ""))
    if request.GET.get("avis") == SENT:
        return _page(request, "link_sent", flow, address=cookies.asked_for(request))
    initial: Values = {"flow": flow.id}
    login = cookies.asked_for(request) or cookies.login(request)
    if login:
        initial["login"] = login
    return _page(request, "ask_link", flow, form=_form(request, initial))


def submit(request: Request) -> Response:
    """Note the address, whoever's it is, and say what comes next."""
    flow = find_flow(request, request.POST.get("flow", ""))
    form = _form(request, {"flow": flow.id})

    def ask(values: Values) -> Response:
        address = str(values["login"]).strip()
        waiting = flow.id if flow.accepted is not None else ""
        request.services.self_service.passwords.ask(address, _desk(request).purpose, flow=waiting)
        query = {"avis": SENT} | ({"flow": waiting} if waiting else {})
        response = see_other(request, request.matched_route.name, query=query)
        cookies.set_asked_for(request, response, address)
        return response

    return handle_form_submission(
        request,
        form,
        on_success=ask,
        on_failure=lambda: _page(request, "ask_link", flow, form=form),
    )


def _desk(request: Request) -> Desk:
    return DESKS[request.matched_route.name]


def _form(request: Request, initial: Values) -> Form:
    return make_form(
        request,
        AskSchema(),
        action=request.route_path(request.matched_route.name),
        button="Recevoir le lien",
        initial=initial,
    )


def _page(request: Request, template: str, flow: Flow, **values: object) -> Response:
    named = {"flow": flow.id} if flow.accepted is not None else {}
    values |= {
        "desk": _desk(request),
        "flow": flow,
        "named": named,
        "notice": stale.notice(request),
        "demonstration": request.configuration.demonstration,
    }
    return render_to_response(f"views:templates/{template}.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """Two pages and their form, for everybody."""
    for name in DESKS:
        for view, method in ((show, "GET"), (submit, "POST")):
            config.add_view(
                view,
                route_name=name,
                request_method=method,
                permission=NO_PERMISSION_REQUIRED,
            )
