"""Release rules over entitlements: what leaves, and in which shape."""

from dataclasses import replace

import pytest

from idp.saml.attributes import missing, release, rules_for
from idp.saml.subject_ids import RULES
from idp.saml.subject_ids import values as identifiers_of
from idp.types import (
    AttributeConsumingService,
    Entitlement,
    HeldRole,
    NameFormat,
    NameID,
    NameIDFormat,
    ReleaseRule,
    RequestedAttribute,
    ServiceProvider,
    Source,
    Structures,
    SubjectIdReq,
)

VITRY = Entitlement(
    subject_id="s",
    membership_id="m1",
    mail="lea@vitry.example",
    uid="lea@vitry.example",
    given_name="Léa",
    sn="Noël",
    structure_code="vitry",
    structure_label="Vitry",
    structure_path="cig-pc / collectivites / Vitry",
    roles=(HeldRole("gest", "Gestionnaire"), HeldRole("lect", "Lecteur")),
    siret="12345678900011",
    phone="0102030405",
)
IVRY = replace(
    VITRY,
    membership_id="m2",
    structure_code="ivry",
    structure_path="cig-pc / collectivites / Ivry",
    roles=(HeldRole("gest", "Gestionnaire"),),
    siret=None,
)
ROLE = ReleaseRule("role", Source.ROLE, multi_valued=True)
STRUCTURE = ReleaseRule("structure", Source.STRUCTURE, multi_valued=True)


def values(
    *rules: ReleaseRule,
    structures: Structures,
    entitlements: tuple[Entitlement, ...] = (VITRY, IVRY),
) -> dict[str, tuple[str, ...]]:
    released = release(entitlements, rules, structures)
    return {attribute.name: attribute.values for attribute in released}


def test_nothing_that_no_rule_names_leaves() -> None:
    assert values(structures=Structures.SCOPED) == {}
    assert set(values(ROLE, structures=Structures.SCOPED)) == {"role"}


def test_one_chosen_structure_gives_its_own_roles_only() -> None:
    found = values(ROLE, STRUCTURE, structures=Structures.ASK, entitlements=(IVRY,))
    assert found == {"role": ("gest",), "structure": ("ivry",)}


def test_scoped_roles_carry_their_structure() -> None:
    found = values(ROLE, STRUCTURE, structures=Structures.SCOPED)
    assert found == {
        "role": ("gest@vitry", "lect@vitry", "gest@ivry"),
        "structure": ("vitry", "ivry"),
    }


def test_parallel_values_stand_in_pairs_with_duplicates() -> None:
    found = values(ROLE, STRUCTURE, structures=Structures.PARALLEL)
    assert list(zip(found["role"], found["structure"], strict=True)) == [
        ("gest", "vitry"),
        ("lect", "vitry"),
        ("gest", "ivry"),
    ]


def test_a_person_s_own_facts_have_one_value_and_empty_ones_are_left_out() -> None:
    rules = (
        ReleaseRule("mail", Source.MAIL),
        ReleaseRule("displayName", Source.DISPLAY_NAME),
        ReleaseRule("service", Source.SERVICE),
        ReleaseRule("siret", Source.SIRET, multi_valued=True),
    )
    assert values(*rules, structures=Structures.SCOPED) == {
        "mail": ("lea@vitry.example",),
        "displayName": ("Léa Noël",),
        "siret": ("12345678900011",),
    }


def test_a_single_valued_rule_gives_one_value() -> None:
    rule = replace(STRUCTURE, multi_valued=False)
    assert values(rule, structures=Structures.SCOPED) == {"structure": ("vitry",)}


def test_a_constant_and_a_template() -> None:
    rules = (
        ReleaseRule("org", Source.CONSTANT, argument="CIG"),
        ReleaseRule("label", Source.TEMPLATE, argument="{givenName} {sn} ({structure}) {other}"),
    )
    assert values(*rules, structures=Structures.ASK, entitlements=(VITRY,)) == {
        "org": ("CIG",),
        "label": ("Léa Noël (vitry) {other}",),
    }


def test_a_value_that_looks_like_a_placeholder_fetches_nothing() -> None:
    rule = ReleaseRule("label", Source.TEMPLATE, argument="{givenName}/{sn}")
    sly = replace(VITRY, given_name="{phone}")
    found = values(rule, structures=Structures.ASK, entitlements=(sly,))
    assert found == {"label": ("{phone}/Noël",)}


