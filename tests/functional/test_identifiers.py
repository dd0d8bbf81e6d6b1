"""Who an SP is told that somebody is, and which attributes it may ask for.

On both directories: the in-memory one, and ours with its tables.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs
from webtest import TestResponse

from idp.saml.subject_ids import RULES
from idp.services import Services
from idp.types import NameIDFormat, ReleaseRule, SubjectIdReq
from metadata.options import Choice
from metadata.registry import Registry
from metadata.rule_sets import RULE_SETS, to_json
from metadata.snapshot import REVISION
from metadata.tables import ServiceProviderRow
from tests.common.clock import FakeClock
from tests.common.fake_sp import FakeSP, Received
from tests.common.memory_directory import MemoryDirectory
from tests.common.needy_sp import PAIRWISE_ID, SUBJECT_ID, NeedySP
from tests.contract.sql_directory import FilledSqlDirectory
from tests.functional.conftest import IDP, PASSWORD, Visitor

MEMORY, SQL = "tests.common.memory_directory.build", "directory.plugin.build"
BASIC = {rule.name for rule in RULE_SETS["basic"]}
NONE = SubjectIdReq.NONE


@pytest.fixture(params=[MEMORY, SQL], ids=["memory", "sql"])
def directory_plugin(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass
class Scene:
    """A town hall's agent, Léa, another one, and what SPs are told of them."""

    services: Services
    clock: FakeClock
    directory: MemoryDirectory | FilledSqlDirectory
    visitor: Visitor
    people: dict[str, str] = field(default_factory=dict)
    memberships: dict[str, str] = field(default_factory=dict)

    def add_person(self, name: str) -> None:
        self.people[name] = self.directory.add_account(
            f"{name}@demo.example", "Léa", "Noël", password=PASSWORD
        )
        self.memberships[name] = self.directory.add_membership(self.people[name], "vitry")

    def add_sp(self, sp: FakeSP, choice: Choice = Choice()) -> None:  # noqa: B008 - frozen
        code = sp.entity_id.split("/")[2].partition(".")[0]
        Registry(self.services.core).add(sp.metadata(), choice, application=code)
        self.directory.add_application(code, code.upper(), entity_id=sp.entity_id)
        self.directory.add_role(code, "gest", "Gestionnaire")
        for membership in self.memberships.values():
            self.directory.assign(membership, code, "gest")

    def set_rules(self, sp: FakeSP, rules: Sequence[ReleaseRule]) -> None:
        """The rules that the operator wrote for this SP, instead of a ready-made set."""
        with self.services.db.unit_of_work() as session:
            row = session.get(ServiceProviderRow, sp.entity_id)
            assert row is not None
            row.rules = to_json(rules)
            self.services.db.bump(REVISION)

    def told(self, sp: FakeSP, name: str, **attributes: str) -> Received:
        """What the SP learns when this person comes, in a browser that knew nobody."""
        self.visitor.app.reset()
        request_id, page = self.visitor.open(sp, now=self.clock.now(), **attributes)
        return self.consumed(sp, self.visitor.sign_in(name, page), request_id)

    def consumed(self, sp: FakeSP, page: TestResponse, request_id: str) -> Received:
        return sp.consume(
            page.text,
            idp_certificate=self.services.signer.certificates()[0],
            idp_entity_id=IDP,
            now=self.clock.now(),
            request_id=request_id,
        )


@pytest.fixture
def scene(services: Services, clock: FakeClock, visitor: Visitor) -> Scene:
    plugged = services.directory
    directory = (
        plugged if isinstance(plugged, MemoryDirectory) else FilledSqlDirectory(services.core)
    )
    for code, label in (("vitry", "Vitry"), ("ivry", "Ivry")):
        directory.add_structure(code, label)
    made = Scene(services, clock, directory, visitor)
    made.add_person("agent")
    made.add_person("autre")
    return made


# --- what never changes ------------------------------------------------------------------------


