"""Every error that this product raises on purpose, in one tree.

::

    ConvergencesError
    ├── ConfigurationError      a setting, a key or a plug-in is missing or wrong: refuse to start
    ├── ProtocolError           what came in cannot be trusted: a page here, nothing to any SP
    │   ├── UnreadableMessage       not base64, not DEFLATE, not XML, too large, wrong shape
    │   ├── UnknownServiceProvider  no such entityID, or disabled
    │   ├── UnknownEndpoint         an AssertionConsumerService that the metadata does not hold
    │   ├── RequestRefused          Destination, Version, IssueInstant, Conditions, RelayState
    │   │   └── RequestTooOld           IssueInstant or Conditions: beginning again helps
    │   ├── SignatureRefused        absent where required, or not the SP's
    │   ├── ReplayedMessage         this ID was already answered or is pending
    │   └── UnknownFlow             a sign-on that is no longer waiting (lost, expired, answered)
    ├── StatusError             the request is genuine and the answer is no: a status for the SP
    │   ├── NoPassive, NoAuthnContext, InvalidNameIDPolicy, UnknownPrincipal
    │   └── AuthnFailed, RequestDenied, RequestUnsupported
    ├── AuthenticationFailed    sign-in refused; the same public text whatever the cause
    │   ├── BadCredentials, AccountUnusable, Throttled
    ├── PasswordOutgrown        the right password, too short for what its owner became
    ├── LinkRefused             a mailed link that leads nowhere any more: which, and what to do
    ├── Busy                    too many people sign in at once: come back in a moment
    ├── NotAllowed              the decider said no; outside one's scope it reads as absent (404)
    ├── DirectoryError          an operation on people or rights that the rules refuse, in words
    │   └── NotFound, AlreadyExists, AlreadyAnswered, AlreadyDone, StaleEdit, TooMany
    ├── BackChannelFailed       an SP did not take a message sent to it directly
    ├── KeyRefused              a step of a signing key's life that would break an SP
    ├── SessionEnded            the session ended in the middle of what it was used for
    ├── UnusableServiceProvider a registration that cannot be honoured
    └── MetadataError           an EntityDescriptor that cannot be registered: line and remedy

An error has two texts: ``public`` is shown to a person (French, plain words), ``cause`` goes to the
log with the request's id. ``code`` names it in the log, the journal and the metrics.
"""

from typing import ClassVar

TELL = (
    " Recommencer n'y changera rien : signalez-le à votre référent administrateur ou au "
    "correspondant, avec la référence de l'incident."
)
"""Ends the text of what only the application's or our administrators can mend."""


class ConvergencesError(Exception):
    """Root of the tree.

    ``cause`` is the precise reason, for the log only; ``public`` replaces the class's own text.
    ``heading``: its page's; empty: the status's. ``retry_after``: seconds until it has passed.
    """

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500
    public_text: ClassVar[str] = "Une erreur inattendue s'est produite."
    heading: ClassVar[str] = ""
    retry_after: int | None = None

    def __init__(self, cause: str = "", *, public: str | None = None) -> None:
        super().__init__(cause or self.code)
        self.cause = cause or self.code
        self.public = public or self.public_text


class ConfigurationError(ConvergencesError):
    """Refuse to start; the cause names the key, never its value."""

    code = "configuration"
    public_text = "Le service est mal configuré."


class ProtocolError(ConvergencesError):
    """The message cannot be trusted or understood: nothing leaves towards any SP."""

    code = "protocol"
    http_status = 400
    public_text = "Le message envoyé par l'application n'a pas pu être accepté." + TELL


class UnreadableMessage(ProtocolError):
    """Not base64, not DEFLATE, not XML, too large, or not the schema's shape."""

    code = "unreadable-message"


class UnknownServiceProvider(ProtocolError):
    """No service provider of that entityID is registered, or it is disabled."""

    code = "unknown-service-provider"
    public_text = "Cette application n'est pas enregistrée ici." + TELL


class UnknownEndpoint(ProtocolError):
    """The AssertionConsumerService asked for is not in the SP's metadata."""

    code = "unknown-endpoint"
    public_text = (
        "L'application demande une réponse à une adresse qui n'est pas enregistrée ici." + TELL
    )


