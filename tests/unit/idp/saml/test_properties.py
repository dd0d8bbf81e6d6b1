"""What holds for any message: decoders and parsers keep their word, and what is signed stays so.

The checks are those of ``make fuzz`` (:mod:`tests.fuzz`), which searches further.
"""

import zlib
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from urllib.parse import parse_qsl, quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from idp.errors import ProtocolError, SignatureRefused
from idp.saml import authn_request, xml
from idp.saml.assertion import build_response
from idp.saml.bindings import LONGEST_RELAY_STATE, decode_post, decode_redirect, encode_post
from idp.saml.instants import instant, write_instant
from idp.saml.signature import verify_element, verify_octets
from idp.types import NameFormat, NameID, NameIDFormat, ReleasedAttribute, ReleasedIdentity
from tests.common.clock import START
from tests.common.fake_sp import RSA_SHA256
from tests.fuzz import readers, seeds
from tests.fuzz.mutators import Mutator, plain_flip
from tests.fuzz.whole import signed_content
from tests.fuzz.world import KEYS, sp
from tests.unit.idp.saml.test_assertion import ACCEPTED, DRAFT, Signer, consume, provider

pytestmark = pytest.mark.uncovered

BIP = sp("bip")
SIGNER = Signer(KEYS)
RELAY_STATES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200
)
# As often as any other character, those that XML writes otherwise.
XML_TEXT = st.text(
    st.sampled_from("\t\n\r\"'<>&")
    | st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
    max_size=40,
)
MUTATORS = st.integers(0, 2**32).map(
    lambda number: Mutator(Random(number), plain_flip(Random(number)))  # noqa: S311 - reproducible
)


# --- only what the docstrings say is raised ------------------------------------------------------


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (readers.redirect, readers.form, readers.request, readers.value):
        read(data)


@given(st.binary(max_size=400), st.text(max_size=100))
def test_any_message_is_read_or_refused_however_it_travels(data: bytes, more: str) -> None:
    readers.redirect(seeds.as_query(data, more.encode("utf-8", "replace").decode()))
    readers.form(seeds.as_form(data) + b"&" + more.encode("utf-8", "replace"))


@given(st.lists(st.tuples(st.sampled_from(["SAMLRequest", "RelayState"]), st.text()), max_size=3))
def test_any_pairs_are_decoded_or_refused(pairs: list[tuple[str, str]]) -> None:
    try:
        message = decode_post(pairs)
    except ProtocolError:
        return
    assert message.relay_state == dict(pairs).get("RelayState")


DOCUMENTS = seeds.documents(BIP)


@settings(max_examples=300)
@given(MUTATORS, st.sampled_from(DOCUMENTS))
def test_a_damaged_request_is_read_or_refused(mutator: Mutator, document: bytes) -> None:
    readers.request(mutator.document(document))


@given(st.sampled_from("dunxc"), st.text(max_size=60))
def test_any_value_is_read_or_refused(letter: str, text: str) -> None:
    readers.value(letter.encode() + text.encode("utf-8", "replace"))


@given(XML_TEXT)
def test_any_text_is_written_in_canonical_form(text: str) -> None:
    assert readers.value(b"x" + text.encode())


# --- what goes in comes out ----------------------------------------------------------------------


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


@given(st.binary(max_size=300), st.none() | RELAY_STATES, st.sampled_from([quote, quote_plus]))
def test_a_redirect_message_comes_out_as_it_went_in(
    document: bytes, relay_state: str | None, spelled: type
) -> None:
    query = f"SAMLRequest={spelled(b64encode(deflated(document)))}"
    if relay_state is not None:
        query += f"&RelayState={spelled(relay_state)}"
    query += f"&SigAlg={spelled(RSA_SHA256)}"
    message = decode_redirect(f"{query}&Signature={spelled(b64encode(document))}&more=1")
    assert (message.xml, message.relay_state) == (document, relay_state)
    assert message.signature is not None
    assert message.signature.octets == query.encode()
    assert (message.signature.algorithm, message.signature.value) == (RSA_SHA256, document)


@given(XML_TEXT, RELAY_STATES)
def test_a_posted_message_comes_out_as_it_went_in(document: str, relay_state: str) -> None:
    body = urlencode({"SAMLRequest": encode_post(document), "RelayState": relay_state})
    message = decode_post(parse_qsl(body, keep_blank_values=True))
    assert (message.xml, message.relay_state) == (document.encode(), relay_state)


