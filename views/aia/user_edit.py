"""*Éditer l'utilisateur*: one form for the account and each membership that may be changed."""

from collections.abc import Iterator
from datetime import date

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.accounts.edit_values import (
    AccountValues,
    Editable,
    MembershipValues,
    Values,
)
from directory.services.accounts.edits import Edits
from idp.errors import AlreadyDone, DirectoryError, StaleEdit
from idp.names import full_name, of
from idp.request import Request
from views import forms
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.user import UNCONFIRMED, name_of, path_of
from views.forms import Form, FormRefused, handle_form_submission, make_form
from views.schemas.people import COLUMNS, Part, edit_schema, field_name
from views.templating import french_date
from views.toasts import done_already, toast
from views.urls import see_other

DRAFT = (
    *("version", "nom", "prenom", "debut", "fin"),
    *(f"{name}-*" for name in (*COLUMNS, "debut", "fin")),
)
"""What is kept of the form when the session ended; a box that was cleared sends nothing."""

Difference = tuple[str, str, str]
"""A field, what is recorded now, and what was typed."""


def edit(request: Request) -> Response:
    """The form with what is recorded."""
    editable = _open(request)
    return _page(request, editable, _form(request, editable, editable.values))


def save(request: Request) -> Response:
    """Save all of it, or nothing."""
    editable = _open(request)
    form = _form(request, editable, editable.values)
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _save(request, editable, values),
        on_failure=lambda: _page(request, editable, form),
    )


def _save(request: Request, editable: Editable, values: forms.Values) -> Response:
    typed, sheet = _typed(request, editable, values), editable.person.sheet
    reset = bool(values.get("reinitialisation"))
    version = str(values["version"])
    try:
        changed = Edits(request.services.core).save(
            require_administrator(request), sheet.subject_id, typed, version, reset_password=reset
        )
    except AlreadyDone:
        return done_already(request, path_of(request, sheet))
    except StaleEdit as error:
        return _stale(request, typed, version, error)
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    account = typed.account
    name = full_name(account.given_name, account.sn) if account else name_of(sheet)
    told = f"Les informations {of(name)} sont enregistrées." if changed else "Rien n'a changé."
    toast(request, told + (" Un mail lui est envoyé pour son mot de passe." if reset else ""))
    return see_other(request, path=path_of(request, sheet))


def _stale(request: Request, typed: Values, version: str, error: StaleEdit) -> Response:
    """Both versions; the form starts from what is recorded now, with what he himself changed."""
    now = _open(request)
    merged = now.values.with_typed(typed, version)
    response = _page(
        request,
        now,
        _form(request, now, merged),
        overtaken=error.public,
        differences=tuple(_differences(now, merged)),
    )
    response.status = error.http_status
    return response


def _open(request: Request) -> Editable:
    return Edits(request.services.core).open(
        require_administrator(request), request.matchdict["subject_id"]
    )


# --- values and fields ---------------------------------------------------------------------------


def _parts(editable: Editable) -> tuple[Part, ...]:
    """A membership's own dates and suspension where the account's do not do, or are there."""
    several = len(editable.person.sheet.memberships) > 1 or editable.values.account is None
    return tuple(
        Part(
            each.id,
            each.label_path,
            bounded=several or each.suspended or bool(each.valid_from or each.valid_until),
        )
        for each in editable.person.sheet.memberships
        if each.id in editable.values.memberships
    )


def _form(request: Request, editable: Editable, values: Values) -> Form:
    initial: forms.Values = {"version": editable.values.version}
    account, can = values.account, editable.person.can
    if account is not None:
        initial |= {
            "nom": account.sn,
            "prenom": account.given_name,
            "debut": account.first_day,
            "fin": account.last_day,
            "verrouille": account.locked,
        }
    parts = _parts(editable)
    for part in parts:
        initial |= _initial(part, values.memberships[part.id])
    form = make_form(
        request,
        edit_schema(
            account=account is not None,
            link=can.mail_with_edit,
            parts=parts,
            off=request.configuration.fields_off,
        ),
        action=request.path,
        button="Enregistrer",
        initial={name: each for name, each in initial.items() if each is not None},
    )
    form.cancel = path_of(request, editable.person.sheet)
    form.groups = _groups(editable, parts)
    return form


