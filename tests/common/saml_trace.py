"""The SAML messages that passed through a :class:`~tests.common.web_visitor.WebVisitor`."""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

from lxml import etree

from tests.common.fake_sp import NS
from tests.common.sp_sites import POST, REDIRECT
from tests.common.web_visitor import Page


@dataclass(frozen=True)
class Request:
    """A message as the browser carried it: an AuthnRequest, or one of a logout."""

    binding: str
    xml: etree._Element
    signed: bool


@dataclass(frozen=True)
class Response:
    """A Response as we sent it; ``xml`` is the root."""

    xml: etree._Element
    relay_state: str | None

    @property
    def response_signed(self) -> bool:
        """Whether the Response itself carries a Signature."""
        return self.xml.find("ds:Signature", NS) is not None

    @property
    def encrypted(self) -> bool:
        """Whether the assertion is encrypted."""
        return self.xml.find("saml:EncryptedAssertion", NS) is not None

    @property
    def assertion(self) -> etree._Element:
        """The assertion in clear."""
        return self.xml.find("saml:Assertion", NS)

    @property
    def assertion_signed(self) -> bool:
        """Whether the assertion in clear carries a Signature."""
        return self.assertion.find("ds:Signature", NS) is not None

    @property
    def authn_instant(self) -> datetime:
        """When the password was asked."""
        statement = self.assertion.find("saml:AuthnStatement", NS)
        return datetime.fromisoformat(statement.get("AuthnInstant"))

    @property
    def name_id_format(self) -> str:
        """The NameID's format."""
        return str(self.assertion.find("saml:Subject/saml:NameID", NS).get("Format"))

    @property
    def name_formats(self) -> set[str]:
        """The NameFormats of the attributes."""
        return {node.get("NameFormat") for node in self.xml.iterfind(".//saml:Attribute", NS)}


def requests(trace: Iterable[Page]) -> list[Request]:
    """The AuthnRequests and LogoutRequests in this trace, in order."""
    return [found for page in trace if (found := _carried(page, "SAMLRequest")) is not None]


def logout_messages(trace: Iterable[Page], sender: str) -> list[Request]:
    """What this entityID said about a logout in this trace, in order."""
    found = [_carried(page, name) for page in trace for name in ("SAMLRequest", "SAMLResponse")]
    return [
        one
        for one in found
        if one is not None
        and etree.QName(one.xml).localname in {"LogoutRequest", "LogoutResponse"}
        and one.xml.findtext("saml:Issuer", namespaces=NS) == sender
    ]


def _carried(page: Page, name: str) -> Request | None:
    query = dict(parse_qsl(urlsplit(page.url).query))
    if name in page.fields:
        root = etree.fromstring(b64decode(page.fields[name]))
        return Request(POST, root, root.find("ds:Signature", NS) is not None)
    if name in query:
        return Request(REDIRECT, etree.fromstring(inflated(query[name])), "Signature" in query)
    return None


def responses(trace: Iterable[Page]) -> list[Response]:
    """The Responses in this trace, in order."""
    return [
        Response(
            etree.fromstring(b64decode(page.fields["SAMLResponse"])), page.fields.get("RelayState")
        )
        for page in trace
        if "SAMLResponse" in page.fields
    ]


def inflated(value: str) -> bytes:
    """The message of a Redirect query."""
    return zlib.decompress(b64decode(value), wbits=-15)


def with_request(url: str, message: bytes) -> str:
    """The same Redirect address with another message; fits unsigned ones only."""
    parts = urlsplit(url)
    compressor = zlib.compressobj(wbits=-15)
    deflated = compressor.compress(message) + compressor.flush()
    query = dict(parse_qsl(parts.query)) | {"SAMLRequest": b64encode(deflated).decode()}
    return parts._replace(query=urlencode(query)).geturl()