@given(st.integers(0, 9000), st.sampled_from("aé€"))
def test_a_relay_state_is_whole_or_refused(length: int, character: str) -> None:
    relay_state = character * length
    pairs = [("SAMLRequest", ""), ("RelayState", relay_state)]
    if len(relay_state.encode()) <= LONGEST_RELAY_STATE:
        assert decode_post(pairs).relay_state == relay_state
    else:
        with pytest.raises(ProtocolError):
            decode_post(pairs)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES))  # noqa: DTZ001
def test_a_date_that_is_written_is_read_again(moment: datetime) -> None:
    read = instant(write_instant(moment))
    assert read == moment.replace(microsecond=0)
    assert instant(moment.isoformat()) == moment
    assert read.tzinfo is UTC


@given(XML_TEXT.map(str.strip).filter(bool), st.sampled_from(["true", "1", "false", "0", None]))
def test_a_request_says_what_was_written(name: str, truth: str | None) -> None:
    root = BIP.authn_request(now=START, ID="_a", ProviderName=name, ForceAuthn=truth)
    parsed = authn_request.parse(xml.parse(etree.tostring(root)))
    assert (parsed.provider_name, parsed.issuer) == (name, BIP.entity_id)
    assert parsed.force_authn is (truth in {"true", "1"})
    assert parsed.issue_instant == START


VALUES = st.lists(XML_TEXT, min_size=1, max_size=3).map(tuple)


@settings(max_examples=50)
@given(XML_TEXT, VALUES)
def test_a_response_is_canonical_and_says_any_value(subject: str, values: tuple[str, ...]) -> None:
    name_id = NameID(subject or "x", NameIDFormat.UNSPECIFIED)
    released = (ReleasedAttribute("role", NameFormat.BASIC, values),)
    draft = replace(DRAFT, identity=ReleasedIdentity(name_id, released))
    response = build_response(ACCEPTED, provider(), draft, SIGNER)
    assert xml.canonicalize(etree.fromstring(response.encode())).decode() == response
    received = consume(response, SIGNER)
    # An empty value is an empty element, whose text lxml says to be None.
    assert [value or "" for value in received.attributes["role"]] == list(values)
    assert received.name_id == name_id.value


# --- what is signed stays as it was signed -------------------------------------------------------

POSTS = seeds.signed_posts(BIP)
QUERIES = seeds.signed_queries(BIP)
CONTENTS = [signed_content(post) for post in POSTS]


def unaltered(document: bytes) -> bool:
    """Whether libxmlsec1 and our checks say that BIP signed this document."""
    try:
        verify_element(xml.parse(document), [BIP.certificate])
    except ProtocolError:
        return False
    return True


@settings(max_examples=400)
@given(MUTATORS, st.integers(0, len(POSTS) - 1))
def test_an_altered_document_is_not_what_was_signed(mutator: Mutator, number: int) -> None:
    altered = mutator.document(POSTS[number])
    assert unaltered(POSTS[number])
    if unaltered(altered):
        assert signed_content(altered) == CONTENTS[number]


@settings(max_examples=200)
@given(st.integers(0, len(POSTS[0]) - 1), st.binary(min_size=1, max_size=3))
def test_bytes_of_a_signed_document_cannot_be_exchanged(at: int, instead: bytes) -> None:
    altered = POSTS[0][:at] + instead + POSTS[0][at + len(instead) :]
    if unaltered(altered):
        assert signed_content(altered) == CONTENTS[0]


@given(st.sampled_from(QUERIES), st.integers(0, 10_000), st.integers(1, 255))
def test_altered_octets_are_not_what_was_signed(query: bytes, at: int, change: int) -> None:
    signature = decode_redirect(query.decode()).signature
    assert signature is not None
    certificates = [BIP.certificate]
    verify_octets(signature.octets, signature.algorithm, signature.value, certificates)
    octets = bytearray(signature.octets)
    octets[at % len(octets)] ^= change
    with pytest.raises(SignatureRefused):
        verify_octets(bytes(octets), signature.algorithm, signature.value, certificates)
    value = bytearray(signature.value)
    value[at % len(value)] ^= change
    with pytest.raises(SignatureRefused):
        verify_octets(signature.octets, signature.algorithm, bytes(value), certificates)


def test_the_signed_documents_hold_what_is_to_be_protected() -> None:
    assert len(set(CONTENTS)) == len(POSTS)
    assert all(BIP.entity_id.encode() in content for content in CONTENTS)
    assert b"SignatureValue" not in CONTENTS[0]
    assert b64decode(encode_post("é")) == "é".encode()
