"""The worker killed at any moment of its mails: nothing lost, and at most one the same twice."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select

from idp.db import Database
from idp.mail import Mailer, MailText, OutboxMail
from tests.common.clock import FakeClock
from tests.common.ports import free_port
from tests.common.processes import REPOSITORY

pytestmark = pytest.mark.uncovered

# What a worker does about mails, over and over, in a process that may be killed.
WORKER = """
import sys, time
from idp.db import Database
from idp.mail_sender import OutboxSender
from idp.mail_transports import SmtpTransport
from idp.services import SystemClock
transport = SmtpTransport("127.0.0.1", int(sys.argv[2]))
sender = OutboxSender(Database(sys.argv[1]), SystemClock(), transport, "x@cig.example")
while True:
    sender.send_waiting()
    time.sleep(0.05)
"""
MAILS = 12
STEPS = ("EHLO", "MAIL", "RCPT", "DATA", "QUIT")


class Killing:
    """A real server, which kills the worker at one step of one conversation, or at none."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.step = ""
        self.worker: subprocess.Popen[bytes] | None = None

    def reached(self, step: str) -> None:
        if step == self.step and self.worker is not None:
            self.step = ""
            self.worker.kill()
            self.worker.wait()

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's names
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        del server, envelope
        self.reached("EHLO")
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        self.reached("MAIL")
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        self.reached("RCPT")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = message_from_bytes(content, policy=policy.default)
        self.received.append(str(message["Message-ID"]))
        self.reached("DATA")
        return "250 OK"

    async def handle_QUIT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session, envelope
        self.reached("QUIT")
        return "221 Bye"


@pytest.fixture
def killing() -> Killing:
    return Killing()


@pytest.fixture
def port(killing: Killing) -> Iterator[int]:
    controller = Controller(killing, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller.port
    controller.stop()


@contextmanager
def working(database: Database, port: int) -> Iterator[subprocess.Popen[bytes]]:
    url = database.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", WORKER, url, str(port)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL) as worker:
        try:
            yield worker
        finally:
            worker.kill()


def queue(database: Database, clock: FakeClock) -> set[str]:
    """A dozen mails; the Message-IDs that they must arrive with."""
    mailer = Mailer(database, clock, lambda _k, _p: MailText("Objet", "Texte", "<p>Texte</p>"))
    for number in range(MAILS):
        mailer.send(f"{number}@b.fr", "k", {})
    with database.reading() as reading:
        ids = reading.scalars(select(OutboxMail.message_id)).all()
    return {f"<{each}@cig.example>" for each in ids}


def wait_until_sent(database: Database, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with database.reading() as reading:
            if set(reading.scalars(select(OutboxMail.state))) == {"sent"}:
                return
        time.sleep(0.05)
    raise AssertionError("not everything was sent")


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_loses_nothing(
    database: Database, clock: FakeClock, killing: Killing, port: int, step: str
) -> None:
    expected = queue(database, clock)
    with working(database, port) as worker:
        killing.worker, killing.step = worker, step
        assert worker.wait(60) == -signal.SIGKILL
    with working(database, port):
        wait_until_sent(database)
    times = Counter(killing.received)
    assert set(times) == expected
    # The server had taken it, and its word had not been committed.
    twice = 1 if step in {"DATA", "QUIT"} else 0
    assert sum(times.values()) - len(times) == twice
    with database.reading() as reading:
        rows = reading.execute(select(OutboxMail.text, OutboxMail.html)).all()
    assert set(rows) == {("", None)}


def test_kills_at_random_moments_lose_nothing(
    database: Database, clock: FakeClock, killing: Killing, port: int
) -> None:
    expected = queue(database, clock)
    kills = 4
    for turn in range(kills):
        before = len(killing.received)
        with working(database, port) as worker:
            deadline = time.monotonic() + 30
            while len(killing.received) < before + 1 and time.monotonic() < deadline:
                time.sleep(0.001 * (turn + 1))
            worker.send_signal(signal.SIGKILL)
            worker.wait()
    with working(database, port):
        wait_until_sent(database)
    times = Counter(killing.received)
    assert set(times) == expected
    assert sum(times.values()) - len(times) <= kills
