"""Who learns that a person backed out or may not enter: he, and an SP that wants to know."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from lxml import etree
from sqlalchemy import select
from webtest import Form, TestResponse

from idp.audit import AuditEvent
from idp.errors import AuthnFailed, RequestDenied
from idp.types import Refusals, Requests
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.fake_sp import NS, FakeSP, status_of, verify
from tests.functional.conftest import Visitor, World, check_lost, text_of


def journal(world: World) -> list[AuditEvent]:
    with world.services.db.reading() as session:
        return list(session.scalars(select(AuditEvent).order_by(AuditEvent.id)))


def codes(world: World) -> list[str]:
    return [event.code for event in journal(world) if event.code.startswith("sign-on.")]


def message_of(response: etree._Element) -> str | None:
    found: str | None = response.findtext("samlp:Status/samlp:StatusMessage", namespaces=NS)
    return found


def cancel(page: TestResponse) -> Form:
    return next(one for one in page.forms.values() if one.action.endswith("/saml/sso/annuler"))


def check_told(
    world: World, sp: FakeSP, page: TestResponse, request_id: str, error: type
) -> etree._Element:
    """The page carries a signed status for this SP, which says nothing of anybody."""
    action, response, relay_state = sp.read_page(page.text)
    assert action == response.get("Destination") == sp.acs
    assert (response.get("InResponseTo"), relay_state) == (request_id, "retour")
    verify(response, world.services.signer.certificates()[0])
    assert status_of(response) == ("Responder", error.__name__)
    assert message_of(response) == error.status_message
    assert response.find(".//saml:Subject", NS) is None
    for name in ("sansdroit", "agent@", "Roy", "Noël"):
        assert name.encode() not in etree.tostring(response, encoding="utf-8")
    return response


# --- backing out -------------------------------------------------------------------------------


def test_backing_out_ends_here_and_nothing_leaves(world: World, visitor: Visitor) -> None:
    _, page = visitor.open(world.sps["bip"], now=world.now)
    assert page.html.select_one(".gate-cancel button").text == "Annuler"
    ended = cancel(page).submit(status=200)
    assert ended.html.h1.text == "Vous avez annulé l'ouverture de BIP"
    assert "SAMLResponse" not in ended.text
    assert not ended.forms
    assert ended.html.select_one("main a.button")["href"] == "/connexion"
    flow = page.request.params["flow"]
    check_lost(visitor.app.get(f"/saml/sso/suite?flow={flow}"), "/connexion")
    assert codes(world) == [], "who it was is not known"


def test_backing_out_of_a_new_challenge_leads_back_to_the_portal(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("agent")
    world.clock.advance(timedelta(minutes=1))
    _, page = visitor.open(world.sps["bip"], now=world.now, ForceAuthn="true")
    ended = cancel(page).submit(status=200)
    assert ended.html.select_one("main a.button")["href"] == "/"
    assert codes(world) == ["sign-on.declined"]
    assert journal(world)[-1].parameters == {"status": "authn-failed"}
    check_lost(cancel(page).submit(), "/")
    assert codes(world) == ["sign-on.declined"], "once"


def test_backing_out_leads_back_to_an_sp_that_wants_to_know(world: World, visitor: Visitor) -> None:
    sp = world.sps["net-cap"]
    request_id, page = visitor.open(sp, now=world.now)
    button = page.html.select_one(".gate-cancel button")
    assert button.text == "Annuler et revenir à l'application"
    check_told(world, sp, cancel(page).submit(), request_id, AuthnFailed)
    check_lost(cancel(page).submit(), "/connexion")


def test_an_sp_that_asked_nothing_is_told_nothing(world: World, visitor: Visitor) -> None:
    link = f"/saml/sso/init?sp={world.sps['net-cap'].entity_id}"
    page = visitor.follow(visitor.app.get(link))
    assert page.html.select_one(".gate-cancel button").text == "Annuler"
    ended = cancel(page).submit(status=200)
    assert "Vous avez annulé l'ouverture de Net-CAP" in text_of(ended)
    assert "SAMLResponse" not in ended.text
    visitor.sign_in("sansdroit")
    refused = visitor.app.get(link, status=403)
    assert "SAMLResponse" not in refused.text
    assert not refused.html.main.find_all("form")


@pytest.mark.parametrize("change", ["moved", "disabled"])
def test_backing_out_when_the_address_left_the_metadata_ends_here(
    change: str, world: World, visitor: Visitor
) -> None:
    sp = world.sps["net-cap"]
    _, page = visitor.open(sp, now=world.now)
    registry = Registry(world.services.core)
    if change == "moved":
        moved = sp.metadata().replace(f'"{sp.acs}"'.encode(), b'"https://net-cap.example/new"')
        registry.replace(moved, Choice())
    else:
        registry.disable(sp.entity_id)
    world.services.service_providers._snapshot.forget()
    ended = cancel(page).submit(status=200)
    assert "Vous avez annulé l'ouverture de Net-CAP" in text_of(ended)
    assert "SAMLResponse" not in ended.text


# --- not entitled ------------------------------------------------------------------------------


def by_redirect(world: World, visitor: Visitor, sp: FakeSP) -> tuple[str, TestResponse]:
    return visitor.open(sp, now=world.now)


def by_post(world: World, visitor: Visitor, sp: FakeSP) -> tuple[str, TestResponse]:
    request = sp.authn_request(now=world.now)
    answer = visitor.app.post("/saml/sso", sp.post_form(request, "retour"))
    return request.get("ID"), visitor.follow(answer)


@pytest.mark.parametrize("way", [by_redirect, by_post])
def test_without_a_role_a_button_takes_the_answer_to_an_sp_that_wants_to_know(
    way: Callable[[World, Visitor, FakeSP], tuple[str, TestResponse]],
    world: World,
    visitor: Visitor,
) -> None:
    visitor.sign_in("sansdroit")
    sp = world.sps["net-cap"]
    request_id, page = way(world, visitor, sp)
    assert page.status_int == 403
    text = text_of(page)
    assert "Vous n'avez pas accès à l'application Net-CAP" in text
    assert "Rémi FORT" in text
    assert page.headers["X-Request-Id"] in text
    (form,) = page.html.main.find_all("form")
    assert form.select_one("button").text == "Retourner à l'application Net-CAP"
    assert {script["src"].rpartition("/")[2] for script in page.html.find_all("script")} == {
        "site.js",
        "session.js",
    }, "nothing submits itself"
    assert "hand_over" not in page.text
    check_told(world, sp, page, request_id, RequestDenied)
    policy = page.headers["Content-Security-Policy"]
    assert "form-action" not in policy
    assert "unsafe-inline" not in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert codes(world) == ["sign-on.refused"]


def test_without_a_role_it_is_answered_once(world: World, visitor: Visitor) -> None:
    visitor.sign_in("sansdroit")
    sp = world.sps["net-cap"]
    request = sp.authn_request(now=world.now)
    query = sp.redirect_query(request, "retour")
    visitor.app.get(f"/saml/sso?{query}", status=403)
    assert "SAMLResponse" not in visitor.app.get(f"/saml/sso?{query}", status=400).text
    assert codes(world) == ["sign-on.refused"]


def test_without_a_role_an_sp_that_does_not_want_to_know_is_told_nothing(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("sansdroit")
    _, page = visitor.open(world.sps["bip"], now=world.now)
    assert page.status_int == 403
    assert "SAMLResponse" not in page.text
    assert not page.html.main.find_all("form")
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]


def test_the_registration_may_change_its_mind_while_the_person_signs_in(
    world: World, visitor: Visitor
) -> None:
    sp = world.sps["net-cap"]
    _, page = visitor.open(sp, now=world.now)
    Registry(world.services.core).replace(sp.metadata(), Choice(refusals=Refusals.PAGE))
    world.services.service_providers._snapshot.forget()
    refused = visitor.sign_in("sansdroit", page)
    assert refused.status_int == 403
    assert "SAMLResponse" not in refused.text


# --- signed requests ---------------------------------------------------------------------------


def test_a_registration_may_demand_signed_requests(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    sp = world.sps["site"]
    announced = FakeSP("site", signs=True).metadata()
    signing = announced.replace(b'AuthnRequestsSigned="true"', b'AuthnRequestsSigned="false"')
    registry = Registry(world.services.core)
    registry.replace(signing, Choice())
    world.services.service_providers._snapshot.forget()
    request_id, page = visitor.open(sp, now=world.now)
    assert world.consume(sp, page, request_id, assertion_signed=False)

    registry.replace(signing, Choice(requests=Requests.SIGNED))
    world.services.service_providers._snapshot.forget()
    unsigned = sp.authn_request(now=world.now)
    visitor.app.get(f"/saml/sso?{sp.redirect_query(unsigned)}", status=400)
    visitor.app.post("/saml/sso", sp.post_form(unsigned), status=400)
    request = sp.authn_request(now=world.now)
    page = visitor.app.get(f"/saml/sso?{sp.redirect_query(request, sign=True)}")
    assert world.consume(sp, page, request.get("ID"), assertion_signed=False)
    posted = sp.authn_request(now=world.now)
    page = visitor.follow(visitor.app.post("/saml/sso", sp.post_form(posted, sign=True)))
    assert world.consume(sp, page, posted.get("ID"), assertion_signed=False)
    tile = visitor.app.get(f"/saml/sso/init?sp={sp.entity_id}")
    assert world.consume(sp, tile, None, assertion_signed=False), "it asked nothing"
