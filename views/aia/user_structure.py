"""*Changer de structure*: where to, and which roles are kept."""

from collections.abc import Sequence

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.accounts.sheets import MembershipSheet, PersonSheet
from directory.services.memberships.move import Move, MovePlan, Moves, role_names
from directory.services.removal.binned import BinnedMembership, MembershipInBin
from idp.errors import AlreadyDone, DirectoryError, NotAllowed, StaleEdit
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.creation_person import LONGEST_TYPED, SEARCHED, structure_choices
from views.aia.user import name_of, path_of, read
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form
from views.schemas.creation import Structures
from views.schemas.people import MAX_VERSION, move_schema
from views.toasts import done_already, toast
from views.urls import see_other

WHICH, SEARCH = "rattachement", "chercher"
OVERTAKEN = (
    "Les rôles ou la structure de cette personne ont changé pendant votre saisie. Rien n'est "
    "enregistré : voici ce qui est maintenant. Vérifiez votre choix, puis recommencez."
)


def ask(request: Request) -> Response:
    """The form; of several memberships the one that the address names."""
    person = read(request)
    movable = _movable(person)
    wanted = request.GET.get(WHICH, "") or (movable[0].id if len(movable) == 1 else "")
    if not wanted:
        return _choice(request, person, movable)
    plan = _plan(request, wanted)
    return _page(request, plan, _form(request, plan))


def move(request: Request) -> Response:
    """Move it, or look for a structure."""
    plan = _plan(request, request.POST.get(WHICH, ""))
    if SEARCH in request.POST:
        return _page(request, plan, _form(request, plan, _typed(request)))
    form = _form(request, plan)
    binned: list[BinnedMembership] = []

    def go_on(values: Values) -> Response:
        try:
            return _move(request, plan, values)
        except MembershipInBin as error:
            binned.append(error.binned)
            raise FormRefused(error.public, field="structure") from error

    return handle_form_submission(
        request, form, go_on, lambda: _page(request, plan, form, binned=binned)
    )


def _move(request: Request, plan: MovePlan, values: Values) -> Response:
    sheet, chosen = plan.person.sheet, values.get("roles", ())
    keep = frozenset(map(str, chosen)) if isinstance(chosen, set | tuple) else frozenset()
    wanted = Move(str(values["structure"]), keep, str(values["version"]))
    try:
        moved = Moves(request.services.core).run(
            require_administrator(request), sheet.subject_id, plan.membership.id, wanted
        )
    except AlreadyDone:
        return done_already(request, path_of(request, sheet))
    except StaleEdit as error:
        now = _plan(request, plan.membership.id)
        typed: Values = {"structure": wanted.structure, "roles": set(keep)}
        return _page(
            request, now, _form(request, now, typed), status=error.http_status, overtaken=OVERTAKEN
        )
    except NotAllowed as error:
        raise FormRefused("Choisissez une structure de la liste.", field="structure") from error
    except MembershipInBin:
        raise
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    ended = f" {_roles(moved.ended)} : la personne en est prévenue." if moved.ended else ""
    toast(request, f"{name_of(sheet)} est maintenant dans {moved.label_path}.{ended}")
    return see_other(request, path=path_of(request, sheet))


def _typed(request: Request) -> Values:
    """What the form holds while a structure is looked for, right or wrong."""
    return {
        "version": request.POST.get("version", "")[:MAX_VERSION],
        "roles": set(request.POST.getall("checkbox")),
    }


def _roles(number: int) -> str:
    return "1 rôle est retiré" if number == 1 else f"{number} rôles sont retirés"


def _movable(person: PersonSheet) -> tuple[MembershipSheet, ...]:
    """Those that may be moved.

    Raises:
        NotAllowed: none.
    """
    movable = tuple(each for each in person.sheet.memberships if each.id in person.can.memberships)
    if not movable:
        raise NotAllowed(f"no membership of {person.sheet.subject_id!r} may be moved")
    return movable


def _plan(request: Request, membership_id: str) -> MovePlan:
    return Moves(request.services.core).plan(
        require_administrator(request), request.matchdict["subject_id"], membership_id
    )


def _form(request: Request, plan: MovePlan, typed: Values | None = None) -> Form:
    names = role_names(plan.membership)
    said = {name: request.POST.get(name, "")[:LONGEST_TYPED] for name in (SEARCHED, "structure")}
    choices, searched = structure_choices(request, said)
    places = [each for each in choices.lines if each.code not in plan.own]
    titles = (f"{role.application_label} : {role.label}" for role in plan.membership.roles)
    initial: Values = {
        "rattachement": plan.membership.id,
        "version": plan.version,
        "roles": set(names),
        **(said if SEARCH in request.POST else {}),
        **(typed or {}),
    }
    if not names:
        del initial["roles"]
    return make_form(
        request,
        move_schema(Structures(places), zip(names, titles, strict=True), search=searched),
        action=path_of(request, plan.person.sheet, "aia_user_structure"),
        button="Changer de structure",
        other=(SEARCH, "Rechercher la structure") if searched else None,
        initial=initial,
    )


def _choice(
    request: Request, person: PersonSheet, movable: tuple[MembershipSheet, ...]
) -> Response:
    values = {"sheet": person.sheet, "name": name_of(person.sheet), "movable": movable}
    return render_to_response("views:templates/aia/user_structure_which.jinja2", values, request)


def _page(
    request: Request,
    plan: MovePlan,
    form: Form,
    *,
    status: int = 200,
    overtaken: str = "",
    binned: Sequence[BinnedMembership] = (),
) -> Response:
    values = {
        "sheet": plan.person.sheet,
        "name": name_of(plan.person.sheet),
        "plan": plan,
        "form": form,
        "places": any(value for value, _ in form["structure"].widget.values) or SEARCHED in form,
        "overtaken": overtaken,
        "binned": binned,
    }
    response = render_to_response("views:templates/aia/user_structure.jinja2", values, request)
    response.status = status
    return response


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    for view, method in ((ask, "GET"), (move, "POST")):
        config.add_view(
            view, route_name="aia_user_structure", request_method=method, decorator=inside
        )
