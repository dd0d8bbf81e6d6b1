"""Several nodes of the product over one database, and people who browse on any of them.

A node is a granian server with a folder of its own, as an operator sets a second one up: the same
secret and the same key files, copied. A load balancer stands for itself: each request says to
which node it goes.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from click.testing import CliRunner
from lxml import etree, html

from directory import demonstration
from idp import cli, log, migrations
from idp.services import Services, build, import_models
from idp.settings import from_file
from idp.types import Encrypt, Sign, Structures
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.fake_sp import NS, FakeSP
from tests.common.ports import free_port
from tests.common.processes import REPOSITORY, children, running
from tests.common.settings import CHANGES, PUBLIC_URL
from views.demo.supervisor import granian

PASSWORD = demonstration.PASSWORD
AGENT, MULTI, REFERENT = "agent@demo.example", "multi@demo.example", "referent@demo.example"
PATIENCE = 30
ADDRESS = "127.0.0.1"

CHOICES = {
    "bip": Choice(rule_set="basic", sign=Sign.BOTH, encrypt=Encrypt.NEVER),
    "net-cap": Choice(
        rule_set="basic", sign=Sign.BOTH, encrypt=Encrypt.NEVER, structures=Structures.ASK
    ),
}


@dataclass(frozen=True)
class Answer:
    """What came back, ``at`` which moment of the monotonic clock it was asked, in how long."""

    path: str
    status: int
    headers: Message = field(repr=False)
    body: str = field(repr=False)
    at: float
    seconds: float

    @property
    def text(self) -> str:
        """What a person reads, white space folded."""
        return " ".join(html.fromstring(self.body).text_content().split())

    @property
    def is_hand_over(self) -> bool:
        """Whether a Response leaves with it."""
        return self.status == 200 and 'name="SAMLResponse"' in self.body

    @property
    def location(self) -> str:
        """The path and query that it redirects to."""
        assert self.status == 303, (self.status, self.body)
        parts = urlsplit(self.headers["Location"])
        return f"{parts.path}?{parts.query}"

    def response(self, sp: FakeSP) -> etree._Element:
        """The Response that leaves with it."""
        assert self.is_hand_over, (self.status, self.body)
        return sp.read_page(self.body)[1]

    def session_index(self, sp: FakeSP) -> str:
        """What joins the Response and its line of the journal."""
        statement = self.response(sp).find("saml:Assertion/saml:AuthnStatement", NS)
        return str(statement.get("SessionIndex"))


@dataclass
class Node:
    """One server; ``pid`` is its root process."""

    name: str
    port: int
    pid: int
    log: Path

    @property
    def workers(self) -> list[int]:
        """The processes that serve."""
        return children(self.pid)

    def lines(self) -> list[dict[str, Any]]:
        """Its log."""
        text = self.log.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


class Visitor:
    """One browser: its cookies go to every node, as they all have one name to it."""

    def __init__(self, cookies: dict[str, str] | None = None) -> None:
        self.cookies = dict(cookies or {})

    def ask(self, node: Node, path: str, fields: dict[str, str] | None = None) -> Answer:
        """One exchange; a form is posted.

        Raises:
            OSError: the node is not there.
        """
        headers = {"Accept-Language": "fr"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        body = None
        if fields is not None:
            body = urlencode(fields)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = HTTPConnection(ADDRESS, node.port, timeout=PATIENCE)
        at = monotonic()
        try:
            connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            content = answer.read().decode()
        finally:
            connection.close()
        seconds = monotonic() - at
        for line in answer.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return Answer(path, answer.status, answer.headers, content, at, seconds)

    def fill_in(self, node: Node, page: Answer, values: dict[str, str]) -> Answer:
        """Send the form of this page that has these fields."""
        forms = html.fromstring(page.body).forms
        # The name of a button is no field of its form.
        form = next(each for each in forms if set(values) <= set(each.xpath(".//@name")))
        fields = {**dict(form.form_values()), **values}
        return self.ask(node, urlsplit(form.action).path, fields)

    def sign_in(self, node: Node, login: str, page: Answer | None = None) -> Answer:
        """Fill the sign-in form in."""
        page = page or self.ask(node, "/connexion")
        return self.fill_in(node, page, {"login": login, "password": PASSWORD})

    def portal_opens(self, node: Node) -> bool:
        """Whether this browser is signed in, as the node sees it."""
        answer = self.ask(node, "/")
        assert answer.status == 200 or answer.location.startswith("/connexion"), answer
        return answer.status == 200


@dataclass
class Cluster:
    """One installation: ``services`` are this process's own, on the same database."""

    folder: Path
    config: Path
    services: Services
    sps: dict[str, FakeSP]

    def run(self, *words: str) -> str:
        """The command ``convergences`` as an operator types it; it must succeed."""
        with pytest.MonkeyPatch.context() as patch:
            # The log of the command is not the log of the tests.
            patch.setattr(log, "configure", lambda **_options: None)
            result = CliRunner().invoke(cli.convergences, ["--config", str(self.config), *words])
        assert result.exit_code == 0, result.output
        return result.output

    def command(self, *words: str) -> list[str]:
        """The same as a process of its own."""
        python = [sys.executable, "-c", "from idp.cli import main; main()"]
        return [*python, "--config", str(self.config), *words]

    def sso(self, code: str = "bip", **attributes: str) -> str:
        """The address of a fresh AuthnRequest of this SP."""
        sp = self.sps[code]
        request = sp.authn_request(now=datetime.now(UTC), **attributes)
        return f"/saml/sso?{sp.redirect_query(request)}"

    def rows(self, statement: str) -> list[Any]:
        """What the database holds, asked beside the product."""
        with self.services.db.engine.connect() as connection:
            return list(connection.exec_driver_sql(statement).all())

    def journalled(self) -> list[str]:
        """The SessionIndex of every sign-on in the journal."""
        with self.services.db.reading() as session:
            events = session.connection().exec_driver_sql(
                "SELECT parameters FROM audit_event WHERE code = 'sign-on.success'"
            )
            found = [row[0] for row in events]
        # SQLite keeps JSON as text.
        parameters = [json.loads(one) if isinstance(one, str) else one for one in found]
        return [one["session_index"] for one in parameters]

    def consumed(self, code: str, answer: Answer) -> None:
        """See that the SP accepts the Response, by one of the keys that we publish now.

        Raises:
            AssertionError: it does not.
        """
        sp = self.sps[code]
        in_response_to = answer.response(sp).get("InResponseTo")
        refusals = []
        for certificate in self.services.signer.certificates():
            try:
                sp.consume(
                    answer.body,
                    idp_certificate=certificate,
                    idp_entity_id=self.services.settings.entity_id,
                    now=datetime.now(UTC),
                    request_id=in_response_to,
                )
            except AssertionError as error:
                refusals.append(error)
            else:
                return
        raise refusals[-1]

    @contextmanager
    def node(self, name: str, *, awaited: str = "/readyz", workers: int = 1) -> Iterator[Node]:
        """A further server, set up as docs/operations.md says, on a folder of its own."""
        var = self.folder / name
        shutil.copytree(self.services.settings.var, var, ignore=_not_of_a_node)
        config = var / "node.ini"
        _write_config(config, var, self.services.settings.database_url)
        (var / "metrics").mkdir()
        port = free_port()
        with running(
            granian("idp.wsgi:application", port, workers=workers),
            log=var / "server.log",
            ready_url=f"http://{ADDRESS}:{port}{awaited}",
            environment={
                "CONVERGENCES_CONFIG": str(config),
                "PROMETHEUS_MULTIPROC_DIR": str(var / "metrics"),
                "PYTHONWARNINGS": "ignore",
            },
        ) as process:
            yield Node(name, port, process.pid, var / "server.log")

    @contextmanager
    def nodes(self, *names: str) -> Iterator[list[Node]]:
        """Several of them."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.node(name)) for name in names]


def _not_of_a_node(folder: str, names: list[str]) -> set[str]:
    """What an operator copies to a second node: the secret and the keys' folder."""
    return set() if Path(folder).name == "keys" else set(names) - {"secret", "keys"}


