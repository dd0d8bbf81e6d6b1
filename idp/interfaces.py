"""The contracts that the other rooms fulfil; ``request.services`` gathers them.

Each method says what is returned when nothing is found, and what is raised. Methods that write
join the unit of work in progress (:meth:`idp.db.Database.unit_of_work`), or open one of their own.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from idp.messages import AcceptedRequest
from idp.records import JournalEntry, MailNote, OpenSession, Pseudonym
from idp.types import (
    Entitlement,
    NameID,
    NotEntitled,
    Profile,
    Referent,
    ServiceProvider,
    SpSession,
    SsoSession,
    Subject,
    Tile,
)

if TYPE_CHECKING:
    from idp.saml.xml import Element


class IClock(Protocol):
    """The one place where the time is asked."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""


class IDirectory(Protocol):
    """Who the people are and what they may open: facts, never SAML.

    The setting ``idp.directory`` names the function that builds it from an
    :class:`idp.services.Core`; ``tests/contract`` holds every implementation to this text.
    """

    def authenticate(self, login: str, password: str) -> Subject:
        """The person of this login (case-insensitive) if the password is his.

        Costs the same whether or not the login exists, and holds no transaction while it hashes.

        Raises:
            BadCredentials: unknown login, no password set, or a wrong one.
            AccountUnusable: the password is right, but the account is locked, deleted, expired or
                not yet valid.
            PasswordOutgrown: the password is right, but too short for what the person became.

        All carry the ``subject_id`` when the login is somebody's, for the journal.
        """

    def note_sign_in(self, subject: Subject) -> None:
        """Remember that the person signed in, in the transaction that starts the session.

        Raises:
            BadCredentials: the password was changed, or the account became unusable, since
                ``authenticate`` returned this subject: the check was about a state that is gone.
        """

    def find_subject(self, subject_id: str) -> Subject | None:
        """The person, or None when unknown, locked, deleted, expired or not yet valid.

        Called at every request of a signed-in person.
        """

    def entitlements(
        self, subject_id: str, entity_id: str
    ) -> tuple[Entitlement, ...] | NotEntitled:
        """One Entitlement per membership that holds a role there now, by structure path.

        NotEntitled when there is none, whatever the reason: no role, application closed, account
        unusable, or an entity that is attached to no application.
        """

    def tiles(self, subject_id: str) -> tuple[Tile, ...]:
        """The applications this person may open now, by label; those closed carry a message.

        Only applications on which a membership holds a role. Empty for an unknown person.
        """

    def referents(self, subject_id: str, entity_id: str | None = None) -> tuple[Referent, ...]:
        """Whom this person may ask, nearest first, never empty: the correspondant at the least.

        With ``entity_id`` only the référents who administer that application.
        """

    def profile(self, subject_id: str) -> Profile | None:
        """What the person reads about himself; None when ``find_subject`` would say None."""

    def application_label(self, entity_id: str) -> str:
        """The application's name for people; the entityID itself when none is attached."""

    def detach(self, entity_id: str) -> None:
        """This SP is no application's any more; nothing happens when it was none's."""

    def application_code(self, entity_id: str) -> str | None:
        """The code of the application that this SP is; None when it is none's."""

    def attach(self, entity_id: str, application_code: str, *, replace: bool = False) -> None:
        """Make this SP the one of that application.

        ``replace`` takes it away from the application that it was, and the application from the SP
        that it had.

        Raises:
            NotFound: no application has this code.
            AlreadyExists: the application has another SP, or the SP is another application's, and
                ``replace`` is not set.
        """


class IServiceProviders(Protocol):
    """The registered service providers, from a snapshot at most one second old."""

    def get(self, entity_id: str) -> ServiceProvider:
        """The enabled service provider of this entityID.

        Raises:
            UnknownServiceProvider: none is registered, or it is disabled.
        """

    def all(self) -> Sequence[ServiceProvider]:
        """Every registered service provider, disabled ones included, by entityID."""


