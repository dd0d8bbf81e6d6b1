"""What the fuzzer begins with: genuine messages of every shape, and the attacks of the suite.

All are built here from the tests' own builders, in the same way in every run.
"""

from base64 import b64encode
from collections.abc import Iterable
from copy import deepcopy
from urllib.parse import quote_plus, urlencode

from lxml import etree

from idp.saml import names
from idp.saml.names import q
from idp.types import AuthnContext, Binding, NameIDFormat
from tests.attacks.conftest import deflated
from tests.attacks.test_signatures import QUERIES
from tests.attacks.test_street import DTDS, GARBAGE, SHAPES
from tests.attacks.wrappings import wrappings
from tests.common.clock import START
from tests.common.fake_sp import FakeSP
from tests.unit.metadata import samples

LARGEST = 16 * 1024
"""Bytes of a seed: larger ones make every input that grows from them slow."""
RELAY_STATES = (None, "", "retour", "é + %2B\n")


def small(seeds: Iterable[bytes]) -> list[bytes]:
    """Each once, without the largest."""
    return [seed for seed in dict.fromkeys(seeds) if len(seed) <= LARGEST]


# --- AuthnRequests -----------------------------------------------------------------------------


def _element(name: str, **attributes: str) -> etree._Element:
    return etree.Element(q(*name.split(":")), attributes)  # type: ignore[arg-type]


def _with(parent: etree._Element, *children: tuple[str, str]) -> etree._Element:
    for name, text in children:
        etree.SubElement(parent, q(*name.split(":"))).text = text
    return parent


def _policy() -> etree._Element:
    return _element("samlp:NameIDPolicy", Format=NameIDFormat.TRANSIENT, AllowCreate="1")


def _context(comparison: str = "exact") -> etree._Element:
    wanted = ("saml:AuthnContextClassRef", str(AuthnContext.PASSWORD_PROTECTED_TRANSPORT))
    return _with(_element("samlp:RequestedAuthnContext", Comparison=comparison), wanted)


def _subject(value: str) -> etree._Element:
    return _with(_element("saml:Subject"), ("saml:NameID", value))


def _conditions() -> etree._Element:
    instant = "2026-11-20T09:01:00.5+00:00"
    return _element("saml:Conditions", NotBefore="2026-11-20T08:59:00Z", NotOnOrAfter=instant)


def _scoping() -> etree._Element:
    return _with(_element("samlp:Scoping", ProxyCount="1"), ("samlp:RequesterID", "urn:x"))


def _extensions() -> etree._Element:
    return _with(_element("samlp:Extensions"), ("md:Extensions", "x"))


Variation = tuple[tuple[etree._Element, ...], dict[str, str | None]]


def _variations() -> list[Variation]:
    bare: dict[str, str | None] = {"AssertionConsumerServiceURL": None}
    return [
        ((), {}),
        ((), bare | {"AssertionConsumerServiceIndex": "1"}),
        ((), {"ForceAuthn": "1", "ProviderName": "Collectivité & <fils>"}),
        ((), {"IsPassive": "true", "ProtocolBinding": Binding.POST}),
        ((_extensions(), _policy(), _conditions(), _context(), _scoping()), {}),
        ((_subject("agent@demo.example"),), {"Consent": "urn:oasis:names:tc:SAML:2.0:consent:x"}),
        ((_subject("autre@demo.example"), _context("minimum")), bare),
        ((_element("samlp:NameIDPolicy", Format="urn:x", SPNameQualifier="urn:y"),), {}),
    ]


def authn_requests(sp: FakeSP) -> list[etree._Element]:
    """Requests of this SP that the IdP accepts, each with an ID of its own."""
    return [
        sp.authn_request(*children, now=START, ID=f"_genuine{number}", **attributes)
        for number, (children, attributes) in enumerate(_variations())
    ]


def signed_posts(sp: FakeSP) -> list[bytes]:
    """The same, signed: documents of the POST binding."""
    requests = authn_requests(sp)
    for request in requests:
        sp.sign(request)
    return [etree.tostring(request) for request in requests]


def signed_queries(sp: FakeSP) -> list[bytes]:
    """The same, signed: queries of the Redirect binding, some with a RelayState."""
    return [
        sp.redirect_query(request, RELAY_STATES[number % len(RELAY_STATES)], sign=True).encode()
        for number, request in enumerate(authn_requests(sp))
    ]


def wrapped_posts(sp: FakeSP) -> list[bytes]:
    """The genuine message hidden in a forged one, in every way that the suite knows."""
    made = []
    genuine = etree.fromstring(signed_posts(sp)[0])
    for wrapping in wrappings():
        other = f"{sp.acs}/other"
        forged = sp.authn_request(now=START, ID="_forged", AssertionConsumerServiceURL=other)
        wrapping.wrap(forged, deepcopy(genuine))
        made.append(etree.tostring(forged))
    return made


def altered_queries(sp: FakeSP) -> list[bytes]:
    """A signed query with something missing, doubled or exchanged."""
    whole = signed_queries(sp)[2].decode()
    query = dict(part.split("=", 1) for part in whole.split("&"))
    return [alter(query).encode() for alter in QUERIES.values()]


