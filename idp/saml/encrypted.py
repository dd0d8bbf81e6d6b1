"""Reads what an SP encrypted to the IdP. [SAMLCore] 2.2.4, [XMLEnc]: EncryptedData, EncryptedKey.

Only algorithms of the allow-list and two CipherValues are taken from the message; what libxmlsec1
sees is made anew around them. So no reference is followed, no id resolved, no key looked up, and
what is inside comes out as octets that our own parser reads. Whatever fails, one error is told.
"""

import re
from collections.abc import Iterable
from itertools import islice
from xml.sax.saxutils import quoteattr

from lxml import etree

from idp.errors import UnreadableMessage
from idp.saml.names import q
from idp.saml.signature import (
    BLOCK_ENCRYPTIONS,
    KEY_TRANSPORT_DIGESTS,
    KEY_TRANSPORTS,
    KeyTransport,
    decrypt_block,
    unwrap_key,
)
from idp.saml.xml import parse

MOST_KEYS = 8
"""EncryptedKeys looked at: an SP that encrypts for several recipients writes one for each."""
MOST_WRAPPED = 1400
"""Characters of base64: an RSA key of 8192 bits."""
MOST_CONTENT = 64 * 1024
"""The same for the content: an identifier."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")


def decrypt(encrypted: etree._Element, private_keys: Iterable[bytes]) -> etree._Element:
    """The one element inside a ``saml:EncryptedID``, opened by one of these keys (PEM).

    The EncryptedKeys may stand in the KeyInfo of the EncryptedData, or beside it.

    Raises:
        UnreadableMessage: anything else; always in the same words.
    """
    try:
        return _decrypted(encrypted, tuple(private_keys))
    except UnreadableMessage:
        raise UnreadableMessage("what is encrypted cannot be read") from None


def _decrypted(encrypted: etree._Element, private_keys: tuple[bytes, ...]) -> etree._Element:
    data = _only(encrypted, "xenc", "EncryptedData")
    method = _only(data, "xenc", "EncryptionMethod").get("Algorithm")
    if method not in BLOCK_ENCRYPTIONS:
        raise UnreadableMessage(f"the encryption {method!r:.200} is not accepted")
    content = _cipher_value(data, MOST_CONTENT)
    for wrapped in _encrypted_keys(encrypted, data):
        transport, value = _transport(wrapped), _cipher_value(wrapped, MOST_WRAPPED)
        for private_key in private_keys:
            session_key = unwrap_key(private_key, transport, value)
            if session_key is not None:
                return _inside(data, decrypt_block(session_key, method, content))
    raise UnreadableMessage("no key of ours opens it")


def _encrypted_keys(encrypted: etree._Element, data: etree._Element) -> tuple[etree._Element, ...]:
    """Of all RetrievalMethods nothing is followed: these are the places they may point to."""
    key_infos = data.findall(q("ds", "KeyInfo"))
    inside = (key for info in key_infos for key in info.findall(q("xenc", "EncryptedKey")))
    found = (*inside, *encrypted.findall(q("xenc", "EncryptedKey")))
    if len(found) > MOST_KEYS:
        raise UnreadableMessage(f"{len(found)} EncryptedKeys")
    return found


def _transport(wrapped: etree._Element) -> KeyTransport:
    method = _only(wrapped, "xenc", "EncryptionMethod")
    algorithm = method.get("Algorithm")
    if algorithm not in KEY_TRANSPORTS:
        raise UnreadableMessage(f"the key transport {algorithm!r:.200} is not accepted")
    told: dict[str, str | None] = {}
    for child in method:
        if child.tag not in {q("ds", "DigestMethod"), q("xenc11", "MGF")} or child.tag in told:
            raise UnreadableMessage(f"{child.tag} in the EncryptionMethod")
        told[str(child.tag)] = child.get("Algorithm")
    digest, mask = told.get(q("ds", "DigestMethod")), told.get(q("xenc11", "MGF"))
    for given, allowed in ((digest, KEY_TRANSPORT_DIGESTS), (mask, KEY_TRANSPORTS[algorithm])):
        if given is not None and given not in allowed:
            raise UnreadableMessage(f"{given!r:.200} is not accepted")
    return KeyTransport(algorithm, digest, mask)


def _cipher_value(parent: etree._Element, most: int) -> str:
    value = _only(_only(parent, "xenc", "CipherData"), "xenc", "CipherValue")
    text = "".join((value.text or "").split())
    if len(value) or len(text) > most or len(text) % 4 or not _BASE64.match(text):
        raise UnreadableMessage("the CipherValue is too long, or no base64")
    return text


def _inside(data: etree._Element, octets: bytes) -> etree._Element:
    """What was encrypted, read with the prefixes that were declared around it. [XMLEnc] 4.3."""
    declared = "".join(
        f" xmlns{'' if prefix is None else f':{prefix}'}={quoteattr(namespace)}"
        for prefix, namespace in data.nsmap.items()
    )
    root = parse(b"".join((f"<content{declared}>".encode(), octets, b"</content>")))
    if len(root) != 1 or (root.text or "").strip() or (root[0].tail or "").strip():
        raise UnreadableMessage("not one element")
    return root[0]


def _only(parent: etree._Element, prefix: str, name: str) -> etree._Element:
    found = list(islice(parent.iterchildren(q(prefix, name)), 2))
    if len(found) != 1:
        raise UnreadableMessage(f"one {name} is wanted")
    return found[0]
