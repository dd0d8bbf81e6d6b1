"""*Utilisateurs*: empty until everybody is asked for or criteria are given, then a list."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.authorisation import Actor
from directory.people.lines import Criteria, Page, PersonLine, Sort, State
from directory.people.lists import People
from directory.services import DirectoryServices, build
from directory.services.accounts.creation import Creation, StructureChoices
from directory.services.bulk.prospects import NOTHING, Allowed
from directory.services.bulk.sheets import Action
from directory.services.rights.administered import Administered
from idp.errors import NotAllowed
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.back import here
from views.aia.creation_person import SEARCHED, structure_choices
from views.aia.listing import FILTER, LONGEST, listing
from views.aia.shell import wants_fragment
from views.aia.ticks import ticks

LOOK = "chercher"
"""The parameter of *Rechercher la structure*, which narrows that list and shows nobody."""
EVERYBODY = "charger"
"""The parameter of *Charger tous les utilisateurs*."""
NAMES = {
    "nom": "sn",
    "prenom": "given_name",
    "mail": "mail",
    "identifiant": "identifier",
    "structure": "structure",
    "etat": "state",
}
"""Parameters and the criteria that they are; ``role`` (``application`` or ``application:role``) and
``seule`` (without the structures below) are read apart."""
KEPT = (EVERYBODY, *NAMES, "role", "seule")

ITEMS = (
    (Action.LOCK, "aia_user_lock", "Verrouiller", "lock"),
    (Action.UNLOCK, "aia_user_unlock", "Déverrouiller", "key"),
    (Action.RESEND, "aia_user_resend", "Renvoyer le mail", "mail"),
    (Action.DELETE, "aia_user_delete", "Supprimer l'utilisateur", "delete"),
)
"""The menu of a line, behind what opens and edits the sheet."""

MenuItem = tuple[str, str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the criteria offer to choose from; roles by application.

    ``searches``: there are so many structures that one searches them.
    """

    structures: StructureChoices
    searches: bool
    roles: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]
    states: tuple[str, ...]


def criteria_of(values: Mapping[str, str]) -> Criteria:
    """What an address or a form asks for; what is wrong there is found out by the service."""

    def said(name: str) -> str:
        return values.get(name, "").strip()[:LONGEST]

    application, _, role = said("role").partition(":")
    return Criteria(
        **{field: said(name) for name, field in NAMES.items()},
        below="seule" not in values,
        application=application,
        role=role,
        text=said(FILTER),
    )


def page(request: Request) -> Response:
    """The list, or the invitation to ask for it."""
    actor = require_administrator(request)
    services = build(request.services.core)
    people = People(request.services.core)
    wanted = listing(request, Sort, path=request.route_path("aia_users"), kept=KEPT)
    criteria = criteria_of(request.GET)
    part = wants_fragment(request)  # of a list that is shown
    choices = None if part else _choices(request, actor)
    searched, looking = criteria != Criteria(text=criteria.text), LOOK in request.GET
    values: dict[str, object] = {
        "list": wanted,
        "criteria": criteria,
        "role": request.GET.get("role", ""),
        "alone": not criteria.below,
        "searched": searched,
        "choices": choices,
        "said": _in_words(request, criteria, choices) if choices else (),
        "searched_structure": request.GET.get(SEARCHED, "")[:LONGEST],
        "looking": looking,
        "page": None,
        "number": None,
        "menus": {},
        "ticks": None,
    }
    if part or (not looking and (searched or EVERYBODY in request.GET or criteria.text)):
        found = people.page(
            actor,
            criteria,
            sort=wanted.sort,
            descending=wanted.descending,
            cursor=wanted.cursor,
            size=wanted.size,
        )
        values |= {
            "page": found,
            "menus": _menus(request, actor, services, found),
            "ticks": ticks(request, (line.subject_id for line in found.lines)),
        }
    else:
        values["number"] = people.count(actor, Criteria())
    return render_to_response("views:templates/aia/users.jinja2", values, request)


def _choices(request: Request, actor: Actor) -> Choices:
    core = request.services.core
    said = {name: request.GET.get(name, "").strip()[:LONGEST] for name in (SEARCHED, "structure")}
    structures, searches = structure_choices(request, said)
    return Choices(
        structures=structures,
        searches=searches,
        roles=tuple(
            (each.code, each.label, tuple((role.code, role.label) for role in each.roles))
            for each in Administered(core).applications(actor)
        ),
        states=tuple(State),
    )


def _in_words(request: Request, criteria: Criteria, choices: Choices) -> tuple[str, ...]:
    """What was searched for, as the folded form says it: ``Nom « moreau »``."""
    place = _label(request, criteria.structure, choices)
    roles = {
        (code, role): f"{label}, {named}" if named else label
        for code, label, each in choices.roles
        for role, named in (("", ""), *each)
    }
    words = (
        ("Nom", criteria.sn),
        ("Prénom", criteria.given_name),
        ("Adresse mail", criteria.mail),
        ("Identifiant applicatif", criteria.identifier),
        ("Structure", place),
        ("Rôle", roles.get((criteria.application, criteria.role), "")),
        ("État", criteria.state),
    )
    said = tuple(f"{label} « {value} »" for label, value in words if value)
    return (*said, "sans les sous-structures") if place and not criteria.below else said


def _label(request: Request, code: str, choices: Choices) -> str:
    """Of a structure that is searched in; empty: of none. Only open ones are offered."""
    offered = {each.code: each.label for each in choices.structures.lines}
    if not code or code in offered:
        return offered.get(code, "")
    actor = require_administrator(request)
    try:
        return Creation(request.services.core).structure(actor, code).label
    except NotAllowed:
        return ""  # the list itself is refused


def _menus(
    request: Request, actor: Actor, services: DirectoryServices, found: Page[PersonLine]
) -> dict[str, list[MenuItem]]:
    """The three dots of each line: only what would succeed."""
    allowed = services.prospects.allowed(actor, [line.subject_id for line in found.lines])
    return {
        line.subject_id: _menu(request, line.subject_id, allowed.get(line.subject_id, NOTHING))
        for line in found.lines
    }


def _menu(request: Request, subject_id: str, allowed: Allowed) -> list[MenuItem]:
    def to(route: str, **query: str) -> str:
        return str(request.route_path(route, subject_id=subject_id, _query=query or None))

    items: list[MenuItem] = [("Voir la fiche", to("aia_user"), {"icon": "profile"})]
    if allowed.edit:
        items.append(("Éditer", to("aia_user_edit"), {"icon": "edit"}))
    items.extend(
        (
            label,
            to(route, **here(request)),
            {"icon": icon, "dialog": True, "danger": action is Action.DELETE},
        )
        for action, route, label, icon in ITEMS
        if action in allowed.actions
    )
    return items


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    # Sent by the form of the selection, to a page of the list: what is ticked goes along.
    for method in ("GET", "POST"):
        config.add_view(page, route_name="aia_users", request_method=method, decorator=inside)
