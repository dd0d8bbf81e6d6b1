"""Who is told by whom, what is made of the answer, and what happens when nobody lives to tell."""

import threading
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Event
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from lxml import etree
from sqlalchemy import select
from structlog.testing import capture_logs

from idp import telling
from idp.audit import AuditEvent
from idp.back_channel import BackChannel
from idp.db import AskedInVain
from idp.errors import BackChannelFailed, ConfigurationError, UnknownServiceProvider
from idp.http_out import HttpOut
from idp.messages import LogoutTask, TaskState
from idp.metrics import logouts
from idp.saml.names import RSA_SHA1, q
from idp.services import Services
from idp.sessions import logouts as logouts_module
from idp.sessions.logouts import Logouts
from idp.sessions.tables import TaskRow
from idp.sessions.tasks import FIRST_DELAY, SHARE, Tasks
from idp.telling import Teller
from idp.types import (
    AuthnContext,
    Binding,
    Endpoint,
    Legacy,
    NameID,
    NameIDFormat,
    ServiceProvider,
    SpSession,
    Subject,
)
from tests.common.clock import FakeClock
from tests.common.fake_slo import envelope, logout_response, opened
from tests.common.fake_sp import FakeSP
from tests.common.raw_sp import dripping, listening
from tests.common.threads import all_at_once

LEA = Subject("lea", "lea@b.fr", "Léa", "Martin")
BOTH, FRONT, NONE = ("SOAP", "HTTP-Redirect"), ("HTTP-POST",), ()
Answer = Callable[[etree._Element], bytes]


class Registry:
    """The SPs, by entityID; one that is taken out is disabled or gone."""

    def __init__(self) -> None:
        self.known: dict[str, ServiceProvider] = {}

    def get(self, entity_id: str) -> ServiceProvider:
        try:
            return self.known[entity_id]
        except KeyError:
            raise UnknownServiceProvider(entity_id) from None


class World:
    """A teller, SPs of which each answers in its own way, and a person with sessions at all."""

    def __init__(self, services: Services, clock: FakeClock) -> None:
        self.services, self.clock = services, clock
        self.registry, self.answers = Registry(), dict[str, Answer]()
        self.asked: list[str] = []
        self.tasks = Tasks(services.db, clock)
        self.session = services.sessions.start(
            LEA, AuthnContext.PASSWORD_PROTECTED_TRANSPORT, user_agent="N"
        )[1]
        self.teller = self.tell_through(self)

    def tell_through(self, back_channel: object) -> Teller:
        """A teller with this back channel."""
        return Teller(
            issuer="https://idp.example",
            db=self.services.db,
            clock=self.clock,
            service_providers=self.registry,  # type: ignore[arg-type]
            signer=self.services.keys,
            back_channel=back_channel,  # type: ignore[arg-type]
            tasks=self.tasks,
            audit=self.services.audit,
        )

    def add(
        self, name: str, slo: tuple[str, ...], location: str | None = None, *, sessions: int = 1
    ) -> FakeSP:
        """Register this SP; the person has so many sessions there, each under a name of its own."""
        sp = FakeSP(name, signs=True, slo=slo)
        endpoints = tuple(
            Endpoint(Binding(f"urn:oasis:names:tc:SAML:2.0:bindings:{binding}"), location or where)
            for binding, where in sp.slo.items()
        )
        self.registry.known[sp.entity_id] = ServiceProvider(
            entity_id=sp.entity_id,
            display_name=name,
            assertion_consumer_services=(),
            signing_certificates=(sp.certificate,),
            single_logout_services=endpoints,
        )
        if "SOAP" in sp.slo:
            self.answers[sp.slo["SOAP"]] = lambda asked: envelope(
                logout_response(sp, asked, now=self.clock.now())
            )
        started, expires = self.session.started_at, self.session.expires_at
        for number in range(sessions):
            name_id = NameID(f"v{number}", NameIDFormat.TRANSIENT, None, sp.entity_id)
            self.services.sessions.record(
                self.session, SpSession(sp.entity_id, name_id, "_i", started, expires)
            )
        return sp

    def post(self, location: str, data: bytes) -> bytes:
        """See :class:`idp.interfaces.IBackChannel`."""
        self.asked.append(location)
        return self.answers[location](opened(data))

    def lock(self) -> tuple[LogoutTask, ...]:
        """The account is locked: what is to be told."""
        self.services.sessions.end(LEA.id, reason="lock")
        return self.tasks.due(50)

    def sign_out(self) -> tuple[LogoutTask, ...]:
        """The person signs out in his browser: what is to be told."""
        logouts = Logouts(self.services.db, self.clock, self.services.sessions, self.tasks)
        return logouts.find(logouts.begin(self.session)).tasks

    def all(self) -> tuple[LogoutTask, ...]:
        """Every task as it is now."""
        return self.tasks._read(select(TaskRow.__table__))

    def states(self) -> list[str]:
        with self.services.db.reading() as session:
            return list(session.scalars(select(TaskRow.state).order_by(TaskRow.entity_id)))

    def errors(self) -> list[str | None]:
        with self.services.db.reading() as session:
            return list(session.scalars(select(TaskRow.last_error).order_by(TaskRow.entity_id)))

    def journal(self) -> list[str]:
        told = select(AuditEvent.code).where(AuditEvent.code.startswith("logout."))
        with self.services.db.reading() as session:
            return list(session.scalars(told.order_by(AuditEvent.id)))


