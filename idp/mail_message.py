"""A mail's octets: headers that nobody can add to, text that every server and reader takes."""

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import parseaddr
from typing import Any

from idp.mail_transports import Cause, NotDelivered

WIDTH = 72
"""Characters of a line of the plain text, where its words allow."""

_GLUE = "\x00"

_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f,;:<>()\[\]\"\\@]+@[^\s\x00-\x1f\x7f,;:<>()\[\]\"\\@]+")
"""One address and nothing that a header or an envelope would read as more."""


@dataclass(frozen=True, slots=True)
class Written:
    """What is written: to whom, when, what, and the name that it keeps at every try."""

    message_id: str
    recipient: str
    subject: str
    text: str
    html: str | None
    created_at: datetime


class _Policy(EmailPolicy):
    """Folds a subject with accents whole: word by word, the library loses spaces between them."""

    def fold_binary(self, name: str, value: Any) -> bytes:  # noqa: ANN401 - the library's own
        if name != "Subject" or str(value).isascii():
            return super().fold_binary(name, value)
        encoded = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
        return f"{name}: {encoded}{self.linesep}".encode("ascii")


_POLICY = _Policy(linesep="\r\n")


def envelope_address(address: str) -> str:
    """The address as servers know it: the domain in ASCII. [RFC5890] 2.3.2.1.

    Raises:
        NotDelivered: it is none, or more than one, or its domain cannot be.
    """
    if not _ADDRESS.fullmatch(address):
        raise unwritable(f"{address!r} is no address")
    local, _, domain = address.rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise unwritable(f"{domain!r} is no domain") from error
    return f"{local}@{ascii_domain}"


def octets(mail: Written, sender: str) -> bytes:
    """The message, the same octets at every try.

    ASCII only, so that a server without 8BITMIME takes it; but for an address whose first part is
    not, which needs SMTPUTF8 anyway ([RFC6532] 3.2).

    Raises:
        NotDelivered: it cannot be written (a line break in an address or in the subject).
    """
    if mail.subject.splitlines() != [mail.subject]:  # the library takes one at the very end
        raise unwritable(f"the subject {mail.subject!r} is not one line")
    recipient = envelope_address(mail.recipient)
    domain = envelope_address(parseaddr(sender)[1]).rpartition("@")[2]
    ascii_only = recipient.isascii()
    message = EmailMessage(policy=_POLICY if ascii_only else _POLICY.clone(utf8=True))
    headers: Mapping[str, object] = {
        "From": sender,
        "To": recipient,
        "Subject": mail.subject,
        "Date": mail.created_at,
        "Message-ID": f"<{mail.message_id}@{domain}>",
        "Auto-Submitted": "auto-generated",
    }
    try:
        for name, value in headers.items():
            message[name] = value
        message.set_content(flowed(mail.text), cte="quoted-printable", params={"format": "flowed"})
        if mail.html is not None:
            message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
            message.set_boundary(f"=_{mail.message_id}")
        return message.as_bytes()
    except ValueError as error:
        raise unwritable(str(error)) from error


def flowed(text: str) -> str:
    """Lines of at most 72 characters, which a reader may join again. [RFC3676] 4.

    An address of a page is never broken, nor is a line before a mark that French parts by a space.
    """
    return "".join(f"{line}\n" for each in text.splitlines() for line in _flowed_line(each))


def unflowed(text: str) -> str:
    """The paragraphs of a flowed text, each a line again. [RFC3676] 4.1."""
    joined = ""
    for line in text.splitlines():
        kept = line.removeprefix(" ")  # stuffing
        joined += kept if kept.endswith(" ") else f"{kept}\n"
    return joined


def _flowed_line(line: str) -> list[str]:
    glued = re.sub(r" (?=[:;!?»])", _GLUE, line.rstrip())
    glued = re.sub(r"(?<=«) ", _GLUE, glued)
    lines = textwrap.wrap(glued, WIDTH - 1, break_long_words=False, break_on_hyphens=False) or [""]
    ends = [*(f"{each} " for each in lines[:-1]), lines[-1]]
    return [_stuffed(each.replace(_GLUE, " ")) for each in ends]


def _stuffed(line: str) -> str:
    return f" {line}" if line.startswith((" ", ">", "From ")) else line


def unwritable(words: str) -> NotDelivered:
    """This mail can never be written."""
    return NotDelivered(words, permanent=True, cause=Cause.UNSENDABLE)
