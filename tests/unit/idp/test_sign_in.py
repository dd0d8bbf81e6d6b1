from collections.abc import Callable
from contextlib import suppress

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import event, select
from structlog.testing import capture_logs

from idp import passwords
from idp.audit import AuditEvent, AuditLog
from idp.context import Origin, acting, origin
from idp.db import Database
from idp.errors import AccountUnusable, AuthenticationFailed, BadCredentials, Busy, Throttled
from idp.passwords import Queue
from idp.sessions.sign_in import SignedIn, SignIn
from idp.sessions.sso import SsoSessions
from idp.settings import Settings
from idp.throttle import Throttle
from idp.types import AuthnContext, Subject
from tests.common.clock import FakeClock

LEA = Subject("lea", "lea@b.fr", "Léa", "Martin")
SignInWith = Callable[..., SignedIn]


class OnePerson:
    """A directory of one person; notes in which circumstances it was asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked = 0
        self.locked = False
        self.changed_meanwhile = False

    def authenticate(self, login: str, password: str) -> Subject:
        self.asked += 1
        assert self._database._current.get() is None, "a password is checked in a transaction"
        if login != LEA.login:
            raise BadCredentials("unknown")
        if password != "juste":
            raise BadCredentials("wrong", subject_id=LEA.id)
        if self.locked:
            raise AccountUnusable("locked", public="Compte verrouillé.", subject_id=LEA.id)
        return LEA

    def note_sign_in(self, subject: Subject) -> None:
        assert self._database._current.get() is not None, "noted with the session, or not at all"
        if self.changed_meanwhile:
            raise BadCredentials("changed", subject_id=subject.id)


@pytest.fixture
def directory(database: Database) -> OnePerson:
    return OnePerson(database)


@pytest.fixture
def sessions(database: Database, clock: FakeClock, settings: Settings) -> SsoSessions:
    return SsoSessions(
        database,
        clock,
        AuditLog(database, clock),
        idle=settings.session_idle,
        lifetime=settings.session_lifetime,
    )


@pytest.fixture
def sign_in(
    database: Database,
    clock: FakeClock,
    settings: Settings,
    directory: OnePerson,
    sessions: SsoSessions,
) -> SignInWith:
    use_case = SignIn(
        database,
        directory,  # type: ignore[arg-type] # of IDirectory, what this use case calls
        sessions,
        Throttle(database, clock),
        AuditLog(database, clock),
        secret=settings.secret,
    )

    def call(
        login: str = LEA.login, password: str = "juste", device: str | None = None
    ) -> SignedIn:
        return use_case.sign_in(
            login, password, address="192.0.2.1", user_agent="Navigateur", device=device
        )

    return call


def events(database: Database) -> list[tuple[str, str, str, str | None, dict[str, object]]]:
    with database.reading() as reading:
        return [
            (row.code, row.actor, row.address, row.subject_id, row.parameters)
            for row in reading.scalars(select(AuditEvent).order_by(AuditEvent.id))
        ]


def test_the_right_password_opens_a_session(
    sign_in: SignInWith, sessions: SsoSessions, database: Database
) -> None:
    with acting(Origin(request_id="r1")):
        signed_in = sign_in()
        assert origin() == Origin(request_id="r1")

    found = sessions.find(signed_in.token)
    assert found == signed_in.session
    assert found is not None
    assert found.subject_id == "lea"
    assert found.authn_context == AuthnContext.PASSWORD_PROTECTED_TRANSPORT
    assert signed_in.subject == LEA
    (opened,) = sessions.of_subject("lea")
    assert (opened.address, opened.user_agent) == ("192.0.2.1", "Navigateur")
    assert events(database) == [("sign-in.success", "lea", "192.0.2.1", "lea", {})]


def test_a_wrong_password_is_journalled(sign_in: SignInWith, database: Database) -> None:
    with pytest.raises(BadCredentials):
        sign_in(password="faux")

    assert events(database) == [
        ("sign-in.failure", "", "192.0.2.1", "lea", {"reason": "bad-credentials"})
    ]


def test_a_locked_account_is_journalled(
    sign_in: SignInWith, directory: OnePerson, database: Database
) -> None:
    directory.locked = True
    with pytest.raises(AccountUnusable, match="locked"):
        sign_in()

    assert [(code, parameters) for code, *_, parameters in events(database)] == [
        ("sign-in.failure", {"reason": "account-unusable"})
    ]


def test_strangers_cannot_fill_the_journal(sign_in: SignInWith, database: Database) -> None:
    with pytest.raises(BadCredentials):
        sign_in(login="personne@b.fr")

    assert events(database) == []


def test_an_unknown_login_runs_the_same_statements(sign_in: SignInWith, database: Database) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    event.listen(database.engine, "commit", lambda _connection: statements.append("COMMIT"))
    with pytest.raises(BadCredentials):
        sign_in(password="faux")
    known = list(statements)
    statements.clear()
    with pytest.raises(BadCredentials):
        sign_in(login="personne@b.fr", password="faux")

    assert statements == known
    assert known.count("COMMIT") == 2


def test_too_many_failures_are_refused_before_the_password_is_looked_at(
    sign_in: SignInWith, directory: OnePerson
) -> None:
    for _ in range(5):
        with pytest.raises(BadCredentials):
            sign_in(password="faux")
    with pytest.raises(Throttled) as refused:
        sign_in()

    assert directory.asked == 5
    assert refused.value.retry_after == 2
    assert refused.value.subject_id is None


@pytest.mark.parametrize("login", [LEA.login, "personne@b.fr"])
def test_without_a_place_nobody_is_looked_at_and_nothing_is_written(
    sign_in: SignInWith,
    directory: OnePerson,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    login: str,
) -> None:
    def busy() -> float:
        return REGISTRY.get_sample_value("convergences_sign_ins_total", {"outcome": "busy"}) or 0.0

    statements: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda *given: statements.append(given[2])
    )
    before = busy()
    with monkeypatch.context() as full, capture_logs() as logged:
        full.setattr(passwords, "_queue", Queue(0))
        with pytest.raises(Busy) as refused:
            sign_in(login=login)

    assert refused.value.retry_after > 0
    assert (directory.asked, statements) == (0, [])
    assert busy() == before + 1
    (line,) = logged
    assert (line["event"], line["log_level"]) == ("sign-in.busy", "warning")
    assert login not in str(line)
    assert sign_in().subject == LEA


def test_a_place_is_held_until_the_session_is_there_and_given_back_after_a_failure(
    sign_in: SignInWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(1)
    monkeypatch.setattr(passwords, "_queue", queue)
    for password in ("faux", "juste"):
        with suppress(BadCredentials):
            sign_in(password=password)
        with queue.place():
            pass


def test_the_owner_gets_in_from_his_browser_while_a_stranger_hammers(
    sign_in: SignInWith,
) -> None:
    device = sign_in().device_token
    for _ in range(5):
        with pytest.raises(BadCredentials):
            sign_in(password="faux")
    with pytest.raises(Throttled):
        sign_in()

    assert sign_in(device=device).device_token == device


def test_a_forged_device_is_replaced(sign_in: SignInWith) -> None:
    genuine = sign_in(device="forgé.jeton").device_token

    assert genuine != "forgé.jeton"
    assert sign_in(device=genuine).device_token == genuine


def test_success_forgets_the_failures(sign_in: SignInWith) -> None:
    for _ in range(2):
        for _ in range(4):
            with pytest.raises(BadCredentials):
                sign_in(password="faux")
        sign_in()


def test_session_and_journal_are_one_transaction(
    sign_in: SignInWith,
    sessions: SsoSessions,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(AuditLog, "record", broken)
    with pytest.raises(RuntimeError):
        sign_in()

    assert sessions.of_subject("lea") == ()
    assert events(database) == []


def test_every_refusal_reads_the_same(sign_in: SignInWith) -> None:
    texts = set()
    for login in (LEA.login, "personne@b.fr"):
        with pytest.raises(AuthenticationFailed) as refused:
            sign_in(login=login, password="faux")
        texts.add(refused.value.public)

    assert texts == {"Adresse mail ou mot de passe incorrect."}


def test_a_password_changed_while_the_old_one_was_checked_opens_nothing(
    sign_in: SignInWith, directory: OnePerson, sessions: SsoSessions, database: Database
) -> None:
    directory.changed_meanwhile = True

    with pytest.raises(BadCredentials):
        sign_in()

    assert sessions.of_subject(LEA.id) == ()
    with database.reading() as reading:
        codes = list(reading.scalars(select(AuditEvent.code)))
    assert codes == ["sign-in.failure"]
