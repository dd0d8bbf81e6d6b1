"""What people ask for on the portal, and what they are told there: facts that pages show."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256


class NoticeLevel(StrEnum):
    """How loud a notice is."""

    INFO = "info"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice in force; ``application_code``: for those who may open that one alone.

    ``on_sign_in``: shown before the sign-in too.
    """

    id: int
    text: str
    level: NoticeLevel
    application_code: str | None = None
    on_sign_in: bool = False


class RequestState(StrEnum):
    """Where a request for access is."""

    PENDING = "pending"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Requestable:
    """An application that may be asked for."""

    code: str
    label: str
    description: str
    icon: str


@dataclass(frozen=True, slots=True)
class Workplace:
    """A structure for which the person works, with what he may ask for there, by label."""

    membership_id: str
    structure_label: str
    structure_path: str
    applications: tuple[Requestable, ...]


@dataclass(frozen=True, slots=True)
class WaitingRole:
    """A role that takes effect with the membership; ``valid_from``: not before that day."""

    application_label: str
    role_label: str
    valid_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class WaitingMembership:
    """A second structure's membership, until its person answers.

    ``added_by`` is a person's name, or says what added him; ``valid_from``: not before that day.
    """

    id: str
    structure_label: str
    structure_path: str
    added_by: str
    added_at: datetime
    function: str = ""
    service: str = ""
    valid_from: datetime | None = None
    roles: tuple[WaitingRole, ...] = ()

    @property
    def version(self) -> str:
        """A print of the structure as it is read: once it is moved, the answer was to another."""
        return sha256(self.structure_path.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class OwnRequest:
    """A request as the person who made it sees it; ``answered_by`` is a name, empty if unknown."""

    id: str
    application_label: str
    structure_label: str
    reason: str
    state: RequestState
    created_at: datetime
    answered_at: datetime | None = None
    answered_by: str = ""
    answer: str = ""
