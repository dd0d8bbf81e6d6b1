"""*Créer un utilisateur*: four steps at one address, what was said so far kept on the server.

Each step is a page that is read and a form that is posted (``?etape=``); a form says of which
creation it is: going back, another tab or a second press go on with that one, and do nothing once
it is over.
"""

from collections.abc import Callable
from dataclasses import replace

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.accounts.changes import Added
from directory.services.accounts.creation import Creation
from directory.services.accounts.returning import InBin
from directory.services.removal.binned import BinnedMembership, MembershipInBin
from idp.errors import AlreadyExists, DirectoryError, NotAllowed, NotFound, StaleEdit
from idp.names import full_name
from idp.request import Request
from views.aia import creation_draft as drafts
from views.aia import creation_over, inside
from views.aia.actor import require_administrator
from views.aia.creation_draft import DONE, FIRST, PERSON, RECAP, ROLES, Draft
from views.aia.creation_person import (
    TYPED,
    as_text,
    as_typed,
    person_of,
    structure_choices,
    typed,
)
from views.aia.creation_roles import offered, with_roles
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form, refuse
from views.schemas.creation import (
    NOT_OFFERED,
    PERSONAL,
    address_schema,
    person_schema,
    roles_schema,
)
from views.toasts import toast
from views.urls import see_other

OUT_OF_SCOPE = (
    "La structure ou un rôle n'est plus dans votre périmètre. Rien n'a été enregistré : choisissez "
    "de nouveau."
)
CHANGED = (
    "La création a changé depuis que vous avez ouvert cette page : voici ce qui serait enregistré "
    "maintenant. Vérifiez-le, puis ajoutez l'utilisateur."
)


def show(request: Request) -> Response:
    """The step of the address, or the furthest that may be shown."""
    require_administrator(request)
    draft = drafts.find(request)
    wanted = request.GET.get("etape", "")
    if wanted == DONE:
        done = drafts.created(draft)
        return _go(request, None) if done is None else _result(request, done)
    if wanted == "":
        return _first(request, None, unfinished=drafts.unfinished(draft, ""))
    if draft is None or draft.done or wanted not in _PAGES:
        return _go(request, None)
    if int(wanted) > draft.furthest:
        return _go(request, draft.furthest)
    return _PAGES[wanted](request, draft)


def submit(request: Request) -> Response:
    """What a step's form says."""
    require_administrator(request)
    if "adresse" in request.POST:
        return _check(request)
    now, named = drafts.find(request), request.POST.get("dossier")
    draft = next((one for one in now.both if one.key == named), None) if now is not None else None
    if draft is None:
        return _go(request, creation_over.lead_on(request, now))
    if draft.done:
        return _go(request, DONE)
    if "abandonner" in request.POST:
        drafts.end(request, draft.key)
        return _go(request, None)
    step = request.GET.get("etape", "1")
    if "reprendre" in request.POST or step not in _FORMS or int(step) > draft.furthest:
        return _go(request, drafts.keep(request, draft).furthest)
    return _FORMS[step](request, draft)


# --- (1) the address ---------------------------------------------------------------------------


def _first(
    request: Request,
    draft: Draft | None,
    *,
    form: Form | None = None,
    untold: bool = False,
    unfinished: Draft | None = None,
) -> Response:
    known = draft is not None and draft.known and not draft.outdated
    actor = require_administrator(request)
    return _page(
        request,
        FIRST,
        draft,
        form=form or _address_form(request, draft),
        untold=untold,
        unfinished=draft.behind if draft is not None else unfinished,
        binned=_creation(request).restorable(actor, draft.mail) if draft and known else (),
    )


def _address_form(request: Request, draft: Draft | None) -> Form:
    return make_form(
        request,
        address_schema(),
        action=_path(request, FIRST),
        button="Vérifier l'adresse mail",
        name="verifier",
        initial={"adresse": draft.mail, "dossier": draft.key} if draft is not None else None,
    )


