"""First visit, forgotten password, the links and the policy: on the whole application, with SQL.

The worker's half runs where a test says so, as it does each second in production.
"""

import mailbox
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from sqlalchemy import func, select
from webtest import TestApp, TestResponse

from directory import demonstration
from directory.authorisation import OPERATOR
from directory.models import PasswordLinkRow, PasswordRequest
from directory.services import build
from directory.services.accounts.changes import Person
from directory.services.own.password_mails import KEPT, LIFETIME, PasswordMails
from idp.audit import AuditEvent
from idp.errors import AuthenticationFailed, DirectoryError, LinkRefused
from idp.mail import OutboxMail
from idp.mail_sender import OutboxSender
from idp.mail_transports import transport_of
from idp.self_service import IPasswords, Purpose
from idp.services import Services
from idp.types import NameID, NameIDFormat, SpSession
from tests.common.clock import FakeClock
from tests.common.databases import Filling
from tests.common.fillings import demonstrated
from tests.common.ports import free_port

PASSWORD = "le thé vert du jardin"
OLD = demonstration.PASSWORD
AGENT = "agent@demo.example"
NEW = "nouvelle.venue@demo.example"
LINK = re.compile(r"http://localhost:6543(/mot-de-passe/([A-Za-z0-9_-]{43}))\s")


@pytest.fixture
def directory_plugin() -> str:
    """The one with tables."""
    return "directory.plugin.build"


@pytest.fixture
def database_filling() -> Filling:
    """The demonstration's people."""
    return demonstrated


@pytest.fixture(autouse=True)
def _people(services: Services, clock: FakeClock) -> None:
    clock.run()
    build(services.core).accounts.add(OPERATOR, Person(NEW, "Venue", "Nouvelle"), "a-rh")
    with services.db.unit_of_work() as session:
        session.query(OutboxMail).delete()


@pytest.fixture
def passwords(services: Services) -> IPasswords:
    return services.self_service.passwords


@pytest.fixture
def worker(services: Services) -> PasswordMails:
    return PasswordMails(services.core)


def mails(services: Services) -> list[tuple[str, str, str]]:
    """Kind, recipient and text of what waits in the outbox, oldest first."""
    with services.db.reading() as session:
        rows = session.execute(
            select(OutboxMail.kind, OutboxMail.recipient, OutboxMail.text).order_by(OutboxMail.id)
        )
        return [(row.kind, row.recipient, row.text) for row in rows]


def codes(services: Services) -> list[str]:
    with services.db.reading() as session:
        return list(session.scalars(select(AuditEvent.code).order_by(AuditEvent.id)))


def ask(app: TestApp, mail: str, path: str = "/mot-de-passe-oublie") -> TestResponse:
    """Type an address on one of the two pages; the page that follows."""
    form = app.get(path).forms["formulaire"]
    form["login"] = mail
    return form.submit(status=303).follow(status=200)


def link_to(app: TestApp, services: Services, worker: PasswordMails, mail: str) -> str:
    """The path of the link that the newest mail carries."""
    ask(app, mail)
    assert worker.deliver() == 1
    found = LINK.search(mails(services)[-1][2])
    assert found is not None
    return found[1]


def choose(app: TestApp, link: str, password: str = PASSWORD, status: int = 303) -> TestResponse:
    form = app.get(link, status=200).forms["formulaire"]
    form["new"] = form["confirm"] = password
    return form.submit(status=status)


def another(app: TestApp) -> TestApp:
    """A browser that was never here."""
    return TestApp(app.app, extra_environ=app.extra_environ)


# --- the way through ---------------------------------------------------------------------------


def test_first_visit(app: TestApp, services: Services, worker: PasswordMails) -> None:
    page = ask(app, f"  {NEW.upper()} ", "/premiere-visite")
    assert NEW.upper() in page.text
    assert worker.deliver() == 1
    assert worker.deliver() == 0
    [(kind, recipient, text)] = mails(services)
    assert (kind, recipient) == ("password-first-visit", NEW)
    link = LINK.search(text)
    assert link is not None
    form = app.get(link[1]).forms["formulaire"]
    assert form["login"].attrs["autocomplete"] == "username"
    assert form["login"].value == NEW
    assert form["new"].attrs["autocomplete"] == form["confirm"].attrs["autocomplete"]
    assert form["new"].attrs["autocomplete"] == "new-password"
    arrived = choose(app, link[1]).follow(status=200)
    assert "Votre mot de passe est enregistré" in arrived.text
    assert "Nouvelle VENUE" in arrived.text
    assert mails(services)[-1][0] == "password-chosen"
    assert services.directory.authenticate(NEW, PASSWORD).login == NEW
    assert {"password.link-made", "account.password-set", "sign-in.success"} <= set(codes(services))


