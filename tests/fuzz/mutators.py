"""How an input becomes the next one: by its bytes, and by its structure.

A changed byte seldom leaves well-formed XML, and nearly never a query that decodes; so documents
are also changed as trees, and queries inside what they carry.
"""

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from urllib.parse import quote_plus, unquote_to_bytes

from lxml import etree

from idp.saml.bindings import MAX_INFLATED
from idp.saml.names import PREFIXES, XML, q
from idp.saml.xml import ID_ATTRIBUTES
from tests.attacks.test_street import DTDS

LARGEST = 32 * 1024
"""Bytes of an input; what is deflated in it may be as large as is read."""

Flip = Callable[[bytes], bytes]
"""Changes some bytes."""

_TAGS = [
    *[q("samlp", name) for name in ("AuthnRequest", "Extensions", "NameIDPolicy", "Scoping")],
    *[q("samlp", name) for name in ("RequestedAuthnContext", "Response")],
    *[q("saml", name) for name in ("Issuer", "Subject", "NameID", "Conditions")],
    *[q("saml", name) for name in ("AuthnContextClassRef", "AuthnContextDeclRef")],
    *[q("ds", name) for name in ("Signature", "SignedInfo", "Reference", "KeyInfo", "Object")],
    *[q("ds", name) for name in ("Transforms", "Transform")],
    *[q("md", name) for name in ("EntityDescriptor", "SPSSODescriptor")],
]
_ATTRIBUTES = [
    *ID_ATTRIBUTES,
    "{urn:x}ID",
    *["Version", "IssueInstant", "Destination", "AssertionConsumerServiceURL", "ForceAuthn"],
    *["IsPassive", "AssertionConsumerServiceIndex", "ProtocolBinding", "ProviderName"],
    *["SPNameQualifier", "AllowCreate", "Comparison", "NotBefore", "NotOnOrAfter", "Format"],
    *["URI", "Algorithm", "use", "entityID", "Location", "index", f"{{{XML}}}id"],
]
_TEXTS = [
    *["", " ", "0", "1", "true", "65536", "-1", "2.0", "_genuine0", "#_genuine0", "#xpointer(/)"],
    *["https://bip.example/metadata", "https://bip.example/acs", "https://bip.example/acs/other"],
    *["https://net-cotisations.example/metadata", "https://evil.example/", "javascript:alert(1)"],
    *["2026-11-20T09:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"],
    *["http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/TR/1999/REC-xslt-19991116"],
    *["http://www.w3.org/2000/09/xmldsig#hmac-sha1", "é\u2028\U0001f600", "a" * 300, "A" * 2000],
]
_NAMES = ["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding", "sp"]
_PARAMETER = re.compile(rb"SAML(Request|Response)=([^&]*)")