class ISigner(Protocol):
    """A key of the IdP; signing costs one RSA private operation."""

    @property
    def kid(self) -> str:
        """The key's name in the key ring."""

    @property
    def algorithm(self) -> str:
        """The URI of what it signs with: RSA-SHA256, or RSA-SHA1 for an SP with that exception."""

    def sign_element(self, canonical: str, element_id: str) -> str:
        """The ``ds:Signature`` (canonical text) over an element given in exclusive canonical form.

        [SAMLCore] 5.4: one Reference to ``element_id``, enveloped-signature and exclusive C14N,
        the certificate in KeyInfo.
        """

    def sign_octets(self, octets: bytes) -> bytes:
        """The signature over the octets of a Redirect query. [SAMLBind] 3.4.4.1."""


class IKeyRing(ISigner, Protocol):
    """The IdP's keys. As an ``ISigner`` it is the active one, which signs the IdP's metadata."""

    def towards(self, entity_id: str, *, sha1: bool = False) -> ISigner:
        """The key that signs for this SP: the active one, unless it is kept on another.

        ``sha1``: it signs with RSA-SHA1, for an SP that has the exception.

        Raises:
            ConfigurationError: that key is not on this node.
        """

    def certificates(self) -> tuple[bytes, ...]:
        """DER certificates to publish: active first, then next, then retired ones still valid."""

    def encryption_certificates(self) -> tuple[bytes, ...]:
        """DER certificates to which SPs may encrypt; empty when the IdP wants nothing encrypted."""


class IDecrypter(Protocol):
    """The IdP's keys for what SPs encrypt to it."""

    def decrypt(self, encrypted: "Element") -> "Element":
        """The element inside an EncryptedID. [SAMLCore] 2.2.4.

        Raises:
            UnreadableMessage: whatever is wrong with it, in the same words.
        """


class IBackChannel(Protocol):
    """Asks an SP directly, without a browser."""

    def post(self, location: str, envelope: bytes) -> bytes:
        """The SP's answer to a SOAP envelope, within 5 seconds in all. [SAMLBind] 3.2.3.

        Raises:
            BackChannelFailed: no answer, too slow, too large, or not a 200.
        """


class IAuditLog(Protocol):
    """The journal: appended only, in the same transaction as what it tells of."""

    def record(
        self,
        code: str,
        *,
        subject_id: str | None = None,
        entity_id: str | None = None,
        target: str | None = None,
        parameters: Mapping[str, object] | None = None,
    ) -> None:
        """Append an event.

        ``code`` is a dotted word (``sign-in.success``); ``subject_id`` the person it happens to;
        ``target`` what else is touched (``structure:rh-a``). Who acts, from which address and in
        which request come from :mod:`idp.context`. No secret is ever a parameter.
        """

    def tally(
        self, code: str, subject_id: str, *, since: datetime
    ) -> Mapping[str | None, tuple[int, datetime]]:
        """How often this happened to the person since then, and when last, by ``entity_id``.

        Empty when it never did. One statement over the events of that person alone.
        """

    def about(self, subject_id: str, *, most: int) -> tuple[JournalEntry, ...]:
        """What happened to this person, the latest first, ``most`` events at the most."""


class IMailer(Protocol):
    """Mails leave through the outbox, in the same transaction as what they tell of."""

    def send(self, recipient: str, kind: str, parameters: Mapping[str, object]) -> None:
        """Queue the mail of this kind (``account-created``), worded by ``idp.mail_texts``."""

    def about(self, recipient: str, *, since: datetime, most: int) -> tuple[MailNote, ...]:
        """The mails to this address since it is the person's, the latest first, at most so many."""