def finish() -> None:
    """Wait for the threads for which the teller waits no longer."""
    for thread in threading.enumerate():
        if thread.name.startswith("logout"):
            thread.join(10)


@pytest.fixture
def world(services: Services, clock: FakeClock) -> World:
    return World(services, clock)


def test_by_soap_if_it_can_else_left_open(world: World) -> None:
    sp = world.add("a", BOTH)
    world.add("b", FRONT)
    world.add("c", NONE)
    world.lock()
    assert world.teller.tell_due() == 3
    assert world.asked == [sp.slo["SOAP"]]
    assert world.states() == ["closed", "open", "open"]
    assert sorted(world.journal()) == ["logout.closed", "logout.open", "logout.open"]
    assert world.teller.tell_due() == 0


def test_what_the_browser_can_tell_waits_for_it(world: World) -> None:
    world.add("a", FRONT)
    world.add("b", NONE)
    tasks = world.sign_out()
    world.teller.tell(tasks, browser=True)
    assert world.states() == ["waiting", "open"]
    outgoing = world.teller.request(tasks[0])
    assert outgoing is not None
    assert outgoing.location == "https://a.example/slo/HTTP-POST"
    assert world.teller.request(tasks[0]) is None, "another tab has it in hand"
    assert world.teller.request(tasks[1]) is None, "it has no such address"


def test_a_browser_may_take_its_time_and_then_it_failed(world: World) -> None:
    world.add("a", FRONT)
    (task,) = world.sign_out()
    world.teller.request(task)
    world.clock.advance(telling.BROWSER - timedelta(seconds=1))
    assert world.teller.tell_due() == 0
    world.clock.advance(timedelta(seconds=1))
    assert world.teller.tell_due() == 1
    assert world.states() == ["failed"], "it was told, and did not confirm"
    assert world.errors() == ["the browser did not come back from it"]


@pytest.mark.parametrize("what", ["removed", "without endpoints"])
def test_no_browser_is_named_where_none_was_asked(world: World, what: str) -> None:
    sp = world.add("a", ("SOAP",))
    world.answers[sp.slo["SOAP"]] = refusing
    world.lock()
    world.teller.tell_due()
    assert (world.states(), world.errors()) == (["waiting"], ["no"])
    if what == "removed":
        del world.registry.known[sp.entity_id]
    else:
        known = world.registry.known[sp.entity_id]
        world.registry.known[sp.entity_id] = replace(known, single_logout_services=())
    world.clock.advance(timedelta(minutes=2))
    assert world.teller.tell_due() == 1
    assert world.states() == ["failed"]
    (cause,) = world.errors()
    assert cause is not None
    assert "browser" not in cause
    assert ("not registered" if what == "removed" else "no SingleLogoutService") in cause


def refusing(asked: etree._Element) -> bytes:
    del asked
    raise BackChannelFailed("no")


def breaking(asked: etree._Element) -> bytes:
    raise RuntimeError(asked.tag)


