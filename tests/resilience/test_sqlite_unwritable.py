"""SQLite held by another writer for ten seconds, and its disk full: reads go on, writes say so."""

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

import pytest

from idp.audit import verify
from tests.resilience import outage as outages
from tests.resilience.cluster import AGENT, Cluster, Node, Visitor, prepared, wait_until
from tests.resilience.load import under_load

GONE_SECONDS = {"locked": 10, "full": 3}
BALLAST = 4 * 1024 * 1024
FULL_AT = 3 * 1024 * 1024


@pytest.fixture(scope="module")
def small_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("small-site")
    with prepared(folder, f"sqlite:///{folder / 'convergences.sqlite'}") as site:
        yield site


@pytest.fixture(scope="module")
def node(small_site: Cluster) -> Iterator[Node]:
    with small_site.node("only") as node:
        yield node


def connected(site: Cluster) -> sqlite3.Connection:
    """Another program that has the file open."""
    path = site.services.db.url.database
    assert path is not None
    return sqlite3.connect(path, isolation_level=None, timeout=10)


@contextmanager
def locked(site: Cluster, node: Node) -> Iterator[None]:
    del node
    with closing(connected(site)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(site: Cluster, node: Node) -> Iterator[None]:
    """The server may write no file further than it is now: its journal of writes cannot grow.

    A reader that stays keeps SQLite from beginning that journal anew; what another writes meanwhile
    makes it longer than the server may write.
    """
    with closing(connected(site)) as reader, closing(connected(site)) as writer:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM revision").fetchall()
        writer.execute("CREATE TABLE IF NOT EXISTS ballast (content BLOB)")
        writer.execute("INSERT INTO ballast VALUES (zeroblob(?))", (BALLAST,))
        limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in node.workers}
        for pid, (_, hard) in limits.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_AT, hard))
        try:
            yield
        finally:
            for pid, before in limits.items():
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
            reader.execute("ROLLBACK")


@pytest.mark.parametrize(("kind", "broken"), [("locked", locked), ("full", full)])
def test_what_must_write_says_so_in_time_and_comes_back_by_itself(
    small_site: Cluster,
    node: Node,
    kind: str,
    broken: Callable[[Cluster, Node], AbstractContextManager[None]],
) -> None:
    agent = Visitor()
    agent.sign_in(node, AGENT)
    asks = outages.asks_of(small_site, node, agent.cookies)
    with under_load(asks) as load:
        load.wait_for("sign-on", 10)
        with broken(small_site, node):
            outage = outages.lasting(GONE_SECONDS[kind])
        outage = outages.until_now(outage)
        load.wait_after(outage.ended + outages.BACK_WITHIN, 3)
    outages.check_bounded(load)
    gone = outages.gone_during(load, outage)
    outages.check_pages(load, node, gone=gone)
    assert {answer.status for answer in load.all("portal")} == {200}, "reading goes on"
    back = outages.check_back(load, outage)
    left = outages.check_journal(small_site, load)
    assert agent.portal_opens(node), "the same session"

    small_site.run("worker", "--once")
    result = verify(small_site.services.db, small_site.services.settings.secret)
    assert (result.intact, result.unsealed) == (True, 0)
    assert small_site.rows("PRAGMA integrity_check") == [("ok",)]
    wait_until(lambda: agent.ask(node, small_site.sso()).is_hand_over, outages.BACK_WITHIN)
    print(outages.figures(kind, load, outage, back=back, gone=len(gone), left=left))