def test_identifiers_survive_another_address_and_another_structure(scene: Scene) -> None:
    sps = {
        NameIDFormat.PERSISTENT: NeedySP("bip", needs=SubjectIdReq.SUBJECT_ID),
        NameIDFormat.UNSPECIFIED: NeedySP("cap", needs=SubjectIdReq.PAIRWISE_ID),
        NameIDFormat.EMAIL_ADDRESS: NeedySP("site", needs=SubjectIdReq.ANY),
    }
    for name_id_format, sp in sps.items():
        scene.add_sp(sp, Choice(name_id_format=name_id_format))
    before = {each: scene.told(sp, "agent") for each, sp in sps.items()}

    directory, person = scene.directory, scene.people["agent"]
    directory.change_mail(person, "lea.martin@demo.example")
    directory.remove_membership(scene.memberships["agent"])
    moved = directory.add_membership(person, "ivry")
    for code in ("bip", "cap", "site"):
        directory.assign(moved, code, "gest")
    after = {each: scene.told(sp, "lea.martin") for each, sp in sps.items()}

    for each in sps:
        assert after[each].attributes["mail"] == ["lea.martin@demo.example"], "she did change it"
        assert after[each].attributes["structure"] == ["ivry"], "and did move"
        assert after[each].name_id_format == before[each].name_id_format == each
        for name in (SUBJECT_ID, PAIRWISE_ID):
            assert after[each].attributes.get(name) == before[each].attributes.get(name)
    kept = {each: after[each].name_id == before[each].name_id for each in sps}
    assert kept == {
        NameIDFormat.PERSISTENT: True,
        NameIDFormat.UNSPECIFIED: False,
        NameIDFormat.EMAIL_ADDRESS: False,
    }
    assert after[NameIDFormat.EMAIL_ADDRESS].name_id == "lea.martin@demo.example"
    assert SUBJECT_ID in before[NameIDFormat.PERSISTENT].attributes
    assert PAIRWISE_ID in before[NameIDFormat.UNSPECIFIED].attributes
    assert after[NameIDFormat.UNSPECIFIED].name_id == "lea.martin@demo.example"


def test_a_subject_id_is_the_same_for_every_sp_and_a_pairwise_id_for_none(scene: Scene) -> None:
    both = (*RULE_SETS["basic"], *RULES.values())
    sps = [FakeSP("bip"), FakeSP("cap")]
    for sp in sps:
        scene.add_sp(sp, Choice(name_id_format=NameIDFormat.PERSISTENT))
        scene.set_rules(sp, both)
    told = {(sp, name): scene.told(sp, name) for sp in sps for name in ("agent", "autre")}
    subject_ids = {key: one.attributes[SUBJECT_ID] for key, one in told.items()}
    pairwise_ids = {key: one.attributes[PAIRWISE_ID] for key, one in told.items()}
    first, second = sps
    for name in ("agent", "autre"):
        assert subject_ids[first, name] == subject_ids[second, name]
        assert subject_ids[first, name] == [f"{scene.people[name]}@localhost"]
    assert subject_ids[first, "agent"] != subject_ids[first, "autre"]
    assert len({value for (value,) in pairwise_ids.values()}) == 4, "one a person and an SP"
    for key, (value,) in pairwise_ids.items():
        assert value == f"{told[key].name_id}@localhost", "what the persistent NameID says"
        assert re.fullmatch(r"[a-z0-9][a-z0-9=-]{0,126}@localhost", value)
        formats = {
            node.get("Name"): (node.get("NameFormat"), node.get("FriendlyName"))
            for node in told[key].xml.iter("{*}Attribute")
        }
        uri = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
        assert formats[SUBJECT_ID] == (uri, "subject-id")
        assert formats[PAIRWISE_ID] == (uri, "pairwise-id")


def test_a_transient_name_and_a_pairwise_id_go_together(scene: Scene) -> None:
    """As saml2int wants it: a name for this session, an attribute for the account."""
    sp = NeedySP("bip", needs=SubjectIdReq.ANY)
    scene.add_sp(sp, Choice(name_id_format=NameIDFormat.TRANSIENT))
    first, second = scene.told(sp, "agent"), scene.told(sp, "agent")
    assert first.name_id != second.name_id
    assert first.attributes[PAIRWISE_ID] == second.attributes[PAIRWISE_ID]