class ISsoSessions(Protocol):
    """The browser sessions and the SP sessions that they opened."""

    def start(
        self, subject: Subject, authn_context: str, *, user_agent: str
    ) -> tuple[str, SsoSession]:
        """A new session and its token (for the cookie; the database keeps only its hash)."""

    def find(self, token: str) -> SsoSession | None:
        """The live session of this token; None when unknown, ended, idle too long or expired."""

    def owner(self, token: str, *, lapsed: bool = False) -> str | None:
        """Whose session this token was, were it over; with ``lapsed``, not one that was ended.

        A subject id, None once it is purged; only what he left behind is kept under it.
        """

    def ends_at(self, session: SsoSession, *, used: bool) -> datetime:
        """When it ends unless it is used again: idle, or (the latest) its lifetime.

        ``used``: it is being used right now, and :meth:`touch` notes it.
        """

    def of_subject(
        self, subject_id: str, *, current: SsoSession | None = None, ended: bool = False
    ) -> tuple[OpenSession, ...]:
        """The person's live sessions, the latest used first; ``current`` is marked among them.

        ``ended``: also those that are over and not purged yet.
        """

    def close_other(self, session: SsoSession, public: str) -> None:
        """End another session of the same person; ``public`` is its ``public_id``.

        Its SPs are told by the worker. Nothing happens when it is over already.

        Raises:
            NotFound: it is not his, or it is this very session.
        """

    def close_others(self, session: SsoSession) -> None:
        """End every session of the person but this one; their SPs are told by the worker."""

    def touch(self, session: SsoSession) -> None:
        """Note that the session was used, at most once a minute."""

    def record(self, session: SsoSession, sp_session: SpSession) -> None:
        """Remember that an assertion opened a session at an SP.

        Raises:
            SessionEnded: it ended since it was found; what would be recorded, nobody would end.
        """

    def sp_sessions(self, session: SsoSession) -> tuple[SpSession, ...]:
        """The SP sessions of this browser session that are not over, oldest first."""

    def choose(self, session: SsoSession, entity_id: str, membership_id: str) -> None:
        """Remember for which membership the person works on this SP."""

    def enter_aia(self, session: SsoSession) -> None:
        """The AIA's tile was clicked."""

    def leave_aia(self, session: SsoSession) -> None:
        """*Déconnexion* of the AIA: the portal's session stays."""

    def replace(self, old: SsoSession, new: SsoSession) -> None:
        """The same browser signed in again: end ``old``.

        What it opened at SPs, the choices of structure and the AIA go over to ``new``, if the
        person is the same.
        """

    def log_out(
        self,
        keys: Collection[str],
        logout_id: int,
        *,
        due: datetime,
        in_browser: str | None = None,
        asked_by: str | None = None,
        spared: Collection[int] = (),
    ) -> None:
        """End these browser sessions in the course of a sign-out.

        Their SPs are told in its course, from ``due`` on by the worker; of the session
        ``in_browser``, by the browser too. ``asked_by`` is the SP that wants it, ``spared`` the SP
        sessions (by number) that it named itself and is not told of.
        """

    def end(
        self,
        subject_id: str,
        *,
        entity_id: str | None = None,
        reason: str,
        spared: SsoSession | None = None,
    ) -> None:
        """End the person's sessions everywhere, or (``entity_id``) his sessions at one SP.

        What a lock, a deletion, an expiry or the withdrawal of the last role calls. ``spared`` goes
        on, with what it opened: the one in which he himself changes his password.
        """


class IAuthnRequests(Protocol):
    """Replay guard and store of pending sign-ons in one: unique (entity_id, message_id)."""

    def hold(self, accepted: AcceptedRequest) -> str:
        """Keep a sign-on until the person has signed in; returns its random flow id.

        Raises:
            ReplayedMessage: this SP already used this message ID.
            RequestRefused: there is more to keep than anybody sends.
        """

    def find(self, flow: str) -> AcceptedRequest:
        """The sign-on that waits under this flow id.

        Raises:
            UnknownFlow: lost, expired or answered.
        """

    def meet(self, flow: str, session: SsoSession) -> None:
        """The sign-in that opened this session met the ForceAuthn of this flow.

        Nothing happens when it waits no longer.
        """

    def answer(self, flow: str) -> None:
        """It is answered now, once.

        Raises:
            UnknownFlow: expired, or answered meanwhile (another tab).
        """

    def answer_at_once(self, accepted: AcceptedRequest) -> None:
        """Remember a message that was answered without waiting.

        Raises:
            ReplayedMessage: this SP already used this message ID.
        """


class INameIDs(Protocol):
    """The stored pairwise identifiers."""

    def persistent(self, subject_id: str, entity_id: str, *, create: bool = True) -> NameID | None:
        """The person's persistent NameID for this SP, made at the first call. [SAMLCore] 8.3.7.

        None when there is none yet and ``create`` is false.
        """

    def of_subject(self, subject_id: str) -> tuple[Pseudonym, ...]:
        """By what each SP knows the person, by entityID."""


class IMetadata(Protocol):
    """The IdP's own description."""

    def document(self) -> bytes:
        """The signed EntityDescriptor; the same bytes for some hours, until a key changes.

        Raises:
            ConfigurationError: no signing key on this node.
        """
