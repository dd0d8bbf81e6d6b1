"""What the street may send to the SingleSignOnService, each named after the attack.

Refused means: a French page with an id, no Response, nothing stored, nothing in the journal.
"""

import tracemalloc
from base64 import b64encode
from datetime import timedelta
from urllib.parse import quote_plus, unquote_plus

import pytest
from lxml import etree

from idp.saml.names import q
from idp.types import AuthnContext
from tests.attacks.conftest import Street, deflated
from tests.common.fake_sp import SAML, SAMLP, FakeSP

NET_CAP = "https://net-cap.example/metadata"


@pytest.fixture
def sp(street: Street) -> FakeSP:
    """Net-CAP, which does not sign its requests: all that protects it is what is read."""
    return street.world.sps["net-cap"]


def message(street: Street, sp: FakeSP, **attributes: str | None) -> bytes:
    """An AuthnRequest that would be accepted, but for these attributes."""
    root = sp.authn_request(now=street.world.now, **attributes)
    return etree.tostring(root, encoding="unicode").encode()


def test_the_message_that_the_attacks_vary_is_accepted(street: Street, sp: FakeSP) -> None:
    query = f"SAMLRequest={deflated(message(street, sp))}"
    assert "SAMLResponse" in street.app.get(f"/saml/sso?{query}", status=200).text
    form = {"SAMLRequest": b64encode(message(street, sp)).decode()}
    assert "SAMLResponse" in street.app.post("/saml/sso", form, status=303).follow().text


# --- who speaks --------------------------------------------------------------------------------


def test_unknown_service_provider(street: Street) -> None:
    stranger = FakeSP("inconnu")
    street.both(message(street, stranger))
    street.both(message(street, stranger, AssertionConsumerServiceURL=None))


@pytest.mark.parametrize(
    "issuer",
    [
        f"{NET_CAP}.evil",
        f"{NET_CAP}<!-- -->.evil",
        f"{NET_CAP}<?x y?>.evil",
        f"<b>{NET_CAP}</b>.evil",
        NET_CAP.upper(),
        f"{NET_CAP}/",
        f"{NET_CAP}&#x200B;",
        "",
        "   ",
        "x" * 5000,
    ],
)
def test_an_issuer_that_is_nearly_the_right_one(street: Street, sp: FakeSP, issuer: str) -> None:
    xml = message(street, sp)
    forged = xml.replace(NET_CAP.encode(), issuer.encode(), 1)
    assert forged != xml
    street.both(forged)


def test_an_issuer_with_a_foreign_format(street: Street, sp: FakeSP) -> None:
    street.both(
        message(street, sp).replace(
            b"<saml:Issuer>",
            b'<saml:Issuer Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">',
        )
    )


# --- where the answer should go ----------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/acs",
        "https://net-cap.example/acs.evil.example",
        "https://net-cap.example@evil.example/acs",
        "https://net-cap.example/acs?x=1",
        "https://net-cap.example/acs/",
        "https://net-cap.example/acs/../evil",
        "https://NET-CAP.example/acs",
        "http://net-cap.example/acs",
        "https://bip.example/acs",
        "javascript:alert(1)",
        "",
    ],
)
def test_unregistered_assertion_consumer_service(street: Street, sp: FakeSP, url: str) -> None:
    street.both(message(street, sp, AssertionConsumerServiceURL=url))


@pytest.mark.parametrize("index", ["7", "-1", "65536", "0x0", "\u0660", "1_0", "", "0 0"])
def test_unregistered_assertion_consumer_service_index(
    street: Street, sp: FakeSP, index: str
) -> None:
    changes = {"AssertionConsumerServiceURL": None, "AssertionConsumerServiceIndex": index}
    street.both(message(street, sp, **changes))


def test_an_index_together_with_a_url(street: Street, sp: FakeSP) -> None:
    street.both(message(street, sp, AssertionConsumerServiceIndex="1"))


@pytest.mark.parametrize("binding", ["HTTP-Artifact", "HTTP-Redirect", "SOAP", "PAOS"])
def test_an_answer_by_another_binding(street: Street, sp: FakeSP, binding: str) -> None:
    uri = f"urn:oasis:names:tc:SAML:2.0:bindings:{binding}"
    street.both(message(street, sp, ProtocolBinding=uri))


