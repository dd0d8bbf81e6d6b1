"""Guards of how a message travels, and of how it is written."""

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from functools import partial
from urllib.parse import quote_plus, unquote_plus

from lxml import etree

from idp.saml import bindings, xml
from idp.saml.names import q
from idp.types import AuthnContext, Binding
from tests.attacks.conftest import Street, deflated
from tests.attacks.guards.guard import (
    ASKED,
    MEMORY,
    SUCCESS,
    Guard,
    altered,
    asking,
    by_post,
    by_redirect,
    costing,
    message,
    nothing,
    request,
)

UNREADABLE = "unreadable-message"
REFUSED = "request-refused"
SIGNATURE_REFUSED = "signature-refused"
UNKNOWN_SP = "unknown-service-provider"
ACCEPT = "idp.saml.authn_request"
CHECKS = "idp.saml.checks"
PARTS = "idp.saml.request_parts"
XML = "idp.saml.xml"
BINDINGS = "idp.saml.bindings"
NET_CAP = "https://net-cap.example/metadata"


# --- how it travels ----------------------------------------------------------------------------


def bomb(street: Street) -> str:
    head, tail = etree.tostring(request(street, "net-cap")).split(b"</saml:Issuer>")
    xml = head + b" " * 40_000_000 + b"</saml:Issuer>" + tail
    return f"SAMLRequest={deflated(xml)}"


def deflated_post(street: Street) -> str:
    xml = etree.tostring(request(street, "net-cap"))
    return by_post(street, {"SAMLRequest": unquote_plus(deflated(xml))})


def inflating(pairs: Iterable[tuple[str, str]], **rest: str) -> bindings.Message:
    del rest
    value = dict(pairs)["SAMLRequest"]
    return bindings.Message(zlib.decompress(b64decode(value), wbits=-15), Binding.POST, None)


def twice_in_a_query(street: Street) -> str:
    genuine = deflated(etree.tostring(request(street, "net-cap")))
    return by_redirect(street, f"SAMLRequest={deflated(b'<x/>')}&SAMLRequest={genuine}")


def twice_in_a_form(street: Street) -> str:
    genuine = b64encode(etree.tostring(request(street, "net-cap"))).decode()
    return by_post(street, [("SAMLRequest", "AAAA"), ("SAMLRequest", genuine)])


def last_parameter(query: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in query.split("&"))


def after_the_end(street: Street) -> str:
    """What follows the compressed message is read by nobody, or by somebody else."""
    raw = b64decode(unquote_plus(deflated(etree.tostring(request(street, "net-cap")))))
    return by_redirect(street, f"SAMLRequest={quote_plus(b64encode(raw + b'more'))}")


def large_relay_state(street: Street) -> str:
    query = street.world.sps["net-cap"].redirect_query(request(street, "net-cap"), "x" * 1025)
    return by_redirect(street, query)


def relay_state_with_nul(street: Street) -> str:
    query = street.world.sps["net-cap"].redirect_query(request(street, "net-cap"), "a\0b")
    assert "RelayState=a%00b" in query
    return by_redirect(street, query)


def beside(more: str, street: Street) -> str:
    """A genuine query of an SP that need not sign, and this after it."""
    genuine = deflated(etree.tostring(request(street, "net-cap")))
    return by_redirect(street, f"SAMLRequest={genuine}&{more}")


def simple_sign(street: Street) -> str:
    """A signature where another binding has it, which nobody would look at."""
    value = b64encode(etree.tostring(request(street, "net-cap"))).decode()
    return by_post(street, {"SAMLRequest": value, "SigAlg": "urn:x", "Signature": "AAAA"})


def read_over(pairs: Iterable[tuple[str, str]], **rest: str) -> bindings.Message:
    kept = [(name, value) for name, value in pairs if name not in {"SigAlg", "Signature"}]
    return bindings.decode_post(kept, **rest)


# --- how it is written -------------------------------------------------------------------------


def parser(**options: object) -> Callable[[], etree.XMLParser]:
    """Ours, with these options set otherwise."""
    ours = {"resolve_entities": False, "no_network": True, "load_dtd": False, "remove_pis": True}
    ours |= {"remove_comments": True, "huge_tree": False, "collect_ids": False}
    return lambda: etree.XMLParser(**{**ours, **options})


NO_DTD_CHECK = {f"{XML}._DOCTYPE": re.compile(rb"(?!)")}
EVERY_ENTITY = {f"{XML}._parser": parser(resolve_entities=True, load_dtd=True)}


def with_dtd(dtd: str, issuer: str, street: Street) -> str:
    xml = etree.tostring(request(street, "net-cap"), encoding="unicode")
    return message(street, (dtd + xml.replace(NET_CAP, issuer, 1)).encode())


