"""Signatures made here verify with libxmlsec1; signatures made for trickery do not."""

from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from lxml import etree

from idp.errors import ConfigurationError, SignatureRefused
from idp.saml import names
from idp.saml.canonical import element, render
from idp.saml.signature import (
    self_test,
    sign_bytes,
    sign_canonical,
    verify_element,
    verify_octets,
)
from idp.saml.xml import parse

OTHER_ALGORITHMS = {
    names.EXCLUSIVE_C14N: "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    names.RSA_SHA256: names.RSA_SHA1,
    names.SHA256: "http://www.w3.org/2000/09/xmldsig#sha1",
    names.ENVELOPED_SIGNATURE: "http://www.w3.org/TR/1999/REC-xslt-19991116",
}


@pytest.fixture
def key(keys_folder: Path) -> RSAPrivateKey:
    loaded = load_pem_private_key((keys_folder / "idp.pem").read_bytes(), None)
    assert isinstance(loaded, RSAPrivateKey)
    return loaded


@pytest.fixture
def certificate(keys_folder: Path) -> bytes:
    pem = (keys_folder / "idp.crt").read_bytes()
    return load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


@pytest.fixture
def stranger(keys_folder: Path) -> bytes:
    pem = (keys_folder / "sp.crt").read_bytes()
    return load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


@pytest.fixture
def signed(key: RSAPrivateKey, certificate: bytes) -> str:
    body = element("saml:Issuer", None, "idp"), element("samlp:Status", None, "été & <hiver>")
    text = render(element("samlp:Response", {"ID": "r1"}, *body))
    signature = sign_canonical(text, "r1", key, b64encode(certificate).decode())
    return text.replace("</saml:Issuer>", f"</saml:Issuer>{signature}", 1)


def test_a_signed_element_verifies_with_any_of_the_certificates(
    signed: str, certificate: bytes, stranger: bytes
) -> None:
    verify_element(parse(signed.encode()), [stranger, certificate])


def test_a_changed_element_does_not_verify(signed: str, certificate: bytes) -> None:
    with pytest.raises(SignatureRefused, match="does not verify"):
        verify_element(parse(signed.replace("hiver", "neige").encode()), [certificate])


def test_a_stranger_s_certificate_does_not_verify(signed: str, stranger: bytes) -> None:
    for certificates in ([stranger], []):
        with pytest.raises(SignatureRefused, match="any registered certificate"):
            verify_element(parse(signed.encode()), certificates)


@pytest.mark.parametrize("algorithm", OTHER_ALGORITHMS)
def test_an_algorithm_outside_the_allow_list_is_refused(
    signed: str, certificate: bytes, algorithm: str
) -> None:
    changed = signed.replace(f'"{algorithm}"', f'"{OTHER_ALGORITHMS[algorithm]}"')
    assert changed != signed
    with pytest.raises(SignatureRefused, match="not accepted"):
        verify_element(parse(changed.encode()), [certificate])


def test_two_signatures_are_refused(signed: str, certificate: bytes) -> None:
    root = parse(signed.encode())
    signature = root.find(names.q("ds", "Signature"))
    root.append(etree.fromstring(etree.tostring(signature)))
    with pytest.raises(SignatureRefused, match="2 Signature"):
        verify_element(root, [certificate])


def test_a_wrapped_genuine_message_is_refused(signed: str, certificate: bytes) -> None:
    forged = f'<samlp:Response xmlns:samlp="{names.SAMLP}" ID="evil">{signed}</samlp:Response>'
    with pytest.raises(SignatureRefused, match="child of the root"):
        verify_element(parse(forged.encode()), [certificate])


def test_a_signature_moved_to_a_forged_root_is_refused(signed: str, certificate: bytes) -> None:
    genuine = parse(signed.encode())
    signature = genuine.find(names.q("ds", "Signature"))
    root = parse(f'<samlp:Response xmlns:samlp="{names.SAMLP}" ID="evil"/>'.encode())
    root.append(signature)
    root.append(genuine)
    with pytest.raises(SignatureRefused, match="own ID"):
        verify_element(root, [certificate])


@pytest.mark.parametrize("uri", ["", "#other", "http://localhost/"])
def test_a_reference_to_anything_else_is_refused(signed: str, certificate: bytes, uri: str) -> None:
    with pytest.raises(SignatureRefused, match="own ID"):
        verify_element(parse(signed.replace('URI="#r1"', f'URI="{uri}"').encode()), [certificate])


def test_an_object_in_the_signature_is_refused(signed: str, certificate: bytes) -> None:
    changed = signed.replace("</ds:Signature>", "<ds:Object>x</ds:Object></ds:Signature>")
    with pytest.raises(SignatureRefused, match="Object"):
        verify_element(parse(changed.encode()), [certificate])


def test_octets_verify_and_changed_ones_do_not(
    key: RSAPrivateKey, certificate: bytes, stranger: bytes
) -> None:
    value = sign_bytes(b"SAMLRequest=a", key)
    verify_octets(b"SAMLRequest=a", names.RSA_SHA256, value, [stranger, certificate])
    for octets, algorithm, certificates in (
        (b"SAMLRequest=b", names.RSA_SHA256, [certificate]),
        (b"SAMLRequest=a", names.RSA_SHA1, [certificate]),
        (b"SAMLRequest=a", names.RSA_SHA512, [certificate]),
        (b"SAMLRequest=a", names.RSA_SHA256, [stranger]),
    ):
        with pytest.raises(SignatureRefused):
            verify_octets(octets, algorithm, value, certificates)


def test_the_self_test_refuses_a_key_with_another_certificate(
    key: RSAPrivateKey, certificate: bytes, stranger: bytes
) -> None:
    self_test(key, certificate)
    with pytest.raises(ConfigurationError, match="do not match"):
        self_test(key, stranger)
