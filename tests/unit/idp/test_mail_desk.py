"""What the correspondant and the command line may see and do about mails."""

from collections.abc import Callable, Mapping
from dataclasses import fields

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import event, select, update

from idp.audit import AuditEvent
from idp.db import Database
from idp.errors import DirectoryError, NotFound
from idp.mail import Mailer, MailState, MailText, OutboxMail
from idp.mail_desk import PAGE, MailDesk, MailGauges, MailSlip
from idp.mail_sender import OutboxSender
from idp.mail_transports import Cause, NotDelivered, Outgoing
from idp.services import Services
from tests.common.clock import FakeClock

PAGE_AND_NUMBERS = 2


def words(kind: str, parameters: Mapping[str, object]) -> MailText:
    return MailText(f"Objet {kind}", "SECRET", "<p>SECRET</p>", has_link="link" in parameters)


class Way:
    """A way out that refuses what a test says, and remembers what it took."""

    def __init__(self) -> None:
        self.refusal: NotDelivered | None = None
        self.taken: list[Outgoing] = []
        self.during: Callable[[], object] = lambda: None

    def send(self, mail: Outgoing) -> None:
        self.during()
        if self.refusal is not None:
            raise self.refusal
        self.taken.append(mail)

    def check(self) -> None:
        raise AssertionError


UNKNOWN = NotDelivered("550 5.1.1 unknown", permanent=True, cause=Cause.UNKNOWN_ADDRESS)


@pytest.fixture
def desk(services: Services) -> MailDesk:
    return services.mails


@pytest.fixture
def mailer(database: Database, clock: FakeClock, services: Services) -> Mailer:
    del services
    return Mailer(database, clock, words)


@pytest.fixture
def way() -> Way:
    return Way()


@pytest.fixture
def sender(database: Database, clock: FakeClock, way: Way) -> OutboxSender:
    return OutboxSender(database, clock, way, "x@cig.example")


def row(database: Database) -> OutboxMail:
    with database.reading() as reading:
        return reading.scalars(select(OutboxMail)).one()


def events(database: Database) -> list[tuple[str, str | None, dict[str, object]]]:
    with database.reading() as reading:
        found = reading.scalars(select(AuditEvent).where(AuditEvent.code.startswith("mail.")))
        return [(each.code, each.target, each.parameters) for each in found]


def test_no_text_is_ever_shown(desk: MailDesk, mailer: Mailer) -> None:
    mailer.send("lea@b.fr", "k", {})
    (slip,) = desk.page().mails
    assert "SECRET" not in repr(slip)
    assert {"text", "html"}.isdisjoint(field.name for field in fields(MailSlip))


def test_pages_are_bounded_and_follow_each_other_whatever_arrives(
    desk: MailDesk, mailer: Mailer, database: Database
) -> None:
    for number in range(PAGE + 2):
        mailer.send(f"{number}@b.fr", "k", {})
    first = desk.page()
    assert [mail.recipient for mail in first.mails][:2] == [f"{PAGE + 1}@b.fr", f"{PAGE}@b.fr"]
    mailer.send("late@b.fr", "k", {})
    second = desk.page(before=first.older)
    assert [mail.recipient for mail in second.mails] == ["1@b.fr", "0@b.fr"]
    assert second.older is None

    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    desk.page(MailState.WAITING, recipient="late@b.fr")
    desk.numbers()
    assert len(statements) == PAGE_AND_NUMBERS


def test_mails_are_found_by_state_and_address(
    desk: MailDesk, mailer: Mailer, sender: OutboxSender, way: Way
) -> None:
    mailer.send("lea@b.fr", "k", {})
    sender.send_waiting()
    way.refusal = UNKNOWN
    mailer.send("max@b.fr", "k", {})
    sender.send_waiting()
    mailer.send("zoe@b.fr", "k", {})

    def of(state: MailState | None = None, recipient: str = "") -> list[str]:
        return [mail.recipient for mail in desk.page(state, recipient=recipient).mails]

    assert of(MailState.SENT) == ["lea@b.fr"]
    assert of(MailState.DEAD) == ["max@b.fr"]
    assert of(MailState.WAITING) == ["zoe@b.fr"]
    assert of(MailState.ABANDONED) == []
    assert of(recipient="Max@B.fr") == ["max@b.fr"]
    assert desk.numbers() == {MailState.WAITING: 1, MailState.DEAD: 1}


def test_a_dead_mail_is_sent_again_with_all_its_tries(
    desk: MailDesk, mailer: Mailer, sender: OutboxSender, way: Way, database: Database
) -> None:
    mailer.send("lea@b.fr", "k", {})
    way.refusal = UNKNOWN
    sender.send_waiting()
    (slip,) = desk.page(MailState.DEAD).mails
    assert (slip.cause, slip.answer, slip.resendable) == (
        Cause.UNKNOWN_ADDRESS,
        "550 5.1.1 unknown",
        True,
    )
    way.refusal = None
    desk.send_again(slip.id)
    assert sender.send_waiting() == 1
    mail = row(database)
    assert (mail.state, mail.attempts, mail.text) == ("sent", 1, "")
    assert events(database) == [
        ("mail.retried", f"mail:{slip.id}", {"kind": "k", "recipient": "lea@b.fr"})
    ]
    with pytest.raises(DirectoryError, match="nothing can be done") as refused:
        desk.send_again(slip.id)
    assert "déjà parti" in refused.value.public


