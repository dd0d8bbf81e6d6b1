"""Requests that must be refused, as data: how each is made, and exactly what is said of it.

``status`` and ``page`` are what the person sees, ``code`` and ``cause`` what the log says.
"""

import zlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex

from tests.attacks.senders import (
    Senders,
    Sent,
    form,
    html_issuer,
    inside,
    issued,
    laughs,
    post,
    redirect,
    stylesheet,
    wrapped,
    wrongly_signed_post,
    wrongly_signed_query,
)
from tests.common.fake_sp import FakeSP

AGAIN = "Le message envoyé par l'application n'a pas pu être accepté"
UNKNOWN = "pas enregistrée ici"
NOT_HERE = "adresse qui n'est pas enregistrée"
NOT_READ = "ne peuvent pas être lues"
UNREADABLE = "unreadable-message"
REFUSED = "request-refused"
SIGNATURE = "signature-refused"
UNKNOWN_SP = "unknown-service-provider"
UNKNOWN_ENDPOINT = "unknown-endpoint"
EVIL = "https://evil.example/acs"
OLD = (b'Version="2.0"', b'Version="1.1"')


def many(what: bytes, count: int) -> bytes:
    """An element with this many attributes."""
    return b"<a " + b" ".join(what % number for number in range(count)) + b"/>"


def new_names() -> bytes:
    """100 KB of names that nobody ever wrote."""
    return b"".join(b"<n%s/>" % token_hex(50).encode() for _ in range(950))


def two_issuers(by: Senders) -> Sent:
    tag = b"<saml:Issuer>"
    return post(by.xml().replace(tag, tag + b"x</saml:Issuer>" + tag))


@dataclass(frozen=True)
class Bad:
    """One row."""

    name: str
    make: Callable[[Senders], Sent]
    code: str
    cause: str
    page: str = AGAIN
    status: int = 400
    worst: bool = False
    """Made to cost as much as it can."""
    before: bool = False
    """It is sent once before, when it is still good."""


MALFORMED = (
    Bad("nothing", lambda _: Sent("/saml/sso"), UNREADABLE, "no SAMLRequest in the query"),
    Bad("no field", lambda _: form({"x": "y"}), UNREADABLE, "no SAMLRequest in the form"),
    Bad("not base64", lambda _: form({"SAMLRequest": "%%%"}), UNREADABLE, "not base64"),
    Bad("not deflate", lambda _: Sent("/saml/sso?SAMLRequest=/////w=="), UNREADABLE, "not DEFLATE"),
    Bad("not XML", lambda _: redirect(b"bonjour"), UNREADABLE, "not well-formed XML"),
    Bad(
        "HTML", lambda _: post(b"<html><body>x</body></html>"), UNREADABLE, "is not an AuthnRequest"
    ),
    Bad("an HTML issuer", lambda by: post(html_issuer(by)), UNKNOWN_SP, "'<script>", UNKNOWN),
    Bad("not UTF-8", lambda by: post(by.xml().decode().encode("utf-16")), UNREADABLE, "not UTF-8"),
    Bad(
        "a query that is not UTF-8",
        lambda by: redirect(by.xml(), "&RelayState=%ff"),
        UNREADABLE,
        "not UTF-8",
    ),
    Bad("a DTD", lambda by: post(b"<!DOCTYPE x>" + by.xml()), UNREADABLE, "carries a DTD"),
    Bad("entities", lambda by: redirect(laughs(by)), UNREADABLE, "carries a DTD", worst=True),
    Bad(
        "a parameter twice",
        lambda by: redirect(by.xml(), "&SAMLRequest=x"),
        UNREADABLE,
        "SAMLRequest is there twice",
    ),
    Bad(
        "a field twice",
        lambda _: form([("SAMLRequest", "x")] * 2),
        UNREADABLE,
        "SAMLRequest is there twice",
    ),
    Bad(
        "two issuers",
        two_issuers,
        UNREADABLE,
        "AuthnRequest holds 2 {urn:oasis:names:tc:SAML:2.0:assertion}Issuer",
    ),
    Bad("an ID that is none", lambda by: redirect(by.xml(ID="1")), UNREADABLE, "not an xs:ID"),
    Bad(
        "a date that is none",
        lambda by: redirect(by.xml(IssueInstant="hier")),
        UNREADABLE,
        "'hier'",
    ),
    Bad(
        "a posted deflate",
        lambda by: form({"SAMLRequest": b64encode(zlib.compress(by.xml())).decode()}),
        UNREADABLE,
        "not UTF-8",
    ),
)

