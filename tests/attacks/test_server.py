"""The same refusals by a real server: in bounded time and memory, and others go on being served."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import pytest
from lxml import html
from sqlalchemy import func, select

from idp.audit import AuditEvent
from idp.passwords import PLACES
from tests.attacks.bad_requests import BAD, HEAVY, Bad
from tests.attacks.server import ADDRESS, PUBLIC_URL, Answer, Server, attacked
from tests.common.processes import REPOSITORY
from views.demo.supervisor import FEW_HEAPS, OTHER_THREADS, children_of

SECONDS = 5
MEMORY = 200_000_000
STAYS = 60_000_000
"""Of bytes, in two workers together: buffers that a C library keeps for the next one."""
AT_ONCE = 20
THREADS = PLACES + OTHER_THREADS
EVIL = "evil.example"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the whole module, as warm as one that has served for a while."""
    with attacked(tmp_path_factory.mktemp("attacked")) as server:
        for bad in BAD[:8]:
            server.send(bad.make(server.senders()))
        yield server


def check(server: Server, bad: Bad, answer: Answer) -> None:
    """A French page with an id, one line of the log under it, nothing for any SP."""
    assert answer.status == bad.status, answer.text[:500]
    page = html.fromstring(answer.text.encode())
    assert page.get("lang") == "fr"
    main = " ".join(page.get_element_by_id("contenu").text_content().split())
    request_id = answer.headers["x-request-id"]
    assert request_id in main
    assert bad.page in main
    assert "location" not in answer.headers
    assert "SAMLResponse" not in answer.text
    assert not page.forms
    (line,) = server.lines(request_id)
    assert line["event"] == bad.code
    assert bad.cause in str(line["cause"])


def events(server: Server) -> int:
    with server.services.db.reading() as session:
        return session.scalar(select(func.count()).select_from(AuditEvent)) or 0


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_refused_in_bounded_time_and_memory(bad: Bad, server: Server) -> None:
    senders = server.senders()
    sent = bad.make(senders)
    if bad.before:
        assert server.send(sent).status == 303
    journalled = events(server)
    resident = server.reset_peak()
    answer = server.send(sent)
    grown = server.peak() - resident
    check(server, bad, answer)
    assert answer.seconds < SECONDS
    assert grown < MEMORY
    assert events(server) == journalled


def test_twenty_of_the_worst_at_once(server: Server) -> None:
    senders = server.senders()
    worst = [bad for bad in BAD if bad.worst]
    chosen = list(islice(cycle(worst), AT_ONCE))
    made = [bad.make(senders) for bad in chosen]
    resident = server.reset_peak()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(server.send, made))
    grown = server.peak() - resident
    for bad, answer in zip(chosen, answers, strict=True):
        check(server, bad, answer)
    assert max(answer.seconds for answer in answers) < SECONDS
    assert grown < MEMORY