@pytest.mark.parametrize(
    ("answer", "state", "cause"),
    [
        (refusing, "waiting", "no"),
        (breaking, "waiting", "RuntimeError"),
        (lambda _: b"<html/>", "waiting", "SOAP envelope"),
        (envelope, "waiting", "is not a LogoutResponse"),
        (
            lambda asked: envelope(logout_response(FakeSP("b"), asked, now=NOW)),
            "waiting",
            "another SP's",
        ),
        (
            lambda asked: envelope(logout_response(FakeSP("a"), asked, now=NOW, InResponseTo="_x")),
            "waiting",
            "another request",
        ),
        (
            lambda asked: envelope(logout_response(FakeSP("a"), asked, now=NOW, Version="1.1")),
            "waiting",
            "Version",
        ),
        (
            lambda asked: envelope(
                logout_response(FakeSP("a"), asked, now=NOW, status="Responder")
            ),
            "failed",
            "status:Responder",
        ),
    ],
)
def test_what_is_no_confirmation(world: World, answer: Answer, state: str, cause: str) -> None:
    sp = world.add("a", BOTH)
    world.answers[sp.slo["SOAP"]] = answer
    world.lock()
    world.teller.tell_due()
    assert world.states() == [state]
    assert cause in str(world.errors()[0])
    assert world.journal() == ["logout.failed"]


NOW = FakeClock().now()


def test_an_sp_that_knows_of_no_session_has_none(world: World) -> None:
    sp = world.add("a", BOTH)

    def unknown(asked: etree._Element) -> bytes:
        root = logout_response(sp, asked, now=NOW, status="Requester")
        code = root.find(f".//{q('samlp', 'StatusCode')}")
        etree.SubElement(
            code,
            q("samlp", "StatusCode"),
            Value="urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal",
        )
        return envelope(root)

    world.answers[sp.slo["SOAP"]] = unknown
    world.lock()
    world.teller.tell_due()
    assert world.states() == ["closed"]


def test_a_disabled_sp_and_one_without_its_endpoint_are_left_open(world: World) -> None:
    gone, changed = world.add("a", BOTH), world.add("b", BOTH)
    tasks = world.lock()
    del world.registry.known[gone.entity_id]
    known = world.registry.known[changed.entity_id]
    world.registry.known[changed.entity_id] = replace(known, single_logout_services=())
    assert [world.teller.request(task) for task in tasks] == [None, None]
    world.teller.tell_due()
    assert world.states() == ["open", "open"]
    assert world.asked == []


def test_an_endpoint_that_disappears_while_it_is_told(world: World) -> None:
    sp = world.add("a", BOTH)
    (task,) = world.lock()
    del world.registry.known[sp.entity_id]
    assert world.teller._tell_one(task) is None
    assert world.states() == ["waiting"]


def test_several_tell_at_once_and_one_does(world: World) -> None:
    """Two workers and a browser: one LogoutRequest leaves."""
    world.add("a", BOTH)
    tasks = world.lock()
    all_at_once(lambda: world.teller.tell(tasks, browser=False), 3)
    assert len(world.asked) == 1
    assert world.states() == ["closed"]
    assert world.journal() == ["logout.closed"]


def test_killed_between_telling_and_settling_the_worker_goes_on(world: World) -> None:
    world.add("a", BOTH)
    (task,) = world.lock()
    assert world.tasks.told(task, "_lost", within=telling.BACK_CHANNEL)
    assert world.teller.tell_due() == 0
    world.clock.advance(telling.BACK_CHANNEL)
    assert world.teller.tell_due() == 1
    assert world.states() == ["closed"]


def test_a_late_answer_settles_nothing_twice(world: World) -> None:
    sp = world.add("a", BOTH)
    (task,) = world.lock()
    entered, leave = Event(), Event()

    def slow(asked: etree._Element) -> bytes:
        entered.set()
        assert leave.wait(10)
        return envelope(logout_response(sp, asked, now=world.clock.now()))

    world.answers[sp.slo["SOAP"]] = slow

    def tell() -> None:
        world.teller.tell((task,), browser=False)

    def give_up() -> None:
        assert entered.wait(10)
        (told,) = world.tasks._read(select(TaskRow.__table__))
        world.teller.fail(told, "given up", retry=False)
        leave.set()

    turns = iter([tell, give_up])

    def take_turn() -> None:
        next(turns)()

    all_at_once(take_turn, 2)
    assert world.states() == ["failed"]
    assert world.journal() == ["logout.failed"]


