"""Finding out who has an account: the sign-in page says, costs and stores the same for all.

On the SQL directory. Time itself is the bench's; here the statements and the hashes are counted.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

import bcrypt
import pytest
from sqlalchemy import event, func, select
from webtest import TestApp, TestResponse

import idp.passwords
from directory.authorisation import OPERATOR
from directory.services import DirectoryServices, build
from directory.services.accounts.changes import Person
from idp.audit import AuditEvent
from idp.services import Services
from tests.common.databases import Filling
from tests.common.fillings import demonstrated

PASSWORD = "une phrase assez longue pour cela"
ATTEMPTS = 8
"""Five are free, the sixth has to wait."""

CASES = ("known", "locked", "expired", "deleted", "without-password", "on-first-day")
ASKING = ("/premiere-visite", "/mot-de-passe-oublie")
EXPIRES = re.compile(r" expires=[^;]+;")
CHANGING = re.compile(r'(?<=name="csrf_token" value=")[0-9a-f]+|(?<=<code>)[0-9a-f]{16}')


@pytest.fixture
def directory_plugin() -> str:
    """The one with tables."""
    return "directory.plugin.build"


def mail(name: str) -> str:
    """Addresses of one length, so that the lengths of the answers may be compared."""
    return f"{name:x<20}@demo.example"


@pytest.fixture
def database_filling() -> Filling:
    """The demonstration's people."""
    return demonstrated


@pytest.fixture
def directory(services: Services) -> DirectoryServices:
    """One account in each state that the page must keep for itself."""
    made = build(services.core)
    now = services.clock.now()
    for name in CASES:
        password = None if name == "without-password" else PASSWORD
        person = Person(mail(name), "Nom", "Prénom")
        made.accounts.add(OPERATOR, person, "a-rh", password=password, no_mail=True)
    made.accounts.lock(OPERATOR, mail("locked"))
    past = now - timedelta(days=30)
    made.accounts.set_validity(OPERATOR, mail("expired"), past, now - timedelta(days=1))
    made.accounts.set_validity(OPERATOR, mail("on-first-day"), now + timedelta(days=1), None)
    made.bin.delete(OPERATOR, mail("deleted"))
    return made


