"""*Ajout d'un nouvel utilisateur*: one page instead of four steps, without roles.

The same check of the address: what it says of a known one is told first, then the same form adds.
"""

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.creation import AddressCheck, Creation, Found
from idp.errors import DirectoryError, NotAllowed, StaleEdit
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.creation_person import TYPED, as_text, as_typed, person_of, structure_choices, typed
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form
from views.schemas.creation import PERSONAL, one_page_schema
from views.toasts import toast
from views.urls import see_other

NOTHING = "Rien n'est enregistré."
TELL = "Rien n'est encore enregistré : si c'est bien la personne à ajouter, choisissez « Ajouter »."
TICK = f"Rien n'est encore enregistré : cochez « {PERSONAL} », ou changez d'adresse."


def show(request: Request) -> Response:
    """The empty form."""
    require_administrator(request)
    return _page(request, _form(request, {}))


def submit(request: Request) -> Response:
    """Check the address and add, or tell what the address is and ask again."""
    require_administrator(request)
    said = as_typed(request)
    if "chercher" in request.POST:
        address = {"adresse": request.POST.get("adresse", "")}
        return _page(request, _form(request, said, **address))
    generic = "personnelle" in request.POST
    form = _form(request, said, generic=generic)
    told: list[AddressCheck] = []

    def failed() -> Response:
        if not told:
            return _page(request, form)
        shown = _form(request, said, adresse=told[0].mail, vu=told[0].mail, generic=told[0].generic)
        shown.error = form.error
        return _page(request, shown, told[0])

    return handle_form_submission(request, form, lambda values: _add(request, values, told), failed)


def _add(request: Request, values: Values, told: list[AddressCheck]) -> Response:
    actor, creation = require_administrator(request), Creation(request.services.core)
    mail = str(values["adresse"]).strip()
    said = {name: as_text(value) for name, value in values.items()}
    try:
        # First, and alike for one that does not exist and for another's.
        where = creation.structure(actor, said["structure"]).label
        check = creation.check(actor, mail)
        _insist_on_telling(check, values, told)
        added = creation.add(
            actor,
            person_of(check.mail, said),
            said["structure"],
            known=check.found is Found.KNOWN,
            accept_generic=bool(values.get("personnelle")),
        )
    except NotAllowed as error:
        raise FormRefused("Choisissez une structure de la liste.", field="structure") from error
    except StaleEdit as error:
        raise FormRefused(error.public, status=error.http_status) from error
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    waits = "" if added.confirmed else ", dès que cette personne l'aura confirmé"
    toast(request, f"{added.mail} fait partie de la structure {where}{waits}.")
    return see_other(request, path=request.route_path("aia_user", subject_id=added.subject_id))


def _insist_on_telling(check: AddressCheck, values: Values, told: list[AddressCheck]) -> None:
    """Nothing is added before he has read what the address is."""
    read = str(values["vu"]).casefold() == check.mail.casefold()
    stands = check.found in {Found.OWN, Found.IN_BIN, Found.KEPT}
    untold = check.found is Found.KNOWN and not read
    untick = check.generic and not values.get("personnelle")
    if stands or untold or untick:
        told.append(check)
        raise FormRefused(NOTHING if stands else TICK if untick else TELL, status=409)


def _form(
    request: Request,
    said: dict[str, str],
    *,
    adresse: str = "",
    vu: str = "",
    generic: bool = False,
) -> Form:
    choices, searched = structure_choices(request, said)
    return make_form(
        request,
        one_page_schema(
            choices.lines, off=request.configuration.fields_off, search=searched, generic=generic
        ),
        action=request.route_path("aia_user_add"),
        button="Ajouter",
        name="ajouter",
        other=("chercher", "Rechercher la structure") if searched else None,
        initial={**typed(said), "adresse": adresse, "vu": vu},
    )


def _page(request: Request, form: Form, told: AddressCheck | None = None) -> Response:
    values = {"form": form, "told": told}
    return render_to_response("views:templates/aia/create_one.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    config.add_view(show, route_name="aia_user_add", request_method="GET", decorator=inside)
    config.add_view(
        submit,
        route_name="aia_user_add",
        request_method="POST",
        decorator=inside,
        draft=TYPED,
    )
