"""pysaml2's cryptography in process: a CryptoBackend over python-xmlsec.

pysaml2's own one starts the ``xmlsec1`` program for each signature. This one needs no program and
is stricter: one Signature per signed element, its own ID the only Reference, identifiers unique,
algorithms by allow-list, keys from the caller only.
"""

from pathlib import Path
from typing import Any, NoReturn

import xmlsec
from lxml import etree
from saml2.cryptography import asymmetric
from saml2.sigver import (
    CryptoBackend,
    DecryptError,
    EncryptError,
    RSACrypto,
    RSASigner,
    SignatureError,
    pre_encrypt_assertion,
)

DS = "{http://www.w3.org/2000/09/xmldsig#}"
XENC = "{http://www.w3.org/2001/04/xmlenc#}"
EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SIGNATURES = {
    f"http://www.w3.org/2001/04/xmldsig-more#rsa-sha{bits}": getattr(
        asymmetric.hashes, f"SHA{bits}"
    )
    for bits in (256, 384, 512)
}
DIGESTS = {
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
}
BLOCK_ENCRYPTIONS = {
    "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "http://www.w3.org/2009/xmlenc11#aes256-gcm",
    "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
    "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
}
KEY_TRANSPORTS = {
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
    "http://www.w3.org/2009/xmlenc11#rsa-oaep",
}
# pysaml2's names of session keys, as the xmlsec1 program takes them, with their size in bits.
SESSION_KEYS = {
    "aes-128": (xmlsec.KeyData.AES, 128),
    "aes-192": (xmlsec.KeyData.AES, 192),
    "aes-256": (xmlsec.KeyData.AES, 256),
    "des-192": (xmlsec.KeyData.DES, 192),
}


