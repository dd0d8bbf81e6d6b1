"""*Demander un accès*: the person asks; his référents grant or refuse (``request_answers``)."""

from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from directory import asking
from directory.models import AccessRequest, Account, Membership
from directory.referents import OF_MEMBERSHIP, ReferentRow, nearest_first, or_correspondant
from directory.search import search_key
from directory.services.own.people_now import lock_person
from directory.services.texts import clean_text
from directory.validity import ACCESS_REQUEST
from idp.asking import OwnRequest, Requestable, RequestState, Workplace
from idp.context import origin
from idp.db import Database
from idp.errors import AlreadyAnswered, AlreadyExists, NotFound, TooMany
from idp.names import full_name
from idp.purge import delete_in_chunks

if TYPE_CHECKING:
    from idp.services import Core

DAY = timedelta(days=1)
PER_DAY = 10
"""Requests that a person may make within a day: each one is a mail to his référents."""

SHOWN = timedelta(days=30)
"""How long an answer stays on the portal."""

KEPT = timedelta(days=90)
"""How long an answered request is kept; the journal tells of it for longer."""

LONGEST = 500
"""Characters of a reason or an answer."""


class AccessRequests:
    """Fulfils :class:`idp.self_service.IAccessRequests`."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def workplaces(self, subject_id: str) -> tuple[Workplace, ...]:
        """See :meth:`idp.self_service.IAccessRequests.workplaces`."""
        places: dict[str, Row[Any]] = {}
        offers: dict[str, list[Requestable]] = {}
        for row in self._offered(subject_id):
            places.setdefault(row.public_id, row)
            of_place = offers.setdefault(row.public_id, [])
            if row.code is not None:
                of_place.append(Requestable(row.code, row.label, row.description, row.icon))
        ordered = sorted(places.items(), key=lambda item: (search_key(item[1].label_path), item[0]))
        return tuple(
            Workplace(
                membership_id=membership_id,
                structure_label=row.structure_label,
                structure_path=row.label_path,
                applications=tuple(
                    sorted(offers[membership_id], key=lambda one: (search_key(one.label), one.code))
                ),
            )
            for membership_id, row in ordered
        )

    def own(self, subject_id: str) -> tuple[OwnRequest, ...]:
        """See :meth:`idp.self_service.IAccessRequests.own`."""
        values = {"subject_id": subject_id, "since": self._core.clock.now() - SHOWN}
        return tuple(
            OwnRequest(
                id=row.public_id,
                application_label=row.application_label,
                structure_label=row.structure_label,
                reason=row.reason,
                state=RequestState(row.state),
                created_at=row.created_at,
                answered_at=row.answered_at,
                answered_by=full_name(row.given_name, row.sn) if row.sn else "",
                answer=row.answer or "",
            )
            for row in self._core.db.rows(asking.OWN, values)
        )

    def ask(self, subject_id: str, membership_id: str, application: str, reason: str) -> None:
        """See :meth:`idp.self_service.IAccessRequests.ask`."""
        clean = clean_text(reason, "Motif", LONGEST)
        now = self._core.clock.now()
        with self._core.db.unit_of_work() as session:
            # Locked, so that those who ask at once are counted one after the other.
            person = lock_person(session, subject_id, now)
            self._check_rate(session, person, now)
            offer = self._offer(session, person, membership_id, application)
            request = AccessRequest(
                public_id=token_urlsafe(16),
                membership_id=offer.id,
                application_id=offer.application_id,
                reason=clean,
                state=RequestState.PENDING.value,
                created_at=now,
            )
            session.add(request)
            session.flush()
            record(self._core, request, "access-request.made", None, {"reason": clean})
            self._tell_referents(person, offer, request)

    def withdraw(self, subject_id: str, request_id: str) -> None:
        """See :meth:`idp.self_service.IAccessRequests.withdraw`."""
        with self._core.db.unit_of_work() as session:
            request = session.scalar(
                by_id(request_id)
                .join(Membership, Membership.id == AccessRequest.membership_id)
                .join(Account, Account.id == Membership.account_id)
                .where(Account.subject_id == subject_id)
            )
            if request is None:
                raise NotFound(
                    f"request {request_id!r} of {subject_id}", public="Cette demande n'existe pas."
                )
            require_pending(session, request, self._core.settings.organization.time_zone)
            close(request, RequestState.WITHDRAWN, self._core.clock.now())
            record(self._core, request, "access-request.withdrawn", pending(), told(request))

    def waiting(self, subject_id: str) -> int | None:
        """See :meth:`idp.self_service.IAccessRequests.waiting`."""
        values = {"subject_id": subject_id, "now": self._core.clock.now()}
        number: int | None = self._core.db.rows(asking.WAITING, values)[0][0]
        return number

    def _offered(self, subject_id: str) -> list[Row[Any]]:
        values = {"subject_id": subject_id, "now": self._core.clock.now()}
        return list(self._core.db.rows(asking.WORKPLACES, values))

    @staticmethod
    def _check_rate(session: Session, person: Account, now: datetime) -> None:
        made = session.scalar(
            select(func.count())
            .select_from(AccessRequest)
            .join(Membership, Membership.id == AccessRequest.membership_id)
            .where(Membership.account_id == person.id, AccessRequest.created_at > now - DAY)
        )
        if (made or 0) >= PER_DAY:
            raise TooMany(
                f"{PER_DAY} requests a day",
                public=f"Vous avez déjà fait {PER_DAY} demandes depuis hier. Recommencez demain, "
                "ou écrivez à votre référent administrateur.",
            )

    def _offer(
        self, session: Session, person: Account, membership_id: str, application: str
    ) -> Row[Any]:
        """What he asks for, among what he may ask for."""
        for row in self._offered(person.subject_id):
            if row.public_id == membership_id and row.code == application:
                return row
        waits = (
            select(AccessRequest.id)
            .join(AccessRequest.membership)
            .join(AccessRequest.application)
            .where(
                Membership.account_id == person.id,
                Membership.public_id == membership_id,
                AccessRequest.application.has(code=application),
                AccessRequest.state == RequestState.PENDING.value,
            )
        )
        if session.scalar(waits) is not None:
            raise AlreadyExists(
                f"a request for {application!r} waits",
                public="Vous avez déjà demandé cet accès : la demande attend une réponse.",
            )
        raise NotFound(
            f"{application!r} is not on offer at {membership_id!r}",
            public="Cette application ne peut pas être demandée pour cette structure.",
        )

    def _tell_referents(self, person: Account, offer: Row[Any], request: AccessRequest) -> None:
        """All of them, the nearest first: whoever is there answers."""
        values = {
            "subject_id": person.subject_id,
            "now": self._core.clock.now(),
            "membership_id": offer.id,
            "application_id": offer.application_id,
        }
        rows = self._core.db.rows(OF_MEMBERSHIP, values)
        found = nearest_first(ReferentRow._make(row) for row in rows)
        parameters = {
            "name": full_name(person.given_name, person.sn),
            "mail": person.mail,
            "structure": offer.label_path,
            "application": offer.label,
            "reason": request.reason,
            "url": self._core.settings.url(f"/aia/demandes/{request.public_id}"),
            "portal_url": self._core.settings.url("/"),
        }
        for each in or_correspondant(found, self._core.settings.organization):
            self._core.mailer.send(each.mail, "access-requested", parameters)


def purge(db: Database, now: datetime) -> int:
    """Delete what was answered long ago; returns how many requests."""
    return delete_in_chunks(db, ACCESS_REQUEST, ACCESS_REQUEST.c.answered_at <= now - KEPT)


def by_id(request_id: str) -> Select[AccessRequest]:
    """The request of this id, locked until the commit."""
    return (
        select(AccessRequest)
        .where(AccessRequest.public_id == request_id)
        .with_for_update(of=AccessRequest)
    )


def close(request: AccessRequest, state: RequestState, now: datetime, answer: str = "") -> None:
    """It waits no longer."""
    request.state, request.answered_at = state.value, now
    request.answered_by, request.answer = origin().actor, answer or None


def pending() -> dict[str, object]:
    """How the journal keeps a request that waits."""
    return {"state": RequestState.PENDING.value}


def told(request: AccessRequest, **more: object) -> dict[str, object]:
    """How the journal keeps a request that was answered."""
    return {"state": request.state, "answer": request.answer, **more}


def record(core: "Core", request: AccessRequest, code: str, before: object, after: object) -> None:
    """Into the journal of the person who asks."""
    core.audit.record(
        code,
        subject_id=request.membership.account.subject_id,
        target=f"application:{request.application.code}",
        parameters={
            "structure": request.membership.structure.code,
            "request": request.public_id,
            "before": before,
            "after": after,
        },
    )


_DONE = {
    RequestState.GRANTED: "acceptée",
    RequestState.REFUSED: "refusée",
    RequestState.WITHDRAWN: "retirée",
}


def require_pending(session: Session, request: AccessRequest, zone: ZoneInfo) -> None:
    """Insist that nobody answered it.

    Raises:
        AlreadyAnswered: somebody did; the text says who, when and what.
    """
    if request.answered_at is None:
        return
    answerer = session.scalar(select(Account).where(Account.subject_id == request.answered_by))
    by = f" par {full_name(answerer.given_name, answerer.sn)}" if answerer else ""
    at = request.answered_at.astimezone(zone)
    raise AlreadyAnswered(
        f"request {request.public_id} is {request.state}",
        public=f"Cette demande a déjà été {_DONE[RequestState(request.state)]}{by} "
        f"le {at:%d/%m/%Y} à {at:%H:%M}.",
    )
