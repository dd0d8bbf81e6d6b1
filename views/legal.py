"""The pages that the law asks for: accessibility, personal data, legal notice.

Each has a text of its own, filled in from the settings. An operator replaces it by a file in the
folder ``organization.texts``: ``mentions-legales.txt``, ``donnees-personnelles.txt`` and, for the
guides (:mod:`views.help`), ``guide-utilisateur.txt`` and ``guide-referent.txt`` (a blank line
between paragraphs, ``## `` before a heading); he records an accessibility audit there in
``accessibilite.json``. What is there is read once, at the start, and refuses to start when it
cannot be understood.
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
TEXTS = (
    "mentions-legales.txt",
    "donnees-personnelles.txt",
    "guide-utilisateur.txt",
    "guide-referent.txt",
)
"""The texts that an operator may replace."""

_LISTS = (
    "non_conformities",
    "disproportionate",
    "exempt",
    "technologies",
    "environments",
    "tools",
    "pages",
)

STATES = (NOT_CONFORMING, "partiellement conforme", "totalement conforme")


@dataclass(frozen=True, slots=True)
class Statement:
    """The accessibility status: "non conforme" until an audit is recorded. [RGAA] 4.1.2.

    ``rate`` is the share of criteria that are met, in percent. The rest are the sections of the
    declaration: what is not accessible (``non_conformities``, ``disproportionate``, ``exempt``) and
    how it was established (``technologies``, ``environments``, ``tools``, ``pages``).
    """

    state: str = NOT_CONFORMING
    audited_on: date | None = None
    auditor: str = ""
    rate: int | None = None
    established_on: date | None = None
    non_conformities: tuple[str, ...] = ()
    disproportionate: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    technologies: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()


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
        audited_on = date.fromisoformat(raw["audited_on"])
        return Statement(
            state=STATES[STATES.index(raw["state"])],
            audited_on=audited_on,
            auditor=str(raw["auditor"]),
            rate=_percent(raw["rate"]),
            established_on=date.fromisoformat(raw.get("established_on", raw["audited_on"])),
            **{name: _lines(raw.get(name, [])) for name in _LISTS},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ConfigurationError(
            "accessibilite.json in organization.texts needs state, audited_on, auditor and rate; "
            f"and may have established_on, and lists of texts: {', '.join(_LISTS)}"
        ) from None


def _percent(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= 100:  # noqa: PLR2004 - percent
        raise ValueError(value)
    return value


def _lines(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(value)
    return tuple(str(line) for line in value)


def blocks(settings: Settings, name: str) -> tuple[Block, ...]:
    """The operator's own text of this name; empty when he has none: ours is shown then.

    Raises:
        ConfigurationError: the file cannot be read, or is not UTF-8.
    """
    path = _file(settings, name)
    if path is None:
        return ()
    try:
        parts = path.read_text(encoding="utf-8").split("\n\n")
    except (OSError, ValueError):
        raise ConfigurationError(f"{name} in organization.texts is no text in UTF-8") from None
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
        "blocks": request.registry.views_texts["donnees-personnelles.txt"],
        "lifetime_hours": int(settings.session_lifetime.total_seconds() // 3600),
    }


def legal(request: Request) -> dict[str, object]:
    """Who publishes this site."""
    return {"blocks": request.registry.views_texts["mentions-legales.txt"]}


def _file(settings: Settings, name: str) -> Path | None:
    folder = settings.organization.texts
    if folder and not Path(folder).is_dir():
        raise ConfigurationError("the setting organization.texts names no folder")
    path = Path(folder) / name
    return path if folder and path.is_file() else None


def includeme(config: Configurator) -> None:
    """Three public pages, of texts that are read here."""
    settings = config.registry.services.settings
    config.registry.views_texts = {name: blocks(settings, name) for name in TEXTS}
    for view, route in (
        (accessibility, "accessibility"),
        (personal_data, "personal_data"),
        (legal, "legal"),
    ):
        config.add_view(
            view,
            route_name=route,
            request_method="GET",
            renderer=f"views:templates/{route}.jinja2",
            permission=NO_PERMISSION_REQUIRED,
        )
