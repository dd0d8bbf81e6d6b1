"""The AIA, as far as a plain agent sees it: its banner and his own profile."""

from pyramid.config import Configurator

from idp.request import Request
from views.person import signed_in
from views.profile import profile_of


def home(request: Request) -> dict[str, object]:
    """Entering the AIA is what this page is for: harmless, so a link does it."""
    request.services.sessions.enter_aia(signed_in(request).session)
    return {"profile": profile_of(request)}


def includeme(config: Configurator) -> None:
    """For the signed-in person."""
    config.add_view(home, route_name="aia", request_method="GET", renderer="aia.jinja2")
