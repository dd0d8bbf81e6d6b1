"""The one decider: who may do what to whom. Pure: no database, no clock, no request.

Screens, command line and imports all ask :func:`may`; none decides by itself. What is asked about
is loaded beforehand into a frozen target (:mod:`directory.services.lookup`), who asks into an
:class:`Actor` (:mod:`directory.actors`).

Three kinds of actors: the référent (scopes: each a subtree with its applications, never mixed),
the correspondant (``central``) and the command line (``OPERATOR``). Nobody locks, deletes or
widens himself, the correspondant included; the command line has no self.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from idp.errors import NotAllowed


class Permission(StrEnum):
    """``verb-noun``; the sentence beside each says what it allows."""

    SEE_STRUCTURE = "see-structure"
    """See a structure and what is in it."""
    CREATE_STRUCTURE = "create-structure"
    """Create a structure directly below the target; below nothing: a root."""
    RENAME_STRUCTURE = "rename-structure"
    """Change a structure's label."""
    CLOSE_STRUCTURE = "close-structure"
    """Close a structure with all that is below it, or open it again."""
    SET_SIRET = "set-siret"
    """Change a structure's SIRET, by which service providers know a collectivité."""

    SEE_ACCOUNT = "see-account"
    """See an account's sheet."""
    SEE_ACCOUNT_STATE = "see-account-state"
    """See an account's state, dates, photo, activity, and how many roles it holds elsewhere."""
    CREATE_ACCOUNT = "create-account"
    """Create the account of a person nobody knows yet, in the target structure."""
    LOCK_ACCOUNT = "lock-account"
    """Lock or unlock an account, or change its dates of validity."""
    EDIT_ACCOUNT = "edit-account"
    """Change the name or the photo of an account."""
    CHANGE_ADDRESS = "change-address"
    """Replace the address of an account: its password and sessions go with the old one."""
    DELETE_ACCOUNT = "delete-account"
    """Put an account into the bin, with every membership it has, or take it out again."""
    SET_PASSWORD = "set-password"  # noqa: S105 - a permission's name
    """Choose the password of somebody: the command line alone."""

    SEND_LINK = "send-link"
    """Mail somebody a link to choose his password; his address stays what it is."""

    ADD_MEMBERSHIP = "add-membership"
    """Add an existing account to the target structure."""
    CONFIRM_MEMBERSHIP = "confirm-membership"
    """Answer for a second structure's membership: the person himself, or the command line."""
    EDIT_MEMBERSHIP = "edit-membership"
    """Change what is recorded of a person in one structure, or the dates of that."""
    SUSPEND_MEMBERSHIP = "suspend-membership"
    """Suspend or resume a membership."""
    REMOVE_MEMBERSHIP = "remove-membership"
    """Put a membership into the bin, or take it out again."""

    GRANT_ROLE = "grant-role"
    """Give a membership a role of an application, or change its dates."""
    WITHDRAW_ROLE = "withdraw-role"
    """Take a role of an application from a membership."""

    ANSWER_REQUEST = "answer-request"
    """Read the request of somebody else for an application, and grant or refuse it."""

    GIVE_MANDATE = "give-mandate"
    """Make an account référent of a structure, or correspondant."""
    WITHDRAW_MANDATE = "withdraw-mandate"
    """Take a mandate, or applications of it, from an account."""

    SEE_APPLICATION = "see-application"
    """See an application, its roles and, within one's structures, who holds them."""
    MANAGE_APPLICATION = "manage-application"
    """Create or change an application or its roles."""
    MANAGE_MAILS = "manage-mails"
    """See what mails wait or were given up, send them again, abandon them."""

    MANAGE_NOTICE = "manage-notice"
    """Publish or remove what the centre tells everybody."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A mandate in force: the path of its root structure and the applications it covers."""

    root: str
    application_ids: frozenset[int]

    def covers(self, path: str) -> bool:
        """Whether this structure is the root or below it. Paths end with a slash."""
        return path.startswith(self.root)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. ``account_id`` is None for the command line, which has no self."""

    subject_id: str
    account_id: int | None
    scopes: tuple[Scope, ...] = ()
    central: bool = False
    operator: bool = False

    @property
    def everywhere(self) -> bool:
        """Whether no subtree bounds him: the correspondant and the command line."""
        return self.central or self.operator

    def covers(self, path: str) -> bool:
        """Whether this structure lies in one of his subtrees."""
        return self.everywhere or any(scope.covers(path) for scope in self.scopes)


OPERATOR = Actor(subject_id="", account_id=None, operator=True)


@dataclass(frozen=True, slots=True)
class StructureTarget:
    """A structure; the empty path stands for the place above all roots."""

    path: str


@dataclass(frozen=True, slots=True)
class ClosingTarget:
    """A structure that would close, or open again, with what is below it.

    ``own``: who asks belongs to one of them. ``mandated``: somebody's mandate on one of them is
    not over.
    """

    path: str
    own: bool = False
    mandated: bool = False


@dataclass(frozen=True, slots=True)
class AccountTarget:
    """An account as its rights depend on it.

    ``paths`` are the structures of its confirmed memberships; those that wait for the person's
    confirmation are apart, since they restrict nothing. ``privileged``: holds a mandate of any
    kind that is not over (one to come counts). ``contested``: a change of its address was refused
    by who had the old one, and the correspondant has not settled it.
    """

    account_id: int
    paths: frozenset[str]
    unconfirmed_paths: frozenset[str] = frozenset()
    privileged: bool = False
    contested: bool = False


@dataclass(frozen=True, slots=True)
class MembershipTarget:
    """A membership, existing or to be, of an account in a structure."""

    account_id: int
    path: str


@dataclass(frozen=True, slots=True)
class AssignmentTarget:
    """A role of one application at one membership."""

    account_id: int
    path: str
    application_id: int


@dataclass(frozen=True, slots=True)
class MandateTarget:
    """A mandate, existing or to be, of an account."""

    account_id: int


@dataclass(frozen=True, slots=True)
class MailsTarget:
    """The mails that leave here, whoever gets them."""


@dataclass(frozen=True, slots=True)
class ApplicationTarget:
    """An application; None: one that does not exist yet."""

    application_id: int | None


@dataclass(frozen=True, slots=True)
class NoticeTarget:
    """The notices of the centre, all alike."""


Target = (
    StructureTarget
    | ClosingTarget
    | AccountTarget
    | MembershipTarget
    | AssignmentTarget
    | MandateTarget
    | ApplicationTarget
    | MailsTarget
    | NoticeTarget
)


def may(actor: Actor, permission: Permission, target: Target) -> bool:
    """Whether this actor has this permission on this target.

    Raises:
        TypeError: the permission is not about this kind of target (a programming error).
    """
    kind, rule = _RULES[permission]
    if not isinstance(target, kind):
        raise TypeError(f"{permission} is not about a {type(target).__name__}")
    return rule(actor, target)


def require(actor: Actor, permission: Permission, target: Target) -> None:
    """Insist on a permission.

    Raises:
        NotAllowed: :func:`may` says no.
    """
    if not may(actor, permission, target):
        raise NotAllowed(f"{actor.subject_id or 'operator'} may not {permission} {target}")


def _is_self(actor: Actor, account_id: int) -> bool:
    return actor.account_id is not None and actor.account_id == account_id


def _in_scope(actor: Actor, target: StructureTarget) -> bool:
    return actor.everywhere or (target.path != "" and actor.covers(target.path))


def _below_a_root(actor: Actor, target: StructureTarget | ClosingTarget) -> bool:
    """The root of a mandate is the correspondant's; what is strictly below is the référent's."""
    return actor.everywhere or any(
        scope.covers(target.path) and scope.root != target.path for scope in actor.scopes
    )


def _closes(actor: Actor, target: ClosingTarget) -> bool:
    """It ends or revives rights: nobody's own, and a mandate's only by who gives mandates."""
    return (
        (actor.operator or not target.own)
        and _below_a_root(actor, target)
        and (actor.everywhere or not target.mandated)
    )


def _everywhere(actor: Actor, target: Target) -> bool:
    del target
    return actor.everywhere


def _operator(actor: Actor, target: Target) -> bool:
    del target
    return actor.operator


def _sees_account(actor: Actor, target: AccountTarget) -> bool:
    if actor.everywhere or _is_self(actor, target.account_id):
        return True
    return any(actor.covers(path) for path in target.paths | target.unconfirmed_paths)


def _owns_account(actor: Actor, target: AccountTarget) -> bool:
    """Wholly within his subtrees, without a mandate, uncontested, and not himself."""
    if _is_self(actor, target.account_id):
        return False
    if actor.everywhere:
        return True
    wholly = bool(target.paths) and all(actor.covers(path) for path in target.paths)
    return wholly and not target.privileged and not target.contested


def _sees_state(actor: Actor, target: AccountTarget) -> bool:
    """As the account is seen, but a membership that its person did not confirm opens nothing."""
    return _is_self(actor, target.account_id) or _has_confirmed(actor, target)


def _has_in_scope(actor: Actor, target: AccountTarget) -> bool:
    """One confirmed membership of his in scope is enough: shared people are helped too."""
    return not _is_self(actor, target.account_id) and _has_confirmed(actor, target)


def _has_confirmed(actor: Actor, target: AccountTarget) -> bool:
    return actor.everywhere or any(actor.covers(path) for path in target.paths)


def _other_in_scope(actor: Actor, target: MembershipTarget) -> bool:
    return not _is_self(actor, target.account_id) and actor.covers(target.path)


def _self_or_operator(actor: Actor, target: MembershipTarget) -> bool:
    return actor.operator or _is_self(actor, target.account_id)


def _administers(actor: Actor, target: AssignmentTarget) -> bool:
    """Structure and application in one and the same mandate: two mandates never add up."""
    return actor.everywhere or any(
        scope.covers(target.path) and target.application_id in scope.application_ids
        for scope in actor.scopes
    )


def _administers_others(actor: Actor, target: AssignmentTarget) -> bool:
    return not _is_self(actor, target.account_id) and _administers(actor, target)


def _central_for_others(actor: Actor, target: MandateTarget) -> bool:
    return actor.everywhere and not _is_self(actor, target.account_id)


def _sees_application(actor: Actor, target: ApplicationTarget) -> bool:
    return actor.everywhere or any(
        target.application_id in scope.application_ids for scope in actor.scopes
    )


# mypy cannot follow that each rule takes its own kind of target; `may` checks it at run time.
_RULES: dict[Permission, tuple[type[Target], Callable[..., bool]]] = {
    Permission.SEE_STRUCTURE: (StructureTarget, _in_scope),
    Permission.CREATE_STRUCTURE: (StructureTarget, _in_scope),
    Permission.RENAME_STRUCTURE: (StructureTarget, _below_a_root),
    Permission.CLOSE_STRUCTURE: (ClosingTarget, _closes),
    Permission.SET_SIRET: (StructureTarget, _everywhere),
    Permission.SEE_ACCOUNT: (AccountTarget, _sees_account),
    Permission.SEE_ACCOUNT_STATE: (AccountTarget, _sees_state),
    Permission.CREATE_ACCOUNT: (StructureTarget, _in_scope),
    Permission.LOCK_ACCOUNT: (AccountTarget, _owns_account),
    Permission.EDIT_ACCOUNT: (AccountTarget, _owns_account),
    Permission.CHANGE_ADDRESS: (AccountTarget, _owns_account),
    Permission.DELETE_ACCOUNT: (AccountTarget, _owns_account),
    Permission.SET_PASSWORD: (AccountTarget, _operator),
    Permission.SEND_LINK: (AccountTarget, _has_in_scope),
    Permission.ADD_MEMBERSHIP: (MembershipTarget, _other_in_scope),
    Permission.CONFIRM_MEMBERSHIP: (MembershipTarget, _self_or_operator),
    Permission.EDIT_MEMBERSHIP: (MembershipTarget, _other_in_scope),
    Permission.SUSPEND_MEMBERSHIP: (MembershipTarget, _other_in_scope),
    Permission.REMOVE_MEMBERSHIP: (MembershipTarget, _other_in_scope),
    Permission.GRANT_ROLE: (AssignmentTarget, _administers),
    Permission.WITHDRAW_ROLE: (AssignmentTarget, _administers),
    Permission.ANSWER_REQUEST: (AssignmentTarget, _administers_others),
    Permission.GIVE_MANDATE: (MandateTarget, _central_for_others),
    Permission.WITHDRAW_MANDATE: (MandateTarget, _everywhere),
    Permission.SEE_APPLICATION: (ApplicationTarget, _sees_application),
    Permission.MANAGE_APPLICATION: (ApplicationTarget, _everywhere),
    Permission.MANAGE_MAILS: (MailsTarget, _everywhere),
    Permission.MANAGE_NOTICE: (NoticeTarget, _everywhere),
}
