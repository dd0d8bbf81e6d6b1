"""Metadata from an address: bounded in time and size, http(s) only."""

import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import monotonic, sleep

import pytest

from idp.errors import MetadataError
from metadata import fetch as module
from metadata.fetch import fetch

Answer = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A web server on the loopback; ``answer`` says what it does."""

    def __init__(self) -> None:
        self.answer: Answer = plain(b"")
        self.paths: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.paths.append(self.path)
                site.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/metadata"


def plain(body: bytes, *, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    site = Site()
    thread = Thread(target=site.server.serve_forever)
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


def refusal(url: str) -> str:
    with pytest.raises(MetadataError) as caught:
        fetch(url, loopback=True)
    return caught.value.public


def test_the_document_is_given_as_it_is(site: Site) -> None:
    site.answer = plain(b"<a>\xff</a>")
    assert fetch(site.url, loopback=True) == b"<a>\xff</a>"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://exemple.fr/a", "data:text/xml,<a/>", "exemple.fr/a", "http://"],
)
def test_only_http_addresses_are_asked(url: str) -> None:
    assert "n'est pas une adresse http" in refusal(url)


def test_an_address_that_anybody_on_the_way_could_answer_for_is_refused() -> None:
    assert "n'est pas chiffrée" in refusal("http://bip.exemple.fr/metadata")


def test_an_endless_address_is_refused(site: Site) -> None:
    assert "n'est pas une adresse http" in refusal(f"{site.url}?{'a' * 1024}")
    assert site.paths == []


def test_an_error_of_the_site_is_told(site: Site) -> None:
    site.answer = plain(b"", status=404)
    assert "réponse 404" in refusal(site.url)


def test_a_site_that_is_not_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "pas de réponse" in refusal(f"http://127.0.0.1:{port}/")


def test_a_site_that_does_not_speak_http(site: Site) -> None:
    site.answer = lambda handler: handler.wfile.write(b"SSH-2.0\r\n") and None
    assert "pas de réponse" in refusal(site.url)


def test_a_redirect_within_the_scheme_is_followed(site: Site) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/metadata":
            plain(b"", status=302, Location="/ailleurs")(handler)
        else:
            plain(b"<a/>")(handler)

    site.answer = answer
    assert fetch(site.url, loopback=True) == b"<a/>"
    assert site.paths == ["/metadata", "/ailleurs"]


@pytest.mark.parametrize(
    "location", ["https://127.0.0.1/a", "file:///etc/passwd", "ftp://127.0.0.1/a", "javascript:a"]
)
def test_a_redirect_to_another_scheme_is_refused(site: Site, location: str) -> None:
    site.answer = plain(b"", status=302, Location=location)
    assert site.url in refusal(site.url)
    assert len(site.paths) == 1


def test_a_redirect_in_circles_ends(site: Site) -> None:
    site.answer = plain(b"", status=302, Location="/metadata")
    assert "réponse 302" in refusal(site.url)
    assert len(site.paths) <= 11


def test_more_than_twenty_mebibytes_are_not_read(site: Site) -> None:
    site.answer = plain(b" " * (20 * 1024 * 1024))
    assert len(fetch(site.url, loopback=True)) == 20 * 1024 * 1024
    site.answer = plain(b" " * (20 * 1024 * 1024 + 1))
    assert "20480 Kio" in refusal(site.url)


def test_a_silent_site_is_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    site.answer = lambda _: sleep(0.6)
    assert "trop lente" in refusal(site.url)


def test_a_site_that_drips_is_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.3)

    site.answer = drip(b"HTTP/1.1 200 OK\r\n\r\n")
    assert "trop lente" in refusal(site.url)


@pytest.mark.parametrize(
    "head",
    [b"HTT", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 302 Found\r\nX: "],
    ids=["status", "header", "redirection"],
)
def test_a_site_that_drips_before_its_body_is_left(
    head: bytes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    site.answer = drip(head)
    started = monotonic()
    assert "trop lente" in refusal(site.url)
    assert monotonic() - started < 1


def test_redirections_take_their_time_from_the_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.5)

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        sleep(0.2)
        plain(b"", status=302, Location="/metadata")(handler)

    site.answer = slowly
    started = monotonic()
    assert "trop lente" in refusal(site.url)
    assert monotonic() - started < 1.5


def test_nobody_is_led_into_this_machine(site: Site) -> None:
    with pytest.raises(MetadataError) as caught:
        fetch(site.url, loopback=False)
    assert "adresse interdite" in caught.value.public
    assert site.paths == []


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.1.2.3", "[::]", "224.0.0.1"])
def test_a_redirection_to_no_host_is_refused(site: Site, host: str) -> None:
    site.answer = plain(b"", status=302, Location=f"http://{host}/latest/meta-data")
    assert "adresse interdite" in refusal(site.url)
    assert len(site.paths) == 1


def drip(head: bytes) -> Answer:
    """This, then an octet from time to time for two seconds."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(head)
            for _ in range(40):
                handler.wfile.write(b" ")
                sleep(0.05)
        except OSError:
            return

    return answer