def _check(request: Request) -> Response:
    before, key = drafts.find(request), request.POST.get("dossier", "")
    form = _address_form(request, None)

    def go_on(values: Values) -> Response:
        try:
            check = _creation(request).check(require_administrator(request), str(values["adresse"]))
        except DirectoryError as error:
            refused = FormRefused.because(error)
            refused.field = "adresse"
            raise refused from error
        drafts.keep(request, drafts.begun(check, before, key))
        return see_other(request, path=f"{_path(request, FIRST)}#resultat")

    def failed() -> Response:
        return _first(request, None, form=form, unfinished=drafts.unfinished(before, key))

    return handle_form_submission(request, form, go_on, failed)


def _settle(request: Request, draft: Draft) -> Response:
    """*Suivant*."""
    if not draft.may_go_on:
        return _go(request, FIRST)
    if draft.generic and "personnelle" not in request.POST:
        response = _first(request, draft, untold=True)
        response.status = 400
        return response
    return _next(request, drafts.settle(request, draft), PERSON)


# --- (2) the person ----------------------------------------------------------------------------


def _person(
    request: Request,
    draft: Draft,
    *,
    form: Form | None = None,
    binned: tuple[BinnedMembership, ...] = (),
) -> Response:
    return _page(request, PERSON, draft, form=form or _person_form(request, draft), binned=binned)


def _occupied(request: Request, draft: Draft, error: AlreadyExists) -> Response:
    """The second step again: he is in that structure, or what he had there is to be restored."""
    form = _person_form(request, draft)
    refuse(form, FormRefused(error.public, field="structure"))
    binned = (error.binned,) if isinstance(error, MembershipInBin) else ()
    response = _person(request, draft, form=form, binned=binned)
    response.status = error.http_status
    return response


def _person_form(request: Request, draft: Draft) -> Form:
    choices, searched = structure_choices(request, draft.person)
    return make_form(
        request,
        person_schema(
            choices.lines,
            named=not draft.known,
            off=request.configuration.fields_off,
            search=searched,
        ),
        action=_path(request, PERSON),
        button="Suivant",
        name="suivant",
        other=("chercher", "Rechercher la structure") if searched else None,
        initial={**typed(draft.person), **draft.named},
    )


def _describe(request: Request, draft: Draft) -> Response:
    if "chercher" in request.POST:
        # Not complete any more, until it is sent: no later step shows what goes with it.
        drafts.keep(request, replace(draft, person=as_typed(request), structure_path=""))
        return _go(request, PERSON)
    form = _person_form(request, replace(draft, person=as_typed(request)))

    def go_on(values: Values) -> Response:
        actor, creation = require_administrator(request), _creation(request)
        try:
            where = creation.structure(actor, str(values["structure"]))
        except NotAllowed as error:
            raise FormRefused(NOT_OFFERED, field="structure") from error
        said = {name: as_text(value) for name, value in values.items() if name not in draft.named}
        after = replace(draft, person=said, structure_path=where.label_path)
        try:
            if draft.known:
                creation.require_room(actor, draft.mail, where.code)
        except AlreadyExists as error:
            return _occupied(request, replace(draft, person=said), error)
        after = with_roles(request, after, draft.roles)
        lost = draft.roles is not None and after.roles != draft.roles
        if lost:
            text = "Des rôles choisis ne se donnent pas dans cette structure : vérifiez-les."
            toast(request, text, wrong=True)
        return _next(request, drafts.keep(request, after), ROLES, insist=lost)

    return handle_form_submission(request, form, go_on, lambda: _person(request, draft, form=form))


# --- (3) the roles -----------------------------------------------------------------------------


def _roles(request: Request, draft: Draft, *, form: Form | None = None) -> Response:
    return _page(request, ROLES, draft, form=form or _roles_form(request, draft))


def _roles_form(request: Request, draft: Draft) -> Form:
    return make_form(
        request,
        roles_schema(offered(request, draft)),
        action=_path(request, ROLES),
        button="Suivant",
        name="suivant",
        initial={"roles": set(draft.roles or ()), **draft.named},
    )


