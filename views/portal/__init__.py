"""The portal: what this person may open, and whom to ask when that is nothing."""

from dataclasses import replace

from pyramid.config import Configurator

from idp.errors import UnknownServiceProvider
from idp.request import Request
from idp.types import Tile
from views.login.sign_in import LOST_NOTICE
from views.person import signed_in

SUSPENDED = "La connexion à cette application est suspendue."
NOTICES = {
    LOST_NOTICE: (
        "La connexion que vous aviez commencée n'était plus en attente. "
        "Ouvrez l'application ci-dessous."
    ),
}


def home(request: Request) -> dict[str, object]:
    """The tiles, with the address that each leads to."""
    services, subject = request.services, signed_in(request).subject
    tiles = [usable(request, tile) for tile in services.directory.tiles(subject.id)]
    return {
        "tiles": [(tile, address(request, tile)) for tile in tiles],
        "referents": () if tiles else services.directory.referents(subject.id),
        "notice": NOTICES.get(request.GET.get("avis", "")),
    }


def usable(request: Request, tile: Tile) -> Tile:
    """The tile, closed when its SP is not one that sign-on would answer."""
    if tile.entity_id is None or tile.closed_message is not None:
        return tile
    try:
        request.services.service_providers.get(tile.entity_id)
    except UnknownServiceProvider:
        return replace(tile, closed_message=SUSPENDED)
    return tile


def address(request: Request, tile: Tile) -> str | None:
    """Where a click leads: sign-on at its SP, its start page, or nowhere while it is closed."""
    if tile.closed_message is not None:
        return None
    if tile.entity_id is not None:
        return str(request.route_path("saml_init", _query={"sp": tile.entity_id}))
    return tile.start_url


def includeme(config: Configurator) -> None:
    """The home page; a stranger is led to the sign-in page."""
    config.add_view(home, route_name="portal", request_method="GET", renderer="portal.jinja2")
