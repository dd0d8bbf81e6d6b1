"""Decoders and parsers: what they raise, and what they return, is what their docstrings say."""

from datetime import UTC, timedelta
from urllib.parse import parse_qsl, urlsplit

from lxml import etree

from idp.errors import MetadataError, ProtocolError, UnreadableMessage
from idp.saml import authn_request, bindings, canonical, instants, xml
from idp.types import Binding
from metadata import parser, reading
from tests.common.clock import START
from tests.fuzz.broken import demand


def redirect(data: bytes) -> bool:
    """A query string, as a server hands it over."""
    query = data.decode("latin-1")
    try:
        message = bindings.decode_redirect(query)
    except ProtocolError:
        return False
    _bounded(message)
    if message.signature is not None:
        octets = message.signature.octets.decode()
        demand(all(part in query for part in octets.split("&")), "signed octets as they came")
    return True


def form(data: bytes) -> bool:
    """A form, as WebOb reads it."""
    pairs = parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True)
    try:
        message = bindings.decode_post(pairs)
    except ProtocolError:
        return False
    _bounded(message)
    demand(message.relay_state == dict(pairs).get("RelayState"), "RelayState to the byte")
    demand(message.signature is None, "no detached signature in a form")
    return True


def _bounded(message: bindings.Message) -> None:
    limit = bindings.MAX_INFLATED if message.binding is Binding.REDIRECT else bindings.MAX_ENCODED
    demand(len(message.xml) <= limit, "a bounded message")
    demand(len((message.relay_state or "").encode()) <= bindings.LONGEST_RELAY_STATE, "RelayState")


def request(data: bytes) -> bool:
    """An AuthnRequest document."""
    try:
        root = xml.parse(data)
        parsed = authn_request.parse(root)
    except UnreadableMessage:
        return False
    demand(len(parsed.id) <= 256, "a bounded ID")
    demand(0 < len(parsed.issuer) <= 1024, "a bounded Issuer")
    demand(parsed.issue_instant.tzinfo is UTC, "IssueInstant in UTC")
    demand(parsed.acs_index is None or 0 <= parsed.acs_index <= 65535, "an index")
    # What was read is what the whole document says, whoever reads it again.
    again = authn_request.parse(xml.parse(xml.canonicalize(root)))
    demand(again == parsed, "the canonical form says the same")
    return True


def metadata(data: bytes) -> bool:
    """An SP's EntityDescriptor."""
    try:
        parsed = parser.parse(data, now=START)
    except MetadataError as error:
        demand(error.public and error.public.isprintable(), "a refusal that can be read")
        return False
    services = parsed.assertion_consumer_services
    demand(any(each.binding == Binding.POST for each in services), "somewhere to answer")
    for each in (*services, *parsed.single_logout_services):
        _web_address(each.location)
    entity_id = parsed.entity_id
    demand(entity_id and entity_id.isprintable(), "an entityID without invisible characters")
    demand(all(each.isprintable() for each in parsed.warnings), "warnings that can be read")
    return True


def value(data: bytes) -> bool:
    """A date, a URL, a number, a truth, or any text in canonical XML: the first letter says."""
    readers = {"d": _date, "u": _url, "n": _number, "c": _truth, "x": _text}
    text = data[1:].decode("utf-8", "replace")
    return readers.get(data[:1].decode("latin-1"), _date)(text)


def _date(text: str) -> bool:
    try:
        read = instants.instant(text)
    except UnreadableMessage:
        return False
    demand(read.utcoffset() == timedelta(0), "a date in UTC")
    again = instants.instant(instants.write_instant(read))
    demand(again == read.replace(microsecond=0), "a date that is written is read again")
    return True


def _url(text: str) -> bool:
    if not reading.is_absolute_http(text):
        return False
    _web_address(text)
    return True


def _web_address(url: str) -> None:
    parts = urlsplit(url)
    demand(parts.scheme in {"http", "https"} and parts.hostname, "a web address")
    demand(
        not set(url) & set(' "<>\\') and url.isprintable(), "no character that ends an attribute"
    )


def _attribute(text: str) -> etree._Element | None:
    element = etree.Element("x")
    try:
        element.set("index", text)
    except ValueError:
        return None
    return element


def _number(text: str) -> bool:
    element = _attribute(text)
    try:
        number = None if element is None else reading.index(element)
    except MetadataError:
        return False
    demand(number is None or 0 <= number <= 65535, "an unsigned short")
    return number is not None


def _truth(text: str) -> bool:
    element = _attribute(text)
    try:
        return element is not None and reading.boolean(element, "index") is not None
    except MetadataError:
        return False


def _text(text: str) -> bool:
    try:
        node = canonical.element("saml:AttributeValue", {"Name": text}, text)
        written = canonical.render(node)
    except ValueError:
        return False
    read = etree.fromstring(written.encode(), etree.XMLParser(resolve_entities=False))
    demand(xml.canonicalize(read).decode() == written, "canonical as lxml has it")
    demand(read.get("Name") == text and (read.text or "") == text, "what was written is read")
    return True
