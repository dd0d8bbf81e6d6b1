"""Single logout as SPs and browsers see it: who is told, what each one says, what really ended."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from lxml import etree
from sqlalchemy import select
from webtest import TestApp, TestResponse

from idp.audit import AuditEvent
from idp.errors import BackChannelFailed
from idp.sessions.tables import SsoSessionRow, TaskRow
from metadata.options import Choice
from tests.common.fake_slo import (
    envelope,
    logout_request,
    logout_response,
    opened,
    read_post,
    read_redirect,
    status_of_logout,
)
from tests.common.fake_sp import SAMLP, FakeSP, Received, verify
from tests.functional.conftest import Visitor, World, text_of

REDIRECT, POST, SOAP = "HTTP-Redirect", "HTTP-POST", "SOAP"
BINDINGS = {"redirect": (REDIRECT,), "post": (POST,), "soap": (SOAP, REDIRECT), "mute": ()}


class Direct:
    """The back channel: what each SP answers, and what it was asked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked: dict[str, etree._Element] = {}
        self.status = "Success"
        self.dead = False

    def post(self, location: str, data: bytes) -> bytes:
        """See :class:`idp.interfaces.IBackChannel`."""
        if self.dead:
            raise BackChannelFailed(f"{location} is dead")
        request = opened(data)
        sp = next(sp for sp in self.world.sps.values() if location in sp.slo.values())
        verify(request, self.world.services.signer.certificates()[0])
        assert request.get("Destination") == location
        self.asked[sp.entity_id] = request
        answer = logout_response(sp, request, now=self.world.now, status=self.status)
        answer.attrib.pop("Destination")
        return envelope(answer)


@pytest.fixture
def world(world: World) -> World:
    """Four more SPs: each takes a logout in its own way, the last in none."""
    for code, slo in BINDINGS.items():
        world.add_sp(code, code.title(), Choice(), signs=True, slo=slo)
        world.directory.assign(world.memberships["agent/vitry"], code, "gest")
    return world


@pytest.fixture
def direct(world: World, monkeypatch: pytest.MonkeyPatch) -> Direct:
    made = Direct(world)
    monkeypatch.setattr(world.services.teller, "_back_channel", made)
    return made


@pytest.fixture
def certificate(world: World) -> bytes:
    return world.services.signer.certificates()[0]


def enter(world: World, visitor: Visitor, code: str) -> Received:
    """The signed-in person opens this SP."""
    sp = world.sps[code]
    request_id, page = visitor.open(sp, now=world.now)
    return world.consume(sp, page, request_id)


def sign_out(visitor: Visitor) -> TestResponse:
    """Press the button; our own redirections are followed."""
    return visitor.follow(visitor.app.get("/deconnexion").forms["formulaire"].submit())


def states(page: TestResponse) -> dict[str, str]:
    """What the page says of each application."""
    return {
        line.select_one(".told-label").text: line.select_one(".told-state").text.strip()
        for line in page.html.select(".told li")
    }


def live(world: World) -> int:
    """Browser sessions that are not over."""
    going_on = select(SsoSessionRow).where(SsoSessionRow.ended_at.is_(None))
    with world.services.db.reading() as session:
        return len(session.scalars(going_on).all())


def tell_next(visitor: Visitor) -> TestResponse:
    """Press the button that leads to the next application."""
    return visitor.app.get("/deconnexion/application", status="*")


def test_from_the_portal_each_sp_is_told_in_its_own_way(
    world: World, visitor: Visitor, direct: Direct, certificate: bytes
) -> None:
    visitor.sign_in("agent")
    received = {code: enter(world, visitor, code) for code in BINDINGS}
    page = sign_out(visitor)
    assert live(world) == 0, "the portal's session ends first"
    told = direct.asked[world.sps["soap"].entity_id]
    assert told.find(f"{{{SAMLP}}}SessionIndex").text == received["soap"].session_index
    assert states(page) == {
        "Redirect": "à fermer",
        "Post": "à fermer",
        "Soap": "fermée",
        "Mute": "ne peut pas être fermée à distance",
    }

    action, request = read_post(tell_next(visitor).text, certificate)
    assert action == world.sps["post"].slo[POST]
    answer = logout_response(world.sps["post"], request, now=world.now)
    form = world.sps["post"].post_form(answer)
    page = visitor.follow(visitor.app.post("/saml/slo", form, status=303))
    assert states(page)["Post"] == "fermée"

    away = tell_next(visitor)
    assert away.status_int == 303
    assert away.location.startswith(world.sps["redirect"].slo[REDIRECT])
    request = read_redirect(away.location, "SAMLRequest", certificate)
    assert request[1].text == received["redirect"].name_id
    answer = logout_response(world.sps["redirect"], request, now=world.now)
    query = world.sps["redirect"].redirect_query(answer)
    page = visitor.follow(visitor.app.get(f"/saml/slo?{query}", status=303))
    assert page.request.path == "/deconnexion/terminee"
    assert states(page) == {
        "Redirect": "fermée",
        "Post": "fermée",
        "Soap": "fermée",
        "Mute": "ne peut pas être fermée à distance",
    }


