"""What the measured server works on: demonstration data, a 2048-bit key, three SPs of the bench."""

import os
import shutil
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from directory import demonstration
from idp import migrations
from idp.services import Services, build, import_models
from idp.settings import Settings, from_file
from idp.types import Encrypt, Sign
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.fake_sp import FakeSP, key_pair
from tests.common.processes import REPOSITORY
from views.demo.supervisor import granian

LOGIN = "agent@demo.example"
PASSWORD = demonstration.PASSWORD
KEY = "bench-2048"
KNOWN_AFTER = 2.0  # servers ask at most once a second whether keys changed

# Each hangs on an application in which the agent holds two roles. All get the same attributes.
PLAIN, BOTH, ENCRYPTED = "bip", "net-cotisations", "site"
CHOICES = {
    PLAIN: Choice(rule_set="basic", sign=Sign.ASSERTION, encrypt=Encrypt.NEVER),
    BOTH: Choice(rule_set="basic", sign=Sign.BOTH, encrypt=Encrypt.NEVER),
    ENCRYPTED: Choice(rule_set="basic", sign=Sign.BOTH, encrypt=Encrypt.ALWAYS),
}


@dataclass(frozen=True, slots=True)
class World:
    """One prepared installation; ``sps`` by the names above, ``default_key`` waits as *next*."""

    config: Path
    port: int
    settings: Settings
    services: Services
    sps: dict[str, FakeSP]
    default_key: str

    def command(self, workers: int = 1) -> list[str]:
        """The server, as ``convergences run`` starts it, which has two workers."""
        return granian("idp.wsgi:application", self.port, workers=workers)

    def environment(self) -> dict[str, str]:
        """What ``convergences run`` gives its server."""
        metrics = self.settings.var / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir(parents=True)
        return {
            "CONVERGENCES_CONFIG": str(self.config),
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            "PYTHONWARNINGS": "ignore",
        }

    def sign_with(self, kid: str) -> None:
        """Make this key the active one, and wait until a running server knows."""
        self.services.keys.promote(kid, force=True)
        time.sleep(KNOWN_AFTER)


@contextmanager
def prepared(folder: Path, port: int, database_url: str | None = None) -> Iterator[World]:
    """An installation in this new folder; SQLite in it when no URL is given."""
    folder.mkdir()
    config = folder / "bench.ini"
    url = database_url or f"sqlite:///{folder / 'convergences.sqlite'}"
    _write_config(config, folder, f"http://localhost:{port}", url)
    settings = from_file(config)
    import_models(settings)
    migrations.upgrade(settings)
    services = build(settings)
    try:
        demonstration.load(services.core)
        _adopt_key(services)
        default_key = services.keys.generate()
        yield World(config, port, settings, services, _sps(services), default_key)
    finally:
        services.db.dispose()


def _write_config(path: Path, folder: Path, public_url: str, database_url: str) -> None:
    parser = ConfigParser(interpolation=None)
    parser.read(REPOSITORY / "development.ini", encoding="utf-8")
    parser["app:main"].update(
        {
            "convergences.var": str(folder),
            "convergences.public_url": public_url,
            "convergences.database_url": database_url,
            # As behind nginx: the people of a login storm come from many networks.
            "convergences.proxies": "1",
        }
    )
    with path.open("w", encoding="utf-8") as file:
        parser.write(file)


def _adopt_key(services: Services) -> None:
    """The unit of the figures is RSA-2048; keys that the product makes itself are longer."""
    private_key, certificate = key_pair(KEY)
    folder = services.settings.keys
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{KEY}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private_key)
    pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
    services.keys.adopt(KEY, pem.decode())
    services.keys.promote(KEY)


def _sps(services: Services) -> dict[str, FakeSP]:
    registry = Registry(services.core)
    sso = services.settings.url("/saml/sso")
    made = {}
    for application, choice in CHOICES.items():
        sp = FakeSP(f"bench-{application}", encrypts=choice.encrypt is Encrypt.ALWAYS, idp_sso=sso)
        registry.add(sp.metadata(), choice, application=application)
        services.directory.attach(sp.entity_id, application)
        made[application] = sp
    return made
