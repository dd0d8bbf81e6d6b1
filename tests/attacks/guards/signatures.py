"""Guards of what an SP signs. The attacker holds genuine signed messages of BIP."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import xmlsec
from lxml import etree

from idp.saml import names, signature
from idp.saml.names import q
from idp.types import ServiceProvider
from metadata.registry import ServiceProviders
from tests.attacks.conftest import Street, deflated
from tests.attacks.guards.guard import (
    SUCCESS,
    TIME,
    Guard,
    by_redirect,
    costing,
    encoded,
    forged_for,
    genuine_of,
    message,
    nothing,
    posted,
    posted_value,
    quoted,
    request,
)
from tests.attacks.guards.messages import last_wins
from tests.attacks.signing import EXCLUSIVE, sign
from tests.attacks.wrappings import Wrapping
from tests.common.fake_sp import key_pair

REFUSED = "signature-refused"
UNREADABLE = "unreadable-message"
SIGNATURE = "idp.saml.signature"
ACCEPT = "idp.saml.authn_request"
CHECKS = "idp.saml.checks"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"


# --- wrapping ----------------------------------------------------------------------------------


def wrapped(wrapping: Wrapping, street: Street) -> str:
    sp = street.world.sps["bip"]
    forged, genuine = forged_for(street, sp), genuine_of(street, sp)
    wrapping.wrap(forged, genuine)
    return posted(street, forged)


def two_signatures(street: Street) -> str:
    """The first is genuine and verifies, the last names the message: which is looked at?"""
    sp = street.world.sps["bip"]
    forged, genuine = forged_for(street, sp), genuine_of(street, sp)
    false = genuine_of(street, sp)[1]
    false.find(f".//{q('ds', 'Reference')}").set("URI", f"#{forged.get('ID')}")
    Wrapping("Extensions", "after the Issuer").wrap(forged, genuine)
    forged.append(false)
    return posted(street, forged)


def one_id_twice(street: Street) -> str:
    """The verifier finds one element of that ID, the reader reads the other."""
    sp = street.world.sps["bip"]
    forged, genuine = forged_for(street, sp), genuine_of(street, sp)
    forged.set("ID", genuine.get("ID"))
    Wrapping("Extensions", "after the Issuer").wrap(forged, genuine)
    return posted(street, forged)


def signature_elsewhere(street: Street) -> str:
    """BIP's own key signed the whole message, but the signature is no child of it."""
    root = request(street, "bip", etree.Element(q("samlp", "Extensions")))
    sign(street.world.sps["bip"], root, parent=root[1], transforms=EXCLUSIVE)
    return posted(street, root)


def object_inside(street: Street) -> str:
    """What is in the signature itself is not signed."""
    root = genuine_of(street, street.world.sps["bip"])
    etree.SubElement(root[1], q("ds", "Object")).append(etree.Element("{urn:x}anything"))
    return posted(street, root)


def first_signature(root: etree._Element) -> etree._Element:
    return next(root.iter(q("ds", "Signature")))


def last_shape(root: etree._Element, found: etree._Element, **rest: bool) -> None:
    """As the trap has it: the last one is looked at while the first one is verified."""
    del found, rest
    signature._check_reference(root, root[-1].find(f".//{q('ds', 'Reference')}"))


class LastIdFirst:
    """libxmlsec1, but an ID that is there twice means the inner element."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(xmlsec, name)

    @property
    def tree(self) -> "LastIdFirst":
        return self

    def add_ids(self, root: etree._Element, attributes: list[str]) -> None:
        for child in reversed(root):
            xmlsec.tree.add_ids(child, attributes)
        xmlsec.tree.add_ids(root, attributes)


# --- keys and algorithms -----------------------------------------------------------------------


def own_key_inside(street: Street) -> str:
    """The message brings along the certificate that it verifies with."""
    sp = street.world.sps["bip"]
    sp.private_key, certificate = key_pair("nobody")
    root = genuine_of(street, sp, AssertionConsumerServiceURL=f"{sp.acs}/other")
    data = etree.SubElement(etree.SubElement(root[1], q("ds", "KeyInfo")), q("ds", "X509Data"))
    added = etree.SubElement(data, q("ds", "X509Certificate"))
    added.text = b64encode(certificate).decode()
    return posted(street, root)


def believing_the_message(
    root: etree._Element, certificates: Iterable[bytes], **rest: bool
) -> None:
    brought = [b64decode(node.text) for node in root.iter(q("ds", "X509Certificate"))]
    signature.verify_element(root, [*certificates, *brought], **rest)


def shared_secret(street: Street) -> str:
    """The public certificate, used as the secret of an HMAC."""
    sp = street.world.sps["bip"]
    root = forged_for(street, sp)
    method = xmlsec.Transform.HMAC_SHA256
    sign(sp, root, method=method, secret=sp.certificate, transforms=EXCLUSIVE)
    return posted(street, root)


def hmac_key(certificate: bytes) -> xmlsec.Key:
    return xmlsec.Key.from_binary_data(xmlsec.KeyData.HMAC, certificate)


def signed_with(street: Street, **options: object) -> str:
    """BIP's own key, another algorithm."""
    sp = street.world.sps["bip"]
    root = request(street, "bip")
    sign(sp, root, **{"transforms": EXCLUSIVE, **options})
    return posted(street, root)


