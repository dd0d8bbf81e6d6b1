"""The portal: what this person may open, and whom to ask when that is nothing."""

from pyramid.config import Configurator

from idp.request import Request
from idp.tiles import portal_tiles
from idp.types import Tile
from views.login.sign_in import LOST_NOTICE
from views.person import signed_in

NOTICES = {
    LOST_NOTICE: (
        "La connexion que vous aviez commencée n'était plus en attente. "
        "Ouvrez l'application ci-dessous."
    ),
}


def home(request: Request) -> dict[str, object]:
    """The tiles, with the address that each leads to."""
    services, subject = request.services, signed_in(request).subject
    tiles = portal_tiles(services.directory, services.service_providers, subject.id)
    return {
        "tiles": [(tile, address(request, tile)) for tile in tiles],
        "referents": () if tiles else services.directory.referents(subject.id),
        "notice": NOTICES.get(request.GET.get("avis", "")),
    }


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
