"""The demonstration's mailbox: mails are files there, and these pages show them.

A mail's own page is shown as it is, in a frame where nothing runs and from which links lead out.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parseaddr
from pathlib import Path

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.mail_message import unflowed
from idp.request import Request
from idp.security import CONTENT_SECURITY_POLICY
from idp.settings import Settings

MOST = 50
NAME = re.compile(r"[\w-]{1,120}")

PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'self'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)
"""A mail brings its own style, and nothing else that a browser would fetch or run."""

LIST_POLICY = f"{CONTENT_SECURITY_POLICY}; frame-src 'self'"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as its reader sees it; ``sent_at`` is None when it carries no usable date.

    ``name`` is its file's. ``paragraphs`` are the lines of its text, parted at blank lines;
    ``html`` its page, empty when it has none.
    """

    name: str
    subject: str
    recipient: str
    sender: str
    sent_at: datetime | None
    paragraphs: tuple[tuple[str, ...], ...]
    html: str


def mails(request: Request) -> dict[str, object]:
    """The newest mails first."""
    request.response.headers["Content-Security-Policy"] = LIST_POLICY
    folder = folder_of(request.configuration)
    return {"mails": () if folder is None else read(folder), "kept": folder is not None}


def mail_page(request: Request) -> Response:
    """The page of one mail, as its sender made it."""
    folder, name = folder_of(request.configuration), request.matchdict["name"]
    path = None if folder is None or not NAME.fullmatch(name) else folder / f"{name}.eml"
    if path is None or not path.is_file():
        raise HTTPNotFound
    html = parse(path.read_bytes(), name).html
    if not html:
        raise HTTPNotFound
    # Its links would open inside the frame.
    response = Response(html.replace("<head>", '<head><base target="_top">', 1))
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


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
    return tuple(parse(path.read_bytes(), path.stem) for _, path in newest)


def parse(content: bytes, name: str = "") -> Mail:
    """One mail; what it lacks is empty."""
    message = BytesParser(policy=policy.default).parsebytes(content)
    return Mail(
        name=name,
        subject=str(message.get("Subject", "")),
        recipient=parseaddr(str(message.get("To", "")))[1],
        sender=parseaddr(str(message.get("From", "")))[1],
        sent_at=_date(message),
        paragraphs=_paragraphs(_body(message, "plain")),
        html=_body(message, "html"),
    )


def _body(message: EmailMessage, kind: str) -> str:
    """The text of this kind; what was broken into lines for the way is joined again."""
    body = message.get_body((kind,))
    if not isinstance(body, EmailMessage):
        return ""
    text = str(body.get_content())
    return unflowed(text) if body.get_param("format") == "flowed" else text


def _paragraphs(text: str) -> tuple[tuple[str, ...], ...]:
    parted = re.split(r"\n\s*\n", text.strip())
    return tuple(tuple(paragraph.splitlines()) for paragraph in parted if paragraph)


def _date(message: EmailMessage) -> datetime | None:
    """Aware, whatever the header says of its zone."""
    header = message.get("Date")
    date = getattr(header, "datetime", None)
    return date.astimezone() if date is not None else None


def includeme(config: Configurator) -> None:
    """The pages; ``views.routes`` names their routes in the demonstration only."""
    config.add_view(
        mails,
        route_name="demo_mails",
        request_method="GET",
        renderer="views.demo:templates/demo_mails.jinja2",
        permission=NO_PERMISSION_REQUIRED,
    )
    config.add_view(
        mail_page,
        route_name="demo_mail",
        request_method="GET",
        permission=NO_PERMISSION_REQUIRED,
    )
