"""Names that look like others: a prefix is only a prefix, and a namespace is compared whole."""

from base64 import b64encode

import pytest
from lxml import etree

from tests.attacks.conftest import Street, deflated
from tests.attacks.guards.guard import SUCCESS, genuine_of, message, request
from tests.common.fake_sp import DS, SAML, SAMLP

XML = "http://www.w3.org/XML/1998/namespace"


def text(street: Street) -> str:
    return etree.tostring(request(street, "net-cap"), encoding="unicode")


HONEST = {
    "other prefixes": (("samlp:", "a:"), ("saml:", "b:"), (":samlp=", ":a="), (":saml=", ":b=")),
    "prefixes exchanged": (
        *(("samlp:", "x:"), ("saml:", "samlp:"), ("x:", "saml:")),
        *((":samlp=", ":y="), (":saml=", ":samlp="), (":y=", ":saml=")),
    ),
    "a default namespace": (("samlp:", ""), ("xmlns:samlp=", "xmlns=")),
}


@pytest.mark.parametrize("name", HONEST)
def test_a_prefix_means_nothing(street: Street, name: str) -> None:
    xml = text(street)
    for old, new in HONEST[name]:
        assert old in xml
        xml = xml.replace(old, new)
    assert message(street, xml.encode()) == SUCCESS


LOOKALIKES = {
    "a prefix bound to something else": (SAMLP, "urn:x"),
    "the prefix bound again inside": ("<saml:Issuer>", '<saml:Issuer xmlns:saml="urn:x">'),
    "the protocol of SAML 1": (SAMLP, "urn:oasis:names:tc:SAML:1.0:protocol"),
    "a namespace with a space": (f'"{SAMLP}"', f'"{SAMLP} "'),
    "a namespace in capitals": (SAML, SAML.upper()),
    "a Cyrillic letter in the name": ("AuthnRequest", "\u0410uthnRequest"),
    "a Cyrillic letter in the namespace": (SAML, SAML.replace("a", "\u0430")),
    "a Greek letter in a child": ("saml:Issuer", "saml:\u0399ssuer"),
    "another case": ("saml:Issuer", "saml:issuer"),
    "no namespace": ("<saml:Issuer>", '<Issuer xmlns="">'),
    "a prefix that is declared nowhere": (f'xmlns:saml="{SAML}"', ""),
    "a prefix undeclared": ("<saml:Issuer>", '<saml:Issuer xmlns:saml="">'),
    "a prefix of XML's own": (f'xmlns:saml="{SAML}"', f'xmlns:saml="{XML}"'),
    "the namespace of namespaces": ("<saml:Issuer>", "<xmlns:Issuer>"),
    "two colons": ("saml:Issuer", "saml:saml:Issuer"),
    "an issuer of another room": ("saml:Issuer", "samlp:Issuer"),
    "an attribute of a namespace": (" ID=", " samlp:ID="),
    "an instant of a namespace": (" IssueInstant=", " saml:IssueInstant="),
    "an address of its own": ("<samlp:AuthnRequest", '<samlp:AuthnRequest xml:base="http://x/"'),
    "an endpoint of a namespace": (" ID=", ' samlp:AssertionConsumerServiceURL="https://x/" ID='),
    "a destination of a namespace": (" ID=", ' saml:Destination="https://x/" ID='),
    "an attribute twice": (" ID=", ' ID="_other" ID='),
    "an attribute twice by two prefixes": (
        "<saml:Issuer>",
        '<saml:Issuer xmlns:a="urn:x" xmlns:b="urn:x" a:Format="1" b:Format="2">',
    ),
}


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_name_that_looks_like_ours(street: Street, name: str) -> None:
    xml, (old, new) = text(street), LOOKALIKES[name]
    assert old in xml
    forged = xml.replace(old, new)
    if forged.count("saml:Issuer>") == 1:
        forged = forged.replace("</saml:Issuer>", f"</{new.split()[0].strip('<>')}>")
    street.redirect(f"SAMLRequest={deflated(forged.encode())}")
    street.post({"SAMLRequest": b64encode(forged.encode()).decode()})


@pytest.mark.parametrize("namespace", ["urn:x", f"{DS}#", DS.replace("2000", "2001"), ""])
def test_a_signature_that_only_looks_like_one(street: Street, namespace: str) -> None:
    """Of BIP, which must sign: what is not verified is no signature."""
    root = genuine_of(street, street.world.sps["bip"])
    xml = etree.tostring(root, encoding="unicode").replace(f'"{DS}"', f'"{namespace}"')
    street.post({"SAMLRequest": b64encode(xml.encode()).decode()})