def test_forgotten_password_ends_every_other_session(
    app: TestApp, services: Services, worker: PasswordMails
) -> None:
    elsewhere = another(app)
    form = elsewhere.get("/connexion").forms["formulaire"]
    form["login"], form["password"] = AGENT, OLD
    form.submit(status=303)
    elsewhere.get("/", status=200)
    arrived = choose(app, link_to(app, services, worker, AGENT))
    assert arrived.location.endswith("/?avis=mot-de-passe-choisi")
    app.get("/", status=200)
    elsewhere.get("/", status=303)
    assert [kind for kind, *_ in mails(services)] == ["password-reset", "password-changed"]
    with pytest.raises(Exception, match="wrong one"):
        services.directory.authenticate(AGENT, OLD)


def test_the_wording_fits_the_account_not_the_button(
    app: TestApp, services: Services, worker: PasswordMails
) -> None:
    ask(app, AGENT, "/premiere-visite")
    ask(app, NEW, "/mot-de-passe-oublie")
    worker.deliver()
    first, second = mails(services)
    assert first[0] == "password-reset"
    assert "a déjà un mot de passe" in first[2]
    assert second[0] == "password-first-visit"
    assert "n'en a pas encore" in second[2]


def test_a_long_phrase_counts_to_its_last_letter(
    app: TestApp, services: Services, worker: PasswordMails
) -> None:
    """ASVS 6.2.9; bcrypt alone reads 72 bytes."""
    phrase = "Où l'été s'achève, les hirondelles s'assemblent sur le fil, " * 3
    choose(app, link_to(app, services, worker, AGENT), phrase)
    assert services.directory.authenticate(AGENT, phrase)
    with pytest.raises(Exception, match="wrong one"):
        services.directory.authenticate(AGENT, phrase[:-2] + "; ")


# --- what the links are ------------------------------------------------------------------------


def test_only_the_hash_of_a_token_is_kept(
    app: TestApp, services: Services, worker: PasswordMails
) -> None:
    token = link_to(app, services, worker, AGENT).rpartition("/")[2]
    with services.db.reading() as session:
        row = session.scalars(select(PasswordLinkRow)).one()
        assert session.scalar(select(func.count()).select_from(PasswordRequest)) == 0
    assert token not in "".join(str(value) for value in vars(row).values())
    assert len(row.key) == 64


def test_looking_spends_nothing(app: TestApp, services: Services, worker: PasswordMails) -> None:
    """Mail scanners open links, and so do previews."""
    link = link_to(app, services, worker, AGENT)
    for _ in range(3):
        another(app).head(link, status=200)
        page = another(app).get(link, status=200)
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    choose(app, link)


def test_each_end_of_a_link_is_told_apart(
    app: TestApp, services: Services, worker: PasswordMails, clock: FakeClock
) -> None:
    def says(link: str, status: int, words: str) -> TestResponse:
        page = another(app).get(link, status=status)
        assert words in page.html.h1.text
        assert "Recevoir un nouveau lien" in page.text
        return page

    says("/mot-de-passe/abc", 404, "n'est pas reconnu")
    first = link_to(app, services, worker, AGENT)
    second = link_to(app, services, worker, AGENT)
    says(first, 410, "a été remplacé")
    choose(app, second)
    says(second, 410, "a déjà servi")
    third = link_to(app, services, worker, AGENT)
    build(services.core).accounts.set_password(OPERATOR, AGENT, "un autre mot de passe")
    says(third, 410, "ne sert plus")
    clock.advance(timedelta(hours=2))
    before = link_to(app, services, worker, AGENT)
    build(services.core).bin.delete(OPERATOR, AGENT)
    build(services.core).bin.restore(OPERATOR, AGENT)
    assert "a été supprimé" in says(before, 410, "ne sert plus").text
    fourth = link_to(app, services, worker, AGENT)
    clock.advance(LIFETIME - timedelta(seconds=1))
    app.get(fourth, status=200)
    clock.advance(timedelta(seconds=1))
    says(fourth, 410, "n'est plus valable")
    assert worker.purge() == 0
    clock.advance(KEPT)
    assert worker.purge() == 5
    says(fourth, 404, "n'est pas reconnu")


def test_a_new_link_is_one_press_away(
    app: TestApp, services: Services, worker: PasswordMails, clock: FakeClock
) -> None:
    link = link_to(app, services, worker, AGENT)
    clock.advance(LIFETIME)
    page = app.get(link, status=410)
    sent = page.forms[0].submit(status=303).follow(status=200)
    assert "Consultez votre messagerie" in sent.text
    assert worker.deliver() == 1
    assert mails(services)[-1][:2] == ("password-reset", AGENT)


