"""The way to a mail server that refuses, stalls, drops or lies, at each step of a conversation."""

import time

import pytest

from idp import mail_transports
from idp.mail_transports import (
    Cause,
    Interrupted,
    NotDelivered,
    Outgoing,
    SmtpTransport,
    Unreachable,
)
from tests.common.smtp import DRIP, DROP, GARBAGE, STALL, STEPS, FaultySmtp, faulty_smtp

MAIL = Outgoing("nom", "de@b.fr", "a@b.fr", b"From: de@b.fr\r\n\r\n.Bonjour\r\n")
BEFORE = ("greeting", "ehlo")
DURING = ("mail", "rcpt", "data", "body")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_transports, "TIMEOUT", 0.4)
    monkeypatch.setattr(mail_transports, "LONGEST", 1.0)
    monkeypatch.setattr(mail_transports, "GOODBYE", 0.2)


def send(server: FaultySmtp, mail: Outgoing = MAIL) -> None:
    SmtpTransport("127.0.0.1", server.port).send(mail)


def refusal(**faults: str) -> NotDelivered:
    with faulty_smtp(**faults) as server, pytest.raises(NotDelivered) as refused:
        send(server)
    return refused.value


def test_a_server_without_fault_takes_the_mail_as_it_is() -> None:
    with faulty_smtp() as server:
        send(server)
    assert server.taken == [MAIL.octets]
    assert server.commands[-1].lower() == "quit"


@pytest.mark.parametrize("fault", [DROP, STALL, DRIP, GARBAGE])
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_at_any_step_ends_in_time_and_gives_nothing_up(step: str, fault: str) -> None:
    begun = time.monotonic()
    with faulty_smtp(**{step: fault}) as server:
        if step == "quit":
            send(server)  # it was taken: what the server says to a good-bye changes nothing
            assert server.taken == [MAIL.octets]
        else:
            with pytest.raises(NotDelivered) as refused:
                send(server)
            assert not refused.value.permanent
            if fault in {DROP, STALL}:
                assert isinstance(refused.value, Unreachable) == (step in BEFORE)
            assert server.taken == ([MAIL.octets] if step == "body" else [])
    assert time.monotonic() - begun < 5, "a conversation has an end"


@pytest.mark.parametrize("step", DURING)
def test_a_connection_that_breaks_during_a_mail_may_be_that_mail_s_fault(step: str) -> None:
    refused = refusal(**{step: DROP})
    assert isinstance(refused, Interrupted)
    assert refused.cause is Cause.INTERRUPTED


@pytest.mark.parametrize(
    ("step", "answer", "cause", "permanent"),
    [
        ("rcpt", "550 5.1.1 <a@b.fr>: User unknown", Cause.UNKNOWN_ADDRESS, True),
        ("rcpt", "550 No such user here", Cause.UNKNOWN_ADDRESS, True),
        ("rcpt", "550 5.1.2 Host or domain name not found", Cause.UNKNOWN_ADDRESS, True),
        ("rcpt", "550 Go away", Cause.REFUSED, True),
        ("rcpt", "552 5.2.2 Over quota", Cause.MAILBOX_FULL, True),
        ("rcpt", "452 4.2.2 Mailbox full", Cause.MAILBOX_FULL, False),
        ("rcpt", "450 4.2.0 Greylisted", Cause.POSTPONED, False),
        ("rcpt", "421 4.3.2 Closing", Cause.POSTPONED, False),
        ("rcpt", "550 5.7.1 Relaying denied", Cause.POLICY, False),
        ("rcpt", "554 Relay access denied", Cause.POLICY, False),
        ("rcpt", "530 Authentication required", Cause.POLICY, False),
        ("data", "554 5.5.1 No valid recipients", Cause.REFUSED, True),
        ("body", "554 5.7.1 Spam", Cause.POLICY, False),
        ("body", "552 5.3.4 Message too big", Cause.REFUSED, True),
        ("body", "451 4.3.0 Try later", Cause.POSTPONED, False),
        ("mail", "552 5.3.4 Message too big", Cause.REFUSED, True),
        ("mail", "550 5.1.8 Sender refused", Cause.UNREACHABLE, False),
        ("greeting", "554 5.7.1 Your address is listed", Cause.UNREACHABLE, False),
    ],
)
def test_a_refusal_is_understood_and_kept_word_for_word(
    step: str, answer: str, cause: Cause, *, permanent: bool
) -> None:
    refused = refusal(**{step: answer})
    assert (refused.cause, refused.permanent) == (cause, permanent)
    assert answer in str(refused)


def test_an_answer_of_several_lines_is_kept_on_one() -> None:
    assert str(refusal(rcpt="550-Sorry\r\n550 5.1.1 unknown")) == "550 Sorry 5.1.1 unknown"


@pytest.mark.parametrize("user", ["", "u"])
def test_no_starttls_no_mail(user: str) -> None:
    """Whoever cuts STARTTLS out of the answer on the way reads nothing. [RFC3207] 6."""
    with faulty_smtp("AUTH PLAIN LOGIN") as server, pytest.raises(Unreachable):
        SmtpTransport("127.0.0.1", server.port, "smtp+starttls", user, "secret").send(MAIL)
    assert server.taken == []
    assert {each.split()[0].lower() for each in server.commands} <= {"ehlo", "quit"}


def test_starttls_that_is_refused_sends_nothing_in_clear() -> None:
    offers = ("STARTTLS", "AUTH PLAIN")
    with faulty_smtp(*offers) as server, pytest.raises(Unreachable):
        SmtpTransport("127.0.0.1", server.port, "smtp+starttls", "u", "secret").send(MAIL)
    assert [each.split()[0].lower() for each in server.commands][:2] == ["ehlo", "starttls"]
    assert not any(each.upper().startswith(("AUTH", "MAIL")) for each in server.commands)


def test_a_server_without_tls_gets_nothing_that_was_meant_for_tls() -> None:
    with faulty_smtp() as server, pytest.raises(Unreachable):
        SmtpTransport("127.0.0.1", server.port, "smtps").send(MAIL)
    assert server.taken == []


def test_an_address_beyond_ascii_leaves_where_the_server_takes_it() -> None:
    mail = Outgoing("nom", "de@b.fr", "léa@b.fr", "To: léa@b.fr\r\n\r\n".encode())
    with faulty_smtp("SMTPUTF8", "8BITMIME") as server:
        send(server, mail)
    assert server.taken == [mail.octets]
    assert "MAIL FROM:<de@b.fr> SMTPUTF8 BODY=8BITMIME" in [
        each.replace("mail FROM", "MAIL FROM") for each in server.commands
    ]


@pytest.mark.parametrize("recipient", ["léa@b.fr", "a@b.fr\r\nDATA", "a@b.fr\nRSET"])
def test_an_address_that_the_server_cannot_be_told_is_never_sent(recipient: str) -> None:
    with faulty_smtp() as server, pytest.raises(NotDelivered) as refused:
        send(server, Outgoing("nom", "de@b.fr", recipient, MAIL.octets))
    assert refused.value.permanent
    assert refused.value.cause is Cause.UNSENDABLE
    assert server.taken == []
    assert not any(each.upper().startswith(("DATA", "RCPT")) for each in server.commands)


def test_a_port_where_nobody_answers_is_unreachable() -> None:
    with faulty_smtp() as server:
        pass
    with pytest.raises(Unreachable) as refused:
        send(server)
    assert f"127.0.0.1:{server.port}" in str(refused.value)
