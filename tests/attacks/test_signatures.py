"""Forged, stripped and downgraded signatures. [SAMLCore] 5.4, [SAMLBind] 3.4.4.1.

BIP signs its requests: whatever its key did not sign, as it arrives, is not from BIP. The attacker
holds a genuine signed message of BIP and wants another endpoint of BIP to get the answer.
"""

import socket
from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from urllib.parse import quote_plus

import pytest
import xmlsec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate
from lxml import etree

from idp.saml.names import q
from tests.attacks.conftest import Street, deflated
from tests.attacks.guards.guard import forged_for, genuine_of
from tests.attacks.signing import EXCLUSIVE, sign
from tests.common.fake_sp import DS, RSA_SHA256, FakeSP, key_pair

XSLT = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/"><forged/></xsl:template></xsl:stylesheet>"""


@pytest.fixture
def sp(street: Street) -> FakeSP:
    """BIP."""
    return street.world.sps["bip"]


@pytest.fixture
def genuine(street: Street, sp: FakeSP) -> etree._Element:
    return genuine_of(street, sp)


@pytest.fixture
def forged(street: Street, sp: FakeSP) -> etree._Element:
    return forged_for(street, sp)


def post(street: Street, root: etree._Element) -> None:
    street.post({"SAMLRequest": b64encode(etree.tostring(root)).decode()})


def test_the_messages_that_the_attacks_vary_are_accepted(
    street: Street, sp: FakeSP, genuine: etree._Element
) -> None:
    form = {"SAMLRequest": b64encode(etree.tostring(genuine)).decode()}
    assert sp.acs in street.app.post("/saml/sso", form, status=303).follow().text
    query = sp.redirect_query(sp.authn_request(now=street.world.now), "a b+c%20é")
    assert "SAMLResponse" in street.app.get(f"/saml/sso?{query}", status=200).text


# --- absent, of another key, of another message ------------------------------------------------


def test_unsigned_where_a_signature_is_required(street: Street, forged: etree._Element) -> None:
    street.both(forged)


@pytest.mark.parametrize("owner", ["nobody", "net-cap"])
def test_signed_with_another_key(
    street: Street, sp: FakeSP, forged: etree._Element, owner: str
) -> None:
    sp.private_key, _ = key_pair(owner)
    street.redirect(sp.redirect_query(forged))
    sp.sign(forged)
    post(street, forged)


KEY_INFOS = {
    "a certificate": "<ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate>"
    "</ds:X509Data>",
    "a chain": "<ds:X509Data><ds:X509Certificate>{genuine}</ds:X509Certificate>"
    "<ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>",
    "a bare key": "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{modulus}</ds:Modulus>"
    "<ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>",
    "an encoded key": '<i:DEREncodedKeyValue xmlns:i="http://www.w3.org/2009/xmldsig11#">{key}'
    "</i:DEREncodedKeyValue>",
    "a name": "<ds:KeyName>nobody</ds:KeyName>",
    "a file": '<ds:RetrievalMethod URI="file://{file}" Type="{ns}rawX509Certificate"/>',
    "an address": '<ds:RetrievalMethod URI="http://127.0.0.1:{port}/" Type="{ns}X509Data"/>',
    "a place in the message": '<ds:RetrievalMethod URI="#_key" Type="{ns}X509Data"/>',
}


@pytest.mark.parametrize("name", KEY_INFOS)
def test_a_key_that_the_message_brings_along(
    street: Street, sp: FakeSP, forged: etree._Element, tmp_path: Path, name: str
) -> None:
    genuine = sp.certificate
    sp.private_key, certificate = key_pair("nobody")
    public = load_der_x509_certificate(certificate).public_key()
    assert isinstance(public, RSAPublicKey)
    (tmp_path / "key").write_bytes(certificate)
    sp.sign(forged)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        info = KEY_INFOS[name].format(
            certificate=b64encode(certificate).decode(),
            genuine=b64encode(genuine).decode(),
            modulus=b64encode(public.public_numbers().n.to_bytes(256)).decode(),
            key=b64encode(
                public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            ).decode(),
            file=tmp_path / "key",
            port=listening.getsockname()[1],
            ns=DS,
        )
        signature = forged[1]
        signature.append(etree.fromstring(f'<ds:KeyInfo xmlns:ds="{DS}">{info}</ds:KeyInfo>'))
        post(street, forged)
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_sp_that_publishes_no_key_cannot_sign(street: Street) -> None:
    site = street.world.sps["site"]
    request = site.authn_request(now=street.world.now)
    street.redirect(site.redirect_query(request, sign=True))
    street.post(site.post_form(request, sign=True))


def test_changed_after_signing(street: Street, sp: FakeSP, genuine: etree._Element) -> None:
    genuine.set("AssertionConsumerServiceURL", f"{sp.acs}/other")
    post(street, genuine)
    value = genuine.find(f".//{q('ds', 'SignatureValue')}")
    value.text = ""
    post(street, genuine)


def test_a_signature_of_another_message(
    street: Street, genuine: etree._Element, forged: etree._Element
) -> None:
    forged.insert(1, deepcopy(genuine[1]))
    post(street, forged)
    forged.set("ID", genuine.get("ID"))
    post(street, forged)


# --- the query of a Redirect -------------------------------------------------------------------


