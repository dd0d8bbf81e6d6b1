"""Legacy exceptions: each holds for the one SP that has it, and until its end."""

from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote, quote_plus

import pytest
import xmlsec
from lxml import etree

import idp.snapshot
from idp.saml import names
from idp.types import Legacy, NameFormat
from metadata.exceptions import Granted
from metadata.granting import Exceptions
from metadata.options import Choice
from tests.common.fake_sp import NS, FakeSP, verify
from tests.functional.conftest import Visitor, World

END = timedelta(minutes=10)
HALF = timedelta(minutes=5)
LONG = "x" * 8192

Probe = Callable[[World, Visitor, FakeSP], bool]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry is asked at each request."""
    monkeypatch.setattr(idp.snapshot, "MAX_AGE", 0)


def grant(world: World, sp: FakeSP, kind: Legacy) -> None:
    exception = Granted(kind, world.now + END, "application ancienne", world.now)
    Exceptions(world.services.core).grant(sp.entity_id, exception)


def response_for(world: World, visitor: Visitor, sp: FakeSP) -> etree._Element:
    _, page = visitor.open(sp, now=world.now)
    return sp.read_page(page.text)[1]


# --- what each exception changes, seen from outside --------------------------------------------


def takes_sha1(world: World, visitor: Visitor, sp: FakeSP) -> bool:
    """By Redirect and by POST alike."""
    key = xmlsec.Key.from_memory(sp.private_key, xmlsec.KeyFormat.PEM)
    query = sp.redirect_query(sp.authn_request(now=world.now), "r", sign=False)
    query += f"&SigAlg={quote_plus(names.RSA_SHA1)}"
    context = xmlsec.SignatureContext()
    context.key = key
    made = context.sign_binary(query.encode(), xmlsec.Transform.RSA_SHA1)
    query += f"&Signature={quote_plus(b64encode(made))}"
    by_redirect = visitor.app.get(f"/saml/sso?{query}", status="*").status_int == 200
    posted = sp.authn_request(now=world.now)
    enveloped_sha1(posted, key)
    form = sp.post_form(posted, sign=False)
    by_post = visitor.app.post("/saml/sso", form, status="*").status_int == 303
    assert by_redirect == by_post
    return by_redirect


def enveloped_sha1(request: etree._Element, key: xmlsec.Key) -> None:
    signature = xmlsec.template.create(
        request, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA1, ns="ds"
    )
    request.insert(1, signature)
    reference = xmlsec.template.add_reference(
        signature, xmlsec.Transform.SHA1, uri=f"#{request.get('ID')}"
    )
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    xmlsec.tree.add_ids(request, ["ID"])
    context = xmlsec.SignatureContext()
    context.key = key
    context.sign(signature)


def is_signed_with_sha1(world: World, visitor: Visitor, sp: FakeSP) -> bool:
    """Response and assertion; both verify with our published key all the same."""
    response = response_for(world, visitor, sp)
    certificate = world.services.signer.certificates()[0]
    verify(response, certificate)
    assertion = response.find("saml:Assertion", NS)
    verify(etree.fromstring(etree.tostring(assertion, method="c14n", exclusive=True)), certificate)
    methods = {each.get("Algorithm") for each in response.iter(f"{{{NS['ds']}}}SignatureMethod")}
    digests = {each.get("Algorithm") for each in response.iter(f"{{{NS['ds']}}}DigestMethod")}
    assert len(methods) == len(digests) == 1
    assert (methods == {names.RSA_SHA1}) == (digests == {f"{names.DS}sha1"})
    return methods == {names.RSA_SHA1}


def is_in_the_clear(world: World, visitor: Visitor, sp: FakeSP) -> bool:
    return response_for(world, visitor, sp).find("saml:Assertion", NS) is not None


def signs_the_assertion_alone(world: World, visitor: Visitor, sp: FakeSP) -> bool:
    response = response_for(world, visitor, sp)
    assert response.find("saml:Assertion/ds:Signature", NS) is not None
    return response.find("ds:Signature", NS) is None


def attribute(response: etree._Element, name: str) -> etree._Element:
    path = f"saml:Assertion/saml:AttributeStatement/saml:Attribute[@Name='{name}']"
    return response.find(path, NS)


def sends_roles_in_one_value(world: World, visitor: Visitor, sp: FakeSP) -> bool:
    values = [each.text for each in attribute(response_for(world, visitor, sp), "role")]
    assert values in (["gest", "lecteur é"], ["gest;lecteur é"])
    return len(values) == 1


def says_unspecified(world: World, visitor: Visitor, sp: FakeSP) -> bool:
    response = response_for(world, visitor, sp)
    formats = {each.get("NameFormat") for each in response.iter(f"{{{NS['saml']}}}Attribute")}
    assert len(formats) == 1
    return formats == {NameFormat.UNSPECIFIED.value}


def takes_a_long_relay_state(world: World, visitor: Visitor, sp: FakeSP) -> bool:
    """From the SP, and from whoever starts here."""
    query = sp.redirect_query(sp.authn_request(now=world.now), LONG)
    page = visitor.app.get(f"/saml/sso?{query}", status="*")
    taken = page.status_int == 200
    if taken:
        assert sp.read_page(page.text)[2] == LONG
        too_long = sp.redirect_query(sp.authn_request(now=world.now), f"{LONG}x")
        assert visitor.app.get(f"/saml/sso?{too_long}", status="*").status_int == 400
    start = f"/saml/sso/init?sp={quote(sp.entity_id, safe='')}&RelayState={LONG}"
    assert (visitor.app.get(start, status="*").status_int == 200) == taken
    return taken


PROBES: dict[Legacy, Probe] = {
    Legacy.SHA1_SIGNATURE: takes_sha1,
    Legacy.SHA1_SIGNING: is_signed_with_sha1,
    Legacy.UNENCRYPTED: is_in_the_clear,
    Legacy.UNSIGNED_RESPONSE: signs_the_assertion_alone,
    Legacy.DELIMITED_ROLES: sends_roles_in_one_value,
    Legacy.UNSPECIFIED_NAME_FORMAT: says_unspecified,
    Legacy.LONG_RELAY_STATE: takes_a_long_relay_state,
}


def test_every_exception_is_probed() -> None:
    assert set(PROBES) == set(Legacy)


@pytest.mark.parametrize("kind", Legacy)
def test_an_exception_holds_for_that_sp_and_until_its_end(
    kind: Legacy, world: World, visitor: Visitor
) -> None:
    probe, encrypts = PROBES[kind], kind is Legacy.UNENCRYPTED
    old, other = (
        world.add_sp(code, code, Choice(), signs=True, encrypts=encrypts)
        for code in ("old", "other")
    )
    for code in ("old", "other"):
        for role in ("gest", "lect"):
            world.directory.assign(world.memberships["agent/vitry"], code, role)
    visitor.sign_in("agent")
    assert not probe(world, visitor, old), "without it"
    grant(world, old, kind)
    assert probe(world, visitor, old), "with it"
    assert not probe(world, visitor, other), "for nobody else"
    world.clock.advance(HALF)
    assert probe(world, visitor, old), "still"
    world.clock.advance(HALF)
    assert not probe(world, visitor, old), "over, though nobody touched the registration"


@pytest.mark.parametrize("kind", [each for each in Legacy if each is not Legacy.SHA1_SIGNATURE])
def test_no_other_exception_lets_sha1_in(kind: Legacy, world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    sp = world.sps["bip"]
    grant(world, sp, kind)
    assert not takes_sha1(world, visitor, sp)


def test_a_role_that_holds_the_delimiter_is_not_sent_as_two(world: World, visitor: Visitor) -> None:
    sp = world.sps["bip"]
    world.directory.add_role("bip", "double", "Double", value="lect;admin")
    world.directory.assign(world.memberships["agent/vitry"], "bip", "double")
    visitor.sign_in("agent")
    grant(world, sp, Legacy.DELIMITED_ROLES)
    _, page = visitor.open(sp, now=world.now)
    assert page.status_int == 500
    assert "SAMLResponse" not in page.text
