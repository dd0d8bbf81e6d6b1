"""What the portal shows: the directory's tiles, joined with the SPs that sign-on would answer."""

from dataclasses import replace

from idp.errors import UnknownServiceProvider
from idp.interfaces import IDirectory, IServiceProviders
from idp.types import Tile

SUSPENDED = "La connexion à cette application est suspendue."


def portal_tiles(
    directory: IDirectory, service_providers: IServiceProviders, subject_id: str
) -> tuple[Tile, ...]:
    """The person's tiles by label: one has no ``closed_message`` iff sign-on would succeed now."""
    return tuple(
        _closed_if_unanswered(tile, service_providers) for tile in directory.tiles(subject_id)
    )


def _closed_if_unanswered(tile: Tile, service_providers: IServiceProviders) -> Tile:
    if tile.entity_id is None or tile.closed_message is not None:
        return tile
    try:
        service_providers.get(tile.entity_id)
    except UnknownServiceProvider:
        return replace(tile, closed_message=SUSPENDED)
    return tile