LARGE = (
    Bad("deep", lambda by: post(inside(by, b"<a>" * 200 + b"</a>" * 200)), UNREADABLE, "too deep"),
    Bad(
        "very deep",
        lambda by: redirect(inside(by, b"<a>" * 450 + b"</a>" * 450)),
        UNREADABLE,
        "Excessive depth",
        worst=True,
    ),
    Bad(
        "wide",
        lambda by: redirect(inside(by, b"<a/>" * 30_000)),
        UNREADABLE,
        "too many elements",
        worst=True,
    ),
    Bad(
        "many attributes",
        lambda _: post(many(b'x%d=""', 990)),
        UNREADABLE,
        "a is not an AuthnRequest",
        worst=True,
    ),
    Bad(
        "many namespaces",
        lambda _: post(many(b'xmlns:x%d="u"', 990)),
        UNREADABLE,
        "a is not an AuthnRequest",
        worst=True,
    ),
    Bad(
        "a bomb",
        lambda by: redirect(inside(by, b" " * 40_000_000)),
        UNREADABLE,
        "once inflated",
        worst=True,
    ),
    Bad(
        "a large field",
        lambda _: form({"SAMLRequest": "A" * 600_000}),
        UNREADABLE,
        "characters of base64",
        worst=True,
    ),
    Bad(
        "a huge form",
        lambda _: form({"SAMLRequest": "A" * 4_000_000}),
        "http",
        "too large",
        "trop volumineux",
        413,
        worst=True,
    ),
    Bad(
        "many pairs",
        lambda _: Sent("/saml/sso", b"a=1&" * 150_000),
        "http",
        "too many pairs",
        NOT_READ,
        worst=True,
    ),
    Bad(
        "parts",
        lambda _: Sent("/saml/sso", b"--x\r\n\r\n" * 80_000, "multipart/form-data; boundary=x"),
        "http",
        "in parts",
        NOT_READ,
        worst=True,
    ),
    Bad(
        "a long RelayState",
        lambda by: redirect(by.xml(), f"&RelayState={'x' * 1025}"),
        REFUSED,
        "RelayState of more than 1024 bytes",
    ),
    Bad(
        "a long name",
        lambda _: post(b"<" + b"a" * 40_000 + b"/>"),
        UNREADABLE,
        "aaaa… (40023 characters)",
        worst=True,
    ),
    Bad(
        "a line of its own",
        lambda _: post(b'<a xmlns="&#10;[warning] forged&#x2028;"/>'),
        UNREADABLE,
        "[warning] forged",
    ),
)

UNTRUSTED = (
    Bad(
        "unsigned",
        lambda by: redirect(by.signing.authn_request(now=by.now)),
        SIGNATURE,
        "not signed",
    ),
    Bad("signed by another (Redirect)", wrongly_signed_query, SIGNATURE, "does not verify"),
    Bad("signed by another (POST)", wrongly_signed_post, SIGNATURE, "does not verify"),
    Bad("wrapped", wrapped, SIGNATURE, "own ID"),
    Bad("XSLT", stylesheet, SIGNATURE, "xslt", worst=True),
    Bad(
        "replayed",
        lambda by: redirect(by.xml(ID="_sent-twice")),
        "replayed-message",
        "_sent-twice was already used",
        "Cette demande a déjà servi",
        before=True,
    ),
    Bad(
        "stale",
        lambda by: redirect(issued(by, timedelta(minutes=9))),
        REFUSED,
        "issued too long ago",
    ),
    Bad(
        "from the future",
        lambda by: post(issued(by, -timedelta(minutes=5))),
        REFUSED,
        "issued in the future",
    ),
    Bad(
        "an unknown SP",
        lambda by: redirect(FakeSP("inconnu").authn_request(now=by.now)),
        UNKNOWN_SP,
        "https://inconnu.example/metadata",
        UNKNOWN,
    ),
    Bad(
        "a disabled SP",
        lambda by: redirect(by.disabled.authn_request(now=by.now)),
        UNKNOWN_SP,
        "no enabled service provider",
        "est suspendue",
    ),
    Bad(
        "an unregistered ACS",
        lambda by: post(by.xml(AssertionConsumerServiceURL=EVIL)),
        UNKNOWN_ENDPOINT,
        EVIL,
        NOT_HERE,
    ),
    Bad(
        "an unregistered index",
        lambda by: post(
            by.xml(AssertionConsumerServiceURL=None, AssertionConsumerServiceIndex="9")
        ),
        UNKNOWN_ENDPOINT,
        "index 9",
        NOT_HERE,
    ),
    Bad(
        "another Destination",
        lambda by: redirect(by.xml(Destination="https://evil.example/sso")),
        REFUSED,
        "the Destination is 'https://evil.example/sso'",
    ),
    Bad("another version", lambda by: redirect(by.xml(Version="1.1")), REFUSED, "Version is '1.1'"),
)

BAD = (*MALFORMED, *LARGE, *UNTRUSTED)

HEAVY = (
    Bad(
        "elements, 1 MiB",
        lambda by: redirect(inside(by, b"<a>x</a>" * 125_000)),
        UNREADABLE,
        "once inflated",
    ),
    Bad(
        "elements",
        lambda by: redirect(inside(by, b"<a>x</a>" * 14_000)),
        UNREADABLE,
        "too many elements",
    ),
    Bad(
        "attributes",
        lambda by: post(inside(by, many(b'x%d=""', 12_000))),
        UNREADABLE,
        "too many elements or attributes",
    ),
    Bad(
        "text",
        lambda by: redirect(inside(by, "é".encode() * 60_000).replace(*OLD)),
        REFUSED,
        "Version",
    ),
    Bad("new names", lambda by: post(inside(by, new_names()).replace(*OLD)), REFUSED, "Version"),
)
"""Made to cost memory; the last two are within all bounds, and refused for something else."""