@pytest.mark.parametrize("binding", [REDIRECT, POST])
def test_an_sp_signs_out_everywhere_and_is_answered(
    binding: str, world: World, visitor: Visitor, direct: Direct, certificate: bytes
) -> None:
    code = "redirect" if binding == REDIRECT else "post"
    sp = world.sps[code]
    visitor.sign_in("agent")
    own = enter(world, visitor, code)
    enter(world, visitor, "soap")
    request = logout_request(sp, own, now=world.now)
    if binding == REDIRECT:
        first = visitor.app.get(f"/saml/slo?{sp.redirect_query(request, 'état/1')}", status=303)
    else:
        first = visitor.app.post("/saml/slo", sp.post_form(request, "état/1"), status=303)
    assert live(world) == 0
    assert list(direct.asked) == [world.sps["soap"].entity_id], "the SP that asked is not told"
    last = first.follow(status="*")
    if binding == REDIRECT:
        assert last.location.startswith(sp.slo[REDIRECT])
        response = read_redirect(last.location, "SAMLResponse", certificate)
        assert "RelayState=%C3%A9tat%2F1" in last.location
    else:
        action, response = read_post(last.text, certificate)
        assert action == sp.slo[POST]
        assert 'name="RelayState" value="état/1"' in last.text
    assert response.get("InResponseTo") == request.get("ID")
    assert status_of_logout(response) == ["Success"]


def test_an_sp_that_fails_is_named_and_makes_it_partial(
    world: World, visitor: Visitor, direct: Direct, certificate: bytes
) -> None:
    direct.dead = True
    sp = world.sps["redirect"]
    visitor.sign_in("agent")
    own = enter(world, visitor, "redirect")
    enter(world, visitor, "mute")
    query = sp.redirect_query(logout_request(sp, own, now=world.now))
    last = visitor.app.get(f"/saml/slo?{query}").follow(status=303)
    response = read_redirect(last.location, "SAMLResponse", certificate)
    assert status_of_logout(response) == ["Success", "PartialLogout"]


def test_a_dead_back_channel_leaves_the_browser_and_then_the_worker(
    world: World, visitor: Visitor, direct: Direct, certificate: bytes
) -> None:
    direct.dead = True
    visitor.sign_in("agent")
    enter(world, visitor, "soap")
    page = sign_out(visitor)
    assert states(page) == {"Soap": "n'a pas confirmé sa fermeture"}
    request = read_redirect(tell_next(visitor).location, "SAMLRequest", certificate)
    refused = logout_response(world.sps["soap"], request, now=world.now, status="Responder")
    query = world.sps["soap"].redirect_query(refused)
    page = visitor.follow(visitor.app.get(f"/saml/slo?{query}"))
    assert page.request.path == "/deconnexion/terminee"
    assert states(page) == {"Soap": "n'a pas confirmé sa fermeture"}


def test_the_browser_may_go_on_without_an_application(
    world: World, visitor: Visitor, direct: Direct
) -> None:
    visitor.sign_in("agent")
    enter(world, visitor, "redirect")
    enter(world, visitor, "post")
    page = sign_out(visitor)
    page = visitor.follow(page.forms["passer"].submit())
    page = visitor.follow(page.forms["passer"].submit())
    assert page.request.path == "/deconnexion/terminee"
    assert set(states(page).values()) == {"n'a pas confirmé sa fermeture"}
    assert not direct.asked


def test_coming_back_from_an_application_that_leads_nowhere_goes_on(
    world: World, visitor: Visitor, direct: Direct
) -> None:
    visitor.sign_in("agent")
    enter(world, visitor, "redirect")
    sign_out(visitor)
    tell_next(visitor)
    page = visitor.follow(visitor.app.get("/deconnexion/suite"))
    assert page.request.path == "/deconnexion/terminee"
    assert states(page) == {"Redirect": "n'a pas confirmé sa fermeture"}
    assert not direct.asked


