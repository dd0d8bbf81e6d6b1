"""What every answer must be while the database is gone, and how the service comes back."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep

from prometheus_client.parser import text_string_to_metric_families

from tests.resilience.cluster import AGENT, Answer, Cluster, Node, Visitor
from tests.resilience.load import Ask, Load

BOUND = 5.0  # seconds for any answer
BACK_WITHIN = 2.0
FEWEST = 10  # refused pages, or nothing was shown


@dataclass(frozen=True)
class Outage:
    """From when to when, on the monotonic clock."""

    began: float
    ended: float


def asks_of(cluster: Cluster, node: Node, cookies: dict[str, str]) -> dict[str, Ask]:
    """What goes on all the time: sign-ons, sign-ins, the portal, the machines' questions."""

    def ask(path: Callable[[], str]) -> Ask:
        return lambda: Visitor(cookies).ask(node, path())

    def sign_in() -> Answer:
        visitor = Visitor()
        page = visitor.ask(node, "/connexion")
        return visitor.sign_in(node, AGENT, page) if page.status == 200 else page

    return {
        "sign-on": ask(cluster.sso),
        "other sign-on": ask(cluster.sso),
        "sign-in": sign_in,
        "portal": ask(lambda: "/"),
        "profile": ask(lambda: "/profil"),
        "ready": ask(lambda: "/readyz"),
        "alive": ask(lambda: "/healthz"),
    }


def lasting(seconds: float) -> Outage:
    """An outage that began now, once it lasted so long."""
    began = monotonic()
    sleep(seconds)
    return Outage(began, monotonic())


def until_now(outage: Outage) -> Outage:
    """The same, ended now: the database has just answered again."""
    return Outage(outage.began, monotonic())


def check_bounded(load: Load) -> None:
    """Every answer came in time, and none was a defect; the machines' first question, too."""
    assert load.refused == 0
    slowest = max(load.all(), key=lambda answer: answer.seconds)
    assert slowest.seconds <= BOUND, slowest
    statuses = {answer.status for answer in load.all()}
    assert statuses <= {200, 303, 503}, statuses
    assert {answer.status for answer in load.all("alive")} == {200}


def check_pages(load: Load, node: Node, *, gone: list[Answer]) -> None:
    """Each 503 is a French page with an id, and one line of the log has it."""
    assert len(gone) >= FEWEST
    lines = node.lines()
    refused = _refused(node)
    assert refused >= sum(answer.status == 503 for answer in load.all())
    for answer in gone:
        assert answer.headers["Retry-After"], answer
        assert "momentanément indisponible" in answer.text
        assert not re.search(r"Traceback|psycopg|sqlite3|sqlalchemy", answer.body)
        reference = answer.headers["X-Request-Id"]
        assert reference in answer.text
        events = [line["event"] for line in lines if line.get("request_id") == reference]
        assert events.count("database-gone") == 1, events
        # At most once in an outage, whoever asked: what is kept in memory goes stale.
        assert set(events) <= {"database-gone", "snapshot.stale"}, events


def _refused(node: Node) -> float:
    """What /metrics says of 503."""
    text = Visitor().ask(node, "/metrics").body
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "convergences_http_requests_total" and sample.labels["status"] == "503"
    )


def gone_during(load: Load, outage: Outage) -> list[Answer]:
    """The pages that were answered 503 to what was asked during the outage."""
    asked = load.asked_since(outage.began)
    during = [answer for answer in asked if answer.at < outage.ended]
    return [
        answer
        for answer in during
        if answer.status == 503 and answer.path not in {"/readyz", "/healthz"}
    ]


def check_back(load: Load, outage: Outage) -> float:
    """What is asked two seconds after the end is answered; the time until the last refusal."""
    later_than = outage.ended + BACK_WITHIN
    later = load.asked_since(later_than)
    asked_for = {kind for kind in load.answers if load.asked_since(later_than, kind)}
    assert asked_for == set(load.answers)
    assert {answer.status for answer in later} <= {200, 303}, later
    refused = [a.at + a.seconds for a in load.all() if a.status == 503]
    return max(refused) - outage.ended


def check_journal(cluster: Cluster, load: Load) -> int:
    """Every Response that left has its one line in the journal; returns how many left."""
    sp = cluster.sps["bip"]
    left = [answer.session_index(sp) for answer in load.all() if answer.is_hand_over]
    journal = cluster.journalled()
    assert len(set(left)) == len(left)
    assert len(set(journal)) == len(journal)
    assert set(left) <= set(journal)
    return len(left)


def figures(name: str, load: Load, outage: Outage, **more: float) -> str:
    """One line for whoever runs ``pytest -rP``."""
    during = [each for each in load.all() if outage.began < each.at < outage.ended]
    slowest = max(each.seconds for each in during)
    told = ", ".join(f"{key} {value:.4g}" for key, value in more.items())
    return f"{name}: {len(during)} answers during it, the slowest in {slowest:.2f} s; {told}"
