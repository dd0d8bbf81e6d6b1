"""*Éditer l'utilisateur*: one form for the account and each membership that may be changed."""

from dataclasses import dataclass
from datetime import date

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.accounts.edit_values import (
    AccountValues,
    Difference,
    Editable,
    MembershipValues,
    Values,
)
from directory.services.accounts.edits import Edits
from idp.errors import AlreadyDone, DirectoryError, NotAllowed, NotFound, StaleEdit
from idp.names import full_name, of
from idp.request import Request
from views import forms
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.user import UNCONFIRMED, name_of, path_of
from views.forms import Form, FormRefused, handle_form_submission, make_form
from views.schemas.creation import MAX_CODE
from views.schemas.people import COLUMNS, Part, edit_schema, field_name
from views.templating import french_date
from views.toasts import toast
from views.urls import see_other

DRAFT = (
    *("version", "nom", "prenom", "debut", "fin"),
    *(f"{name}-*" for name in (*COLUMNS, "debut", "fin")),
)
"""What is kept of the form when the session ended; a box that was cleared sends nothing."""

SERVICE = "service-"
"""How the name begins of a field that each membership of a form has."""
MOST_LOST = 20
"""Memberships of a posted form that are no more there; whoever forges more is told of these."""
MAILED = " Un mail lui est envoyé pour son mot de passe."
NOT_MAILED = " Un mail pour son mot de passe vient déjà de partir : aucun second n'est envoyé."
GONE = "Ce rattachement n'est plus dans vos structures"
ELSEWHERE = "une autre structure"

BothVersions = tuple[str, str, str]
"""A field, what is recorded now, and what was typed."""


def edit(request: Request) -> Response:
    """The form with what is recorded."""
    editable = _open(request)
    return _page(request, editable, _form(request, editable, editable.values))


def save(request: Request) -> Response:
    """Save all of it, or nothing: read as it was shown, whatever became of the person since."""
    editable = _open(request)
    form = _form(request, editable, editable.values, _sent(request, editable))
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _save(request, editable, values),
        on_failure=lambda: _page(request, editable, form),
    )


def _save(request: Request, editable: Editable, values: forms.Values) -> Response:
    sent, sheet = _sent(request, editable), editable.person.sheet
    typed = _typed(request, editable, sent, values)
    reset = bool(values.get("reinitialisation"))
    version = str(values["version"])
    try:
        saved = Edits(request.services.core).save(
            require_administrator(request), sheet.subject_id, typed, version, reset_password=reset
        )
    except AlreadyDone as error:
        toast(request, error.public)
        return see_other(request, path=path_of(request, sheet))
    except StaleEdit as error:
        return _stale(request, typed, version, error, reset=reset)
    except NotFound:
        raise  # deleted since the page was asked for
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    account = typed.account
    name = full_name(account.given_name, account.sn) if account else name_of(sheet)
    told = f"Les informations {of(name)} sont enregistrées." if saved.done else "Rien n'a changé."
    if reset:
        told += MAILED if saved.mailed else NOT_MAILED
    toast(request, told)
    return see_other(request, path=path_of(request, sheet))


def _stale(
    request: Request, typed: Values, version: str, error: StaleEdit, *, reset: bool
) -> Response:
    """Both versions; the form starts from what is recorded now, with what he himself changed.

    What is no more his to change is not in the form: that is said, with the reason.
    """
    now = _open(request)
    differences = now.differences(typed, version)
    form = _form(request, now, now.values.with_typed(typed, version), reset=reset)
    response = _page(
        request,
        now,
        form,
        overtaken=error.public,
        differences=tuple(_both_versions(each) for each in differences),
        kept=any(each.kept for each in differences),
        lost=tuple(_label(each) for each in differences if not (each.kept or each.gone)),
    )
    response.status = error.http_status
    return response


def _open(request: Request) -> Editable:
    return Edits(request.services.core).open(
        require_administrator(request), request.matchdict["subject_id"]
    )


# --- values and fields ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """What a form holds: the account's fields, the box that mails a link, the memberships."""

    account: bool
    link: bool
    parts: tuple[Part, ...]


def _offered(editable: Editable) -> Sent:
    """What a form shows him now."""
    return Sent(
        editable.values.account is not None, editable.person.can.mail_with_edit, _parts(editable)
    )