class RequestRefused(ProtocolError):
    """A genuine-looking request that a check refuses (date, destination, conditions…)."""

    code = "request-refused"


class RequestTooOld(RequestRefused):
    """It was made too long ago: a page that stayed open, a restored tab."""

    public_text = (
        "Le message envoyé par l'application n'a pas pu être accepté : il est trop ancien. "
        "Revenez à l'application et recommencez."
    )


class SignatureRefused(ProtocolError):
    """A required signature is absent, or one that is present does not verify."""

    code = "signature-refused"


class ReplayedMessage(ProtocolError):
    """This message ID was already used by this SP."""

    code = "replayed-message"
    public_text = "Cette demande a déjà servi. Revenez à l'application et recommencez."


class UnknownFlow(ProtocolError):
    """The sign-on that this page belongs to is no longer waiting."""

    code = "unknown-flow"


class StatusError(ConvergencesError):
    """A genuine request whose answer is no: ``status`` and ``sub_status`` go to the SP.

    So does ``message``: one English sentence for the SP's developer that says why, and never says
    anything about the person. [SAMLCore] 3.2.2.3.
    """

    code = "status"
    http_status = 403
    status: ClassVar[str] = "urn:oasis:names:tc:SAML:2.0:status:Responder"
    sub_status: ClassVar[str] = ""
    status_message: ClassVar[str] = ""

    def __init__(self, cause: str = "", *, message: str | None = None) -> None:
        super().__init__(cause)
        self.message = message or self.status_message


class NoPassive(StatusError):
    """IsPassive, and a page would have been needed. [SAMLCore] 3.4.1."""

    code = "no-passive"
    sub_status = "urn:oasis:names:tc:SAML:2.0:status:NoPassive"
    status_message = "IsPassive was set, and the person would have had to be asked something."


class NoAuthnContext(StatusError):
    """The RequestedAuthnContext cannot be met. [SAMLCore] 3.3.2.2.1."""

    code = "no-authn-context"
    sub_status = "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext"
    status_message = (
        "The sign-in of this identity provider does not meet the RequestedAuthnContext."
    )


class InvalidNameIDPolicy(StatusError):
    """The NameIDPolicy cannot be met. [SAMLCore] 3.4.1.1."""

    code = "invalid-name-id-policy"
    status = "urn:oasis:names:tc:SAML:2.0:status:Requester"
    sub_status = "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy"
    status_message = "The NameIDPolicy's Format is not one that this service provider may have."


class UnknownPrincipal(StatusError):
    """The Subject of the request is not the person who is signed in. [SAMLCore] 3.4.1.4."""

    code = "unknown-principal"
    sub_status = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal"
    status_message = "The person who is signed in is not the one that the request's Subject names."


class AuthnFailed(StatusError):
    """The person backed out of signing in."""

    code = "authn-failed"
    sub_status = "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"
    status_message = "The person chose not to sign in."


class RequestDenied(StatusError):
    """The person holds no role there: no role, no entry."""

    code = "request-denied"
    sub_status = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied"
    status_message = "The person is signed in and may not open this application now."


class RequestUnsupported(StatusError):
    """What the request asks of the assertion is given to nobody here. [SAMLCore] 3.2.2.2."""

    code = "request-unsupported"
    sub_status = "urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported"
    status_message = "This identity provider does not support what the request asks."


class AuthenticationFailed(ConvergencesError):
    """Sign-in refused. One public text for every cause: a stranger learns nothing.

    ``subject_id`` is the person whose login it was, None for an unknown login: for the journal.
    """

    code = "authentication-failed"
    http_status = 400
    public_text = "Adresse mail ou mot de passe incorrect."

    def __init__(
        self, cause: str = "", *, public: str | None = None, subject_id: str | None = None
    ) -> None:
        super().__init__(cause, public=public)
        self.subject_id = subject_id


class BadCredentials(AuthenticationFailed):
    """Unknown login, no password set, or a wrong one."""

    code = "bad-credentials"


class AccountUnusable(AuthenticationFailed):
    """The password is right, the account is locked, deleted, expired or not yet valid.

    ``public`` says so: only the person who knows the password reads it.
    """

    code = "account-unusable"


