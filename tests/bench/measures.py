"""What is measured, in which order, against which goals: P1 to P4, P8, logout of the product."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from tests.bench import sign_in, single_logout, storm, strangers, versus, yardstick
from tests.bench.client import Client, Target
from tests.bench.meter import Meter, Watch
from tests.bench.report import Load, Row
from tests.bench.server import Server, serving
from tests.bench.world import BOTH, ENCRYPTED, KEY, LOGIN, PASSWORD, PLAIN, World, prepared
from tests.bench.yardstick import Unmeasurable
from tests.common import postgres
from tests.common.fake_sp import Received
from tests.common.ports import free_port
from tests.common.tls import Authority

SIGN_ONS = 2000
WARM_UP = 200
STOCK_SIGN_ONS = 100
STOCK_WARM_UP = 5
STARTS = 3
MEMORY_FACTOR = 5  # read after the sign-ons of one row, and after five times as many

UNIT, SECONDS, MB, TIMES = "RSA", "s", "MB", "times"
# What a counter, a cache or the allocator takes late: 0.1 kB for each of 8,000 sign-ons.
NO_GROWTH = 1.0


class Bench:
    """One run; ``folder`` is thrown away afterwards, ``say`` tells whoever waits."""

    def __init__(self, folder: Path, sign_ons: int, say: Callable[[str], None]) -> None:
        self.rows: list[Row] = []
        self.meter = Meter(sign_ons, WARM_UP, say)
        self._folder = folder

    def run(self) -> None:
        """Measure everything.

        Raises:
            Unmeasurable: a program is missing, or an answer is not what was asked for.
        """
        xmlsec1 = shutil.which("xmlsec1")
        if xmlsec1 is None:
            raise Unmeasurable(
                "the program xmlsec1 is missing, which stock pysaml2 starts; `make bench` installs "
                "it as root, otherwise install the package xmlsec1"
            )
        self.meter.start()
        with prepared(self._folder / "sqlite", free_port()) as world:
            received, plain = self._on_sqlite(world)
        self._on_postgresql()
        self._stock(xmlsec1, received, plain)

    def _on_sqlite(self, world: World) -> tuple[Received, Load]:
        starts = []
        for _ in range(STARTS - 1):
            with ours(world) as server:
                starts.append(server.started_in)
        with ours(world) as server, Client(server.port) as client:
            starts.append(server.started_in)
            client.sign_in(LOGIN, PASSWORD)
            plain, watch = self._plain_and_memory(world, server, client)
            received = client.received(target(world, PLAIN))
            self._other_shapes(world, server, client)
            self._sign_in(world, server)
            self._strangers(world, server)
        self._memory(watch)
        self._single_logout(world)
        what = f"start of a worker, median of {STARTS}"
        self.rows.append(Row("P8", what, median(starts), SECONDS, 2))
        if self.meter.yardsticks[-1].has_ifma:
            self._without_ifma(world)
        self._storm(world, "SQLite")
        return received, plain

    def _plain_and_memory(self, world: World, server: Server, client: Client) -> tuple[Load, Watch]:
        """P1, then on to the sign-on at which the memory is read for the last time."""
        first, last = self.meter.sign_ons, MEMORY_FACTOR * self.meter.sign_ons
        watch = Watch(server, (first, last))
        what = "assertion signed"
        plain = self.meter.measure(what, server, client, target(world, PLAIN), watch)
        self.rows.append(Row("P1", what, plain.units, UNIT, 4, plain))
        self.meter.say(f"memory until sign-on {last}")
        watch.drain(client.sign_ons(target(world, PLAIN), last - watch.served))
        return plain, watch

    def _other_shapes(self, world: World, server: Server, client: Client) -> None:
        for number, what, goal, application in (
            ("P2a", "Response and assertion signed", 6, BOTH),
            ("P2b", "both signed, assertion encrypted", 7, ENCRYPTED),
        ):
            load = self.meter.measure(what, server, client, target(world, application))
            self.rows.append(Row(number, what, load.units, UNIT, goal, load))
        world.sign_with(world.default_key)
        what = "P1 with a key of the default length, 3072"
        load = self.meter.measure(what, server, client, target(world, PLAIN))
        self.rows.append(Row("", what, load.units, UNIT, None, load))
        world.sign_with(KEY)

    def _memory(self, watch: Watch) -> None:
        (early, first), (late, last) = sorted(watch.seen.items())
        what = f"memory of the worker at sign-on {late:,}"
        self.rows.append(Row("P8", what, last.resident, MB, 130))
        what = f"its growth since sign-on {early:,}"
        self.rows.append(Row("P8", what, last.resident - first.resident, MB, NO_GROWTH))

    def _without_ifma(self, world: World) -> None:
        """P1 as on a processor without AVX-512 IFMA: server and yardstick both do without."""
        what = "P1, IFMA off in server and yardstick"
        load = self._plain_again(what, world, yardstick.WITHOUT_IFMA)
        self.rows.append(Row("", what, load.units_without_ifma, UNIT, None, load))

    def _on_postgresql(self) -> None:
        if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
            self.meter.say("PostgreSQL is not installed: its row is left out")
            return
        with ExitStack() as stack:
            database = postgres.start()
            stack.callback(postgres.stop, database)
            url = database.create("bench")
            world = stack.enter_context(prepared(self._folder / "pg", free_port(), url))
            what = "P1 on PostgreSQL, without its own CPU"
            load = self._plain_again(what, world)
            self.rows.append(Row("", what, load.units, UNIT, None, load))
            self._storm(world, "PostgreSQL")

    def _sign_in(self, world: World, server: Server) -> None:
        cost = world.settings.bcrypt_cost
        self.meter.say(f"{sign_in.SIGN_INS} sign-ins")
        measured = sign_in.measure(server, cost)
        what = "page, password, portal, without the bcrypt check"
        self.rows.append(Row("P3", what, measured.rest, "ms", 12))
        what = f"one bcrypt check at cost {cost}"
        self.rows.append(Row("", what, measured.check, "ms"))

    def _strangers(self, world: World, server: Server) -> None:
        self.meter.say("addresses known and unknown")
        for what, measure in (
            ("asking for a link", strangers.asking),
            ("wrong password", strangers.signing_in),
        ):
            times = measure(server, world.services)
            said = f"{what}, known {times.known:.1f} ms, unknown {times.unknown:.1f} ms: medians"
            self.rows.append(Row("", said, times.ratio, TIMES, 1.1))

    def _single_logout(self, world: World) -> None:
        authority = Authority(self._folder)
        with ours(world, {"SSL_CERT_FILE": str(authority.file)}) as server:
            self.rows += single_logout.measure(world, server, authority, self.meter.say)

    def _storm(self, world: World, database: str) -> None:
        with ours(world, workers=storm.WORKERS) as server:
            self.rows += storm.measure(server, target(world, PLAIN), database, self.meter.say)

    def _plain_again(
        self, what: str, world: World, environment: Mapping[str, str] | None = None
    ) -> Load:
        """P1 on a server of its own."""
        with ours(world, environment) as server, Client(server.port) as client:
            client.sign_in(LOGIN, PASSWORD)
            return self.meter.measure(what, server, client, target(world, PLAIN))

    def _stock(self, xmlsec1: str, received: Received, plain: Load) -> None:
        what = "stock pysaml2 and xmlsec1, assertion signed"
        meter = self.meter.few(STOCK_SIGN_ONS, STOCK_WARM_UP)
        with versus.stock_server(self._folder / "stock", xmlsec1, received) as (server, expected):  # noqa: SIM117
            with Client(server.port) as client:
                versus.compare(received, client.received(expected))
                load = meter.measure(what, server, client, expected)
        self.rows.append(Row("", what, load.units, UNIT, None, load))
        self.rows.append(Row("", "its CPU, in those of P1", load.units / plain.units, TIMES))


@contextmanager
def ours(
    world: World, environment: Mapping[str, str] | None = None, *, workers: int = 1
) -> Iterator[Server]:
    """Our server.

    Raises:
        Unmeasurable: it does not start.
    """
    with serving(
        world.command(workers),
        port=world.port,
        ready="/readyz",
        log=world.settings.var / "server.log",
        environment={**world.environment(), **(environment or {})},
    ) as server:
        yield server


def target(world: World, application: str) -> Target:
    """The client in the role of this application's SP."""
    return Target(
        sp=world.sps[application],
        path="/saml/sso",
        idp_entity_id=world.settings.entity_id,
        certificate=world.services.signer.certificates()[0],
        response_signed=application != PLAIN,
    )
