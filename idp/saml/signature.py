"""Signatures and encryption; the only importer of xmlsec.

Signing works on text that is already canonical, with ``cryptography``. Verification and encryption
are libxmlsec1's, in process. A check that fails raises; nothing here returns a boolean.
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha1 as sha1_of
from hashlib import sha256
from threading import get_ident

import xmlsec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml import etree

from idp.errors import (
    ConfigurationError,
    MetadataError,
    SignatureRefused,
    UnreadableMessage,
    UnusableServiceProvider,
)
from idp.saml import names
from idp.saml.canonical import element, render
from idp.saml.names import q
from idp.saml.xml import DOCUMENT, canonicalize, parse

ALLOWED_SIGNATURES = {
    names.RSA_SHA256: xmlsec.Transform.RSA_SHA256,
    names.RSA_SHA384: xmlsec.Transform.RSA_SHA384,
    names.RSA_SHA512: xmlsec.Transform.RSA_SHA512,
}
ALLOWED_DIGESTS = {names.SHA256, names.SHA384, names.SHA512}
LEGACY_SIGNATURES = {names.RSA_SHA1: xmlsec.Transform.RSA_SHA1}
LEGACY_DIGESTS = {names.SHA1}
"""What is taken besides, of the one SP that has the exception and until its end."""
ALLOWED_TRANSFORMS = (names.ENVELOPED_SIGNATURE, names.EXCLUSIVE_C14N)

BLOCK_ENCRYPTIONS = {
    names.AES256_GCM: xmlsec.Transform.AES256_GCM,
    names.AES128_GCM: xmlsec.Transform.AES128_GCM,
    names.AES256_CBC: xmlsec.Transform.AES256,
    names.AES128_CBC: xmlsec.Transform.AES128,
}
AUTHENTICATED = {names.AES256_GCM, names.AES128_GCM}
DEFAULT_BLOCK_ENCRYPTION = names.AES256_GCM
_KEY_SIZES = {
    names.AES256_GCM: 256,
    names.AES128_GCM: 128,
    names.AES256_CBC: 256,
    names.AES128_CBC: 128,
}

KEY_TRANSPORTS: dict[str, tuple[str, ...]] = {
    names.RSA_OAEP_MGF1P: (),
    names.RSA_OAEP: (names.MGF1_SHA1, names.MGF1_SHA256, names.MGF1_SHA384, names.MGF1_SHA512),
}
"""How a session key may be wrapped, and the mask functions that may be named with it.