def test_a_locked_account_keeps_its_link_for_later(
    app: TestApp, services: Services, worker: PasswordMails
) -> None:
    link = link_to(app, services, worker, AGENT)
    form = app.get(link).forms["formulaire"]
    accounts = build(services.core).accounts
    accounts.lock(OPERATOR, AGENT)
    form["new"] = form["confirm"] = PASSWORD
    refused = form.submit(status=403)
    assert "Votre compte est verrouillé." in refused.text
    assert "référent administrateur" in refused.text
    accounts.unlock(OPERATOR, AGENT)
    choose(app, link)


def test_the_policy_is_told_at_its_field_and_spends_nothing(
    app: TestApp, services: Services, worker: PasswordMails
) -> None:
    link = link_to(app, services, worker, AGENT)
    for wrong, words in (
        ("trop court", "au moins 12 caractères"),
        ("Agnès-Martin-1975", "ne doit pas être fait de votre nom"),
        ("Soleil-2026 !!", "trop courant"),
    ):
        page = choose(app, link, wrong, status=400)
        assert words in page.html.find(class_="field-error").text
        assert page.forms["formulaire"]["new"].value == ""
        assert wrong not in page.text
    form = app.get(link).forms["formulaire"]
    form["new"], form["confirm"] = PASSWORD, PASSWORD + "."
    assert "ne sont pas les mêmes" in form.submit(status=400).text
    choose(app, link)


def test_whose_link_it_is_cannot_be_chosen(
    app: TestApp, services: Services, worker: PasswordMails
) -> None:
    link = link_to(app, services, worker, AGENT)
    form = app.get(link).forms["formulaire"]
    form["login"].force_value("referent@demo.example")
    form["new"], form["confirm"] = PASSWORD, "autre"
    page = form.submit(status=400)
    assert page.forms["formulaire"]["login"].value == AGENT
    form["confirm"] = PASSWORD
    form.submit(status=303)
    assert services.directory.authenticate("referent@demo.example", OLD)
    assert services.directory.authenticate(AGENT, PASSWORD)


# --- who gets which mail -----------------------------------------------------------------------


def lock(services: Services) -> None:
    build(services.core).accounts.lock(OPERATOR, AGENT)


def expire(services: Services) -> None:
    now = services.clock.now()
    build(services.core).accounts.set_validity(
        OPERATOR, AGENT, now - timedelta(days=9), now - timedelta(days=1)
    )


def postpone(services: Services) -> None:
    opens = services.clock.now() + timedelta(days=9)
    build(services.core).accounts.set_validity(OPERATOR, AGENT, opens, None)


def delete(services: Services) -> None:
    build(services.core).bin.delete(OPERATOR, AGENT)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lock, "Votre compte est verrouillé."),
        (expire, "Votre compte n'est plus valable."),
        (postpone, "Il le sera le "),
        (delete, "Votre compte a été supprimé."),
    ],
)
def test_who_may_not_enter_learns_why_and_whom_to_ask(
    app: TestApp,
    services: Services,
    worker: PasswordMails,
    change: Callable[[Services], None],
    words: str,
) -> None:
    change(services)
    ask(app, AGENT)
    worker.deliver()
    [(kind, recipient, text)] = mails(services)
    assert (kind, recipient) == ("password-refused", AGENT)
    assert words in text
    assert LINK.search(text) is None
    helper = services.settings.organization.correspondant
    assert (helper if change is delete else "referent@demo.example") in text


def test_nobody_s_address_gets_no_mail_and_is_forgotten(
    app: TestApp, services: Services, worker: PasswordMails, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(app, "personne@demo.example")
    before = codes(services)
    assert worker.deliver() == 1
    assert mails(services) == []
    assert codes(services) == before
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(PasswordRequest)) == 0
    assert "personne@" not in capsys.readouterr().err


def test_impatience_makes_one_mail(app: TestApp, services: Services, worker: PasswordMails) -> None:
    for _ in range(3):
        ask(app, AGENT)
    assert worker.deliver() == 1
    assert len(mails(services)) == 1


def test_a_request_nobody_awaits_any_more_is_dropped(
    app: TestApp, services: Services, worker: PasswordMails, clock: FakeClock
) -> None:
    ask(app, AGENT)
    clock.advance(timedelta(hours=12))
    assert worker.deliver() == 1
    assert mails(services) == []


