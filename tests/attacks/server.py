"""A real server under attack: granian as it is started in production, and what Linux says of it."""

import json
import socket
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

from idp import migrations
from idp.services import Services, build, import_models
from idp.settings import from_file
from metadata.options import Choice
from metadata.registry import Registry
from tests.attacks.senders import Senders, Sent
from tests.bench import proc
from tests.common.fake_sp import FakeSP
from tests.common.ports import free_port
from tests.common.processes import REPOSITORY, running
from views.demo.supervisor import ADDRESS, FEW_HEAPS, granian

WORKERS = 2
PUBLIC_URL = "https://auth.example"
"""Nobody reaches it under this name: whatever it says of itself comes from its settings."""


@dataclass(frozen=True)
class Answer:
    """What came back, and after how many seconds."""

    status: int
    headers: dict[str, str]
    text: str
    seconds: float


@dataclass(frozen=True)
class Server:
    """A running server; the four SPs that it knows."""

    pid: int
    port: int
    log: Path
    services: Services
    sps: dict[str, FakeSP]

    def senders(self) -> Senders:
        sps = self.sps
        return Senders(sps["signing"], sps["plain"], sps["disabled"], datetime.now(UTC))

    def send(self, sent: Sent, **headers: str) -> Answer:
        """One request on a connection of its own."""
        started = time.monotonic()
        connection = HTTPConnection(ADDRESS, self.port, timeout=30)
        try:
            method = "GET" if sent.body is None else "POST"
            if sent.body is not None:
                headers.setdefault("Content-Type", sent.content_type)
            # A body that is refused by its length is not read to its end.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, sent.path, sent.body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            seconds = time.monotonic() - started
            return Answer(answer.status, dict(answer.getheaders()), text, seconds)
        finally:
            connection.close()

    def raw(self, octets: bytes, *, timeout: float = 30) -> socket.socket:
        """A connection on which only these octets were sent."""
        connection = socket.create_connection((ADDRESS, self.port), timeout)
        connection.sendall(octets)
        return connection

    def lines(self, request_id: str) -> list[dict[str, object]]:
        """The lines of the log that carry this id."""
        found = [line for line in self.log.read_text().splitlines() if request_id in line]
        return [json.loads(line) for line in found]

    def reset_peak(self) -> int:
        """Forget the peak so far; the bytes that are resident now."""
        for pid in self._pids():
            (proc.PROC / str(pid) / "clear_refs").write_text("5")
        return self._sum("VmRSS")

    def peak(self) -> int:
        """The peak of the process tree since, in bytes."""
        return self._sum("VmHWM")

    def _pids(self) -> list[int]:
        return [each.pid for each in proc.tree(self.pid, proc.processes())]

    def _sum(self, key: str) -> int:
        total = 0
        for pid in self._pids():
            lines = (proc.PROC / str(pid) / "status").read_text().splitlines()
            values = dict(line.split(":", 1) for line in lines if ":" in line)
            total += int(values[key].split()[0]) * 1024
        return total


@contextmanager
def attacked(folder: Path) -> Iterator[Server]:
    """A server of a new installation in this folder."""
    config = folder / "attacked.ini"
    _write(config, folder)
    settings = from_file(config)
    import_models(settings)
    migrations.upgrade(settings)
    services = build(settings)
    port, log = free_port(), folder / "log"
    environment = FEW_HEAPS | {"CONVERGENCES_CONFIG": str(config), "PYTHONWARNINGS": "ignore"}
    try:
        services.keys.promote(services.keys.generate())
        sps = _register(services)
        command = granian("idp.wsgi:application", port, workers=WORKERS)
        ready = f"http://{ADDRESS}:{port}/readyz"
        with running(command, log=log, ready_url=ready, environment=environment) as process:
            yield Server(process.pid, port, log, services, sps)
    finally:
        services.db.dispose()


def _write(config: Path, folder: Path) -> None:
    parser = ConfigParser(interpolation=None)
    parser.read(REPOSITORY / "development.ini", encoding="utf-8")
    parser["app:main"].update(
        {
            "convergences.var": str(folder),
            "convergences.public_url": PUBLIC_URL,
            "convergences.database_url": f"sqlite:///{folder / 'attacked.sqlite'}",
            "convergences.demonstration": "false",
        }
    )
    with config.open("w", encoding="utf-8") as file:
        parser.write(file)


def _register(services: Services) -> dict[str, FakeSP]:
    registry = Registry(services.core)
    sps = {}
    for name in ("signing", "plain", "disabled"):
        sp = FakeSP(name, signs=name == "signing", idp_sso=f"{PUBLIC_URL}/saml/sso")
        registry.add(sp.metadata(), Choice(), application=name)
        sps[name] = sp
    registry.disable(sps["disabled"].entity_id)
    return sps
