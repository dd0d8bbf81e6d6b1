"""The frame: the protocol, the sign-on sessions, and the contracts that the other rooms fulfil."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Pyramid 2.1 imports it, setuptools is pinned for it, and an operator can do nothing about it.
warnings.filterwarnings("ignore", "pkg_resources is deprecated as an API", UserWarning)

from pyramid.config import Configurator  # noqa: E402 - after the filter

from idp.settings import Settings, from_mapping  # noqa: E402

if TYPE_CHECKING:
    from pyramid.router import Router

    from idp.services import Services


def main(global_config: dict[str, str], **settings: str) -> "Router":
    """The WSGI application of a Paste .ini file (``pserve development.ini``).

    Raises:
        ConfigurationError: a setting, the directory or the registry is missing or wrong.
    """
    # Served on the address of the .ini, wherever `make run` served this folder before.
    return make_app(from_mapping(settings, here=Path(global_config["here"]), local=False))


def make_app(settings: Settings, services: "Services | None" = None) -> "Router":
    """The application, one room a line; ``services`` are built from the settings when not given.

    Raises:
        ConfigurationError: a setting, the directory or the registry is missing or wrong.
    """
    from idp.services import build, import_models  # noqa: PLC0415 - the rooms load after the frame

    import_models(settings)
    registry: dict[str, Any] = {"services": services or build(settings, hurried=True)}
    with Configurator(settings=registry) as config:
        config.registry.services = registry["services"]
        config.include("idp.request")
        config.include("idp.security")
        for room in settings.includes:
            config.include(room)
        return config.make_wsgi_app()
