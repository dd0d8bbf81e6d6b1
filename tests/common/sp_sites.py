"""The sites that each real SP program of ``tests/interop`` serves: how each asks and is answered.

A site is one service provider: its own entityID, registration and application, at a path of its
own on the program's host.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode

REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
SOAP = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"
ROLE, STRUCTURE = "role", "structure"


class Names(StrEnum):
    """The formats of NameIDs, as the command line calls them."""

    EMAIL = "emailAddress"
    PERSISTENT = "persistent"
    TRANSIENT = "transient"
    UNSPECIFIED = "unspecified"

    @property
    def urn(self) -> str:
        """As messages write it. [SAMLCore] 8.3."""
        version = "2.0" if self in {Names.PERSISTENT, Names.TRANSIENT} else "1.1"
        return f"urn:oasis:names:tc:SAML:{version}:nameid-format:{self}"


@dataclass(frozen=True)
class Site:
    """One service provider. The last six are options of ``convergences sp add``.

    ``logout`` is the binding by which it is told of a logout, None when it offers none; with SOAP,
    Redirect too. ``asks_by_soap``: it asks for one without the browser, where it can.
    """

    name: str
    binding: str = REDIRECT
    signs: bool = False
    logout: str | None = REDIRECT
    asks_by_soap: bool = False
    names: Names = Names.TRANSIENT
    attributes: str = "basic"
    sign: str = "both"
    encrypt: str = "never"
    structures: str = "ask"
    refusals: str = "page"

    @property
    def options(self) -> list[str]:
        """How it is registered."""
        return [
            *("--attributes", self.attributes, "--nameid", str(self.names), "--sign", self.sign),
            *("--encrypt", self.encrypt, "--structures", self.structures),
            *("--refusals", self.refusals),
        ]


SITES = {
    site.name: site
    for site in (
        Site("plain"),
        Site("signed", signs=True, logout=SOAP, names=Names.PERSISTENT, refusals="status"),
        Site("generated", signs=True, logout=SOAP, encrypt="auto"),
        Site("posted", POST, logout=POST, names=Names.UNSPECIFIED, sign="response"),
        Site(
            "posted-signed",
            POST,
            signs=True,
            logout=POST,
            names=Names.EMAIL,
            attributes="uri",
            sign="assertion",
        ),
        Site(
            "encrypted",
            signs=True,
            logout=SOAP,
            names=Names.PERSISTENT,
            attributes="uri",
            encrypt="always",
        ),
        Site(
            "sealed",
            POST,
            logout=SOAP,
            asks_by_soap=True,
            attributes="net-cap",
            sign="assertion",
            encrypt="always",
            refusals="status",
        ),
        Site("scoped", logout=None, names=Names.EMAIL, structures="scoped"),
        Site("parallel", attributes="site", structures="parallel"),
    )
}

# The name that a program shows, and the name that the uri rule sets send.
OIDS = {
    "uid": "urn:oid:0.9.2342.19200300.100.1.1",
    "mail": "urn:oid:0.9.2342.19200300.100.1.3",
    "givenName": "urn:oid:2.5.4.42",
    "sn": "urn:oid:2.5.4.4",
    "displayName": "urn:oid:2.16.840.1.113730.3.1.241",
    ROLE: "urn:oid:2.5.4.72",
    STRUCTURE: "urn:oid:2.5.4.11",
}
BASIC_NAMES = (*OIDS, "structurePath")


def names_sent(site: Site) -> dict[str, str]:
    """The attribute names of this site's rule set that are not the plain ones."""
    return OIDS if site.attributes in {"uri", "net-cap"} else {}


@dataclass(frozen=True)
class Session:
    """What a program tells the pages that it protects."""

    name_id: str
    attributes: Mapping[str, list[str]]


class RealSP(ABC):
    """A running SP program that people deploy; ``base`` is its origin."""

    name: str
    base: str

    def entity_id(self, site: Site) -> str:
        """Where its metadata is, too."""
        return f"{self.base}/{site.name}/metadata"

    def page(
        self, site: Site, *, session: bool = True, query: Mapping[str, str] | None = None
    ) -> str:
        """A page that wants a session; or one that is open, and shows the session that there is."""
        path = f"{self.base}/{site.name}/{'session' if session else 'open'}"
        return f"{path}?{urlencode(query)}" if query else path

    @abstractmethod
    def metadata(self, site: Site) -> bytes:
        """The EntityDescriptor that its operator hands to ours."""

    @abstractmethod
    def login(self, site: Site, *, target: str, passive: bool = False) -> str:
        """The address that starts a sign-on and ends at ``target``."""

    @abstractmethod
    def logout(self, site: Site, *, target: str) -> str:
        """The address that starts a logout and ends at ``target``."""

    @abstractmethod
    def acs(self, site: Site) -> str:
        """Where Responses are posted."""

    @abstractmethod
    def read(self, site: Site, body: bytes) -> Session | None:
        """What a page shows of the session; None without one."""

    @abstractmethod
    def complaints(self) -> list[str]:
        """The lines of warning and worse in its logs since it was asked last."""
