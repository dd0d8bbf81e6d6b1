"""Release rules over entitlements: what leaves, and in which shape."""

from dataclasses import replace

from idp.saml.attributes import missing, release
from idp.types import (
    Entitlement,
    HeldRole,
    NameFormat,
    ReleaseRule,
    Source,
    Structures,
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