def test_the_throttle_says_nothing(
    app: TestApp, services: Services, worker: PasswordMails, clock: FakeClock
) -> None:
    """Three mails an hour to one address from one network, twelve from everywhere."""
    said = set()
    for _ in range(5):
        said.add(re.sub(r'(?<=csrf_token" value=")\w+', "", ask(app, AGENT).text))
        worker.deliver()
    assert len(said) == 1
    assert len(mails(services)) == 3
    for number in range(20):
        app.extra_environ["REMOTE_ADDR"] = f"198.51.{number}.1"
        ask(app, AGENT)
        worker.deliver()
    assert len(mails(services)) == 3 + 7, "the two that were dropped count as well"
    clock.advance(timedelta(hours=1))
    ask(app, AGENT)
    worker.deliver()
    assert len(mails(services)) == 11


def test_the_throttle_of_a_town_hall_is_wide(passwords: IPasswords, services: Services) -> None:
    for number in range(310):
        passwords.ask(f"agent{number}@ville.example", Purpose.FIRST_VISIT)
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(PasswordRequest)) == 300


# --- races -------------------------------------------------------------------------------------


def test_race_of_two_posts_of_one_link(
    app: TestApp, services: Services, worker: PasswordMails, passwords: IPasswords
) -> None:
    token = link_to(app, services, worker, AGENT).rpartition("/")[2]

    def spend(password: str) -> str:
        try:
            passwords.spend(token, password, user_agent="", current=None)
        except LinkRefused as refused:
            return refused.reason
        return password

    with ThreadPoolExecutor(4) as pool:
        tried = [f"{PASSWORD} {number}" for number in range(4)]
        results = list(pool.map(spend, tried))
    assert results.count("used") == 3
    [won] = [each for each in results if each != "used"]
    assert services.directory.authenticate(AGENT, won)
    assert [kind for kind, *_ in mails(services)].count("password-changed") == 1


