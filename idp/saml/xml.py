"""The one door through which XML comes in: bounded, without DTD, entities or network.

[SAMLCore] 5.4 and saml2int forbid nothing less: whatever comes from outside is parsed here.
"""

import re
from collections.abc import Iterator

from lxml import etree

from idp.errors import UnreadableMessage

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 64
MAX_ELEMENTS = 20_000
ID_ATTRIBUTES = ("ID", "Id", "id", "AssertionID")

_DOCTYPE = re.compile(rb"<!(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)


def parse(data: bytes) -> etree._Element:
    """The root element of a message or a metadata document.

    Comments and processing instructions are dropped before anything reads a value, so that text
    cannot be cut short by one.

    Raises:
        UnreadableMessage: too large, too deep, not well-formed, not UTF-8, a DTD, a duplicate ID.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableMessage(f"{len(data)} bytes of XML, at most {MAX_BYTES} are read")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableMessage("the XML is not UTF-8") from error
    if b"\0" in data or _DOCTYPE.search(data):
        raise UnreadableMessage("the XML carries a DTD or a NUL byte")
    try:
        root = etree.fromstring(data, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableMessage(f"not well-formed XML: {error}") from error
    _check_bounds(root)
    return root


def canonicalize(element: etree._Element) -> bytes:
    """The element in exclusive canonical form, without comments."""
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def text_of(element: etree._Element) -> str:
    """All of an element's own text, white space around it stripped."""
    return "".join(str(piece) for piece in element.itertext()).strip()


def _parser() -> etree.XMLParser:
    # A new parser each time: lxml's parsers keep the names they have seen for as long as they live.
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
        collect_ids=False,
    )


def _check_bounds(root: etree._Element) -> None:
    seen: set[str] = set()
    for count, (element, depth) in enumerate(_walk(root)):
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise UnreadableMessage("the XML is too deep or has too many elements")
        for name in ID_ATTRIBUTES:
            value = element.get(name)
            if value is None:
                continue
            if value in seen:
                raise UnreadableMessage("two elements carry the same ID")
            seen.add(value)


def _walk(root: etree._Element) -> Iterator[tuple[etree._Element, int]]:
    depth = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            depth += 1
            yield element, depth
        else:
            depth -= 1