@pytest.mark.parametrize(
    "destination",
    [
        "https://evil.example/saml/sso",
        "http://localhost:6543/saml/slo",
        "http://localhost:6543/saml/sso/",
        "http://localhost:6543/saml/sso?x",
        "https://localhost:6543/saml/sso",
        "",
    ],
)
def test_a_message_meant_for_somebody_else(street: Street, sp: FakeSP, destination: str) -> None:
    street.both(message(street, sp, Destination=destination))


# --- when --------------------------------------------------------------------------------------


@pytest.mark.parametrize("age", [timedelta(minutes=9), timedelta(days=9000), -timedelta(minutes=4)])
def test_stale_or_from_the_future(street: Street, sp: FakeSP, age: timedelta) -> None:
    street.both(etree.tostring(sp.authn_request(now=street.world.now - age)))


@pytest.mark.parametrize(
    "instant", ["", "hier", "2026-13-45T00:00:00Z", "99999-01-01T00:00:00Z", "0", "2026-11-20"]
)
def test_a_date_that_is_none(street: Street, sp: FakeSP, instant: str) -> None:
    street.both(message(street, sp, IssueInstant=instant))


def test_replay_by_the_same_and_by_the_other_binding(street: Street, sp: FakeSP) -> None:
    xml = message(street, sp)
    street.app.get(f"/saml/sso?SAMLRequest={deflated(xml)}", status=200)
    street.world.clock.advance(timedelta(minutes=3))
    street.both(xml)
    waiting = message(street, sp)
    form = {"SAMLRequest": b64encode(waiting).decode()}
    street.app.post("/saml/sso", form, status=303)
    street.both(waiting)


def test_two_service_providers_may_use_the_same_id(street: Street, sp: FakeSP) -> None:
    other = street.world.sps["site"]
    for each in (sp, other):
        xml = message(street, each, ID="_chosen")
        street.app.get(f"/saml/sso?SAMLRequest={deflated(xml)}", status=200)


# --- what it says ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.1", "2.1", "2", "", "2.0 "])
def test_another_version(street: Street, sp: FakeSP, version: str) -> None:
    street.both(message(street, sp, Version=version))


@pytest.mark.parametrize("identifier", [None, "", "1a", "a b", "a" * 300, "_a\u0301/..", "<"])
def test_an_id_that_is_none(street: Street, sp: FakeSP, identifier: str | None) -> None:
    street.both(message(street, sp, ID=identifier))


@pytest.mark.parametrize("value", ["yes", "TRUE", "2", ""])
@pytest.mark.parametrize("name", ["ForceAuthn", "IsPassive"])
def test_a_boolean_that_is_none(street: Street, sp: FakeSP, name: str, value: str) -> None:
    street.both(message(street, sp, **{name: value}))


def _element(prefix: str, name: str, **attributes: str) -> etree._Element:
    return etree.Element(q(prefix, name), attributes)


