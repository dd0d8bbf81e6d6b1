"""PostgreSQL gone for ten seconds and back, under sign-ons, sign-ins and pages."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from time import monotonic, sleep

import pytest

from idp.audit import verify
from idp.db import POOL_SIZE
from idp.snapshot import MAX_AGE
from tests.common.postgres import Postgres
from tests.common.processes import program
from tests.resilience import outage as outages
from tests.resilience.cluster import AGENT, Cluster, Node, Visitor, wait_until
from tests.resilience.load import under_load

GONE_SECONDS = {"stopped": 10, "frozen": 5}
WORKER_BACK_WITHIN = 10
OVERFLOW = 10


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> Iterator[Node]:
    with cluster.node("gone") as node:
        yield node


@pytest.fixture(scope="module")
def _worker(cluster: Cluster) -> Iterator[None]:
    with program(cluster.command("worker"), log=cluster.folder / "worker.log") as process:
        yield
        assert process.poll() is None, "the worker ended"


@contextmanager
def stopped(server: Postgres) -> Iterator[None]:
    server.crash()
    try:
        yield
    finally:
        if not server.runs:
            server.start()


@pytest.mark.usefixtures("_worker")
@pytest.mark.parametrize(("kind", "broken"), [("stopped", stopped), ("frozen", Postgres.frozen)])
def test_everything_says_so_in_time_and_comes_back_by_itself(
    cluster: Cluster,
    own_postgres: Postgres,
    node: Node,
    kind: str,
    broken: Callable[[Postgres], AbstractContextManager[None]],
) -> None:
    agent = Visitor()
    agent.sign_in(node, AGENT)
    queue_mail(cluster)
    with under_load(outages.asks_of(cluster, node, agent.cookies)) as load:
        load.wait_for("sign-on", 10)
        with broken(own_postgres):
            outage = outages.lasting(GONE_SECONDS[kind])
        outage = outages.until_now(outage)
        queue_mail(cluster)
        load.wait_after(outage.ended + outages.BACK_WITHIN, 5)
    outages.check_bounded(load)
    gone = outages.gone_during(load, outage)
    outages.check_pages(load, node, gone=gone)
    back = outages.check_back(load, outage)
    left = outages.check_journal(cluster, load)
    assert agent.portal_opens(node), "the same session"

    worked = wait_until(lambda: has_caught_up(cluster), WORKER_BACK_WITHIN)
    check_connections(cluster)
    print(outages.figures(kind, load, outage, back=back, worker=worked, gone=len(gone), left=left))


@pytest.mark.parametrize(
    ("kind", "used_before"),
    [("idle", None), ("fresh", 0.5)],  # seconds before it hangs
)
def test_a_lone_visitor_reads_so_in_time_too(
    cluster: Cluster, own_postgres: Postgres, node: Node, kind: str, used_before: float | None
) -> None:
    """Nobody else finds it gone for him, and what is kept in memory must be asked for again."""
    agent = Visitor()
    agent.sign_in(node, AGENT)
    assert agent.ask(node, cluster.sso()).is_hand_over
    sleep(MAX_AGE + 0.2 - (used_before or 0))
    if used_before is not None:
        assert agent.ask(node, "/profil").status == 200
        sleep(used_before)
    with own_postgres.frozen():
        answer = agent.ask(node, cluster.sso())
    ended = monotonic()
    assert answer.status == 503
    assert answer.seconds <= outages.BOUND
    wait_until(lambda: agent.ask(node, cluster.sso()).is_hand_over, outages.BACK_WITHIN)
    print(f"{kind}: 503 in {answer.seconds:.2f} s; back {monotonic() - ended:.2f}")


def queue_mail(cluster: Cluster) -> None:
    """A mail that the worker must send."""
    cluster.services.core.mailer.send(
        "lea@b.fr",
        "account-created",
        {
            "given_name": "Léa",
            "sn": "Martin",
            "mail": "lea@b.fr",
            "structure": "a / b",
            "confirmed": True,
        },
    )


def has_caught_up(cluster: Cluster) -> bool:
    """The worker sealed every event and sent every mail."""
    result = verify(cluster.services.db, cluster.services.settings.secret)
    assert result.intact
    waiting = cluster.rows("SELECT id FROM outbox WHERE state <> 'sent'")
    return result.unsealed == 0 and not waiting


def check_connections(cluster: Cluster) -> None:
    """None is left open in the middle; the pools are no larger than they may be."""
    states = cluster.rows(
        "SELECT state FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()"
    )
    assert len(states) <= 3 * (POOL_SIZE + OVERFLOW)
    wait_until(
        lambda: (
            cluster.rows(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%%'"
            )
            == []
        ),
        5,
    )


def test_a_server_that_starts_without_its_database_serves_once_it_is_there(
    cluster: Cluster, own_postgres: Postgres
) -> None:
    with ExitStack() as outage:
        outage.enter_context(stopped(own_postgres))
        node = outage.enter_context(cluster.node("early", awaited="/healthz"))
        visitor = Visitor()
        assert visitor.ask(node, "/connexion").status == 200
        assert visitor.ask(node, cluster.sso()).status == 503
        assert visitor.ask(node, "/readyz").status == 503

        own_postgres.start()
        wait_until(lambda: visitor.ask(node, cluster.sso()).status == 303, outages.BACK_WITHIN)
        assert visitor.ask(node, "/readyz").status == 200