class Throttled(AuthenticationFailed):
    """Too many failures in too short a time."""

    code = "throttled"
    http_status = 429
    public_text = "Trop d'essais. Patientez quelques instants avant de recommencer."

    def __init__(self, cause: str, *, retry_after: int) -> None:
        super().__init__(cause)
        self.retry_after = retry_after


class PasswordOutgrown(ConvergencesError):
    """The password is right, and shorter than what its owner has become must have."""

    code = "password-outgrown"
    http_status = 403
    public_text = "Votre mot de passe doit être plus long pour vos nouveaux droits."

    def __init__(self, cause: str, *, subject_id: str) -> None:
        super().__init__(cause)
        self.subject_id = subject_id


class LinkRefused(ConvergencesError):
    """A link of a mail that may not be spent; ``reason`` says why, ``public`` in words.

    ``known``: it was somebody's, who may be sent another one.
    """

    code = "link-refused"
    http_status = 410

    def __init__(self, reason: str, *, public: str, known: bool = True) -> None:
        super().__init__(reason, public=public)
        self.reason = reason
        self.known = known


class Busy(ConvergencesError):
    """Every place before the password check is taken, or before other slow work (``public``).

    Raised before anything is looked at or counted, so it is the same for every login.
    """

    code = "busy"
    http_status = 503
    public_text = (
        "Beaucoup de personnes se connectent en ce moment : votre mot de passe n'a pas été "
        "vérifié. Patientez une dizaine de secondes, puis saisissez-le de nouveau."
    )
    retry_after = 10


class NotAllowed(ConvergencesError):
    """The decider refused. Shown as absent: what is out of scope does not exist."""

    code = "not-allowed"
    http_status = 404
    public_text = "Cette page n'existe pas."


class DirectoryError(ConvergencesError):
    """The rules of the directory refuse the operation; ``public`` says why, in words."""

    code = "directory"
    http_status = 400
    public_text = "L'opération n'est pas possible."


class NotFound(DirectoryError):
    """A code, an address or an identifier that the directory does not hold."""

    code = "not-found"
    http_status = 404


class AlreadyExists(DirectoryError):
    """A code or an address that is already taken."""

    code = "already-exists"


class AlreadyAnswered(DirectoryError):
    """Somebody else was faster; ``public`` says who, when and what."""

    code = "already-answered"
    http_status = 409


class AlreadyDone(DirectoryError):
    """What is recorded is what was ordered already: answered as done, nothing was changed."""

    code = "already-done"
    http_status = 409
    public_text = "C'était déjà fait."


class StaleEdit(DirectoryError):
    """What was edited changed since the form was shown: nothing is saved, both versions are shown.

    ``public`` says what changed.
    """

    code = "stale-edit"
    http_status = 409
    public_text = (
        "Ces informations ont changé depuis que vous avez ouvert la page. Rien n'a été enregistré."
    )


class TooMany(DirectoryError):
    """This person did it too often in too short a time."""

    code = "too-many"
    http_status = 429


class BackChannelFailed(ConvergencesError):
    """An SP did not take a message that was sent to it directly."""

    code = "back-channel-failed"
    http_status = 502


class KeyRefused(ConvergencesError):
    """A step of a signing key's life that would break an SP; ``public`` says why."""

    code = "key-refused"
    http_status = 400


class SessionEnded(ConvergencesError):
    """The sign-on session ended while it was being used (sign-out, lock, new password)."""

    code = "session-ended"
    http_status = 403
    public_text = "Votre session est terminée. Connectez-vous de nouveau."


class UnusableServiceProvider(ConvergencesError):
    """A registered SP cannot be answered as its registration says (no usable encryption key)."""

    code = "unusable-service-provider"
    public_text = (
        "Cette application est mal configurée, la connexion n'a pas pu aboutir. "
        "Signalez-le au correspondant."
    )


class MetadataError(ConvergencesError):
    """SP metadata that cannot be registered; the text names the line and the remedy."""

    code = "metadata"
    http_status = 400
    public_text = "Ces métadonnées ne peuvent pas être enregistrées."
