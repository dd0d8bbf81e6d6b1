"""Values that travel between the rooms. All frozen; none knows a database, a request or XML.

What service providers send is in :mod:`idp.messages`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Binding(StrEnum):
    """How a message travels. [SAMLBind] 3."""

    REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
    POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
    SOAP = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"
    ARTIFACT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"


class NameIDFormat(StrEnum):
    """The formats that this IdP can issue. [SAMLCore] 8.3."""

    EMAIL_ADDRESS = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
    PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
    TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
    UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"


class NameFormat(StrEnum):
    """How an attribute's name is to be read. [SAMLCore] 8.2."""

    BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
    URI = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
    UNSPECIFIED = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"


class AuthnContext(StrEnum):
    """How the person signed in. [SAMLAuthnCxt] 3.4."""

    PASSWORD_PROTECTED_TRANSPORT = (
        "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"  # noqa: S105
    )
    PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"  # noqa: S105 - a class's name
    UNSPECIFIED = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"


class Sign(StrEnum):
    """What is signed for a service provider; never nothing."""

    BOTH = "both"
    RESPONSE = "response"
    ASSERTION = "assertion"


class Encrypt(StrEnum):
    """Whether the assertion is encrypted: ``auto`` follows the SP's metadata."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Requests(StrEnum):
    """Which AuthnRequests are taken: ``any`` leaves it to the SP's metadata."""

    ANY = "any"
    SIGNED = "signed"


class Refusals(StrEnum):
    """Who learns that a person backed out or may not enter: he, or the SP as well."""

    PAGE = "page"
    STATUS = "status"


class Structures(StrEnum):
    """What an SP receives of a person with roles in several structures."""

    ASK = "ask"
    SCOPED = "scoped"
    PARALLEL = "parallel"


class Legacy(StrEnum):
    """A departure from saml2int that an old SP needs: granted for a time, never for good.

    ``sha1-signature`` takes its RSA-SHA1 signatures, ``sha1-signing`` signs for it with RSA-SHA1.
    """

    SHA1_SIGNATURE = "sha1-signature"
    SHA1_SIGNING = "sha1-signing"
    UNENCRYPTED = "unencrypted"
    UNSIGNED_RESPONSE = "unsigned-response"
    DELIMITED_ROLES = "delimited-roles"
    UNSPECIFIED_NAME_FORMAT = "unspecified-nameformat"
    LONG_RELAY_STATE = "long-relay-state"


class Source(StrEnum):
    """What a release rule draws a value from."""

    MAIL = "mail"
    UID = "uid"
    GIVEN_NAME = "givenName"
    SN = "sn"
    DISPLAY_NAME = "displayName"
    ROLE = "role"
    STRUCTURE = "structure"
    STRUCTURE_PATH = "structurePath"
    SIRET = "siret"
    SERVICE = "service"
    FUNCTION = "function"
    APPLICATION_ID = "applicationId"
    PHONE = "phone"
    SUBJECT_ID = "subject-id"
    PAIRWISE_ID = "pairwise-id"
    EDU_PERSON_PRINCIPAL_NAME = "eduPersonPrincipalName"
    CONSTANT = "constant"
    TEMPLATE = "template"


