"""An SMTP server of our own that fails where a test wants it to; aiosmtpd is the one that works."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

STEPS = ("greeting", "ehlo", "mail", "rcpt", "data", "body", "quit")
"""What the client waits for an answer to, in order."""

DROP, STALL, DRIP, GARBAGE = "drop", "stall", "drip", "garbage"

ANSWERS = {
    "greeting": "220 fault.example",
    "ehlo": "250 fault.example",
    "mail": "250 OK",
    "rcpt": "250 OK",
    "data": "354 Go on",
    "body": "250 Taken",
    "quit": "221 Bye",
}


@dataclass
class FaultySmtp:
    """Plays one conversation after the other.

    ``faults`` say for a step what happens instead of its answer: DROP, STALL, DRIP (a byte now and
    then, for ever), GARBAGE, or another answer. ``taken`` holds the bodies that came whole.
    """

    faults: dict[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    port: int = 0
    taken: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    closing: Event = field(default_factory=Event)

    def serve(self, listener: socket.socket) -> None:
        """Until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError, ConnectionError):
                connection.settimeout(10)
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        if not self._answer(connection, "greeting"):
            return
        lines = connection.makefile("rb")
        while line := lines.readline():
            words = line.decode("utf-8", "replace").strip()
            self.commands.append(words)
            step = {"helo": "ehlo"}.get(words[:4].lower(), words[:4].lower())
            if step not in ANSWERS:
                connection.sendall(b"250 OK\r\n" if step == "rset" else b"502 What?\r\n")
            elif not self._answer(connection, step) or step == "quit":
                return
            elif step == "data" and "data" not in self.faults:
                self._read_body(lines)
                if not self._answer(connection, "body"):
                    return

    def _read_body(self, lines: object) -> None:
        body = b""
        while (line := lines.readline()) not in {b".\r\n", b""}:  # type: ignore[attr-defined]
            body += line
        self.taken.append(re.sub(rb"(?m)^\.\.", b".", body))

    def _answer(self, connection: socket.socket, step: str) -> bool:
        """Whether the conversation goes on."""
        fault = self.faults.get(step)
        match fault:
            case "drop":
                return False
            case "stall":
                self.closing.wait(10)
                return False
            case "drip":
                while not self.closing.wait(0.05):
                    connection.sendall(b"2")
                return False
            case "garbage":
                connection.sendall(b"\xff\x00 what\r\n")
            case None if step == "ehlo" and self.extensions:
                said = ("fault.example", *self.extensions)
                lines = [f"250-{each}\r\n" for each in said[:-1]] + [f"250 {said[-1]}\r\n"]
                connection.sendall("".join(lines).encode())
            case _:
                connection.sendall(f"{fault or ANSWERS[step]}\r\n".encode())
        return True


@contextmanager
def faulty_smtp(*extensions: str, **faults: str) -> Iterator[FaultySmtp]:
    """Such a server on a port of its own: ``faulty_smtp("STARTTLS", rcpt=DROP)``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = FaultySmtp(faults, extensions, port=listener.getsockname()[1])
        thread = Thread(target=server.serve, args=(listener,), daemon=True)
        thread.start()
        yield server
        server.closing.set()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    assert not thread.is_alive()