SHAPES = {
    "two issuers": lambda root: root.insert(1, etree.fromstring(etree.tostring(root[0]))),
    "issuer last": lambda root: (
        root.append(_element("samlp", "NameIDPolicy")) or root.append(root[0])
    ),
    "no issuer": lambda root: root.remove(root[0]),
    "two policies": lambda root: root.extend([_element("samlp", "NameIDPolicy") for _ in "ab"]),
    "an assertion inside": lambda root: root.append(_element("saml", "Assertion")),
    "a stranger's element": lambda root: root.append(etree.Element("{urn:x}y")),
    "an empty context": lambda root: root.append(_element("samlp", "RequestedAuthnContext")),
    "an unknown comparison": lambda root: root.append(
        etree.fromstring(
            f'<p:RequestedAuthnContext xmlns:p="{SAMLP}" xmlns:a="{SAML}" Comparison="any">'
            f"<a:AuthnContextClassRef>{AuthnContext.PASSWORD_PROTECTED_TRANSPORT}"
            "</a:AuthnContextClassRef></p:RequestedAuthnContext>"
        )
    ),
    "another message": lambda root: setattr(root, "tag", q("samlp", "LogoutRequest")),
    "a response": lambda root: setattr(root, "tag", q("samlp", "Response")),
    "another namespace": lambda root: setattr(root, "tag", "{urn:x}AuthnRequest"),
    "no namespace": lambda root: setattr(root, "tag", "AuthnRequest"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_that_the_schema_does_not_have(street: Street, sp: FakeSP, shape: str) -> None:
    root = sp.authn_request(now=street.world.now)
    SHAPES[shape](root)
    street.both(root)


# --- how it is written -------------------------------------------------------------------------

DTDS = {
    "xxe": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "xxe_network": '<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:9/">]>',
    "internal_entity": '<!DOCTYPE x [<!ENTITY e "https://net-cap.example/metadata">]>',
    "parameter_entity": '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]>',
    "external_dtd": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    "public_dtd": '<!DOCTYPE x PUBLIC "-//x" "file:///etc/hostname">',
    "empty_dtd": "<!DOCTYPE x>",
    "default_attribute": '<!DOCTYPE x [<!ATTLIST x ID CDATA "_a">]>',
    "billion_laughs": "<!DOCTYPE x [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
    + "<!ENTITY e '&a9;'>]>",
}


@pytest.mark.parametrize("dtd", DTDS)
def test_document_type_definition(street: Street, sp: FakeSP, dtd: str) -> None:
    xml = message(street, sp)
    street.both(DTDS[dtd].encode() + xml)
    street.both(DTDS[dtd].encode() + xml.replace(NET_CAP.encode(), b"&e;"))
    street.both(b'<?xml version="1.0"?>\n<!-- x -->' + DTDS[dtd].encode() + xml)
    street.both(
        f'<?xml version="1.0" encoding="utf-16"?>{DTDS[dtd]}{xml.decode()}'.encode("utf-16")
    )


def test_not_utf_8(street: Street, sp: FakeSP) -> None:
    xml = message(street, sp, ProviderName="Collectivité").replace("é".encode(), b"\xe9")
    street.both(xml)
    street.both(b'<?xml version="1.0" encoding="iso-8859-1"?>' + xml)
    street.both(message(street, sp).decode().encode("utf-16"))
    street.both(message(street, sp).decode().encode("utf-32"))
    street.both(message(street, sp) + b"\0")
    street.both(b"\xff\xfe\xfd")


GARBAGE = {
    "empty": b"",
    "spaces": b"   ",
    "text": b"bonjour",
    "html": b"<html><body>x",
    "cut short": b"<samlp:AuthnRequest",
    "unbound prefix": b"<samlp:AuthnRequest/>",
    "two roots": b"<a/><b/>",
    "undefined entity": b"<a>&nbsp;</a>",
    "control character": b"<a>&#0;</a>",
    "deep nesting": b"<a>" * 5000 + b"</a>" * 5000,
    "many elements": b"<a>" + b"<b/>" * 90_000 + b"</a>",
    "many attributes": b"<a " + b" ".join(b'x%d=""' % n for n in range(20_000)) + b"/>",
    "many namespaces": b"<a " + b" ".join(b'xmlns:x%d="u"' % n for n in range(20_000)) + b"/>",
    "a long name": b"<" + b"a" * 400_000 + b"/>",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage(street: Street, name: str) -> None:
    street.redirect(f"SAMLRequest={deflated(GARBAGE[name])}")
    street.post({"SAMLRequest": b64encode(GARBAGE[name]).decode()})


def test_deflate_bomb(street: Street, sp: FakeSP) -> None:
    head, tail = message(street, sp).split(b"</saml:Issuer>")
    bomb = deflated(head + b" " * 40_000_000 + b"</saml:Issuer>" + tail)
    tracemalloc.start()
    try:
        street.redirect(f"SAMLRequest={bomb}")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000, "the limit is on what is inflated, not on what was inflated"


def test_a_posted_message_is_never_inflated(street: Street, sp: FakeSP) -> None:
    street.post({"SAMLRequest": unquote_plus(deflated(message(street, sp)))})


def test_something_after_the_deflated_message(street: Street, sp: FakeSP) -> None:
    del sp
    street.redirect("SAMLRequest=" + quote_plus(b64encode(b"\x03\x00" + b"x" * 100)))


def test_oversize(street: Street, sp: FakeSP) -> None:
    xml = message(street, sp).replace(b"</saml:Issuer>", b" " * 3_000_000 + b"</saml:Issuer>")
    street.redirect(f"SAMLRequest={deflated(xml)}")
    street.redirect("SAMLRequest=" + "A" * 600_000)
    street.post({"SAMLRequest": "A" * 600_000})
    street.post({"SAMLRequest": "A" * 5_000_000}, status=413)


def test_a_request_of_unknown_length(street: Street) -> None:
    answer = street.app.request(
        "/saml/sso",
        method="POST",
        body=b"SAMLRequest=x",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        environ={"wsgi.input_terminated": True},
        expect_errors=True,
    )
    assert 400 <= answer.status_int < 500
