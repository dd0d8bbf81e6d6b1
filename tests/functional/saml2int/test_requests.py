"""saml2int 2.0: what is taken of SPs, and what is not."""

from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta

import pytest
from lxml import etree

from idp.errors import MetadataError
from tests.common.fake_slo import envelope, logout_request
from tests.common.fake_sp import NS, FakeSP, key_pair
from tests.functional.conftest import SSO
from tests.functional.saml2int.conftest import Federation

LEAST, MOST = timedelta(minutes=3), timedelta(minutes=5)
SECOND = timedelta(seconds=1)


def test_skew_of_three_to_five_minutes(federation: Federation, sp: FakeSP) -> None:
    """Whose clock is ahead or behind by three minutes is served, by five no more."""
    now = federation.world.now

    def at(offset: timedelta) -> str:
        return f"{now + offset:%Y-%m-%dT%H:%M:%SZ}"

    assert not federation.is_refused(sp, IssueInstant=at(LEAST))
    assert federation.is_refused(sp, IssueInstant=at(MOST + SECOND))
    lifetime = timedelta(minutes=5)
    assert not federation.is_refused(sp, IssueInstant=at(-lifetime - LEAST))
    assert federation.is_refused(sp, IssueInstant=at(-lifetime - MOST - SECOND))


def test_skew_of_three_to_five_minutes_for_the_end_of_a_logout_request(
    federation: Federation, signing_sp: FakeSP
) -> None:
    received, now = federation.enter(signing_sp), federation.world.now

    def obeyed(end: timedelta) -> bool:
        ends = f"{now + end:%Y-%m-%dT%H:%M:%SZ}"
        request = logout_request(signing_sp, received, now=now, NotOnOrAfter=ends)
        query = signing_sp.redirect_query(request)
        answer = federation.visitor.app.get(f"/saml/slo?{query}", status="*")
        return answer.status_int == 303

    assert not obeyed(-MOST - SECOND)
    assert obeyed(-LEAST + SECOND)


def test_skew_of_three_to_five_minutes_for_the_end_of_metadata(federation: Federation) -> None:
    left = timedelta(minutes=10)
    end = federation.world.now + left
    sp = FakeSP("date", idp_sso=SSO)
    until = f'validUntil="{end:%Y-%m-%dT%H:%M:%SZ}" entityID='.encode()
    federation.join(sp, sp.metadata().replace(b"entityID=", until))
    federation.world.clock.advance(left + LEAST - SECOND)
    assert federation.enter(sp)
    federation.world.clock.advance(MOST - LEAST + 2 * SECOND)
    assert federation.is_refused(sp)


def test_strings_of_256_characters(federation: Federation) -> None:
    """Those of others are taken up to that length."""
    host, path = "https://long.example/", "/metadata"
    sp = FakeSP("long", idp_sso=SSO)
    sp.entity_id = f"{host}{'é' * (256 - len(host) - len(path))}{path}"
    sp.acs = f"{host}{'a' * (256 - len(host))}"
    federation.join(sp)
    received = federation.enter(sp, ProviderName="é" * 256, ID=f"_{'a' * 255}")
    assert received.in_response_to == f"_{'a' * 255}"
    assert federation.is_refused(sp, ID=f"_{'a' * 256}")


def test_strings_of_ours_have_256_characters_at_most(
    federation: Federation,
    signing_sp: FakeSP,
    described: Callable[[], etree._Element],
) -> None:
    encoded = {f"{{{NS['ds']}}}{name}" for name in ("X509Certificate", "SignatureValue")}
    strings = [
        text.strip()
        for root in (described(), federation.enter(signing_sp).xml)
        for node in root.iter()
        if node.tag not in encoded
        for text in (node.text or "", *node.attrib.values())
    ]
    assert len(strings) > 100
    assert max(map(len, strings)) <= 256