Never RSA 1.5: whoever may ask whether a wrapped key is well-formed can open it without our key.
"""
KEY_TRANSPORT_DIGESTS = (names.SHA1, names.SHA256, names.SHA384, names.SHA512)

_SIGNED_INFO = (
    "<ds:SignedInfo{namespace}>"
    f'<ds:CanonicalizationMethod Algorithm="{names.EXCLUSIVE_C14N}"></ds:CanonicalizationMethod>'
    '<ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>'
    '<ds:Reference URI="#{element_id}"><ds:Transforms>'
    f'<ds:Transform Algorithm="{names.ENVELOPED_SIGNATURE}"></ds:Transform>'
    f'<ds:Transform Algorithm="{names.EXCLUSIVE_C14N}"></ds:Transform>'
    '</ds:Transforms><ds:DigestMethod Algorithm="{digest_method}"></ds:DigestMethod>'
    "<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
)
_NAMESPACE = f' xmlns:ds="{names.DS}"'


def sign_canonical(
    canonical: str,
    element_id: str,
    key: RSAPrivateKey,
    certificate_base64: str,
    *,
    sha1: bool = False,
) -> str:
    """The ``ds:Signature``, canonical, of an element given in exclusive canonical form.

    [SAMLCore] 5.4: one Reference to the element's own ID, enveloped and exclusive C14N transforms.
    ``sha1`` is for the one SP that has the exception; ``element_id`` must be random, so that nobody
    can prepare a collision.
    """
    hashed = sha1_of if sha1 else sha256
    facts = {
        "element_id": element_id,
        "method": names.RSA_SHA1 if sha1 else names.RSA_SHA256,
        "digest_method": names.SHA1 if sha1 else names.SHA256,
        "digest": b64encode(hashed(canonical.encode()).digest()).decode(),
    }
    signed = _SIGNED_INFO.format(namespace=_NAMESPACE, **facts)
    value = b64encode(sign_bytes(signed.encode(), key, sha1=sha1)).decode()
    # Inside ds:Signature the prefix is declared already: its canonical form has no declaration.
    inner = _SIGNED_INFO.format(namespace="", **facts)
    return (
        f"<ds:Signature{_NAMESPACE}>{inner}<ds:SignatureValue>{value}</ds:SignatureValue>"
        f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate_base64}"
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"
    )


def sign_bytes(octets: bytes, key: RSAPrivateKey, *, sha1: bool = False) -> bytes:
    """RSA-SHA256 over the octets, or RSA-SHA1. [SAMLBind] 3.4.4.1."""
    return key.sign(octets, PKCS1v15(), hashes.SHA1() if sha1 else hashes.SHA256())  # noqa: S303


def verify_element(
    root: etree._Element, certificates: Iterable[bytes], *, sha1: bool = False
) -> None:
    """Check that the document's root is signed as a whole by one of these certificates' keys.

    Exactly one Signature in the document, a direct child of the root, with one Reference to the
    root's own ID, the two transforms of [SAMLCore] 5.4.4 and algorithms of the allow-list, with
    ``sha1`` those of an old SP too. What the message says about keys is not looked at. Once this
    returns, all of ``root`` was signed.

    Raises:
        SignatureRefused: anything else.
    """
    signature = _only_signature(root)
    _check_shape(root, signature, sha1=sha1)
    xmlsec.tree.add_ids(root, ["ID"])
    for certificate in certificates:
        context = xmlsec.SignatureContext()
        context.key = _public_key(certificate)
        try:
            context.verify(signature)
        except xmlsec.Error:
            continue
        return
    raise SignatureRefused("the signature does not verify with any registered certificate")


def verify_octets(
    octets: bytes,
    algorithm: str,
    signature: bytes,
    certificates: Iterable[bytes],
    *,
    sha1: bool = False,
) -> None:
    """Check the detached signature of a Redirect query over its original octets.

    [SAMLBind] 3.4.4.1. ``sha1`` takes RSA-SHA1 of an old SP too.

    Raises:
        SignatureRefused: another algorithm than the allow-list's, or no certificate verifies.
    """
    allowed = ALLOWED_SIGNATURES | LEGACY_SIGNATURES if sha1 else ALLOWED_SIGNATURES
    transform = allowed.get(algorithm)
    if transform is None:
        raise SignatureRefused(f"the signature algorithm {algorithm!r} is not accepted")
    for certificate in certificates:
        context = xmlsec.SignatureContext()
        context.key = _public_key(certificate)
        try:
            context.verify_binary(octets, transform, signature)
        except xmlsec.Error:
            continue
        return
    raise SignatureRefused("the query's signature does not verify with any registered certificate")


def encrypt_assertion(assertion: str, certificate: bytes, methods: tuple[str, ...]) -> str:
    """The ``saml:EncryptedAssertion``, canonical. [SAMLCore] 2.3.4, [SAMLMeta] 2.4.1.

    AES-GCM, of the kind that ``methods`` names first; AES-CBC only where it names nothing better.

    Raises:
        UnusableServiceProvider: the certificate's key cannot encrypt.
    """
    method = _block_encryption(methods)
    wrapper = parse(
        f'<saml:EncryptedAssertion xmlns:saml="{names.SAML}">{assertion}'
        "</saml:EncryptedAssertion>".encode(),
        DOCUMENT,
    )
    template = xmlsec.template.encrypted_data_create(
        wrapper, BLOCK_ENCRYPTIONS[method], type=xmlsec.EncryptionType.ELEMENT, ns="xenc"
    )
    xmlsec.template.encrypted_data_ensure_cipher_value(template)
    key_info = xmlsec.template.encrypted_data_ensure_key_info(template, ns="ds")
    encrypted_key = xmlsec.template.add_encrypted_key(key_info, xmlsec.Transform.RSA_OAEP)
    xmlsec.template.encrypted_data_ensure_cipher_value(encrypted_key)
    context = xmlsec.EncryptionContext(_keys_manager(certificate, get_ident()))
    context.key = xmlsec.Key.generate(
        xmlsec.KeyData.AES, _KEY_SIZES[method], xmlsec.KeyDataType.SESSION
    )
    try:
        context.encrypt_xml(template, wrapper[0])
    except xmlsec.Error as error:
        raise UnusableServiceProvider(
            f"the encryption certificate cannot be used: {error}"
        ) from error
    return canonicalize(wrapper).decode()


@dataclass(frozen=True, slots=True)
class KeyTransport:
    """How a session key is wrapped; each value of the allow-lists. None: the standard's default."""

    algorithm: str
    digest: str | None = None
    mask: str | None = None


