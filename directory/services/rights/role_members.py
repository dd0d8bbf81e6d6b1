"""Who holds a role: *Affecter*, *Désaffecter*, *Modifier les dates*. Memberships by their ids.

An id is looked for inside the role's application and the actor's mandates on it; what lies outside
answers as if it did not exist.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager, joinedload

from directory.authorisation import Actor, AssignmentTarget, Permission, may
from directory.models import Account, Assignment, Membership, Role
from directory.services.dates import Dates
from directory.services.lookup import hold_accounts
from directory.services.rights.administered import RoleRef, administered_role
from directory.services.rights.granting import Granting, assignment_of, assignments_held
from directory.services.rights.role_sentences import (
    begins_later,
    each_once,
    no_effect_yet,
    no_more,
    person_name,
)
from idp.errors import AlreadyDone, DirectoryError, NotFound, StaleEdit

if TYPE_CHECKING:
    from idp.services import Core

MOST = 100
"""People who are given a role at once: their rows are locked for a moment."""

GONE = (
    "n'est pas, ou n'est plus, dans vos structures pour cette application. Rien n'a été "
    "enregistré : recommencez la recherche."
)


@dataclass(frozen=True, slots=True)
class RoleMember:
    """A membership that holds a role, as the confirmations show it.

    ``version`` stands for what is shown; ``waiting`` says why the role has no effect now.
    """

    membership_id: str
    subject_id: str
    name: str
    mail: str
    structure: str
    application: str
    role: str
    valid_from: datetime | None
    valid_until: datetime | None
    over: bool
    oneself: bool
    version: str
    waiting: str


@dataclass(frozen=True, slots=True)
class TickedPerson:
    """Somebody who was ticked; ``held``: he has the role already."""

    membership_id: str
    name: str
    mail: str
    structure: str
    held: bool


@dataclass(frozen=True, slots=True)
class Assigned:
    """Names of those who were given the role, and of those who had it already.

    ``names``: of each person one, with the number of his memberships where they are several.
    ``to_come``: one of the latter has it from a later day on, which stands beside his name;
    ``waiting``: sentences about those for whom it has no effect yet; ``oneself``: the actor is
    among them.
    """

    application: str
    role: str
    names: tuple[str, ...]
    already: tuple[str, ...]
    waiting: tuple[str, ...]
    oneself: bool
    to_come: bool = False


class NobodyAssigned(DirectoryError):
    """One person at least cannot be given the role, so nobody was: ``reasons`` says who and why."""

    code = "nobody-assigned"
    public_text = "Personne n'a été affecté. Décochez qui ne peut pas l'être, puis recommencez."

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(f"{len(reasons)} of them refused")
        self.reasons = tuple(reasons)


class RoleMembers:
    """Gives a role to several people at once, takes it from one, changes its dates."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._granting = Granting(core)

    def ticked(
        self, actor: Actor, ref: RoleRef, membership_ids: Sequence[str]
    ) -> tuple[TickedPerson, ...]:
        """Those of these who are in reach, by name. The others are left out without a word.

        Raises:
            NotAllowed: no such role among those that he administers.
        """
        with self._core.db.reading() as session:
            role = administered_role(session, actor, ref)
            found = _in_reach(session, actor, role, membership_ids[:MOST], Permission.GRANT_ROLE)
            held = self._holding(session, found, role)
            people = [
                TickedPerson(
                    membership_id=one.public_id,
                    name=person_name(one.account),
                    mail=one.account.mail,
                    structure=one.structure.label,
                    held=one.id in held,
                )
                for one in found
            ]
            return tuple(sorted(people, key=lambda one: (one.name, one.structure)))

    def assign(
        self,
        actor: Actor,
        ref: RoleRef,
        membership_ids: Sequence[str],
        *,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> Assigned:
        """Give the role to all of these, or to none.

        Who holds it already keeps it as it is, dates included.

        Raises:
            NotAllowed: no such role among those that he administers.
            NotFound: one of them is not in reach: gone, or never was.
            NobodyAssigned: one of them may not have it.
            DirectoryError: nobody, too many, or the dates are wrong.
        """
        wanted = tuple(dict.fromkeys(membership_ids))
        self._check(wanted, valid_from, valid_until)
        with self._core.db.unit_of_work() as session:
            role = administered_role(session, actor, ref)
            found = _in_reach(session, actor, role, wanted, Permission.GRANT_ROLE, lock=True)
            if len(found) != len(wanted):
                count = len(wanted) - len(found)
                who = "Un rattachement coché" if count == 1 else f"{count} rattachements : chacun"
                raise NotFound(f"{count} memberships out of reach", public=f"{who} {GONE}")
            held = self._holding(session, found, role)
            fresh = [one for one in found if one.id not in held]
            reasons = []
            for one in fresh:
                try:
                    self._granting.give(
                        session, actor, one, role, valid_from=valid_from, valid_until=valid_until
                    )
                except DirectoryError as refused:
                    reasons.append(f"{person_name(one.account)} : {refused.public}")
            if reasons:
                raise NobodyAssigned(reasons)
            already = [(one, held[one.id]) for one in found if one.id in held]
            return self._told(actor, role, fresh, already)

    def read(self, actor: Actor, ref: RoleRef, membership_id: str) -> RoleMember:
        """One who holds the role.

        Raises:
            NotAllowed: no such role among those that he administers.
            NotFound: no such membership in reach.
            StaleEdit: the membership does not hold the role any more.
        """
        with self._core.db.reading() as session:
            membership, role, known = self.held_by(session, actor, ref, membership_id)
            return self.told(actor, membership, role, known)

    def withdraw(self, actor: Actor, ref: RoleRef, membership_id: str) -> RoleMember:
        """Take the role; as it was.

        Raises:
            NotAllowed, NotFound: as :meth:`read`.
            AlreadyDone: it does not hold the role.
        """
        with self._core.db.unit_of_work() as session:
            try:
                membership, role, known = self.held_by(
                    session, actor, ref, membership_id, lock=True
                )
            except StaleEdit as gone:
                raise AlreadyDone(gone.cause) from gone
            was = self.told(actor, membership, role, known)
            self._granting.take(session, membership, role, known)
            return was

    def change_dates(
        self,
        actor: Actor,
        ref: RoleRef,
        membership_id: str,
        valid_from: datetime | None,
        valid_until: datetime | None,
        *,
        version: str,
    ) -> RoleMember:
        """Let the role begin and end then; None does not bound. Returns how it is now.

        Raises:
            NotAllowed, NotFound: as :meth:`read`.
            StaleEdit: the role was withdrawn or got other dates than these since ``version``.
            DirectoryError: the dates are wrong, or another role of a single-role application is in
                the way.
        """
        with self._core.db.unit_of_work() as session:
            membership, role, known = self.held_by(session, actor, ref, membership_id, lock=True)
            if Dates.of(known) != Dates(valid_from, valid_until):
                if version != version_of(known):
                    raise StaleEdit(f"assignment {known.id} is not {version!r}")
                self._check_dates(valid_from, valid_until)
                self._granting.give(
                    session,
                    actor,
                    membership,
                    role,
                    valid_from=valid_from,
                    valid_until=valid_until,
                )
            return self.told(actor, membership, role, known)

    def held_by(
        self,
        session: Session,
        actor: Actor,
        ref: RoleRef,
        membership_id: str,
        *,
        lock: bool = False,
    ) -> tuple[Membership, Role, Assignment]:
        """The membership (``lock``: others wait), the role and that the one holds the other.

        Raises:
            NotAllowed, NotFound, StaleEdit: as :meth:`read`.
        """
        role = administered_role(session, actor, ref)
        permission = Permission.WITHDRAW_ROLE
        found = _in_reach(session, actor, role, (membership_id,), permission, lock=lock)
        if not found:
            raise NotFound(f"membership {membership_id!r}", public=f"Cette personne {GONE}")
        known = assignment_of(session, found[0], role)
        if known is None:
            now, zone = self._core.clock.now(), self._core.settings.organization.time_zone
            held = assignments_held(session, found[0], role.application_id, now)
            why = no_more(found[0], role, held, now, zone)
            raise StaleEdit(f"membership {membership_id} does not hold role {role.id}", public=why)
        return found[0], role, known

    def told(
        self, actor: Actor, membership: Membership, role: Role, known: Assignment
    ) -> RoleMember:
        """As the screens show it."""
        now, zone = self._core.clock.now(), self._core.settings.organization.time_zone
        return RoleMember(
            membership_id=membership.public_id,
            subject_id=membership.account.subject_id,
            name=person_name(membership.account),
            mail=membership.account.mail,
            structure=membership.structure.label_path,
            application=role.application.label,
            role=role.label,
            valid_from=known.valid_from,
            valid_until=known.valid_until,
            over=Dates.of(known).over(now),
            oneself=membership.account_id == actor.account_id,
            version=version_of(known),
            waiting=no_effect_yet(membership, now, zone),
        )

    def _check(
        self, wanted: Sequence[str], valid_from: datetime | None, valid_until: datetime | None
    ) -> None:
        if not wanted:
            raise DirectoryError("nobody", public="Cochez au moins une personne à affecter.")
        if len(wanted) > MOST:
            raise DirectoryError(
                f"{len(wanted)} at once",
                public=f"Plus de {MOST} rattachements cochés : affectez-en {MOST} au plus.",
            )
        self._check_dates(valid_from, valid_until)

    def _check_dates(self, valid_from: datetime | None, valid_until: datetime | None) -> None:
        """Once for all: what is said of the dates is no reason of one person."""
        Dates().changed(valid_from, valid_until)
        if Dates(valid_from, valid_until).over(self._core.clock.now()):
            raise DirectoryError(
                "would be over",
                public="La date de fin est déjà passée. Pour retirer un rôle tout de suite, "
                "choisissez « Désaffecter le membre sélectionné ».",
            )

    def _holding(
        self, session: Session, found: Iterable[Membership], role: Role
    ) -> dict[int, Dates]:
        """Those of these memberships, by id, that hold the role and whose time is not over."""
        rows = session.scalars(
            select(Assignment).where(
                Assignment.role_id == role.id,
                Assignment.membership_id.in_([one.id for one in found]),
            )
        )
        now = self._core.clock.now()
        dated = ((one.membership_id, Dates.of(one)) for one in rows)
        return {membership_id: dates for membership_id, dates in dated if not dates.over(now)}

    def _told(
        self,
        actor: Actor,
        role: Role,
        fresh: Sequence[Membership],
        held: Sequence[tuple[Membership, Dates]],
    ) -> Assigned:
        now, zone = self._core.clock.now(), self._core.settings.organization.time_zone
        everybody = (*fresh, *(one for one, _ in held))
        waiting = ((person_name(one.account), no_effect_yet(one, now, zone)) for one in everybody)
        later = [begins_later(dates.valid_from, now, zone) for _, dates in held]
        return Assigned(
            application=role.application.label,
            role=role.label,
            names=each_once(fresh),
            already=tuple(
                person_name(one.account) + (f" ({when})" if when else "")
                for (one, _), when in zip(held, later, strict=True)
            ),
            waiting=tuple(f"{name} : {why}." for name, why in waiting if why),
            oneself=any(one.account_id == actor.account_id for one in fresh),
            to_come=any(later),
        )


def version_of(known: Assignment) -> str:
    """Stands for an assignment as it is: granted anew or with other dates it is another one."""
    dates = Dates.of(known).told()
    seen = f"{known.id} {known.granted_at.isoformat()} {dates['from']} {dates['until']}"
    return sha256(seen.encode()).hexdigest()[:16]


def _in_reach(
    session: Session,
    actor: Actor,
    role: Role,
    membership_ids: Sequence[str],
    permission: Permission,
    *,
    lock: bool = False,
) -> list[Membership]:
    """Those of these memberships on which the decider agrees, outside the bin.

    Locked in one order, so that two who lock the same ones do not wait for each other.
    """
    statement = (
        select(Membership)
        .join(Membership.account)
        .where(
            Membership.public_id.in_(membership_ids),
            Membership.deleted_at.is_(None),
            Account.deleted_at.is_(None),
        )
        .options(
            contains_eager(Membership.account),
            joinedload(Membership.structure, innerjoin=True),
        )
        .order_by(Membership.id)
    )
    if lock:
        named = Membership.public_id.in_(membership_ids)
        hold_accounts(session, Account.id.in_(select(Membership.account_id).where(named)))
        statement = statement.with_for_update(of=Membership)
    return [
        one
        for one in session.scalars(statement)
        if may(
            actor,
            permission,
            AssignmentTarget(one.account_id, one.structure.path, role.application_id),
        )
    ]
