"""The door to the network: who may be asked, and that nothing takes longer than it may."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_INET, AF_INET6, SOCK_STREAM, create_server, socket
from threading import Event

import pytest

from idp import http_out
from idp.http_out import Answer, Deadline, Forbidden, HttpOut, TooLarge, tls_context
from tests.common.raw_sp import answering, dripping, http, listening
from tests.common.tls import Authority, serving

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
HERE = HttpOut(loopback=True)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def ask(url: str, *, seconds: float = 5, door: HttpOut = HERE, octets: int = 100) -> Answer:
    return door.ask(url, deadline=Deadline(seconds), octets=octets, headers={"Accept": "*/*"})


@contextmanager
def takes(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert seconds * 0.8 < time.monotonic() - started < seconds + 1


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """Every name has these addresses."""
    found = [
        (AF_INET6 if ":" in host else AF_INET, SOCK_STREAM, 6, "", (host, port))
        for host, port in addresses
    ]
    monkeypatch.setattr(http_out, "getaddrinfo", lambda *_, **__: found)


def test_a_status_is_an_answer_and_its_body_is_that_of_a_200() -> None:
    with listening(answering(http(b"x" * 100))) as site:
        assert ask(site.location) == Answer(200, None, b"x" * 100)
        head = site.heard[0]
        assert head.startswith(b"GET /slo HTTP/1.1\r\n")
        assert b"Accept: */*\r\n" in head
        assert b"Connection: close\r\n" in head
    to = "Location: /there\r\n"
    with listening(answering(http(b"no", status="302 Found", headers=to))) as site:
        assert ask(f"{site.location}?a=b#c") == Answer(302, "/there", b"")
        assert site.heard[0].startswith(b"GET /slo?a=b HTTP/1.1\r\n")


def test_more_than_anybody_sends() -> None:
    with listening(answering(http(b"x" * 101))) as site, pytest.raises(TooLarge):
        ask(site.location)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "https://", "x"])
def test_nothing_but_http(url: str) -> None:
    with pytest.raises(ValueError, match="unknown url type"):
        ask(url)


# --- where ---------------------------------------------------------------------------------------

NOWHERE = [
    "169.254.169.254",
    "[fe80::1]",
    "0.0.0.0",  # noqa: S104 - what is refused
    "0.1.2.3",
    "[::]",
    "224.0.0.1",
    "[ff02::1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
]
INSIDE = ["127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "localhost"]


@pytest.mark.parametrize("host", NOWHERE)
@pytest.mark.parametrize("loopback", [True, False])
def test_where_nobody_is_sent_to(host: str, *, loopback: bool) -> None:
    with pytest.raises(Forbidden):
        ask(f"http://{host}:9/", door=HttpOut(loopback=loopback))


@pytest.mark.parametrize("host", INSIDE)
def test_this_machine_is_asked_only_where_we_are_on_it(host: str) -> None:
    with create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Forbidden):
            ask(f"http://{host}:{port}/", door=HttpOut(loopback=False))
    assert HERE._allows({"localhost": "127.0.0.1"}.get(host, host.strip("[]")))


def test_nobody_listens() -> None:
    with create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        ask(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.0.1", "172.16.0.1", "fd00::1", "8.8.8.8"])
def test_intranets_are_asked(address: str) -> None:
    assert HttpOut(loopback=False)._allows(address)


def test_a_name_is_judged_by_where_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several addresses those that are allowed are asked."""
    with listening(answering(http(b"here"))) as site:
        port = int(site.location.rpartition(":")[2].removesuffix("/slo"))
        resolving(monkeypatch, ("169.254.169.254", port))
        with pytest.raises(Forbidden):
            ask(f"http://sp.example:{port}/")
        resolving(monkeypatch, ("169.254.169.254", port), ("127.0.0.1", port))
        assert ask(f"http://sp.example:{port}/").body == b"here"


