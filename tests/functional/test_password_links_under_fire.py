"""Links to choose a password when something else goes wrong, or somebody looks for them."""

import re
from collections.abc import Mapping
from threading import Thread
from time import monotonic, sleep

import pytest
from sqlalchemy import func, select
from webtest import TestApp

from directory import demonstration
from directory.models import PasswordLinkRow, PasswordRequest
from directory.services.own.password_mails import MOST_FAILURES, PasswordMails
from idp.errors import UnknownServiceProvider
from idp.mail import MailText, OutboxMail
from idp.self_service import IPasswords, Purpose
from idp.services import Services
from tests.common.databases import Filling
from tests.common.fillings import demonstrated

AGENT, OTHER = "agent@demo.example", "referent@demo.example"
PASSWORD = "le thé vert du jardin"
LINK = re.compile(r"/mot-de-passe/([A-Za-z0-9_-]{43})\s")


@pytest.fixture
def directory_plugin() -> str:
    """The one with tables."""
    return "directory.plugin.build"


@pytest.fixture
def database_filling() -> Filling:
    """The demonstration's people."""
    return demonstrated


@pytest.fixture(autouse=True)
def _people(services: Services) -> None:
    with services.db.unit_of_work() as session:
        session.query(OutboxMail).delete()


@pytest.fixture
def passwords(services: Services) -> IPasswords:
    return services.self_service.passwords


@pytest.fixture
def worker(services: Services) -> PasswordMails:
    return PasswordMails(services.core)


def mailed(services: Services) -> list[tuple[str, str]]:
    """Recipient and text of each mail, oldest first."""
    with services.db.reading() as session:
        found = select(OutboxMail.recipient, OutboxMail.text).order_by(OutboxMail.id)
        return [(row.recipient, row.text) for row in session.execute(found)]


def requests(services: Services) -> int:
    with services.db.reading() as session:
        return session.scalar(select(func.count()).select_from(PasswordRequest)) or 0


def live_links(services: Services) -> int:
    with services.db.reading() as session:
        live = select(func.count()).where(PasswordLinkRow.ended_at.is_(None))
        return session.scalar(live) or 0


def token_for(services: Services, worker: PasswordMails, mail: str) -> str:
    services.self_service.passwords.ask(mail, Purpose.RESET)
    assert worker.deliver() == 1
    found = LINK.search(mailed(services)[-1][1])
    assert found is not None
    return found[1]


# --- the worker ----------------------------------------------------------------------------------


