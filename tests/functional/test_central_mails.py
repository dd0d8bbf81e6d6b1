"""The correspondant's page of mails, on the SQL directory; to everybody else it is absent."""

from datetime import timedelta

import pytest
from sqlalchemy import event, select, update
from webtest import TestApp, TestResponse

from directory.authorisation import OPERATOR
from directory.services import build
from directory.services.accounts.changes import Person
from idp.audit import AuditEvent
from idp.mail import MailState, OutboxMail
from idp.mail_sender import OutboxSender
from idp.mail_transports import Cause, NotDelivered, Outgoing
from idp.services import Services
from tests.common.clock import FakeClock

MAILS = "/aia/administration/courriels"
PASSWORD = "une phrase assez longue"
MOST_STATEMENTS = 12


@pytest.fixture
def directory_plugin() -> str:
    return "directory.plugin.build"


@pytest.fixture(autouse=True)
def _people(services: Services) -> None:
    directory = build(services.core)
    directory.structures.add(OPERATOR, "cig", "CIG")
    directory.applications.add(OPERATOR, "bip", "BIP")
    for name in ("agent", "referent", "correspondant"):
        person = Person(f"{name}@ville.example", "Nom", "Prénom")
        directory.accounts.add(OPERATOR, person, "cig", password=PASSWORD, no_mail=True)
    directory.mandates.add(OPERATOR, "referent@ville.example", "cig", ("bip",))
    directory.mandates.add_central(OPERATOR, "correspondant@ville.example")


def sign_in(app: TestApp, name: str, *, aia: bool = True) -> str:
    """Returns the CSRF token."""
    form = next(one for one in app.get("/connexion").forms.values() if "password" in one.fields)
    form["login"], form["password"] = f"{name}@ville.example", PASSWORD
    form.submit(status=303)
    token = str(app.cookies["convergences-csrf"])
    if aia:
        app.post("/aia", {"csrf_token": token}, status=303)
    return token


class Refusing:
    def send(self, mail: Outgoing) -> None:
        raise NotDelivered(
            f"550 5.1.1 <{mail.recipient}>: unknown", permanent=True, cause=Cause.UNKNOWN_ADDRESS
        )

    def check(self) -> None:
        raise AssertionError


def send(services: Services, recipient: str, *, dead: bool = False, link: bool = False) -> int:
    kind, parameters = "password-changed", {"given_name": "Léa", "sn": "N", "mail": "SECRET"}
    if link:
        kind = "address-changed"
        parameters |= {"link": "https://x/SECRET", "invited": True}
    services.core.mailer.send(recipient, kind, parameters)
    if dead:
        OutboxSender(services.db, services.clock, Refusing(), "x@cig.example").send_waiting()
    with services.db.reading() as session:
        return session.scalars(select(OutboxMail.id).order_by(OutboxMail.id.desc())).first() or 0


def state(services: Services, mail: int) -> str:
    with services.db.reading() as session:
        return session.scalars(select(OutboxMail.state).where(OutboxMail.id == mail)).one()


def slips(page: TestResponse) -> list[str]:
    return [" ".join(each.text.split()) for each in page.html.select(".mail-slip")]


@pytest.mark.parametrize("name", ["agent", "referent"])
@pytest.mark.parametrize("aia", [True, False])
def test_to_anybody_else_there_is_nothing(
    app: TestApp, services: Services, name: str, *, aia: bool
) -> None:
    mail = send(services, "lea@b.fr", dead=True)
    token = {"csrf_token": sign_in(app, name, aia=aia)}
    app.get(MAILS, status=404)
    for act in ("renvoyer", "abandonner"):
        app.post(f"{MAILS}/{mail}/{act}", token, status=404)
    assert state(services, mail) == "dead"


def test_outside_of_the_aia_s_session_the_correspondant_is_led_to_the_portal(
    app: TestApp, services: Services
) -> None:
    mail = send(services, "lea@b.fr", dead=True)
    token = sign_in(app, "correspondant", aia=False)
    assert app.get(MAILS, status=303).location.startswith("http://localhost:6543/?suite=")
    app.post(f"{MAILS}/{mail}/abandonner", {"csrf_token": token}, status=303)
    assert state(services, mail) == "dead"


def test_a_mandate_that_was_withdrawn_shows_nothing_any_more(
    app: TestApp, services: Services
) -> None:
    sign_in(app, "correspondant")
    app.get(MAILS, status=200)
    mandates = build(services.core).mandates
    mandates.add_central(OPERATOR, "agent@ville.example")
    mandates.remove_central(OPERATOR, "correspondant@ville.example")
    app.get(MAILS, status=404)