def parse(text: str | bytes) -> etree._Element:
    """The root of an untrusted document: no DTD, no entity, no network, bounded.

    Raises:
        SignatureError: it is not XML, or carries a DTD.
    """
    data = text.encode() if isinstance(text, str) else text
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise SignatureError(f"not XML: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise SignatureError("a DTD is refused")
    return root


class InProcess(CryptoBackend):  # type: ignore[misc] # pysaml2 has no types
    """What :class:`saml2.sigver.SecurityContext` asks of a back end."""

    @property
    def version(self) -> str:
        """The version of libxmlsec1."""
        return ".".join(str(number) for number in xmlsec.get_libxmlsec_version())

    def validate_signature(
        self, signedtext: str | bytes, cert_file: str, cert_type: str, node_name: str, node_id: str
    ) -> bool:
        """True when the element of this ID is signed by this certificate's key.

        ``cert_file`` is the certificate itself, PEM (see ``federation.PublishedCertificates``).

        Raises:
            SignatureError: anything else; never False.
        """
        del cert_type
        root = parse(signedtext)
        signature = _signature_of(_identified(root, node_id, node_name), node_id)
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(cert_file, xmlsec.KeyFormat.CERT_PEM)
        try:
            context.verify(signature)
        except xmlsec.Error as error:
            raise SignatureError("the signature does not verify") from error
        return True

    def sign_statement(self, statement: Any, node_name: str, key_file: str, node_id: str) -> str:  # noqa: ANN401 - text, or a pysaml2 element
        """The statement with the Signature template of this element filled in.

        Raises:
            SignatureError: no such element, no template, or a key that cannot sign.
        """
        root = parse(statement if isinstance(statement, bytes) else str(statement))
        signature = _identified(root, node_id, node_name).find(f"{DS}Signature")
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_file(key_file, xmlsec.KeyFormat.PEM)
        try:
            context.sign(signature)
        except (xmlsec.Error, TypeError) as error:
            raise SignatureError("the element cannot be signed") from error
        return etree.tostring(root, encoding="unicode")

    def encrypt(self, text: str, recv_key: str, template: str, key_type: str) -> bytes:
        """The root of ``text`` encrypted with the template file, for the certificate file.

        Raises:
            EncryptError: the template or the key does not do.
        """
        encrypted = etree.fromstring(Path(template).read_bytes())
        return etree.tostring(_encrypt(parse(text), encrypted, recv_key, key_type))

    def encrypt_assertion(
        self,
        statement: Any,  # noqa: ANN401 - text, or a pysaml2 Response
        enc_key: str,
        template: Any,  # noqa: ANN401 - text, or a pysaml2 EncryptedData
        key_type: str = "aes-256",
        node_xpath: str | None = None,
        node_id: str | None = None,
    ) -> str:
        """The statement with its assertion encrypted for the certificate file.

        Raises:
            EncryptError: no assertion in it, or the template or the key does not do.
        """
        del node_id
        if not isinstance(statement, str | bytes):
            statement = pre_encrypt_assertion(statement)
        root = parse(str(statement))
        path = node_xpath or "//*[local-name()='EncryptedAssertion']/*[local-name()='Assertion']"
        found = root.xpath(path)
        if len(found) != 1:
            raise EncryptError("one assertion is wanted")
        _encrypt(found[0], etree.fromstring(str(template).encode()), enc_key, key_type)
        return etree.tostring(root, encoding="unicode")

    def decrypt(self, enctext: str | bytes, key_file: str) -> str:
        """The document with its first EncryptedData replaced by what it hides.

        Raises:
            DecryptError: nothing is encrypted, or not for this key, or by other algorithms than
                the allow-list's.
        """
        root = parse(enctext)
        data = next(root.iter(f"{XENC}EncryptedData"), None)
        if data is None:
            raise DecryptError("nothing is encrypted")
        session = _session_key(_encrypted_key(data), key_file)
        _require(_method(data), BLOCK_ENCRYPTIONS, DecryptError)
        context = xmlsec.EncryptionContext()
        try:
            context.key = xmlsec.Key.from_binary_data(xmlsec.KeyData.AES, session)
            plain = context.decrypt(data)
        except xmlsec.Error as error:
            raise DecryptError("the content cannot be decrypted") from error
        if isinstance(plain, bytes):
            raise DecryptError("what was encrypted is not an element")
        # Not `root`: the encrypted element may have been the root itself.
        return etree.tostring(plain.getroottree(), encoding="unicode")


class OwnRedirectSigner(RSACrypto):  # type: ignore[misc] # pysaml2 has no types
    """Signs Redirect queries with its own key: pysaml2's shares one table between all clients."""

    def get_signer(self, sigalg: str, sigkey: Any = None) -> RSASigner:  # noqa: ANN401 - pysaml2's
        """The signer of this algorithm, None when it is not accepted."""
        digest = SIGNATURES.get(sigalg)
        return None if digest is None else RSASigner(digest(), sigkey or self.key)


def encryption_methods(text: str | bytes) -> tuple[str, str] | None:
    """The algorithms of the first EncryptedData (content, key), for people to read; or None."""
    data = next(parse(text).iter(f"{XENC}EncryptedData"), None)
    if data is None:
        return None
    return _method(data), _method(_encrypted_key(data))


def _identified(root: etree._Element, node_id: str, node_name: str) -> etree._Element:
    """The one element of this ID, of this ``namespace:name``; IDs are unique in the document."""
    found: dict[str, etree._Element] = {}
    for element in root.iter(etree.Element):
        identifier = element.get("ID")
        if identifier is None:
            continue
        if identifier in found:
            raise SignatureError("an ID is used twice")
        found[identifier] = element
    element = found.get(node_id)
    if element is None:
        raise SignatureError("no element has this ID")
    namespace, _, name = node_name.rpartition(":")
    if element.tag != f"{{{namespace}}}{name}":
        raise SignatureError("the ID belongs to another kind of element")
    xmlsec.tree.add_ids(root, ["ID"])
    return element


def _signature_of(element: etree._Element, node_id: str) -> etree._Element:
    """The one Signature of this element, in the only shape that is accepted. [SAMLCore] 5.4."""
    signatures = element.findall(f"{DS}Signature")
    if len(signatures) != 1:
        raise SignatureError("one signature is wanted")
    signature = signatures[0]
    references = signature.findall(f"{DS}SignedInfo/{DS}Reference")
    if len(references) != 1 or references[0].get("URI") != f"#{node_id}":
        raise SignatureError("the signature refers to something else")
    if signature.find(f"{DS}Object") is not None:
        raise SignatureError("the signature carries an Object")
    transforms = [node.get("Algorithm") for node in references[0].iter(f"{DS}Transform")]
    if transforms != [ENVELOPED, EXCLUSIVE_C14N]:
        raise SignatureError("other transforms than the two of SAML")
    _require(_algorithm(signature, "CanonicalizationMethod"), {EXCLUSIVE_C14N}, SignatureError)
    _require(_algorithm(signature, "SignatureMethod"), set(SIGNATURES), SignatureError)
    _require(_algorithm(references[0], "DigestMethod"), DIGESTS, SignatureError)
    return signature


def _algorithm(parent: etree._Element, name: str) -> str:
    found = [node.get("Algorithm") or "" for node in parent.iter(f"{DS}{name}")]
    return found[0] if len(found) == 1 else ""


def _require(value: str, allowed: set[str], error: type[Exception]) -> None:
    if value not in allowed:
        _refuse(error, f"the algorithm {value!r} is not accepted")


def _refuse(error: type[Exception], cause: str) -> NoReturn:
    raise error(cause)


def _encrypted_key(data: etree._Element) -> etree._Element:
    """The EncryptedKey inside the data's KeyInfo, or beside it. [SAMLCore] 6.1, [E43]."""
    inside = data.find(f"{DS}KeyInfo/{XENC}EncryptedKey")
    parent = data.getparent()
    beside = None if parent is None else parent.find(f"{XENC}EncryptedKey")
    key = inside if inside is not None else beside
    if key is None:
        raise DecryptError("no encrypted key")
    return key


def _method(encrypted: etree._Element) -> str:
    method = encrypted.find(f"{XENC}EncryptionMethod")
    return "" if method is None else method.get("Algorithm") or ""


def _session_key(encrypted_key: etree._Element, key_file: str) -> bytes:
    _require(_method(encrypted_key), KEY_TRANSPORTS, DecryptError)
    context = xmlsec.EncryptionContext()
    try:
        context.key = xmlsec.Key.from_file(key_file, xmlsec.KeyFormat.PEM)
        return context.decrypt(encrypted_key)
    except xmlsec.Error as error:
        raise DecryptError("the session key is not for this key") from error


def _encrypt(
    node: etree._Element, template: etree._Element, certificate: str, key_type: str
) -> etree._Element:
    manager = xmlsec.KeysManager()
    key = xmlsec.Key.from_file(certificate, xmlsec.KeyFormat.CERT_PEM)
    manager.add_key(key)
    context = xmlsec.EncryptionContext(manager)
    try:
        kind, bits = SESSION_KEYS[key_type]
        context.key = xmlsec.Key.generate(kind, bits, xmlsec.KeyDataType.SESSION)
        return context.encrypt_xml(template, node)
    except (xmlsec.Error, KeyError) as error:
        raise EncryptError("the element cannot be encrypted") from error
