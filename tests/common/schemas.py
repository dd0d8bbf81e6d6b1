"""Every message of the product is held against the schemas of the standards; nothing is fetched.

pysaml2 ships the OASIS and W3C ones, Debian's Shibboleth that of ``shibmd:Scope``.
"""

import zlib
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, urlsplit

from lxml import etree, html

SHIBBOLETH = Path("/usr/share/xml/shibboleth")
"""Where Debian's ``shibboleth-sp-common`` has its schemas; ``libapache2-mod-shib`` brings it."""
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
PARAMETERS = ("SAMLRequest", "SAMLResponse")

# What a message may hold; each schema imports more (saml, ds, xenc).
_MESSAGES = {
    "urn:oasis:names:tc:SAML:2.0:protocol": "saml-schema-protocol-2.0.xsd",
    "http://schemas.xmlsoap.org/soap/envelope/": "envelope.xsd",
}
_DESCRIPTIONS = {
    "urn:oasis:names:tc:SAML:2.0:metadata": "saml-schema-metadata-2.0.xsd",
    "urn:oasis:names:tc:SAML:metadata:ui": "sstc-saml-metadata-ui-v1.0.xsd",
    "urn:oasis:names:tc:SAML:metadata:algsupport": "sstc-saml-metadata-algsupport-v1.0.xsd",
    "urn:oasis:names:tc:SAML:metadata:attribute": "sstc-metadata-attr.xsd",
    "urn:mace:shibboleth:metadata:1.0": "shibboleth-metadata-1.0.xsd",
}


class _Installed(etree.Resolver):
    """Finds each schema by its file name in what is installed, never on the network."""

    def resolve(self, system_url: str, public_id: str, context: object) -> object:
        del public_id
        name = system_url.rpartition("/")[2]
        return self.resolve_string(_text(name), context, base_url=name)


def _text(name: str) -> bytes:
    if name.endswith(".dtd"):
        return b""  # the DTD of XML Schema itself: entities of its own documentation
    if name.startswith("shibboleth"):
        return (SHIBBOLETH / name).read_bytes()
    return (files("saml2.data.schemas") / name).read_bytes()


# libxml2 builds no two schemas at once, and one keeps its errors to itself.
_one_at_a_time = Lock()


@cache
def _schema(*, of_metadata: bool) -> etree.XMLSchema:
    """One schema of all these namespaces: what it knows is checked wherever it stands."""
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Installed())
    imports = "".join(
        f'<xs:import namespace="{namespace}" schemaLocation="{name}"/>'
        for namespace, name in (_DESCRIPTIONS if of_metadata else _MESSAGES).items()
    )
    together = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'
    return etree.XMLSchema(etree.fromstring(together, parser))


def check(root: etree._Element) -> None:
    """See that a message, an assertion, an envelope or a metadata document validates.

    Raises:
        DocumentInvalid: it does not.
    """
    with _one_at_a_time:
        _schema(of_metadata=root.tag.startswith(METADATA)).assertValid(root)


def read(octets: bytes) -> etree._Element:
    """The document in these octets, which validates.

    Raises:
        DocumentInvalid: it does not.
    """
    root = etree.fromstring(octets)
    check(root)
    return root


class Watched:
    """A WSGI application, each SAML document of which is checked on its way out.

    So nothing escapes that a test does not look at: Responses and LogoutRequests in pages, messages
    in redirections, SOAP envelopes, metadata. What is encrypted is ``FakeSP``'s to check.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self.registry = app.registry  # type: ignore[attr-defined]

    def __call__(
        self, environ: dict[str, object], start_response: Callable[..., object]
    ) -> Iterable[bytes]:
        told: dict[str, str] = {}

        def start(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
            told.update((name.lower(), value) for name, value in headers)
            return start_response(status, headers, *rest)

        pieces = self._app(environ, start)
        if not told.get("content-type", "").startswith(("text/", "application/samlmetadata")):
            return pieces
        try:
            octets = b"".join(pieces)
        finally:
            getattr(pieces, "close", lambda: None)()
        for document in documents(told, octets):
            read(document)
        return [octets]


def documents(headers: dict[str, str], octets: bytes) -> Iterator[bytes]:
    """The SAML documents of one answer; the headers' names in lower case."""
    query = parse_qs(urlsplit(headers.get("location", "")).query)
    for name in PARAMETERS:
        for value in query.get(name, ()):
            yield zlib.decompress(b64decode(value), wbits=-15)
    kind = headers.get("content-type", "").partition(";")[0]
    if kind == "text/html" and b"SAMLRe" in octets:
        for form in html.fromstring(octets).forms:
            yield from (b64decode(v) for name, v in form.form_values() if name in PARAMETERS)
    elif kind in {"text/xml", "application/samlmetadata+xml"} and octets:
        yield octets
