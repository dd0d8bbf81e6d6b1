"""A back channel that misbehaves: what is accepted on a port of the loopback is handed over raw."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socket import SHUT_RDWR, SHUT_WR, create_server, socket


@dataclass
class RawSP:
    """A listening address; ``heard`` is what each connection sent first."""

    location: str
    heard: list[bytes] = field(default_factory=list)


@contextmanager
def listening(answer: Callable[[socket, threading.Event], None]) -> Iterator[RawSP]:
    """Answers each connection in a thread of its own, until the end; the event says it is over."""
    over = threading.Event()
    connections: list[socket] = []
    with create_server(("127.0.0.1", 0)) as server:
        sp = RawSP(f"http://127.0.0.1:{server.getsockname()[1]}/slo")

        def serve(connection: socket) -> None:
            with connection, suppress(OSError):
                sp.heard.append(_whole(connection))
                answer(connection, over)
                connection.shutdown(SHUT_WR)
                # Closed with something unread, it would be reset.
                while connection.recv(65536):
                    pass

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connections.append(connection)
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield sp
        over.set()
        server.shutdown(SHUT_RDWR)
        for connection in connections:
            connection.close()
        thread.join(5)


def _whole(connection: socket) -> bytes:
    """A request with its body; or what else is said first."""
    heard = connection.recv(65536)
    while heard.startswith(b"POST") and not _is_whole(heard):
        heard += connection.recv(65536)
    return heard


def _is_whole(heard: bytes) -> bool:
    head, _, body = heard.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    return bool(length) and len(body) >= int(length[1])


def answering(octets: bytes) -> Callable[[socket, threading.Event], None]:
    """This, and the end."""
    return lambda connection, _over: connection.sendall(octets)


def dripping(head: bytes) -> Callable[[socket, threading.Event], None]:
    """This at once, then an octet from time to time without end."""

    def drip(connection: socket, over: threading.Event) -> None:
        connection.sendall(head)
        while not over.wait(0.05):
            connection.sendall(b"x")

    return drip


def http(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """An answer of HTTP."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body