# --- what an SP says that it needs -------------------------------------------------------------

SUBJECT_RULE, PAIRWISE_RULE = RULES.values()


@pytest.mark.parametrize(
    ("needs", "rules", "expected"),
    [
        (None, (), set()),
        (None, (SUBJECT_RULE,), {SUBJECT_ID}),
        (SubjectIdReq.SUBJECT_ID, (), {SUBJECT_ID}),
        (SubjectIdReq.SUBJECT_ID, (SUBJECT_RULE,), {SUBJECT_ID}),
        (SubjectIdReq.SUBJECT_ID, (PAIRWISE_RULE,), {SUBJECT_ID, PAIRWISE_ID}),
        (SubjectIdReq.PAIRWISE_ID, (), {PAIRWISE_ID}),
        (SubjectIdReq.ANY, (), {PAIRWISE_ID}),
        (SubjectIdReq.ANY, (SUBJECT_RULE,), {SUBJECT_ID}),
        (NONE, (), set()),
        (NONE, (SUBJECT_RULE, PAIRWISE_RULE), set()),
    ],
)
def test_the_sps_signal_is_obeyed(
    needs: SubjectIdReq | None, rules: tuple[ReleaseRule, ...], expected: set[str], scene: Scene
) -> None:
    sp = NeedySP("bip", needs=needs)
    scene.add_sp(sp)
    scene.set_rules(sp, (*RULE_SETS["basic"], *rules))
    attributes = scene.told(sp, "agent").attributes
    assert set(attributes) >= BASIC
    assert set(attributes) - BASIC == expected


# --- AttributeConsumingServiceIndex ------------------------------------------------------------


def indexed(needs: SubjectIdReq | None = None) -> NeedySP:
    return NeedySP(
        "bip", needs=needs, requests={0: ["mail"], 7: ["sn", "role", "phone", "siret", SUBJECT_ID]}
    )


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ("0", {"mail"}),
        # phone, siret and subject-id are in no rule: asking gives nothing.
        ("7", {"sn", "role"}),
        (None, BASIC),
    ],
)
def test_the_index_narrows_the_release_and_never_widens_it(
    index: str | None, expected: set[str], scene: Scene
) -> None:
    sp = indexed()
    scene.add_sp(sp)
    chosen = {} if index is None else {"AttributeConsumingServiceIndex": index}
    assert set(scene.told(sp, "agent", **chosen).attributes) == expected
    # The same when nobody has to sign in, so that the request does not wait.
    request_id, page = scene.visitor.open(sp, now=scene.clock.now(), **chosen)
    assert page.request.path == "/saml/sso"
    assert set(scene.consumed(sp, page, request_id).attributes) == expected


def test_an_index_that_the_metadata_does_not_hold_changes_nothing_and_is_logged(
    scene: Scene,
) -> None:
    sp = indexed()
    scene.add_sp(sp)
    with capture_logs() as lines:
        received = scene.told(sp, "agent", AttributeConsumingServiceIndex="3")
    assert set(received.attributes) == BASIC
    (line,) = [one for one in lines if one["event"] == "attribute-consuming-service.unknown"]
    assert (line["log_level"], line["index"]) == ("warning", 3)
    with capture_logs() as lines:
        scene.told(sp, "agent", AttributeConsumingServiceIndex="7")
    assert not [one for one in lines if one["event"] == "attribute-consuming-service.unknown"]


def test_the_identifier_that_an_sp_needs_comes_with_every_index(scene: Scene) -> None:
    sp = indexed(SubjectIdReq.PAIRWISE_ID)
    scene.add_sp(sp)
    received = scene.told(sp, "agent", AttributeConsumingServiceIndex="0")
    assert set(received.attributes) == {"mail", PAIRWISE_ID}