# --- how long ------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [b"HT", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_who_drips_is_left(head: bytes) -> None:
    with listening(dripping(head)) as site, takes(0.5), pytest.raises(TimeoutError):
        ask(site.location, seconds=0.5, octets=10_000)


def test_all_the_addresses_of_a_name_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with full() as port:
        resolving(monkeypatch, *[("127.0.0.1", port)] * 4)
        with takes(0.8), pytest.raises(TimeoutError):
            ask("http://sp.example/", seconds=0.8)


def test_a_dead_address_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with full() as port, listening(answering(http(b"here"))) as site:
        alive = int(site.location.rpartition(":")[2].removesuffix("/slo"))
        resolving(monkeypatch, ("127.0.0.1", port), ("127.0.0.1", alive))
        assert ask("http://sp.example/", seconds=2).body == b"here"


def test_a_resolver_that_takes_its_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    leave = Event()
    monkeypatch.setattr(http_out, "getaddrinfo", lambda *_, **__: leave.wait(10) and [])
    with takes(0.3), pytest.raises(TimeoutError):
        ask("http://sp.example/", seconds=0.3)
    leave.set()


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise OSError("no such name")

    monkeypatch.setattr(http_out, "getaddrinfo", unknown)
    with pytest.raises(OSError, match="no such name"):
        ask("http://sp.example/")


def test_a_handshake_without_end_is_left() -> None:
    with listening(lambda _, over: over.wait() and None) as site:  # it never says a word
        with takes(0.4), pytest.raises(TimeoutError):
            ask(site.location.replace("http:", "https:"), seconds=0.4)
        assert site.heard[0][:1] == b"\x16", "a TLS handshake, and no message before it"


@contextmanager
def full() -> Iterator[int]:
    """A port on which the kernel answers nobody any more: who connects waits."""
    with create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = []
        for _ in range(4):
            one = socket()
            one.settimeout(0)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        time.sleep(0.05)
        try:
            yield port
        finally:
            for one in waiting:
                one.close()


# --- whom we trust -------------------------------------------------------------------------------


def test_one_tls_context_for_the_whole_process() -> None:
    assert tls_context() is tls_context()
    assert tls_context().verify_mode is ssl.CERT_REQUIRED
    assert tls_context().check_hostname


def test_a_private_authority_is_trusted_once_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    with serving(authority, b"secret") as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(f"https://localhost:{port}/")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        tls_context.cache_clear()
        try:
            assert ask(f"https://localhost:{port}/").body == b"secret"
            with pytest.raises(ssl.SSLCertVerificationError):
                ask(f"https://127.0.0.1:{port}/")
        finally:
            tls_context.cache_clear()


# --- through a proxy -----------------------------------------------------------------------------


def test_the_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be on this machine; it resolves names, but is led nowhere by an address."""
    with listening(answering(http(b"by proxy"))) as proxy:
        where = proxy.location.removesuffix("/slo").replace("http://", "http://a:b%40c@")
        monkeypatch.setenv("http_proxy", where)
        outside = HttpOut(loopback=False)
        assert ask("http://sp.example:81/x?y", door=outside).body == b"by proxy"
        assert proxy.heard[0].startswith(b"GET http://sp.example:81/x?y HTTP/1.1\r\n")
        assert b"Host: sp.example:81\r\n" in proxy.heard[0]
        assert b"Proxy-Authorization: Basic YTpiQGM=\r\n" in proxy.heard[0]
        with pytest.raises(Forbidden):
            ask("http://169.254.169.254/", door=outside)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(Forbidden):
            ask(proxy.location, door=outside)
        assert len(proxy.heard) == 1


def test_https_goes_through_the_proxy_in_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(answering(b"HTTP/1.1 403 No\r\n\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.location.removesuffix("/slo"))
        with pytest.raises(OSError, match="403"):
            ask("https://sp.example/x", door=HttpOut(loopback=False))
        assert proxy.heard[0].startswith(b"CONNECT sp.example:443 HTTP/1.")
