"""*Changer d'adresse*: what it does is said before; the rest is one step."""

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.accounts.address_change import AddressChanges, AddressPlan, GenericAddress
from directory.states import ACTIVE
from idp.errors import AlreadyDone, AlreadyExists, DirectoryError, StaleEdit
from idp.identity import known_by_address
from idp.names import of
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.user import name_of, path_of
from views.forms import (
    Form,
    FormRefused,
    Values,
    handle_form_submission,
    make_form,
    refuse,
)
from views.schemas.people import address_change_schema
from views.toasts import done_already, toast
from views.urls import see_other


def ask(request: Request) -> Response:
    """The form, with what will happen."""
    plan = _plan(request)
    return _page(request, plan, _form(request, plan))


NO_MAIL = (
    "Son compte ne peut pas servir en ce moment : aucun mail n'y est envoyé. Ensuite, choisissez "
    "« Renvoyer le mail » ou « Réinitialisation mot de passe »."
)


def change(request: Request) -> Response:
    """Replace the address."""
    plan = _plan(request)
    form = _form(request, plan, generic="personnelle" in request.POST)
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _change(request, plan, values),
        on_failure=lambda: _page(request, plan, form),
    )


def _change(request: Request, plan: AddressPlan, values: Values) -> Response:
    sheet = plan.person.sheet
    try:
        done = AddressChanges(request.services.core).change(
            require_administrator(request),
            sheet.subject_id,
            str(values["adresse"]),
            shown=str(values["ancienne"]),
            accept_generic=bool(values.get("personnelle")),
        )
    except GenericAddress as error:
        form = _form(request, plan, generic=True, typed=values)
        refuse(form, FormRefused(error.public + " Si c'est voulu, cochez la case."))
        return _page(request, plan, form, status=error.http_status)
    except AlreadyDone:
        return done_already(request, path_of(request, sheet))
    except StaleEdit as error:
        return _stale(request, values, error)
    except AlreadyExists as error:
        raise FormRefused(error.public, field="adresse") from error
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    mail = "Un mail l'y attend." if done.invited else NO_MAIL
    toast(request, f"L'adresse {of(name_of(sheet))} est maintenant {done.mail}. {mail}")
    return see_other(request, path=path_of(request, sheet))


def _stale(request: Request, values: Values, error: StaleEdit) -> Response:
    """It was changed meanwhile: it is shown as it is, with what was typed."""
    plan = _plan(request)
    typed: Values = {"adresse": values["adresse"], "ancienne": plan.person.sheet.mail}
    form = _form(request, plan, typed=typed)
    overtaken = (
        f"L'adresse a changé entre-temps : c'est maintenant "
        f"{plan.person.sheet.mail}. La vôtre, {values['adresse']}, n'est pas enregistrée. Pour la "
        "garder, choisissez « Changer l'adresse » de nouveau."
    )
    return _page(request, plan, form, status=error.http_status, overtaken=overtaken)


def _plan(request: Request) -> AddressPlan:
    return AddressChanges(request.services.core).plan(
        require_administrator(request), request.matchdict["subject_id"]
    )


def _form(
    request: Request, plan: AddressPlan, *, generic: bool = False, typed: Values | None = None
) -> Form:
    return make_form(
        request,
        address_change_schema(generic=generic),
        action=path_of(request, plan.person.sheet, "aia_user_address"),
        button="Changer l'adresse",
        initial={"ancienne": plan.person.sheet.mail, **(typed or {})},
    )


def _page(
    request: Request,
    plan: AddressPlan,
    form: Form,
    *,
    status: int = 200,
    overtaken: str = "",
) -> Response:
    values = {
        "sheet": plan.person.sheet,
        "name": name_of(plan.person.sheet),
        "form": form,
        "usable": plan.person.sheet.state == ACTIVE,
        "applications": _applications(request, plan),
        "undoable": plan.undoable,
        "refuser": plan.refuser,
        "contested": plan.contested,
        "offers": plan.offers,
        "overtaken": overtaken,
    }
    response = render_to_response("views:templates/aia/user_address.jinja2", values, request)
    response.status = status
    return response


def _applications(request: Request, plan: AddressPlan) -> tuple[str, ...]:
    """By label, those that know the person by the address: somebody has to tell them."""
    known = request.services.service_providers.all()
    by_address = {each.entity_id for each in known if known_by_address(each)}
    return tuple(
        sorted(label for entity, label in plan.applications.items() if entity in by_address)
    )


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    config.add_view(ask, route_name="aia_user_address", request_method="GET", decorator=inside)
    config.add_view(
        change,
        route_name="aia_user_address",
        request_method="POST",
        decorator=inside,
        draft=("adresse", "ancienne"),
    )
