"""The schema's shape: reads one value of a message at a time, and refuses what cannot be there.

Attributes that the schema does not have are refused: a misspelt ``ForceAuthn`` that is ignored lets
somebody in whom the SP wanted to be asked. Those of XML Schema itself (``xsi:``) may stand
anywhere.
"""

import re
from collections.abc import Collection
from datetime import datetime

from lxml import etree

from idp.errors import UnreadableMessage
from idp.saml.instants import instant
from idp.saml.xml import WHITE_SPACE, text_of

MAX_STRING = 256
MAX_URI = 1024
MAX_INDEX = 65535
MANY = 50
"""More than anybody sends: what the schema does not bound, we do."""

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_NCNAME = re.compile(r"[^\W\d][\w.\-]*\Z")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def check_attributes(node: etree._Element, allowed: Collection[str]) -> None:
    """See that the element carries no attribute but these.

    Raises:
        UnreadableMessage: it does; the cause names it.
    """
    for name in node.attrib:
        if name not in allowed and not str(name).startswith(_XSI):
            raise UnreadableMessage(f"{node.tag} has no attribute {name!r:.200}")


def check_no_text(node: etree._Element) -> None:
    """See that between the element's children, if any, stands nothing but white space.

    Raises:
        UnreadableMessage: text does.
    """
    if any((text or "").strip(WHITE_SPACE) for text in (node.text, *(each.tail for each in node))):
        raise UnreadableMessage(f"{node.tag} holds text")


def check_few(node: etree._Element) -> None:
    """See that the element holds no more children than anybody sends.

    Raises:
        UnreadableMessage: it does.
    """
    if len(node) > MANY:
        raise UnreadableMessage(f"{node.tag} holds {len(node)} elements, at most {MANY} are read")


def check_leaf(node: etree._Element, allowed: Collection[str] = ()) -> None:
    """See that the element holds no other, and no attribute but these.

    Raises:
        UnreadableMessage: it does.
    """
    check_attributes(node, allowed)
    if len(node):
        raise UnreadableMessage(f"{node.tag} holds an element")


def check_empty(node: etree._Element, allowed: Collection[str] = ()) -> None:
    """See that the element holds nothing, and no attribute but these.

    Raises:
        UnreadableMessage: it does.
    """
    check_leaf(node, allowed)
    check_no_text(node)


def sequence(
    node: etree._Element, *parts: tuple[str, int, int]
) -> tuple[tuple[etree._Element, ...], ...]:
    """The element's children, grouped: each part is a name, how many at least, how many at most.

    Raises:
        UnreadableMessage: another child, too many or too few of one, another order, or text.
    """
    check_no_text(node)
    rest = list(reversed(node))
    groups = []
    for name, least, most in parts:
        group: list[etree._Element] = []
        while rest and rest[-1].tag == name:
            group.append(rest.pop())
        if not least <= len(group) <= most:
            raise UnreadableMessage(f"{node.tag} holds {len(group)} {name}")
        groups.append(tuple(group))
    if rest:
        raise UnreadableMessage(f"{node.tag}: {rest[-1].tag!r:.200} is unknown or out of order")
    return tuple(groups)


def identifier(node: etree._Element) -> str:
    """The ID. [SAMLCore] 1.3.4.

    Raises:
        UnreadableMessage: absent, longer than 256 characters, or not an xs:ID.
    """
    value = node.get("ID", "")
    if not _NCNAME.match(value) or len(value) > MAX_STRING:
        raise UnreadableMessage("the ID is absent, too long or not an xs:ID")
    return value


def string(value: str, name: str, longest: int = MAX_STRING) -> str:
    """The text as it is: strings are compared to the byte. [SAMLCore] 1.3.1.

    Raises:
        UnreadableMessage: nothing but white space, or too long.
    """
    if not value.strip() or len(value) > longest:
        raise UnreadableMessage(f"{name} is empty or longer than {longest} characters")
    return value


def optional_string(node: etree._Element, name: str) -> str | None:
    """The attribute as it is (xs:string), of at most 1024 characters; None when absent.

    Raises:
        UnreadableMessage: see :func:`string`.
    """
    value = node.get(name)
    return None if value is None else string(value, name, MAX_URI)


def uri(node: etree._Element, name: str) -> str | None:
    """The attribute as an xs:anyURI, whose white space is collapsed; None when absent.

    [XMLSchema] 3.2.17. An empty one stays empty: it is no address of anybody's.
    """
    value = node.get(name)
    return None if value is None else value.strip(WHITE_SPACE)


def uri_text(node: etree._Element) -> str:
    """The element's text as an xs:anyURI.

    Raises:
        UnreadableMessage: empty, too long, or not text alone.
    """
    check_leaf(node)
    return string(text_of(node), str(node.tag), MAX_URI)


def boolean(node: etree._Element, name: str) -> bool:
    """An xs:boolean, false when absent: ``1`` is as true as ``true``. [XMLSchema] 3.2.2.

    Raises:
        UnreadableMessage: anything else.
    """
    text = node.get(name, "false").strip(WHITE_SPACE)
    if text not in _BOOLEANS:
        raise UnreadableMessage(f"{name} is not a boolean")
    return _BOOLEANS[text]


def index(node: etree._Element, name: str) -> int | None:
    """An xs:unsignedShort; None when absent.

    Raises:
        UnreadableMessage: anything else.
    """
    text = node.get(name)
    if text is None:
        return None
    digits = text.strip(WHITE_SPACE)
    # int() would take digits of other scripts, signs and underscores.
    if not re.fullmatch(r"[0-9]{1,5}", digits) or int(digits) > MAX_INDEX:
        raise UnreadableMessage(f"{name} is not an unsigned short")
    return int(digits)


def check_count(node: etree._Element, name: str) -> None:
    """See that the attribute, if present, is an xs:nonNegativeInteger.

    Raises:
        UnreadableMessage: it is not.
    """
    text = node.get(name)
    if text is not None and not re.fullmatch(r"\+?[0-9]{1,20}", text.strip(WHITE_SPACE)):
        raise UnreadableMessage(f"{name} is not a number")


def optional_instant(node: etree._Element, name: str) -> datetime | None:
    """An xs:dateTime with its zone; None when absent.

    Raises:
        UnreadableMessage: anything else.
    """
    value = node.get(name)
    return None if value is None else instant(value)
