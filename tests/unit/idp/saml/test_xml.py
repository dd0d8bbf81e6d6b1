"""The one door through which XML comes in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import UnreadableMessage
from idp.saml.xml import MAX_BYTES, parse, text_of

DEEP = b"<a>" * 80 + b"</a>" * 80
WIDE = b"<a>" + b"<b/>" * 30_000 + b"</a>"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "well-formed"),
        (b"<a>", "well-formed"),
        (b"<a/><b/>", "well-formed"),
        ("<a>é</a>".encode("latin-1"), "UTF-8"),
        (b'<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>', "DTD"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "DTD"),
        (b'<!DOCTYPE a SYSTEM "http://localhost/x.dtd"><a/>', "DTD"),
        (b"<a>\0</a>", "NUL"),
        (b'<a ID="1"><b ID="1"/></a>', "same ID"),
        (b'<a ID="1"><b Id="1"/></a>', "same ID"),
        (DEEP, "deep"),
        (WIDE, "many elements"),
        (b"<a>" + b" " * MAX_BYTES + b"</a>", "bytes of XML"),
        (b"<a>&undefined;</a>", "well-formed"),
    ],
)
def test_what_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableMessage, match=why):
        parse(data)


def test_a_comment_cannot_cut_a_value_short() -> None:
    assert text_of(parse(b"<a>admin<!-- x -->@example</a>")) == "admin@example"


def test_a_processing_instruction_cannot_cut_a_value_short() -> None:
    root = parse(b"<a>admin<?x y?>@example</a>")
    assert text_of(root) == "admin@example"
    assert len(root) == 0


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except UnreadableMessage:
        return
    assert data.lstrip().startswith((b"<", b"\xef\xbb\xbf"))