def test_dtd_is_refused(federation: Federation, sp: FakeSP, signing_sp: FakeSP) -> None:
    """In what an SP sends through the browser, directly, and in its metadata."""
    app, now = federation.visitor.app, federation.world.now
    form = sp.post_form(sp.authn_request(now=now))
    assert app.post("/saml/sso", form).status_int == 303
    octets = b"<!DOCTYPE samlp:AuthnRequest>" + etree.tostring(sp.authn_request(now=now))
    refused = app.post("/saml/sso", {"SAMLRequest": b64encode(octets).decode()}, status=400)
    assert "SAMLResponse" not in refused.text

    request = logout_request(signing_sp, federation.enter(signing_sp), now=now)
    signing_sp.sign(request)
    headers = {"Content-Type": "text/xml"}
    octets = b"<!DOCTYPE S:Envelope>" + envelope(request)
    answer = app.post("/saml/slo/soap", octets, headers=headers, status=500)
    assert b"Fault" in answer.body
    app.get("/profil", status=200)

    other = FakeSP("autre", idp_sso=SSO)
    with pytest.raises(MetadataError, match=r"DTD|DOCTYPE"):
        federation.join(other, b"<!DOCTYPE md:EntityDescriptor>" + other.metadata())
    assert federation.is_refused(other)


def test_authn_request_by_redirect(federation: Federation, sp: FakeSP) -> None:
    assert federation.enter(sp)


def test_authn_request_by_post(federation: Federation, signing_sp: FakeSP) -> None:
    request = signing_sp.authn_request(now=federation.world.now)
    answer = federation.visitor.app.post("/saml/sso", signing_sp.post_form(request), status=303)
    page = federation.visitor.follow(answer)
    assert federation.world.consume(signing_sp, page, request.get("ID"))


def test_unsigned_request_is_accepted_unless_the_metadata_says_that_the_sp_signs(
    federation: Federation, sp: FakeSP, signing_sp: FakeSP
) -> None:
    assert b'AuthnRequestsSigned="true"' in signing_sp.metadata()
    assert not federation.is_refused(sp)
    assert not federation.is_refused(signing_sp)
    signing_sp.signs = False
    assert federation.is_refused(signing_sp)


def test_a_signature_that_is_there_must_verify(federation: Federation) -> None:
    sp = FakeSP("parfois", signs=True, idp_sso=SSO)
    federation.join(sp, sp.metadata().replace(b'Signed="true"', b'Signed="false"'))
    assert not federation.is_refused(sp)
    sp.private_key, _ = key_pair("somebody-else")
    assert federation.is_refused(sp)
    sp.signs = False
    assert not federation.is_refused(sp)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_any_of_several_signing_certificates_verifies(number: int, federation: Federation) -> None:
    sp = FakeSP("trois", signs=True, idp_sso=SSO)
    pairs = [key_pair(f"key-{each}") for each in range(4)]
    document = sp.metadata()
    begin, end = document.index(b"<md:KeyDescriptor"), document.index(b"</md:KeyDescriptor>") + 19
    one = document[begin:end]
    own = b64encode(sp.certificate)
    assert own in one
    keys = b"".join(one.replace(own, b64encode(certificate)) for _, certificate in pairs[:3])
    federation.join(sp, document.replace(one, keys))
    sp.private_key = pairs[number][0]
    assert federation.enter(sp)
    sp.private_key = pairs[3][0]
    assert federation.is_refused(sp)


def test_the_acs_is_one_of_the_metadata(federation: Federation, sp: FakeSP) -> None:
    other = f"{sp.acs}/other"
    assert federation.response(sp, AssertionConsumerServiceURL=other).get("Destination") == other
    assert federation.is_refused(sp, AssertionConsumerServiceURL="https://evil.example/acs")
    assert federation.is_refused(sp, AssertionConsumerServiceURL=f"{sp.acs}/")


def test_the_acs_is_the_default_one_if_none_is_asked_for(federation: Federation) -> None:
    sp = FakeSP("defaut", idp_sso=SSO)
    document = (
        sp.metadata()
        .replace(b' isDefault="true"', b"")
        .replace(b'index="1"', b'index="1" isDefault="true"')
    )
    federation.join(sp, document)
    response = federation.response(sp, AssertionConsumerServiceURL=None)
    assert response.get("Destination") == f"{sp.acs}/other"


@pytest.mark.parametrize("value", ["true", "1"])
def test_force_authn_is_a_real_challenge(value: str, federation: Federation, sp: FakeSP) -> None:
    federation.world.clock.advance(timedelta(minutes=1))
    before = federation.enter(sp).authn_instant
    request_id, page = federation.ask(sp, ForceAuthn=value)
    assert page.request.path == "/connexion"
    assert "password" in page.forms["formulaire"].fields
    page = federation.visitor.sign_in("agent", page)
    received = federation.world.consume(sp, page, request_id)
    assert received.authn_instant == before + timedelta(minutes=1)
