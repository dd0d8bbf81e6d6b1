"""The demonstration's mailbox: mails are files there, and this page shows them."""

import re
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr
from pathlib import Path

from pyramid.config import Configurator
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.request import Request
from idp.settings import Settings

MOST = 50


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as its reader sees it; ``sent_at`` is None when it carries no usable date.

    ``paragraphs`` are the lines of its text, parted at blank lines.
    """

    subject: str
    recipient: str
    sender: str
    sent_at: datetime | None
    paragraphs: tuple[tuple[str, ...], ...]


def mails(request: Request) -> dict[str, object]:
    """The newest mails first."""
    folder = folder_of(request.configuration)
    return {"mails": () if folder is None else read(folder), "kept": folder is not None}


def folder_of(settings: Settings) -> Path | None:
    """Where mails are written as files; None when they are really sent."""
    kind, _, path = settings.mail.transport.partition(":")
    return Path(path) if kind == "folder" else None


def read(folder: Path) -> tuple[Mail, ...]:
    """The newest mails of this folder, at most fifty; none when there is no such folder."""
    found: list[tuple[int, Path]] = []
    for path in folder.glob("*.eml"):
        try:
            found.append((path.stat().st_mtime_ns, path))
        except FileNotFoundError:
            continue  # cleared away meanwhile
    newest = sorted(found, reverse=True)[:MOST]
    return tuple(parse(path.read_bytes()) for _, path in newest)


def parse(content: bytes) -> Mail:
    """One mail; what it lacks is empty."""
    message = BytesParser(policy=policy.default).parsebytes(content)
    body = message.get_body(("plain",))
    return Mail(
        subject=str(message.get("Subject", "")),
        recipient=parseaddr(str(message.get("To", "")))[1],
        sender=parseaddr(str(message.get("From", "")))[1],
        sent_at=_date(message),
        paragraphs=_paragraphs(body.get_content()) if isinstance(body, EmailMessage) else (),
    )


def _paragraphs(text: str) -> tuple[tuple[str, ...], ...]:
    parted = re.split(r"\n\s*\n", text.strip())
    return tuple(tuple(paragraph.splitlines()) for paragraph in parted if paragraph)


def _date(message: EmailMessage) -> datetime | None:
    """In the time zone of this machine, which is the reader's."""
    header = message.get("Date")
    date = getattr(header, "datetime", None)
    return date.astimezone() if date is not None else None


def includeme(config: Configurator) -> None:
    """The page; ``views.routes`` names its route in the demonstration only."""
    config.add_view(
        mails,
        route_name="demo_mails",
        request_method="GET",
        renderer="views.demo:templates/demo_mails.jinja2",
        permission=NO_PERMISSION_REQUIRED,
    )