def external_entity(street: Street) -> str:
    """That the Issuer is who it is was read from a file of the server."""
    file = street.world.services.settings.var / "secret-of-the-server"
    file.write_text(NET_CAP)
    return with_dtd(f'<!DOCTYPE x [<!ENTITY e SYSTEM "{file.as_uri()}">]>', "&e;", street)


def hidden_by_an_encoding(street: Street) -> str:
    """UTF-16, where no search for a DTD finds one."""
    xml = etree.tostring(request(street, "net-cap"), encoding="unicode").replace(NET_CAP, "&e;", 1)
    dtd = f'<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x [<!ENTITY e "{NET_CAP}">]>'
    return message(street, (dtd + xml).encode("utf-16"))


def declaring(encoding: str, street: Street) -> str:
    """What others read as that encoding is another text."""
    text = etree.tostring(request(street, "net-cap"))
    return message(street, f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + text)


def any_encoding(data: bytes) -> etree._Element:
    return etree.fromstring(data, parser(resolve_entities=True)())


def deep() -> etree._Element:
    outer = etree.Element(q("samlp", "Extensions"))
    inner = outer
    for _ in range(100):
        inner = etree.SubElement(inner, "{urn:x}y")
    return outer


def wide() -> etree._Element:
    outer = etree.Element(q("samlp", "Extensions"))
    outer.extend(etree.Element("y") for _ in range(1_100))
    return outer


def spread() -> etree._Element:
    outer = etree.Element(q("samlp", "Extensions"))
    etree.SubElement(outer, "y", {f"x{number}": "" for number in range(1_100)})
    return outer


def any_limits(**bounds: int) -> dict[str, object]:
    """Messages are parsed within these bounds."""
    ours = {"octets": 1 << 20, "tags": 1 << 20, "equal_signs": 1 << 20, "depth": 64}
    return {f"{XML}.parse": partial(xml.parse, limits=xml.Limits(**(ours | bounds)))}


def references(count: int, length: int) -> etree._Element:
    """A class that we have, and this many of this length that nobody has."""
    node = etree.Element(q("samlp", "RequestedAuthnContext"))
    names = (f"urn:{number}:".ljust(length, "x") for number in range(count))
    for name in (AuthnContext.PASSWORD_PROTECTED_TRANSPORT, *names):
        etree.SubElement(node, q("saml", "AuthnContextClassRef")).text = name
    return node


def large_pending(street: Street) -> str:
    """It would wait in the database for an hour, for somebody to sign in."""
    large = request(street, "net-cap", references(40, 1_000))
    return message(street, large, street.stranger().app)


def stripped(node: etree._Element) -> str:
    return "".join(str(piece) for piece in node.itertext()).strip()


def first_text(node: etree._Element) -> str:
    return (node.text or "").strip()


def subject_with_a_comment() -> etree._Element:
    subject = etree.Element(q("saml", "Subject"))
    name_id = etree.SubElement(subject, q("saml", "NameID"))
    name_id.text = "agent@demo.example"
    name_id.append(etree.Comment("x"))
    name_id[0].tail = ".evil.example"
    return subject


COMMENTS_CUT = {
    f"{XML}._parser": parser(remove_comments=False),
    f"{PARTS}.check_leaf": nothing,
    f"{PARTS}.text_of": first_text,
}
CUT = "comments are dropped, nothing may stand beside the text, and all of it is read"


def two_issuers(street: Street) -> str:
    root = request(street, "net-cap")
    root.insert(0, etree.fromstring(etree.tostring(root[0]).replace(b"net-cap", b"site")))
    return message(street, root)


def out_of_order(street: Street) -> str:
    root = request(street, "net-cap", etree.Element(q("samlp", "NameIDPolicy")))
    root.append(root[0])
    return message(street, root)


def text_between() -> etree._Element:
    """What one reads as an element's value, and another does not see."""
    policy = etree.Element(q("samlp", "NameIDPolicy"))
    policy.tail = "bonjour"
    return policy


def last_wins(
    node: etree._Element, *parts: tuple[str, int, int]
) -> tuple[tuple[etree._Element, ...], ...]:
    """The children by name, in whatever order and however many; the last of each counts."""
    return tuple(tuple(node.findall(name)[-1:]) for name, _, _ in parts)


