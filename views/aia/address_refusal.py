"""The link that the old address of a person gets: a GET spends nothing, nobody need sign in."""

from http import HTTPStatus

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from directory.services.accounts.address_refusal import AddressRefusals
from idp.errors import LinkRefused
from idp.log import logger
from idp.request import Request

HEADINGS = {
    "unknown": "Ce lien n'est pas reconnu",
    "expired": "Ce lien n'est plus valable",
    "used": "Ce changement est déjà refusé",
    "undone": "Ce changement a déjà été annulé",
}


def ask(request: Request) -> Response:
    """Which change it is, and what refusing it does."""
    try:
        change = AddressRefusals(request.services.core).link(request.matchdict["token"])
    except LinkRefused as refused:
        return _over(request, refused)
    return _page(request, change=change, done=False, heading="", text="")


def refuse(request: Request) -> Response:
    """Refuse it."""
    try:
        AddressRefusals(request.services.core).spend(request.matchdict["token"])
    except LinkRefused as refused:
        return _over(request, refused)
    return _page(request, change=None, done=True, heading="", text="")


def _over(request: Request, refused: LinkRefused) -> Response:
    logger.info("address.link-refused", cause=refused.reason)
    response = _page(
        request, change=None, done=False, heading=HEADINGS[refused.reason], text=refused.public
    )
    response.status_int = HTTPStatus.GONE if refused.known else HTTPStatus.NOT_FOUND
    return response


def _page(request: Request, **values: object) -> Response:
    return render_to_response("views:templates/address_refusal.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """For whoever has the link."""
    for view, method in ((ask, "GET"), (refuse, "POST")):
        config.add_view(
            view,
            route_name="address_refusal",
            request_method=method,
            permission=NO_PERMISSION_REQUIRED,
        )