def unwrap_key(private_key: bytes, transport: KeyTransport, wrapped: str) -> bytes | None:
    """The session key inside a CipherValue (base64); None when this key (PEM) does not open it."""
    inner = ""
    if transport.digest is not None:
        inner += f'<ds:DigestMethod{_NAMESPACE} Algorithm="{transport.digest}"/>'
    if transport.mask is not None:
        inner += f'<xenc11:MGF xmlns:xenc11="{names.XENC11}" Algorithm="{transport.mask}"/>'
    key = xmlsec.Key.from_memory(private_key, xmlsec.KeyFormat.PEM)
    return _opened(key, transport.algorithm, inner, wrapped)


def decrypt_block(session_key: bytes, method: str, content: str) -> bytes:
    """What a CipherValue (base64) holds; ``method`` is one of ``BLOCK_ENCRYPTIONS``.

    Raises:
        UnreadableMessage: the key is of another size, or does not open it.
    """
    octets = None
    if len(session_key) * 8 == _KEY_SIZES[method]:
        key = xmlsec.Key.from_binary_data(xmlsec.KeyData.AES, session_key)
        octets = _opened(key, method, "", content)
    if octets is None:
        raise UnreadableMessage("the session key does not open it")
    return octets


def _opened(key: xmlsec.Key, method: str, inner: str, value: str) -> bytes | None:
    """libxmlsec1 gives octets for an EncryptedData without Type; it parses nothing itself."""
    data = parse(
        f'<xenc:EncryptedData xmlns:xenc="{names.XENC}">'
        f'<xenc:EncryptionMethod Algorithm="{method}">{inner}</xenc:EncryptionMethod>'
        f"<xenc:CipherData><xenc:CipherValue>{value}</xenc:CipherValue></xenc:CipherData>"
        "</xenc:EncryptedData>".encode()
    )
    context = xmlsec.EncryptionContext()
    context.key = key
    try:
        return bytes(context.decrypt(data))
    except xmlsec.Error:
        return None


def _block_encryption(methods: tuple[str, ...]) -> str:
    known = [name for name in methods if name in BLOCK_ENCRYPTIONS]
    # CBC has no integrity of its own: an attacker may learn from what the SP says to a changed one.
    authenticated = [name for name in known if name in AUTHENTICATED]
    return next(iter([*authenticated, *known]), DEFAULT_BLOCK_ENCRYPTION)


def check_certificate(certificate: bytes) -> None:
    """Check that libxmlsec1 can use a DER certificate's key.

    Raises:
        MetadataError: it cannot.
    """
    try:
        _public_key(certificate)
    except xmlsec.Error as error:
        raise MetadataError(f"unreadable certificate: {error}") from error


