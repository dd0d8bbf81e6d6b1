"""What lists of people are asked for, and what they answer."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from directory import states
from idp.errors import DirectoryError

Line = TypeVar("Line")

SIZES = (10, 20, 50, 100)
"""Lines of a page."""

COUNTED = 1_000
"""Up to here counts are exact: counting further would cost more than the page itself."""

COUNTED_FOUND = 300
"""The same of what is searched for: each is looked at, where others are told by an index."""

COUNTED_NAMED = 3_000
"""The same of those whom name and first name find: two indexes tell them at once."""

FEWEST_LETTERS = 3
"""Of a search for candidates."""


class Sort(StrEnum):
    """What a list is sorted by; the values stand in addresses."""

    NAME = "nom"
    GIVEN_NAME = "prenom"
    MAIL = "adresse"
    STRUCTURE = "structure"
    LAST = "activite"
    """The last sign-in, no more exactly than lists show it: never, long ago, lately."""


class State(StrEnum):
    """What a list of people may be narrowed to."""

    ACTIVE = states.ACTIVE
    LOCKED = states.LOCKED
    FUTURE = states.FUTURE
    EXPIRED = states.EXPIRED
    NEVER = states.NEVER_CAME
    SUSPENDED = states.SUSPENDED
    """Of the membership in scope."""


class SearchTooShort(DirectoryError):
    """A search for candidates needs three characters."""

    public_text = "Veuillez saisir au moins 3 caractères pour effectuer une recherche"


@dataclass(frozen=True, slots=True)
class Criteria:
    """*Recherche par critères*; an empty one does not narrow.

    Names, ``mail`` and ``identifier`` are found anywhere in what is recorded, whatever the accents
    and the case. ``structure``, ``application``, ``role`` are codes; ``below`` includes what is
    beneath the structure; ``state`` is a :class:`State`. ``text`` is the *Filtrer* box: each of its
    words must stand in the name, first name, mail, identifier or structure's label.
    """

    sn: str = ""
    given_name: str = ""
    mail: str = ""
    identifier: str = ""
    structure: str = ""
    below: bool = True
    application: str = ""
    role: str = ""
    state: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """``exact`` False: there are more than ``number``."""

    number: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[Line]):
    """Some lines; ``first`` is the position of the first, from 1.

    ``before`` and ``after`` are opaque positions of the neighbouring pages, None where there is
    none.
    """

    lines: tuple[Line, ...]
    first: int
    total: Count
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class StructureName:
    """A structure as lists show it."""

    code: str
    label: str
    label_path: str


@dataclass(frozen=True, slots=True)
class PersonLine:
    """A person, with what lies within the actor's scope.

    ``state`` and ``activity`` as in :mod:`directory.states`; ``invitation``: *mail non remis*,
    *jamais connecté* or empty. Of somebody else who confirmed none of those memberships ``state``
    is *à confirmer*, and the other three are empty.
    """

    subject_id: str
    mail: str
    sn: str
    given_name: str
    state: str
    activity: str
    structures: tuple[StructureName, ...]
    has_photo_digest: str | None
    invitation: str


@dataclass(frozen=True, slots=True)
class MemberLine:
    """A membership; ``membership_id`` is its public one.

    ``state`` is *à confirmer* while this membership is, since the account's may not be seen; but
    not of whoever asks.
    """

    membership_id: str
    subject_id: str
    mail: str
    sn: str
    given_name: str
    state: str
    membership_state: str
    structure: StructureName
    function: str | None
    service: str | None


@dataclass(frozen=True, slots=True)
class HolderLine(MemberLine):
    """A membership that holds a role, in force or not; ``granted_by`` in words."""

    valid_from: datetime | None
    valid_until: datetime | None
    granted_by: str
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class CandidateLine(MemberLine):
    """A membership that may get a role; ``held``: it has it already, in force or to come.

    ``begins``: when it is to come.
    """

    held: bool
    begins: datetime | None
