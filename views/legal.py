"""The pages that the law asks for: accessibility, personal data, legal notice.

Each has a text of its own, filled in from the settings. An operator replaces it by a file in the
folder ``organization.texts``: ``mentions-legales.txt``, ``donnees-personnelles.txt`` (a blank line
between paragraphs, ``## `` before a heading), and records an accessibility audit there in
``accessibilite.json``.
"""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyramid.config import Configurator
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.errors import ConfigurationError
from idp.request import Request
from idp.settings import Settings

NOT_CONFORMING = "non conforme"
STATES = (NOT_CONFORMING, "partiellement conforme", "totalement conforme")


@dataclass(frozen=True, slots=True)
class Statement:
    """The accessibility status: "non conforme" until an audit is recorded. [RGAA] 4.1.2.

    ``rate`` is the share of criteria that are met, in percent.
    """

    state: str = NOT_CONFORMING
    audited_on: date | None = None
    auditor: str = ""
    rate: int | None = None
    non_conformities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A heading (``level`` 2) or a paragraph (``level`` 0) of an operator's text."""

    text: str
    level: int = 0


def read(settings: Settings) -> Statement:
    """The recorded audit, or the status of a site that none has judged.

    Raises:
        ConfigurationError: the record is there and cannot be understood.
    """
    path = _file(settings, "accessibilite.json")
    if path is None:
        return Statement()
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return Statement(
            state=STATES[STATES.index(raw["state"])],
            audited_on=date.fromisoformat(raw["audited_on"]),
            auditor=str(raw["auditor"]),
            rate=int(raw["rate"]),
            non_conformities=tuple(str(line) for line in raw.get("non_conformities", ())),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigurationError(
            "accessibilite.json in organization.texts needs state, audited_on, auditor and rate"
        ) from None


def blocks(settings: Settings, name: str) -> tuple[Block, ...]:
    """The operator's own text of this name; empty when he has none: ours is shown then."""
    path = _file(settings, name)
    if path is None:
        return ()
    parts = path.read_text(encoding="utf-8").split("\n\n")
    return tuple(
        Block(part.removeprefix("## "), 2 if part.startswith("## ") else 0)
        for part in (" ".join(part.split()) for part in parts)
        if part
    )


def accessibility(request: Request) -> dict[str, object]:
    """The declaration; the status itself is known to every template."""
    del request
    return {}


def personal_data(request: Request) -> dict[str, object]:
    """What is recorded about people, why, how long, and whom to ask."""
    settings: Settings = request.configuration
    return {
        "blocks": blocks(settings, "donnees-personnelles.txt"),
        "lifetime_hours": int(settings.session_lifetime.total_seconds() // 3600),
    }


def legal(request: Request) -> dict[str, object]:
    """Who publishes this site."""
    return {"blocks": blocks(request.configuration, "mentions-legales.txt")}


def _file(settings: Settings, name: str) -> Path | None:
    folder = settings.organization.texts
    path = Path(folder) / name
    return path if folder and path.is_file() else None


def includeme(config: Configurator) -> None:
    """Three public pages."""
    for view, route in (
        (accessibility, "accessibility"),
        (personal_data, "personal_data"),
        (legal, "legal"),
    ):
        config.add_view(
            view,
            route_name=route,
            request_method="GET",
            renderer=f"{route}.jinja2",
            permission=NO_PERMISSION_REQUIRED,
        )