def self_test(key: RSAPrivateKey, certificate: bytes) -> None:
    """Sign with the key and verify with libxmlsec1, then see that a changed message is refused.

    Raises:
        ConfigurationError: lxml and xmlsec do not work together, or key and certificate do not
            belong together.
    """
    message = render(element("samlp:Response", {"ID": "self-test"}, "\u00e9t\u00e9 & hiver"))
    signature = sign_canonical(message, "self-test", key, b64encode(certificate).decode())
    signed = message.replace("</samlp:Response>", f"{signature}</samlp:Response>")
    try:
        verify_element(parse(signed.encode()), [certificate])
    except SignatureRefused as error:
        raise ConfigurationError("the signing key and its certificate do not match") from error
    try:
        verify_element(parse(signed.replace("hiver", "neige").encode()), [certificate])
    except SignatureRefused:
        return
    raise ConfigurationError("libxmlsec1 accepted a changed message")


def _only_signature(root: etree._Element) -> etree._Element:
    signatures = list(root.iter(q("ds", "Signature")))
    if len(signatures) != 1 or signatures[0].getparent() is not root:
        raise SignatureRefused(
            f"{len(signatures)} Signature elements; one, a child of the root, is wanted"
        )
    return signatures[0]


def _check_shape(root: etree._Element, signature: etree._Element, *, sha1: bool) -> None:
    signed_info = _only_child(signature, "SignedInfo")
    reference = _only_child(signed_info, "Reference")
    _check_algorithms(signed_info, reference, sha1=sha1)
    _check_transforms(reference)
    _check_reference(root, reference)
    if signature.find(q("ds", "Object")) is not None:
        raise SignatureRefused("the signature carries an Object")


def _check_algorithms(
    signed_info: etree._Element, reference: etree._Element, *, sha1: bool
) -> None:
    signatures = ALLOWED_SIGNATURES | LEGACY_SIGNATURES if sha1 else ALLOWED_SIGNATURES
    digests = ALLOWED_DIGESTS | LEGACY_DIGESTS if sha1 else ALLOWED_DIGESTS
    canonicalization = _only_child(signed_info, "CanonicalizationMethod").get("Algorithm")
    method = _only_child(signed_info, "SignatureMethod").get("Algorithm")
    digest = _only_child(reference, "DigestMethod").get("Algorithm")
    if canonicalization != names.EXCLUSIVE_C14N:
        raise SignatureRefused(f"the canonicalization {canonicalization!r} is not accepted")
    if method not in signatures or digest not in digests:
        raise SignatureRefused(f"the algorithms {method!r}, {digest!r} are not accepted")


def _check_transforms(reference: etree._Element) -> None:
    transforms = tuple(
        node.get("Algorithm")
        for node in _only_child(reference, "Transforms")
        if node.tag == q("ds", "Transform")
    )
    if transforms != ALLOWED_TRANSFORMS:
        raise SignatureRefused(f"the transforms {transforms!r} are not accepted")


def _check_reference(root: etree._Element, reference: etree._Element) -> None:
    root_id = root.get("ID")
    if not root_id or reference.get("URI") != f"#{root_id}":
        raise SignatureRefused("the signature's Reference is not the message's own ID")


def _only_child(parent: etree._Element, name: str) -> etree._Element:
    found = parent.findall(q("ds", name))
    if len(found) != 1:
        raise SignatureRefused(f"{len(found)} {name} elements in the signature, one is wanted")
    return found[0]


@lru_cache(maxsize=512)
def _keys_manager(certificate: bytes, thread: int) -> xmlsec.KeysManager:
    """A manager holding this one key, kept: making one reads the system's CA bundle (10 ms).

    One a thread, because libxmlsec1 does not promise that threads may share it.
    """
    del thread
    manager = xmlsec.KeysManager()
    manager.add_key(_public_key(certificate))
    return manager


def _public_key(certificate: bytes) -> xmlsec.Key:
    return xmlsec.Key.from_memory(certificate, xmlsec.KeyFormat.CERT_DER)