class SubjectIdReq(StrEnum):
    """Which subject identifier an SP says in its metadata that it needs. [SAMLSubj] 4."""

    SUBJECT_ID = "subject-id"
    PAIRWISE_ID = "pairwise-id"
    ANY = "any"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a SAML entity for one binding. [SAMLMeta] 2.2.2, 2.2.3."""

    binding: str
    location: str
    index: int | None = None
    is_default: bool | None = None
    response_location: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseRule:
    """One attribute that a service provider receives.

    ``argument`` is the text of a constant, or a template such as ``{givenName} {sn}``.
    """

    name: str
    source: Source
    name_format: NameFormat = NameFormat.BASIC
    friendly_name: str | None = None
    multi_valued: bool = False
    required: bool = False
    argument: str = ""


@dataclass(frozen=True, slots=True)
class RequestedAttribute:
    """An attribute that the SP asks for. [SAMLMeta] 2.4.4.2."""

    name: str
    name_format: str | None
    friendly_name: str | None
    required: bool

    def means(self, rule: ReleaseRule) -> bool:
        """Whether this rule sends it; without a NameFormat, any is right."""
        anything = self.name_format in {None, NameFormat.UNSPECIFIED}
        return self.name == rule.name and (anything or self.name_format == rule.name_format)


@dataclass(frozen=True, slots=True)
class AttributeConsumingService:
    """A set of attributes that an AuthnRequest may name by its index. [SAMLMeta] 2.4.4.1."""

    index: int | None
    requested: tuple[RequestedAttribute, ...]


@dataclass(frozen=True, slots=True)
class ServiceProvider:
    """A registered service provider: what its metadata says and how we answer it.

    Certificates are DER. ``encryption_methods`` are the algorithm URIs that the metadata lists
    beside the encryption key, in its order; empty when it says nothing. ``exceptions`` are those
    that hold now.
    """

    entity_id: str
    display_name: str
    assertion_consumer_services: tuple[Endpoint, ...]
    single_logout_services: tuple[Endpoint, ...] = ()
    signing_certificates: tuple[bytes, ...] = ()
    encryption_certificates: tuple[bytes, ...] = ()
    encryption_methods: tuple[str, ...] = ()
    authn_requests_signed: bool = False
    want_assertions_signed: bool = False
    name_id_formats: tuple[str, ...] = ()
    attribute_consuming_services: tuple[AttributeConsumingService, ...] = ()
    subject_id_req: SubjectIdReq | None = None
    rules: tuple[ReleaseRule, ...] = ()
    name_id_format: NameIDFormat = NameIDFormat.TRANSIENT
    sign: Sign = Sign.BOTH
    encrypt: Encrypt = Encrypt.AUTO
    structures: Structures = Structures.ASK
    requests: Requests = Requests.ANY
    refusals: Refusals = Refusals.PAGE
    enabled: bool = True
    exceptions: frozenset[Legacy] = frozenset()


@dataclass(frozen=True, slots=True)
class NameID:
    """An identifier of a person for one SP. [SAMLCore] 2.2.3. Without value: one we cannot read."""

    value: str
    format: str
    name_qualifier: str | None = None
    sp_name_qualifier: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """A person whose account is usable now.

    ``id`` is opaque, never changes and is never another's: SPs receive it as ``subject-id``, so it
    is written as [SAMLSubj] 3.3 says: at most 127 of ``A-Z a-z 0-9 = -``, the first no sign.
    ``photo`` is the digest of the person's photo, if he has one.
    """

    id: str
    login: str
    given_name: str
    sn: str
    password_changed_at: datetime | None = None
    photo: str | None = None


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role in force: ``value`` is what the SP receives, ``label`` what people read."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What one membership entitles a person to on one service provider, now.

    Facts: when read, the account was usable, the membership valid, the roles (never none) in force.
    """

    subject_id: str
    membership_id: str
    mail: str
    uid: str
    given_name: str
    sn: str
    structure_code: str
    structure_label: str
    structure_path: str
    roles: tuple[HeldRole, ...]
    siret: str | None = None
    service: str | None = None
    function: str | None = None
    application_id: str | None = None
    phone: str | None = None
    password_changed_at: datetime | None = None

    @property
    def display_name(self) -> str:
        """``Prénom Nom``, as attributes tell it."""
        return f"{self.given_name} {self.sn}"


@dataclass(frozen=True, slots=True)
class Referent:
    """Whom to ask: a référent administrateur, or the correspondant when there is none."""

    display_name: str
    mail: str


@dataclass(frozen=True, slots=True)
class NotEntitled:
    """Why a sign-on is refused, who can help, and what the application says if it is closed."""

    application_label: str
    referents: tuple[Referent, ...]
    closed_message: str | None = None


@dataclass(frozen=True, slots=True)
class Tile:
    """An application on the portal; ``entity_id`` None means a plain link to ``start_url``.

    ``closed_message`` set: shown disabled, with it. ``opens_at`` and ``closes_at`` bound the time
    in which it is open, past or to come.
    """

    code: str
    label: str
    description: str
    icon: str
    entity_id: str | None = None
    start_url: str | None = None
    closed_message: str | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RoleLine:
    """One line of the profile's table *Applications et Rôles*."""

    application_label: str
    role_label: str
    structure_path: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person reads about himself."""

    subject: Subject
    structure_paths: tuple[str, ...]
    roles: tuple[RoleLine, ...]


@dataclass(frozen=True, slots=True)
class ReleasedAttribute:
    """One Attribute of the AttributeStatement; ``values`` is never empty. [SAMLCore] 2.7.3.1."""

    name: str
    name_format: str
    values: tuple[str, ...]
    friendly_name: str | None = None


@dataclass(frozen=True, slots=True)
class ReleasedIdentity:
    """All that leaves about a person in one assertion."""

    name_id: NameID
    attributes: tuple[ReleasedAttribute, ...]


@dataclass(frozen=True, slots=True)
class SsoSession:
    """A browser's session at the IdP. ``key`` is what the database knows it by (a hash).

    ``choices``: entityID → id of the membership for which the person works on that SP.
    """

    key: str
    subject_id: str
    authn_instant: datetime
    authn_context: str
    started_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    aia_until: datetime | None = None
    choices: Mapping[str, str] = field(default_factory=dict)

    def outdated(self, password_changed_at: datetime | None) -> bool:
        """Whether the password was changed since this session's was checked."""
        return password_changed_at is not None and password_changed_at > self.authn_instant


@dataclass(frozen=True, slots=True)
class SpSession:
    """A session that an assertion opened at a service provider; ``kid`` is the key that signed."""

    entity_id: str
    name_id: NameID
    session_index: str
    started_at: datetime
    expires_at: datetime
    kid: str | None = None
