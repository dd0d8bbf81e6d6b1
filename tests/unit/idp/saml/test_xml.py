"""The one door through which XML comes in."""

import gc
from pathlib import Path
from secrets import token_hex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from idp.errors import UnreadableMessage
from idp.saml.xml import DOCUMENT, MESSAGE, parse, text_of

DEEP = b"<a>" * 80 + b"</a>" * 80
WIDE = b"<a>" + b"<b/>" * 1_000 + b"</a>"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "well-formed"),
        (b"<a>", "well-formed"),
        (b"<a/><b/>", "well-formed"),
        ("<a>é</a>".encode("latin-1"), "UTF-8"),
        (b'<?xml version="1.0" encoding="utf-8"?><!DOCTYPE a><a/>', "DTD"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "DTD"),
        (b'<!DOCTYPE a SYSTEM "http://localhost/x.dtd"><a/>', "DTD"),
        (b"<a>\0</a>", "NUL"),
        (b'<a ID="1"><b ID="1"/></a>', "same ID"),
        (b'<a ID="1"><b Id="1"/></a>', "same ID"),
        (DEEP, "deep"),
        (WIDE, "many elements"),
        (b"<a " + b" ".join(b'a%d=""' % n for n in range(1_001)) + b"/>", "many elements"),
        (b"<a>" + b" " * MESSAGE.octets + b"</a>", "bytes of XML"),
        (b'<?xml version="1.0" encoding="UTF-16"?><a/>', "b'UTF-16', which"),
        (b"\xef\xbb\xbf<?xml version='1.0' encoding = 'IBM037'?><a/>", "b'IBM037', which"),
        (b'<?xml version="1.0" encoding="UTF-7" standalone="yes"?><a/>', "b'UTF-7', which"),
        (b'<?xml version="1.0"\n encoding="x-foo"?><a/>', "b'x-foo', which"),
        ('<?xml version="1.0" encoding="us-ascii"?><a>é</a>'.encode(), "b'us-ascii', which"),
        (b"<a>&undefined;</a>", "well-formed"),
    ],
)
def test_what_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableMessage, match=why):
        parse(data)


@pytest.mark.parametrize("declared", ["UTF-8", "utf-8", "ASCII", "us-ascii"])
def test_utf_8_may_be_declared(declared: str) -> None:
    assert parse(f'<?xml version="1.0" encoding="{declared}"?><a>x</a>'.encode()).text == "x"


def test_metadata_may_be_larger_than_a_message() -> None:
    large = b"<a>" + b"<b/>" * (DOCUMENT.tags - 2) + b"</a>"
    assert len(parse(large, DOCUMENT)) == DOCUMENT.tags - 2
    with pytest.raises(UnreadableMessage, match="many elements"):
        parse(large.replace(b"</a>", b"<b/></a>"), DOCUMENT)


def test_names_that_nobody_wrote_before_do_not_stay_in_memory() -> None:
    """Lxml keeps the names that a thread has seen, for as long as the thread lives."""

    def parse_names(times: int) -> int:
        for _ in range(times):
            names = b"".join(b"<n%s/>" % token_hex(50).encode() for _ in range(900))
            parse(b"<a>" + names + b"</a>")
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096

    before = parse_names(20)
    assert parse_names(300) - before < 10_000_000  # of 28 MB that were sent


def test_what_could_not_be_parsed_does_not_stay_in_memory() -> None:
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(UnreadableMessage):
            parse(b"<a>")
        assert not [each for each in gc.get_objects() if isinstance(each, etree.XMLSyntaxError)]
    finally:
        gc.enable()


def test_white_space_is_what_xml_calls_so() -> None:
    assert text_of(parse(b"<a> \t\r\n x y\n</a>")) == "x y"
    foreign = "\u00a0x\u2003"
    assert text_of(parse(f"<a> {foreign} </a>".encode())) == foreign


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
