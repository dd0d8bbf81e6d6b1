"""Jinja2: one environment for pages and form widgets, built once.

Every template may use ``asset(path)``, ``icon(name)``, ``organization`` and ``accessibility``; a
page's also ``person`` (:mod:`views.person`).
"""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol, cast

from jinja2 import Environment
from markupsafe import Markup, escape
from pyramid.config import Configurator

from idp import names
from idp.request import Request
from idp.settings import Organization
from idp.types import Subject
from views.assets import Assets, pictures
from views.legal import Statement
from views.legal import read as read_statement

ICONS = Path(__file__).parent / "static" / "icons"
GENERIC_ICON = "application"

_JOINT = re.compile(r"([@.])(?=.)")


class Counted(Protocol):
    """How many there are; ``exact`` False: more than that."""

    @property
    def number(self) -> int:
        """As far as it was counted."""

    @property
    def exact(self) -> bool:
        """Whether that is all."""


class Named(Protocol):
    """A person, of whichever list or sheet."""

    @property
    def given_name(self) -> str:
        """As recorded."""

    @property
    def sn(self) -> str:
        """As recorded."""


class Icons:
    """Our own line drawings, put into the page itself so that they take the text's colour."""

    def __init__(self, folder: Path) -> None:
        self._drawings = {
            path.stem: Markup(path.read_text(encoding="utf-8").strip())  # noqa: S704 - our files
            for path in folder.glob("*.svg")
        }

    def __call__(self, *names: str) -> Markup:
        """The first drawing that exists, else the generic one; hidden from screen readers."""
        known = (self._drawings[name] for name in names if name in self._drawings)
        return next(known, self._drawings[GENERIC_ICON])


def full_name(person: Named) -> str:
    """``Prénom NOM``."""
    return names.full_name(person.given_name, person.sn)


def initials(subject: Subject) -> str:
    """Two capital letters for the round picture."""
    return (subject.given_name[:1] + subject.sn[:1]).upper()


def breakable(mail: str) -> Markup:
    """An address that a narrow column breaks after its ``@`` and its dots, not within a word."""
    return Markup(_JOINT.sub(r"\1<wbr>", str(escape(mail))))  # noqa: S704 - escaped


def french_date(value: date) -> str:
    """``20/11/2026``."""
    return value.strftime("%d/%m/%Y")


def thousands(number: int) -> str:
    """``4 500``; the space does not break."""
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def counted(count: Counted) -> str:
    """``312``, ``plus de 1 000``."""
    return thousands(count.number) if count.exact else f"plus de {thousands(count.number)}"


def photo_path(digest: str) -> str:
    """Where a photo is served: of the route ``photo``, without a request.

    A macro that sees the page's context holds the request in a cycle, until the collector comes;
    the header stands on every page that a stranger may ask for.
    """
    return f"/photos/{digest}"


def environment(request: Request) -> Environment:
    """The environment that renders everything."""
    return cast("Environment", request.registry.views_jinja2)


def furnish(
    environment: Environment, assets: Assets, statement: Statement, organization: Organization
) -> None:
    """What every template may use."""

    def french_day(moment: datetime) -> str:
        return french_date(moment.astimezone(organization.time_zone))

    def last_day(end: datetime) -> str:
        """The last day of what ends at a moment, which is excluded."""
        return french_day(end - timedelta(microseconds=1))

    filters: dict[str, Callable[..., str]] = {
        "full_name": full_name,
        "of": names.of,
        "initials": initials,
        "photo_path": photo_path,
        "breakable": breakable,
        "thousands": thousands,
        "counted": counted,
        "french_date": french_date,
        "french_day": french_day,
        "last_day": last_day,
    }
    environment.filters.update(filters)
    environment.globals.update(
        asset=assets.url,
        icon=Icons(ICONS),
        accessibility=statement,
        organization=organization,
        **pictures(organization),
    )


def includeme(config: Configurator) -> None:
    """Set Jinja2 up: our folder, strict about unknown names, no cache of missing templates."""
    settings = config.registry.services.settings
    config.add_settings(
        {
            "jinja2.undefined": "strict",
            "jinja2.trim_blocks": "true",
            "jinja2.lstrip_blocks": "true",
        }
    )
    config.include("pyramid_jinja2")
    config.add_jinja2_search_path("views:templates")
    config.commit()
    built = config.get_jinja2_environment()
    furnish(built, config.registry.views_assets, read_statement(settings), settings.organization)
    config.registry.views_jinja2 = built
