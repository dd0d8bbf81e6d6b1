"""The portal: what this person may open, what he asked for, and whom to ask."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pyramid.config import Configurator

from idp.request import Request
from idp.tiles import last_used_first, matches, portal_tiles
from idp.types import Tile
from views import way_back
from views.login.password_link import CHOSEN, CHOSEN_NOTICE
from views.login.sign_in import LOST_NOTICE
from views.notices import on_portal
from views.person import signed_in
from views.portal.access import ASKED, WITHDRAWN
from views.portal.problems import REPORTED
from views.times import in_words

LEFT_NOTICE, LEFT_KEPT_NOTICE = "annuaire-quitte", "annuaire-quitte-saisie-conservee"
LEFT = "Vous aviez quitté l'annuaire : rien n'a été enregistré."

NOTICES = {
    LOST_NOTICE: (
        "La connexion que vous aviez commencée n'était plus en attente. "
        "Ouvrez l'application ci-dessous."
    ),
    CHOSEN_NOTICE: CHOSEN,
    ASKED: "Votre demande est envoyée. Vous recevrez la réponse par mail.",
    WITHDRAWN: "Votre demande est retirée.",
    LEFT_NOTICE: LEFT,
    LEFT_KEPT_NOTICE: f"{LEFT} Ce que vous aviez saisi vous attend sur sa page.",
    REPORTED: "Votre signalement est envoyé à vos référents. Merci.",
}

SEARCH_FROM = 12
"""Tiles from which on they can be searched."""

LOOKED_BACK = timedelta(days=180)
"""How far back a sign-on counts for the order of the tiles."""

AIA = Tile(
    code="aia",
    label="Annuaire des Identités et des Accès",
    description="Votre fiche, vos structures et vos rôles.",
    icon="aia",
)
AIA_ADMINISTERED = replace(
    AIA, description="Créez et gérez les comptes et les rôles de vos collègues."
)
"""For who administers something there."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A tile as the page shows it; ``href`` None: it cannot be opened; ``badge`` says why not.

    ``dates`` are in words; ``found``: it matches what is searched for.
    """

    tile: Tile
    href: str | None
    badge: str
    dates: str
    found: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page of the directory: what leads to it once he has entered, and whether it is a request.

    ``suite`` is of :mod:`views.way_back`.
    """

    suite: str
    is_request: bool


def home(request: Request) -> dict[str, object]:
    """Everything of the page; the number of statements does not depend on how much that is."""
    services, subject = request.services, signed_in(request).subject
    mine = services.self_service.access_requests
    tiles = portal_tiles(services.directory, services.service_providers, subject.id)
    since = services.clock.now() - LOOKED_BACK
    ordered = last_used_first(
        tiles, services.audit.tally("sign-on.success", subject.id, since=since)
    )
    search = request.GET.get("recherche", "").strip()[:100] if len(tiles) >= SEARCH_FROM else ""
    waiting = mine.waiting(subject.id)
    aia = AIA if waiting is None else AIA_ADMINISTERED
    shown = [_shown(request, tile, search) for tile in (*ordered, aia)]
    return {
        "tiles": shown[:-1],
        "aia": shown[-1],
        "searchable": len(tiles) >= SEARCH_FROM,
        "search": search,
        "found": sum(each.found for each in shown),
        "referents": services.directory.referents(subject.id),
        "requests": mine.own(subject.id),
        "waiting": waiting,
        "added": services.self_service.confirmations.waiting(subject.id),
        "wanted": _wanted(request),
        "centre_notices_shown": on_portal(request, {tile.code for tile in tiles}),
        "notice": NOTICES.get(request.GET.get("avis", "")),
    }


def _wanted(request: Request) -> Wanted | None:
    """What he came for, if a link led him to a page of the directory before he was in it."""
    suite = request.GET.get("suite", "")
    path = way_back.unseal(request, suite, subject_id=signed_in(request).subject.id)
    if path is None:
        return None
    return Wanted(suite, is_request=path.startswith(request.route_path("aia_requests") + "/"))


def address(request: Request, tile: Tile) -> str | None:
    """Where a click leads: sign-on at its SP, its start page, or nowhere while it is closed."""
    if tile.closed_message is not None:
        return None
    if tile.entity_id is not None:
        return str(request.route_path("saml_init", _query={"sp": tile.entity_id}))
    return tile.start_url


def dates(request: Request, tile: Tile) -> str:
    """When it opens, closes or closed; empty when no date bounds it."""
    now = request.services.clock.now()
    zone = request.configuration.organization.time_zone

    def words(moment: datetime) -> str:
        said = in_words(moment, now, zone)
        return f"le {said[3:]}" if said.startswith("au ") else f"aujourd'hui {said}"

    if tile.opens_at is not None and tile.opens_at > now:
        return f"Ouvre {words(tile.opens_at)}."
    if tile.closes_at is None:
        return ""
    verb = "Ferme" if tile.closes_at > now else "Fermée depuis"
    return f"{verb} {words(tile.closes_at)}."


def _shown(request: Request, tile: Tile, search: str) -> Shown:
    coming = tile.opens_at is not None and tile.opens_at > request.services.clock.now()
    return Shown(
        tile,
        address(request, tile),
        "À venir" if coming else "Fermée" if tile.closed_message else "Indisponible",
        dates(request, tile),
        matches(tile, search),
    )


def includeme(config: Configurator) -> None:
    """The home page and what it leads to; a stranger is led to the sign-in page."""
    config.add_view(
        home, route_name="portal", request_method="GET", renderer="views:templates/portal.jinja2"
    )
    config.include("views.notices")
    config.include("views.portal.access")
    config.include("views.portal.confirmations")
    config.include("views.portal.problems")