def test_race_of_a_post_with_what_happens_while_the_password_hashes(
    app: TestApp,
    services: Services,
    worker: PasswordMails,
    passwords: IPasswords,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lock, a newer link, a mandate: each is seen, whatever was checked before the hash."""
    accounts = build(services.core).accounts
    hashing = passwords._passwords.hash  # type: ignore[attr-defined]

    def meanwhile(act: Callable[[], object]) -> None:
        def hash_slowly(password: str) -> str:
            act()
            return str(hashing(password))

        monkeypatch.setattr(passwords._passwords, "hash", hash_slowly)  # type: ignore[attr-defined]

    def refused(reason: str) -> None:
        with pytest.raises(LinkRefused) as caught:
            passwords.spend(token, PASSWORD, user_agent="", current=None)
        assert caught.value.reason == reason
        assert services.directory.authenticate(AGENT, OLD), "nothing was changed"

    token = link_to(app, services, worker, AGENT).rpartition("/")[2]
    meanwhile(lambda: accounts.lock(OPERATOR, AGENT))
    with pytest.raises(LinkRefused, match="unusable"):
        passwords.spend(token, PASSWORD, user_agent="", current=None)
    accounts.unlock(OPERATOR, AGENT)
    meanwhile(lambda: worker.send(OPERATOR, AGENT))
    refused("replaced")
    found = LINK.search(mails(services)[-1][2])
    assert found is not None
    token = found[2]
    mandates = build(services.core).mandates
    meanwhile(lambda: mandates.add(OPERATOR, AGENT, "collectivite-a", ("bip",)))
    with pytest.raises(DirectoryError, match="too short"):
        passwords.spend(token, "quatorze lettr", user_agent="", current=None)
    assert passwords.link(token).policy.minimum == 15


# --- an agent who became a référent --------------------------------------------------------------


def test_a_new_referent_chooses_a_longer_password_at_his_next_sign_in(
    app: TestApp, services: Services, clock: FakeClock
) -> None:
    directory = build(services.core)
    directory.accounts.set_password(OPERATOR, AGENT, "quatorze lettr")

    def sign_in(password: str) -> TestResponse:
        form = another(app).get("/connexion").forms["formulaire"]
        form["login"], form["password"] = AGENT, password
        return form.submit(status="*")

    assert sign_in("quatorze lettr").location.endswith("6543/")
    directory.mandates.add(OPERATOR, AGENT, "collectivite-a", ("bip",))
    assert sign_in("quatorze lettR").status_int == 400
    sent_on = sign_in("quatorze lettr")
    assert sent_on.status_int == 303
    assert "Set-Cookie" not in sent_on.headers or "convergences=" not in str(sent_on.headers)
    page = app.get(sent_on.location, status=200)
    assert "au moins 15" in page.text
    app.get("/", status=303)
    path = sent_on.location.removeprefix("http://localhost:6543")
    assert "au moins 15" in choose(app, path, "quatorze lettr", status=400).text
    choose(app, path, "quinze lettres.").follow(status=200)
    assert sign_in("quinze lettres.").location.endswith("6543/")
    again = sign_in("quinze lettres.")
    assert again.status_int == 303
    directory.accounts.set_password(OPERATOR, AGENT, "les quinze lettres")
    late = services.self_service.passwords.renew(
        services.directory.authenticate(AGENT, "les quinze lettres").id
    )
    clock.advance(timedelta(minutes=30))
    app.get(f"/mot-de-passe/{late}", status=410)


# --- changing it, signed in ----------------------------------------------------------------------


def test_change_keeps_this_session_alone(
    services: Services, passwords: IPasswords, clock: FakeClock
) -> None:
    subject = services.directory.authenticate(AGENT, OLD)
    start = services.sessions.start
    token, keep = start(subject, "urn:x", user_agent="ici")
    other, _ = start(subject, "urn:x", user_agent="ailleurs")
    name_id = NameID("_a", NameIDFormat.TRANSIENT, "urn:us", "urn:sp")
    opened = SpSession("urn:sp", name_id, "_1", keep.started_at, keep.expires_at)
    services.sessions.record(keep, opened)
    clock.advance(timedelta(minutes=5))
    changed = passwords.change(subject.id, OLD, PASSWORD, keep=keep, user_agent="ici")
    assert services.sessions.find(token) is None, "a new token for the session that goes on"
    assert services.sessions.find(other) is None
    found = services.sessions.find(changed.token)
    assert found is not None
    now = services.directory.find_subject(subject.id)
    assert now is not None
    assert not found.outdated(now.password_changed_at)
    assert services.sessions.sp_sessions(found) == (opened,)
    assert services.directory.authenticate(AGENT, PASSWORD)
    assert mails(services)[-1][:2] == ("password-changed", AGENT)


def test_change_wants_the_old_password_and_counts_wrong_ones(
    services: Services, passwords: IPasswords
) -> None:
    subject = services.directory.authenticate(AGENT, OLD)
    _, keep = services.sessions.start(subject, "urn:x", user_agent="")
    for wrong, error in (
        *[("faux", "pas votre mot de passe actuel.")] * 5,
        (OLD, "Trop d'essais"),
    ):
        with pytest.raises(AuthenticationFailed) as caught:
            passwords.change(subject.id, wrong, PASSWORD, keep=keep, user_agent="")
        assert error in caught.value.public
    assert services.directory.authenticate(AGENT, OLD), "nobody is kept out of signing in"


def test_change_is_refused_in_words(services: Services, passwords: IPasswords) -> None:
    subject = services.directory.authenticate(AGENT, OLD)
    token, keep = services.sessions.start(subject, "urn:x", user_agent="")
    for new in (OLD, "trop court", "Soleil-2026 !!"):
        with pytest.raises(DirectoryError):
            passwords.change(subject.id, OLD, new, keep=keep, user_agent="")
    assert services.sessions.find(token) is not None
    assert passwords.policy(subject.id).minimum == 12


# --- a real mail server ------------------------------------------------------------------------


@pytest.fixture
def maildir(tmp_path: Path) -> Iterator[tuple[str, mailbox.Maildir]]:
    """A mail server that keeps what it takes in a Maildir, and its address."""
    handler = Mailbox(str(tmp_path / "Maildir"))
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    with closing(mailbox.Maildir(str(tmp_path / "Maildir"))) as box:
        yield f"smtp://127.0.0.1:{controller.port}", box
    controller.stop()


def test_the_link_as_a_mail_reader_finds_it(
    app: TestApp,
    services: Services,
    worker: PasswordMails,
    maildir: tuple[str, mailbox.Maildir],
) -> None:
    url, box = maildir
    ask(app, AGENT)
    worker.deliver()
    sender = services.settings.mail.sender
    assert OutboxSender(services.db, services.clock, transport_of(url), sender).send_waiting() == 1
    [raw] = [bytes(message) for message in box]
    message = message_from_bytes(raw, policy=policy.default)
    assert message["To"] == AGENT
    assert message["Subject"] == "[Portail des applications du CIG] Choisir un nouveau mot de passe"
    links = []
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        found = re.search(
            r"http://localhost:6543(/mot-de-passe/[\w-]{43})(?=[\s\"<])", body.get_content()
        )
        assert found is not None
        links.append(found[1])
    assert links[0] == links[1]
    assert mails(services)[-1][2] == "", "what opens an account is erased once it is sent"
    choose(app, links[0]).follow(status=200)
