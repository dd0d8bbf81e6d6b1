"""*Pour quelle structure travaillez-vous ?*: who is asked, and what may happen meanwhile."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from webtest import Form, TestResponse

from idp.audit import AuditEvent
from tests.functional.conftest import Visitor, World, text_of


def test_a_person_of_two_structures_is_asked_and_only_the_chosen_one_leaves(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("multi")
    sp = world.sps["net-cap"]
    request_id, page = visitor.open(sp, now=world.now)
    assert "Pour quelle structure travaillez-vous ?" in text_of(page)
    form = next(one for one in page.forms.values() if "membership" in one.fields)
    answer = form.submit("membership", value=world.memberships["multi/ivry"])
    received = world.consume(sp, visitor.follow(answer), request_id)
    released = dict(received.attributes)
    assert released["urn:oid:2.5.4.11"] == ["ivry"]
    assert released["urn:oid:2.5.4.72"] == ["lecteur é"]
    assert "vitry" not in str(released).lower()

    world.clock.advance(timedelta(seconds=5))
    again_id, again = visitor.open(sp, now=world.now)
    assert world.consume(sp, again, again_id).attributes == received.attributes, "remembered"


def choice_of(page: TestResponse) -> Form:
    """The form of *Pour quelle structure travaillez-vous ?*."""
    assert "Pour quelle structure travaillez-vous ?" in text_of(page)
    return next(one for one in page.forms.values() if "membership" in one.fields)


def test_a_foreign_membership_cannot_be_chosen(world: World, visitor: Visitor) -> None:
    visitor.sign_in("multi")
    _, page = visitor.open(world.sps["net-cap"], now=world.now)
    assert page.html.select_one("[role=alert]") is None
    form = choice_of(page)
    fields = {"csrf_token": form["csrf_token"].value, "flow": form["flow"].value}
    for membership in (world.memberships["agent/vitry"], "", "x"):
        answer = visitor.app.post("/saml/sso/structure", {**fields, "membership": membership})
        again = visitor.follow(answer)
        assert choice_of(again)["flow"].value == fields["flow"]
        assert "ne peut pas être choisie" in again.html.select_one("[role=alert]").text


def test_a_session_that_ends_while_the_structure_is_asked_keeps_the_sign_on(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("multi")
    sp = world.sps["net-cap"]
    request_id, page = visitor.open(sp, now=world.now)
    form = choice_of(page)
    world.services.sessions.end(world.people["multi"], reason="test")
    for answer in (
        form.submit("membership", value=world.memberships["multi/ivry"]),
        visitor.app.get(page.request.path_qs),
    ):
        asked = visitor.follow(answer)
        assert asked.request.path == "/connexion"
        assert "Pour ouvrir Net-CAP" in text_of(asked)
    form = choice_of(visitor.sign_in("multi", asked))
    answer = form.submit("membership", value=world.memberships["multi/ivry"])
    assert world.consume(sp, visitor.follow(answer), request_id).in_response_to == request_id


def test_a_password_changed_while_the_structure_is_asked_asks_for_the_new_one(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("multi")
    _, page = visitor.open(world.sps["net-cap"], now=world.now)
    world.clock.advance(timedelta(minutes=1))
    account = world.directory._accounts[world.people["multi"]]
    account.subject = replace(account.subject, password_changed_at=world.now)
    for answer in (
        choice_of(page).submit("membership", value=world.memberships["multi/ivry"]),
        visitor.app.get(page.request.path_qs),
    ):
        asked = visitor.follow(answer)
        assert asked.request.path == "/connexion"
        assert "Pour ouvrir Net-CAP" in text_of(asked)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_role_withdrawn_while_the_structure_is_asked_is_a_refusal(
    method: str, world: World, visitor: Visitor
) -> None:
    visitor.sign_in("multi")
    _, page = visitor.open(world.sps["net-cap"], now=world.now)
    form = choice_of(page)
    world.directory.unassign(world.memberships["multi/vitry"], "net-cap", "gest")
    world.directory.unassign(world.memberships["multi/ivry"], "net-cap", "lect")
    answer = (
        visitor.app.get(page.request.path_qs)
        if method == "GET"
        else form.submit("membership", value=world.memberships["multi/ivry"])
    )
    refused = visitor.follow(answer)
    assert refused.status_int == 403
    assert "Vous n'avez pas accès à l'application Net-CAP" in text_of(refused)
    assert "Rémi FORT" in text_of(refused)
    with world.services.db.reading() as session:
        codes = list(session.scalars(select(AuditEvent.code).order_by(AuditEvent.id)))
    assert codes[-1] == "sign-on.refused"


def test_one_of_two_roles_withdrawn_while_the_structure_is_asked_says_so(
    world: World, visitor: Visitor
) -> None:
    visitor.sign_in("multi")
    _, page = visitor.open(world.sps["net-cap"], now=world.now)
    form = choice_of(page)
    world.directory.unassign(world.memberships["multi/ivry"], "net-cap", "lect")
    again = visitor.follow(form.submit("membership", value=world.memberships["multi/ivry"]))
    choices = [button["value"] for button in again.html.select("button.choice")]
    assert choices == [world.memberships["multi/vitry"]]
    assert "ne peut pas être choisie" in again.html.select_one("[role=alert]").text
