"""What is measured, in which order, against which goals: P1, P2 and P8 of the product."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.bench import stock, yardstick
from tests.bench.client import Client, Target
from tests.bench.proc import Memory
from tests.bench.report import Load, Row, percentile
from tests.bench.server import Server, serving
from tests.bench.stock import Plan
from tests.bench.world import BOTH, ENCRYPTED, KEY, LOGIN, PASSWORD, PLAIN, World, prepared
from tests.bench.yardstick import Unmeasurable, Yardstick
from tests.common import postgres
from tests.common.fake_sp import FakeSP, Received, key_pair
from tests.common.ports import free_port
from views.demo.supervisor import granian

SIGN_ONS = 2000
WARM_UP = 200
STOCK_SIGN_ONS = 100
STOCK_WARM_UP = 5
STARTS = 3
MEMORY_FACTOR = 5  # read after the sign-ons of one measurement, and after five times as many

UNIT, SECONDS, MB, TIMES = "RSA", "s", "MB", "×"
# Pages that a counter, a cache or the allocator takes late: 0.1 kB for each of 8,000 sign-ons.
NO_GROWTH = 1.0


@dataclass(frozen=True, slots=True)
class Shape:
    """One row of sign-ons."""

    number: str
    what: str
    goal: float | None = None


@dataclass(slots=True)
class Bench:
    """One run; ``folder`` is thrown away afterwards, ``say`` tells whoever waits."""

    folder: Path
    sign_ons: int
    say: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)
    yardsticks: list[Yardstick] = field(default_factory=list)

    def run(self) -> list[Row]:
        """Measure everything.

        Raises:
            Unmeasurable: a program is missing, or an answer is not what was asked for.
        """
        xmlsec1 = shutil.which("xmlsec1")
        if xmlsec1 is None:
            raise Unmeasurable(
                "the program xmlsec1 is missing: stock pysaml2 starts it (`make bench` installs "
                "it as root; otherwise install the package xmlsec1)"
            )
        self.say("yardstick")
        self.yardsticks.append(yardstick.take())
        port = free_port()
        with prepared(self.folder / "sqlite", port) as world:
            received = self._on_sqlite(world)
        self._on_postgresql()
        self._stock(xmlsec1, received)
        return self.rows

    # --- ours --------------------------------------------------------------------------------

    def _on_sqlite(self, world: World) -> Received:
        starts = []
        for _ in range(STARTS - 1):
            with self._ours(world) as server:
                starts.append(server.started_in)
        with self._ours(world) as server:
            starts.append(server.started_in)
            with Client(server.port) as client:
                client.sign_in(LOGIN, PASSWORD)
                received = self._all_shapes(world, server, client)
        what = f"start of a worker, median of {STARTS}"
        self.rows.append(Row("P8", what, median(starts), SECONDS, 2))
        if self.yardsticks[-1].has_ifma:
            world.sign_with(KEY)
            self._without_ifma(world)
        return received

    def _without_ifma(self, world: World) -> None:
        """P1 as on a processor without AVX-512 IFMA: server and yardstick both do without."""
        load = self._plain(world, "P1, IFMA off in server and yardstick", yardstick.WITHOUT_IFMA)
        what = "P1, IFMA off in server and yardstick"
        self.rows.append(Row("", what, load.units_without_ifma, UNIT, None, load))

    def _all_shapes(self, world: World, server: Server, client: Client) -> Received:
        plain = target(world, PLAIN)
        memory = Watch(server, (self.sign_ons, MEMORY_FACTOR * self.sign_ons))
        shape = Shape("P1", "assertion signed", 4)
        self._measure(shape, server, client, plain, memory)
        self.say(f"memory after {memory.last} sign-ons")
        memory.drain(client.sign_ons(plain, memory.last - memory.served))
        received = client.received(plain)
        for number, what, goal, application in (
            ("P2a", "Response and assertion signed", 6, BOTH),
            ("P2b", "Response and assertion signed, assertion encrypted", 7, ENCRYPTED),
        ):
            shape = Shape(number, what, goal)
            self._measure(shape, server, client, target(world, application))
        world.sign_with(world.default_key)
        shape = Shape("", "P1 with the product's default key, 3072 bits")
        self._measure(shape, server, client, target(world, PLAIN))
        self._memory_rows(memory)
        return received

    def _memory_rows(self, memory: "Watch") -> None:
        (early, first), (late, last) = sorted(memory.seen.items())
        what = f"resident memory of the worker after {late:,} sign-ons"
        self.rows.append(Row("P8", what, last.resident, MB, 130))
        what = f"its growth since sign-on {early:,} (at most {NO_GROWTH:g} is none)"
        self.rows.append(Row("P8", what, last.resident - first.resident, MB, NO_GROWTH))

    def _on_postgresql(self) -> None:
        if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
            self.say("PostgreSQL is not installed: its row is left out")
            return
        with ExitStack() as stack:
            database = postgres.start()
            stack.callback(postgres.stop, database)
            url = database.create("bench")
            world = stack.enter_context(prepared(self.folder / "postgresql", free_port(), url))
            self._plain(world, Shape("", "P1 on PostgreSQL, the CPU of our processes only"))

    def _plain(self, world: World, shape: Shape, environment: dict[str, str] | None = None) -> None:
        """P1 once more, on a server of its own."""
        with self._ours(world, environment) as server, Client(server.port) as client:
            client.sign_in(LOGIN, PASSWORD)
            self._measure(shape, server, client, target(world, PLAIN))

    @contextmanager
    def _ours(self, world: World, environment: dict[str, str] | None = None) -> Iterator[Server]:
        with serving(
            world.command(),
            port=world.port,
            ready="/readyz",
            log=world.settings.var / "server.log",
            environment={**world.environment(), **(environment or {})},
        ) as server:
            yield server

    # --- stock pysaml2 -----------------------------------------------------------------------

    def _stock(self, xmlsec1: str, received: Received) -> None:
        folder = self.folder / "stock"
        folder.mkdir()
        port = free_port()
        plan, expected = stock_plan(folder, port, xmlsec1, received)
        plan.write(folder / "plan.json")
        command = [*granian("tests.bench.stock:from_environment", port, workers=1), "--factory"]
        environment = {stock.PLAN: str(folder / "plan.json"), "PYTHONWARNINGS": "ignore"}
        shape = Shape("", STOCK)
        few = min(STOCK_SIGN_ONS, self.sign_ons)
        with (
            serving(
                command, port=port, ready=stock.READY, log=folder / "server.log",
                environment=environment,
            ) as server,
            Client(port) as client,
        ):  # fmt: skip
            told = client.received(expected).attributes
            if facts(told) != facts(received.attributes):
                raise Unmeasurable(f"stock pysaml2 sends other attributes than we: {told}")
            self._measure(shape, server, client, expected, sign_ons=few, warm_up=STOCK_WARM_UP)

    # --- each of them ------------------------------------------------------------------------

    def _measure(
        self,
        shape: Shape,
        server: Server,
        client: Client,
        expected: Target,
        watch: "Watch | None" = None,
        *,
        sign_ons: int | None = None,
        warm_up: int = WARM_UP,
    ) -> None:
        self.say(f"{shape.number} {shape.what}".strip())
        count = sign_ons or self.sign_ons
        watch = watch or Watch(server)
        watch.drain(client.sign_ons(expected, warm_up))
        before = server.cpu_seconds()
        seconds = watch.drain(client.sign_ons(expected, count))
        cpu = server.cpu_seconds() - before
        self.yardsticks.append(yardstick.take())
        load = Load(
            sign_ons=count,
            cpu=cpu / count * 1000,
            p50=percentile(seconds, 50) * 1000,
            p95=percentile(seconds, 95) * 1000,
            yardstick=yardstick.mean(*self.yardsticks[-2:]),
        )
        self.rows.append(Row(shape.number, shape.what, load.units, UNIT, shape.goal, load))


class Watch:
    """Counts what a server served, and reads its memory ``at`` these numbers of sign-ons."""

    def __init__(self, server: Server, at: tuple[int, ...] = ()) -> None:
        self.served = 0
        self.seen: dict[int, Memory] = {}
        self._server = server
        self._at = at

    @property
    def last(self) -> int:
        """The last number that is waited for."""
        return max(self._at)

    def drain(self, sign_ons: Iterator[float]) -> list[float]:
        """Go through these sign-ons; the seconds of each."""
        seconds = []
        for each in sign_ons:
            seconds.append(each)
            self.served += 1
            if self.served in self._at:
                self.seen[self.served] = self._server.memory()
        return seconds


def target(world: World, application: str) -> Target:
    """The client in the role of this application's SP."""
    return Target(
        sp=world.sps[application],
        path="/saml/sso",
        idp_entity_id=world.settings.entity_id,
        certificate=world.services.signer.certificates()[0],
        response_signed=application != PLAIN,
    )


def facts(attributes: dict[str, list[str]]) -> dict[str, list[str]]:
    """Attributes by their plain names: pysaml2 writes ``urn:mace:dir:attribute-def:mail``."""
    return {name.rpartition(":")[2]: sorted(values) for name, values in attributes.items()}


def stock_plan(folder: Path, port: int, xmlsec1: str, received: Received) -> tuple[Plan, Target]:
    """What stock pysaml2 is to answer with: our attributes and our key; and who asks it."""
    private_key, certificate = key_pair(KEY)
    base_url = f"http://localhost:{port}"
    sp = FakeSP("bench-stock", idp_sso=base_url + stock.SSO)
    (folder / "key.pem").write_bytes(private_key)
    pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    (folder / "sp.xml").write_bytes(sp.metadata())
    plan = Plan(
        entity_id=f"{base_url}/metadata",
        base_url=base_url,
        xmlsec1=xmlsec1,
        key_file=str(folder / "key.pem"),
        certificate_file=str(folder / "certificate.pem"),
        sp_metadata_file=str(folder / "sp.xml"),
        identity=received.attributes,
    )
    return plan, Target(sp, stock.SSO, plan.entity_id, certificate, response_signed=False)