GUARDS = (
    Guard(
        "inflating is bounded",
        costing(bomb, by_redirect),
        {f"{BINDINGS}.MAX_INFLATED": 1 << 30},
        UNREADABLE,
        MEMORY,
    ),
    Guard(
        "a posted message is not inflated",
        deflated_post,
        {"views.saml.sso.decode_post": inflating},
        UNREADABLE,
    ),
    Guard(
        "a query's parameter is there once",
        twice_in_a_query,
        {f"{BINDINGS}._raw_parameters": last_parameter},
        UNREADABLE,
    ),
    Guard(
        "a form's parameter is there once", twice_in_a_form, {f"{BINDINGS}._KNOWN": ()}, UNREADABLE
    ),
    Guard(
        "nothing follows the compressed message",
        after_the_end,
        {f"{BINDINGS}.inflate": lambda data: zlib.decompressobj(wbits=-15).decompress(data)},
        UNREADABLE,
    ),
    Guard(
        "RelayState is at most 1 KiB",
        large_relay_state,
        {f"{BINDINGS}.MAX_RELAY_STATE": 1 << 20},
        REFUSED,
    ),
    Guard(
        "RelayState holds no NUL",
        relay_state_with_nul,
        {f"{BINDINGS}._bounded": lambda relay_state, most=0: relay_state},  # noqa: ARG005
        REFUSED,
    ),
    Guard(
        "half a signature is refused",
        partial(beside, "SigAlg=x"),
        {f"{BINDINGS}._detached_signature": nothing},
        UNREADABLE,
    ),
    Guard(
        "a parameter's name is not encoded: a second message",
        partial(beside, "%53AMLRequest=AAAA"),
        {f"{BINDINGS}._check_foreign": nothing},
        UNREADABLE,
    ),
    Guard(
        "a parameter's name is not encoded: a signature",
        partial(beside, "Sig%41lg=x&%53ignature=AAAA"),
        {f"{BINDINGS}._check_foreign": nothing},
        UNREADABLE,
    ),
    Guard(
        "no signature beside a posted message",
        simple_sign,
        {"views.saml.sso.decode_post": read_over},
        SIGNATURE_REFUSED,
    ),
    Guard(
        "no DTD, were it empty",
        partial(with_dtd, "<!DOCTYPE x>", NET_CAP),
        NO_DTD_CHECK,
        UNREADABLE,
    ),
    Guard(
        "no entity",
        partial(with_dtd, f'<!DOCTYPE x [<!ENTITY e "{NET_CAP}">]>', "&e;"),
        {**NO_DTD_CHECK, **EVERY_ENTITY},
        UNREADABLE,
        together="no DTD is let in, and the parser resolves nothing",
    ),
    Guard(
        "no external entity",
        external_entity,
        {**NO_DTD_CHECK, **EVERY_ENTITY},
        UNREADABLE,
        together="no DTD is let in, and the parser resolves nothing",
    ),
    Guard(
        "UTF-8 alone", hidden_by_an_encoding, {"idp.sign_on.xml.parse": any_encoding}, UNREADABLE
    ),
    Guard(
        "no other encoding is declared",
        partial(declaring, "IBM037"),
        {f"{XML}._is_utf_8": lambda *_: True},
        UNREADABLE,
    ),
    Guard("depth is bounded", asking("net-cap", deep), any_limits(depth=200), UNREADABLE),
    Guard(
        "elements are bounded",
        asking("net-cap", wide),
        any_limits(equal_signs=1_000),
        UNREADABLE,
    ),
    Guard("attributes are bounded", asking("net-cap", spread), any_limits(tags=1_000), UNREADABLE),
    Guard(
        "what may be repeated is so fifty times",
        asking("net-cap", partial(references, 60, 20)),
        {f"{PARTS}.check_few": nothing},
        UNREADABLE,
    ),
    Guard(
        "what waits is small",
        large_pending,
        {"idp.sessions.authn_requests.MAX_PENDING": 1 << 20},
        REFUSED,
        ASKED,
    ),
    Guard(
        "a comment cuts no Issuer",
        altered("net-cap", f"{NET_CAP}<", f"{NET_CAP}<!-- -->.evil<"),
        COMMENTS_CUT,
        UNKNOWN_SP,
        together=CUT,
    ),
    Guard(
        "a comment cuts no NameID",
        asking("net-cap", subject_with_a_comment),
        COMMENTS_CUT,
        "UnknownPrincipal",
        together=CUT,
    ),
    Guard(
        "white space around an Issuer is none of its own",
        altered("net-cap", f"{NET_CAP}<", f"\n  {NET_CAP}\n<"),
        {f"{PARTS}.text_of": lambda node: "".join(node.itertext())},
        SUCCESS,
        UNKNOWN_SP,
    ),
    Guard(
        "white space is XML's alone",
        altered("net-cap", f"{NET_CAP}<", f"\u2003{NET_CAP}\u00a0<"),
        {f"{PARTS}.text_of": stripped},
        UNKNOWN_SP,
    ),
    Guard("one Issuer", two_issuers, {f"{ACCEPT}.sequence": last_wins}, UNREADABLE),
    Guard(
        "no text between elements",
        asking("net-cap", text_between),
        {"idp.saml.shape.check_no_text": nothing},
        UNREADABLE,
    ),
    Guard("the schema's order", out_of_order, {f"{ACCEPT}.sequence": last_wins}, UNREADABLE),
)
