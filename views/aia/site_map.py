"""The AIA's part of the site map: the pages that this person may open there."""

from collections.abc import Mapping

from pyramid.config import Configurator

from idp.request import Request
from views import help as help_pages
from views.aia.actor import administrator
from views.aia.shell import BIN, MAILS, MAIN, REQUESTS

FOR_ALL = {"aia": "Annuaire des Identités et des Accès", "aia_profile": "Profil dans l'annuaire"}
FOR_ADMINISTRATORS = {
    **{entry.route: entry.label for entry in MAIN},
    "aia_user_add": "Ajout d'un nouvel utilisateur",
    "aia_users_export": "Exporter les utilisateurs",
    "aia_bulk": "Actions groupées récentes",
    **{entry.route: entry.label for entry in (BIN, REQUESTS)},
}
FOR_CENTRAL = {MAILS.route: MAILS.label}
"""Pages by route, as :mod:`views.help` has those of the portal."""


def pages(request: Request) -> Mapping[str, str]:
    """By route; nothing for who is not signed in. Outside of the AIA each leads to its door."""
    if request.subject is None:
        return {}
    actor = administrator(request)
    if actor is None:
        return FOR_ALL
    return FOR_ALL | FOR_ADMINISTRATORS | (FOR_CENTRAL if actor.central else {})


def includeme(config: Configurator) -> None:
    """A part of the map of its own."""
    help_pages.add_part(config, "L'annuaire", pages)
