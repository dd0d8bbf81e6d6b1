"""Forged, stripped, wrapped and downgraded signatures. [SAMLCore] 5.4, [SAMLBind] 3.4.4.1.

BIP signs its requests: whatever its key did not sign, as it arrives, is not from BIP. The attacker
holds a genuine signed message of BIP and wants another endpoint of BIP to get the answer.
"""

from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from urllib.parse import quote_plus

import pytest
import xmlsec
from lxml import etree

from idp.saml.names import q
from tests.attacks.conftest import Street, deflated
from tests.common.fake_sp import RSA_SHA256, SAMLP, FakeSP, key_pair

pytestmark = pytest.mark.sqlite_only

XSLT = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/"><forged/></xsl:template></xsl:stylesheet>"""


@pytest.fixture
def sp(street: Street) -> FakeSP:
    """BIP."""
    return street.world.sps["bip"]


@pytest.fixture
def genuine(street: Street, sp: FakeSP) -> etree._Element:
    """What BIP signed."""
    request = sp.authn_request(now=street.world.now)
    sp.sign(request)
    # Read again: lxml does not find by name what libxmlsec1 added to a tree.
    return etree.fromstring(etree.tostring(request))


@pytest.fixture
def forged(street: Street, sp: FakeSP) -> etree._Element:
    """What the attacker wrote."""
    other = f"{sp.acs}/other"
    return sp.authn_request(now=street.world.now, AssertionConsumerServiceURL=other)


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


def test_a_key_that_the_message_brings_along(
    street: Street, sp: FakeSP, forged: etree._Element
) -> None:
    sp.private_key, certificate = key_pair("nobody")
    sp.sign(forged)
    ds = etree.QName(forged[1]).namespace
    info = etree.SubElement(forged[1], f"{{{ds}}}KeyInfo")
    data = etree.SubElement(info, f"{{{ds}}}X509Data")
    etree.SubElement(data, f"{{{ds}}}X509Certificate").text = b64encode(certificate).decode()
    post(street, forged)


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


# --- wrapping ----------------------------------------------------------------------------------


def in_extensions(forged: etree._Element, genuine: etree._Element) -> None:
    """The genuine message, whole, where anything may stand."""
    extensions = etree.Element(f"{{{SAMLP}}}Extensions")
    extensions.append(genuine)
    forged.insert(1, extensions)


def in_extensions_with_its_signature_outside(
    forged: etree._Element, genuine: etree._Element
) -> None:
    """The signature where one is looked for; what it covers elsewhere."""
    signature = genuine[1]
    in_extensions(forged, genuine)
    forged.insert(1, signature)


def in_the_signatures_object(forged: etree._Element, genuine: etree._Element) -> None:
    """The genuine message inside the signature that covers it."""
    signature = genuine[1]
    genuine.remove(signature)
    etree.SubElement(signature, q("ds", "Object")).append(genuine)
    forged.insert(1, signature)


def in_the_issuer(forged: etree._Element, genuine: etree._Element) -> None:
    """The genuine message below a simple element."""
    signature = genuine[1]
    forged[0].append(genuine)
    forged.insert(1, signature)


def two_signatures(forged: etree._Element, genuine: etree._Element) -> None:
    """Its own first, the genuine one second: the keeper of the last one is fooled."""
    forged.insert(1, deepcopy(genuine[1]))
    in_extensions_with_its_signature_outside(forged, genuine)


def a_second_reference(forged: etree._Element, genuine: etree._Element) -> None:
    """One Reference that holds, and one that is forgotten."""
    in_extensions_with_its_signature_outside(forged, genuine)
    info = forged.find(f"{q('ds', 'Signature')}/{q('ds', 'SignedInfo')}")
    info.append(deepcopy(info.find(q("ds", "Reference"))))


def a_reference_to_everything(forged: etree._Element, genuine: etree._Element) -> None:
    """An empty URI means the document, whichever that is."""
    in_extensions_with_its_signature_outside(forged, genuine)
    forged.find(f".//{q('ds', 'Reference')}").set("URI", "")


