"""Sign-on as an SP and a browser see it: what leaves, what does not, and who is asked what."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest
from lxml import etree
from sqlalchemy import select
from webtest import TestApp, TestResponse

from idp.audit import AuditEvent
from idp.saml.names import q
from idp.types import NameIDFormat
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.fake_sp import SAML, SAMLP, FakeSP, status_of
from tests.functional.conftest import PASSWORD, Visitor, World, check_lost, text_of, tile_of
from tests.functional.test_permissions import CSRF_COOKIE

CASES = {
    "bip": {},
    "net-cap": {},
    "net-cotisations": {"response_signed": False},
    "site": {"assertion_signed": False},
}


@pytest.mark.parametrize("code", CASES)
def test_an_agent_reaches_each_sp_from_the_sp(code: str, world: World, visitor: Visitor) -> None:
    sp = world.sps[code]
    request_id, page = visitor.open(sp, now=world.now)
    assert page.request.path == "/connexion"
    received = world.consume(sp, visitor.sign_in("agent", page), request_id, **CASES[code])
    assert received.relay_state == "retour"
    again_id, again = visitor.open(sp, now=world.now)
    assert again.request.path == "/saml/sso", "a Redirect request of a signed-in person: at once"
    assert world.consume(sp, again, again_id, **CASES[code]).authn_instant == received.authn_instant


@pytest.mark.parametrize("code", CASES)
def test_an_agent_reaches_each_sp_from_its_tile(code: str, world: World, visitor: Visitor) -> None:
    sp = world.sps[code]
    tile = tile_of(visitor.sign_in("agent"), world.directory.application_label(sp.entity_id))
    assert tile == f"/saml/sso/init?sp={quote(sp.entity_id, safe='')}"
    received = world.consume(sp, visitor.app.get(tile), None, **CASES[code])
    assert received.in_response_to is None


def test_only_the_roles_on_this_sp_leave_and_nothing_that_no_rule_names(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("agent")
    request_id, page = visitor.open(world.sps["bip"], now=world.now)
    assert world.consume(world.sps["bip"], page, request_id).attributes == {
        "uid": ["agent@demo.example"],
        "mail": ["agent@demo.example"],
        "givenName": ["Léa"],
        "sn": ["Noël"],
        "displayName": ["Léa Noël"],
        "role": ["gest", "lecteur é"],
        "structure": ["vitry"],
    }
    request_id, page = visitor.open(world.sps["net-cotisations"], now=world.now)
    received = world.consume(world.sps["net-cotisations"], page, request_id, response_signed=False)
    assert received.attributes["role"] == ["gest@vitry"]


def test_an_authn_request_by_post_goes_on_at_our_own_address(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("agent")
    sp = world.sps["bip"]
    request = sp.authn_request(now=world.now)
    answer = visitor.app.post("/saml/sso", sp.post_form(request, "é\t+"))
    assert answer.status_int == 303
    assert answer.location.startswith("http://localhost:6543/saml/sso/suite?flow=")
    received = world.consume(sp, visitor.follow(answer), request.get("ID"))
    assert received.relay_state == "é\t+"


def test_without_a_role_the_page_names_the_application_and_the_referents_and_nothing_leaves(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("sansdroit")
    for answer in (
        visitor.open(world.sps["bip"], now=world.now)[1],
        visitor.app.get(f"/saml/sso/init?sp={world.sps['bip'].entity_id}", status="*"),
    ):
        assert answer.status_int == 403
        assert "SAMLResponse" not in answer.text
        assert "BIP" in text_of(answer)
        assert "Rémi FORT" in text_of(answer)


def test_scoped_and_parallel_sps_receive_every_structure(world: World, visitor: Visitor) -> None:
    visitor.sign_in("multi")
    request_id, page = visitor.open(world.sps["net-cotisations"], now=world.now)
    scoped = world.consume(
        world.sps["net-cotisations"], page, request_id, response_signed=False
    ).attributes
    assert sorted(scoped["role"]) == ["gest@vitry", "lecteur é@ivry"]
    request_id, page = visitor.open(world.sps["site"], now=world.now)
    site = world.consume(world.sps["site"], page, request_id, assertion_signed=False).attributes
    assert set(zip(site["role"], site["structure"], strict=True)) == {
        ("gest", "vitry"),
        ("lecteur é", "ivry"),
    }


def test_a_withdrawn_role_is_gone_from_the_next_assertion(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    world.directory.unassign(world.memberships["agent/vitry"], "bip", "lect")
    request_id, page = visitor.open(world.sps["bip"], now=world.now)
    assert world.consume(world.sps["bip"], page, request_id).attributes["role"] == ["gest"]


def test_a_locked_account_is_out_at_its_next_request(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    world.directory.lock(world.people["agent"])
    assert visitor.open(world.sps["bip"], now=world.now)[1].request.path == "/connexion"
    assert visitor.follow(visitor.app.get("/")).request.path == "/connexion"


@pytest.mark.parametrize("code", ["bip", "net-cap"])
def test_a_session_older_than_the_password_opens_nothing(
    code: str, world: World, visitor: Visitor
) -> None:
    """Whoever knew the old password is out, whatever the directory did about his sessions."""
    sp = world.sps[code]
    for name in ("agent", "sansdroit"):
        visitor.sign_in(name)
        world.clock.advance(timedelta(minutes=1))
        account = world.directory._accounts[world.people[name]]
        account.subject = replace(account.subject, password_changed_at=world.now)
        for asked in (
            visitor.open(sp, now=world.now)[1],
            visitor.follow(visitor.app.get(f"/saml/sso/init?sp={sp.entity_id}")),
        ):
            assert asked.request.path == "/connexion"
            assert "SAMLResponse" not in asked.text


def test_a_persistent_name_id_is_pairwise_and_stays(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    sp = world.sps["bip"]
    values = set()
    for _ in range(2):
        request_id, page = visitor.open(sp, now=world.now)
        received = world.consume(sp, page, request_id)
        assert received.name_id_format == NameIDFormat.PERSISTENT
        values.add(received.name_id)
    assert len(values) == 1
    assert "agent" not in values.pop()


def test_a_transient_name_id_is_new_each_time(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    sp = world.sps["net-cap"]
    values = []
    for _ in range(2):
        request_id, page = visitor.open(sp, now=world.now)
        received = world.consume(sp, page, request_id)
        assert received.name_id_format == NameIDFormat.TRANSIENT
        values.append(received.name_id)
    assert len(set(values)) == 2


def test_force_authn_asks_for_the_password_again(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    world.clock.advance(timedelta(minutes=5))
    asked_at = world.now
    request_id, page = visitor.open(world.sps["bip"], now=asked_at, ForceAuthn="1")
    assert page.request.path == "/connexion"
    world.clock.advance(timedelta(seconds=20))
    received = world.consume(world.sps["bip"], visitor.sign_in("agent", page), request_id)
    assert received.authn_instant >= asked_at


@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "signed in"])
def test_nodes_of_different_clocks_agree_that_force_authn_is_met(
    signed_in: bool,  # noqa: FBT001
    world: World,
    visitor: Visitor,
) -> None:
    """One received the request; another, whose clock is slow, checked the password."""
    world.clock.advance(timedelta(minutes=5))
    if signed_in:
        visitor.sign_in("agent")
    sp = world.sps["bip"]
    request_id, page = visitor.open(sp, now=world.now, ForceAuthn="true")
    world.clock.advance(-timedelta(seconds=30))
    assert world.consume(sp, visitor.sign_in("agent", page), request_id)


def test_force_authn_is_met_by_the_sign_in_on_its_own_way_alone(
    world: World, visitor: Visitor, another_visitor: Callable[[], Visitor]
) -> None:
    sp = world.sps["bip"]
    _, page = visitor.open(sp, now=world.now, ForceAuthn="true")
    go_on = f"/saml/sso/suite?flow={page.request.params['flow']}"
    world.clock.advance(timedelta(seconds=5))

    def is_asked(browser: Visitor) -> bool:
        answer = browser.follow(browser.app.get(go_on))
        return answer.request.path == "/connexion" and "formulaire" in answer.forms

    visitor.sign_in("agent")
    assert is_asked(visitor), "signed in since, in another tab, for the portal"
    _, other = visitor.open(world.sps["net-cap"], now=world.now, ForceAuthn="true")
    visitor.sign_in("agent", other)
    assert is_asked(visitor), "signed in since, for another sign-on"
    neighbour = another_visitor()
    neighbour.sign_in("multi")
    assert is_asked(neighbour), "another person, in another browser"
    form = visitor.app.get(f"/connexion?flow={page.request.params['flow']}").forms["formulaire"]
    form["login"], form["password"] = "agent@demo.example", PASSWORD
    assert form.submit(status=303).location.endswith(go_on)
    assert is_asked(neighbour), "met, by somebody else"
    assert "SAMLResponse" in visitor.app.get(go_on).text


@pytest.mark.parametrize("binding", ["redirect", "post"])
def test_is_passive_never_shows_a_page(binding: str, world: World, visitor: Visitor) -> None:
    sp = world.sps["net-cap"]

    def ask() -> tuple[str, etree._Element]:
        request = sp.authn_request(now=world.now, IsPassive="true")
        if binding == "redirect":
            answer = visitor.app.get(f"/saml/sso?{sp.redirect_query(request)}")
        else:
            answer = visitor.app.post("/saml/sso", sp.post_form(request))
        _, response, _ = sp.read_page(visitor.follow(answer).text)
        return request.get("ID"), response

    request_id, response = ask()
    assert status_of(response) == ("Responder", "NoPassive"), "nobody is signed in"
    assert response.get("InResponseTo") == request_id
    visitor.sign_in("multi")
    assert status_of(ask()[1]) == ("Responder", "NoPassive"), "the structure would be asked"


def test_is_passive_without_a_role_is_denied(world: World, visitor: Visitor) -> None:
    visitor.sign_in("sansdroit")
    sp = world.sps["net-cap"]
    _, page = visitor.open(sp, now=world.now, IsPassive="true")
    assert status_of(sp.read_page(page.text)[1]) == ("Responder", "RequestDenied")


def test_is_passive_answers_a_signed_in_person(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    sp = world.sps["net-cap"]
    request_id, page = visitor.open(sp, now=world.now, IsPassive="true")
    assert world.consume(sp, page, request_id).attributes


def _policy(**attributes: str) -> etree._Element:
    return etree.Element(q("samlp", "NameIDPolicy"), attributes)


def _context(class_ref: str, comparison: str = "exact") -> etree._Element:
    node = etree.Element(q("samlp", "RequestedAuthnContext"), {"Comparison": comparison})
    etree.SubElement(node, q("saml", "AuthnContextClassRef")).text = class_ref
    return node


def _subject(value: str) -> etree._Element:
    node = etree.Element(q("saml", "Subject"), nsmap={"saml": SAML, "samlp": SAMLP})
    etree.SubElement(node, q("saml", "NameID")).text = value
    return node


X509 = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509"
PERSISTENT = NameIDFormat.PERSISTENT


@pytest.mark.parametrize(
    ("code", "child", "status"),
    [
        ("net-cap", _policy(Format=NameIDFormat.EMAIL_ADDRESS), "InvalidNameIDPolicy"),
        ("net-cap", _policy(Format="urn:example:kerberos"), "InvalidNameIDPolicy"),
        ("net-cap", _policy(SPNameQualifier="https://bip.example"), "InvalidNameIDPolicy"),
        ("net-cap", _policy(Format=PERSISTENT), "InvalidNameIDPolicy"),
        ("net-cap", _context(X509), "NoAuthnContext"),
        ("net-cap", _context(X509, "minimum"), "NoAuthnContext"),
        ("net-cap", _subject("someone@else.example"), "UnknownPrincipal"),
    ],
)
def test_what_cannot_be_met_is_answered_with_a_status(
    code: str, child: etree._Element, status: str, world: World, visitor: Visitor
) -> None:
    visitor.sign_in("agent")
    sp = world.sps[code]
    request = sp.authn_request(child, now=world.now)
    answer = visitor.app.get(f"/saml/sso?{sp.redirect_query(request)}")
    _, response, _ = sp.read_page(answer.text)
    assert status_of(response)[1] == status
    assert response.find(q("saml", "Assertion")) is None


def test_a_policy_may_pick_an_allowed_format_and_the_subject_may_be_named(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("agent")
    sp = world.sps["net-cap"]
    policy = _policy(Format=PERSISTENT, AllowCreate="true")
    request = sp.authn_request(_subject("AGENT@demo.example"), policy, now=world.now)
    answer = visitor.app.get(f"/saml/sso?{sp.redirect_query(request)}")
    received = world.consume(sp, answer, request.get("ID"))
    assert received.name_id_format == PERSISTENT


def test_a_replayed_request_is_refused_while_pending_and_once_answered(
    world: World, visitor: Visitor
) -> None:
    sp = world.sps["bip"]
    query = sp.redirect_query(sp.authn_request(now=world.now))
    first = visitor.app.get(f"/saml/sso?{query}")
    assert first.status_int == 303
    assert visitor.app.get(f"/saml/sso?{query}", status=400).status_int == 400
    visitor.sign_in("agent")
    assert "SAMLResponse" in visitor.follow(first).text
    answer = visitor.app.get(f"/saml/sso?{query}", status=400)
    assert "SAMLResponse" not in answer.text


def test_a_pending_sign_on_is_answered_once(world: World, visitor: Visitor) -> None:
    sp = world.sps["bip"]
    _, page = visitor.open(sp, now=world.now)
    flow = page.request.params["flow"]
    assert "SAMLResponse" in visitor.sign_in("agent", page).text
    check_lost(visitor.app.get(f"/saml/sso/suite?flow={flow}"), "/")


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "signed in"])
def test_a_lost_sign_on_is_no_error_wherever_it_goes_on(
    signed_in: bool,  # noqa: FBT001
    visitor: Visitor,
) -> None:
    visitor.app.get("/connexion")
    if signed_in:
        visitor.sign_in("agent")
    page = "/" if signed_in else "/connexion"
    form = {"csrf_token": visitor.app.cookies[CSRF_COOKIE], "membership": "x"}
    for flow in ("", "inconnu", "é"):
        for path in ("/saml/sso/suite", "/saml/sso/structure"):
            check_lost(visitor.app.get(path, {"flow": flow}), page)
        for path in ("/saml/sso/annuler", "/saml/sso/structure"):
            check_lost(visitor.app.post(path, form | {"flow": flow}), page)
    check_lost(visitor.app.get("/saml/sso/suite"), page)


@pytest.mark.parametrize("start", ["sp", "tile", "flow"])
def test_a_head_consumes_nothing(start: str, world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    sp = world.sps["bip"]
    request = sp.authn_request(now=world.now)
    path = f"/saml/sso?{sp.redirect_query(request)}"
    if start == "tile":
        path = f"/saml/sso/init?sp={sp.entity_id}"
    if start == "flow":
        path = visitor.app.post("/saml/sso", sp.post_form(request)).location
    before = journal_codes(world)
    refused = visitor.app.head(path, status=405)
    assert "HEAD" not in refused.headers["Allow"]
    assert journal_codes(world) == before
    request_id = None if start == "tile" else request.get("ID")
    assert world.consume(sp, visitor.app.get(path), request_id), "still to be answered"
    assert journal_codes(world) == [*before, "sign-on.success"]


@pytest.mark.parametrize("code", ["bip", "net-cap"])
def test_a_disabled_sp_is_refused(code: str, world: World, visitor: Visitor) -> None:
    sp = world.sps[code]
    Registry(world.services.core).disable(sp.entity_id)
    world.services.service_providers._snapshot.forget()
    visitor.sign_in("agent")
    answer = visitor.open(sp, now=world.now)[1]
    assert answer.status_int == 400
    assert "SAMLResponse" not in answer.text


def test_nothing_goes_to_an_address_that_left_the_metadata_meanwhile(
    world: World, visitor: Visitor
) -> None:
    sp = world.sps["net-cap"]
    _, page = visitor.open(sp, now=world.now)
    moved = sp.metadata().replace(f'"{sp.acs}"'.encode(), b'"https://net-cap.example/new"')
    Registry(world.services.core).replace(moved, Choice())
    world.services.service_providers._snapshot.forget()
    check_said_before_the_password(visitor, page)


def test_a_disabled_sp_is_said_before_the_password_is_asked(world: World, visitor: Visitor) -> None:
    sp = world.sps["bip"]
    _, page = visitor.open(sp, now=world.now)
    Registry(world.services.core).disable(sp.entity_id)
    world.services.service_providers._snapshot.forget()
    check_said_before_the_password(visitor, page)


def check_said_before_the_password(visitor: Visitor, page: TestResponse) -> None:
    """Neither asked any more nor, on the page that was open, checked."""
    form = page.forms["formulaire"]
    form["login"], form["password"] = "agent@demo.example", PASSWORD
    flow = page.request.params["flow"]
    for answer in (
        visitor.app.get(f"/connexion?flow={flow}", status=400),
        visitor.app.get(f"/saml/sso/suite?flow={flow}", status=400),
        form.submit(status=400),
    ):
        assert not answer.forms
        assert answer.headers["X-Request-Id"] in text_of(answer)
    assert "convergences" not in visitor.app.cookies


def test_an_unknown_sp_gets_a_page_and_nothing_leaves(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    answer = visitor.open(FakeSP("inconnu"), now=world.now)[1]
    assert answer.status_int == 400
    assert "n'est pas enregistrée" in text_of(answer)
    assert answer.headers["X-Request-Id"] in text_of(answer)


def test_the_hand_over_page_has_its_own_policy_and_is_not_kept(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("agent")
    page = visitor.open(world.sps["bip"], now=world.now)[1]
    policy = page.headers["Content-Security-Policy"]
    assert "form-action" not in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_the_metadata_is_signed_and_says_where_to_go(app: TestApp, world: World) -> None:
    answer = app.get("/saml/metadata")
    assert answer.content_type == "application/samlmetadata+xml"
    root = etree.fromstring(answer.body)
    locations = {node.get("Location") for node in root.iter(q("md", "SingleSignOnService"))}
    assert locations == {"http://localhost:6543/saml/sso"}
    assert root.get("entityID") == "http://localhost:6543/saml/metadata"
    again = app.get("/saml/metadata", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_int == 304
    del world


def journal_codes(world: World) -> list[str]:
    """What the journal has about signing in and on, oldest first."""
    with world.services.db.reading() as session:
        codes = list(session.scalars(select(AuditEvent.code).order_by(AuditEvent.id)))
    return [code for code in codes if code.startswith("sign-")]


def test_every_sign_on_and_refusal_is_in_the_journal(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    visitor.open(world.sps["bip"], now=world.now)
    with world.services.db.reading() as session:
        events = list(session.scalars(select(AuditEvent).order_by(AuditEvent.id)))
    ours = [event for event in events if event.code.startswith("sign-")]
    assert [event.code for event in ours] == ["sign-in.success", "sign-on.success"]
    assert ours[1].subject_id == world.people["agent"]
    assert ours[1].actor == world.people["agent"]
    assert ours[1].entity_id == world.sps["bip"].entity_id
    assert ours[1].parameters["roles"] == ["gest@vitry", "lecteur é@vitry"]
    assert ours[1].request_id
