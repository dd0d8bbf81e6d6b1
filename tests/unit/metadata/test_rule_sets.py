"""The ready-made rule sets, word for word, and how rules are kept."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import MetadataError
from idp.types import NameFormat, NameIDFormat, ReleaseRule, Sign, Source, Structures
from metadata.options import Choice, Options, change, complete
from metadata.parser import parse
from metadata.rule_sets import RULE_SETS, from_json, rule_set, to_json
from tests.common.clock import START
from tests.unit.metadata.samples import ACS, entity

BASIC = ["uid", "mail", "givenName", "sn", "displayName", "role", "structure"]
OIDS = [
    "urn:oid:0.9.2342.19200300.100.1.1",
    "urn:oid:0.9.2342.19200300.100.1.3",
    "urn:oid:2.5.4.42",
    "urn:oid:2.5.4.4",
    "urn:oid:2.16.840.1.113730.3.1.241",
    "urn:oid:2.5.4.72",
    "urn:oid:2.5.4.11",
]


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("basic", BASIC),
        ("uri", OIDS),
        ("bip", BASIC),
        ("net-cotisations", [*BASIC, "siret", "applicationId"]),
        ("net-cap", [*OIDS, "structurePath"]),
        ("site", ["mail", "displayName", "role", "structure"]),
        ("research", ["urn:oid:1.3.6.1.4.1.5923.1.1.1.6", *OIDS[1:5]]),
    ],
)
def test_each_set_sends_these_attributes_in_this_order(name: str, attributes: list[str]) -> None:
    assert [rule.name for rule in rule_set(name)] == attributes


def test_there_is_no_other_set() -> None:
    names = ["basic", "uri", "bip", "net-cotisations", "net-cap", "site", "research"]
    assert list(RULE_SETS) == names
    with pytest.raises(MetadataError, match="autre n'existe pas"):
        rule_set("autre")


def test_uri_names_the_same_sources_with_friendly_names() -> None:
    assert [(rule.source, rule.friendly_name) for rule in RULE_SETS["uri"]] == [
        (rule.source, rule.name) for rule in RULE_SETS["basic"]
    ]
    assert {rule.name_format for rule in RULE_SETS["uri"]} == {NameFormat.URI}
    assert {rule.name_format for rule in RULE_SETS["basic"]} == {NameFormat.BASIC}


def test_roles_and_structures_have_several_values() -> None:
    for rules in RULE_SETS.values():
        several = {rule.source for rule in rules if rule.multi_valued}
        sources = {rule.source for rule in rules}
        assert {Source.ROLE, Source.STRUCTURE} & sources <= several
        assert Source.MAIL not in several


@pytest.mark.parametrize("name", RULE_SETS)
def test_rules_come_back_from_json_as_they_were(name: str) -> None:
    assert from_json(json.loads(json.dumps(to_json(RULE_SETS[name])))) == RULE_SETS[name]


@given(
    st.builds(
        ReleaseRule,
        name=st.text(),
        source=st.sampled_from(Source),
        name_format=st.sampled_from(NameFormat),
        friendly_name=st.none() | st.text(),
        multi_valued=st.booleans(),
        required=st.booleans(),
        argument=st.text(),
    )
)
def test_any_rule_comes_back_from_json(rule: ReleaseRule) -> None:
    assert from_json(json.loads(json.dumps(to_json([rule])))) == (rule,)


@pytest.mark.parametrize(
    "stored",
    [[{}], [{"name": "a", "source": "password", "name_format": "x"}], ["mail"], [None], None, 3],
)
def test_rules_of_another_version_are_refused(stored: Any) -> None:  # noqa: ANN401 - anything
    with pytest.raises(MetadataError, match="unreadable"):
        from_json(stored)


def options(application: str = "", choice: Choice = Choice(), *formats: str) -> Options:  # noqa: B008 - frozen
    listed = "".join(f"<md:NameIDFormat>{each}</md:NameIDFormat>" for each in formats)
    return complete(choice, parse(entity(listed, ACS), now=START), application=application)


def test_the_application_chooses_the_rule_set_when_nobody_does() -> None:
    assert options("net-cap").rule_set == "net-cap"
    assert options("uri").rule_set == "basic"
    assert options("crm").rule_set == "basic"
    assert options("net-cap", Choice(rule_set="uri")).rule_set == "uri"


def test_only_the_website_receives_parallel_values_by_default() -> None:
    assert options("site").structures is Structures.PARALLEL
    assert options("bip").structures is Structures.ASK
    assert options("site", Choice(structures=Structures.ASK)).structures is Structures.ASK


def test_the_identifier_is_the_first_supported_one_that_the_sp_lists() -> None:
    assert options().name_id_format is NameIDFormat.TRANSIENT
    kerberos = "urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos"
    listed = (kerberos, NameIDFormat.PERSISTENT, NameIDFormat.EMAIL_ADDRESS)
    assert options("", Choice(), *listed).name_id_format is NameIDFormat.PERSISTENT
    assert options("", Choice(), kerberos).name_id_format is NameIDFormat.TRANSIENT
    chosen = Choice(name_id_format=NameIDFormat.UNSPECIFIED)
    assert options("", chosen, *listed).name_id_format is NameIDFormat.UNSPECIFIED


def test_a_change_keeps_what_is_not_said() -> None:
    before = options("net-cap", Choice(sign=Sign.ASSERTION))
    after = change(before, Choice(structures=Structures.SCOPED))
    assert (after.rule_set, after.sign) == ("net-cap", Sign.ASSERTION)
    assert after.structures is Structures.SCOPED
    assert change(before, Choice(rule_set="site")).rules == RULE_SETS["site"]
