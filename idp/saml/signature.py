"""Signatures and encryption; the only importer of xmlsec.

Signing works on text that is already canonical, with ``cryptography``. Verification and encryption
are libxmlsec1's, in process. A check that fails raises; nothing here returns a boolean.
"""

from base64 import b64encode
from collections.abc import Iterable
from functools import lru_cache
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

_SIGNED_INFO = (
    "<ds:SignedInfo{namespace}>"
    f'<ds:CanonicalizationMethod Algorithm="{names.EXCLUSIVE_C14N}"></ds:CanonicalizationMethod>'
    f'<ds:SignatureMethod Algorithm="{names.RSA_SHA256}"></ds:SignatureMethod>'
    '<ds:Reference URI="#{element_id}"><ds:Transforms>'
    f'<ds:Transform Algorithm="{names.ENVELOPED_SIGNATURE}"></ds:Transform>'
    f'<ds:Transform Algorithm="{names.EXCLUSIVE_C14N}"></ds:Transform>'
    f'</ds:Transforms><ds:DigestMethod Algorithm="{names.SHA256}"></ds:DigestMethod>'
    "<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
)
_NAMESPACE = f' xmlns:ds="{names.DS}"'


def sign_canonical(
    canonical: str, element_id: str, key: RSAPrivateKey, certificate_base64: str
) -> str:
    """The ``ds:Signature``, canonical, of an element given in exclusive canonical form.

    [SAMLCore] 5.4: one Reference to the element's own ID, enveloped and exclusive C14N transforms.
    """
    digest = b64encode(sha256(canonical.encode()).digest()).decode()
    signed = _SIGNED_INFO.format(namespace=_NAMESPACE, element_id=element_id, digest=digest)
    value = b64encode(sign_bytes(signed.encode(), key)).decode()
    # Inside ds:Signature the prefix is declared already: its canonical form has no declaration.
    inner = _SIGNED_INFO.format(namespace="", element_id=element_id, digest=digest)
    return (
        f"<ds:Signature{_NAMESPACE}>{inner}<ds:SignatureValue>{value}</ds:SignatureValue>"
        f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate_base64}"
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"
    )


def sign_bytes(octets: bytes, key: RSAPrivateKey) -> bytes:
    """RSA-SHA256 over the octets. [SAMLBind] 3.4.4.1."""
    return key.sign(octets, PKCS1v15(), hashes.SHA256())


def verify_element(root: etree._Element, certificates: Iterable[bytes]) -> None:
    """Check that the document's root is signed as a whole by one of these certificates' keys.

    Exactly one Signature in the document, a direct child of the root, with one Reference to the
    root's own ID, the two transforms of [SAMLCore] 5.4.4 and algorithms of the allow-list. What the
    message says about keys is not looked at. Once this returns, all of ``root`` was signed.

    Raises:
        SignatureRefused: anything else.
    """
    signature = _only_signature(root)
    _check_shape(root, signature)
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
    octets: bytes, algorithm: str, signature: bytes, certificates: Iterable[bytes]
) -> None:
    """Check the detached signature of a Redirect query over its original octets.

    [SAMLBind] 3.4.4.1.

    Raises:
        SignatureRefused: another algorithm than the allow-list's, or no certificate verifies.
    """
    transform = ALLOWED_SIGNATURES.get(algorithm)
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


def _check_shape(root: etree._Element, signature: etree._Element) -> None:
    signed_info = _only_child(signature, "SignedInfo")
    reference = _only_child(signed_info, "Reference")
    _check_algorithms(signed_info, reference)
    _check_transforms(reference)
    _check_reference(root, reference)
    if signature.find(q("ds", "Object")) is not None:
        raise SignatureRefused("the signature carries an Object")


def _check_algorithms(signed_info: etree._Element, reference: etree._Element) -> None:
    canonicalization = _only_child(signed_info, "CanonicalizationMethod").get("Algorithm")
    method = _only_child(signed_info, "SignatureMethod").get("Algorithm")
    digest = _only_child(reference, "DigestMethod").get("Algorithm")
    if canonicalization != names.EXCLUSIVE_C14N:
        raise SignatureRefused(f"the canonicalization {canonicalization!r} is not accepted")
    if method not in ALLOWED_SIGNATURES or digest not in ALLOWED_DIGESTS:
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
