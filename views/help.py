"""Where an application sends a person whom it could not let in (``errorURL``). [SAMLMeta] 2.4.3."""

from pyramid.config import Configurator
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.request import Request


def failed(request: Request) -> dict[str, object]:
    """What to try, and who can help; what the application appends to the address is not read."""
    del request
    return {}


def includeme(config: Configurator) -> None:
    """One page, for strangers too."""
    config.add_view(
        failed,
        route_name="help_failed",
        request_method="GET",
        renderer="help_failed.jinja2",
        permission=NO_PERMISSION_REQUIRED,
    )