def documents(sp: FakeSP) -> list[bytes]:
    """AuthnRequests and what is none: genuine, misshapen, with a DTD, not XML at all."""
    made = [etree.tostring(request) for request in authn_requests(sp)]
    for shape in SHAPES.values():
        root = sp.authn_request(now=START, ID="_shape")
        shape(root)
        made.append(etree.tostring(root))
    made += [DTDS[name].encode() + made[0] for name in DTDS]
    return small([*made, *GARBAGE.values(), *signed_posts(sp)[:2], b"<a>" * 70 + b"</a>" * 70])


# --- how they travel ---------------------------------------------------------------------------


def as_query(document: bytes, relay_state: str | None = None) -> bytes:
    """A Redirect query, not signed."""
    rest = "" if relay_state is None else f"&RelayState={quote_plus(relay_state)}"
    return f"SAMLRequest={deflated(document)}{rest}".encode()


def as_form(document: bytes, relay_state: str | None = None) -> bytes:
    """The body of a POST request."""
    fields = {"SAMLRequest": b64encode(document).decode()}
    return urlencode(
        fields if relay_state is None else {**fields, "RelayState": relay_state}
    ).encode()


def bombs() -> list[bytes]:
    """Little that inflates to much: to just what is read, and far beyond."""
    return [as_query(b" " * size) for size in (1024 * 1024, 1024 * 1024 + 1, 10_000_000)]


def queries(sps: Iterable[FakeSP]) -> list[bytes]:
    """Redirect queries of all these SPs."""
    made = bombs()
    for sp in sps:
        if sp.signs:
            made += [*signed_queries(sp), *altered_queries(sp)]
        made += [as_query(each, RELAY_STATES[len(each) % 4]) for each in documents(sp)]
    return small(made)


def forms(sps: Iterable[FakeSP]) -> list[bytes]:
    """POST bodies of all these SPs."""
    made = []
    for sp in sps:
        if sp.signs:
            made += [as_form(each) for each in (*signed_posts(sp), *wrapped_posts(sp))]
        made += [as_form(each, RELAY_STATES[len(each) % 4]) for each in documents(sp)]
    return small(made)


def visits(sps: Iterable[FakeSP]) -> list[bytes]:
    """Inputs of the target ``application``: a letter for the kind of request, then what is sent."""
    sps = list(sps)
    made = [b"R" + each for each in queries(sps)] + [b"P" + each for each in forms(sps)]
    made += [b"r" + as_query(each) for each in documents(sps[-1])[:8]]
    made += [b"p" + as_form(each) for each in documents(sps[-1])[:8]]
    for sp in sps:
        for relay_state in ("", "&RelayState=retour", "&RelayState=%ff", "&RelayState=a&sp=b"):
            query = f"sp={quote_plus(sp.entity_id)}{relay_state}".encode()
            made += [b"I" + query, b"i" + query]
    part = (
        b'--x\r\nContent-Disposition: form-data; name="SAMLRequest"; filename="a"\r\n\r\na\r\n--x--'
    )
    made.append(b"Tmultipart/form-data; boundary=x\n" + part)
    made.append(b"Tapplication/x-www-form-urlencoded; charset=utf-16\n" + as_form(b"<a/>"))
    made += [b"Q%s\n%s" % (b"RelayState=a", as_form(each)) for each in signed_posts(sps[0])[:2]]
    return small(made)


# --- metadata and values -----------------------------------------------------------------------


def entities(sps: Iterable[FakeSP]) -> list[bytes]:
    """Metadata of SPs: those of this installation, rich ones, and the hostile ones of the suite."""
    sps = list(sps)
    key = samples.key(sps[0].certificate, methods=(names.AES256_GCM,))
    usual = (key, samples.SLO, samples.ACS)
    rich = samples.entity(
        samples.names({"fr": "Banque &amp; fiches", "en": "Bank"}),
        *usual,
        samples.acs("https://bip.exemple.fr/acs?x=1", index="+1", more='isDefault="true"'),
        "<md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat>",
        '<md:AttributeConsumingService index="0"><md:ServiceName xml:lang="fr">x</md:ServiceName>'
        '<md:RequestedAttribute Name="mail" isRequired="1"/></md:AttributeConsumingService>',
        root_attributes='ID="_m" validUntil="2027-01-31T00:00:00.123+01:00"',
        attributes='AuthnRequestsSigned="true" WantAssertionsSigned="0"',
    )
    hostile = [path.read_bytes() for path in sorted((samples.DATA / "hostile").glob("*.xml"))]
    group = b"<md:EntitiesDescriptor xmlns:md='urn:oasis:names:tc:SAML:2.0:metadata'/>"
    return small([*(sp.metadata() for sp in sps), rich, samples.entity(*usual), group, *hostile])


def values() -> list[bytes]:
    """Small texts, after the letter of the reader that they are for."""
    texts = {
        b"d": [
            "2026-11-20T09:00:00Z",
            "2026-11-20T09:00:00.123456789+14:00",
            "0001-01-01T00:00:00+01:00",
        ],
        b"u": ["https://a.example/acs", "http://[::1]:80/", "https://é.example:0/", "javascript:x"],
        b"n": ["0", "+65535", "007", "65536", "-1", "\u0660"],
        b"x": ["a&<>\"'\t\r\n", "é\u2028\U0001f600", "\x00\x1f\ud7ff\ufffe"],
        b"c": ["1", "true", " false ", "0", "yes"],
    }
    return [letter + text.encode() for letter, all_ in texts.items() for text in all_]