@pytest.mark.parametrize("how", ["skipped", "lost"])
def test_an_application_opened_often_is_left_once(
    how: str, world: World, visitor: Visitor, direct: Direct
) -> None:
    """Each sign-on is a session of its own there; it does not answer, whatever it is asked."""
    visitor.sign_in("agent")
    for _ in range(3):
        enter(world, visitor, "redirect")
    page = sign_out(visitor)
    assert page.request.path == "/deconnexion/suite"
    if how == "skipped":
        page = visitor.follow(page.forms["passer"].submit())
    else:
        tell_next(visitor)
        page = visitor.follow(visitor.app.get("/deconnexion/suite"))
    assert page.request.path == "/deconnexion/terminee"
    assert states(page) == {"Redirect": "n'a pas confirmé sa fermeture"}
    assert not direct.asked


def test_an_application_opened_often_is_told_of_each(
    world: World, visitor: Visitor, direct: Direct, certificate: bytes
) -> None:
    visitor.sign_in("agent")
    for _ in range(3):
        enter(world, visitor, "redirect")
    sign_out(visitor)
    sp = world.sps["redirect"]
    for _ in range(3):
        request = read_redirect(tell_next(visitor).location, "SAMLRequest", certificate)
        query = sp.redirect_query(logout_response(sp, request, now=world.now))
        page = visitor.follow(visitor.app.get(f"/saml/slo?{query}"))
    assert page.request.path == "/deconnexion/terminee"
    assert states(page) == {"Redirect": "fermée"}
    assert not direct.asked


def test_a_soap_request_ends_the_session_without_a_browser(
    world: World, visitor: Visitor, direct: Direct, certificate: bytes
) -> None:
    visitor.sign_in("agent")
    own = enter(world, visitor, "redirect")
    enter(world, visitor, "soap")
    sp = world.sps["redirect"]
    request = logout_request(sp, own, now=world.now, Destination=SOAP_DESTINATION)
    sp.sign(request)
    answer = post_soap(visitor.app, request)
    assert answer.content_type == "text/xml"
    response = opened(answer.body)
    verify(response, certificate)
    assert status_of_logout(response) == ["Success"]
    assert response.get("InResponseTo") == request.get("ID")
    assert world.sps["soap"].entity_id in direct.asked
    visitor.app.get("/profil", status=303)


def test_two_browsers_of_one_person_stay_apart(
    world: World, visitor: Visitor, another_visitor: Callable[[], Visitor], direct: Direct
) -> None:
    other = another_visitor()
    for each in (visitor, other):
        each.sign_in("agent")
    own = enter(world, visitor, "redirect")
    enter(world, other, "redirect")
    sp = world.sps["redirect"]
    query = sp.redirect_query(logout_request(sp, own, now=world.now))
    visitor.app.get(f"/saml/slo?{query}", status=303)
    visitor.app.get("/profil", status=303)
    other.app.get("/profil", status=200)
    assert not direct.asked


def test_locking_tells_the_sps_from_the_worker(
    world: World, visitor: Visitor, direct: Direct
) -> None:
    visitor.sign_in("agent")
    received = enter(world, visitor, "soap")
    enter(world, visitor, "mute")
    world.services.sessions.end(world.people["agent"], reason="lock")
    assert not direct.asked, "whoever locks does not wait for SPs"
    assert world.services.teller.tell_due() == 2
    told = direct.asked[world.sps["soap"].entity_id]
    assert told.find(f"{{{SAMLP}}}SessionIndex").text == received.session_index
    assert told.get("Reason") == "urn:oasis:names:tc:SAML:2.0:logout:admin"
    assert task_states(world) == ["closed", "open"]
    assert world.services.teller.tell_due() == 0


def test_the_worker_tries_again_while_the_session_lasts(
    world: World, visitor: Visitor, direct: Direct
) -> None:
    direct.dead = True
    visitor.sign_in("agent")
    enter(world, visitor, "soap")
    world.services.sessions.end(world.people["agent"], reason="lock")
    world.services.teller.tell_due()
    assert task_states(world) == ["waiting"]
    assert world.services.teller.tell_due() == 0, "not at once"
    direct.dead = False
    world.clock.advance(timedelta(minutes=2))
    world.services.teller.tell_due()
    assert task_states(world) == ["closed"]


