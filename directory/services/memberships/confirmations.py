"""Another structure added a person: he confirms that, or refuses. Fulfils ``IConfirmations``."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, Row, and_, bindparam, or_, select
from sqlalchemy.orm import Session

from directory import referents
from directory.authorisation import Actor, Permission, require
from directory.models import Account, Membership
from directory.search import search_key
from directory.services.lookup import membership_target
from directory.services.memberships.changes import confirm, refuse
from directory.services.own.people_now import lock_person
from directory.services.own.record import grantor_name
from directory.validity import (
    ACCOUNT,
    APPLICATION,
    ASSIGNMENT,
    MEMBERSHIP,
    NOW,
    ROLE,
    STRUCTURE,
    account_usable,
    membership_waits,
)
from idp.asking import WaitingMembership, WaitingRole
from idp.errors import AlreadyAnswered, NotFound, StaleEdit
from idp.history import changes
from idp.records import About, Change, Reach

if TYPE_CHECKING:
    from idp.services import Core

_SUBJECT_ID: BindParameter[str] = bindparam("subject_id")

_WAITING = (
    select(
        MEMBERSHIP.c.public_id,
        MEMBERSHIP.c.created_at,
        MEMBERSHIP.c.function,
        MEMBERSHIP.c.service,
        MEMBERSHIP.c.valid_from,
        STRUCTURE.c.code,
        STRUCTURE.c.label,
        STRUCTURE.c.label_path,
        APPLICATION.c.label.label("application"),
        ROLE.c.label.label("role"),
        ASSIGNMENT.c.valid_from.label("role_from"),
    )
    .select_from(ACCOUNT)
    .join(MEMBERSHIP, MEMBERSHIP.c.account_id == ACCOUNT.c.id)
    .join(STRUCTURE, STRUCTURE.c.id == MEMBERSHIP.c.structure_id)
    .outerjoin(
        ASSIGNMENT,
        and_(
            ASSIGNMENT.c.membership_id == MEMBERSHIP.c.id,
            or_(ASSIGNMENT.c.valid_until.is_(None), ASSIGNMENT.c.valid_until > NOW),
        ),
    )
    .outerjoin(ROLE, ROLE.c.id == ASSIGNMENT.c.role_id)
    .outerjoin(APPLICATION, APPLICATION.c.id == ROLE.c.application_id)
    .where(ACCOUNT.c.subject_id == _SUBJECT_ID, account_usable(), membership_waits())
)
"""One row per role that waits with a membership; one without, where there is none."""

_NAMES = select(ACCOUNT.c.subject_id, ACCOUNT.c.given_name, ACCOUNT.c.sn).where(
    ACCOUNT.c.subject_id.in_(bindparam("subject_ids", expanding=True))
)

_ARRIVALS = ("membership.added", "membership.moved", "membership.restored")
"""What brings a membership into a structure: the latest of them says who did it."""
_MOST_ARRIVALS = 100

GONE = (
    "Ce rattachement n'attend plus votre réponse : vous l'avez déjà refusé, ou la structure l'a "
    "retiré entre-temps."
)
CONFIRMED = (
    "Vous avez déjà confirmé ce rattachement. S'il ne vous concerne pas, adressez-vous à votre "
    "référent administrateur dans cette structure."
)


class Confirmations:
    """See :class:`idp.self_service.IConfirmations`."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def waiting(self, subject_id: str) -> tuple[WaitingMembership, ...]:
        """See :meth:`idp.self_service.IConfirmations.waiting`. Three statements at the most."""
        values = {"subject_id": subject_id, "now": self._core.clock.now()}
        rows: dict[str, list[Row[Any]]] = {}
        for row in self._core.db.rows(_WAITING, values):
            rows.setdefault(row.public_id, []).append(row)
        if not rows:
            return ()
        arrivals = self._arrivals(subject_id, {each[0].code for each in rows.values()})
        found = [_waiting(each, arrivals.get(each[0].code)) for each in rows.values()]
        return tuple(sorted(found, key=lambda one: search_key(one.structure_path)))

    def confirm(self, subject_id: str, membership_id: str, *, version: str) -> WaitingMembership:
        """See :meth:`idp.self_service.IConfirmations.confirm`."""
        with self._core.db.unit_of_work() as session:
            offer, membership = self._asked(session, subject_id, membership_id, version)
            confirm(self._core, membership)
            return offer

    def refuse(self, subject_id: str, membership_id: str, *, version: str) -> WaitingMembership:
        """See :meth:`idp.self_service.IConfirmations.refuse`."""
        with self._core.db.unit_of_work() as session:
            offer, membership = self._asked(session, subject_id, membership_id, version)
            refuse(self._core, membership)
            self._tell(session, membership)
            return offer

    def _asked(
        self, session: Session, subject_id: str, membership_id: str, version: str
    ) -> tuple[WaitingMembership, Membership]:
        """What he answers: his own alone, locked behind his account, as whoever withdraws it does.

        Raises:
            NotFound, AlreadyAnswered: it does not wait.
            StaleEdit: it was moved, or its structure renamed, since he read ``version``.
        """
        person = lock_person(session, subject_id, self._core.clock.now())
        membership = session.scalar(
            select(Membership)
            .where(Membership.public_id == membership_id, Membership.account_id == person.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if membership is None:
            raise NotFound(f"membership {membership_id!r} of {subject_id}", public=GONE)
        require(
            Actor(subject_id, person.id),
            Permission.CONFIRM_MEMBERSHIP,
            membership_target(membership),
        )
        for offer in self.waiting(subject_id):
            if offer.id != membership_id:
                continue
            if offer.version != version:
                raise StaleEdit(
                    f"membership {membership.id} is not {version!r}",
                    public="La structure de ce rattachement a changé ou a été renommée entre-temps "
                    f": c'est maintenant « {offer.structure_path} ». Rien n'est enregistré : lisez "
                    "ce qu'elle vous propose, puis répondez.",
                )
            return offer, membership
        if membership.deleted_at is None and membership.confirmed_at is not None:
            raise AlreadyAnswered(f"membership {membership.id} is confirmed", public=CONFIRMED)
        raise NotFound(f"membership {membership.id} waits no more", public=GONE)

    def _arrivals(
        self, subject_id: str, structures: set[str]
    ) -> Mapping[str, tuple[Change, Row[Any] | None]]:
        """By structure, how he came into it last, and who (while he has an account) did it."""
        latest: dict[str, Change] = {}
        for change in changes(
            self._core.db,
            _ARRIVALS,
            [Reach(structures, applications=())],
            most=_MOST_ARRIVALS,
            about=About(subject_id),
        ):
            if change.structure is not None:
                latest.setdefault(change.structure, change)
        wanted = sorted({change.actor for change in latest.values()})
        rows = self._core.db.rows(_NAMES, {"subject_ids": wanted}) if wanted else ()
        people = {row.subject_id: row for row in rows}
        return {code: (change, people.get(change.actor)) for code, change in latest.items()}

    def _tell(self, session: Session, membership: Membership) -> None:
        """The nearest référent of that structure, or the correspondant, that he said no."""
        person: Account = membership.account
        found = referents.at_membership(
            session, person.subject_id, membership.id, self._core.clock.now()
        )
        reader = referents.or_correspondant(found, self._core.settings.organization)[0]
        parameters = {
            "given_name": person.given_name,
            "sn": person.sn,
            "mail": person.mail,
            "structure": membership.structure.label_path,
            "portal_url": self._core.settings.url("/"),
        }
        self._core.mailer.send(reader.mail, "membership-refused", parameters)


def _waiting(
    rows: Sequence[Row[Any]], arrival: tuple[Change, Row[Any] | None] | None
) -> WaitingMembership:
    """``rows`` are those of one membership; the journal may have forgotten how it came."""
    first = rows[0]
    roles = [
        WaitingRole(row.application, row.role, row.role_from)
        for row in rows
        if row.role is not None
    ]
    change, doer = arrival or (None, None)
    return WaitingMembership(
        id=first.public_id,
        structure_label=first.label,
        structure_path=first.label_path,
        added_by=grantor_name(change.actor if change else "", doer),
        added_at=change.at if change else first.created_at,
        function=first.function or "",
        service=first.service or "",
        valid_from=first.valid_from,
        roles=tuple(
            sorted(roles, key=lambda one: search_key(one.application_label, one.role_label))
        ),
    )
