"""*Ajout d'un nouvel utilisateur*: one page instead of four steps, without roles.

The same check of the address: what it says of a known one is told first, then the same form adds.
Of two presses the slower one arrives at what the faster one did.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.accounts.changes import Added
from directory.services.accounts.creation import AddressCheck, Creation, Found
from directory.services.removal.binned import BinnedMembership, MembershipInBin
from idp.errors import DirectoryError, NotAllowed, StaleEdit
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.creation_person import (
    SEARCHED,
    TYPED,
    as_text,
    as_typed,
    person_of,
    structure_choices,
    typed,
)
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form
from views.person import signed_in
from views.schemas.creation import NOT_OFFERED, PERSONAL, one_page_schema
from views.toasts import toast
from views.urls import see_other

MADE = "/aia/utilisateurs/ajouter#fait"
"""Names, among the drafts of a person, what his last form made; no form is posted there."""
MOMENT = timedelta(minutes=1)
"""How long after the first press another one is the same order."""
UNWRITTEN = {"vu", "personnelle", SEARCHED}
"""Fields that lead to an order and are no part of it."""

NOTHING = "Rien n'est enregistré."
TELL = "Rien n'est encore enregistré : si c'est bien la personne à ajouter, choisissez « Ajouter »."
TICK = f"Rien n'est encore enregistré : cochez « {PERSONAL} », ou changez d'adresse."


def show(request: Request) -> Response:
    """The empty form."""
    require_administrator(request)
    return _page(request, _form(request, {}, dossier=token_urlsafe(12)))


def submit(request: Request) -> Response:
    """Check the address and add, or tell what the address is and ask again."""
    require_administrator(request)
    said = as_typed(request)
    dossier = request.POST.get("dossier", "")
    if "chercher" in request.POST:
        address = {"adresse": request.POST.get("adresse", "")}
        return _page(request, _form(request, said, dossier=dossier, **address))
    generic = "personnelle" in request.POST
    form = _form(request, said, dossier=dossier, generic=generic)
    told: list[AddressCheck] = []
    binned: list[BinnedMembership] = []

    def failed() -> Response:
        if not told:
            return _page(request, form, binned=binned)
        check = told[0]
        hidden = {"dossier": dossier, "vu": check.mail}
        shown = _form(request, said, adresse=check.mail, generic=check.generic, **hidden)
        shown.error = form.error
        return _page(request, shown, check)

    def add(values: Values) -> Response:
        return _add(request, values, told, binned)

    return handle_form_submission(request, form, add, failed)


def _add(
    request: Request, values: Values, told: list[AddressCheck], binned: list[BinnedMembership]
) -> Response:
    try:
        return _order(request, values, told)
    except MembershipInBin as error:
        binned.append(error.binned)
        raise FormRefused(error.public, field="structure") from error
    except FormRefused:
        made = _made(request, values)
        if made is None or (told and told[0].found is not Found.KNOWN):
            raise
        return _arrive(request, made)


def _made(request: Request, values: Values) -> dict[str, str] | None:
    """What another press of this very form made a moment ago; one statement."""
    made = request.services.drafts.find(signed_in(request).subject.id, MADE)
    if made is None or not values["dossier"] or made["form"] != _named(values):
        return None
    fresh = request.services.clock.now() - datetime.fromisoformat(made["at"]) < MOMENT
    return made if fresh else None


def _order(request: Request, values: Values, told: list[AddressCheck]) -> Response:
    actor, creation = require_administrator(request), Creation(request.services.core)
    mail = str(values["adresse"]).strip()
    said = {name: as_text(value) for name, value in values.items()}
    made: dict[str, str] = {}

    def then(added: Added) -> None:
        made.update(
            form=_named(values),
            at=request.services.clock.now().isoformat(),
            mail=added.mail,
            subject_id=added.subject_id,
            structure=where,
            waits="" if added.confirmed else "oui",
        )
        request.services.drafts.keep(signed_in(request).subject.id, MADE, made)

    try:
        # First, and alike for one that does not exist and for another's.
        where = creation.structure(actor, said["structure"]).label
        check = creation.check(actor, mail)
        _insist_on_telling(check, values, told)
        creation.add(
            actor,
            person_of(check.mail, said),
            said["structure"],
            known=check.found is Found.KNOWN,
            accept_generic=bool(values.get("personnelle")),
            then=then,
        )
    except NotAllowed as error:
        raise FormRefused(NOT_OFFERED, field="structure") from error
    except StaleEdit as error:
        raise FormRefused(error.public, status=error.http_status) from error
    except MembershipInBin:
        raise
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    return _arrive(request, made)


def _named(values: Values) -> str:
    """This form with all that it says: with anything else in it, it is another order."""
    said = {name: as_text(value) for name, value in values.items() if name not in UNWRITTEN}
    said["adresse"] = said["adresse"].strip().casefold()
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _arrive(request: Request, made: dict[str, str]) -> Response:
    """At the sheet of whom it made."""
    waits = ", dès que cette personne l'aura confirmé" if made["waits"] else ""
    toast(request, f"{made['mail']} fait partie de la structure {made['structure']}{waits}.")
    return see_other(request, path=request.route_path("aia_user", subject_id=made["subject_id"]))


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
    dossier: str,
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
        initial={**typed(said), "dossier": dossier, "adresse": adresse, "vu": vu},
    )


def _page(
    request: Request,
    form: Form,
    told: AddressCheck | None = None,
    *,
    binned: Sequence[BinnedMembership] = (),
) -> Response:
    if told is not None and told.found is Found.KNOWN:
        actor = require_administrator(request)
        binned = Creation(request.services.core).restorable(actor, told.mail)
    values = {"form": form, "told": told, "binned": binned}
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
