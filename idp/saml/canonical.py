"""Writes XML directly in exclusive canonical form. [XMLExcC14N], [XMLC14N] 1.0 section 2.3.

What is written here is its own canonical form, so it is signed without being parsed again: that is
most of the speed of a sign-on. The suite holds every kind of message against lxml's canonicaliser.

:func:`element` and :func:`render` write any document; the assertion, which every sign-on writes, is
a text of its own (:mod:`idp.saml.assertion`) with :func:`text` and :func:`attribute`.

A namespace is declared on the first element, from the root down, that uses its prefix; so a signed
element stands unchanged inside a parent whose own prefixes differ from its own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from idp.saml.names import PREFIXES

# [XML] 2.2, production Char: no control characters but tab and newlines, no surrogates.
_NOT_XML = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\ud800-\\udfff\\ufffe\\uffff]")
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)


@dataclass(frozen=True, slots=True)
class Canonical:
    """A ready piece of canonical XML, such as a signed assertion, put in as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Node:
    """An element: ``prefix:name``, attributes (those of one namespace at most), children."""

    tag: str
    attributes: Mapping[str, str | None]
    children: "tuple[Node | Canonical | str, ...]"


def element(
    tag: str, attributes: Mapping[str, str | None] | None = None, *children: Node | Canonical | str
) -> Node:
    """An element; attributes whose value is None are left out."""
    return Node(tag, attributes or {}, children)


def render(node: Node) -> str:
    """The element in exclusive canonical form.

    Raises:
        ValueError: a character that XML cannot carry.
    """
    pieces: list[str] = []
    _write(node, frozenset(), pieces)
    return check_characters("".join(pieces))


def text(value: str) -> str:
    """Character data as it stands in canonical XML."""
    return value.translate(_TEXT)


def attribute(value: str) -> str:
    """An attribute's value, between double quotes, as it stands in canonical XML."""
    return value.translate(_ATTRIBUTE)


def check_characters(xml: str) -> str:
    """The text itself.

    Raises:
        ValueError: it holds a character that XML cannot carry. [XML] 2.2
    """
    if _NOT_XML.search(xml):
        raise ValueError("a value holds a character that XML cannot carry")
    return xml


def _write(node: Node, declared: frozenset[str], pieces: list[str]) -> None:
    names = [name for name, value in node.attributes.items() if value is not None]
    used = {node.tag[: node.tag.index(":")]}
    used.update(name[: name.index(":")] for name in names if ":" in name)
    used -= {"xml"}  # it declares itself
    pieces.append(f"<{node.tag}")
    if not used <= declared:
        pieces += [f' xmlns:{each}="{PREFIXES[each]}"' for each in sorted(used - declared)]
        declared |= used
    # Attributes without namespace come first, by name; then those of a namespace (one at most).
    for name in names if len(names) < 2 else sorted(names, key=_attribute_order):  # noqa: PLR2004
        pieces.append(f' {name}="{attribute(node.attributes[name] or "")}"')
    pieces.append(">")
    for child in node.children:
        if isinstance(child, Node):
            _write(child, declared, pieces)
        elif isinstance(child, str):
            pieces.append(text(child))
        else:
            pieces.append(child.text)
    pieces.append(f"</{node.tag}>")


def _attribute_order(name: str) -> tuple[bool, str]:
    return ":" in name, name
