"""The other side of *Demander un accès*: a référent reads, grants or refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory import asking
from directory.authorisation import Actor, AssignmentTarget, Permission, require
from directory.models import AccessRequest, Account, Membership, Structure
from directory.search import search_key
from directory.services.rights.access_requests import (
    LONGEST,
    SHOWN,
    by_id,
    close,
    pending,
    record,
    require_pending,
    told,
)
from directory.services.rights.assignments import Assignments, Grant
from directory.services.texts import clean_text, optional_text
from directory.validity import ASSIGNMENT, account_usable, membership_valid, within_dates
from idp.asking import RequestState
from idp.errors import DirectoryError, NotFound
from idp.names import full_name, of

if TYPE_CHECKING:
    from idp.services import Core

MOST = 100
"""Requests listed at once; those that wait come first."""


@dataclass(frozen=True, slots=True)
class RequestLine:
    """A line of the list."""

    id: str
    name: str
    application_label: str
    structure_label: str
    state: RequestState
    created_at: datetime
    answered_at: datetime | None
    answered_by: str


@dataclass(frozen=True, slots=True)
class RoleChoice:
    """A role that may be granted; ``held``: the person holds it now."""

    code: str
    label: str
    held: bool


@dataclass(frozen=True, slots=True)
class RequestSheet:
    """All that a référent reads before he answers; ``obstacle``: why it cannot be granted now."""

    id: str
    name: str
    mail: str
    structure_path: str
    function: str
    application_label: str
    single_role: bool
    roles: tuple[RoleChoice, ...]
    reason: str
    state: RequestState
    created_at: datetime
    answered_at: datetime | None
    answered_by: str
    answer: str
    obstacle: str = ""


class RequestAnswers:
    """What a référent does with the requests in his reach."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._assignments = Assignments(core)

    def list(self, actor: Actor) -> tuple[RequestLine, ...]:
        """Those that wait, the newest first, then those answered within a month. One statement."""
        now = self._core.clock.now()
        values = {"subject_id": actor.subject_id, "now": now, "since": now - SHOWN, "most": MOST}
        return tuple(
            RequestLine(
                id=row.public_id,
                name=full_name(row.given_name, row.sn),
                application_label=row.application_label,
                structure_label=row.structure_label,
                state=RequestState(row.state),
                created_at=row.created_at,
                answered_at=row.answered_at,
                answered_by=_name(row.answerer_given_name, row.answerer_sn),
            )
            for row in self._core.db.rows(asking.LINES, values)
        )

    def read(self, actor: Actor, request_id: str) -> RequestSheet:
        """One request.

        Raises:
            NotFound: no request has this id, or the membership or its account is in the bin.
            NotAllowed: his own, or not in a mandate that covers both structure and application.
        """
        with self._core.db.reading() as session:
            found = session.scalar(
                select(AccessRequest).where(AccessRequest.public_id == request_id)
            )
            request, membership = _in_reach(actor, found, request_id)
            account, application = membership.account, request.application
            answerer = session.scalar(
                select(Account).where(Account.subject_id == request.answered_by)
            )
            return RequestSheet(
                id=request.public_id,
                name=_name(account.given_name, account.sn),
                mail=account.mail,
                structure_path=membership.structure.label_path,
                function=", ".join(filter(None, (membership.function, membership.service))),
                application_label=application.label,
                single_role=application.single_role,
                roles=self._roles(session, request),
                reason=request.reason,
                state=RequestState(request.state),
                created_at=request.created_at,
                answered_at=request.answered_at,
                answered_by=_name(answerer.given_name, answerer.sn) if answerer else "",
                answer=request.answer or "",
                obstacle=self._obstacle(session, membership),
            )

    def grant(self, actor: Actor, request_id: str, roles: Sequence[str], message: str = "") -> None:
        """Give the person these roles of the application (their codes), and mail him.

        All the rules of :meth:`~directory.services.rights.assignments.Assignments.assign` hold. A
        role that he was given meanwhile stays as it is.

        Raises:
            NotFound, NotAllowed: as :meth:`read`; or the application has no such role.
            AlreadyAnswered: somebody was faster; exactly one of two wins.
            DirectoryError: no role, one too many, or the account or membership is not valid now.
        """
        said = optional_text(message, "Message", LONGEST) or ""
        with self._core.db.unit_of_work() as session:
            request, membership = self._pending(session, actor, request_id)
            obstacle = self._obstacle(session, membership)
            if obstacle:
                raise DirectoryError(f"request {request_id} cannot be granted", public=obstacle)
            if not roles:
                raise DirectoryError("no role", public="Choisissez au moins un rôle à donner.")
            account, application = membership.account, request.application
            labels = {role.code: role.label for role in application.roles}
            for code in dict.fromkeys(roles):
                grant = Grant(account.mail, membership.structure.code, application.code, code)
                self._assignments.assign(actor, grant, no_mail=True)  # the answer tells of it
            given = [labels[code] for code in dict.fromkeys(roles)]
            close(request, RequestState.GRANTED, self._core.clock.now(), said)
            after = told(request, roles=list(dict.fromkeys(roles)))
            record(self._core, request, "access-request.granted", pending(), after)
            self._tell(request, "access-granted", {"roles": given, "message": said})

    def refuse(self, actor: Actor, request_id: str, reason: str) -> None:
        """Say no and why, and mail the person.

        Raises:
            NotFound, NotAllowed, AlreadyAnswered: as :meth:`grant`.
            DirectoryError: no reason, or too long a one.
        """
        if not reason.strip():
            raise DirectoryError(
                "refused without a reason",
                public="Pour refuser, écrivez un message qui dit pourquoi.",
            )
        said = clean_text(reason, "Message", LONGEST)
        with self._core.db.unit_of_work() as session:
            request, _ = self._pending(session, actor, request_id)
            close(request, RequestState.REFUSED, self._core.clock.now(), said)
            record(self._core, request, "access-request.refused", pending(), told(request))
            self._tell(request, "access-refused", {"reason": said})

    def _pending(
        self, session: Session, actor: Actor, request_id: str
    ) -> tuple[AccessRequest, Membership]:
        """The request, locked: of two who answer at once, the second finds it answered."""
        found = session.scalar(by_id(request_id))
        request, membership = _in_reach(actor, found, request_id)
        require_pending(session, request, self._core.settings.organization.time_zone)
        return request, membership

    def _roles(self, session: Session, request: AccessRequest) -> tuple[RoleChoice, ...]:
        held = set(
            session.scalars(
                select(ASSIGNMENT.c.role_id).where(
                    ASSIGNMENT.c.membership_id == request.membership_id, within_dates(ASSIGNMENT)
                ),
                {"now": self._core.clock.now()},
            )
        )
        return tuple(
            RoleChoice(role.code, role.label, role.id in held)
            for role in sorted(request.application.roles, key=lambda one: search_key(one.label))
        )

    def _obstacle(self, session: Session, membership: Membership) -> str:
        """Why nothing can be granted to this membership now; empty when nothing stands against."""
        usable = (
            select(Membership.id)
            .join(Account, Account.id == Membership.account_id)
            .join(Structure, Structure.id == Membership.structure_id)
            .where(Membership.id == membership.id, account_usable(), membership_valid())
        )
        if session.scalar(usable, {"now": self._core.clock.now()}) is not None:
            return ""
        account = membership.account
        name = _name(account.given_name, account.sn)
        # Of one that waits for a confirmation, nothing of the account.
        locked = account.locked and membership.confirmed_at is not None
        what = "est verrouillé" if locked else "ou son rattachement n'est pas valable"
        return f"Le compte {of(name)} {what} en ce moment : la demande ne peut pas être acceptée."

    def _tell(self, request: AccessRequest, kind: str, more: dict[str, object]) -> None:
        account = request.membership.account
        parameters = {
            "given_name": account.given_name,
            "sn": account.sn,
            "application": request.application.label,
            "structure": request.membership.structure.label_path,
            "portal_url": self._core.settings.url("/"),
        }
        self._core.mailer.send(account.mail, kind, parameters | more)


def _in_reach(
    actor: Actor, request: AccessRequest | None, request_id: str
) -> tuple[AccessRequest, Membership]:
    """The request and who asks, once the decider has agreed; never the actor's own."""
    if request is None or request.membership.deleted_at or request.membership.account.deleted_at:
        raise NotFound(f"request {request_id!r}", public="Cette page n'existe pas.")
    membership: Membership = request.membership
    target = AssignmentTarget(
        membership.account_id, membership.structure.path, request.application_id
    )
    require(actor, Permission.ANSWER_REQUEST, target)
    return request, membership


def _name(given_name: str | None, sn: str | None) -> str:
    return full_name(given_name or "", sn) if sn else ""