def test_the_last_role_withdrawn_tells_that_sp_alone(
    world: World, visitor: Visitor, direct: Direct
) -> None:
    visitor.sign_in("agent")
    enter(world, visitor, "soap")
    enter(world, visitor, "redirect")
    entity_id = world.sps["soap"].entity_id
    world.services.sessions.end(world.people["agent"], entity_id=entity_id, reason="role")
    world.services.teller.tell_due()
    assert list(direct.asked) == [entity_id]
    visitor.app.get("/profil", status=200)


def test_several_sessions_at_one_sp_are_told_at_once_where_the_name_is_the_same(
    world: World, visitor: Visitor, direct: Direct
) -> None:
    direct.status = "Success"
    visitor.sign_in("agent")
    indexes = {enter(world, visitor, "soap").session_index for _ in range(3)}
    sign_out(visitor)
    with world.services.db.reading() as session:
        rows = session.scalars(select(TaskRow)).all()
    assert {index for row in rows for index in row.session_indexes} == indexes
    assert len(rows) == 3, "transient names are three persons to the SP"


def test_what_happened_is_in_the_journal(world: World, visitor: Visitor, direct: Direct) -> None:
    visitor.sign_in("agent")
    enter(world, visitor, "soap")
    enter(world, visitor, "mute")
    sign_out(visitor)
    world.clock.advance(timedelta(minutes=20))
    world.services.teller.tell_due()
    with world.services.db.reading() as session:
        codes = session.scalars(select(AuditEvent.code).order_by(AuditEvent.id)).all()
    told = [code for code in codes if code.startswith(("session.", "logout."))]
    assert told[0] == "session.ended"
    assert sorted(told[1:]) == ["logout.closed", "logout.open"]
    assert direct.asked


def test_a_request_without_a_session_of_that_name_is_told_so(
    world: World, visitor: Visitor, direct: Direct, certificate: bytes
) -> None:
    visitor.sign_in("agent")
    stranger = enter(world, visitor, "post")
    sp = world.sps["redirect"]
    query = sp.redirect_query(logout_request(sp, stranger, now=world.now))
    last = visitor.app.get(f"/saml/slo?{query}").follow(status=303)
    response = read_redirect(last.location, "SAMLResponse", certificate)
    assert status_of_logout(response) == ["Requester", "UnknownPrincipal"]
    visitor.app.get("/profil", status=200)
    assert not direct.asked


def test_a_session_that_is_over_is_a_success(
    world: World, visitor: Visitor, direct: Direct, certificate: bytes
) -> None:
    sp = world.sps["redirect"]
    visitor.sign_in("agent")
    own = enter(world, visitor, "redirect")
    world.services.sessions.end(world.people["agent"], reason="test")
    query = sp.redirect_query(logout_request(sp, own, now=world.now))
    last = visitor.app.get(f"/saml/slo?{query}").follow(status=303)
    response = read_redirect(last.location, "SAMLResponse", certificate)
    assert status_of_logout(response) == ["Success"]
    assert not direct.asked


def test_the_last_page_forgets_after_a_while(
    world: World, visitor: Visitor, direct: Direct
) -> None:
    visitor.sign_in("agent")
    enter(world, visitor, "soap")
    page = sign_out(visitor)
    assert states(page) == {"Soap": "fermée"}
    assert direct.asked
    world.clock.advance(timedelta(minutes=16))
    page = visitor.app.get("/deconnexion/terminee")
    assert "Vous êtes déconnecté" in text_of(page)
    assert states(page) == {}


SOAP_DESTINATION = "http://localhost:6543/saml/slo/soap"


def post_soap(app: TestApp, message: etree._Element, **options: int) -> TestResponse:
    """Post it as an SP does."""
    headers = {"Content-Type": "text/xml; charset=utf-8"}
    return app.post("/saml/slo/soap", envelope(message), headers=headers, **options)


def task_states(world: World) -> list[str]:
    """The states of everything that is to be told."""
    with world.services.db.reading() as session:
        return sorted(session.scalars(select(TaskRow.state)))


def test_sps_register_their_endpoints(world: World) -> None:
    sp: FakeSP = world.sps["soap"]
    found = world.services.service_providers.get(sp.entity_id).single_logout_services
    assert [each.location for each in found] == list(sp.slo.values())
