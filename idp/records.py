"""What is recorded about a person, as he may read it himself. Frozen, as :mod:`idp.types`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """An event of the journal, as the person it happened to may read it."""

    at: datetime
    code: str
    actor: str
    address: str
    entity_id: str | None
    target: str | None
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Reach:
    """Which changes somebody may read: what happened in these structures (None: everywhere).

    Of roles and requests only those of these ``applications`` (None: all).
    """

    structures: Collection[str] | None = None
    applications: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class About:
    """Of which person changes are read; ``since``: of his account, in no structure, none older.

    ``account`` False: of his account nothing at all. ``unless_own``: codes of which only what
    others did to him is told.
    """

    subject_id: str
    since: datetime | None = None
    unless_own: Collection[str] = ()
    account: bool = True


class Change(NamedTuple):
    """An event of the journal, as an administrator may read it: without any network address."""

    id: int
    at: datetime
    code: str
    actor: str
    subject_id: str | None
    target: str | None
    structure: str | None
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class MailNote:
    """That a mail was queued or sent; its texts are nobody's business but its reader's."""

    kind: str
    subject: str
    state: str
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as its owner sees it in his list.

    ``public_id`` names it in a form: neither the token nor what the database knows it by can be
    had from it. ``ended_at`` is set when it is over.
    """

    public_id: str
    user_agent: str
    address: str
    started_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    current: bool = False


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """By which persistent identifier one SP knows the person."""

    entity_id: str
    value: str
    created_at: datetime
