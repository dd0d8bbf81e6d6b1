"""What the portal shows: the directory's tiles, joined with the SPs that sign-on would answer."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from idp.errors import UnknownServiceProvider
from idp.folding import search_key
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


def last_used_first(
    tiles: Iterable[Tile], used: Mapping[str | None, tuple[int, datetime]]
) -> tuple[Tile, ...]:
    """In the order of the last sign-on (``IAuditLog.tally``); the others stay behind, as they are.

    The journal knows it already: a sign-on writes nothing for it.
    """

    def age(tile: Tile) -> float:
        found = used.get(tile.entity_id) if tile.entity_id else None
        return -found[1].timestamp() if found else 0.0

    return tuple(sorted(tiles, key=age))


def matches(tile: Tile, search: str) -> bool:
    """Whether each word that was typed occurs in the label or the description."""
    if not search:
        return True  # most openings of the portal: no text is folded for them
    text = search_key(tile.label, tile.description)
    return all(word in text for word in search_key(search).split())


def _closed_if_unanswered(tile: Tile, service_providers: IServiceProviders) -> Tile:
    if tile.entity_id is None or tile.closed_message is not None:
        return tile
    try:
        service_providers.get(tile.entity_id)
    except UnknownServiceProvider:
        return replace(tile, closed_message=SUSPENDED)
    return tile