@dataclass(frozen=True)
class Seen:
    """What one attempt lets an observer see, from outside and from the database's side."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    statements: tuple[str, ...]
    hashes: tuple[str, ...]


class Observer:
    """Tries passwords in a fresh browser and notes everything that might differ."""

    def __init__(self, services: Services, app: TestApp, monkeypatch: pytest.MonkeyPatch) -> None:
        self._services = services
        self._wsgi = app
        self._hashes: list[str] = []
        for name in ("checkpw", "hashpw"):
            monkeypatch.setattr(idp.passwords.bcrypt, name, self._counted(getattr(bcrypt, name)))

    def _counted(self, work: Callable[[bytes, bytes], object]) -> Callable[..., object]:
        def counted(password: bytes, salt_or_hash: bytes) -> object:
            self._hashes.append(f"{work.__name__} {salt_or_hash[:7].decode()} {len(password)}")
            return work(password, salt_or_hash)

        return counted

    @contextmanager
    def _statements(self) -> Iterator[list[str]]:
        seen: list[str] = []

        def note(*args: object) -> None:
            if "FROM revision" not in str(args[2]):  # once a second, whoever comes
                seen.append(str(args[2]))

        engine = self._services.db.engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(engine, "before_cursor_execute", note)

    def attempts(self, login: str, password: str, count: int = ATTEMPTS) -> list[Seen]:
        """What as many attempts in a row show."""
        browser = TestApp(self._wsgi.app, extra_environ=self._wsgi.extra_environ)
        token = browser.get("/connexion").forms["formulaire"]["csrf_token"].value
        form = {"csrf_token": token, "login": login, "password": password}
        return [self._attempt(browser, form) for _ in range(count)]

    def requests(self, path: str, login: str, count: int = ATTEMPTS) -> list[Seen]:
        """What asking for a link shows, and the page that follows: the first three send a mail."""
        browser = TestApp(self._wsgi.app, extra_environ=self._wsgi.extra_environ)
        form = browser.get(path).forms["formulaire"]
        values = {"csrf_token": form["csrf_token"].value, "login": login}
        seen = []
        for _ in range(count):
            seen.append(self._attempt(browser, values, path))
            seen.append(self._see(lambda: browser.get(f"{path}?avis=envoi"), login))
        return seen

    def _attempt(self, browser: TestApp, form: dict[str, str], path: str = "/connexion") -> Seen:
        return self._see(lambda: browser.post(path, form, status="*"), form["login"])

    def _see(self, act: Callable[[], TestResponse], login: str) -> Seen:
        self._hashes.clear()
        with self._statements() as statements:
            answer = act()
        return Seen(
            status=answer.status_int,
            headers=tuple(
                (name, _without(login, EXPIRES.sub("", value)))
                for name, value in answer.headerlist
                if name != "X-Request-Id"
            ),
            body=_without(login, CHANGING.sub("", answer.text)),
            statements=tuple(statements),
            hashes=tuple(self._hashes),
        )


def _without(login: str, text: str) -> str:
    """The text, whoever it was about: plain, and as a cookie writes it."""
    typed = login.strip()
    return text.replace(typed, "LOGIN").replace(quote(typed), "LOGIN")


@pytest.fixture
def observer(services: Services, app: TestApp, monkeypatch: pytest.MonkeyPatch) -> Observer:
    return Observer(services, app, monkeypatch)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("directory")
def test_enumeration_by_a_wrong_password(observer: Observer, name: str) -> None:
    unknown = observer.attempts(mail("nobody"), "un mot de passe faux")
    existing = observer.attempts(mail(name), "un mot de passe faux")
    assert existing == unknown
    assert [seen.status for seen in unknown] == [400] * 5 + [429] * 3
    first, last = unknown[0], unknown[-1]
    assert "Adresse mail ou mot de passe incorrect." in first.body
    assert [hashed.split()[0] for hashed in first.hashes] == ["checkpw"]
    assert last.hashes == (), "a throttled attempt costs no hash"
    assert len(first.statements) > len(last.statements) > 0


@pytest.mark.usefixtures("directory")
def test_enumeration_of_accounts_that_never_had_a_password(observer: Observer) -> None:
    tried = observer.attempts(mail("without-password"), PASSWORD, count=1)
    assert tried == observer.attempts(mail("nobody"), PASSWORD, count=1)
    assert tried[0].status == 400


@pytest.mark.parametrize("password", ["", "x" * 72, "é" * 2000, "a\x00b", "  ", "\U0001f511" * 99])
@pytest.mark.usefixtures("directory")
def test_enumeration_by_an_unusual_password(observer: Observer, password: str) -> None:
    known = observer.attempts(mail("known"), password, count=2)
    assert known == observer.attempts(mail("nobody"), password, count=2)
    assert {seen.status for seen in known} == {400}


@pytest.mark.parametrize("path", ASKING)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("directory")
def test_enumeration_by_asking_for_a_link(observer: Observer, path: str, name: str) -> None:
    """The same text, status, statements and hashes, also once the throttle drops the rest."""
    unknown = observer.requests(path, mail("nobody"))
    assert observer.requests(path, mail(name)) == unknown
    assert {seen.status for seen in unknown} == {200, 303}
    assert all(seen.hashes == () for seen in unknown)
    stored = ["INSERT INTO password_request" in "".join(seen.statements) for seen in unknown]
    assert sum(stored) == 3, "the rest is dropped"
    assert len({seen.body for seen in unknown if seen.status == 200}) == 1


@pytest.mark.parametrize("path", ASKING)
def test_enumeration_by_asking_for_a_link_reads_no_account(
    observer: Observer, directory: DirectoryServices, path: str
) -> None:
    del directory
    seen = observer.requests(path, mail("known"), count=1)
    assert not any(re.search(r"\baccount\b", each) for one in seen for each in one.statements)


@pytest.mark.usefixtures("directory")
def test_enumeration_by_the_spelling_of_an_address(observer: Observer) -> None:
    """Case, spaces and compositions are folded before anything is looked for."""
    for spelled in (str.upper, str.title, lambda text: f" {text} "):
        known = observer.attempts(spelled(mail("known")), "faux", count=1)
        assert known == observer.attempts(spelled(mail("nobody")), "faux", count=1)


@pytest.mark.usefixtures("directory")
def test_the_throttle_follows_the_person_not_the_spelling(observer: Observer) -> None:
    for spelled in (str.lower, str.upper, str.title, lambda text: f" {text}"):
        observer.attempts(spelled(mail("known")), "faux", count=2)
    assert observer.attempts(mail("known"), PASSWORD, count=1)[0].status == 429


@pytest.mark.usefixtures("directory")
def test_strangers_cannot_fill_the_journal(observer: Observer, services: Services) -> None:
    def events() -> int:
        with services.db.reading() as session:
            count = session.scalar(select(func.count()).select_from(AuditEvent))
        return count or 0

    before = events()
    for number in range(10):
        observer.attempts(mail(f"nobody{number}"), "faux", count=2)
    assert events() == before
    observer.attempts(mail("known"), "faux", count=1)
    assert events() == before + 1, "an attempt on somebody's account is his to know"
