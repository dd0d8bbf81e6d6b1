"""What holds for any metadata: it is read or refused in words, and what is read is what it says.

The checks are those of ``make fuzz`` (:mod:`tests.fuzz`), which searches further.
"""

from random import Random
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from idp.errors import MetadataError
from metadata.extensions import MAX_NAME
from metadata.parser import parse
from metadata.reading import index, is_absolute_http, shortened
from tests.common.clock import START
from tests.fuzz import readers, seeds
from tests.fuzz.mutators import Mutator, plain_flip
from tests.fuzz.world import OPEN, SIGNING, sp
from tests.unit.metadata.samples import ACS, acs, entity, names

pytestmark = pytest.mark.uncovered

ENTITIES = seeds.entities([sp(code) for code in (*SIGNING, *OPEN)])
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=60
)
HOSTS = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,8}){1,2}", fullmatch=True)
PATHS = st.from_regex(r"(/[a-zA-Z0-9._~%-]{0,8}){0,3}(\?[a-z]=[a-z0-9]{0,5})?", fullmatch=True)


@settings(max_examples=400)
@given(st.integers(0, 2**32), st.sampled_from(ENTITIES))
def test_damaged_metadata_is_read_or_refused_in_words(number: int, document: bytes) -> None:
    rng = Random(number)  # noqa: S311 - reproducible
    readers.metadata(Mutator(rng, plain_flip(rng)).document(document))


@given(st.sampled_from(["http", "https"]), HOSTS, st.integers(1, 65535), PATHS)
def test_an_address_is_kept_as_it_is_written(scheme: str, host: str, port: int, path: str) -> None:
    url = f"{scheme}://{host}:{port}{path}"
    (service,) = parse(entity(acs(url)), now=START).assertion_consumer_services
    assert service.location == url


@given(TEXT)
def test_what_is_no_web_address_is_nowhere_to_answer(text: str) -> None:
    document = entity(ACS, f"<md:SingleLogoutService Binding='x' Location={quoteattr(text)}/>")
    if is_absolute_http(text.strip()):
        (service,) = parse(document, now=START).single_logout_services
        assert service.location == text.strip()
        return
    with pytest.raises(MetadataError) as caught:
        parse(document, now=START)
    assert caught.value.public.startswith("Ligne ")


@given(st.sampled_from(["javascript:", "data:", "ftp://", "//", "/", "http:", "https:///"]), TEXT)
def test_no_other_scheme_is_a_web_address(start: str, rest: str) -> None:
    assert not is_absolute_http(start + rest.lstrip("/"))


@given(TEXT)
def test_an_entity_id_is_kept_or_refused(text: str) -> None:
    try:
        parsed = parse(
            entity(ACS).replace(
                b'entityID="https://bip.exemple.fr/saml"', f"entityID={quoteattr(text)}".encode()
            ),
            now=START,
        )
    except MetadataError:
        assert not text.strip() or not text.strip().isprintable() or " " in text.strip()
        return
    assert parsed.entity_id == text.strip() != ""
    assert parsed.display_name == parsed.entity_id


@given(TEXT)
def test_a_display_name_is_its_words(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    parsed = parse(entity(names({"fr": escaped}), ACS), now=START)
    assert parsed.display_name == (" ".join(text.split())[:MAX_NAME] or parsed.entity_id)


@given(st.integers(-10, 70_000), st.sampled_from(["", "+", "0", "00"]))
def test_an_index_is_its_number_or_refused(number: int, before: str) -> None:
    element = etree.Element("x", index=f"{before}{number}")
    if 0 <= number <= 65535:
        assert index(element) == number
        return
    with pytest.raises(MetadataError):
        index(element)


@given(st.text())
def test_a_strangers_text_is_one_short_line(text: str) -> None:
    quoted = shortened(text)
    assert len(quoted) <= 80
    assert quoted.isprintable()


def test_the_documents_that_are_damaged_are_read_and_refused() -> None:
    read = [readers.metadata(document) for document in ENTITIES]
    assert any(read)
    assert not all(read)
