"""Reads one value of a metadata document at a time; refuses it with its line and the remedy."""

import re
from datetime import datetime, timedelta
from typing import NoReturn, cast
from urllib.parse import urlsplit

from lxml import etree

from idp.errors import MetadataError, UnreadableMessage
from idp.saml import instants
from idp.saml.names import XML
from idp.settings import LOOPBACK_HOSTS

XML_LANG = f"{{{XML}}}lang"

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_MAX_INDEX = 65535  # xs:unsignedShort
_DURATION = re.compile(
    r"P(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,6})D)?"
    r"(?:T(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,10})(?:\.\d+)?S)?)?"
)
_UNITS = (
    timedelta(days=365),
    timedelta(days=30),
    timedelta(days=1),
    timedelta(hours=1),
    timedelta(minutes=1),
    timedelta(seconds=1),
)


def line_of(element: etree._Element) -> int | None:
    """The line of the file on which the element begins."""
    return cast("int | None", element.sourceline)


def refuse(element: etree._Element, text: str) -> NoReturn:
    """Refuse the document because of this element.

    Raises:
        MetadataError: always; both texts name the line.
    """
    line = line_of(element)
    message = f"Ligne {line} : {text}" if line else text
    raise MetadataError(message, public=message)


def local_name(element: etree._Element) -> str:
    """The element's name without its namespace."""
    return etree.QName(element).localname


def required(element: etree._Element, name: str) -> str:
    """An attribute that must be there.

    Raises:
        MetadataError: it is absent or empty.
    """
    value = element.get(name, "").strip()
    if not value:
        refuse(
            element,
            f"l'attribut {name} de {local_name(element)} manque. Ajoutez-le dans le fichier.",
        )
    return value


def boolean(element: etree._Element, name: str) -> bool | None:
    """An xs:boolean; None when the attribute is absent.

    Raises:
        MetadataError: neither true, false, 1 nor 0.
    """
    text = element.get(name)
    if text is None:
        return None
    value = _BOOLEANS.get(text.strip())
    if value is None:
        refuse(
            element,
            f"{name} vaut « {shortened(text)} ». Écrivez « true » ou « false ».",
        )
    return value


def index(element: etree._Element) -> int | None:
    """The ``index`` of an indexed endpoint; None when it is absent. [SAMLMeta] 2.2.3.

    Raises:
        MetadataError: not a whole number from 0 to 65535.
    """
    text = element.get("index")
    if text is None:
        return None
    digits = text.strip().removeprefix("+")
    significant = digits.lstrip("0") or "0"
    if not (digits.isascii() and digits.isdigit() and len(significant) <= len(str(_MAX_INDEX))) or (
        int(significant) > _MAX_INDEX
    ):
        refuse(
            element,
            f"l'attribut index vaut « {shortened(text)} ». "
            f"Écrivez un nombre entier de 0 à {_MAX_INDEX}.",
        )
    return int(significant)


def instant(element: etree._Element, name: str) -> datetime | None:
    """An xs:dateTime in UTC; None when the attribute is absent. [SAMLCore] 1.3.3.

    Raises:
        MetadataError: not a date and time with its zone.
    """
    text = element.get(name)
    if text is None:
        return None
    try:
        return instants.instant(text)
    except UnreadableMessage:
        refuse(
            element,
            f"la date {name} « {shortened(text)} » est illisible. "
            "Écrivez-la sous la forme 2027-01-31T00:00:00Z.",
        )


def duration(element: etree._Element, name: str) -> timedelta | None:
    """An xs:duration; None when it is absent, or unreadable: it is never more than a wish.

    A year counts for 365 days, a month for 30.
    """
    match = _DURATION.fullmatch(element.get(name, "").strip())
    if match is None or not any(match.groups()):
        return None
    pieces = (int(number or 0) * unit for number, unit in zip(match.groups(), _UNITS, strict=True))
    return sum(pieces, timedelta(0))


def absolute_url(element: etree._Element, name: str) -> str:
    """An absolute http or https URL: we send people there.

    Raises:
        MetadataError: absent, or anything else (``javascript:``, ``data:``, relative…).
    """
    url = required(element, name)
    if not is_absolute_http(url):
        refuse(
            element,
            f"l'adresse {name} « {shortened(url)} » de {local_name(element)} n'est pas une adresse "
            "http ou https complète. Écrivez-la en entier, par exemple "
            "https://application.exemple.fr/saml/acs.",
        )
    return url


def is_absolute_http(url: str) -> bool:
    """Whether this is an http(s) URL with a host, without user name nor odd characters."""
    if not url.isprintable() or any(character in ' \\"<>`{}|^' for character in url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and port != 0
    )


def shortened(text: str) -> str:
    """A stranger's text, fit to be quoted in one line of a message."""
    text = "".join(character if character.isprintable() else " " for character in text.strip())
    return text if len(text) <= 80 else f"{text[:77]}…"  # noqa: PLR2004 - one line of a terminal


def is_plain_http(url: str) -> bool:
    """Whether this address is http on a host other than this machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS
