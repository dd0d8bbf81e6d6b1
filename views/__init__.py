"""The front: doors, desks, windows. What people see, and nothing that decides.

The settings name this room in ``convergences.includes``.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: "Configurator") -> None:
    """Routes first, then what pages are made of, then the pages."""
    config.include("views.routes")
    config.include("views.assets")
    config.include("views.templating")
    config.include("views.person")
    config.include("views.errors")
    config.include("views.session")
    config.include("views.drafts")
    config.include("views.health")
    config.include("views.legal")
    config.include("views.help")
    config.include("views.login")
    config.include("views.portal")
    config.include("views.profile")
    config.include("views.aia")
    config.include("views.central")
    config.include("views.saml")
    if config.registry.services.settings.demonstration:
        config.include("views.demo.mails")