def _choose(request: Request, draft: Draft) -> Response:
    form = _roles_form(request, draft)

    def go_on(values: Values) -> Response:
        chosen = values["roles"]
        picked = tuple(sorted(map(str, chosen))) if isinstance(chosen, set | tuple) else ()
        after = with_roles(request, replace(draft, roles=picked), picked)
        return _next(request, drafts.keep(request, after), RECAP)

    return handle_form_submission(request, form, go_on, lambda: _roles(request, draft, form=form))


# --- (4) the recap, and what came of it --------------------------------------------------------


def _recap(request: Request, draft: Draft, *, refusal: str = "") -> Response:
    return _page(request, RECAP, draft, refusal=refusal)


def _create(request: Request, draft: Draft) -> Response:
    if request.POST.get("vu") != draft.said:
        toast(request, CHANGED, wrong=True)
        return _go(request, RECAP)

    def then(added: Added) -> None:
        done = replace(draft, done=added.subject_id, confirmed=added.confirmed)
        drafts.keep(request, done)

    try:
        _creation(request).add(
            require_administrator(request),
            person_of(draft.mail, draft.person),
            draft.person["structure"],
            draft.refs,
            known=draft.known,
            accept_generic=draft.passed,
            then=then,
        )
    except (NotAllowed, NotFound):
        toast(request, OUT_OF_SCOPE, wrong=True)
        drafts.keep(request, replace(draft, structure_path="", roles=None, role_labels=()))
        return _go(request, PERSON)
    except DirectoryError as error:
        return _refused(request, draft, error)
    return _go(request, DONE)


def _refused(request: Request, draft: Draft, error: DirectoryError) -> Response:
    """The step where it is put right; of two presses at once the slower one arrives as well."""
    now = drafts.find(request)
    if now is not None and now.key == draft.key and now.done:
        return _go(request, DONE)
    match error:
        case StaleEdit() | InBin():
            toast(request, error.public, wrong=True)
            drafts.withdraw(request, draft)
            return _go(request, FIRST)
        case MembershipInBin():
            return _occupied(request, draft, error)
    response = _recap(request, draft, refusal=error.public)
    response.status = error.http_status
    return response


def _result(request: Request, draft: Draft) -> Response:
    values = {"draft": draft, "full_name": _full_name(draft)}
    return render_to_response("views:templates/aia/create_done.jinja2", values, request)


# --- together ----------------------------------------------------------------------------------


def _page(request: Request, step: int, draft: Draft | None, **more: object) -> Response:
    values = {
        "step": step,
        "draft": draft,
        "form": None,
        "untold": False,
        "unfinished": None,
        "refusal": "",
        "binned": (),
        "full_name": _full_name(draft) if draft is not None else "",
        "personal": PERSONAL,
        **more,
    }
    return render_to_response("views:templates/aia/create.jinja2", values, request)


def _full_name(draft: Draft) -> str:
    said = draft.person
    if draft.known:
        return draft.name
    return full_name(said.get("prenom", ""), said.get("nom", "")).strip()


def _next(request: Request, draft: Draft, step: int, *, insist: bool = False) -> Response:
    """The next step; after *Modifier*, back to the recap unless something is to be looked at.

    Or the one that the bar of the steps leads to: what was typed is not lost on the way.
    """
    wanted = request.POST.get("vers", "")
    if not insist and wanted in _PAGES:
        return _go(request, wanted)
    return _go(request, step if insist or draft.furthest < RECAP else RECAP)


def _go(request: Request, step: int | str | None) -> Response:
    return see_other(request, path=_path(request, step))


def _path(request: Request, step: int | str | None) -> str:
    query = {} if step is None else {"etape": str(step)}
    return str(request.route_path("aia_user_new", _query=query))


def _creation(request: Request) -> Creation:
    return Creation(request.services.core)


_PAGES: dict[str, Callable[[Request, Draft], Response]] = {
    "1": _first,
    "2": _person,
    "3": _roles,
    "4": _recap,
}
_FORMS: dict[str, Callable[[Request, Draft], Response]] = {
    "1": _settle,
    "2": _describe,
    "3": _choose,
    "4": _create,
}


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    config.add_view(show, route_name="aia_user_new", request_method="GET", decorator=inside)
    config.add_view(
        submit, route_name="aia_user_new", request_method="POST", decorator=inside, draft=TYPED
    )
