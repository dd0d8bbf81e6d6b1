"""*Signaler un problème*: an error page's button leads here; a stranger reads whom to write to."""

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.errors import ConvergencesError
from idp.request import Request
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form
from views.person import signed_in
from views.schemas.access import ProblemSchema
from views.urls import see_other

REPORTED = "probleme-signale"


def show(request: Request) -> Response:
    """The form, with what the error page knew; without a person, the address to write to."""
    if request.subject is None:
        return _page(request, None)
    initial: Values = {name: request.GET.get(name, "")[:1024] for name in ("incident", "sp")}
    return _page(request, _form(request, initial))


def submit(request: Request) -> Response:
    """Mail it to the person's référents."""
    form = _form(request, {})
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _report(request, values),
        on_failure=lambda: _page(request, form),
    )


def _report(request: Request, values: Values) -> Response:
    try:
        request.services.self_service.problems.report(
            signed_in(request).subject.id,
            incident=str(values["incident"]),
            entity_id=str(values["sp"]),
            text=str(values["message"]),
        )
    except ConvergencesError as error:
        raise FormRefused.because(error) from error
    return see_other(request, "portal", query={"avis": REPORTED})


def _form(request: Request, initial: Values) -> Form:
    return make_form(
        request,
        ProblemSchema(),
        action=request.route_path("report_problem"),
        button="Envoyer le signalement",
        initial=initial,
    )


def _page(request: Request, form: Form | None) -> Response:
    subject = request.subject
    values = {
        "form": form,
        "referents": request.services.directory.referents(subject.id) if subject else (),
        "incident": request.params.get("incident", "")[:32],
    }
    return render_to_response("views:templates/report_problem.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """The page for everybody, the form for the signed-in person."""
    config.add_view(
        show,
        route_name="report_problem",
        request_method="GET",
        permission=NO_PERMISSION_REQUIRED,
    )
    config.add_view(
        submit,
        route_name="report_problem",
        request_method="POST",
        draft=("incident", "message", "sp"),
    )
