"""Signing out of ten applications that are told by SOAP: all alive, or one dead among them."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from idp.types import Encrypt, NameID, Sign, SpSession
from metadata.options import Choice
from metadata.registry import Registry
from tests.bench.client import Client
from tests.bench.report import Row, times
from tests.bench.server import Server
from tests.bench.world import LOGIN, PASSWORD, PLAIN, World
from tests.bench.yardstick import Unmeasurable
from tests.common.fake_slo import envelope, logout_response, opened
from tests.common.fake_sp import FakeSP
from tests.common.tls import Authority

SPS = 10
WARM_UP = 2
LOGOUTS = 20
WITH_A_DEAD_ONE = 3
SOAP = "SOAP"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
GOAL = 6  # seconds, one SP dead
CLOSED, FAILED = b"told-closed", b"told-failed"


@dataclass
class BackChannel:
    """Ten SPs on one server of the loopback; ``told`` are the LogoutRequests that came."""

    sps: list[FakeSP]
    told: list[str] = field(default_factory=list)

    def answer(self, path: str, data: bytes) -> bytes:
        """What the SP of this path says: that its session is over."""
        sp = self.sps[int(path.rpartition("/")[2])]
        request = opened(data)
        self.told.append(str(request.get("ID")))
        response = logout_response(sp, request, now=datetime.now(UTC))
        response.attrib.pop("Destination")
        sp.sign(response)
        return envelope(response)


class Handler(BaseHTTPRequestHandler):
    """Its HTTP."""

    def do_POST(self) -> None:
        """One LogoutRequest."""
        data = self.rfile.read(int(self.headers["Content-Length"]))
        body = self.server.back_channel.answer(self.path, data)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Sign-outs of ten SPs each: CPU of the server for one, and the seconds of each."""

    cpu: float
    seconds: Sequence[float]


def measure(
    world: World, server: Server, authority: Authority, say: Callable[[str], None]
) -> list[Row]:
    """The rows of single logout, over https: ``server`` trusts this authority.

    Raises:
        Unmeasurable: an application was not told, or the last page says something else.
    """
    with _back_channel(world, authority) as channel, socket.socket() as silent:
        # The kernel takes the connection, and nobody ever answers: worse than one that is refused.
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        dead = _sp(world, "dead", f"http://127.0.0.1:{silent.getsockname()[1]}/slo")
        say(f"{LOGOUTS} sign-outs of {SPS} applications")
        _sign_outs(world, server, channel.sps, WARM_UP, CLOSED)
        alive = _sign_outs(world, server, channel.sps, LOGOUTS, CLOSED)
        if len(channel.told) != len(set(channel.told)) or len(channel.told) != SPS * (
            WARM_UP + LOGOUTS
        ):
            raise Unmeasurable(f"{len(channel.told)} LogoutRequests came")
        say("the same with one that is dead")
        with_dead = _sign_outs(world, server, [*channel.sps[1:], dead], WITH_A_DEAD_ONE, FAILED)
    return rows(alive, with_dead)


def rows(alive: Measured, with_dead: Measured) -> list[Row]:
    """The figures of the table."""
    what = f"sign-out of {SPS} SPs told by SOAP over https"
    return [
        Row("SLO", f"{what}: CPU of the server", alive.cpu * 1000, "ms"),
        Row("SLO", f"{what}: p95", times(alive.seconds).p95, "ms", times=times(alive.seconds)),
        Row(
            "SLO",
            f"{what}, one of them dead: the longest",
            max(with_dead.seconds),
            "s",
            GOAL,
            times=times(with_dead.seconds),
        ),
    ]


def _sign_outs(
    world: World, server: Server, sps: Sequence[FakeSP], count: int, expected: bytes
) -> Measured:
    """This many people sign out, one after the other; each is inside all of these already."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port)) for _ in range(count)]
        forms = [_inside(world, client, sps) for client in clients]
        before = server.cpu_seconds()
        seconds = [
            _sign_out(client, form, expected) for client, form in zip(clients, forms, strict=True)
        ]
        return Measured((server.cpu_seconds() - before) / count, seconds)


def _inside(world: World, client: Client, sps: Sequence[FakeSP]) -> dict[str, str]:
    """Signed in, with a session at each SP; the form of the question."""
    client.sign_in(LOGIN, PASSWORD)
    sessions, now = world.services.sessions, datetime.now(UTC)
    session = sessions.find(client.cookie("convergences"))
    if session is None:
        raise Unmeasurable("nobody is signed in")
    for number, sp in enumerate(sps):
        name_id = NameID(f"{session.key[:16]}-{number}", TRANSIENT)
        held = SpSession(sp.entity_id, name_id, f"_{number}", now, session.expires_at)
        sessions.record(session, held)
    return client.form("/deconnexion", "formulaire")


def _sign_out(client: Client, form: dict[str, str], expected: bytes) -> float:
    """Press the button, and read the last page; the seconds that it took."""
    started = time.perf_counter()
    client.post("/deconnexion", form)
    client.get("/deconnexion/suite", status=303)
    page = client.get("/deconnexion/terminee", status=200)
    seconds = time.perf_counter() - started
    if expected not in page:
        raise Unmeasurable(f"the last page says something else: {page.decode()[:2000]}")
    return seconds


@contextmanager
def _back_channel(world: World, authority: Authority) -> Iterator[BackChannel]:
    channel = BackChannel([])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        authority.secure(server)
        server.back_channel = channel  # type: ignore[attr-defined]
        for number in range(SPS):
            location = f"https://localhost:{server.server_port}/{number}"
            channel.sps.append(_sp(world, str(number), location))
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield channel
        finally:
            server.shutdown()
            thread.join()


def _sp(world: World, name: str, location: str) -> FakeSP:
    """An SP of one key with its neighbours: making ten keys takes a while."""
    sp = FakeSP("bench-slo", signs=True, slo=(SOAP,))
    sp.entity_id = f"https://bench-slo-{name}.example/metadata"
    sp.slo = {SOAP: location}
    choice = Choice(rule_set="basic", sign=Sign.ASSERTION, encrypt=Encrypt.NEVER)
    Registry(world.services.core).add(sp.metadata(), choice, application=PLAIN)
    return sp