@contextmanager
def prepared(folder: Path, database_url: str) -> Iterator[Cluster]:
    """A migrated database with the demonstration's people, a key, two SPs; no server yet."""
    var = folder / "first"
    var.mkdir()
    config = var / "node.ini"
    _write_config(config, var, database_url)
    settings = from_file(config)
    import_models(settings)
    migrations.upgrade(settings)
    services = build(settings)
    try:
        demonstration.load(services.core)
        _adopt_key(services)
        yield Cluster(folder, config, services, _sps(services))
    finally:
        services.db.dispose()


def _write_config(path: Path, var: Path, database_url: str) -> None:
    parser = ConfigParser(interpolation=None)
    parser.read(REPOSITORY / "development.ini", encoding="utf-8")
    own = {
        "convergences.var": str(var),
        "convergences.database_url": database_url,
        "convergences.durable": "true",
    }
    parser["app:main"].update(CHANGES | own)
    with path.open("w", encoding="utf-8") as file:
        parser.write(file)


def _adopt_key(services: Services) -> None:
    keys = REPOSITORY / "tests" / "data" / "keys"
    folder = services.settings.keys
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(keys / "idp.pem", folder / "idp.pem")
    (folder / "idp.pem").chmod(0o600)
    services.keys.adopt("idp", (keys / "idp.crt").read_text())
    services.keys.promote("idp")


def _sps(services: Services) -> dict[str, FakeSP]:
    registry = Registry(services.core)
    made = {}
    for code, choice in CHOICES.items():
        sp = FakeSP(f"resilient-{code}", idp_sso=f"{PUBLIC_URL}/saml/sso")
        registry.add(sp.metadata(), choice, application=code)
        services.directory.attach(sp.entity_id, code)
        made[code] = sp
    return made


def wait_until(condition: Callable[[], object], seconds: float) -> float:
    """How long it took until this was true.

    Raises:
        AssertionError: longer than ``seconds``.
    """
    began = monotonic()
    while not condition():
        assert monotonic() - began < seconds, "too late"
        sleep(0.02)
    return monotonic() - began
