"""No network but the loopback: a test that reaches further fails and says where to."""

import socket
from ipaddress import ip_address
from typing import Any

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_getaddrinfo = socket.getaddrinfo


class NetworkRefused(RuntimeError):
    """A test tried to leave the machine."""


def _check(host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if name == "localhost" or name.endswith(".localhost"):
        return
    try:
        inside = ip_address(name).is_loopback or ip_address(name).is_unspecified
    except ValueError:
        inside = False
    if not inside:
        message = f"a test tried to reach {name}"
        raise NetworkRefused(message)


def _checked(sock: socket.socket, address: Any) -> Any:  # noqa: ANN401 - as socket has it
    if sock.family in {socket.AF_INET, socket.AF_INET6}:
        _check(address[0])
    return address


def refuse_network() -> None:
    """From now on this process connects to the loopback only."""

    def connect(self: socket.socket, address: Any) -> None:  # noqa: ANN401
        _connect(self, _checked(self, address))

    def connect_ex(self: socket.socket, address: Any) -> int:  # noqa: ANN401
        return _connect_ex(self, _checked(self, address))

    def getaddrinfo(host: Any, *args: Any, **kw: Any) -> Any:  # noqa: ANN401
        _check(host)
        return _getaddrinfo(host, *args, **kw)

    socket.socket.connect = connect  # type: ignore[method-assign]
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = getaddrinfo
