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
    """An AuthnRequest as an SP sent it."""

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
    """The AuthnRequests in this trace, in order."""
    found = []
    for page in trace:
        query = dict(parse_qsl(urlsplit(page.url).query))
        if "SAMLRequest" in page.fields:
            root = etree.fromstring(b64decode(page.fields["SAMLRequest"]))
            signed = root.find("ds:Signature", NS) is not None
            found.append(Request(POST, root, signed))
        elif "SAMLRequest" in query:
            root = etree.fromstring(inflated(query["SAMLRequest"]))
            found.append(Request(REDIRECT, root, "Signature" in query))
    return found


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
