"""How a mail leaves: over SMTP, or as a file in a folder (demonstration, tests)."""

import os
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from secrets import token_hex
from threading import Event, Thread
from typing import Protocol
from urllib.parse import unquote, urlsplit

from idp.errors import ConfigurationError
from idp.settings import LOOPBACK_HOSTS

TIMEOUT = 20.0
"""Seconds of silence after which an exchange with the server is given up."""

LONGEST = 120.0
"""Seconds that a whole conversation may take: a server may also speak one byte at a time."""

GOODBYE = 2.0
"""Seconds for the answer to our good-bye: the mail is the server's by then."""

PERMANENT = 500
"""From this code on, the server does not want to be asked again."""

DEFAULT_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


class Cause(StrEnum):
    """Why a mail did not leave."""

    UNREACHABLE = "unreachable"
    """The way out is closed: no answer, or we are refused ourselves."""
    INTERRUPTED = "interrupted"
    """The connection broke or stalled while this mail was handed over."""
    POSTPONED = "postponed"
    """Not now. [RFC5321] 4.2.1, 4yz."""
    UNKNOWN_ADDRESS = "unknown-address"
    """There is no such mailbox or domain. [RFC3463] X.1.1 to X.1.3, X.1.10."""
    MAILBOX_FULL = "mailbox-full"
    """[RFC3463] X.2.2."""
    POLICY = "policy"
    """A rule of the server's: authentication, relaying, spam. [RFC3463] X.7.z."""
    REFUSED = "refused"
    """Refused for another reason. [RFC5321] 4.2.1, 5yz."""
    UNSENDABLE = "unsendable"
    """It cannot be written, or not so that this server takes it."""
    DEFECT = "defect"
    """An error of ours."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail ready to leave: its envelope and its octets.

    ``name`` is the same at every try, so that a file that is written twice stays one.
    """

    name: str
    sender: str
    recipient: str
    octets: bytes = field(repr=False)


class NotDelivered(Exception):
    """This mail did not leave: ``permanent`` when no later try can help."""

    def __init__(
        self, words: str, *, permanent: bool = False, cause: Cause = Cause.POSTPONED
    ) -> None:
        super().__init__(words)
        self.permanent = permanent
        self.cause = cause


class Interrupted(NotDelivered):
    """The connection broke while this mail was handed over: the server's fault, or this mail's."""

    def __init__(self, words: str) -> None:
        super().__init__(words, cause=Cause.INTERRUPTED)


class Unreachable(NotDelivered):
    """No mail can leave now: the server or the folder does not answer, or refuses us."""

    def __init__(self, words: str) -> None:
        super().__init__(words, cause=Cause.UNREACHABLE)


class Transport(Protocol):
    """One way out."""

    def send(self, mail: Outgoing) -> None:
        """Deliver; when this returns, the other side has taken responsibility.

        Raises:
            Unreachable: the way out is closed, for every mail.
            Interrupted: the connection broke in the middle; this mail may be why.
            NotDelivered: this mail was refused.
        """

    def check(self) -> None:
        """Whether mails could leave now.

        Raises:
            Unreachable: they could not.
        """


class FolderTransport:
    """Writes each mail as ``<name>.eml``; a reader of ``*.eml`` never sees half a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, mail: Outgoing) -> None:
        """See :class:`Transport`."""
        partial = self._folder / f".{mail.name}.{token_hex(4)}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Mails carry links that open accounts: nobody else reads them.
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(mail.octets)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._folder / f"{mail.name}.eml")
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise Unreachable(f"{self._folder}: {error.strerror}") from error

    def check(self) -> None:
        """See :class:`Transport`."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unreachable(f"{self._folder}: {error.strerror}") from error
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise Unreachable(f"{self._folder} is not writable")