def _groups(editable: Editable, parts: tuple[Part, ...]) -> tuple[tuple[str, str], ...]:
    """The form's groups of fields: a title, and which part they belong to."""
    of_account = editable.values.account is not None or editable.person.can.link
    account = (("Compte", ""),) if of_account else ()
    return (*account, *((f"Rattachement à {part.title}", part.id) for part in parts))


def _initial(part: Part, values: MembershipValues) -> forms.Values:
    texts = {field_name(name, part): getattr(values, COLUMNS[name]) for name in COLUMNS}
    return {
        **texts,
        field_name("teletravail", part): values.teleworking,
        field_name("suspendu", part): values.suspended,
        field_name("debut", part): values.first_day,
        field_name("fin", part): values.last_day,
    }


def _typed(request: Request, editable: Editable, values: forms.Values) -> Values:
    """What was posted; what the form did not hold is as it is now."""
    account = editable.values.account
    if account is not None and "nom" in request.POST:
        account = AccountValues(
            sn=str(values["nom"]),
            given_name=str(values["prenom"]),
            first_day=_day(values["debut"]) or account.first_day,
            last_day=_day(values["fin"]),
            locked=bool(values["verrouille"]),
        )
    elif account is not None:
        account = None
    return Values(
        account,
        {
            part.id: _typed_membership(part, editable.values.memberships[part.id], values)
            for part in _parts(editable)
            if field_name("service", part) in request.POST
        },
    )


def _typed_membership(part: Part, now: MembershipValues, values: forms.Values) -> MembershipValues:
    def said(name: str, otherwise: object) -> object:
        return values.get(field_name(name, part), otherwise)

    return MembershipValues(
        service=str(said("service", now.service)),
        function=str(said("fonction", now.function)),
        application_identifier=str(said("identifiant", now.application_identifier)),
        teleworking=bool(said("teletravail", now.teleworking)),
        postal_address=str(said("adresse_postale", now.postal_address)),
        phone=str(said("telephone", now.phone)),
        suspended=bool(said("suspendu", now.suspended)),
        first_day=_day(said("debut", now.first_day)),
        last_day=_day(said("fin", now.last_day)),
    )


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else None


# --- both versions -------------------------------------------------------------------------------

_ACCOUNT_WORDS = {
    "sn": "Nom",
    "given_name": "Prénom",
    "first_day": "Date de début de validité du compte",
    "last_day": "Date de fin de validité du compte",
    "locked": "Verrouillage du compte",
}
_MEMBERSHIP_WORDS = {
    "service": "Service",
    "function": "Fonction",
    "application_identifier": "Identifiant applicatif",
    "teleworking": "Télétravail",
    "postal_address": "Adresse postale",
    "phone": "Numéro de téléphone",
    "suspended": "Rattachement suspendu",
    "first_day": "Début du rattachement",
    "last_day": "Fin du rattachement",
}


def _differences(now: Editable, merged: Values) -> Iterator[Difference]:
    if now.values.account is not None and merged.account is not None:
        yield from _compared(_ACCOUNT_WORDS, now.values.account, merged.account)
    for public_id, values in now.values.memberships.items():
        yield from _compared(_MEMBERSHIP_WORDS, values, merged.memberships[public_id])


def _compared(words: dict[str, str], now: object, typed: object) -> Iterator[Difference]:
    for name, label in words.items():
        recorded, wanted = getattr(now, name), getattr(typed, name)
        if recorded != wanted:
            yield label, _in_words(recorded), _in_words(wanted)


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "Oui" if value else "Non"
    return french_date(value) if isinstance(value, date) else str(value or "Non renseigné")


def _page(
    request: Request,
    editable: Editable,
    form: Form,
    *,
    overtaken: str = "",
    differences: tuple[Difference, ...] = (),
) -> Response:
    values = {
        "sheet": editable.person.sheet,
        "can": editable.person.can,
        "name": name_of(editable.person.sheet),
        "unconfirmed": "" if editable.person.sheet.state_seen else UNCONFIRMED,
        "form": form,
        "overtaken": overtaken,
        "differences": differences,
    }
    return render_to_response("views:templates/aia/user_edit.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    config.add_view(edit, route_name="aia_user_edit", request_method="GET", decorator=inside)
    config.add_view(
        save, route_name="aia_user_edit", request_method="POST", decorator=inside, draft=DRAFT
    )
