"""*Demander un accès*: the person picks a structure, then an application, and says why."""

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from idp.asking import Workplace
from idp.errors import AlreadyAnswered, ConvergencesError, NotFound
from idp.request import Request
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form
from views.person import signed_in
from views.schemas.access import access_schema
from views.structures import told_apart
from views.urls import see_other

ASKED = "demande-envoyee"
WITHDRAWN = "demande-retiree"
NOT_YOURS = (
    "Vous n'êtes pas rattaché, ou plus, à cette structure : aucune demande n'est partie. "
    "Repartez du portail et choisissez de nouveau « Demander un accès »."
)


def show(request: Request) -> Response:
    """The structures if there are several, else at once what may be asked for in the only one."""
    places = _places(request)
    place = _chosen(places, request.GET.get("rattachement", ""))
    return _page(request, places, place, _form(request, place) if place else None)


def submit(request: Request) -> Response:
    """Send the request; the service knows what this person may ask for."""
    places = _places(request)
    place = _chosen(places, request.POST.get("rattachement", ""))
    if place is None:
        return see_other(request, "ask_access")
    form = _form(request, place)
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _ask(request, place, values),
        on_failure=lambda: _page(request, places, place, form),
    )


def withdraw(request: Request) -> Response:
    """Take a request back; one that was answered meanwhile is shown as it is now."""
    service = request.services.self_service.access_requests
    try:
        service.withdraw(signed_in(request).subject.id, request.POST.get("demande", ""))
    except AlreadyAnswered:
        return see_other(request, "portal")
    return see_other(request, "portal", query={"avis": WITHDRAWN})


def _ask(request: Request, place: Workplace, values: Values) -> Response:
    service = request.services.self_service.access_requests
    try:
        service.ask(
            signed_in(request).subject.id,
            place.membership_id,
            str(values["application"]),
            str(values["motif"]),
        )
    except ConvergencesError as error:
        raise FormRefused.because(error) from error
    return see_other(request, "portal", query={"avis": ASKED})


def _places(request: Request) -> tuple[Workplace, ...]:
    service = request.services.self_service.access_requests
    return service.workplaces(signed_in(request).subject.id)


def _chosen(places: tuple[Workplace, ...], membership_id: str) -> Workplace | None:
    """One of the person's own; the only one need not be named. None: he has yet to choose.

    Raises:
        NotFound: none of his, or not any more.
    """
    if not membership_id:
        return places[0] if len(places) == 1 else None
    for place in places:
        if place.membership_id == membership_id:
            return place
    raise NotFound("no such membership of this person", public=NOT_YOURS)


def _form(request: Request, place: Workplace) -> Form | None:
    """None where nothing can be asked for."""
    if not place.applications:
        return None
    initial: Values = {"rattachement": place.membership_id}
    if len(place.applications) == 1:
        initial["application"] = place.applications[0].code
    return make_form(
        request,
        access_schema((each.code, each.label, each.description) for each in place.applications),
        action=request.route_path("ask_access"),
        button="Envoyer la demande",
        initial=initial,
    )


def _page(
    request: Request, places: tuple[Workplace, ...], place: Workplace | None, form: Form | None
) -> Response:
    values = {
        "places": places,
        "names": told_apart([each.structure_path for each in places]),
        "place": place,
        "form": form,
        "referents": request.services.directory.referents(signed_in(request).subject.id),
    }
    return render_to_response("views:templates/ask_access.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """For the signed-in person."""
    config.add_view(show, route_name="ask_access", request_method="GET")
    config.add_view(
        submit, route_name="ask_access", request_method="POST", draft=("application", "motif")
    )
    config.add_view(withdraw, route_name="withdraw_request", request_method="POST")