def redirect_with_sha1(street: Street) -> str:
    sp = street.world.sps["bip"]
    octets = f"SAMLRequest={deflated(etree.tostring(request(street, 'bip')))}"
    octets += f"&SigAlg={quote_plus(names.RSA_SHA1)}"
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(sp.private_key, xmlsec.KeyFormat.PEM)
    value = context.sign_binary(octets.encode(), xmlsec.Transform.RSA_SHA1)
    return by_redirect(street, f"{octets}&Signature={quote_plus(b64encode(value))}")


def stylesheet() -> etree._Element:
    """Three loops over every element."""
    loop = "<x:text>x</x:text>"
    for _ in range(3):
        loop = f'<x:for-each select="//*">{loop}</x:for-each>'
    return etree.fromstring(
        '<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform">'
        f'<x:template match="/"><forged>{loop}</forged></x:template></x:stylesheet>'
    )


def costly_transform(street: Street) -> str:
    """No key is needed: transforms are computed before the signature is."""
    sp = street.world.sps["bip"]
    sp.private_key, _ = key_pair("nobody")
    root = genuine_of(street, sp)
    extensions = etree.Element(q("samlp", "Extensions"))
    extensions.extend(etree.Element("{urn:x}y") for _ in range(270))
    root.insert(2, extensions)
    transform = etree.Element(q("ds", "Transform"), Algorithm=XSLT)
    transform.append(stylesheet())
    root.find(f".//{q('ds', 'Transforms')}").insert(0, transform)
    return encoded(root)


# --- what must be signed, and what the signature covers -----------------------------------------


def unsigned(street: Street) -> str:
    return message(street, forged_for(street, street.world.sps["bip"]))


def believes_no_metadata(self: ServiceProviders, entity_id: str) -> ServiceProvider:
    return replace(get(self, entity_id), authn_requests_signed=False)


get = ServiceProviders.get


def wrong_where_none_is_asked(street: Street) -> str:
    """Net-CAP need not sign; that it did not sign this must count all the same."""
    sp = street.world.sps["net-cap"]
    return by_redirect(street, sp.redirect_query(request(street, "net-cap"), sign=True))


def wrong_in_a_post(street: Street) -> str:
    return posted(street, genuine_of(street, street.world.sps["net-cap"]))


def other_octets(street: Street) -> str:
    """The same text, encoded otherwise than what was signed."""
    query = street.world.sps["bip"].redirect_query(request(street, "bip"), "retour")
    assert "&RelayState=retour&" in query
    return by_redirect(street, query.replace("=retour&", "=%72etour&"))


def unusual_octets(street: Street) -> str:
    """Genuine: this SP writes lower-case hexadecimal, as the standard allows."""
    sp = street.world.sps["bip"]
    value = deflated(etree.tostring(request(street, "bip"))).replace("%2B", "%2b")
    octets = f"SAMLRequest={value}&RelayState=a%20b%2fc&SigAlg={quoted(names.RSA_SHA256).lower()}"
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(sp.private_key, xmlsec.KeyFormat.PEM)
    made = context.sign_binary(octets.encode(), xmlsec.Transform.RSA_SHA256)
    return by_redirect(street, f"{octets}&Signature={quote_plus(b64encode(made))}")


def encoded_again(octets: bytes, *rest: Any, sha1: bool) -> None:  # noqa: ANN401
    pairs = [pair.partition("=") for pair in octets.decode().split("&")]
    again = "&".join(f"{name}={quote_plus(unquote_plus(value))}" for name, _, value in pairs)
    signature.verify_octets(again.encode(), *rest, sha1=sha1)


def changed(street: Street) -> str:
    root = genuine_of(street, street.world.sps["bip"])
    root.set("AssertionConsumerServiceURL", f"{street.world.sps['bip'].acs}/other")
    return posted(street, root)


ANY_REFERENCE = {f"{SIGNATURE}._check_reference": nothing}
SHA1_ALLOWED = {
    f"{SIGNATURE}.ALLOWED_SIGNATURES": signature.ALLOWED_SIGNATURES
    | {names.RSA_SHA1: xmlsec.Transform.RSA_SHA1}
}

