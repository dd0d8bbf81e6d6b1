"""What a mail looks like on the way, read back by the standard library."""

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from idp.mail_message import WIDTH, Written, envelope_address, flowed, octets, unflowed
from idp.mail_transports import Cause, NotDelivered
from tests.common.clock import START

SENDER = "Équipe <ne-pas-repondre@cig.example>"
LINK = "https://auth.example.org/premiere-visite/" + "x" * 80
WORDS = (
    "Bonjour Léa,\n\nPour choisir un mot de passe, ouvrez cette page dans les 24 heures : "
    f"{LINK}\n\nUn mot « entre guillemets » qui pourrait bien se trouver en fin de ligne ; oui !"
)
MAIL = Written("abc", "lea@b.fr", "Été à côté", WORDS, "<p>été</p>", START)


def read(mail: Written) -> EmailMessage:
    message = message_from_bytes(octets(mail, SENDER), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_every_server_takes_it() -> None:
    raw = octets(MAIL, SENDER)
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 78
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert octets(MAIL, SENDER) == raw, "the same at every try"


def test_the_text_has_short_lines_that_join_again() -> None:
    (plain, _html) = read(MAIL).iter_parts()
    assert plain.get_content_type() == "text/plain"
    assert plain.get_param("format") == "flowed"
    lines = plain.get_content().splitlines()
    assert all(len(line) <= WIDTH for line in lines if LINK not in line)
    assert LINK in [line.strip() for line in lines], "an address is never broken"
    assert not any(line.lstrip().startswith((":", ";", "!", "»")) for line in lines)
    assert unflowed(plain.get_content()).strip() == WORDS


# Blanks at the ends of lines are not kept, nor is what is no line of text.
@given(st.lists(st.text(st.characters(categories=["L", "P", "N"]) | st.just(" "))))
def test_what_flows_joins_again(lines: list[str]) -> None:
    text = "".join(f"{' '.join(line.split())}\n" for line in lines)
    assert unflowed(flowed(text)) == text


def test_a_domain_beyond_ascii_is_written_in_ascii() -> None:
    assert envelope_address("lea@été.fr") == "lea@xn--t-9fab.fr"
    assert read(replace(MAIL, recipient="lea@été.fr"))["To"] == "lea@xn--t-9fab.fr"


def test_a_name_beyond_ascii_is_written_as_it_is() -> None:
    message = read(replace(MAIL, recipient="léa@b.fr"))
    assert message["To"] == "léa@b.fr"
    assert message["Subject"] == "Été à côté"


@pytest.mark.parametrize(
    "recipient",
    [
        "lea@b.fr\r\nBcc: tous@b.fr",
        "lea@b.fr\nX: y",
        "lea@b.fr\x00",
        "lea@b.fr, tous@b.fr",
        "lea@b.fr;tous@b.fr",
        "Léa <lea@b.fr>",
        "lea@b.fr\u2028tous@b.fr",
        "lea",
        "@b.fr",
        "lea@",
        "lea@b..é.fr",
        "a@b@c.fr",
        "",
    ],
)
def test_what_is_not_one_address_is_never_written(recipient: str) -> None:
    with pytest.raises(NotDelivered) as refused:
        octets(replace(MAIL, recipient=recipient), SENDER)
    assert refused.value.permanent
    assert refused.value.cause is Cause.UNSENDABLE


@given(st.text())
@example("\n")
@example("Rappel\n")
def test_no_subject_adds_a_header(subject: str) -> None:
    try:
        message = read(replace(MAIL, subject=subject))
    except NotDelivered:
        return
    assert set(message.keys()) == {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    }