@pytest.mark.parametrize("heavy", HEAVY, ids=lambda bad: bad.name)
def test_as_many_of_the_same_as_a_worker_has_threads(heavy: Bad, server: Server) -> None:
    """Unsigned, three times over: one heavy document meets itself, and nothing stays of it."""
    senders = server.senders()
    resident = server.reset_peak()
    for _ in range(3):
        made = [heavy.make(senders) for _ in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as threads:
            answers = list(threads.map(server.send, made))
        assert {answer.status for answer in answers} == {400}
        assert max(answer.seconds for answer in answers) < SECONDS
    check(server, heavy, answers[-1])
    assert server.peak() - resident < MEMORY
    assert server.reset_peak() - resident < STAYS


def test_wherever_it_is_served_freed_memory_goes_back(server: Server) -> None:
    """As it is served here, so by ``make run`` and by the unit for systemd."""
    settings = server.services.settings
    portal, *_ = children_of(Path("development.ini"), settings, 1, 2)
    unit = (REPOSITORY / "deploy" / "convergences.service").read_text(encoding="utf-8")
    for name, value in FEW_HEAPS.items():
        assert portal._environment[name] == value
        assert f"\nEnvironment={name}={value}\n" in unit
    assert re.search(r"^MemoryMax=\d+G$", unit, re.MULTILINE)
    assert "\nOOMPolicy=continue\n" in unit, "granian starts another worker"


# --- connections that do not end ---------------------------------------------------------------

HEAD = (
    f"POST /saml/sso HTTP/1.1\r\nHost: {ADDRESS}\r\nContent-Type: application/x-www-form-urlencoded"
)
HALVES = {
    "half a head": (b"GET /saml/sso HTTP/1.1\r\nHost: x\r\n", 100),
    "half a chunk": (f"{HEAD}\r\nTransfer-Encoding: chunked\r\n\r\n100\r\nSAML".encode(), 100),
    # Each holds a thread until it ends; a proxy in front (deploy/) hands over whole bodies only.
    "half a body": (f"{HEAD}\r\nContent-Length: 5000\r\n\r\nSAMLRequest=x".encode(), 15),
}


@pytest.mark.parametrize("name", HALVES)
def test_half_a_request_hangs_nobody_else(name: str, server: Server) -> None:
    octets, count = HALVES[name]
    connections = [server.raw(octets) for _ in range(count)]
    try:
        started = time.monotonic()
        for bad in BAD[:4]:
            check(server, bad, server.send(bad.make(server.senders())))
        assert time.monotonic() - started < SECONDS
    finally:
        for connection in connections:
            connection.close()


def test_more_body_than_it_said_is_not_read(server: Server) -> None:
    """What is too much is no second request of ours, and hangs nobody."""
    body = b"SAMLRequest=x" + b"A" * 100_000
    octets = f"{HEAD}\r\nContent-Length: 13\r\nConnection: close\r\n\r\n".encode() + body
    with server.raw(octets, timeout=SECONDS) as connection:
        head = connection.recv(4096)
    assert head.startswith(b"HTTP/1.1 400")
    assert server.send(BAD[0].make(server.senders())).seconds < SECONDS


def test_two_lengths_are_refused(server: Server) -> None:
    """What a proxy and we might read differently is read by nobody."""
    smuggled = "GET /nulle-part HTTP/1.1\r\nHost: x\r\n\r\n"
    head = f"{HEAD}\r\nContent-Length: {len(smuggled)}\r\nTransfer-Encoding: chunked"
    octets = f"{head}\r\n\r\n0\r\n\r\n{smuggled}".encode()
    with server.raw(octets, timeout=SECONDS) as connection:
        received = connection.recv(4096)
    assert received.startswith(b"HTTP/1.1 4")
    assert b"HTTP/1.1 404" not in received


# --- what the request claims about us ----------------------------------------------------------


@pytest.mark.parametrize("path", ["/connexion", "/saml/sso", "/saml/metadata", "/nulle-part", "/"])
def test_no_host_of_the_request_comes_back(server: Server, path: str) -> None:
    claims = {f"{name}: {EVIL}" for name in ("X-Forwarded-Host", "X-Host", "X-Original-Host")}
    claims |= {f"Forwarded: host={EVIL};proto=http", "X-Forwarded-Proto: http"}
    for target in (path, f"http://{EVIL}{path}"):
        lines = "\r\n".join(sorted(claims))
        head = f"GET {target} HTTP/1.1\r\nHost: {EVIL}\r\nConnection: close\r\n{lines}\r\n\r\n"
        with server.raw(head.encode(), timeout=SECONDS) as connection:
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        assert received.startswith(b"HTTP/1.1 "), target
        assert not received.startswith(b"HTTP/1.1 5"), target
        assert EVIL.encode() not in received, target


def test_a_sign_on_that_waits_goes_on_at_our_own_address(server: Server) -> None:
    sp = server.sps["plain"]
    query = sp.redirect_query(sp.authn_request(now=server.senders().now))
    head = (
        f"GET http://{EVIL}/saml/sso?{query} HTTP/1.1\r\nHost: {EVIL}\r\nConnection: close\r\n\r\n"
    )
    with server.raw(head.encode(), timeout=SECONDS) as connection:
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert f"location: {PUBLIC_URL}/saml/sso/suite?flow=".encode() in received.lower()
    assert EVIL.encode() not in received
