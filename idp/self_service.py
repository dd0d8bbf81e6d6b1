"""What a person does with his own account: the contracts, which the directory fulfils.

``request.services.self_service`` gathers them; the setting ``idp.self_service`` names the function
that builds them from an :class:`idp.services.Core`. A directory that other tools manage may refuse
what it does not offer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from idp.asking import Notice, OwnRequest, WaitingMembership, Workplace
from idp.sessions.sign_in import SignedIn
from idp.types import Referent, SsoSession


class Purpose(StrEnum):
    """Why a link is asked for."""

    FIRST_VISIT = "first-visit"
    RESET = "reset"
    RENEWAL = "renewal"
    """The password was right and is too short for what its owner became."""


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What the password of one person must be; lengths in characters.

    ``words``: folded as by a search, of which it must not be made (his names and address, his
    structures, the organisation, what is guessed first).
    """

    minimum: int
    maximum: int
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PasswordLink:
    """A link that may be spent, and of whom it is; ``flow`` is the sign-on that waits, or empty."""

    login: str
    display_name: str
    purpose: Purpose
    flow: str
    policy: PasswordPolicy


class IPasswords(Protocol):
    """First visit, forgotten password, change."""

    def ask(self, login: str, purpose: Purpose, *, flow: str = "") -> None:
        """Note that somebody typed this address; whose it is, is looked up later by the worker.

        Costs and says the same for every address; beyond what is reasonable (an address, a
        network) it does nothing, without saying so.
        """

    def ask_again(self, token: str) -> bool:
        """As :meth:`ask`, for the address of a link that is over; False when it has none now."""

    def link(self, token: str) -> PasswordLink:
        """What this link is for. Spends nothing: mail scanners open links.

        Raises:
            LinkRefused: unknown, expired, used, replaced, or its account may not be used.
        """

    def spend(
        self, token: str, password: str, *, user_agent: str, current: SsoSession | None
    ) -> SignedIn:
        """Set the password, end every session of the person, open one, mail him.

        ``current`` is the session that this browser had until now. Must not be called inside a
        unit of work.

        Raises:
            LinkRefused: as :meth:`link`; of two who spend one link, the second.
            DirectoryError: the password does not meet the policy; the link stays.
            Busy: too many people wait for a password; the link stays.
        """

    def renew(self, subject_id: str, *, flow: str = "") -> str:
        """The token of a short-lived link for a person whose password was just found too short."""

    def policy(self, subject_id: str) -> PasswordPolicy:
        """What the password of this person must be.

        Raises:
            NotFound: nobody has this id.
        """

    def change(
        self, subject_id: str, old: str, new: str, *, keep: SsoSession, user_agent: str
    ) -> SignedIn:
        """Change the password of a person who is signed in, and mail him.

        His other sessions end. ``keep`` goes on as the session returned (its SP sessions too),
        under a new token: give it to the browser with :func:`idp.security.remember`. Must not be
        called inside a unit of work.

        Raises:
            BadCredentials: ``old`` is wrong (counted: see Throttled).
            Throttled: too many wrong ones.
            DirectoryError: ``new`` does not meet the policy, or is the old one.
            Busy: too many people wait for a password.
        """


@dataclass(frozen=True, slots=True)
class Square:
    """What is kept of a photo, in its own pixels once it stands upright: a corner and a side."""

    x: int
    y: int
    side: int


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it is shown: ``digest`` names it in its address, a new photo has a new one."""

    digest: str
    content_type: str
    image: bytes


PHOTO_TOO_LARGE = "Cette photo dépasse 2 Mo. Choisissez-en une plus légère."
"""Said where a photo was read, and where it was too large for that (:mod:`idp.multipart`)."""


class IPhotos(Protocol):
    """A person's photo, which he alone changes."""

    def prepare(self, upload: bytes, square: Square | None = None) -> Photo:
        """The small square photo made of this file; nothing is kept. Its middle, without a square.

        Raises:
            DirectoryError: no photo we read, too large, or the square is not inside.
            Busy: other photos are being made, one of this person's perhaps; nothing was done.
        """

    def keep(self, subject_id: str, upload: bytes, square: Square | None = None) -> str:
        """Make it the person's photo, instead of the one before; returns its digest.

        Raises:
            DirectoryError, Busy: see :meth:`prepare`.
            NotFound: this directory knows no such person.
        """

    def remove(self, subject_id: str) -> None:
        """The person has no photo any more; nothing happens when he had none."""

    def read(self, viewer: str, digest: str) -> Photo:
        """A photo, for the person himself (``viewer`` is a subject id) and who may see his sheet.

        Raises:
            NotFound, NotAllowed: there is none, or it is not for him; both answer alike.
        """