def test_names_formats_and_friendly_names_are_the_rule_s() -> None:
    rule = ReleaseRule("urn:oid:2.5.4.4", Source.SN, NameFormat.URI, "sn", required=True)
    (attribute,) = release([VITRY], [rule], Structures.ASK)
    assert attribute.name_format == "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
    assert attribute.friendly_name == "sn"
    assert missing([rule], [attribute]) == ()
    assert missing([rule], []) == ("urn:oid:2.5.4.4",)


# --- what an SP's metadata and its requests say of it --------------------------------------------

MAIL = ReleaseRule("mail", Source.MAIL)
PHONE = ReleaseRule("urn:oid:2.5.4.20", Source.PHONE, NameFormat.URI)


def asked(*names: tuple[str, str | None], needs: SubjectIdReq | None = None) -> ServiceProvider:
    requested = tuple(RequestedAttribute(*name, None, required=False) for name in names)
    service = AttributeConsumingService(1, requested)
    return ServiceProvider(
        "https://sp.example",
        "SP",
        (),
        attribute_consuming_services=(service,),
        subject_id_req=needs,
        rules=(MAIL, PHONE),
    )


@pytest.mark.parametrize(
    ("name", "name_format", "expected"),
    [
        ("mail", None, (MAIL,)),
        ("mail", NameFormat.UNSPECIFIED.value, (MAIL,)),
        ("mail", NameFormat.BASIC.value, (MAIL,)),
        ("mail", NameFormat.URI.value, ()),
        ("Mail", None, ()),
        ("urn:oid:2.5.4.20", NameFormat.URI.value, (PHONE,)),
        ("siret", None, ()),
    ],
)
def test_an_index_leaves_the_rules_that_are_requested(
    name: str, name_format: str | None, expected: tuple[ReleaseRule, ...]
) -> None:
    service_provider = asked((name, name_format))
    assert rules_for(service_provider, 1) == expected
    assert rules_for(service_provider) == rules_for(service_provider, 2) == (MAIL, PHONE)


def test_a_service_without_an_index_is_nobodys() -> None:
    service_provider = asked(("mail", None))
    (service,) = service_provider.attribute_consuming_services
    unnumbered = replace(
        service_provider, attribute_consuming_services=(replace(service, index=None),)
    )
    assert rules_for(unnumbered, None) == (MAIL, PHONE)


@pytest.mark.parametrize(
    ("needs", "source"),
    [
        (SubjectIdReq.SUBJECT_ID, Source.SUBJECT_ID),
        (SubjectIdReq.PAIRWISE_ID, Source.PAIRWISE_ID),
        (SubjectIdReq.ANY, Source.PAIRWISE_ID),
    ],
)
def test_what_an_sp_needs_is_kept_with_every_index(needs: SubjectIdReq, source: Source) -> None:
    service_provider = asked(("mail", None), needs=needs)
    assert rules_for(service_provider, 1) == (MAIL, RULES[source])
    # An identifier that it does not need is an attribute like any other.
    both = replace(service_provider, rules=(MAIL, PHONE, *RULES.values()))
    expected = RULES.values() if needs is SubjectIdReq.ANY else [RULES[source]]
    assert rules_for(both, 1) == (MAIL, *expected)


class _NameIDs:
    """``INameIDs`` that counts."""

    asked = 0

    def persistent(self, subject_id: str, entity_id: str, *, create: bool = True) -> NameID:
        assert create
        self.asked += 1
        return NameID(f"{subject_id}-at-{entity_id}", NameIDFormat.PERSISTENT)


def test_identifiers_are_made_only_for_the_rules_that_draw_from_them() -> None:
    name_ids = _NameIDs()

    def made(*rules: ReleaseRule) -> dict[Source, str]:
        return identifiers_of(rules, "s1", "sp", scope="cig.example", name_ids=name_ids)

    assert made(MAIL, PHONE) == {}
    assert made(RULES[Source.SUBJECT_ID]) == {Source.SUBJECT_ID: "s1@cig.example"}
    principal = ReleaseRule("eppn", Source.EDU_PERSON_PRINCIPAL_NAME)
    assert made(principal) == {Source.EDU_PERSON_PRINCIPAL_NAME: "s1@cig.example"}
    assert name_ids.asked == 0, "no persistent NameID is made for an SP that needs none"
    pairwise = RULES[Source.PAIRWISE_ID]
    assert made(pairwise) == {Source.PAIRWISE_ID: "s1-at-sp@cig.example"}
    (attribute,) = release([VITRY], [pairwise], Structures.ASK, (), made(pairwise))
    assert (attribute.name, attribute.values) == (pairwise.name, ("s1-at-sp@cig.example",))
