"""The log: one JSON object a line on stderr; readable lines in the demonstration.

Every line carries the request's id and the actor of :mod:`idp.context`, so that an error page's id
finds its cause. Fields whose name speaks of a secret are masked, whoever wrote them; no text
breaks its line or fills the log. (A traceback alone is several lines, in the demonstration.)
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.types import EventDict, Processor

from idp.context import origin

MASKED = "***"
MAX_VALUE = 1000
"""Characters of a field: causes quote what strangers wrote."""
SECRET_WORDS = (
    "authorization",
    "cookie",
    "passwd",
    "password",
    "private_key",
    "saml_response",
    "secret",
    "token",
)
SECRET_PATHS = re.compile(
    r"((?:/|%2F)(?:mot-de-passe|adresse-remplacee)(?:/|%2F))[^\s/?#\"'&%]+", re.IGNORECASE
)
"""Addresses that open an account, also inside another's query; servers write addresses into their
lines, and so do pages."""
ASKED_OF_PEOPLE = re.compile(
    r"((?:/|%2F)aia(?:/|%2F)[^\s#\"']*?(?:\?|%3F))[^\s#\"']+", re.IGNORECASE
)
"""What is asked for in the directory: names and addresses of people stand in its queries."""
FOREIGN_LOGGERS = ("_granian", "granian.access", "sqlalchemy", "alembic", "waitress")

logger: BoundLogger = structlog.stdlib.get_logger("convergences")
"""The product's log: ``logger.info("mail.sent", message_id=…)``."""


def configure(*, demonstration: bool, stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's logging to ``stream`` (stderr), one line each.

    May be called again: it replaces what it set before.
    """
    structlog.configure(
        processors=[*_shared(), ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=_shared(), processors=_rendering(demonstration))
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in FOREIGN_LOGGERS:
        foreign = logging.getLogger(name)
        foreign.handlers.clear()
        foreign.propagate = True
    # At INFO it writes every statement with its parameters, hashes of passwords included.
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
    # It tells at each command which kind of database it found.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


def _shared() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        add_origin,
        mask_secrets,
        bound_values,
    ]


def _rendering(demonstration: bool) -> list[Processor]:  # noqa: FBT001 - private
    if demonstration:
        return [
            ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(
                colors=False,
                timestamp_key="at",
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
    return [
        ProcessorFormatter.remove_processors_meta,
        # Plain text: the formatter with local variables would write passwords.
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def add_origin(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Say in which request and on whose behalf, unless the line says so itself."""
    now = origin()
    if now.request_id:
        event.setdefault("request_id", now.request_id)
    if now.actor:
        event.setdefault("actor", now.actor)
    return event


def mask_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Hide the values of fields that are named like a secret, at any depth of mappings."""
    _mask(event)
    return event


def bound_values(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Cut long texts short and write out what is not printable: one event stays one line."""
    for key, value in event.items():
        event[key] = _bounded(value)
    return event


def _bounded(value: object) -> object:
    """The value, with every text in it on one line and of a bounded length."""
    match value:
        case str():
            return _one_line(value)
        case dict():
            return {key: _bounded(each) for key, each in value.items()}
        case list():
            return [_bounded(each) for each in value]
        case tuple():
            return tuple(_bounded(each) for each in value)
    return value


def _one_line(text: str) -> str:
    for pattern in (SECRET_PATHS, ASKED_OF_PEOPLE):
        text = pattern.sub(rf"\g<1>{MASKED}", text)
    if len(text) > MAX_VALUE:
        text = f"{text[:MAX_VALUE]}… ({len(text)} characters)"
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _mask(mapping: MutableMapping[str, Any]) -> None:
    for key, value in mapping.items():
        if isinstance(key, str) and any(word in key.lower() for word in SECRET_WORDS):
            mapping[key] = MASKED
        elif isinstance(value, dict):
            mapping[key] = dict(value)
            _mask(mapping[key])