GUARDS = (
    Guard(
        "the Reference is to the message's own ID",
        partial(wrapped, Wrapping("Extensions", "after the Issuer")),
        ANY_REFERENCE,
        REFUSED,
    ),
    Guard(
        "a wrapped message with its own signature",
        partial(wrapped, Wrapping("Extensions", "in the genuine message")),
        {f"{SIGNATURE}._only_signature": first_signature, **ANY_REFERENCE},
        REFUSED,
        together="where the Signature stands, and what its Reference names",
    ),
    Guard(
        "the Signature is a child of the message",
        signature_elsewhere,
        {f"{SIGNATURE}._only_signature": first_signature},
        REFUSED,
    ),
    Guard(
        "one Signature",
        two_signatures,
        {
            f"{ACCEPT}.sequence": last_wins,
            f"{SIGNATURE}._only_signature": first_signature,
            f"{SIGNATURE}._check_shape": last_shape,
        },
        UNREADABLE,
        together="the schema, the count, and that the one that is read is the one verified",
    ),
    Guard(
        "an ID is there once",
        one_id_twice,
        {"idp.saml.xml.ID_ATTRIBUTES": (), f"{SIGNATURE}.xmlsec": LastIdFirst()},
        UNREADABLE,
        together="the check, and that libxmlsec1 keeps the first ID, which is the root's",
    ),
    Guard(
        "transforms are enveloped and exclusive C14N",
        costing(costly_transform, posted_value),
        {f"{SIGNATURE}.ALLOWED_TRANSFORMS": (XSLT, *signature.ALLOWED_TRANSFORMS)},
        REFUSED,
        TIME,
    ),
    Guard(
        "no third transform",
        partial(signed_with, transforms=(*EXCLUSIVE, xmlsec.Transform.C14N)),
        {f"{SIGNATURE}._check_transforms": nothing},
        REFUSED,
    ),
    Guard(
        "SHA-1 signs nothing",
        partial(signed_with, method=xmlsec.Transform.RSA_SHA1),
        SHA1_ALLOWED,
        REFUSED,
    ),
    Guard(
        "MD5 signs nothing",
        partial(signed_with, method=xmlsec.Transform.RSA_MD5),
        {
            f"{SIGNATURE}.ALLOWED_SIGNATURES": signature.ALLOWED_SIGNATURES
            | {"http://www.w3.org/2001/04/xmldsig-more#rsa-md5": xmlsec.Transform.RSA_MD5}
        },
        REFUSED,
    ),
    Guard("SHA-1 signs no query", redirect_with_sha1, SHA1_ALLOWED, REFUSED),
    Guard(
        "SHA-1 digests nothing",
        partial(signed_with, digest=xmlsec.Transform.SHA1),
        {f"{SIGNATURE}.ALLOWED_DIGESTS": {*signature.ALLOWED_DIGESTS, f"{names.DS}sha1"}},
        REFUSED,
    ),
    Guard(
        "inclusive canonicalization is not taken",
        partial(signed_with, c14n=xmlsec.Transform.C14N),
        {f"{SIGNATURE}._check_algorithms": nothing},
        REFUSED,
    ),
    Guard(
        "keys are the metadata's",
        own_key_inside,
        {f"{CHECKS}.verify_element": believing_the_message},
        REFUSED,
    ),
    Guard(
        "a public key is no secret",
        shared_secret,
        {
            f"{SIGNATURE}.ALLOWED_SIGNATURES": {
                "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256": None
            },
            f"{SIGNATURE}._public_key": hmac_key,
        },
        REFUSED,
        together="the algorithm, and that a key has the type of its certificate",
    ),
    Guard(
        "no Object in the Signature", object_inside, {f"{SIGNATURE}._check_shape": nothing}, REFUSED
    ),
    Guard(
        "AuthnRequestsSigned is obeyed",
        unsigned,
        {"metadata.registry.ServiceProviders.get": believes_no_metadata},
        REFUSED,
    ),
    Guard(
        "a signature that nobody asked for is verified (Redirect)",
        wrong_where_none_is_asked,
        {f"{CHECKS}.verify_octets": nothing},
        REFUSED,
    ),
    Guard(
        "a signature that nobody asked for is verified (POST)",
        wrong_in_a_post,
        {f"{CHECKS}.verify_element": nothing},
        REFUSED,
    ),
    Guard(
        "what was signed is what is read", changed, {f"{CHECKS}.verify_element": nothing}, REFUSED
    ),
    Guard(
        "the original octets are verified: other ones fail",
        other_octets,
        {f"{CHECKS}.verify_octets": encoded_again},
        REFUSED,
    ),
    Guard(
        "the original octets are verified: genuine ones pass",
        unusual_octets,
        {f"{CHECKS}.verify_octets": encoded_again},
        SUCCESS,
        REFUSED,
    ),
)
