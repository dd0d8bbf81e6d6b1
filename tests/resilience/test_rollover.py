"""A key is replaced under load on two nodes: SPs that read the metadata a while ago trust all."""

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

from lxml import etree

from tests.common.fake_sp import NS, Refused, verify
from tests.resilience.cluster import AGENT, Answer, Cluster, Node, Visitor
from tests.resilience.load import under_load

WHILE = 3.0  # seconds: the minute of this test, after which every SP has read the metadata again
PAUSE = 0.2  # seconds between two looks at the metadata


class Reader:
    """What SPs know of us: every node's metadata, and when it was fetched."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self._fetched: list[tuple[float, list[bytes]]] = []

    def read_for(self, seconds: float) -> None:
        end = monotonic() + seconds
        while monotonic() < end:
            for node in self._nodes:
                at, page = monotonic(), Visitor().ask(node, "/saml/metadata")
                assert page.status == 200
                root = etree.fromstring(page.body.encode())
                path = ".//md:KeyDescriptor[@use='signing']//ds:X509Certificate"
                keys = [b64decode(each.text or "") for each in root.iterfind(path, NS)]
                self._fetched.append((at, keys))
            sleep(PAUSE)

    def published(self) -> list[bytes]:
        return self._fetched[-1][1]

    def known_at(self, moment: float) -> list[bytes]:
        """What an SP trusts that last read a while before."""
        return [keys for at, keys in self._fetched if at <= moment - WHILE][-1]


def signer(answer: Answer, cluster: Cluster, trusted: list[bytes]) -> bytes:
    response = answer.response(cluster.sps["bip"])
    for certificate in trusted:
        try:
            verify(response, certificate)
        except Refused:
            continue
        return certificate
    raise Refused("signed with a key that was not in the metadata")


def test_every_assertion_verifies_with_the_metadata_of_a_while_ago(cluster: Cluster) -> None:
    with cluster.nodes("rollover-a", "rollover-b") as nodes:
        agent = Visitor()
        agent.sign_in(nodes[0], AGENT)
        reader = Reader(nodes)
        reader.read_for(WHILE)
        old = reader.published()[0]  # the active one; a retired one of another test may follow
        processes = {node.name: node.workers for node in nodes}

        def sign_on(node: Node) -> Answer:
            return Visitor(agent.cookies).ask(node, cluster.sso())

        with under_load({node.name: lambda n=node: sign_on(n) for node in nodes}) as load:
            reader.read_for(WHILE)
            kid = json.loads(cluster.run("--json", "keys", "generate"))["kid"]
            file = cluster.services.settings.keys / f"{kid}.pem"
            for node in nodes:
                (node.log.parent / "keys" / file.name).write_bytes(file.read_bytes())
            reader.read_for(WHILE + 2)
            cluster.run("keys", "promote", kid, "--force")
            reader.read_for(WHILE)
            # Once every SP was answered with the new one, no force is needed.
            for code in cluster.sps:
                assert Visitor(agent.cookies).ask(nodes[0], cluster.sso(code)).is_hand_over
            cluster.run("keys", "retire", "idp")
            reader.read_for(WHILE + 2)
            new = reader.published()[0]
            assert old not in reader.published()
        try:
            answers = sorted(load.all(), key=lambda answer: answer.at)
            assert load.refused == 0
            assert [each.status for each in answers if not each.is_hand_over] == []
            signers = [signer(each, cluster, reader.known_at(each.at)) for each in answers]
            assert signers[0] == old
            assert signers[-1] == new
            assert old != new
            assert min(signers.count(old), signers.count(new)) >= 20
            assert {node.name: node.workers for node in nodes} == processes, "nobody was restarted"
        finally:
            cluster.services.keys.retire("idp", datetime.now(UTC) + timedelta(days=1), force=True)
            cluster.run("keys", "promote", "idp")
