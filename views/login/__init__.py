"""Signing in and out of the portal."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """The desks of this room."""
    config.include("views.login.sign_in")
    config.include("views.login.password_request")
    config.include("views.login.password_link")
    config.include("views.login.sign_out")