@pytest.fixture
def query(street: Street, sp: FakeSP) -> dict[str, str]:
    """The raw parameters of a genuine signed query."""
    whole = sp.redirect_query(sp.authn_request(now=street.world.now), "retour")
    return dict(part.split("=", 1) for part in whole.split("&"))


def joined(query: dict[str, str]) -> str:
    return "&".join(f"{name}={value}" for name, value in query.items())


QUERIES: dict[str, Callable[[dict[str, str]], str]] = {
    "no signature": lambda q: joined({k: v for k, v in q.items() if k != "Signature"}),
    "no algorithm": lambda q: joined({k: v for k, v in q.items() if k != "SigAlg"}),
    "neither": lambda q: joined({k: v for k, v in q.items() if not k.startswith("Sig")}),
    "an empty signature": lambda q: joined(q | {"Signature": ""}),
    "not base64": lambda q: joined(q | {"Signature": "%00"}),
    "another relay state": lambda q: joined(q | {"RelayState": "ailleurs"}),
    "no relay state": lambda q: joined({k: v for k, v in q.items() if k != "RelayState"}),
    "an encoded relay state": lambda q: joined(q | {"RelayState": "%72etour"}),
    "two relay states": lambda q: f"{joined(q)}&RelayState=ailleurs",
    "two messages": lambda q: f"SAMLRequest={deflated(b'<x/>')}&{joined(q)}",
    "two signatures": lambda q: f"{joined(q)}&Signature={q['Signature']}",
    "a response beside": lambda q: f"{joined(q)}&SAMLResponse={q['SAMLRequest']}",
    "another encoding": lambda q: f"{joined(q)}&SAMLEncoding=urn:x",
    "no message": lambda q: joined({k: v for k, v in q.items() if k != "SAMLRequest"}),
    "a message as a response": lambda q: joined(q).replace("SAMLRequest", "SAMLResponse"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_that_is_not_what_was_signed(
    street: Street, query: dict[str, str], name: str
) -> None:
    street.redirect(QUERIES[name](query))


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        RSA_SHA256.upper(),
        "",
        "none",
    ],
)
def test_algorithm_downgrade_of_a_redirect(
    street: Street, query: dict[str, str], algorithm: str
) -> None:
    street.redirect(joined(query | {"SigAlg": quote_plus(algorithm)}))


def test_a_genuine_sha_1_signature_of_a_redirect(street: Street, sp: FakeSP) -> None:
    xml = etree.tostring(sp.authn_request(now=street.world.now))
    algorithm = quote_plus("http://www.w3.org/2000/09/xmldsig#rsa-sha1")
    octets = f"SAMLRequest={deflated(xml)}&SigAlg={algorithm}"
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(sp.private_key, xmlsec.KeyFormat.PEM)
    value = context.sign_binary(octets.encode(), xmlsec.Transform.RSA_SHA1)
    street.redirect(f"{octets}&Signature={quote_plus(b64encode(value))}")


def test_both_kinds_of_signature_at_once(
    street: Street, sp: FakeSP, genuine: etree._Element
) -> None:
    """Which of the two would count?"""
    street.redirect(sp.redirect_query(genuine))


# --- signed by the right key, in a way that we do not take -------------------------------------


UNUSUAL: dict[str, dict[str, object]] = {
    "sha-1": {"method": xmlsec.Transform.RSA_SHA1, "transforms": EXCLUSIVE},
    "md5": {"method": xmlsec.Transform.RSA_MD5, "transforms": EXCLUSIVE},
    "md5 digest": {"digest": xmlsec.Transform.MD5, "transforms": EXCLUSIVE},
    "inclusive canonicalization": {"c14n": xmlsec.Transform.C14N, "transforms": EXCLUSIVE},
    "the envelope alone": {},
    "sha-1 digest": {"digest": xmlsec.Transform.SHA1, "transforms": EXCLUSIVE},
    "the whole document": {"uri": "", "transforms": EXCLUSIVE},
    "a third transform": {"transforms": (*EXCLUSIVE, xmlsec.Transform.C14N)},
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_signature_of_the_right_key(street: Street, sp: FakeSP, name: str) -> None:
    request = sp.authn_request(now=street.world.now)
    sign(sp, request, **UNUSUAL[name])
    post(street, request)


def test_a_public_certificate_as_a_shared_secret(
    street: Street, sp: FakeSP, forged: etree._Element
) -> None:
    method = xmlsec.Transform.HMAC_SHA256
    sign(sp, forged, method=method, secret=sp.certificate, transforms=EXCLUSIVE)
    post(street, forged)


@pytest.mark.parametrize("algorithm", ["xslt", "xpath", "xpath2", "base64", "relation", "unknown"])
def test_a_transform_that_computes(street: Street, genuine: etree._Element, algorithm: str) -> None:
    uri = {
        "xslt": "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "xpath": "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "xpath2": "http://www.w3.org/2002/06/xmldsig-filter2",
        "relation": "http://schemas.openxmlformats.org/package/2006/RelationshipTransform",
        "base64": "http://www.w3.org/2000/09/xmldsig#base64",
        "unknown": "urn:x",
    }[algorithm]
    transforms = genuine.find(f".//{q('ds', 'Transforms')}")
    added = etree.SubElement(transforms, q("ds", "Transform"), Algorithm=uri)
    if algorithm == "xslt":
        added.append(etree.fromstring(XSLT))
    post(street, genuine)
