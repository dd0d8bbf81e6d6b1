"""What service providers send, and what becomes of it: values, like those of :mod:`idp.types`.

A value changes type when it changes trust: an :class:`AuthnRequest` is what a stranger wrote, an
:class:`AcceptedRequest` is what every check let through.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from idp.types import Binding, NameID


@dataclass(frozen=True, slots=True)
class NameIDPolicy:
    """What the SP asks of the identifier. [SAMLCore] 3.4.1.1."""

    format: str | None = None
    sp_name_qualifier: str | None = None
    allow_create: bool = False


@dataclass(frozen=True, slots=True)
class RequestedAuthnContext:
    """How the SP wants the person to have signed in. [SAMLCore] 3.3.2.2.1."""

    class_refs: tuple[str, ...]
    comparison: str = "exact"
    declaration_refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the SP asks of the assertion's validity. [SAMLCore] 2.5.1, 3.4.1.

    One tuple an AudienceRestriction; ``unknown``: a condition of a kind that no standard names.
    """

    not_before: datetime | None = None
    not_on_or_after: datetime | None = None
    audiences: tuple[tuple[str, ...], ...] = ()
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class AuthnRequest:
    """An AuthnRequest as a stranger wrote it: nothing here has been checked. [SAMLCore] 3.4.1."""

    id: str
    version: str
    issue_instant: datetime
    issuer: str
    destination: str | None = None
    acs_url: str | None = None
    acs_index: int | None = None
    attribute_consuming_service_index: int | None = None
    protocol_binding: str | None = None
    force_authn: bool = False
    is_passive: bool = False
    provider_name: str | None = None
    subject: NameID | None = None
    confirmed: bool = False
    name_id_policy: NameIDPolicy | None = None
    requested_authn_context: RequestedAuthnContext | None = None
    conditions: Conditions = Conditions()


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """A sign-on that every check let through; ``message_id`` is None when the IdP started it.

    ``acs`` is the metadata's, never the message's. ``unsupported``: what it asks that nobody gets
    here, in English for the SP's developer. ``met_by``: key of the session that met ForceAuthn.
    """

    entity_id: str
    acs: str
    received_at: datetime
    message_id: str | None = None
    relay_state: str | None = None
    name_id_policy: NameIDPolicy | None = None
    requested_authn_context: RequestedAuthnContext | None = None
    subject: NameID | None = None
    force_authn: bool = False
    is_passive: bool = False
    provider_name: str | None = None
    attribute_consuming_service_index: int | None = None
    unsupported: str | None = None
    met_by: str | None = None


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A LogoutRequest as a stranger wrote it: nothing here has been checked. [SAMLCore] 3.7.1.

    ``name_id`` is None when it is encrypted.
    """

    id: str
    version: str
    issue_instant: datetime
    issuer: str
    destination: str | None = None
    not_on_or_after: datetime | None = None
    name_id: NameID | None = None
    session_indexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AcceptedLogout:
    """A logout that an SP asks for and that every check let through.

    No ``session_indexes``: every session of that person at that SP is meant. [SAMLCore] 3.7.1.
    """

    entity_id: str
    message_id: str
    binding: Binding
    name_id: NameID
    session_indexes: tuple[str, ...] = ()
    relay_state: str | None = None


@dataclass(frozen=True, slots=True)
class LogoutResponse:
    """What an SP says about a LogoutRequest of ours; not checked yet. [SAMLCore] 3.7.2."""

    id: str
    version: str
    issue_instant: datetime
    issuer: str
    in_response_to: str
    status: str
    sub_status: str | None = None
    destination: str | None = None


class TaskState(StrEnum):
    """How far an SP is told that a session is over.

    ``open``: it offers no way to tell it; its session lasts until its own end.
    """

    WAITING = "waiting"
    TOLD = "told"
    CLOSED = "closed"
    FAILED = "failed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class LogoutTask:
    """An SP to tell that a session is over; one LogoutRequest may end several of its sessions.

    ``by_person``: somebody signed out; otherwise a lock, a withdrawn role… ended the session.
    ``in_browser``: it was a session of the browser that goes through the sign-out, so that this
    browser may tell the SP; another browser's cookies would be missing.
    """

    id: int
    entity_id: str
    subject_id: str
    name_id: NameID
    session_indexes: tuple[str, ...]
    in_browser: bool
    state: TaskState
    request_id: str | None
    attempts: int
    expires_at: datetime
    by_person: bool


@dataclass(frozen=True, slots=True)
class Logout:
    """A sign-out under way: who asked (an SP, or None: the portal) and whom to tell.

    ``known``: the SP that asked had such a session.
    """

    id: int
    initiator: AcceptedLogout | None
    known: bool
    tasks: tuple[LogoutTask, ...]