def test_sps_that_drip_are_told_in_parallel_and_nobody_waits_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idp.back_channel.TIMEOUT", 0.5)
    teller = world.tell_through(BackChannel(HttpOut(loopback=True)))
    with listening(dripping(b"HTTP/1.1 200 OK\r\nX: ")) as dead:
        for name in "abcdefghij":
            world.add(name, BOTH, dead.location)
        tasks = world.sign_out()
        started = time.monotonic()
        teller.tell(tasks, browser=True)
        assert time.monotonic() - started < 3
        assert len(dead.heard) == 10
    assert world.states() == ["waiting"] * 10
    assert world.teller.front_address(tasks[0]) is not None, "the browser may tell it yet"


def test_no_longer_than_the_limit_whatever_the_back_channel(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LIMIT", 1.5)
    sp, leave = world.add("a", BOTH), Event()

    def slow(asked: etree._Element) -> bytes:
        leave.wait(10)
        return envelope(asked)

    world.answers[sp.slo["SOAP"]] = slow
    tasks = world.lock()
    started = time.monotonic()
    world.teller.tell(tasks, browser=False)
    assert time.monotonic() - started < 8
    (handed_over,) = world.tasks.due(1)
    assert (handed_over.state, handed_over.attempts) == (TaskState.WAITING, 2), "due at once"
    leave.set()
    finish()
    assert world.all() == (handed_over,), "what it hears in the end is another's affair"


def test_what_was_too_slow_directly_the_browser_tells(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request stops waiting while the exchange goes on; the worker comes after the browser."""
    monkeypatch.setattr(telling, "LIMIT", 1.0)
    sp, leave = world.add("a", BOTH), Event()

    def slow(asked: etree._Element) -> bytes:
        leave.wait(10)
        return envelope(asked)

    world.answers[sp.slo["SOAP"]] = slow
    world.teller.tell(world.sign_out(), browser=True)
    (task,) = world.all()
    assert (task.state, task.attempts) == (TaskState.WAITING, 2)
    assert world.teller.tell_due() == 0
    assert world.teller.request(task) is not None
    leave.set()
    finish()


def test_a_dead_sp_of_many_sessions_holds_no_neighbour(world: World) -> None:
    """It is asked once; what was not asked did not confirm either, and is tried again."""
    dead, good = world.add("a", BOTH, sessions=40), world.add("b", BOTH)
    world.answers[dead.slo["SOAP"]] = refusing
    world.teller.tell(world.sign_out(), browser=True)
    assert sorted(world.asked) == sorted([dead.slo["SOAP"], good.slo["SOAP"]])
    assert world.states() == ["waiting"] * 40 + ["closed"]
    assert {task.attempts for task in world.all()} == {1}, "none reads as if it were to come"
    assert world.journal().count("logout.failed") == 1


def test_a_living_sp_is_told_of_every_session_in_turn(world: World) -> None:
    world.add("a", BOTH, sessions=5)
    world.teller.tell(world.sign_out(), browser=False)
    assert world.states() == ["closed"] * 5


def test_what_nobody_waits_for_any_more_is_the_workers_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "LIMIT", 0.5)
    sp, leave = world.add("a", BOTH, sessions=5), Event()
    answer = world.answers[sp.slo["SOAP"]]

    def slow(asked: etree._Element) -> bytes:
        leave.wait(10)
        return answer(asked)

    world.answers[sp.slo["SOAP"]] = slow
    world.teller.tell(world.sign_out(), browser=False)
    left = world.tasks.due(9)
    assert len(left) == 5
    assert all(task.attempts for task in left), "they did not confirm"
    leave.set()
    finish()
    world.answers[sp.slo["SOAP"]] = answer
    world.teller.tell_due()
    assert world.states() == ["closed"] * 5


def test_the_worker_asks_a_dead_sp_once_and_the_others_at_once(world: World) -> None:
    dead, good = world.add("a", BOTH, sessions=telling.BATCH + 20), world.add("b", BOTH)
    refused = iter([refusing])
    answer = world.answers[dead.slo["SOAP"]]

    def once(asked: etree._Element) -> bytes:
        return next(refused, answer)(asked)

    world.answers[dead.slo["SOAP"]] = once
    world.lock()
    world.teller.tell_due()
    assert sorted(world.asked) == sorted([dead.slo["SOAP"], good.slo["SOAP"]])
    assert world.teller.tell_due() == 0, "all that is due to it waits"
    assert world.journal().count("logout.failed") == 1
    world.clock.advance(FIRST_DELAY / 2)
    assert world.teller.tell_due() == SHARE
    assert world.states().count("closed") == SHARE + 1, "the one that failed stands in no way"


def test_of_many_failures_the_first_and_the_last_are_journalled(world: World) -> None:
    sp = world.add("a", BOTH)
    world.answers[sp.slo["SOAP"]] = refusing
    world.lock()
    failed = failures(sp.entity_id)
    for _ in range(30):
        world.teller.tell_due()
        world.clock.advance(FIRST_DELAY * 32)
    assert world.states() == ["failed"]
    assert failures(sp.entity_id) - failed > 5, "each is counted"
    assert world.journal() == ["logout.failed"] * 2


def failures(entity_id: str) -> float:
    return logouts.labels(entity_id=entity_id, outcome="failed")._value.get()


def test_the_reason_stays_when_the_sign_out_is_forgotten(world: World) -> None:
    sp = world.add("a", BOTH)
    reasons = []

    def noting(asked: etree._Element) -> bytes:
        reasons.append(asked.get("Reason"))
        return refusing(asked)

    world.answers[sp.slo["SOAP"]] = noting
    world.teller.tell(world.sign_out(), browser=False)
    world.clock.advance(logouts_module.LIFETIME + timedelta(minutes=1))
    assert logouts_module.purge(world.services.db, world.clock.now()) == 1
    world.teller.tell_due()
    assert reasons == ["urn:oasis:names:tc:SAML:2.0:logout:user"] * 2


@pytest.mark.parametrize("by", ["browser", "soap"])
def test_what_cannot_be_signed_here_was_not_told(
    by: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key on which this SP is kept is not on this node."""
    world.add("a", FRONT if by == "browser" else BOTH)
    (task,) = world.sign_out() if by == "browser" else world.lock()

    def absent(entity_id: str, *, sha1: bool = False) -> None:
        raise ConfigurationError(f"the key of {entity_id} is not here {sha1}")

    monkeypatch.setattr(world.services.keys, "towards", absent)
    if by == "browser":
        assert world.teller.request(task) is None, "no error page"
    else:
        world.teller.tell_due()
    (left,) = world.all()
    assert left.request_id is None
    assert left.state is (TaskState.FAILED if by == "browser" else TaskState.WAITING)
    assert left.attempts == 1


@pytest.mark.parametrize("binding", ["SOAP", "HTTP-POST", "HTTP-Redirect"])
def test_an_sp_with_the_exception_is_told_with_rsa_sha1(binding: str, world: World) -> None:
    sp = world.add("a", (binding,))
    known = world.registry.known[sp.entity_id]
    legacy = replace(known, exceptions=frozenset({Legacy.SHA1_SIGNING}))
    world.registry.known[sp.entity_id] = legacy
    heard = []

    def noting(asked: etree._Element) -> bytes:
        heard.append(etree.tostring(asked).decode())
        return refusing(asked)

    world.answers[sp.slo.get("SOAP", "")] = noting
    (task,) = world.sign_out()
    world.teller.tell((task,), browser=True)
    outgoing = world.teller.request(task)
    if binding == "HTTP-Redirect":
        assert outgoing is not None
        check_redirect(outgoing.location, world.services.keys.certificates()[0])
        return
    told = heard[0] if outgoing is None else b64decode(outgoing.value or "").decode()
    assert "xmldsig#rsa-sha1" in told
    assert "rsa-sha256" not in told


def check_redirect(url: str, certificate: bytes) -> None:
    """It says RSA-SHA1, and that is what it is."""
    query, _, signature = urlsplit(url).query.partition("&Signature=")
    assert parse_qs(query)["SigAlg"] == [RSA_SHA1]
    key = x509.load_der_x509_certificate(certificate).public_key()
    assert isinstance(key, RSAPublicKey)
    key.verify(b64decode(unquote(signature)), query.encode(), PKCS1v15(), SHA1())  # noqa: S303


def test_what_happens_to_nobody_in_particular_is_in_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes while an SP is told: nobody reads what its thread raises."""
    world.add("a", BOTH)

    def gone(*_: object, **__: object) -> None:
        raise AskedInVain("gone")

    tasks = world.lock()
    monkeypatch.setattr(world.tasks, "told", gone)
    monkeypatch.setattr(world.tasks, "fail", gone)
    with capture_logs() as lines:
        world.teller.tell(tasks, browser=False)
    seen = [line["entity_id"] for line in lines if line["event"] == "logout.unexpected"]
    assert seen == [tasks[0].entity_id] * 2, "that it was not told, and that this was not noted"
