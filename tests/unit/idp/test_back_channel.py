import time
from pathlib import Path
from socket import create_server

import pytest

from idp import back_channel
from idp.back_channel import MAX_ANSWER, BackChannel
from idp.errors import BackChannelFailed
from idp.http_out import HttpOut
from tests.common.raw_sp import answering, dripping, http, listening


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> float:
    """Half a second instead of five."""
    monkeypatch.setattr(back_channel, "TIMEOUT", 0.5)
    return 0.5


def test_one_post_and_its_answer() -> None:
    with listening(answering(http(b"<answer/>"))) as sp:
        assert BackChannel(HttpOut(loopback=True)).post(sp.location, b"<question/>") == b"<answer/>"
        (heard,) = sp.heard
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /slo HTTP/1.1\r\n")
    assert b"Content-Type: text/xml; charset=utf-8" in head
    assert b'SOAPAction: "http://www.oasis-open.org/committees/security"' in head
    assert body == b"<question/>"


def test_an_answer_in_chunks_and_one_of_unknown_length() -> None:
    chunks = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    for octets in (chunks, b"HTTP/1.0 200 OK\r\n\r\nabcde"):
        with listening(answering(octets)) as sp:
            assert BackChannel(HttpOut(loopback=True)).post(sp.location, b"x") == b"abcde"


@pytest.mark.parametrize(
    ("octets", "cause"),
    [
        (http(b"", status="500 No"), "answered 500"),
        (http(b"", status="404 No"), "answered 404"),
        (http(b"x" * (MAX_ANSWER + 1)), "more than"),
        (b"no HTTP at all\r\n\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "got more than 100 headers"),
    ],
)
def test_what_is_no_answer(octets: bytes, cause: str) -> None:
    with listening(answering(octets)) as sp, pytest.raises(BackChannelFailed) as caught:
        BackChannel(HttpOut(loopback=True)).post(sp.location, b"x")
    assert cause in caught.value.cause
    if "answered" in cause:
        assert sp.location in caught.value.cause


def test_no_redirection_is_followed() -> None:
    with listening(answering(http(b"<answer/>"))) as other:
        for status in ("301 Moved", "302 Found", "303 See Other", "307 Again", "308 Again"):
            to = f"Location: {other.location}\r\n"
            with (
                listening(answering(http(b"", status=status, headers=to))) as sp,
                pytest.raises(BackChannelFailed, match=f"answered {status[:3]}"),
            ):
                BackChannel(HttpOut(loopback=True)).post(sp.location, b"x")
        assert other.heard == []


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n",
        b"HTTP",
    ],
    ids=["body", "header", "chunk", "status"],
)
def test_an_sp_that_drips_is_left(head: bytes, hurry: float) -> None:
    with listening(dripping(head)) as sp:
        started = time.monotonic()
        with pytest.raises(BackChannelFailed, match=r"no answer in time|timed out"):
            BackChannel(HttpOut(loopback=True)).post(sp.location, b"x")
        assert hurry * 0.8 < time.monotonic() - started < hurry * 3


def test_an_sp_that_says_nothing_is_left(hurry: float) -> None:
    with create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        with pytest.raises(BackChannelFailed, match="timed out"):
            BackChannel(HttpOut(loopback=True)).post(
                f"http://127.0.0.1:{server.getsockname()[1]}/", b"x"
            )
        assert time.monotonic() - started < hurry * 3


def test_https_is_asked_for_a_certificate_and_in_time(hurry: float) -> None:
    with listening(dripping(b"")) as sp:
        started = time.monotonic()
        with pytest.raises(BackChannelFailed):
            BackChannel(HttpOut(loopback=True)).post(sp.location.replace("http:", "https:"), b"x")
        assert time.monotonic() - started < hurry * 3
        assert sp.heard[0][:1] == b"\x16", "a TLS handshake, and no message before it"
        assert sp.heard[0] != b"x"


def test_nothing_but_http(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("secret")
    for location in (file.as_uri(), "ftp://127.0.0.1/x", "data:text/xml,<x/>", "gopher://x"):
        with pytest.raises(BackChannelFailed, match="unknown url type"):
            BackChannel(HttpOut(loopback=True)).post(location, b"x")


def test_nobody_listens() -> None:
    with create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(BackChannelFailed, match="refused"):
        BackChannel(HttpOut(loopback=True)).post(f"http://127.0.0.1:{port}/", b"x")