def test_the_first_list_is_what_was_not_delivered_and_why(app: TestApp, services: Services) -> None:
    sign_in(app, "correspondant")
    assert "Tous les mails ont été remis" in app.get(MAILS).text
    send(services, "lea@b.fr", dead=True)
    send(services, "max@b.fr")
    page = app.get(MAILS)
    (slip,) = slips(page)
    assert "Votre mot de passe a été changé lea@b.fr" in slip
    assert "[Portail" not in slip
    assert "Cette adresse n'existe pas." in slip
    assert "550 5.1.1 <lea@b.fr>: unknown" in slip
    assert "SECRET" not in page.text
    assert page.headers["Cache-Control"].startswith("no-store")
    assert [each.text for each in page.html.select(".tabs .badge")] == ["1", "1"]


def test_every_list_and_the_search(app: TestApp, services: Services) -> None:
    sign_in(app, "correspondant")
    mail = send(services, "max@b.fr")
    services.mails.abandon(mail)
    send(services, "zoe@b.fr")
    assert "zoe@b.fr" in slips(app.get(f"{MAILS}?etat=en-attente"))[0]
    assert "max@b.fr" in slips(app.get(f"{MAILS}?etat=abandonnes"))[0]
    assert slips(app.get(f"{MAILS}?etat=partis")) == []
    assert len(slips(app.get(f"{MAILS}?etat=tous"))) == 2
    assert "max@b.fr" in slips(app.get(f"{MAILS}?destinataire=max@b.fr"))[0]
    nobody = app.get(f"{MAILS}?destinataire=<b>x</b>")
    assert "Aucun mail à l'adresse" in nobody.text
    assert "<b>x</b>" not in nobody.text


@pytest.mark.parametrize("query", ["avant=x", "avant=-1", "avant=9" * 30, "avant=%D9%A3", "etat=x"])
def test_what_nobody_would_ask_is_a_page_all_the_same(app: TestApp, query: str) -> None:
    sign_in(app, "correspondant")
    app.get(f"{MAILS}?{query}", status=200)


def test_sending_again_is_one_press_and_journalled(app: TestApp, services: Services) -> None:
    mail = send(services, "lea@b.fr", dead=True)
    sign_in(app, "correspondant")
    page = app.get(MAILS)
    form = next(one for one in page.forms.values() if one.action.split("?")[0].endswith("renvoyer"))
    after = form.submit(status=303).follow()
    assert "part de nouveau" in after.html.select_one("[role=status]").text
    assert state(services, mail) == "waiting"
    with services.db.reading() as session:
        found = session.scalars(select(AuditEvent).where(AuditEvent.code == "mail.retried")).one()
    assert found.target == f"mail:{mail}"
    assert found.parameters == {"kind": "password-changed", "recipient": "lea@b.fr"}
    assert len(found.actor) == 32, "the person himself"


def test_abandoning(app: TestApp, services: Services) -> None:
    mail = send(services, "lea@b.fr", dead=True)
    token = {"csrf_token": sign_in(app, "correspondant")}
    after = app.post(f"{MAILS}/{mail}/abandonner?etat=non-remis", token, status=303).follow()
    assert "ne partira plus" in after.html.select_one("[role=status]").text
    assert state(services, mail) == MailState.ABANDONED
    again = app.post(f"{MAILS}/{mail}/renvoyer", token, status="*")
    assert again.status_int >= 400
    assert "déjà été abandonné" in again.html.select_one("[role=alert]").text
    app.post(f"{MAILS}/999999/renvoyer", token, status=404)
    app.post(f"{MAILS}/{'9' * 30}/renvoyer", token, status=404)


def test_a_mail_with_a_link_is_not_offered_again(app: TestApp, services: Services) -> None:
    mail = send(services, "lea@b.fr", dead=True, link=True)
    token = {"csrf_token": sign_in(app, "correspondant")}
    page = app.get(MAILS)
    assert "lien personnel" in page.text
    assert not any("renvoyer" in one.action for one in page.forms.values())
    app.post(f"{MAILS}/{mail}/renvoyer", token, status="4*")
    assert state(services, mail) == "dead"


def test_pages_follow_each_other_with_few_statements(
    app: TestApp, services: Services, clock: FakeClock
) -> None:
    for number in range(53):
        send(services, f"{number}@b.fr")
    with services.db.unit_of_work() as session:
        session.execute(
            update(OutboxMail).values(
                cause="postponed", next_try_at=clock.now() + timedelta(days=1)
            )
        )
    sign_in(app, "correspondant")
    seen: list[str] = []
    event.listen(services.db.engine, "before_cursor_execute", lambda *said: seen.append(said[2]))
    first = app.get(f"{MAILS}?etat=en-attente")
    assert len(seen) <= MOST_STATEMENTS, seen
    assert len(slips(first)) == 50
    assert "Nouvel essai le 21/11/2026" in slips(first)[0]
    second = first.click("Plus anciens")
    assert len(slips(second)) == 3
    assert second.html.find("a", string="Plus anciens") is None
    assert len(slips(second.click("Les plus récents"))) == 50


def test_the_metrics_count_what_waits(app: TestApp, services: Services) -> None:
    send(services, "lea@b.fr")
    assert 'convergences_mails{state="waiting"} 1.0' in app.get("/metrics").text
