"""The installation that is fuzzed: the demonstration's people, four SPs, the whole application.

Everything is the same in every run, keys and time included, so that a finding can be run again.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import delete
from webtest import TestApp

from directory import demonstration
from idp import make_app
from idp.log import add_origin
from idp.messages import AcceptedRequest
from idp.migrations import upgrade
from idp.saml.bindings import Message
from idp.services import Services, build, import_models
from idp.sessions.tables import AuthnRequestRow
from metadata.options import Choice
from metadata.registry import Registry
from tests.common import fake_sp
from tests.common.clock import START, FakeClock
from tests.common.fake_sp import FakeSP
from tests.common.settings import PUBLIC_URL, make_settings

KEYS = Path(__file__).parents[1] / "data" / "keys"
LOGIN = "agent@demo.example"
SSO = f"{PUBLIC_URL}/saml/sso"

# The two that sign do so with different keys; one of the others encrypts.
SIGNING = {"bip": "sp", "net-cotisations": "idp-next"}
OPEN = {"net-cap": "sp", "site": None}


def sp(code: str) -> FakeSP:
    """One of the SPs, with a committed key: what it signs is the same in every run."""
    with patch.object(fake_sp, "key_pair", _key_pair):
        return FakeSP(code, signs=code in SIGNING, encrypts=code == "net-cap", idp_sso=SSO)


def _key_pair(code: str) -> tuple[bytes, bytes]:
    name = {**SIGNING, **OPEN}.get(code) or "sp"
    certificate = x509.load_pem_x509_certificate((KEYS / f"{name}.crt").read_bytes())
    return (KEYS / f"{name}.pem").read_bytes(), certificate.public_bytes(Encoding.DER)


@dataclass
class World:
    """The services, the application, and what they did on the last input."""

    services: Services
    sps: dict[str, FakeSP]
    message: Message | None = None
    accepted: AcceptedRequest | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        receive = self.services.sign_on.receive

        def watched(message: Message) -> AcceptedRequest:
            self.accepted = receive(message)
            self.message = message
            return self.accepted

        self.services.sign_on.receive = watched  # type: ignore[method-assign]

    @property
    def signing(self) -> set[str]:
        """The entityIDs whose requests count only when signed."""
        return {sp.entity_id for sp in self.sps.values() if sp.signs}

    def forget(self) -> None:
        """Begin an input: no message was received yet, so that no replay hides what is accepted."""
        if self.accepted is not None:
            with self.services.db.writing() as connection:
                connection.execute(delete(AuthnRequestRow))
        self.message = self.accepted = None
        self.events.clear()

    def keep_event(self, _logger: object, _method: str, event: Any) -> Any:  # noqa: ANN401 - structlog's
        """Keep what the product logs, and write nothing."""
        self.events.append(dict(event))
        raise structlog.DropEvent


@contextmanager
def installed(folder: Path, codes: tuple[str, ...] = (*SIGNING, *OPEN)) -> Iterator[World]:
    """A world in this folder with these SPs; the time stands still."""
    settings = make_settings(folder, f"sqlite:///{folder / 'convergences.sqlite'}")
    import_models(settings)
    upgrade(settings)
    services = build(settings, clock=FakeClock(START))
    try:
        demonstration.load(services.core)
        _adopt_key(services)
        registry = Registry(services.core)
        sps = {code: sp(code) for code in codes}
        for code, each in sps.items():
            registry.add(each.metadata(), Choice(), application=code)
            services.directory.attach(each.entity_id, code)
        world = World(services, sps)
        structlog.configure(processors=[add_origin, world.keep_event])
        yield world
    finally:
        structlog.reset_defaults()
        services.db.dispose()


def _adopt_key(services: Services) -> None:
    folder = services.settings.keys
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(KEYS / "idp.pem", folder / "idp.pem")
    (folder / "idp.pem").chmod(0o600)
    services.keys.adopt("idp", (KEYS / "idp.crt").read_text())
    services.keys.promote("idp")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application sent."""

    status: int
    headers: dict[str, str]
    body: bytes


class Browser:
    """Speaks WSGI to the whole application, with a signed-in agent's session or without."""

    def __init__(self, world: World) -> None:
        self._app = make_app(world.services.settings, world.services)
        environ = {"HTTP_HOST": PUBLIC_URL.removeprefix("http://"), "REMOTE_ADDR": "127.0.0.1"}
        visitor = TestApp(self._app, extra_environ=environ)
        form = next(
            one for one in visitor.get("/connexion").forms.values() if "password" in one.fields
        )
        form["login"], form["password"] = LOGIN, demonstration.PASSWORD
        assert form.submit().status_int == 303
        self._cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
        self._environ = environ

    def send(
        self,
        path: str,
        query: bytes = b"",
        *,
        body: bytes | None = None,
        content_type: str = "application/x-www-form-urlencoded",
        signed_in: bool = True,
    ) -> Answer:
        """One request; a posted one when there is a body."""
        stream = BytesIO(body or b"")
        environ: dict[str, Any] = {
            **self._environ,
            "REQUEST_METHOD": "GET" if body is None else "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query.decode("latin-1"),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "6543",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": stream,
            "wsgi.errors": stream,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if signed_in:
            environ["HTTP_COOKIE"] = self._cookie
        if body is not None:
            environ |= {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(len(body))}
        return self._answered(environ)

    def _answered(self, environ: dict[str, Any]) -> Answer:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            started.append((status, headers))

        body = b"".join(self._app(environ, start_response))
        ((status, headers),) = started
        return Answer(int(status[:3]), dict(headers), body)
