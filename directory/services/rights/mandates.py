"""Mandates: who administers what; given and withdrawn by the correspondant or the command line."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, MandateTarget, Permission, require
from directory.models import Account, Application, Mandate
from directory.models.rights import MandateKind
from directory.services.dates import UNCHANGED, Change, Dates
from directory.services.lookup import account_by_mail, application_by_code, structure_by_code
from directory.validity import ACCOUNT, MANDATE, account_usable, within_dates
from idp.context import origin
from idp.errors import AlreadyExists, DirectoryError, NotFound

if TYPE_CHECKING:
    from idp.services import Core

Told = dict[str, str | list[str] | None]


class Mandates:
    """Gives and withdraws mandates."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def add(
        self,
        actor: Actor,
        mail: str,
        structure: str,
        applications: tuple[str, ...],
        *,
        valid_from: Change = UNCHANGED,
        valid_until: Change = UNCHANGED,
    ) -> None:
        """Make an account référent of a subtree, or add applications to the mandate it has there.

        A date that is not given stays as it is; None removes it. A mandate that is over begins
        anew: with these dates and these applications, and no others.

        Raises:
            NotFound: no such account, structure or application.
            NotAllowed: not the correspondant, or himself.
            DirectoryError: no application, or the dates are wrong.
        """
        with self._core.db.unit_of_work() as session:
            account = account_by_mail(session, actor, mail, lock=True)
            require(actor, Permission.GIVE_MANDATE, MandateTarget(account.id))
            if not applications:
                raise DirectoryError(
                    "a mandate without application",
                    public="Indiquez au moins une application pour ce mandat.",
                )
            root = structure_by_code(session, structure)
            named = _applications(session, applications)
            mandate = _mandate(session, account, root.id)
            before = _told(mandate)
            if mandate is None:
                mandate = self._new(account, MandateKind.REFERENT, root.id)
                session.add(mandate)
            elif Dates.of(mandate).over(self._core.clock.now()):
                self._begin_anew(mandate)
            Dates.of(mandate).changed(valid_from, valid_until).give(mandate)
            mandate.applications.extend(each for each in named if each not in mandate.applications)
            session.flush()
            if _told(mandate) != before:
                self._record("mandate.given", account, structure, before, _told(mandate))

    def remove(
        self, actor: Actor, mail: str, structure: str, applications: tuple[str, ...] = ()
    ) -> None:
        """Withdraw applications from a mandate, or all of it when none is named or left.

        Raises:
            NotFound: no such account, structure, application or mandate.
            NotAllowed: not the correspondant.
        """
        with self._core.db.unit_of_work() as session:
            account = account_by_mail(session, actor, mail)
            require(actor, Permission.WITHDRAW_MANDATE, MandateTarget(account.id))
            root = structure_by_code(session, structure)
            mandate = _mandate(session, account, root.id)
            if mandate is None:
                raise NotFound(
                    f"account {account.id} has no mandate on {structure}",
                    public=f"{account.mail} n'a pas de mandat sur « {root.label} ».",
                )
            before = _told(mandate)
            named = _applications(session, applications)
            kept = [each for each in mandate.applications if named and each not in named]
            mandate.applications = kept
            after = _told(mandate) if kept else None
            if not kept:
                session.delete(mandate)
            session.flush()
            self._record("mandate.withdrawn", account, structure, before, after)

    def add_central(self, actor: Actor, mail: str) -> None:
        """Make an account correspondant.

        Raises:
            NotFound: no such account.
            NotAllowed: not the correspondant, or himself.
            AlreadyExists: he is.
        """
        with self._core.db.unit_of_work() as session:
            account = account_by_mail(session, actor, mail, lock=True)
            require(actor, Permission.GIVE_MANDATE, MandateTarget(account.id))
            if _mandate(session, account, None) is not None:
                raise AlreadyExists(
                    f"account {account.id} is central",
                    public=f"{account.mail} est déjà correspondant.",
                )
            mandate = self._new(account, MandateKind.CENTRAL, None)
            session.add(mandate)
            session.flush()
            self._record("mandate.given", account, None, None, _told(mandate))

    def remove_central(self, actor: Actor, mail: str) -> None:
        """Withdraw the correspondant's mandate.

        Raises:
            NotFound: no such account, or he is not correspondant.
            NotAllowed: not the correspondant.
            DirectoryError: he is the last one.
        """
        with self._core.db.unit_of_work() as session:
            account = account_by_mail(session, actor, mail)
            require(actor, Permission.WITHDRAW_MANDATE, MandateTarget(account.id))
            mandate = _mandate(session, account, None)
            if mandate is None:
                raise NotFound(
                    f"account {account.id} is not central",
                    public=f"{account.mail} n'est pas correspondant.",
                )
            require_another_central(session, account, self._core.clock.now())
            before = _told(mandate)
            session.delete(mandate)
            session.flush()
            self._record("mandate.withdrawn", account, None, before, None)

    def _new(self, account: Account, kind: MandateKind, structure_id: int | None) -> Mandate:
        return Mandate(
            account_id=account.id,
            kind=kind.value,
            structure_id=structure_id,
            granted_by=origin().actor,
            granted_at=self._core.clock.now(),
        )

    def _begin_anew(self, mandate: Mandate) -> None:
        mandate.granted_by, mandate.granted_at = origin().actor, self._core.clock.now()
        mandate.applications = []
        Dates().give(mandate)

    def _record(
        self,
        code: str,
        account: Account,
        structure: str | None,
        before: Told | None,
        after: Told | None,
    ) -> None:
        kind = MandateKind.REFERENT if structure else MandateKind.CENTRAL
        self._core.audit.record(
            code,
            subject_id=account.subject_id,
            target=f"structure:{structure}" if structure else None,
            parameters={"kind": kind.value, "before": before, "after": after},
        )


def require_another_central(session: Session, account: Account, now: datetime) -> None:
    """Insist that somebody else is correspondant, now, if this account is.

    Raises:
        DirectoryError: it is the last one.
    """
    # Locked, so that two correspondants can't remove each other at the same moment.
    session.execute(
        select(MANDATE.c.id).where(MANDATE.c.kind == MandateKind.CENTRAL.value).with_for_update()
    )
    in_force = select(MANDATE.c.account_id).where(MANDATE.c.kind == MandateKind.CENTRAL.value)
    usable = in_force.join(ACCOUNT, ACCOUNT.c.id == MANDATE.c.account_id).where(
        account_usable(), within_dates(MANDATE)
    )
    is_central = account.id in session.scalars(in_force).all()
    others = set(session.scalars(usable, {"now": now})) - {account.id}
    if is_central and not others:
        raise DirectoryError(
            f"account {account.id} is the last central",
            public=f"{account.mail} est le dernier correspondant : désignez-en un autre d'abord.",
        )


def _mandate(session: Session, account: Account, structure_id: int | None) -> Mandate | None:
    """His mandate on this structure; None: the correspondant's."""
    where = (
        Mandate.kind == MandateKind.CENTRAL.value
        if structure_id is None
        else Mandate.structure_id == structure_id
    )
    return session.scalar(select(Mandate).where(Mandate.account_id == account.id, where))


def _applications(session: Session, codes: tuple[str, ...]) -> list[Application]:
    return [application_by_code(session, code) for code in dict.fromkeys(codes)]


def _told(mandate: Mandate | None) -> Told | None:
    """A mandate as the journal keeps it."""
    if mandate is None:
        return None
    applications = sorted(each.code for each in mandate.applications)
    return {**Dates.of(mandate).told(), "applications": applications}