@dataclass(frozen=True, slots=True)
class Mutator:
    """One change, or a few; ``rng`` decides which."""

    rng: Random
    flip: Flip

    def document(self, data: bytes) -> bytes:
        """An XML document, as a tree two times out of three."""
        if self.rng.random() < 1 / 3:
            return self.flip(data)
        return self.grown(data)

    def grown(self, data: bytes) -> bytes:
        """An XML document, changed as a tree; by its bytes where it is none."""
        try:
            root = etree.fromstring(data, _parser())
        except (etree.XMLSyntaxError, ValueError):
            return self.flip(data)
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            self.rng.choice(_CHANGES)(self.rng, root)
        try:
            text = etree.tostring(root, encoding="unicode").encode()
        except UnicodeEncodeError:
            return self.flip(data)
        return self.rng.choice(_SPELLINGS)(self.rng, text)

    def query(self, data: bytes) -> bytes:
        """A Redirect query: its message, its parameters or its bytes."""
        return self._fields(data, _unpacked, _packed)

    def form(self, data: bytes) -> bytes:
        """The body of a POST request, likewise."""
        return self._fields(data, b64decode, b64encode)

    def visit(self, data: bytes) -> bytes:
        """An input of the target ``application``: a letter, then a query, a form, or anything."""
        kind, rest = data[:1] or b"R", data[1:]
        if self.rng.random() < 1 / 50:
            kind = self.rng.choice((b"R", b"P", b"I", b"T", b"Q", b"r", b"p", b"i"))
        if kind in b"PpTQ":
            return kind + self.form(rest)
        return kind + self.query(rest)

    def _fields(
        self, data: bytes, unpack: Callable[[bytes], bytes], pack: Callable[[bytes], bytes]
    ) -> bytes:
        chance = self.rng.random()
        found = _PARAMETER.search(data)
        if chance < 1 / 2 and found:
            try:
                message = unpack(unquote_to_bytes(found[2].replace(b"+", b" ")))
            except (ValueError, zlib.error):
                return self.flip(data)
            changed = quote_plus(pack(self.document(message))).encode()
            return data[: found.start(2)] + changed + data[found.end(2) :]
        if chance < 3 / 4:
            return self._parameters(data)
        return self.flip(data)

    def _parameters(self, data: bytes) -> bytes:
        """Parameters left out, doubled, exchanged, renamed, spelled otherwise."""
        pairs = data.split(b"&")
        at = self.rng.randrange(len(pairs))
        name, _, value = pairs[at].partition(b"=")
        other = self.rng.choice(pairs)
        change = self.rng.randrange(7)
        if change == 0:
            del pairs[at]
        elif change == 1:
            pairs.insert(self.rng.randrange(len(pairs) + 1), other)
        elif change == 2:
            self.rng.shuffle(pairs)
        elif change == 3:
            pairs[at] = self.rng.choice(_NAMES).encode() + b"=" + value
        elif change == 4:
            pairs[at] = name + b"=" + quote_plus(self.rng.choice(_TEXTS)).encode()
        elif change == 5:
            pairs[at] = name + b"=" + self._respelled(value)
        else:
            pairs.append(self.rng.choice(_NAMES).encode() + b"=" + self.flip(value))
        return b"&".join(pairs)

    def _respelled(self, value: bytes) -> bytes:
        """The same value in other octets, mostly."""
        ways: list[Callable[[bytes], bytes]] = [
            bytes.lower,
            lambda text: re.sub(rb"%[0-9A-F]{2}", lambda match: match[0].lower(), text),
            lambda text: text.replace(b"%2B", b"+").replace(b"%2F", b"/").replace(b"%3D", b"="),
            lambda text: text.replace(b"+", b"%20"),
            lambda text: b"".join(b"%%%02X" % byte for byte in text[:1]) + text[1:],
            lambda text: text + b"%0D%0A",
        ]
        return self.rng.choice(ways)(value)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def _unpacked(data: bytes) -> bytes:
    return zlib.decompressobj(wbits=-15).decompress(b64decode(data), MAX_INFLATED)