def test_a_mail_that_cannot_be_written_stops_nobody_elses(
    services: Services,
    worker: PasswordMails,
    passwords: IPasswords,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = services.core.mailer._texts  # type: ignore[attr-defined]

    def write(kind: str, parameters: Mapping[str, object]) -> MailText:
        if parameters.get("mail") == AGENT:
            raise AttributeError(kind)
        words: MailText = texts(kind, parameters)
        return words

    monkeypatch.setattr(services.core.mailer, "_texts", write)
    passwords.ask(AGENT, Purpose.RESET)
    passwords.ask(OTHER, Purpose.RESET)
    assert worker.deliver() == 1
    assert [recipient for recipient, _ in mailed(services)] == [OTHER]
    assert "password.mail-failed" in "".join(capsys.readouterr())
    assert requests(services) == 1, "it is tried again"
    for _ in range(MOST_FAILURES - 1):
        assert worker.deliver() == 0
    assert requests(services) == 0, "not for ever"
    assert live_links(services) == 1, "the failing ones left no link"


def test_one_address_however_it_is_spelled_gets_one_mail(
    services: Services, worker: PasswordMails, passwords: IPasswords
) -> None:
    for spelled in (AGENT, AGENT.upper(), f" {AGENT.title()} "):
        passwords.ask(spelled, Purpose.RESET)
    assert worker.deliver() == 1
    assert [recipient for recipient, _ in mailed(services)] == [AGENT]


def test_of_two_links_made_at_once_one_remains(
    services: Services,
    worker: PasswordMails,
    passwords: IPasswords,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker has made its link and not yet committed; a renewal comes."""
    if services.db.is_sqlite:
        pytest.skip("one writer at a time")
    subject = services.directory.authenticate(AGENT, demonstration.PASSWORD).id
    texts = services.core.mailer._texts  # type: ignore[attr-defined]
    renewing = Thread(target=passwords.renew, args=(subject,))

    def write(kind: str, parameters: Mapping[str, object]) -> MailText:
        renewing.start()
        began = monotonic()
        while renewing.is_alive() and monotonic() - began < 0.5:
            sleep(0.01)
        words: MailText = texts(kind, parameters)
        return words

    monkeypatch.setattr(services.core.mailer, "_texts", write)
    passwords.ask(AGENT, Purpose.RESET)
    assert worker.deliver() == 1
    renewing.join(10)
    with services.db.reading() as session:
        ends = session.scalars(select(PasswordLinkRow.end_reason).order_by(PasswordLinkRow.id))
        assert list(ends) == ["replaced", None], "the newer one is the one that works"


def test_two_workers_never_answer_one_address_at_once(
    services: Services,
    worker: PasswordMails,
    passwords: IPasswords,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if services.db.is_sqlite:
        pytest.skip("one writer at a time")
    texts = services.core.mailer._texts  # type: ignore[attr-defined]
    second: list[int] = []

    def write(kind: str, parameters: Mapping[str, object]) -> MailText:
        monkeypatch.setattr(services.core.mailer, "_texts", texts)
        other = Thread(target=lambda: second.append(PasswordMails(services.core).deliver()))
        other.start()
        other.join(10)
        words: MailText = texts(kind, parameters)
        return words

    monkeypatch.setattr(services.core.mailer, "_texts", write)
    passwords.ask(AGENT, Purpose.RESET)
    passwords.ask(AGENT, Purpose.RESET)
    assert worker.deliver() == 1
    assert second == [0]
    assert len(mailed(services)) == 1


# --- the link ------------------------------------------------------------------------------------


def test_no_page_writes_the_token_where_it_could_be_logged(
    app: TestApp, services: Services, worker: PasswordMails
) -> None:
    """Signed in or not, the form, refused or not, and a link that is over: only its own forms."""
    token = token_for(services, worker, AGENT)

    def walk() -> None:
        page = app.get(f"/mot-de-passe/{token}", status="*")
        pages = [page]
        if "formulaire" in page.forms:
            pages.append(page.forms["formulaire"].submit(status=400))
        for each in pages:
            for tag in each.html.select("*"):
                own = {"action", "data-answers"}  # the page's own address, which leads nowhere else
                written = [value for name, value in tag.attrs.items() if name not in own]
                assert token not in str(written), tag.name

    walk()
    form = app.get("/connexion").forms["formulaire"]
    form["login"], form["password"] = OTHER, demonstration.PASSWORD
    form.submit(status=303)
    walk()
    services.self_service.passwords.spend(token, PASSWORD, user_agent="", current=None)
    walk()


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_link_outlives_the_application_that_waited(
    method: str,
    app: TestApp,
    services: Services,
    worker: PasswordMails,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = token_for(services, worker, AGENT)
    path = f"/mot-de-passe/{token}"
    form = app.get(path).forms["formulaire"]
    form["new"] = form["confirm"] = PASSWORD

    def gone(*_args: object) -> object:
        raise UnknownServiceProvider("removed meanwhile")

    monkeypatch.setattr("views.login.password_link.find_flow", gone)
    if method == "get":
        app.get(path, status=200)
        return
    entered = form.submit(status=303)
    assert "mot-de-passe-choisi" in entered.location
    assert entered.follow(status=200).html.main is not None
    assert services.directory.authenticate(AGENT, PASSWORD)


@pytest.mark.parametrize("address", ["zoé@été.example", 'a";,\\b@demo.example', "%41@demo.example"])
def test_any_address_comes_back_from_its_cookie(app: TestApp, address: str) -> None:
    form = app.get("/mot-de-passe-oublie").forms["formulaire"]
    form["login"] = address
    sent = form.submit(status=303)
    assert address in sent.follow(status=200).html.main.text
    cookie = next(each for each in sent.headers.getall("Set-Cookie") if "demande" in each)
    assert cookie.isascii()
    assert '"' not in cookie
