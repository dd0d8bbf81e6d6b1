"""Signature wrapping: a genuine message of BIP inside one that the attacker wrote.

Whatever verifies, what is read is the root; so no position of the two may be accepted.
"""

import socket
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
from lxml import etree

from idp.saml.names import q
from tests.attacks.conftest import Street
from tests.attacks.guards.guard import encoded, forged_for, genuine_of
from tests.attacks.wrappings import XSW, Wrapping, wrappings
from tests.common.fake_sp import FakeSP, key_pair


@pytest.fixture
def sp(street: Street) -> FakeSP:
    """BIP, which signs."""
    return street.world.sps["bip"]


@pytest.fixture
def genuine(street: Street, sp: FakeSP) -> etree._Element:
    return genuine_of(street, sp)


@pytest.fixture
def forged(street: Street, sp: FakeSP) -> etree._Element:
    return forged_for(street, sp)


def hide(forged: etree._Element, genuine: etree._Element) -> etree._Element:
    """The usual place; the signature where one is looked for. Returns its Reference."""
    Wrapping("Extensions", "after the Issuer").wrap(forged, genuine)
    return forged.find(f".//{q('ds', 'Reference')}")


@pytest.mark.parametrize("wrapping", list(wrappings()), ids=str)
def test_every_position(
    street: Street, genuine: etree._Element, forged: etree._Element, wrapping: Wrapping
) -> None:
    wrapping.wrap(forged, genuine)
    street.both(forged)


@pytest.mark.parametrize("name", XSW)
@pytest.mark.parametrize("same_id", [False, True])
def test_the_eight_permutations(
    street: Street,
    genuine: etree._Element,
    forged: etree._Element,
    name: str,
    same_id: bool,  # noqa: FBT001
) -> None:
    if same_id:
        forged.set("ID", genuine.get("ID"))
    XSW[name].wrap(forged, genuine)
    street.both(forged)


@pytest.mark.parametrize("first", ["false", "genuine"])
@pytest.mark.parametrize("hiding", ["Extensions", "Object", "last child"])
def test_two_signatures(
    street: Street, sp: FakeSP, genuine: etree._Element, first: str, hiding: str
) -> None:
    """The attacker's own over the message, the genuine one over what is hidden; in both orders."""
    sp.private_key, _ = key_pair("nobody")
    forged = genuine_of(street, sp, AssertionConsumerServiceURL=f"{sp.acs}/other")
    false = forged[1]
    Wrapping(hiding, "after the Issuer").wrap(forged, genuine)
    if first == "false":
        forged.insert(1, false)
    street.both(forged)


@pytest.mark.parametrize("inside", ["KeyInfo", "SignatureValue", "Reference", "Signature"])
def test_a_forged_message_inside_the_signature_is_never_read(
    street: Street, sp: FakeSP, genuine: etree._Element, forged: etree._Element, inside: str
) -> None:
    """The enveloped transform leaves the signature out: what is in it, nobody signed."""
    signature = genuine.find(q("ds", "Signature"))
    if inside == "KeyInfo":
        etree.SubElement(signature, q("ds", inside))
    next(signature.iter(q("ds", inside))).append(forged)
    answer = street.app.post("/saml/sso", {"SAMLRequest": encoded(genuine)}, status="*")
    page = answer.follow() if answer.status_int == 303 else answer
    assert f"{sp.acs}/other" not in page.text
    assert page.status_int == 400 or page.html.form["action"] == sp.acs


# --- what the Reference points at ----------------------------------------------------------------

POINTERS = {
    "everything": "",
    "the root": "#xpointer(/)",
    "an id by pointer": "#xpointer(id('{id}'))",
    "a path": "#xpointer(//*[@ID='{id}'])",
    "a file": "file://{file}",
    "a bare path": "{file}",
    "the network": "http://127.0.0.1:{port}/",
    "another server's file": "ftp://127.0.0.1:{port}/x",
    "data": "data:text/xml,<x/>",
    "an entity of its own": "cid:x",
    "itself, padded": " #{root}",
    "itself, absolute": "http://localhost:6543/saml/sso#{root}",
}


@pytest.mark.parametrize("name", POINTERS)
def test_a_reference_to_something_else(
    street: Street,
    genuine: etree._Element,
    forged: etree._Element,
    tmp_path: Path,
    name: str,
) -> None:
    file = tmp_path / "signed.xml"
    file.write_bytes(etree.tostring(genuine))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        values = {"id": genuine.get("ID"), "root": forged.get("ID"), "file": file}
        pointer = POINTERS[name].format(port=listening.getsockname()[1], **values)
        hide(forged, genuine).set("URI", pointer)
        street.both(forged)
        with pytest.raises(BlockingIOError):
            listening.accept()


def a_second_reference(reference: etree._Element, forged: etree._Element) -> None:
    """One Reference that holds, and one that is forgotten."""
    second = deepcopy(reference)
    second.set("URI", f"#{forged.get('ID')}")
    reference.getparent().append(second)


def no_reference(reference: etree._Element, forged: etree._Element) -> None:
    """A signature over nothing always holds."""
    del forged
    reference.getparent().remove(reference)


def a_manifest(reference: etree._Element, forged: etree._Element) -> None:
    """References of a Manifest are not verified."""
    del forged
    reference.set("Type", "http://www.w3.org/2000/09/xmldsig#Manifest")


def no_uri(reference: etree._Element, forged: etree._Element) -> None:
    """Whatever the application thinks is meant."""
    del forged
    del reference.attrib["URI"]


def another_spelling(reference: etree._Element, forged: etree._Element) -> None:
    """``Id`` is an ID for some verifiers."""
    forged.set("Id", reference.get("URI")[1:])


def the_namespace_of_xml(reference: etree._Element, forged: etree._Element) -> None:
    """``xml:id`` is an ID for every parser."""
    forged.set("{http://www.w3.org/XML/1998/namespace}id", reference.get("URI")[1:])


def an_address_of_its_own(reference: etree._Element, forged: etree._Element) -> None:
    """``xml:base`` says what a relative Reference is relative to."""
    forged.set("{http://www.w3.org/XML/1998/namespace}base", "file:///etc/")
    reference.set("URI", "hostname")


@pytest.mark.parametrize(
    "trick",
    [
        a_second_reference,
        no_reference,
        a_manifest,
        no_uri,
        another_spelling,
        the_namespace_of_xml,
        an_address_of_its_own,
    ],
    ids=lambda trick: trick.__name__,
)
def test_a_reference_that_is_not_one(
    street: Street,
    genuine: etree._Element,
    forged: etree._Element,
    trick: Callable[[etree._Element, etree._Element], None],
) -> None:
    trick(hide(forged, genuine), forged)
    street.both(forged)
