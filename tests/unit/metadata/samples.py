"""Metadata of imaginary service providers, put together piece by piece."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

DATA = Path(__file__).parents[2] / "data" / "metadata"

ENTITY_ID = "https://bip.exemple.fr/saml"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
ARTIFACT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"
SAML2 = "urn:oasis:names:tc:SAML:2.0:protocol"
ACS_URL = "https://bip.exemple.fr/saml/acs"

ACS = f'<md:AssertionConsumerService Binding="{POST}" Location="{ACS_URL}" index="0"/>'
SLO = f'<md:SingleLogoutService Binding="{REDIRECT}" Location="https://bip.exemple.fr/saml/slo"/>'

NAMESPACES = (
    'xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
    'xmlns:ds="http://www.w3.org/2000/09/xmldsig#" '
    'xmlns:mdui="urn:oasis:names:tc:SAML:metadata:ui"'
)


def entity(
    *children: str,
    entity_id: str = ENTITY_ID,
    attributes: str = "",
    root_attributes: str = "",
    after: str = "",
    protocols: str = SAML2,
) -> bytes:
    """An EntityDescriptor, one child a line: the SPSSODescriptor begins on line 2."""
    lines = "\n".join(children)
    return (
        f'<md:EntityDescriptor {NAMESPACES} entityID="{entity_id}" {root_attributes}>\n'
        f'<md:SPSSODescriptor protocolSupportEnumeration="{protocols}" {attributes}>\n'
        f"{lines}\n</md:SPSSODescriptor>\n{after}</md:EntityDescriptor>"
    ).encode()


def complete_entity(entity_id: str = ENTITY_ID, **more: str) -> bytes:
    """Metadata about which there is nothing to say."""
    return entity(key(der()), SLO, ACS, entity_id=entity_id, **more)


def acs(location: str, *, binding: str = POST, index: str | None = "0", more: str = "") -> str:
    """An AssertionConsumerService."""
    numbered = "" if index is None else f'index="{index}"'
    return (
        f'<md:AssertionConsumerService Binding="{binding}" Location="{location}" '
        f"{numbered} {more}/>"
    )


def key(*certificates: bytes, use: str | None = None, methods: tuple[str, ...] = ()) -> str:
    """A KeyDescriptor on one line."""
    usage = "" if use is None else f' use="{use}"'
    texts = "".join(
        f"<ds:X509Certificate>{b64encode(each).decode()}</ds:X509Certificate>"
        for each in certificates
    )
    algorithms = "".join(f'<md:EncryptionMethod Algorithm="{each}"/>' for each in methods)
    return (
        f"<md:KeyDescriptor{usage}><ds:KeyInfo><ds:X509Data>{texts}</ds:X509Data></ds:KeyInfo>"
        f"{algorithms}</md:KeyDescriptor>"
    )


def aggregate(*entities: bytes, attributes: str = "", after: str = "") -> bytes:
    """An EntitiesDescriptor, as a federation publishes it: the first entity begins on line 2."""
    inside = "\n".join(each.decode() for each in entities)
    return (
        f'<md:EntitiesDescriptor {NAMESPACES} ID="_all" {attributes}>\n{inside}\n{after}'
        "</md:EntitiesDescriptor>"
    ).encode()


def signed(document: bytes, *, number: int = 0) -> bytes:
    """The document signed as a whole by the key of ``der(number=number)``; its root has an ID."""
    root = etree.fromstring(document)
    signature = xmlsec.template.create(
        root, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256, ns="ds"
    )
    root.insert(0, signature)
    reference = xmlsec.template.add_reference(
        signature, xmlsec.Transform.SHA256, uri=f"#{root.get('ID')}"
    )
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    xmlsec.tree.add_ids(root, ["ID"])
    context = xmlsec.SignatureContext()
    pem = _rsa_key(2048, number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context.key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM)
    context.sign(signature)
    return etree.tostring(root)


def pem(certificate: bytes) -> str:
    """A certificate as files have it."""
    text = b64encode(certificate).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"


def names(texts: Mapping[str, str]) -> str:
    """The mdui Extensions with a DisplayName for each language."""
    elements = "".join(
        f'<mdui:DisplayName xml:lang="{language}">{text}</mdui:DisplayName>'
        for language, text in texts.items()
    )
    return f"<md:Extensions><mdui:UIInfo>{elements}</mdui:UIInfo></md:Extensions>"


@cache
def _rsa_key(bits: int, number: int) -> rsa.RSAPrivateKey:
    del number  # a different number is a different key
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def der(
    name: str = "sp",
    *,
    bits: int = 2048,
    number: int = 0,
    elliptic: bool = False,
    starts: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    ends: datetime = datetime(2060, 1, 1, tzinfo=UTC),
) -> bytes:
    """A self-signed certificate."""
    private = ec.generate_private_key(ec.SECP256R1()) if elliptic else _rsa_key(bits, number)
    builder = _builder(name, private.public_key(), starts, ends)
    return builder.sign(private, hashes.SHA256()).public_bytes(Encoding.DER)


def ed25519_der() -> bytes:
    """A certificate of a key that no XML signature here can use."""
    private = ed25519.Ed25519PrivateKey.generate()
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
    builder = _builder("sp", private.public_key(), start, end)
    return builder.sign(private, None).public_bytes(Encoding.DER)


def _builder(
    name: str, public_key: CertificatePublicKeyTypes, starts: datetime, ends: datetime
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
    )


def sha1_der() -> bytes:
    """A certificate that says it is signed with SHA-1, which nothing here can make any more."""
    rsa_with = bytes.fromhex("06092a864886f70d0101")  # sha256WithRSAEncryption but its last byte
    return der().replace(rsa_with + b"\x0b", rsa_with + b"\x05")
