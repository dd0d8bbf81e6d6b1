"""Several nodes over one PostgreSQL: whichever answers, the person sees one service."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from itertools import cycle
from threading import Lock
from time import monotonic, sleep

import pytest

from tests.common.fake_sp import NS, status_of
from tests.common.threads import all_at_once
from tests.resilience.cluster import (
    AGENT,
    MULTI,
    REFERENT,
    Answer,
    Cluster,
    Node,
    Visitor,
    wait_until,
)
from tests.resilience.load import under_load

RACES = 100
KNOWN_AFTER = 2.0  # seconds until every node knows of a change
CHECKS = 20


@pytest.fixture(scope="module")
def pair(cluster: Cluster) -> Iterator[tuple[Node, Node]]:
    with cluster.nodes("a", "b") as (a, b):
        yield a, b


@pytest.fixture
def agent(pair: tuple[Node, Node]) -> Visitor:
    """Signed in on the first node."""
    return signed_in(pair[0], AGENT)


def signed_in(node: Node, login: str) -> Visitor:
    visitor = Visitor()
    assert visitor.sign_in(node, login).location.startswith("/")
    return visitor


def test_a_session_of_one_node_is_good_on_the_other_until_it_ends_on_either(
    pair: tuple[Node, Node], agent: Visitor
) -> None:
    a, b = pair
    assert agent.portal_opens(b)
    other = Visitor(agent.cookies)
    agent.fill_in(b, agent.ask(b, "/deconnexion"), {})
    assert not other.portal_opens(a)
    assert not other.portal_opens(b)


def test_locking_an_account_ends_its_sessions_on_every_node(
    cluster: Cluster, pair: tuple[Node, Node]
) -> None:
    on_a, on_b = signed_in(pair[0], REFERENT), signed_in(pair[1], REFERENT)
    cluster.run("account", "lock", REFERENT)
    try:
        assert not on_a.portal_opens(pair[1])
        assert not on_b.portal_opens(pair[0])
    finally:
        cluster.run("account", "unlock", REFERENT)


def test_a_request_answered_on_one_node_is_a_replay_on_the_other(
    cluster: Cluster, pair: tuple[Node, Node], agent: Visitor
) -> None:
    path = cluster.sso()
    cluster.consumed("bip", agent.ask(pair[0], path))
    again = agent.ask(pair[1], path)
    assert again.status == 400
    assert not again.is_hand_over


def test_of_two_nodes_that_get_a_request_at_once_exactly_one_answers(
    cluster: Cluster, pair: tuple[Node, Node], agent: Visitor
) -> None:
    """Each request is sent by four threads at once."""
    before = len(cluster.journalled())
    for _ in range(RACES):
        path, lock, nodes = cluster.sso(), Lock(), cycle(pair)
        answers: list[Answer] = []

        def ask(
            path: str = path, answers: list[Answer] = answers, nodes: Iterator[Node] = nodes
        ) -> None:
            with lock:  # noqa: B023 - the same in every round
                node = next(nodes)
            answers.append(Visitor(agent.cookies).ask(node, path))

        all_at_once(ask, 4)
        assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]
        assert [answer.is_hand_over for answer in answers].count(True) == 1
    assert len(cluster.journalled()) == before + RACES


def test_a_sign_on_goes_on_wherever_the_person_is_sent(
    cluster: Cluster, pair: tuple[Node, Node]
) -> None:
    a, b = pair
    visitor = Visitor()
    waiting = visitor.ask(a, cluster.sso())
    sign_in = visitor.ask(b, waiting.location)
    back = visitor.sign_in(a, AGENT, visitor.ask(b, sign_in.location))
    done = visitor.ask(b, back.location)
    cluster.consumed("bip", done)
    assert not visitor.ask(a, back.location).is_hand_over


def test_the_chosen_structure_is_remembered_by_every_node(
    cluster: Cluster, pair: tuple[Node, Node]
) -> None:
    a, b = pair
    visitor = signed_in(a, MULTI)
    asked = visitor.ask(b, visitor.ask(a, cluster.sso("net-cap")).location)
    page = visitor.ask(a, asked.location)
    chosen = page.body.split('name="membership"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
    answer = visitor.fill_in(b, page, {"membership": chosen})
    cluster.consumed("net-cap", visitor.ask(a, answer.location))
    for node in pair:
        cluster.consumed("net-cap", visitor.ask(node, cluster.sso("net-cap")))


def test_failures_of_every_node_count_together(pair: tuple[Node, Node]) -> None:
    statuses = []
    for _, node in zip(range(6), cycle(pair), strict=False):
        visitor = Visitor()
        page = visitor.ask(node, "/connexion")
        wrong = {"login": "personne@demo.example", "password": "une phrase qui ne va pas"}
        statuses.append(visitor.fill_in(node, page, wrong).status)
    assert statuses[:5] == [400] * 5
    assert statuses[5] == 429


def test_a_disabled_sp_is_refused_everywhere_within_two_seconds(
    cluster: Cluster, pair: tuple[Node, Node], agent: Visitor
) -> None:
    entity_id = cluster.sps["bip"].entity_id

    def answered() -> list[bool]:
        return [agent.ask(node, cluster.sso()).is_hand_over for node in pair]

    cluster.run("sp", "disable", entity_id)
    try:
        wait_until(lambda: not any(answered()), KNOWN_AFTER)
    finally:
        cluster.run("sp", "enable", entity_id)
    wait_until(lambda: all(answered()), KNOWN_AFTER)


def test_a_key_rollover_reaches_every_node_and_fails_no_sign_on(
    cluster: Cluster, pair: tuple[Node, Node], agent: Visitor
) -> None:
    kid = cluster.services.keys.generate()
    pem = cluster.services.settings.keys / f"{kid}.pem"
    for node in pair:
        copy = node.log.parent / "keys" / pem.name
        copy.write_bytes(pem.read_bytes())
    nodes = {node.name: node for node in pair}

    def sign_on(node: Node) -> Answer:
        return Visitor(agent.cookies).ask(node, cluster.sso())

    with under_load({name: lambda n=node: sign_on(n) for name, node in nodes.items()}) as load:
        load.wait_for("a", 5)
        cluster.run("keys", "promote", kid, "--force")
        promoted = monotonic()
        sleep(KNOWN_AFTER)
        for name in nodes:
            load.wait_for(name, 5)
    try:
        assert all(answer.is_hand_over for answer in load.all())
        signed_by = {
            answer: _key_in(answer, cluster) for answer in load.asked_since(promoted + KNOWN_AFTER)
        }
        assert len(signed_by) >= 10
        assert len(set(signed_by.values())) == 1
        before = _key_in(load.all("a")[0], cluster)
        assert before not in signed_by.values()
        for answer in load.all()[:: max(1, len(load.all()) // CHECKS)]:
            cluster.consumed("bip", answer)
    finally:
        cluster.run("keys", "promote", "idp")


def _key_in(answer: Answer, cluster: Cluster) -> str:
    certificate = answer.response(cluster.sps["bip"]).find(".//ds:X509Certificate", NS)
    return str(certificate.text)


def test_a_killed_worker_of_a_server_comes_back(
    cluster: Cluster, pair: tuple[Node, Node], agent: Visitor
) -> None:
    node = pair[1]
    (worker,) = node.workers
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: node.workers and node.workers != [worker], 10)

    def serves() -> bool:
        try:
            return agent.ask(node, cluster.sso()).is_hand_over
        except OSError:
            return False

    wait_until(serves, 20)


def test_a_node_killed_under_load_costs_no_session_and_no_line_of_the_journal(
    cluster: Cluster, pair: tuple[Node, Node]
) -> None:
    survivor, sp = pair[0], cluster.sps["bip"]
    with cluster.node("doomed") as doomed:
        # Sessions of either node; each browser goes on where somebody answers.
        visitors = [signed_in(node, AGENT) for node in (doomed, survivor, doomed)]
        gone: list[float] = []

        def sign_on(visitor: Visitor) -> Answer:
            return visitor.ask(survivor if gone else doomed, cluster.sso())

        kinds = {f"{n}": lambda v=visitor: sign_on(v) for n, visitor in enumerate(visitors)}
        with under_load(kinds, pause=0.0) as load:
            load.wait_for("0", 10)
            os.killpg(doomed.pid, signal.SIGKILL)
            gone.append(monotonic())
            for kind in kinds:
                load.wait_for(kind, 10)
    answers = load.all()
    assert load.refused <= 2 * len(kinds)
    assert all(answer.is_hand_over for answer in answers), Counter(each.status for each in answers)
    assert all(status_of(answer.response(sp))[0] == "Success" for answer in answers)
    left = Counter(answer.session_index(sp) for answer in answers)
    journal = Counter(cluster.journalled())
    assert set(left.values()) == {1}
    assert {index: journal[index] for index in left} == dict(left)
    # What was committed and never left is journalled too: at most one a browser.
    assert set(journal.values()) == {1}
    assert all(visitor.portal_opens(survivor) for visitor in visitors)