def _packed(message: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return b64encode(compressor.compress(message) + compressor.flush())


# --- changes of a tree -------------------------------------------------------------------------


def _any(rng: Random, root: etree._Element) -> etree._Element:
    return rng.choice([each for each in root.iter() if isinstance(each.tag, str)])


def _inner(rng: Random, root: etree._Element) -> etree._Element | None:
    inner = [each for each in root.iterdescendants() if isinstance(each.tag, str)]
    return rng.choice(inner) if inner else None


def _insert(rng: Random, parent: etree._Element, child: etree._Element) -> None:
    parent.insert(rng.randint(0, len(parent)), child)


def _move(rng: Random, root: etree._Element) -> None:
    child, target = _inner(rng, root), _any(rng, root)
    if child is not None and child not in (target, *target.iterancestors()):
        _insert(rng, target, child)


def _duplicate(rng: Random, root: etree._Element) -> None:
    copy = deepcopy(_any(rng, root))
    copy.tail = None
    _insert(rng, _any(rng, root), copy)


def _remove(rng: Random, root: etree._Element) -> None:
    child = _inner(rng, root)
    parent = None if child is None else child.getparent()
    if parent is not None:
        parent.remove(child)


def _wrap(rng: Random, root: etree._Element) -> None:
    child = _inner(rng, root)
    parent = None if child is None else child.getparent()
    if parent is not None:
        wrapper = etree.Element(rng.choice(_TAGS))
        parent.replace(child, wrapper)
        wrapper.append(child)


def _unwrap(rng: Random, root: etree._Element) -> None:
    child = _inner(rng, root)
    parent = None if child is None else child.getparent()
    if parent is not None and child is not None:
        at = parent.index(child)
        parent[at : at + 1] = list(child)


def _become_another(rng: Random, root: etree._Element) -> None:
    """Signature wrapping: the whole message becomes a part of a message that it was not."""
    whole = deepcopy(root)
    for name in ("ID", "AssertionConsumerServiceURL", "IssueInstant"):
        if rng.random() < 1 / 2:
            root.set(name, rng.choice(_TEXTS[:20]))
    holder = etree.SubElement(_any(rng, root), rng.choice(_TAGS))
    holder.append(whole)
    signature = whole.find(q("ds", "Signature"))
    if signature is not None and rng.random() < 1 / 2:
        (whole if rng.random() < 1 / 2 else root).append(signature)


def _rename(rng: Random, root: etree._Element) -> None:
    _any(rng, root).tag = rng.choice(_TAGS)


def _other_namespace(rng: Random, root: etree._Element) -> None:
    element = _any(rng, root)
    namespace = rng.choice((*PREFIXES.values(), "urn:x", ""))
    local = etree.QName(element).localname
    element.tag = f"{{{namespace}}}{local}" if namespace else local


def _set(rng: Random, root: etree._Element) -> None:
    _any(rng, root).set(rng.choice(_ATTRIBUTES), rng.choice(_TEXTS))


def _change_attribute(rng: Random, root: etree._Element) -> None:
    element = _any(rng, root)
    names = list(element.attrib)
    if names:
        element.set(rng.choice(names), rng.choice(_TEXTS))


def _drop_attribute(rng: Random, root: etree._Element) -> None:
    element = _any(rng, root)
    names = list(element.attrib)
    if names:
        del element.attrib[rng.choice(names)]


def _share_an_id(rng: Random, root: etree._Element) -> None:
    known = [value for each in root.iter() if (value := each.get("ID"))]
    _any(rng, root).set(rng.choice(_ATTRIBUTES[:5]), rng.choice(known or ["_genuine0"]))


def _change_text(rng: Random, root: etree._Element) -> None:
    _any(rng, root).text = rng.choice(_TEXTS)


def _cut_text(rng: Random, root: etree._Element) -> None:
    """A comment or an instruction in the middle of a text: some readers stop there."""
    element = _any(rng, root)
    text = element.text or ""
    at = rng.randint(0, len(text))
    cut = etree.Comment("x") if rng.random() < 1 / 2 else etree.ProcessingInstruction("x", "y")
    element.text, cut.tail = text[:at], text[at:]
    element.insert(0, cut)


def _multiply(rng: Random, root: etree._Element) -> None:
    """Rarely: very many, or very deep."""
    if rng.random() > 1 / 10:
        return
    child = _inner(rng, root)
    target = _any(rng, root)
    times = rng.choice((3, 60, 500, 5000))
    if child is None or len(etree.tostring(child)) * times > MAX_INFLATED * 2:
        return
    if rng.random() < 1 / 2:
        target.extend([deepcopy(child) for _ in range(times)])
        return
    for _ in range(min(times, 200)):
        target = etree.SubElement(target, child.tag)


_CHANGES: list[Callable[[Random, etree._Element], None]] = [
    _move, _duplicate, _remove, _wrap, _unwrap, _become_another, _rename, _other_namespace,
    _set, _change_attribute, _drop_attribute, _share_an_id, _change_text, _cut_text, _multiply,
]  # fmt: skip


# --- changes of how it is written --------------------------------------------------------------


def _as_it_is(rng: Random, text: bytes) -> bytes:
    del rng
    return text


def _with_dtd(rng: Random, text: bytes) -> bytes:
    return rng.choice(list(DTDS.values())).encode() + text


def _declared(rng: Random, text: bytes) -> bytes:
    encoding = rng.choice(("utf-8", "utf-16", "iso-8859-1", "utf-7", "x"))
    return f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + text


def _other_prefix(rng: Random, text: bytes) -> bytes:
    prefix = rng.choice((b"saml", b"samlp", b"ds", b"md"))
    return re.sub(rb"\b" + prefix + rb":", rng.choice((b"samlp", b"x")) + b":", text, count=2)


def _other_declaration(rng: Random, text: bytes) -> bytes:
    namespace = rng.choice((*PREFIXES.values(), "urn:x")).encode()
    return re.sub(rb'xmlns:(\w+)="[^"]*"', rb'xmlns:\1="' + namespace + b'"', text, count=1)


def _character_reference(rng: Random, text: bytes) -> bytes:
    at = rng.randint(0, len(text))
    return (
        text[:at] + rng.choice((b"&#x41;", b"&#10;", b"&#0;", b"&x;", b"<![CDATA[x]]>")) + text[at:]
    )


_SPELLINGS: list[Callable[[Random, bytes], bytes]] = [
    *[_as_it_is] * 15,
    _with_dtd, _declared, _other_prefix, _other_declaration, _character_reference,
]  # fmt: skip


def plain_flip(rng: Random) -> Flip:
    """Changes bytes without libFuzzer: for where there is none."""

    def flip(data: bytes) -> bytes:
        start = rng.randint(0, len(data))
        end = min(len(data), start + rng.choice((0, 1, 1, 4, 40)))
        return data[:start] + rng.randbytes(rng.choice((0, 1, 1, 3))) + data[end:]

    return flip
