"""The correspondant's front desk, below ``/aia/administration``; to anybody else it is absent."""

from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from directory import actors
from directory.authorisation import Permission, Target, may
from idp.request import Request
from views.aia import View, inside
from views.person import signed_in


def allowed(permission: Permission, target: Target) -> Callable[[View], View]:
    """A decorator of pages that only who has this permission sees, inside the AIA's session.

    The right is asked first: who has none does not learn that there is a page.
    """

    def decorate(view: View) -> View:
        entered = inside(view)

        def wrapped(context: object, request: Request) -> Response:
            actor = actors.load(request.services.core, signed_in(request).subject.id)
            if actor is None or not may(actor, permission, target):
                raise HTTPNotFound
            return entered(context, request)

        return wrapped

    return decorate


def includeme(config: Configurator) -> None:
    """The desk's pages."""
    config.include("views.central.mails")