def test_a_dead_mail_with_a_link_is_not_sent_again(
    desk: MailDesk, mailer: Mailer, sender: OutboxSender, way: Way, database: Database
) -> None:
    mailer.send("lea@b.fr", "k", {"link": "https://x"})
    way.refusal = UNKNOWN
    sender.send_waiting()
    (slip,) = desk.page().mails
    assert not slip.resendable
    with pytest.raises(DirectoryError) as refused:
        desk.send_again(slip.id)
    assert "lien personnel" in refused.value.public
    assert events(database) == []
    desk.abandon(slip.id)
    assert row(database).state == "abandoned"


def test_what_waits_is_tried_at_once(
    desk: MailDesk, mailer: Mailer, sender: OutboxSender, way: Way
) -> None:
    mailer.send("lea@b.fr", "k", {})
    way.refusal = NotDelivered("451 later")
    sender.send_waiting()
    way.refusal = None
    assert sender.send_waiting() == 0, "not before a minute"
    desk.send_again(desk.page().mails[0].id)
    assert sender.send_waiting() == 1


def test_what_is_abandoned_never_leaves_and_keeps_no_text(
    desk: MailDesk, mailer: Mailer, sender: OutboxSender, way: Way, database: Database
) -> None:
    mailer.send("lea@b.fr", "k", {})
    slip = desk.abandon(desk.page().mails[0].id)
    assert sender.send_waiting() == 0
    assert way.taken == []
    mail = row(database)
    assert (mail.state, mail.text, mail.html) == ("abandoned", "", None)
    assert [code for code, _, _ in events(database)] == ["mail.abandoned"]
    for act in (desk.abandon, desk.send_again):
        with pytest.raises(DirectoryError) as refused:
            act(slip.id)
        assert "déjà été abandonné" in refused.value.public
    with pytest.raises(NotFound):
        desk.abandon(slip.id + 1)


def test_abandoning_while_it_is_being_sent(
    desk: MailDesk, mailer: Mailer, sender: OutboxSender, way: Way, database: Database
) -> None:
    """PostgreSQL knows and says so; on SQLite only the server's yes undoes it."""
    mailer.send("lea@b.fr", "k", {})
    mail_id = desk.page().mails[0].id
    said: list[str] = []

    def abandon() -> None:
        with database.apart():
            try:
                desk.abandon(mail_id)
            except DirectoryError as error:
                said.append(error.public)

    way.during, way.refusal = abandon, NotDelivered("451 later")
    sender.send_waiting()
    if database.is_sqlite:
        assert row(database).state == "abandoned"
    else:
        assert said == ["Ce mail est en cours d'envoi."]
        assert row(database).state == "waiting"


def test_a_mail_that_left_while_it_was_abandoned_has_left(
    mailer: Mailer, sender: OutboxSender, way: Way, database: Database
) -> None:
    mailer.send("lea@b.fr", "k", {})
    if database.is_sqlite:  # elsewhere the row is locked

        def abandon() -> None:
            with database.apart(), database.unit_of_work() as session:
                session.execute(update(OutboxMail).values(state=MailState.ABANDONED))

        way.during = abandon
    assert sender.send_waiting() == 1
    assert row(database).state == "sent"


def test_the_newest_mail_of_a_kind_to_each_person(
    desk: MailDesk, mailer: Mailer, sender: OutboxSender, way: Way
) -> None:
    way.refusal = UNKNOWN
    mailer.send("lea@b.fr", "account-created", {})
    sender.send_waiting()
    way.refusal = None
    mailer.send("max@b.fr", "account-created", {})
    mailer.send("max@b.fr", "other", {})
    mailer.send("zoe@b.fr", "other", {})
    sender.send_waiting()
    people = ["lea@b.fr", "max@b.fr", "zoe@b.fr"]
    found = desk.deliveries(people, ["account-created"])
    assert {who: slip.state for who, slip in found.items()} == {
        "lea@b.fr": MailState.DEAD,
        "max@b.fr": MailState.SENT,
    }
    mailer.send("lea@b.fr", "account-created", {})
    assert desk.deliveries(people, ["account-created"])["lea@b.fr"].state is MailState.WAITING
    assert desk.deliveries([], ["account-created"]) == {}


def test_the_gauges_say_what_waits_and_what_was_given_up(
    mailer: Mailer, sender: OutboxSender, way: Way, database: Database, clock: FakeClock
) -> None:
    registry = CollectorRegistry()
    registry.register(MailGauges(database, clock))

    def said() -> str:
        return generate_latest(registry).decode()

    assert 'convergences_mails{state="waiting"} 0.0' in said()
    assert "convergences_mail_oldest_seconds 0.0" in said()
    way.refusal = UNKNOWN
    mailer.send("lea@b.fr", "k", {})
    sender.send_waiting()
    mailer.send("max@b.fr", "k", {})
    begun = clock.now()
    clock.advance(begun.resolution * 90_000_000)
    assert 'convergences_mails{state="waiting"} 1.0' in said()
    assert 'convergences_mails{state="dead"} 1.0' in said()
    assert "convergences_mail_oldest_seconds 90.0" in said()


@pytest.mark.sqlite_only  # the other database serves the tests that follow
def test_a_database_that_is_gone_has_no_gauges(database: Database, clock: FakeClock) -> None:
    with database.unit_of_work() as session:
        session.connection().exec_driver_sql("DROP TABLE outbox")
    assert list(MailGauges(database, clock).collect()) == []