@dataclass(frozen=True, slots=True)
class Access:
    """A role that is held: ``granted_by`` is a person's name, or says what gave it."""

    application_label: str
    application_code: str
    role_label: str
    structure_path: str
    granted_by: str
    since: datetime
    until: datetime | None


class IRecord(Protocol):
    """What is recorded about a person, for himself."""

    def accesses(self, subject_id: str) -> tuple[Access, ...]:
        """The roles in force, by application, structure and role; empty for an unknown person."""

    def export(self, subject_id: str) -> Mapping[str, object]:
        """All that this directory holds about him, under French names: text, numbers, lists.

        Journalled (``account.data-exported``). Empty for an unknown person.
        """


class IAccessRequests(Protocol):
    """*Demander un accès*."""

    def workplaces(self, subject_id: str) -> tuple[Workplace, ...]:
        """Where the person works now, by path, with the applications that he may ask for there.

        Those that are open, that he holds no role of, and that his référents there administer (all,
        where there is no référent). One statement. Empty for an unknown person.
        """

    def own(self, subject_id: str) -> tuple[OwnRequest, ...]:
        """His requests that wait, and those answered within a month, newest first."""

    def ask(self, subject_id: str, membership_id: str, application: str, reason: str) -> None:
        """Ask the référents of that structure for the application of this code; they are mailed.

        Raises:
            NotFound: not a structure or an application of :meth:`workplaces`.
            AlreadyExists: the same request waits.
            TooMany: more than ten within a day.
            DirectoryError: the reason is empty or too long.
        """

    def withdraw(self, subject_id: str, request_id: str) -> None:
        """Take a request back.

        Raises:
            NotFound: no request of his has this id.
            AlreadyAnswered: a référent was faster, or it is withdrawn already.
        """

    def waiting(self, subject_id: str) -> int | None:
        """How many requests of others wait for his answer; None: he administers nothing."""


class IConfirmations(Protocol):
    """The memberships that another structure added: without effect until their person says yes."""

    def waiting(self, subject_id: str) -> tuple[WaitingMembership, ...]:
        """Those that wait for his answer, by path; empty for an unknown person.

        Not those that confirming would not bring into effect: suspended, over, or of a structure
        that is closed. One statement when there is none.
        """

    def confirm(self, subject_id: str, membership_id: str, *, version: str) -> WaitingMembership:
        """Bring it into effect with its roles, journalled; what took effect is returned.

        ``version``: :attr:`WaitingMembership.version` of what he read.

        Raises:
            NotFound: none of his waits under this id: it is somebody else's, was withdrawn or
                refused meanwhile; all alike.
            AlreadyAnswered: he has confirmed it already.
            StaleEdit: its structure is another now, or renamed; ``public`` names it.
        """

    def refuse(self, subject_id: str, membership_id: str, *, version: str) -> WaitingMembership:
        """End it, journalled, and mail a référent of that structure; what ended is returned.

        Raises:
            NotFound, AlreadyAnswered, StaleEdit: as :meth:`confirm`.
        """


class INotices(Protocol):
    """What the centre tells people."""

    def current(self) -> tuple[Notice, ...]:
        """The notices in force, warnings first, then the newest; at most a second old."""


class IProblems(Protocol):
    """*Signaler un problème*."""

    def report(
        self, subject_id: str, *, incident: str = "", entity_id: str = "", text: str = ""
    ) -> tuple[Referent, ...]:
        """Mail it to the person's référents (of that application); returns who was mailed.

        ``incident`` is the id that an error page showed; ``entity_id`` the application where it
        happened. One that nothing knows is left out, since a stranger may have written it.

        Raises:
            NotFound: nobody usable has this id.
            TooMany: more than ten within a day.
            DirectoryError: the text is too long.
        """


@dataclass(frozen=True, slots=True)
class SelfService:
    """One field per subject; each a Protocol of this module."""

    passwords: IPasswords
    photos: IPhotos
    record: IRecord
    access_requests: IAccessRequests
    confirmations: IConfirmations
    notices: INotices
    problems: IProblems
