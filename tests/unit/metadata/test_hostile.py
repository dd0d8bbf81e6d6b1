"""Hostile, damaged and random metadata: refused in words, or read; nothing else ever comes out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.errors import MetadataError
from idp.types import Binding
from metadata.parser import parse
from tests.common.clock import START
from tests.unit.metadata import samples
from tests.unit.metadata.samples import ACS, DATA, acs, der, entity, key

pytestmark = pytest.mark.uncovered


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("external-entity", "DTD"),
        ("billion-laughs", "DTD"),
        ("external-dtd", "DTD"),
        ("parameter-entity", "DTD"),
        ("duplicate-id", "ID"),
        ("deep-nesting", "niveaux"),
        ("utf-16-hides-a-dtd", "UTF-8"),
        ("comment-cuts-certificate", "certificat est illisible"),
        ("key-hidden-in-extensions", "HTTP-POST"),
        ("cut-short", "XML bien formé"),
    ],
)
def test_hostile_metadata_is_refused(name: str, expected: str) -> None:
    with pytest.raises(MetadataError) as caught:
        parse((DATA / "hostile" / f"{name}.xml").read_bytes(), now=START)
    assert expected in caught.value.public


def test_malformed_xml_names_its_line() -> None:
    with pytest.raises(MetadataError) as caught:
        parse(b"<a>\n<b>\n</a>", now=START)
    assert caught.value.public.startswith("Ligne 3 : ce n'est pas du XML bien formé")


def test_another_encoding_names_its_line() -> None:
    with pytest.raises(MetadataError) as caught:
        parse("<a>\n\u00e9</a>".encode("latin-1"), now=START)
    assert caught.value.public.startswith("Ligne 2 : le fichier n'est pas en UTF-8")


def test_a_huge_document_is_refused() -> None:
    with pytest.raises(MetadataError, match="bytes of XML") as caught:
        parse(b"<a>" + b" " * (2 * 1024 * 1024) + b"</a>", now=START)
    assert "2048 Kio" in caught.value.public


def survives(document: bytes) -> None:
    """Either it is read or it is refused in words; nothing else ever comes out."""
    try:
        parsed = parse(document, now=START)
    except MetadataError as error:
        refused = error.public
    else:
        assert parsed.entity_id
        assert any(each.binding == Binding.POST for each in parsed.assertion_consumer_services)
        return
    assert refused.isprintable()


WHOLE = samples.complete_entity(
    root_attributes='validUntil="2027-01-31T00:00:00Z"', attributes='AuthnRequestsSigned="true"'
)


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(document: bytes) -> None:
    survives(document)


@settings(max_examples=300)
@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 200), st.binary(max_size=20))
def test_damaged_metadata_is_read_or_refused(start: int, length: int, instead: bytes) -> None:
    survives(WHOLE[:start] + instead + WHOLE[start + length :])


@given(st.binary(max_size=1500))
def test_any_certificate_is_read_or_refused(certificate: bytes) -> None:
    survives(entity(key(certificate), ACS))


@settings(max_examples=300)
@given(st.integers(0, len(der()) - 1), st.binary(min_size=1, max_size=4))
def test_a_damaged_certificate_is_read_or_refused(at: int, instead: bytes) -> None:
    whole = der()
    survives(entity(key(whole[:at] + instead + whole[at + len(instead) :]), ACS))


WORDS = st.sampled_from(
    ["true", "0", "javascript:x", "https://a", "", " ", "é", "65536", "2027-01-01T00:00:00Z"]
) | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters='<&"'),
    max_size=40,
)


@given(st.data())
def test_any_attribute_values_are_read_or_refused(data: st.DataObject) -> None:
    value = data.draw(WORDS)
    where = data.draw(st.sampled_from(["entity_id", "location", "index", "more", "root", "own"]))
    survives(
        entity(
            acs(
                value if where == "location" else samples.ACS_URL,
                index=value if where == "index" else "0",
                more=f'isDefault="{value}"' if where == "more" else "",
            ),
            entity_id=value if where == "entity_id" else samples.ENTITY_ID,
            root_attributes=f'validUntil="{value}"' if where == "root" else "",
            attributes=f'WantAssertionsSigned="{value}"' if where == "own" else "",
        )
    )
