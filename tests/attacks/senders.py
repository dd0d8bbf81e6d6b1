"""Who sends bad requests, and how each is made."""

import zlib
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote_plus, urlencode

from lxml import etree

from idp.saml.names import q
from tests.attacks.wrappings import Wrapping
from tests.common.fake_sp import FakeSP, key_pair

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Sent:
    """An HTTP request; ``body`` None is a GET."""

    path: str
    body: bytes | None = None
    content_type: str = FORM


@dataclass(frozen=True)
class Senders:
    """Who speaks: ``signing`` must sign, ``plain`` need not, ``disabled`` is suspended."""

    signing: FakeSP
    plain: FakeSP
    disabled: FakeSP
    now: datetime

    def request(self, **attributes: str | None) -> etree._Element:
        return self.plain.authn_request(now=self.now, **attributes)

    def xml(self, **attributes: str | None) -> bytes:
        return etree.tostring(self.request(**attributes))

    def genuine(self) -> etree._Element:
        root = self.signing.authn_request(now=self.now)
        self.signing.sign(root)
        return etree.fromstring(etree.tostring(root))


def redirect(xml: bytes | etree._Element, more: str = "") -> Sent:
    octets = xml if isinstance(xml, bytes) else etree.tostring(xml)
    compressor = zlib.compressobj(9, wbits=-15)
    value = b64encode(compressor.compress(octets) + compressor.flush())
    return Sent(f"/saml/sso?SAMLRequest={quote_plus(value)}{more}")


def post(xml: bytes | etree._Element, **more: str) -> Sent:
    octets = xml if isinstance(xml, bytes) else etree.tostring(xml)
    return form({"SAMLRequest": b64encode(octets).decode(), **more})


def form(values: dict[str, str] | list[tuple[str, str]]) -> Sent:
    return Sent("/saml/sso", urlencode(values).encode())


def inside(by: Senders, content: bytes) -> bytes:
    """An AuthnRequest with this where anything may stand."""
    mark = b"</saml:Issuer>"
    extended = mark + b"<samlp:Extensions>" + content + b"</samlp:Extensions>"
    return by.xml().replace(mark, extended)


def signed_by_another(by: Senders) -> FakeSP:
    false = FakeSP("nobody")
    false.entity_id, false.acs = by.signing.entity_id, by.signing.acs
    false.idp_sso = by.signing.idp_sso
    false.private_key, _ = key_pair("nobody")
    return false


def wrongly_signed_query(by: Senders) -> Sent:
    false = signed_by_another(by)
    return Sent(f"/saml/sso?{false.redirect_query(false.authn_request(now=by.now), sign=True)}")


def wrongly_signed_post(by: Senders) -> Sent:
    false = signed_by_another(by)
    return form(false.post_form(false.authn_request(now=by.now), sign=True))


def wrapped(by: Senders) -> Sent:
    forged = by.signing.authn_request(now=by.now)
    Wrapping("Extensions", "after the Issuer").wrap(forged, by.genuine())
    return post(forged)


def stylesheet(by: Senders) -> Sent:
    loop = "<x:text>x</x:text>"
    for _ in range(6):
        loop = f'<x:for-each select="//*">{loop}</x:for-each>'
    root = by.genuine()
    transform = etree.Element(
        q("ds", "Transform"), Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"
    )
    transform.append(
        etree.fromstring(
            '<x:stylesheet version="1.0" xmlns:x="http://www.w3.org/1999/XSL/Transform">'
            f'<x:template match="/"><a>{loop}</a></x:template></x:stylesheet>'
        )
    )
    root.find(f".//{q('ds', 'Transforms')}").insert(0, transform)
    return post(root)


def laughs(by: Senders) -> bytes:
    entities = "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
    return f"<!DOCTYPE x [<!ENTITY a0 'ha'>{entities}]>".encode() + by.xml()


def issued(by: Senders, ago: timedelta) -> bytes:
    return etree.tostring(by.plain.authn_request(now=by.now - ago))


def html_issuer(by: Senders) -> bytes:
    issuer = b"&lt;script&gt;alert(1)&lt;/script&gt;"
    return by.xml().replace(by.plain.entity_id.encode(), issuer)