def _sent(request: Request, editable: Editable) -> Sent:
    """What the form that was posted showed him: some of it may be no more his to change."""
    now, posted = _offered(editable), request.POST
    known = {part.id for part in now.parts}
    ids = {name.removeprefix(SERVICE): None for name in posted if name.startswith(SERVICE)}
    lost = [each for each in ids if each not in known and len(each) <= MAX_CODE][:MOST_LOST]
    return Sent(
        "nom" in posted or (now.account and not ids),  # a form shows memberships, or the account
        now.link or "reinitialisation" in posted,
        (*now.parts, *(Part(each, ELSEWHERE, f"debut-{each}" in posted) for each in lost)),
    )


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


def _form(
    request: Request,
    editable: Editable,
    values: Values,
    sent: Sent | None = None,
    *,
    reset: bool = False,
) -> Form:
    """With the fields that were ``sent``, those of now when none were."""
    holds = sent or _offered(editable)
    form = make_form(
        request,
        edit_schema(
            account=holds.account,
            link=holds.link,
            parts=holds.parts,
            off=request.configuration.fields_off,
        ),
        action=request.path,
        button="Enregistrer",
        initial=_initial(editable, values) | {"reinitialisation": reset},
    )
    form.cancel = path_of(request, editable.person.sheet)
    form.groups = _groups(holds)
    return form


def _groups(holds: Sent) -> tuple[tuple[str, str], ...]:
    """The form's groups of fields: a title, and which part they belong to."""
    account = (("Compte", ""),) if holds.account or holds.link else ()
    return (*account, *((f"Rattachement à {part.title}", part.id) for part in holds.parts))


def _initial(editable: Editable, values: Values) -> forms.Values:
    """What each field begins with."""
    initial: forms.Values = {"version": editable.values.version}
    account = values.account
    if account is not None:
        initial |= {
            "nom": account.sn,
            "prenom": account.given_name,
            "debut": account.first_day,
            "fin": account.last_day,
            "verrouille": account.locked,
        }
    for part in _parts(editable):
        initial |= _initial_of(part, values.memberships[part.id])
    return {name: each for name, each in initial.items() if each is not None}


def _initial_of(part: Part, values: MembershipValues) -> forms.Values:
    texts = {field_name(name, part): getattr(values, COLUMNS[name]) for name in COLUMNS}
    return {
        **texts,
        field_name("teletravail", part): values.teleworking,
        field_name("suspendu", part): values.suspended,
        field_name("debut", part): values.first_day,
        field_name("fin", part): values.last_day,
    }


def _typed(request: Request, editable: Editable, sent: Sent, values: forms.Values) -> Values:
    """What was posted; what the form did not hold is as it is now.

    Raises:
        NotAllowed: it held the account's fields, whose state is not even seen any more.
    """
    account, seen = None, editable.seen
    if sent.account:
        if seen.account is None:
            raise NotAllowed(f"the account of {editable.person.sheet.subject_id!r}")
        account = AccountValues(
            sn=str(values["nom"]),
            given_name=str(values["prenom"]),
            first_day=_day(values["debut"]) or seen.account.first_day,
            last_day=_day(values["fin"]),
            locked=bool(values["verrouille"]),
        )
    return Values(
        account,
        {
            part.id: _typed_membership(
                part, seen.memberships.get(part.id, MembershipValues()), values
            )
            for part in sent.parts
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


def _label(difference: Difference) -> str:
    words = _MEMBERSHIP_WORDS if difference.owner else _ACCOUNT_WORDS
    return words[difference.name]


def _both_versions(each: Difference) -> BothVersions:
    return _label(each), GONE if each.gone else _in_words(each.recorded), _in_words(each.typed)


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
    differences: tuple[BothVersions, ...] = (),
    kept: bool = False,
    lost: tuple[str, ...] = (),
) -> Response:
    """``kept``: the form has some of the differences; ``lost``: labels of the account's others."""
    values = {
        "sheet": editable.person.sheet,
        "can": editable.person.can,
        "name": name_of(editable.person.sheet),
        "unconfirmed": "" if editable.person.sheet.state_seen else UNCONFIRMED,
        "form": form,
        "overtaken": overtaken,
        "differences": differences,
        "kept": kept,
        "lost": lost,
    }
    return render_to_response("views:templates/aia/user_edit.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    config.add_view(edit, route_name="aia_user_edit", request_method="GET", decorator=inside)
    config.add_view(
        save, route_name="aia_user_edit", request_method="POST", decorator=inside, draft=DRAFT
    )