def a_reference_without_uri(forged: etree._Element, genuine: etree._Element) -> None:
    """Whatever the application thinks is meant."""
    in_extensions_with_its_signature_outside(forged, genuine)
    del forged.find(f".//{q('ds', 'Reference')}").attrib["URI"]


def a_reference_to_the_network(forged: etree._Element, genuine: etree._Element) -> None:
    """Verifying it would fetch an address."""
    in_extensions_with_its_signature_outside(forged, genuine)
    forged.find(f".//{q('ds', 'Reference')}").set("URI", "http://127.0.0.1:9/x")


def a_pointer(forged: etree._Element, genuine: etree._Element) -> None:
    """XPointer chooses by position."""
    in_extensions_with_its_signature_outside(forged, genuine)
    forged.find(f".//{q('ds', 'Reference')}").set("URI", "#xpointer(/)")


def the_same_id_twice(forged: etree._Element, genuine: etree._Element) -> None:
    """The verifier finds one, the reader reads the other."""
    forged.set("ID", genuine.get("ID"))
    in_extensions_with_its_signature_outside(forged, genuine)


def another_spelling_of_id(forged: etree._Element, genuine: etree._Element) -> None:
    """``Id`` is an ID for some verifiers."""
    forged.set("Id", genuine.get("ID"))
    in_extensions_with_its_signature_outside(forged, genuine)


WRAPPINGS = (
    in_extensions,
    in_extensions_with_its_signature_outside,
    in_the_signatures_object,
    in_the_issuer,
    two_signatures,
    a_second_reference,
    a_reference_to_everything,
    a_reference_without_uri,
    a_reference_to_the_network,
    a_pointer,
    the_same_id_twice,
    another_spelling_of_id,
)


@pytest.mark.parametrize("wrap", WRAPPINGS, ids=lambda wrap: wrap.__name__)
def test_signature_wrapping(
    street: Street,
    genuine: etree._Element,
    forged: etree._Element,
    wrap: Callable[[etree._Element, etree._Element], None],
) -> None:
    wrap(forged, genuine)
    street.both(forged)


# --- signed by the right key, in a way that we do not take -------------------------------------


def sign(sp: FakeSP, request: etree._Element, **options: object) -> None:
    """Sign with BIP's own key, but otherwise than SAML says."""
    method = options.get("method", xmlsec.Transform.RSA_SHA256)
    c14n = options.get("c14n", xmlsec.Transform.EXCL_C14N)
    digest = options.get("digest", xmlsec.Transform.SHA256)
    signature = xmlsec.template.create(request, c14n, method, ns="ds")
    request.insert(1, signature)
    uri = options.get("uri", f"#{request.get('ID')}")
    reference = xmlsec.template.add_reference(signature, digest, uri=uri)
    for transform in (xmlsec.Transform.ENVELOPED, *options.get("transforms", ())):  # type: ignore[misc]
        xmlsec.template.add_transform(reference, transform)
    xmlsec.tree.add_ids(request, ["ID"])
    context = xmlsec.SignatureContext()
    if "secret" in options:
        context.key = xmlsec.Key.from_binary_data(xmlsec.KeyData.HMAC, options["secret"])
    else:
        context.key = xmlsec.Key.from_memory(sp.private_key, xmlsec.KeyFormat.PEM)
    context.sign(signature)


EXCLUSIVE = (xmlsec.Transform.EXCL_C14N,)
UNUSUAL: dict[str, dict[str, object]] = {
    "sha-1": {"method": xmlsec.Transform.RSA_SHA1, "transforms": EXCLUSIVE},
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


@pytest.mark.parametrize("algorithm", ["xslt", "xpath", "base64", "unknown"])
def test_a_transform_that_computes(street: Street, genuine: etree._Element, algorithm: str) -> None:
    uri = {
        "xslt": "http://www.w3.org/TR/1999/REC-xslt-19991116",
        "xpath": "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "base64": "http://www.w3.org/2000/09/xmldsig#base64",
        "unknown": "urn:x",
    }[algorithm]
    transforms = genuine.find(f".//{q('ds', 'Transforms')}")
    added = etree.SubElement(transforms, q("ds", "Transform"), Algorithm=uri)
    if algorithm == "xslt":
        added.append(etree.fromstring(XSLT))
    post(street, genuine)
