"""Guards of how a message travels, how it is written, and what makes a request believable."""

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from urllib.parse import quote_plus, unquote_plus

from lxml import etree

from idp.saml import bindings
from idp.saml.names import q
from idp.types import Binding, Endpoint
from metadata.registry import Registry
from tests.attacks.conftest import Street, deflated
from tests.attacks.guards.guard import (
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
from tests.common.fake_sp import FakeSP

UNREADABLE = "unreadable-message"
REFUSED = "request-refused"
UNKNOWN_SP = "unknown-service-provider"
UNKNOWN_ENDPOINT = "unknown-endpoint"
ACCEPT = "idp.saml.authn_request"
PARTS = "idp.saml.request_parts"
XML = "idp.saml.xml"
BINDINGS = "idp.saml.bindings"
NET_CAP = "https://net-cap.example/metadata"
FOREVER = timedelta(days=36500)


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
    outer.extend(etree.Element("{urn:x}y") for _ in range(25_000))
    return outer


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


def last_wins(
    node: etree._Element, *parts: tuple[str, int, int]
) -> tuple[tuple[etree._Element, ...], ...]:
    """The children by name, in whatever order and however many; the last of each counts."""
    return tuple(tuple(node.findall(name)[-1:]) for name, _, _ in parts)


# --- whether it is believable ------------------------------------------------------------------


def issued(ago: timedelta, street: Street) -> str:
    sp = street.world.sps["net-cap"]
    return message(street, sp.authn_request(now=street.world.now - ago))


def replayed(street: Street) -> str:
    xml = etree.tostring(request(street, "net-cap"))
    assert message(street, xml) == SUCCESS
    return message(street, xml)


def stranger(street: Street) -> str:
    """A service provider that nobody registered, which registers itself by speaking."""
    return message(street, FakeSP("inconnu").authn_request(now=street.world.now))


def disabled_elsewhere(street: Street) -> str:
    """Another process disables the SP; this one learns it within a second."""
    registry = Registry(street.world.services.core)
    entity_id = street.world.sps["site"].entity_id
    snapshot = street.world.services.service_providers._snapshot
    snapshot.get()
    registry.disable(entity_id)
    snapshot._asked_at -= 2
    try:
        return message(street, request(street, "site"))
    finally:
        registry.enable(entity_id)
        snapshot.forget()
        snapshot.get()


def believed(service_provider: object, *, url: str | None = None, **others: object) -> Endpoint:
    """The endpoint that the message names."""
    del service_provider, others
    return Endpoint(Binding.POST, url or "https://net-cap.example/acs")


ANY_ENDPOINT = {f"{ACCEPT}.find_acs": believed}
ARTIFACT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"

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
    Guard("depth is bounded", asking("net-cap", deep), {f"{XML}.MAX_DEPTH": 200}, UNREADABLE),
    Guard(
        "elements are bounded",
        asking("net-cap", wide),
        {f"{XML}.MAX_ELEMENTS": 1_000_000},
        UNREADABLE,
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
    Guard("one Issuer", two_issuers, {f"{ACCEPT}.sequence": last_wins}, UNREADABLE),
    Guard("the schema's order", out_of_order, {f"{ACCEPT}.sequence": last_wins}, UNREADABLE),
    Guard(
        "an old IssueInstant",
        partial(issued, timedelta(minutes=8, seconds=1)),
        {f"{ACCEPT}.LIFETIME": FOREVER},
        REFUSED,
    ),
    Guard(
        "an IssueInstant to come",
        partial(issued, -timedelta(seconds=181)),
        {f"{ACCEPT}.SKEW": FOREVER},
        REFUSED,
    ),
    Guard(
        "a clock that is slow is no fault",
        partial(issued, timedelta(minutes=7, seconds=59)),
        {f"{ACCEPT}.SKEW": timedelta()},
        SUCCESS,
        REFUSED,
    ),
    Guard(
        "a clock that is fast is no fault",
        partial(issued, -timedelta(seconds=179)),
        {f"{ACCEPT}.SKEW": timedelta()},
        SUCCESS,
        REFUSED,
    ),
    Guard(
        "Destination",
        asking("net-cap", Destination="https://another-idp.example/saml/sso"),
        {f"{ACCEPT}._check_destination": nothing},
        REFUSED,
    ),
    Guard(
        "an ID is used once",
        replayed,
        {"idp.sessions.authn_requests.AuthnRequests.answer_at_once": nothing},
        "replayed-message",
    ),
    Guard(
        "metadata is looked at again",
        disabled_elsewhere,
        {"idp.snapshot.MAX_AGE": 1e9},
        UNKNOWN_SP,
    ),
    Guard(
        "a registered ACS, by URL",
        asking("net-cap", AssertionConsumerServiceURL="https://evil.example/acs"),
        ANY_ENDPOINT,
        UNKNOWN_ENDPOINT,
    ),
    Guard(
        "a registered ACS, by index",
        asking("net-cap", AssertionConsumerServiceURL=None, AssertionConsumerServiceIndex="7"),
        ANY_ENDPOINT,
        UNKNOWN_ENDPOINT,
    ),
    Guard(
        "a registered ACS, by binding",
        asking("net-cap", ProtocolBinding=ARTIFACT),
        ANY_ENDPOINT,
        UNKNOWN_ENDPOINT,
    ),
)
