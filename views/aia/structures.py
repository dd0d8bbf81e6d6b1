"""*Structures*: the tree of one's subtrees, and a structure with its details and its members."""

from dataclasses import dataclass

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.authorisation import Actor
from directory.people.lines import Count, Criteria, MemberLine, Page, Sort
from directory.people.lists import People
from directory.services.structures.tree import (
    MAX_OPENED,
    Found,
    StructureSheet,
    StructureTree,
    Tree,
)
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.listing import LONGEST, Listing, listing
from views.aia.shell import wants_fragment
from views.aia.ticks import Ticks, ticks

LOADED, BELOW = "membres", "sous"
"""Parameters: the members are shown; with those of the structures below."""


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a structure; ``page`` is None until they are asked for."""

    list: Listing[Sort]
    page: Page[MemberLine] | None
    total: Count
    below: bool
    ticks: Ticks | None = None


def tree(request: Request) -> Response:
    """The tree, or what a search of it found."""
    actor = require_administrator(request)
    text = request.GET.get("recherche", "").strip()[:LONGEST]
    found = StructureTree(request.services.core).search(actor, text) if text else None
    return _page(request, actor, None, found=found, text=text)


def structure(request: Request) -> Response:
    """One structure beside the tree; for scripts, a branch or the members alone."""
    actor, code = require_administrator(request), request.matchdict["code"]
    structures = StructureTree(request.services.core)
    if "branche" in request.GET:
        nodes = structures.branch(actor, code)
        return render_to_response(
            "views:templates/aia/branch.jinja2", {"nodes": nodes, "selected": None}, request
        )
    return _page(request, actor, structures.read(actor, code))


def _page(
    request: Request,
    actor: Actor,
    sheet: StructureSheet | None,
    *,
    found: Found | None = None,
    text: str = "",
) -> Response:
    alone = wants_fragment(request)  # htmx replaces the members alone
    values = {
        "sheet": sheet,
        "members": _members(request, actor, sheet) if sheet else None,
        "tree": None if alone or found else _tree(request, actor, sheet),
        "found": found,
        "text": text,
        "most_opened": MAX_OPENED,
        "here": request.path,
    }
    return render_to_response("views:templates/aia/structures.jinja2", values, request)


def _tree(request: Request, actor: Actor, sheet: StructureSheet | None) -> Tree:
    """Opened where the structure is, until the person opens or closes a branch himself."""
    structures = StructureTree(request.services.core)
    if "tout" in request.GET:
        return structures.tree(actor, whole=True)
    if not set(request.GET) & {"ouverte", "ouvrir", "fermer"}:
        return structures.tree(actor, selected=sheet.code if sheet else None, roots=True)
    opened = [*request.GET.getall("ouvrir")[:1], *request.GET.getall("ouverte")][:MAX_OPENED]
    return structures.tree(actor, opened=set(opened) - set(request.GET.getall("fermer")))


def _members(request: Request, actor: Actor, sheet: StructureSheet) -> Members:
    """How many there are; once they are asked for, a page of them."""
    people = People(request.services.core)
    path = request.route_path("aia_structure", code=sheet.code)
    wanted = listing(request, Sort, path=path, kept=(LOADED, BELOW), target="membres")
    if LOADED not in request.GET:
        total = people.count(actor, Criteria(structure=sheet.code))
        return Members(wanted, None, total, below=True)
    below = BELOW in request.GET
    page = people.members(
        actor,
        sheet.code,
        below=below,
        text=wanted.text,
        sort=wanted.sort,
        descending=wanted.descending,
        cursor=wanted.cursor,
        size=wanted.size,
    )
    here = ticks(request, (line.subject_id for line in page.lines))
    return Members(wanted, page, page.total, below, here)


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    for view, route in ((tree, "aia_structures"), (structure, "aia_structure")):
        config.add_view(view, route_name=route, request_method="GET", decorator=inside)
    # Sent by the form of the selection, to a page of the list: what is ticked goes along.
    config.add_view(structure, route_name="aia_structure", request_method="POST", decorator=inside)
