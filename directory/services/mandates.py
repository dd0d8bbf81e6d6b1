"""Mandates: who administers what; given and withdrawn by the correspondant or the command line."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, MandateTarget, Permission, require
from directory.models import Account, Application, Mandate
from directory.models.rights import MandateKind
from directory.services.lookup import account_by_mail, application_by_code, structure_by_code
from directory.validity import ACCOUNT, MANDATE, account_usable, within_dates
from idp.context import origin
from idp.errors import AlreadyExists, DirectoryError, NotFound

if TYPE_CHECKING:
    from idp.services import Core


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
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> None:
        """Make an account référent of a subtree, or add applications to the mandate it has there.

        The dates replace those of a mandate that exists already.

        Raises:
            NotFound: no such account, structure or application.
            NotAllowed: not the correspondant, or himself.
            DirectoryError: no application, or the dates are wrong.
        """
        _check(applications, valid_from, valid_until)
        with self._core.db.unit_of_work() as session:
            account = account_by_mail(session, mail)
            require(actor, Permission.GIVE_MANDATE, MandateTarget(account.id))
            root = structure_by_code(session, structure)
            mandate = _mandate(session, account, root.id)
            if mandate is None:
                mandate = self._new(account, MandateKind.REFERENT, root.id)
                session.add(mandate)
            mandate.valid_from, mandate.valid_until = valid_from, valid_until
            for application in _applications(session, applications):
                if application not in mandate.applications:
                    mandate.applications.append(application)
            session.flush()
            self._record("mandate.given", account, structure, mandate.applications)

    def remove(
        self, actor: Actor, mail: str, structure: str, applications: tuple[str, ...] = ()
    ) -> None:
        """Withdraw applications from a mandate, or all of it when none is named or left.

        Raises:
            NotFound: no such account, structure, application or mandate.
            NotAllowed: not the correspondant.
        """
        with self._core.db.unit_of_work() as session:
            account = account_by_mail(session, mail)
            require(actor, Permission.WITHDRAW_MANDATE, MandateTarget(account.id))
            root = structure_by_code(session, structure)
            mandate = _mandate(session, account, root.id)
            if mandate is None:
                raise NotFound(
                    f"account {account.id} has no mandate on {structure}",
                    public=f"{account.mail} n'a pas de mandat sur « {root.label} ».",
                )
            named = _applications(session, applications)
            kept = [each for each in mandate.applications if named and each not in named]
            gone = [each for each in mandate.applications if each not in kept]
            mandate.applications = kept
            if not kept:
                session.delete(mandate)
            session.flush()
            self._record("mandate.withdrawn", account, structure, gone)

    def add_central(self, actor: Actor, mail: str) -> None:
        """Make an account correspondant.

        Raises:
            NotFound: no such account.
            NotAllowed: not the correspondant, or himself.
            AlreadyExists: he is.
        """
        with self._core.db.unit_of_work() as session:
            account = account_by_mail(session, mail)
            require(actor, Permission.GIVE_MANDATE, MandateTarget(account.id))
            if _mandate(session, account, None) is not None:
                raise AlreadyExists(
                    f"account {account.id} is central",
                    public=f"{account.mail} est déjà correspondant.",
                )
            session.add(self._new(account, MandateKind.CENTRAL, None))
            session.flush()
            self._record("mandate.given", account, None, [])

    def remove_central(self, actor: Actor, mail: str) -> None:
        """Withdraw the correspondant's mandate.

        Raises:
            NotFound: no such account, or he is not correspondant.
            NotAllowed: not the correspondant.
            DirectoryError: he is the last one.
        """
        with self._core.db.unit_of_work() as session:
            account = account_by_mail(session, mail)
            require(actor, Permission.WITHDRAW_MANDATE, MandateTarget(account.id))
            mandate = _mandate(session, account, None)
            if mandate is None:
                raise NotFound(
                    f"account {account.id} is not central",
                    public=f"{account.mail} n'est pas correspondant.",
                )
            require_another_central(session, account, self._core.clock.now())
            session.delete(mandate)
            session.flush()
            self._record("mandate.withdrawn", account, None, [])

    def _new(self, account: Account, kind: MandateKind, structure_id: int | None) -> Mandate:
        return Mandate(
            account_id=account.id,
            kind=kind.value,
            structure_id=structure_id,
            granted_by=origin().actor,
            granted_at=self._core.clock.now(),
        )

    def _record(
        self,
        code: str,
        account: Account,
        structure: str | None,
        applications: list[Application],
    ) -> None:
        kind = MandateKind.REFERENT if structure else MandateKind.CENTRAL
        self._core.audit.record(
            code,
            subject_id=account.subject_id,
            target=f"structure:{structure}" if structure else None,
            parameters={
                "kind": kind.value,
                "applications": sorted(each.code for each in applications),
            },
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


def _check(
    applications: tuple[str, ...], valid_from: datetime | None, valid_until: datetime | None
) -> None:
    if not applications:
        raise DirectoryError(
            "a mandate without application",
            public="Indiquez au moins une application pour ce mandat.",
        )
    if valid_from is not None and valid_until is not None and valid_until <= valid_from:
        raise DirectoryError(
            "dates in the wrong order", public="La date de fin doit suivre la date de début."
        )