@dataclass(frozen=True, slots=True)
class SmtpTransport:
    """Hands each mail to an SMTP server, on a connection of its own.

    ``security`` is ``smtp`` (plain), ``smtps`` (TLS from the start) or ``smtp+starttls``, which is
    demanded: a server that does not offer it gets nothing. Certificates are verified.
    """

    host: str
    port: int
    security: str = "smtp"
    user: str = ""
    password: str = field(default="", repr=False)

    def send(self, mail: Outgoing) -> None:
        """See :class:`Transport`."""
        with self._connected() as server:
            try:
                server.sendmail(mail.sender, [mail.recipient], mail.octets, _options(server, mail))
            except smtplib.SMTPRecipientsRefused as error:
                raise _refused(*next(iter(error.recipients.values()))) from error
            except smtplib.SMTPDataError as error:
                raise _refused(error.smtp_code, error.smtp_error) from error
            except smtplib.SMTPSenderRefused as error:
                raise self._sender_refused(error) from error
            except (smtplib.SMTPNotSupportedError, ValueError) as error:
                raise _unsendable(str(error)) from error
            except (smtplib.SMTPException, OSError) as error:
                raise Interrupted(f"{self._place}: {_words(error)}") from error

    def check(self) -> None:
        """See :class:`Transport`."""
        with self._connected():
            pass

    @property
    def _place(self) -> str:
        return f"{self.host}:{self.port}"

    def _sender_refused(self, error: smtplib.SMTPSenderRefused) -> NotDelivered:
        """A mail that is too large is refused here too; else it is we who are refused."""
        if error.smtp_code == TOO_LARGE:
            return _refused(error.smtp_code, error.smtp_error)
        return Unreachable(f"{self._place}: {_words(error)}")

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """A greeted, authenticated connection, which ends after :data:`LONGEST` whatever happens.

        What is refused here is refused to us and not to the mail, even with a 5xx: a wrong password
        in the settings must not kill every mail that waits.
        """
        server = self._server()
        with _watched(server):
            try:
                self._greet(server)
            except (smtplib.SMTPException, OSError, ValueError) as error:
                server.close()
                raise Unreachable(f"{self._place}: {_words(error)}") from error
            try:
                yield server
            finally:
                _part(server)

    def _server(self) -> smtplib.SMTP:
        if self.security == "smtps":
            return smtplib.SMTP_SSL(timeout=TIMEOUT, context=ssl.create_default_context())
        return smtplib.SMTP(timeout=TIMEOUT)

    def _greet(self, server: smtplib.SMTP) -> None:
        # smtplib checks the certificate against the name that its constructor was given.
        server._host = self.host  # type: ignore[attr-defined]  # noqa: SLF001
        code, text = server.connect(self.host, self.port)
        if code != READY:
            raise smtplib.SMTPConnectError(code, text)
        if self.security == "smtp+starttls":
            server.starttls(context=ssl.create_default_context())
        server.ehlo_or_helo_if_needed()
        if self.user:
            server.login(self.user, self.password)


READY = 220
TOO_LARGE = 552


@contextmanager
def _watched(server: smtplib.SMTP) -> Iterator[None]:
    """Break the connection that is still in use after :data:`LONGEST` seconds.

    A timeout of the socket bounds each silence, and a server may speak one byte before each.
    """
    over = Event()

    def watch() -> None:
        pause = LONGEST
        while not over.wait(pause):
            pause = 1.0  # it may be connecting just now: there is nothing to break yet
            if isinstance(server.sock, socket.socket):
                with suppress(OSError):
                    # Not TLS's own, which would touch what another thread is reading from.
                    socket.socket.shutdown(server.sock, socket.SHUT_RDWR)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _part(server: smtplib.SMTP) -> None:
    """The mail is delivered or not by now, whatever the server says to our good-bye."""
    with suppress(smtplib.SMTPException, OSError, ValueError):
        if server.sock is not None:
            server.sock.settimeout(GOODBYE)
            server.quit()
    server.close()


