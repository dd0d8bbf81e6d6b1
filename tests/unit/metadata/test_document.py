"""One entity out of a document: aggregates, and who must have signed them."""

from dataclasses import replace

import pytest

from idp.errors import MetadataError
from idp.saml import xml
from metadata.document import choose
from metadata.parser import parse
from tests.common.clock import START
from tests.unit.metadata import samples
from tests.unit.metadata.samples import (
    ENTITY_ID,
    aggregate,
    complete_entity,
    der,
    entity,
    signed,
)

A, B, C = "https://a.exemple.fr", "https://b.exemple.fr", "https://c.exemple.fr"
IDP = (
    f'<md:EntityDescriptor {samples.NAMESPACES} entityID="https://idp.exemple.fr">'
    f'<md:IDPSSODescriptor protocolSupportEnumeration="{samples.SAML2}"/></md:EntityDescriptor>'
).encode()
GROUP = aggregate(complete_entity(A), IDP, complete_entity(B))
WITH_ID = 'ID="_one"'


def refusal(document: bytes, **more: object) -> str:
    with pytest.raises(MetadataError) as caught:
        choose(document, **more)  # type: ignore[arg-type]
    return caught.value.public


# --- aggregates --------------------------------------------------------------------------------


def test_one_entity_is_taken_out_of_an_aggregate() -> None:
    chosen = choose(GROUP, entity_id=B)
    parsed = parse(chosen.xml, now=START)
    assert (parsed.entity_id, parsed.warnings) == (B, ())
    assert A.encode() not in chosen.xml
    assert chosen.first_line == GROUP[: GROUP.index(b'entityID="%b"' % B.encode())].count(b"\n") + 1


def test_the_only_service_provider_need_not_be_named() -> None:
    assert parse(choose(aggregate(IDP, complete_entity(A))).xml, now=START).entity_id == A


def test_several_are_listed_and_no_identity_provider_among_them() -> None:
    text = refusal(GROUP)
    assert text.endswith(
        f"décrit 2 fournisseurs de service. Choisissez avec --entity parmi : {A}, {B}."
    )
    assert f"ne décrit pas {C}" in refusal(GROUP, entity_id=C)
    assert "ne décrit pas https://idp" in refusal(GROUP, entity_id="https://idp.exemple.fr")
    many = aggregate(*(complete_entity(f"https://{n:03}.exemple.fr") for n in range(45)))
    assert refusal(many).endswith("https://039.exemple.fr, et 5 autres.")


def test_an_aggregate_without_service_provider() -> None:
    assert "aucun fournisseur" in refusal(aggregate(IDP))


def test_groups_are_in_groups() -> None:
    inner = aggregate(complete_entity(C)).replace(b'ID="_all"', b"")
    assert parse(choose(aggregate(complete_entity(A), inner), entity_id=C).xml, now=START)


def test_an_entity_that_an_extension_holds_is_none_of_the_aggregate() -> None:
    hidden = complete_entity(C).decode()
    document = aggregate(complete_entity(A), after=f"<md:Extensions>{hidden}</md:Extensions>")
    assert "ne décrit pas" in refusal(document, entity_id=C)


def test_an_entity_that_is_there_twice_is_refused() -> None:
    assert "deux fois" in refusal(aggregate(complete_entity(A), complete_entity(A)), entity_id=A)


def test_the_first_end_counts() -> None:
    inner = complete_entity(A, root_attributes='validUntil="2027-06-01T00:00:00Z"')
    document = aggregate(
        inner, attributes='validUntil="2027-01-01T00:00:00Z" cacheDuration="PT6H30M"'
    )
    parsed = parse(choose(document).xml, now=START)
    assert str(parsed.valid_until) == "2027-01-01 00:00:00+00:00"
    assert str(parsed.cache_duration) == "6:30:00"
    late = document.replace(b"2027-01-01", b"2028-01-01")
    assert parse(choose(late).xml, now=START).valid_until.year == 2027  # type: ignore[union-attr]
    over = choose(document.replace(b"2027-01-01", b"2026-01-01"))
    with pytest.raises(MetadataError, match="expiré"):
        parse(over.xml, now=START)


def test_an_entity_alone_is_kept_byte_for_byte() -> None:
    document = b"\xef\xbb\xbf" + complete_entity() + b"<!-- -->"
    assert choose(document).xml == document
    assert choose(document, entity_id=ENTITY_ID).xml == document
    assert "et non" in refusal(document, entity_id=A)


def test_an_aggregate_may_be_ten_times_larger_than_one_entity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    padding = f"<!--{'x' * xml.DOCUMENT.octets}-->"
    assert choose(aggregate(complete_entity(A), after=padding)).xml
    assert "2048 Kio" in str(_parse_refusal(complete_entity(after=padding)))
    monkeypatch.setattr(xml, "AGGREGATE", replace(xml.AGGREGATE, octets=len(GROUP) - 1))
    assert "Kio" in refusal(GROUP, entity_id=A)


def _parse_refusal(document: bytes) -> str:
    with pytest.raises(MetadataError) as caught:
        parse(document, now=START)
    return caught.value.public


def test_the_elements_of_an_aggregate_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = aggregate(complete_entity(A), after="<md:Extensions/>" * (xml.DOCUMENT.tags + 1))
    assert choose(wide).xml
    monkeypatch.setattr(xml, "AGGREGATE", replace(xml.AGGREGATE, tags=1000))
    assert "trop de niveaux" in refusal(wide)


# --- signers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document", [complete_entity(root_attributes=WITH_ID), aggregate(complete_entity())]
)
def test_the_whole_document_is_signed_by_exactly_that_key(document: bytes) -> None:
    good = signed(document)
    assert choose(good, signer=der()).xml
    assert "n'est pas signé en entier" in refusal(document, signer=der())
    for poisoned in (
        signed(document, number=1),
        good.replace(samples.ACS_URL.encode(), b"https://mal.exemple.fr/acs"),
    ):
        assert "a changé de clé" in refusal(poisoned, signer=der())


def test_a_signature_inside_of_an_aggregate_does_not_count_for_it() -> None:
    inner = signed(complete_entity(A, root_attributes=WITH_ID))
    assert choose(inner, signer=der())
    document = aggregate(inner, complete_entity(B))
    for entity_id in (A, B):
        why = refusal(document, entity_id=entity_id, signer=der())
        assert "n'est pas signé en entier" in why
        assert why.endswith("Rien n'en a été lu.")


def test_signatures_of_members_are_named_instead_of_a_change_of_key() -> None:
    inner = signed(complete_entity(A, root_attributes=WITH_ID))
    document = signed(aggregate(inner, complete_entity(B)))
    why = refusal(document, entity_id=A, signer=der())
    assert "2 signatures" in why
    assert "changé de clé" not in why


def test_the_signer_is_asked_before_anything_is_read() -> None:
    assert "signé en entier" in refusal(entity(), entity_id="autre", signer=der())
