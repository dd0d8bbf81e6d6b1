"""HTTP-Redirect and HTTP-POST, decoded within bounds."""

import zlib
from base64 import b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import ProtocolError, RequestRefused, SignatureRefused, UnreadableMessage
from idp.saml.bindings import (
    MAX_ENCODED,
    MAX_INFLATED,
    check_relay_state,
    decode_post,
    decode_redirect,
    encode_post,
    inflate,
)
from idp.types import Legacy


def deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def query_of(xml: bytes, rest: str = "") -> str:
    return f"SAMLRequest={quote_plus(b64encode(deflate(xml)))}{rest}"


def test_a_redirect_message_comes_out_as_it_went_in() -> None:
    message = decode_redirect(query_of(b"<a/>", "&RelayState=%C3%A9%20%2B+%0A"))
    assert message.xml == b"<a/>"
    assert message.relay_state == "é + \n"
    assert message.signature is None


def test_the_signed_octets_are_those_that_came_in_whatever_their_order() -> None:
    xml = quote(b64encode(deflate(b"<a/>")).decode()).replace("%2B", "%2b")
    query = f"Signature=YQ%3D%3D&RelayState=a%20b&SAMLRequest={xml}&SigAlg=urn%3aalg&other=1"
    signature = decode_redirect(query).signature
    assert signature is not None
    assert signature.octets == f"SAMLRequest={xml}&RelayState=a%20b&SigAlg=urn%3aalg".encode()
    assert (signature.algorithm, signature.value) == ("urn:alg", b"a")


def test_a_post_message_comes_out_as_it_went_in_and_is_never_inflated() -> None:
    deflated = deflate(b"<a/>")
    message = decode_post([("SAMLRequest", b64encode(deflated).decode()), ("RelayState", "é")])
    assert (message.xml, message.relay_state) == (deflated, "é")
    assert decode_post([("SAMLRequest", encode_post("<é/>"))]).xml == "<é/>".encode()


def test_base64_may_be_broken_into_lines() -> None:
    text = b64encode(b"<a>" + b"x" * 90 + b"</a>").decode()
    lines = "\r\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    assert decode_post([("SAMLRequest", lines)]).xml == b"<a>" + b"x" * 90 + b"</a>"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "SAMLRequest=",
        "SAMLRequest=%%%",
        "SAMLRequest=YQ%3D%3D",
        query_of(b"<a/>") + "&" + query_of(b"<a/>"),
        query_of(b"<a/>", "&RelayState=a&RelayState=b"),
        query_of(b"<a/>", "&SAMLResponse=a"),
        query_of(b"<a/>", "&RelayState=%FF"),
        query_of(b"<a/>", "&Signature=YQ%3D%3D"),
        query_of(b"<a/>", "&SigAlg=x"),
        query_of(b"<a/>", "&SigAlg=x&%53ignature=AAAA"),
        query_of(b"<a/>", "&%53AMLRequest=AAAA"),
        query_of(b"<a/>", "&Relay%53tate=a"),
        query_of(b"<a/>", "&SAMLEncoding=urn%3Aother"),
        f"SAMLRequest={'A' * (MAX_ENCODED + 4)}",
        f"SAMLRequest={quote_plus(b64encode(deflate(b'<a/>') + b'more'))}",
        f"SAMLRequest={quote_plus(b64encode(deflate(b'<a>' + b'x' * 500)[:-4]))}",
    ],
)
def test_unreadable_redirect_queries(query: str) -> None:
    with pytest.raises(UnreadableMessage):
        decode_redirect(query)


@pytest.mark.parametrize(
    "pairs",
    [[], [("SAMLRequest", "YQ=="), ("SAMLRequest", "YQ==")], [("SAMLRequest", "é")]],
)
def test_unreadable_forms(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(UnreadableMessage):
        decode_post(pairs)


@pytest.mark.parametrize("names", [("SigAlg", "Signature"), ("SigAlg",), ("Signature",)])
def test_a_signature_beside_a_posted_message_is_not_read_over(names: tuple[str, ...]) -> None:
    pairs = [("SAMLRequest", "YQ=="), *((name, "AAAA") for name in names)]
    with pytest.raises(SignatureRefused):
        decode_post(pairs)


def test_a_decompression_bomb_stops_at_the_bound_of_a_message() -> None:
    bomb = deflate(b"\0" * (50 * MAX_INFLATED))
    with pytest.raises(UnreadableMessage, match="once inflated"):
        inflate(bomb)


def test_a_relay_state_of_more_than_eight_kibibytes_is_not_decoded() -> None:
    assert decode_redirect(query_of(b"<a/>", f"&RelayState={'a' * 8192}")).relay_state == "a" * 8192
    with pytest.raises(RequestRefused):
        decode_redirect(query_of(b"<a/>", f"&RelayState={'%C3%A9' * 4097}"))


def test_a_relay_state_of_more_than_one_kibibyte_needs_an_exception() -> None:
    for text in ("a" * 1024, "é" * 512, None):
        assert check_relay_state(text, ()) == text
    for exceptions in ((), (Legacy.SHA1_SIGNATURE,)):
        with pytest.raises(RequestRefused):
            check_relay_state("é" * 513, exceptions)
    allowed = frozenset({Legacy.LONG_RELAY_STATE})
    assert check_relay_state("é" * 4096, allowed) == "é" * 4096
    with pytest.raises(RequestRefused):
        check_relay_state("é" * 4097, allowed)


def test_a_relay_state_with_a_nul_is_refused() -> None:
    """No page can give it back: browsers read U+FFFD in its place."""
    with pytest.raises(RequestRefused):
        decode_redirect(query_of(b"<a/>", "&RelayState=a%00b"))
    with pytest.raises(RequestRefused):
        decode_post([("SAMLRequest", "YQ=="), ("RelayState", "\0")])


@given(st.text(max_size=200))
def test_any_query_is_decoded_or_refused(query: str) -> None:
    try:
        decode_redirect(query)
    except ProtocolError:
        return
    assert "SAMLRequest" in query
