"""The one door through which XML comes in: bounded, without DTD, entities or network.

[SAMLCore] 5.4 and saml2int forbid nothing less: whatever comes from outside is parsed here.
"""

import re
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread

from lxml import etree

from idp.errors import UnreadableMessage

Element = etree._Element  # noqa: SLF001 - lxml has no public name for its elements
"""An element, for those who only pass it on."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a document is read.

    All but the depth are counted before anything is parsed: a tree costs a thousand times the
    compressed message that it came in.
    """

    octets: int
    tags: int
    """Of ``<``: start and end tags, comments, instructions. No more elements than that."""
    equal_signs: int
    """No more attributes and namespace declarations than that."""
    depth: int = 64


MESSAGE = Limits(octets=128 * 1024, tags=1_000, equal_signs=1_000)
"""Of a protocol message, which anybody may send, many at once. Real ones have some ten elements."""
DOCUMENT = Limits(octets=2 * 1024 * 1024, tags=40_000, equal_signs=40_000)
"""Of metadata, which somebody registers, and of what we wrote ourselves."""
AGGREGATE = Limits(octets=20 * 1024 * 1024, tags=1_000_000, equal_signs=1_000_000)
"""Of what a federation publishes: only what the operator names is read so. [SAMLMeta] 2.3.1."""

ID_ATTRIBUTES = ("ID", "Id", "id", "AssertionID")
WHITE_SPACE = " \t\r\n"
"""XML's: str.strip() alone would take much more."""

_DOCTYPE = re.compile(rb"<!(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_DECLARED = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml\s[^>]*?encoding\s*=\s*[\"']([^\"'>]*)")


def parse(data: bytes, limits: Limits = MESSAGE) -> etree._Element:
    """The root element of a message or a metadata document.

    Comments and processing instructions are dropped before anything reads a value, so that text
    cannot be cut short by one.

    Raises:
        UnreadableMessage: too large, too deep, not well-formed, not UTF-8, a DTD, a duplicate ID.
    """
    _check_octets(data, limits)
    try:
        root = _tree(data)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableMessage(f"not well-formed XML: {error}") from error
    _check_elements(root, limits)
    return root


def canonicalize(element: etree._Element) -> bytes:
    """The element in exclusive canonical form, without comments."""
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def text_of(element: etree._Element) -> str:
    """All of an element's own text, XML's white space around it stripped."""
    return "".join(str(piece) for piece in element.itertext()).strip(WHITE_SPACE)


def _check_octets(data: bytes, limits: Limits) -> None:
    if len(data) > limits.octets:
        raise UnreadableMessage(f"{len(data)} bytes of XML, at most {limits.octets} are read")
    tags, equal_signs = data.count(b"<"), data.count(b"=")
    if tags > limits.tags or equal_signs > limits.equal_signs:
        raise UnreadableMessage(f"the XML has too many elements or attributes: {tags} tags")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableMessage("the XML is not UTF-8") from error
    declared = _DECLARED.match(data)
    if declared and not _is_utf_8(declared[1].upper(), data):
        raise UnreadableMessage(f"the XML says that it is {declared[1]!r:.80}, which is not UTF-8")
    if b"\0" in data or _DOCTYPE.search(data):
        raise UnreadableMessage("the XML carries a DTD or a NUL byte")


def _is_utf_8(declared: bytes, data: bytes) -> bool:
    # Some libraries write so what is ASCII, and so UTF-8 as well.
    return declared == b"UTF-8" or (declared in {b"ASCII", b"US-ASCII"} and data.isascii())


def _tree(data: bytes) -> etree._Element:
    """Parse in a thread of its own (0.1 ms).

    lxml keeps every name that it has seen for as long as the thread lives: a stranger who sends new
    names all the time would fill the memory of those that serve.
    """
    future: Future[etree._Element] = Future()
    thread = Thread(target=_read, args=(data, future), daemon=True)
    thread.start()
    thread.join()
    try:
        return future.result(timeout=0)
    finally:
        del future  # else it and the error's traceback hold each other, and the document


def _read(data: bytes, future: Future[etree._Element]) -> None:
    try:
        future.set_result(etree.fromstring(data, _parser()))
    except Exception as error:  # noqa: BLE001 - raised again where somebody waits
        future.set_exception(error)
        del future  # as in _tree


def _parser() -> etree.XMLParser:
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


def _check_elements(root: etree._Element, limits: Limits) -> None:
    seen: set[str] = set()
    for element, depth in _walk(root):
        if depth > limits.depth:
            raise UnreadableMessage("the XML is too deep")
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
