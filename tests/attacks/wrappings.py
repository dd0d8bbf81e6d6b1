"""Signature wrapping, systematically: wherever the signed message and its signature may stand.

A wrapped message is one that the attacker wrote, ``forged``, around one that an SP signed,
``genuine``. Its two degrees of freedom are where the genuine message is hidden and where its
signature is put; the eight permutations of the literature are some of the points of that plane.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from itertools import product

from lxml import etree

from idp.saml.names import q

OWN = "in the genuine message"
IN_THE_SIGNATURE = ("Signature", "Object", "KeyInfo", "SignedInfo", "Reference", "Transform")

HIDING = (
    "Issuer",
    "Extensions",
    "NameID",
    "NameIDPolicy",
    "Conditions",
    "RequestedAuthnContext",
    "Scoping",
    "first child",
    "last child",
    *IN_THE_SIGNATURE,
)
"""Where the genuine message stands."""

SIGNATURES = (OWN, "after the Issuer", "before the Issuer", "last", "in Extensions", "twice")
"""Where its signature stands; ``twice`` is in both."""


@dataclass(frozen=True)
class Wrapping:
    """One position of each."""

    hiding: str
    signature: str

    def __str__(self) -> str:
        return f"{self.hiding}, signature {self.signature}"

    def wrap(self, forged: etree._Element, genuine: etree._Element) -> None:
        """Put the genuine message into the forged one."""
        signature = genuine.find(q("ds", "Signature"))
        moved = signature
        if self.signature == "twice":
            moved = deepcopy(signature)
        elif self.signature != OWN:
            genuine.remove(signature)
        if self.signature != OWN:
            _put(forged, self.signature, moved)
        _parent(forged, moved, self.hiding).append(genuine)
        if self.hiding == "first child":
            forged.insert(0, genuine)


def wrappings() -> Iterator[Wrapping]:
    """Every position; a message cannot hide in a signature that it holds itself."""
    for hiding, signature in product(HIDING, SIGNATURES):
        if not (signature == OWN and hiding in IN_THE_SIGNATURE):
            yield Wrapping(hiding, signature)


def _put(forged: etree._Element, where: str, signature: etree._Element) -> None:
    match where:
        case "before the Issuer":
            forged.insert(0, signature)
        case "last":
            forged.append(signature)
        case "in Extensions":
            _child(forged, "samlp", "Extensions").append(signature)
        case _:
            forged.insert(1, signature)


def _parent(forged: etree._Element, signature: etree._Element, hiding: str) -> etree._Element:
    if hiding in IN_THE_SIGNATURE:
        return _in_the_signature(signature, hiding)
    match hiding:
        case "first child" | "last child":
            return forged
        case "NameID":
            return etree.SubElement(_child(forged, "saml", "Subject"), q("saml", "NameID"))
        case "Issuer" | "Conditions":
            return _child(forged, "saml", hiding)
        case _:
            return _child(forged, "samlp", hiding)


def _in_the_signature(signature: etree._Element, hiding: str) -> etree._Element:
    if hiding in {"Object", "KeyInfo"}:
        return etree.SubElement(signature, q("ds", hiding))
    return next(signature.iter(q("ds", hiding)))


def _child(forged: etree._Element, prefix: str, name: str) -> etree._Element:
    found = forged.find(q(prefix, name))
    return etree.SubElement(forged, q(prefix, name)) if found is None else found


XSW = {
    "XSW1": Wrapping("Signature", "last"),
    "XSW2": Wrapping("last child", "last"),
    "XSW3": Wrapping("first child", OWN),
    "XSW4": Wrapping("last child", OWN),
    "XSW5": Wrapping("last child", "after the Issuer"),
    "XSW6": Wrapping("Signature", "after the Issuer"),
    "XSW7": Wrapping("Extensions", "after the Issuer"),
    "XSW8": Wrapping("Object", "after the Issuer"),
}
"""The eight permutations, as far as a message that is one signed element has them."""
