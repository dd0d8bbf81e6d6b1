"""Applications that make a sign-out difficult: dead, silent, broken, and one that cannot be told.

One server on the loopback plays them all: it takes any assertion, and answers a logout badly.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from tests.common.fake_sp import FakeSP
from tests.common.ports import free_port

REDIRECT, POST = "HTTP-Redirect", "HTTP-POST"
DEAD, SILENT, BROKEN, SLOW, SLOW_POST, MUTE = (
    "mort",
    "muet",
    "emploi-panne",
    "lent",
    "sante",
    "ancien",
)
LABELS = {
    DEAD: "Paie (arrêtée)",
    SILENT: "Archives (muettes)",
    BROKEN: "Emploi (en panne)",
    SLOW: "Formation (lente)",
    SLOW_POST: "Santé (lente)",
    MUTE: "Messagerie (ancienne)",
}


@dataclass
class Difficult:
    """The applications by code, and what was asked of them; ``port`` answers, most of the time."""

    port: int
    sps: dict[str, FakeSP] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(self, code: str, address: str, binding: str) -> None:
        """One application, which takes a logout at this address."""
        sp = FakeSP(code, signs=True, slo=(binding,) if address else ())
        # Told in the order of these names: the broken one before the demonstration's.
        sp.entity_id = f"http://{code}.example/metadata"
        sp.acs = f"http://localhost:{self.port}/{code}/acs"
        if address:
            sp.slo[binding] = address
        self.sps[code] = sp


@contextmanager
def difficult_sps() -> Iterator[Difficult]:
    """All of them, until the end of the block."""
    over = Event()
    with socket.socket() as silent, ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        # Connections are taken by the kernel, and nobody ever reads them.
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        made = Difficult(server.server_port)
        server.over, server.asked = over, made.asked  # type: ignore[attr-defined]
        answering = f"http://localhost:{made.port}"
        for code, address, binding in (
            (DEAD, f"http://127.0.0.1:{free_port()}/slo", REDIRECT),
            (SILENT, f"http://127.0.0.1:{silent.getsockname()[1]}/slo", REDIRECT),
            (BROKEN, f"{answering}/{BROKEN}/error", REDIRECT),
            (SLOW, f"{answering}/{SLOW}/wait", REDIRECT),
            (SLOW_POST, f"{answering}/{SLOW_POST}/wait", POST),
            (MUTE, "", ""),
        ):
            made.add(code, address, binding)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield made
        finally:
            over.set()
            server.shutdown()


class Answers(BaseHTTPRequestHandler):
    """``…/error`` is a 500, ``…/wait`` never comes, anything else is a page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer by the last part of the path."""
        self.server.asked.append(self.path.partition("?")[0])  # type: ignore[attr-defined]
        what = self.path.partition("?")[0].rpartition("/")[2]
        if what == "wait":
            self.server.over.wait(60)  # type: ignore[attr-defined]
        body = f"<!doctype html><html lang=fr><title>{what}</title><h1>{what}</h1>".encode()
        self.send_response(500 if what == "error" else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """The same."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def handle_one_request(self) -> None:
        """A browser that gave up is no error."""
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Nothing."""
