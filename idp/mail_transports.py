"""How a mail leaves: over SMTP, or as a file in a folder (demonstration, tests)."""

import os
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Protocol
from urllib.parse import unquote, urlsplit

from idp.errors import ConfigurationError

TIMEOUT = 20.0
"""Seconds that one exchange with the server may take."""

PERMANENT = 500
"""From this code on, the server does not want to be asked again."""

DEFAULT_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}


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

    def __init__(self, cause: str, *, permanent: bool = False) -> None:
        super().__init__(cause)
        self.permanent = permanent


class Unreachable(NotDelivered):
    """No mail can leave now: the server or the folder does not answer, or refuses us."""


class Transport(Protocol):
    """One way out."""

    def send(self, mail: Outgoing) -> None:
        """Deliver; when this returns, the other side has taken responsibility.

        Raises:
            Unreachable: the way out is closed, for every mail.
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

    ``security`` is ``smtp`` (plain), ``smtps`` (TLS from the start) or ``smtp+starttls``.
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
                server.sendmail(mail.sender, [mail.recipient], mail.octets)
            except smtplib.SMTPRecipientsRefused as error:
                code, text = next(iter(error.recipients.values()))
                raise NotDelivered(_answer(code, text), permanent=code >= PERMANENT) from error
            except smtplib.SMTPDataError as error:
                permanent = error.smtp_code >= PERMANENT
                raise NotDelivered(
                    _answer(error.smtp_code, error.smtp_error), permanent=permanent
                ) from error
            except (smtplib.SMTPNotSupportedError, UnicodeError) as error:
                raise NotDelivered(str(error), permanent=True) from error

    def check(self) -> None:
        """See :class:`Transport`."""
        with self._connected():
            pass

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """A greeted, authenticated connection.

        What is refused here is refused to us and not to the mail, even with a 5xx: a wrong password
        in the settings must not kill every mail that waits.
        """
        server = None
        try:
            server = self._open()
            if self.user:
                server.login(self.user, self.password)
            yield server
        except (smtplib.SMTPException, OSError) as error:
            raise Unreachable(f"{self.host}:{self.port}: {_cause(error)}") from error
        finally:
            if server is not None:
                # The mail is delivered or not by now, whatever the server says to our good-bye.
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()
                server.close()

    def _open(self) -> smtplib.SMTP:
        if self.security == "smtps":
            return smtplib.SMTP_SSL(
                self.host, self.port, timeout=TIMEOUT, context=ssl.create_default_context()
            )
        server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT)
        if self.security == "smtp+starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except (smtplib.SMTPException, OSError):
                server.close()
                raise
        return server


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
    return SmtpTransport(
        host=parts.hostname,
        port=port,
        security=parts.scheme,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _answer(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(words.split())}"


def _cause(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _answer(error.smtp_code, error.smtp_error)
    return str(error) or type(error).__name__
