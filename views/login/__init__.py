"""Signing in and out of the portal."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """The two desks of this room."""
    config.include("views.login.sign_in")
    config.include("views.login.sign_out")
