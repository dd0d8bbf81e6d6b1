"""The one door through which this server asks others by HTTP: bounded in time and in size.

SPs say where their back channel and their metadata are. So an address leads to no place that only
this machine reaches: never to link-local, multicast or unspecified ones, to the loopback only where
our own public URL is. Private networks are allowed: SPs stand on intranets.
"""

import ssl
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache, partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import SOCK_STREAM, getaddrinfo, socket
from threading import Thread
from time import monotonic
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

_OK = 200
_NAT64 = IPv6Network("64:ff9b::/96")
_THIS_HOST = IPv4Network("0.0.0.0/8")

Address = IPv4Address | IPv6Address


class Forbidden(OSError):
    """The address leads to where no SP is asked."""


class TooLarge(OSError):
    """The answer is larger than anybody sends."""


class Deadline:
    """When an exchange, redirections included, is over."""

    def __init__(self, seconds: float) -> None:
        self._at = monotonic() + seconds

    def left(self) -> float:
        """The seconds that are left.

        Raises:
            TimeoutError: none.
        """
        seconds = self._at - monotonic()
        if seconds <= 0:
            raise TimeoutError("no answer in time")
        return seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is that of a 200, empty otherwise; ``location`` where a redirection leads."""

    status: int
    location: str | None
    body: bytes


class HttpOut:
    """Asks one address; follows no redirection, which is the caller's to judge."""

    def __init__(self, *, loopback: bool) -> None:
        """``loopback``: addresses of this machine may be asked."""
        self._loopback = loopback

    def ask(
        self,
        url: str,
        *,
        deadline: Deadline,
        octets: int,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        """GET it, or POST the ``body``; whatever the status, it is an answer.

        Raises:
            TimeoutError: not all of it came before the deadline.
            Forbidden: the address is one of those that nobody is sent to.
            TooLarge: more than so many octets.
            OSError, HTTPException, ValueError: no such address, no HTTP, no trust…
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"unknown url type: {url}")
        connection, target, more = self._connection(parts, deadline)
        try:
            connection.request(
                "GET" if body is None else "POST",
                target,
                body,
                {"Connection": "close", "User-Agent": "Convergences", **headers, **more},
            )
            with connection.getresponse() as response:
                content = response.read(octets + 1) if response.status == _OK else b""
            if len(content) > octets:
                raise TooLarge(f"more than {octets} bytes")
            return Answer(response.status, response.getheader("Location"), content)
        finally:
            connection.close()

    def _connection(
        self, parts: SplitResult, deadline: Deadline
    ) -> tuple[HTTPConnection, str, dict[str, str]]:
        """The connection, what is asked for on it, and with which further headers."""
        host, secure = cast("str", parts.hostname), parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        proxy = _proxy(parts.scheme, parts.netloc)
        if proxy is None:
            dial = partial(self._dial, deadline=deadline, checked=True)
            return _new(secure, host, port, dial, deadline), path, {}
        # The operator's: it may be anywhere. Names are then its affair, addresses still ours.
        self._check_literal(host)
        dial = partial(self._dial, deadline=deadline, checked=False)
        connection = _new(secure, cast("str", proxy.hostname), proxy.port or 80, dial, deadline)
        if secure:
            connection.set_tunnel(host, port, _credentials(proxy))
            return connection, path, {}
        return connection, f"http://{parts.netloc}{path}", _credentials(proxy)

    def _dial(
        self, where: tuple[str, int], *_: object, deadline: Deadline, checked: bool
    ) -> socket:
        """Connect to the first address of this host that answers; none may take all the time."""
        found = _resolve(*where, deadline)
        if checked:
            found = [each for each in found if self._allows(each[1][0])]
        if not found:
            raise Forbidden(f"{where[0]} is where nobody is sent to")
        for number, (family, address) in enumerate(found, start=1):
            try:
                return _connected(family, address, deadline.left() / (len(found) - number + 1))
            except OSError:
                if number == len(found):
                    raise
        raise AssertionError("one connected, or the last one raised")

    def _check_literal(self, host: str) -> None:
        try:
            ip_address(host)
        except ValueError:
            return
        if not self._allows(host):
            raise Forbidden(f"{host} is where nobody is sent to")

    def _allows(self, address: str) -> bool:
        meant = _meant(ip_address(address))
        if meant.is_loopback:
            return self._loopback
        nowhere = meant.is_unspecified or meant in _THIS_HOST
        return not (nowhere or meant.is_link_local or meant.is_multicast)


class _Received(RawIOBase):
    """What comes from a socket until the deadline: its own timeout is for each packet.

    Whoever drips, be it headers, would hold us for long.
    """

    def __init__(self, connected: socket, octets: RawIOBase, deadline: Deadline) -> None:
        self._socket = connected
        self._octets = octets
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - RawIOBase's own
        self._socket.settimeout(self._deadline.left())
        return self._octets.readinto(buffer)

    def close(self) -> None:
        self._octets.close()
        super().close()


class _Response(HTTPResponse):
    """Reads its socket until the deadline."""

    def __init__(self, connected: socket, *, method: str | None = None, deadline: Deadline) -> None:
        super().__init__(connected, method=method)
        octets = self.fp.detach()
        self.fp = BufferedReader(_Received(connected, octets, deadline))


class _Connection(HTTPConnection):
    """One whose connecting, sending and receiving end at the deadline."""

    deadline: Deadline

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self.deadline.left())  # of the TLS handshake

    def send(self, data: Any) -> None:  # noqa: ANN401 - as its parent's
        if self.sock is None:
            self.connect()
        self.sock.settimeout(self.deadline.left())
        super().send(data)


class _SecureConnection(HTTPSConnection, _Connection):
    """The same over TLS."""


def _new(secure: bool, host: str, port: int, dial: Any, deadline: Deadline) -> _Connection:  # noqa: ANN401, FBT001 - a private maker
    connection: _Connection = (
        _SecureConnection(host, port, context=tls_context()) if secure else _Connection(host, port)
    )
    connection.deadline = deadline
    # The hook of http.client's own tests: how a connection gets its socket.
    connection._create_connection = dial  # type: ignore[attr-defined]  # noqa: SLF001
    connection.response_class = cast("type[HTTPResponse]", partial(_Response, deadline=deadline))
    return connection


def _connected(family: int, address: tuple[Any, ...], seconds: float) -> socket:
    made = socket(family, SOCK_STREAM)
    try:
        made.settimeout(seconds)
        made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


@cache
def tls_context() -> ssl.SSLContext:
    """What every connection of this process trusts: the system's authorities.

    Reading them takes 20 ms of CPU. ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name others.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _resolve(host: str, port: int, deadline: Deadline) -> list[tuple[int, tuple[Any, ...]]]:
    """The addresses of a host, asked in a thread: the system's resolver takes its own time.

    Raises:
        TimeoutError: it took too long.
        OSError: there is no such host.
    """
    answer: Future[list[tuple[int, tuple[Any, ...]]]] = Future()

    def look_up() -> None:
        try:
            found = getaddrinfo(host, port, type=SOCK_STREAM)
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            answer.set_exception(error)
        else:
            answer.set_result([(family, address) for family, _, _, _, address in found])

    Thread(target=look_up, daemon=True, name="resolver").start()
    return answer.result(deadline.left())


def _meant(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that leads to it."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _proxy(scheme: str, netloc: str) -> SplitResult | None:
    """The proxy of the environment for such an address; None: asked directly."""
    url = getproxies().get(scheme)
    if not url or proxy_bypass(netloc.rpartition("@")[2]):
        return None
    return urlsplit(url if "://" in url else f"http://{url}")


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
