"""*Demandes d'accès*: where a référent grants or refuses what his colleagues ask for.

The address of a request stands in a mail: opening it never does anything, its form does.
"""

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.rights.request_answers import RequestAnswers, RequestSheet
from idp.asking import RequestState
from idp.errors import AlreadyAnswered, DirectoryError
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form
from views.schemas.access import answer_schema
from views.urls import see_other

GRANT, REFUSE = "accepter", "refuser"
NO_ANSWER = "Rien n'est décidé : choisissez « Accepter la demande » ou « Refuser la demande »."


def list_all(request: Request) -> dict[str, object]:
    """Those that wait, then those answered lately."""
    return {"lines": _answers(request).list(require_administrator(request))}


def show(request: Request) -> Response:
    """One request, with the form that answers it while nobody has."""
    sheet = _answers(request).read(require_administrator(request), request.matchdict["request_id"])
    return _page(request, sheet, _form(request, sheet))


def submit(request: Request) -> Response:
    """Grant or refuse it; of two who answer at once, the second reads who was faster."""
    sheet = _answers(request).read(require_administrator(request), request.matchdict["request_id"])
    form = _form(request, sheet)
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _answer(request, sheet, values),
        on_failure=lambda: _page(request, sheet, form),
    )


def _answer(request: Request, sheet: RequestSheet, values: Values) -> Response:
    answers, message = _answers(request), str(values["message"])
    actor = require_administrator(request)
    try:
        if REFUSE in request.POST:
            answers.refuse(actor, sheet.id, message)
        elif GRANT not in request.POST:
            raise FormRefused(NO_ANSWER)
        else:
            answers.grant(actor, sheet.id, _roles(values["roles"]), message)
    except AlreadyAnswered as error:
        return _overtaken(request, sheet.id, error)
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    path = request.route_path("aia_request", request_id=sheet.id)
    return see_other(request, path=path)


def _overtaken(request: Request, request_id: str, error: AlreadyAnswered) -> Response:
    """The page as it is now, and the sentence that says why nothing happened."""
    sheet = _answers(request).read(require_administrator(request), request_id)
    response = _page(request, sheet, None, refusal=error.public)
    response.status = error.http_status
    return response


def _roles(posted: object) -> tuple[str, ...]:
    """Their codes; the service looks for them in the application alone."""
    if isinstance(posted, str):
        return (posted,) if posted else ()
    return tuple(sorted(str(each) for each in posted)) if isinstance(posted, set | tuple) else ()


def _form(request: Request, sheet: RequestSheet) -> Form:
    """The only role is chosen already: one press grants it."""
    initial: Values = {}
    if len(sheet.roles) == 1:
        only = sheet.roles[0].code
        initial["roles"] = only if sheet.single_role else {only}
    return make_form(
        request,
        answer_schema(
            ((role.code, role.label, "Déjà donné" if role.held else "") for role in sheet.roles),
            single=sheet.single_role,
            name=sheet.name,
        ),
        action=request.route_path("aia_request", request_id=sheet.id),
        button="Accepter la demande",
        name=GRANT,
        other=(REFUSE, "Refuser la demande"),
        initial=initial,
    )


def _page(
    request: Request, sheet: RequestSheet, form: Form | None, *, refusal: str = ""
) -> Response:
    values = {
        "sheet": sheet,
        "form": form if sheet.state is RequestState.PENDING else None,
        "refusal": refusal,
    }
    return render_to_response("views:templates/aia_request.jinja2", values, request)


def _answers(request: Request) -> RequestAnswers:
    return RequestAnswers(request.services.core)


def includeme(config: Configurator) -> None:
    """For référents, inside the AIA."""
    config.add_view(
        list_all,
        route_name="aia_requests",
        request_method="GET",
        renderer="views:templates/aia_requests.jinja2",
        decorator=inside,
    )
    config.add_view(show, route_name="aia_request", request_method="GET", decorator=inside)
    config.add_view(
        submit,
        route_name="aia_request",
        request_method="POST",
        decorator=inside,
        draft=("message",),
    )
