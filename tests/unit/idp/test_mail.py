import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from threading import Event, Thread

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select

from idp.db import Database
from idp.mail import Mailer, MailText, OutboxMail
from idp.mail_sender import OutboxSender, delay_after
from idp.mail_transports import (
    FolderTransport,
    Outgoing,
    SmtpTransport,
    Transport,
    Unreachable,
)
from idp.worker import purge
from tests.common.clock import START, FakeClock
from tests.common.ports import free_port

SENDER = "Équipe du portail <ne-pas-repondre@cig.example>"


def texts(kind: str, parameters: Mapping[str, object]) -> MailText:
    html = "<p>Bonjour, été</p>" if parameters.get("html") else None
    return MailText(
        f"Création\r\nde profil {kind}",
        f"Bonjour {parameters['who']},\nà bientôt",
        html,
        has_link="link" in parameters,
    )


class Server:
    """What a real SMTP server received, and what it answers."""

    def __init__(self) -> None:
        self.received: list[Envelope] = []
        self.rcpt = "250 OK"
        self.data = "250 OK"
        self.drop = False

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del session
        if self.drop:
            assert server.transport is not None
            server.transport.close()
            return self.data
        if self.data.startswith("250"):
            self.received.append(envelope)
        return self.data

    def messages(self) -> list[EmailMessage]:
        return [_parsed(one.content or b"") for one in self.received]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def controller(server: Server) -> Iterator[Controller]:
    controller = Controller(server, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture
def mailer(database: Database, clock: FakeClock) -> Mailer:
    return Mailer(database, clock, texts)


SenderOf = Callable[[Transport], OutboxSender]


@pytest.fixture
def sender_of(database: Database, clock: FakeClock) -> SenderOf:
    return lambda transport: OutboxSender(database, clock, transport, SENDER)


@pytest.fixture
def smtp(controller: Controller, sender_of: SenderOf) -> OutboxSender:
    return sender_of(SmtpTransport("127.0.0.1", controller.port))


def rows(database: Database) -> list[OutboxMail]:
    with database.reading() as reading:
        return list(reading.scalars(select(OutboxMail).order_by(OutboxMail.id)))


def _parsed(octets: bytes) -> EmailMessage:
    message = message_from_bytes(octets, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_is_queued_with_what_it_tells_of(mailer: Mailer, database: Database) -> None:
    def refused_change() -> None:
        with database.unit_of_work():
            mailer.send("lea@b.fr", "account-created", {"who": "Léa"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        refused_change()
    assert rows(database) == []

    mailer.send("lea@b.fr", "account-created", {"who": "Léa"})
    (mail,) = rows(database)
    assert (mail.state, mail.kind, mail.recipient) == ("waiting", "account-created", "lea@b.fr")
    assert mail.subject == "Création de profil account-created"


def test_a_mail_arrives_whole(
    mailer: Mailer, smtp: OutboxSender, server: Server, database: Database
) -> None:
    mailer.send("lea@b.fr", "account-created", {"who": "Léa", "html": True})
    (queued,) = rows(database)

    assert smtp.send_waiting() == 1
    (envelope,), (message,) = server.received, server.messages()
    assert envelope.mail_from == "ne-pas-repondre@cig.example"
    assert envelope.rcpt_tos == ["lea@b.fr"]
    assert (envelope.content or b"").isascii()
    assert message["From"] == SENDER
    assert message["To"] == "lea@b.fr"
    assert message["Subject"] == "Création de profil account-created"
    assert message["Message-ID"] == f"<{queued.message_id}@cig.example>"
    assert message["Date"].datetime == START
    assert message["Auto-Submitted"] == "auto-generated"
    plain, html = message.iter_parts()
    assert plain.get_content().splitlines() == ["Bonjour Léa,", "à bientôt"]
    assert html.get_content().strip() == "<p>Bonjour, été</p>"


def test_a_subject_keeps_its_spaces_between_accents(
    database: Database, clock: FakeClock, smtp: OutboxSender, server: Server
) -> None:
    subject = "[Portail des applications du CIG] Un agent est rattaché à Évry, été à côté"
    mailer = Mailer(database, clock, lambda _kind, _parameters: MailText(subject, "x"))
    mailer.send("lea@b.fr", "k", {})
    smtp.send_waiting()

    (message,) = server.messages()
    assert message["Subject"] == subject


def test_what_is_sent_is_not_sent_again_and_its_text_is_erased(
    mailer: Mailer, smtp: OutboxSender, server: Server, database: Database, clock: FakeClock
) -> None:
    mailer.send("lea@b.fr", "k", {"who": "Léa", "html": True})
    smtp.send_waiting()
    clock.advance(timedelta(days=1))

    assert smtp.send_waiting() == 0
    assert len(server.received) == 1
    (mail,) = rows(database)
    assert (mail.state, mail.text, mail.html, mail.sent_at) == ("sent", "", None, START)


def test_mails_leave_in_order(mailer: Mailer, smtp: OutboxSender, server: Server) -> None:
    for name in ("a", "b", "c"):
        mailer.send(f"{name}@b.fr", "k", {"who": name})

    assert smtp.send_waiting() == 3
    assert [one.rcpt_tos[0] for one in server.received] == ["a@b.fr", "b@b.fr", "c@b.fr"]


def test_a_link_passes_what_nobody_waits_for(
    mailer: Mailer, smtp: OutboxSender, server: Server, clock: FakeClock
) -> None:
    for name in ("a", "b"):
        mailer.send(f"{name}@b.fr", "k", {"who": name})
    clock.advance(timedelta(minutes=1))
    mailer.send("lea@b.fr", "k", {"who": "lea", "link": "https://portail.example"})

    assert smtp.send_waiting() == 3
    assert [one.rcpt_tos[0] for one in server.received] == ["lea@b.fr", "a@b.fr", "b@b.fr"]


def test_a_stopping_worker_begins_no_mail(mailer: Mailer, smtp: OutboxSender) -> None:
    mailer.send("a@b.fr", "k", {"who": "a"})

    assert smtp.send_waiting(lambda: True) == 0
    assert smtp.send_waiting() == 1


@pytest.mark.parametrize("step", ["rcpt", "data"])
def test_what_the_server_refuses_for_good_is_given_up(
    mailer: Mailer, smtp: OutboxSender, server: Server, database: Database, step: str
) -> None:
    mailer.send("lea@b.fr", "k", {"who": "Léa", "html": True})
    setattr(server, step, "550 No such user")

    assert smtp.send_waiting() == 0
    (mail,) = rows(database)
    assert (mail.state, mail.attempts, mail.last_error) == ("dead", 1, "550 No such user")
    assert mail.cause == "unknown-address"
    assert mail.text.startswith("Bonjour Léa"), "somebody may correct the cause and send it again"


def test_a_link_is_not_kept_once_its_mail_is_given_up(
    database: Database, clock: FakeClock, smtp: OutboxSender, server: Server
) -> None:
    words = MailText("Mot de passe", "https://x/jeton", "<p>https://x/jeton</p>", has_link=True)
    Mailer(database, clock, lambda _kind, _parameters: words).send("lea@b.fr", "k", {})
    server.rcpt = "451 Later"
    smtp.send_waiting()
    assert "jeton" in rows(database)[0].text, "it will be tried again"
    clock.advance(timedelta(minutes=1))
    server.rcpt = "550 No such user"
    smtp.send_waiting()

    (mail,) = rows(database)
    assert (mail.state, mail.text, mail.html) == ("dead", "", None)


@pytest.mark.parametrize("step", ["rcpt", "data"])
def test_what_the_server_postpones_is_tried_later_and_holds_nobody_up(
    mailer: Mailer,
    smtp: OutboxSender,
    server: Server,
    database: Database,
    clock: FakeClock,
    step: str,
) -> None:
    mailer.send("lea@b.fr", "k", {"who": "Léa"})
    setattr(server, step, "451 Greylisted")
    assert smtp.send_waiting() == 0
    (mail,) = rows(database)
    assert (mail.state, mail.attempts, mail.last_error) == ("waiting", 1, "451 Greylisted")
    assert mail.next_try_at == clock.now() + timedelta(minutes=1)

    setattr(server, step, "250 OK")
    mailer.send("max@b.fr", "k", {"who": "Max"})
    assert smtp.send_waiting() == 1
    clock.advance(timedelta(minutes=1))
    assert smtp.send_waiting() == 1
    assert [one.rcpt_tos[0] for one in server.received] == ["max@b.fr", "lea@b.fr"]


def test_a_mail_is_given_up_after_twenty_refusals(
    mailer: Mailer, smtp: OutboxSender, server: Server, database: Database, clock: FakeClock
) -> None:
    mailer.send("lea@b.fr", "k", {"who": "Léa"})
    server.data = "452 Later"
    begun = clock.now()
    while rows(database)[0].state == "waiting":
        smtp.send_waiting()
        clock.advance(rows(database)[0].next_try_at - clock.now())

    (mail,) = rows(database)
    assert (mail.state, mail.attempts, mail.last_error) == ("dead", 20, "452 Later")
    assert timedelta(days=2) < clock.now() - begun < timedelta(days=4), "a week-end at the least"


@pytest.mark.parametrize("rcpt", ["250 OK", "550 No such user"])
def test_what_was_sent_or_given_up_is_forgotten_after_thirty_days(
    mailer: Mailer,
    smtp: OutboxSender,
    server: Server,
    database: Database,
    clock: FakeClock,
    rcpt: str,
) -> None:
    mailer.send("lea@b.fr", "k", {"who": "Léa"})
    clock.advance(timedelta(days=29))
    server.rcpt = rcpt
    smtp.send_waiting()
    mailer.send("max@b.fr", "k", {"who": "Max"})
    clock.advance(timedelta(days=30) - timedelta(seconds=1))
    assert purge(database, clock)["outbox"] == 0
    clock.advance(timedelta(seconds=1))

    assert purge(database, clock)["outbox"] == 1
    assert [(mail.recipient, mail.state) for mail in rows(database)] == [("max@b.fr", "waiting")]


def test_a_dropped_connection_loses_and_doubles_nothing(
    mailer: Mailer, smtp: OutboxSender, server: Server, clock: FakeClock
) -> None:
    mailer.send("lea@b.fr", "k", {"who": "Léa"})
    server.drop = True
    assert smtp.send_waiting() == 0
    server.drop = False
    clock.advance(timedelta(minutes=1))

    assert smtp.send_waiting() == 1
    assert len(server.received) == 1


def test_an_outage_gives_up_no_mail_and_costs_one_try_a_round(
    mailer: Mailer, sender_of: SenderOf, database: Database, clock: FakeClock, server: Server
) -> None:
    port = free_port()
    down = sender_of(SmtpTransport("127.0.0.1", port))
    mailer.send("lea@b.fr", "k", {"who": "Léa"})
    mailer.send("max@b.fr", "k", {"who": "Max"})
    assert down.send_waiting() == 0
    first, second = rows(database)
    assert (first.cause, first.attempts) == ("unreachable", 0), "an outage counts against no mail"
    assert second.cause is None

    for _ in range(30):
        clock.advance(timedelta(hours=6))
        down.send_waiting()
    assert {one.state for one in rows(database)} == {"waiting"}

    controller = Controller(server, hostname="127.0.0.1", port=port)
    controller.start()
    clock.advance(timedelta(minutes=1))
    assert down.send_waiting() == 2, "a minute after the end of the longest outage"
    controller.stop()


def test_while_nobody_answers_nobody_is_asked_all_the_time(
    mailer: Mailer, sender_of: SenderOf, clock: FakeClock
) -> None:
    asked: list[str] = []

    class Closed:
        def send(self, mail: Outgoing) -> None:
            asked.append(mail.recipient)
            raise Unreachable("closed")

        def check(self) -> None:
            raise AssertionError

    for number in range(100):
        mailer.send(f"{number}@b.fr", "k", {"who": "x"})
    sender = sender_of(Closed())
    for _ in range(300):
        sender.send_waiting()
        clock.advance(timedelta(seconds=1))
    assert 5 < len(asked) <= 12, "1, 2, 4… at most 60 seconds apart"


def test_a_mail_that_breaks_every_connection_is_given_up_and_holds_nobody_up_for_long(
    mailer: Mailer, smtp: OutboxSender, server: Server, database: Database, clock: FakeClock
) -> None:
    mailer.send("poison@b.fr", "k", {"who": "Léa"})
    server.drop = True
    smtp.send_waiting()
    server.drop = False
    mailer.send("max@b.fr", "k", {"who": "Max"})
    clock.advance(timedelta(seconds=1))
    assert smtp.send_waiting() == 1
    server.drop = True
    for _ in range(60):
        clock.advance(timedelta(hours=6))
        smtp.send_waiting()
    poison, other = rows(database)
    assert (poison.state, poison.cause, poison.attempts) == ("dead", "interrupted", 20)
    assert other.state == "sent"


def test_an_address_that_breaks_the_header_is_given_up(
    mailer: Mailer, smtp: OutboxSender, server: Server, database: Database
) -> None:
    mailer.send("lea@b.fr\r\nBcc: tous@b.fr", "k", {"who": "Léa"})
    mailer.send("max@b.fr", "k", {"who": "Max"})

    assert smtp.send_waiting() == 1
    assert [one.state for one in rows(database)] == ["dead", "sent"]
    assert [one.rcpt_tos for one in server.received] == [["max@b.fr"]]


def test_a_defect_on_one_mail_does_not_hold_up_the_others(
    mailer: Mailer, sender_of: SenderOf, database: Database
) -> None:
    class Broken:
        def send(self, mail: Outgoing) -> None:
            if mail.recipient == "lea@b.fr":
                raise ZeroDivisionError

        def check(self) -> None:
            raise AssertionError

    mailer.send("lea@b.fr", "k", {"who": "Léa"})
    mailer.send("max@b.fr", "k", {"who": "Max"})

    assert sender_of(Broken()).send_waiting() == 1
    first, second = rows(database)
    assert first.cause == "defect"
    assert (first.state, first.last_error) == ("waiting", "ZeroDivisionError: ")
    assert second.state == "sent"


def test_two_workers_never_send_one_mail_twice(mailer: Mailer, sender_of: SenderOf) -> None:
    sent: list[str] = []
    sending, go = Event(), Event()

    class Slow:
        def send(self, mail: Outgoing) -> None:
            sent.append(mail.recipient)
            sending.set()
            assert go.wait(10)

        def check(self) -> None:
            raise AssertionError

    mailer.send("lea@b.fr", "k", {"who": "Léa"})
    first = Thread(target=sender_of(Slow()).send_waiting)
    first.start()
    assert sending.wait(10)
    second = sender_of(Slow()).send_waiting()
    go.set()
    first.join(10)

    assert second == 0
    assert sent == ["lea@b.fr"]


KILLED = """
import os, signal, sys
from datetime import datetime
from idp.db import Database
from idp.mail_sender import OutboxSender
class Clock:
    def now(self): return datetime.fromisoformat(sys.argv[2])
class Transport:
    def send(self, mail):
        with open(sys.argv[3], "ab") as file:
            file.write(mail.octets)
        os.kill(os.getpid(), signal.SIGKILL)
OutboxSender(Database(sys.argv[1]), Clock(), Transport(), "x@cig.example").send_waiting()
"""


def test_a_kill_between_delivery_and_commit_sends_the_same_message_once_more(
    mailer: Mailer, sender_of: SenderOf, database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    mailer.send("lea@b.fr", "k", {"who": "Léa"})
    taken = tmp_path / "taken"
    url = database.url.render_as_string(hide_password=False)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url, clock.now().isoformat(), str(taken)],
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert killed.returncode == -signal.SIGKILL
    again = sender_of(FolderTransport(tmp_path / "mails"))

    # PostgreSQL notices the broken connection, and gives the row back, a moment later.
    for _ in range(100):
        if again.send_waiting():
            break
        time.sleep(0.1)
    assert again.send_waiting() == 0
    (file,) = (tmp_path / "mails").glob("*.eml")
    first, second = _parsed(taken.read_bytes()), _parsed(file.read_bytes())
    assert first["Message-ID"] == second["Message-ID"]


def test_the_delay_doubles_up_to_six_hours() -> None:
    minutes = [delay_after(attempt) / timedelta(minutes=1) for attempt in (1, 2, 3, 9, 10, 500)]
    assert minutes == [1, 2, 4, 256, 360, 360]
