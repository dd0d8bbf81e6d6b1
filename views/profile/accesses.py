"""*Mes accès*, and *Ce que reçoit l'application*."""

from itertools import groupby

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound

from idp.preview import Received
from idp.request import Request
from idp.tiles import portal_tiles
from idp.types import NameIDFormat, Source, Tile
from views.person import signed_in

WORDS = {
    Source.MAIL: "Adresse mail",
    Source.UID: "Identifiant",
    Source.GIVEN_NAME: "Prénom",
    Source.SN: "Nom",
    Source.DISPLAY_NAME: "Nom complet",
    Source.ROLE: "Rôles dans cette application",
    Source.STRUCTURE: "Structure (code)",
    Source.STRUCTURE_PATH: "Structure",
    Source.SIRET: "SIRET de la structure",
    Source.SERVICE: "Service",
    Source.FUNCTION: "Fonction",
    Source.APPLICATION_ID: "Identifiant applicatif",
    Source.PHONE: "Téléphone",
    Source.SUBJECT_ID: "Identifiant commun à plusieurs applications",
    Source.PAIRWISE_ID: "Pseudonyme propre à cette application",
    Source.EDU_PERSON_PRINCIPAL_NAME: "Identifiant commun à plusieurs applications",
    Source.CONSTANT: "Valeur fixe, la même pour tous",
    Source.TEMPLATE: "Texte composé de vos informations",
}
NAME_IDS = {
    NameIDFormat.EMAIL_ADDRESS: "Votre adresse mail",
    NameIDFormat.PERSISTENT: "Un pseudonyme propre à cette application",
    NameIDFormat.TRANSIENT: "Un identifiant à usage unique",
    NameIDFormat.UNSPECIFIED: "Un identifiant interne, qui ne change jamais",
}


def show(request: Request) -> dict[str, object]:
    """Each application with the roles held there, and since when."""
    subject = signed_in(request).subject
    accesses = request.services.self_service.record.accesses(subject.id)
    grouped = groupby(accesses, key=lambda one: (one.application_label, one.application_code))
    paths = {one.structure_path for one in accesses}
    return {
        "added": request.services.self_service.confirmations.waiting(subject.id),
        "applications": [(label, code, list(held)) for (label, code), held in grouped],
        "only_path": next(iter(paths)) if len(paths) == 1 else None,
    }


def received(request: Request) -> dict[str, object]:
    """What this application would receive now.

    Raises:
        HTTPNotFound: none of this code that the person may open.
    """
    tile = _tile(request, request.matchdict["code"])
    sent: tuple[Received, ...] = ()
    if tile.entity_id is not None and tile.closed_message is None:
        session = signed_in(request).session
        sent = request.services.preview.received(session, tile.entity_id)
    return {"tile": tile, "sent": sent, "words": WORDS, "name_ids": NAME_IDS}


def _tile(request: Request, code: str) -> Tile:
    services = request.services
    tiles = portal_tiles(
        services.directory, services.service_providers, signed_in(request).subject.id
    )
    for tile in tiles:
        if tile.code == code:
            return tile
    raise HTTPNotFound(f"no application {code!r} of this person")


def includeme(config: Configurator) -> None:
    """For the signed-in person."""
    for view, route in ((show, "accesses"), (received, "received")):
        config.add_view(
            view,
            route_name=route,
            request_method="GET",
            renderer=f"views:templates/profile/{route}.jinja2",
        )