def _options(server: smtplib.SMTP, mail: Outgoing) -> tuple[str, ...]:
    """What this mail asks of the server. Its octets are ASCII unless an address is not.

    Raises:
        NotDelivered: the server does not take addresses beyond ASCII ([RFC6531] 3.1), or one would
            be read as more than an address.
    """
    if not (mail.recipient + mail.sender).isprintable():
        raise _unsendable("an address with control characters")
    if mail.recipient.isascii() and mail.sender.isascii():
        return ()
    if not server.has_extn("smtputf8"):
        raise _unsendable("the server takes no address beyond ASCII (SMTPUTF8)")
    return ("SMTPUTF8", "BODY=8BITMIME")


def transport_of(text: str) -> Transport:
    """The transport that the setting ``mail.transport`` describes.

    ``folder:<path>``, ``smtp://[user:password@]host[:port]``, ``smtps://…`` or
    ``smtp+starttls://…``; user and password are percent-encoded.

    Raises:
        ConfigurationError: it describes none; the cause names the setting, never its value.
    """
    if text.startswith("folder:") and text != "folder:":
        return FolderTransport(Path(text.removeprefix("folder:")))
    try:
        parts = urlsplit(text)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (KeyError, ValueError):
        raise ConfigurationError("the setting mail.transport has a wrong value") from None
    if not parts.hostname:
        raise ConfigurationError("the setting mail.transport names no host")
    if parts.username and parts.scheme == "smtp" and parts.hostname not in LOOPBACK_HOSTS:
        raise ConfigurationError(
            "the setting mail.transport would send a password in clear: use smtp+starttls or smtps"
        )
    return SmtpTransport(
        host=parts.hostname,
        port=port,
        security=parts.scheme,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


_ENHANCED = re.compile(r"[245]\.(\d{1,3})\.(\d{1,3})\b")
_FULL = re.compile(
    r"quota|mailbox.{0,12}full|over ?quota|not enough (?:space|storage)", re.IGNORECASE
)
_UNKNOWN = re.compile(
    r"unknown|does(?: not|n't) exist|no such|no mailbox|invalid (?:recipient|mailbox|user)"
    r"|user not found|host or domain name not found",
    re.IGNORECASE,
)
_NOT_ALLOWED = frozenset({530, 534, 535, 538})
_ADDRESS, _MAILBOX, _SECURITY = "1", "2", "7"
_NO_SUCH_ADDRESS = frozenset({"1", "2", "3", "10"})
_NO_MAILBOX = frozenset({550, 551, 553})


def _refused(code: int, text: bytes | str) -> NotDelivered:
    """What a refusal of this mail means. A rule of the server's may be about us: not for good."""
    words = _answer(code, text)
    cause = _cause(code, words)
    return NotDelivered(
        words, permanent=code >= PERMANENT and cause is not Cause.POLICY, cause=cause
    )


def _cause(code: int, words: str) -> Cause:
    """By the enhanced code where there is one ([RFC3463]), else by the code and the words."""
    found = _ENHANCED.search(words)
    subject, detail = found.groups() if found else ("", "")
    if code in _NOT_ALLOWED or subject == _SECURITY or "relay" in words.lower():
        return Cause.POLICY
    if (subject, detail) == (_MAILBOX, "2") or _FULL.search(words):
        return Cause.MAILBOX_FULL
    if code < PERMANENT:
        return Cause.POSTPONED
    if subject == _ADDRESS and detail in _NO_SUCH_ADDRESS:
        return Cause.UNKNOWN_ADDRESS
    if not found and code in _NO_MAILBOX and _UNKNOWN.search(words):
        return Cause.UNKNOWN_ADDRESS
    return Cause.REFUSED


def _unsendable(words: str) -> NotDelivered:
    return NotDelivered(words, permanent=True, cause=Cause.UNSENDABLE)


def _answer(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(words.split())}"


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error)
    return str(error) or type(error).__name__
