"""An account as an actor may see it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from directory.authorisation import (
    AccountTarget,
    Actor,
    AssignmentTarget,
    Permission,
    StructureTarget,
    may,
    require,
)
from directory.models import (
    Account,
    AccountPhoto,
    Application,
    Assignment,
    Mandate,
    Membership,
    Role,
    Structure,
)
from directory.models.rights import MandateKind
from directory.services.accounts.possible import NOTHING, Possible, possible
from directory.services.lookup import account_target, any_account_by_mail
from directory.states import (
    IN_BIN,
    UNCONFIRMED,
    account_state,
    activity,
    membership_state,
    role_state,
)
from directory.validity import why_unusable
from idp.errors import NotAllowed, NotFound

if TYPE_CHECKING:
    from idp.services import Core


@dataclass(frozen=True, slots=True)
class RoleSheet:
    """A role held; ``state``: en cours, à venir, terminé."""

    application: str
    application_label: str
    role: str
    label: str
    valid_from: datetime | None
    valid_until: datetime | None
    granted_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class MembershipSheet:
    """A membership; ``state``: valide, suspendu, à confirmer, à venir, expiré, structure fermée.

    ``id`` is what the other rooms know it by. What the settings switch off is None.
    ``hidden_roles``: as :attr:`AccountSheet.hidden_roles`, those of this membership.
    """

    id: str
    structure: str
    label_path: str
    state: str
    service: str | None
    function: str | None
    application_identifier: str | None
    teleworking: bool | None
    postal_address: str | None
    phone: str | None
    suspended: bool
    valid_from: datetime | None
    valid_until: datetime | None
    roles: tuple[RoleSheet, ...]
    hidden_roles: int


@dataclass(frozen=True, slots=True)
class MandateSheet:
    """A mandate; ``structure`` None: correspondant."""

    structure: str | None
    applications: tuple[str, ...]
    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class AccountSheet:
    """What may be seen of an account.

    ``photo`` is the digest of the photo. ``state``: actif, verrouillé, à venir, expiré, dans la
    corbeille. ``activity``: jamais, moins de 6 mois, plus de 6 mois; the exact ``last_sign_in_at``
    is for the person himself, the correspondant and the command line. ``hidden_roles``: how many
    lie outside the actor's scope.

    ``state_seen`` False: the person has confirmed no membership in the actor's scope. Then
    ``state`` is à confirmer, ``activity`` empty, and all else of the account None.
    """

    subject_id: str
    mail: str
    sn: str
    given_name: str
    photo: str | None
    state_seen: bool
    state: str
    locked: bool | None
    has_password: bool | None
    activity: str
    last_sign_in_at: datetime | None
    valid_from: datetime | None
    valid_until: datetime | None
    memberships: tuple[MembershipSheet, ...]
    mandates: tuple[MandateSheet, ...]
    hidden_roles: int | None


def sheet(session: Session, actor: Actor, mail: str, now: datetime) -> AccountSheet:
    """The sheet of the account of this address, the bin included. Three statements.

    Raises:
        NotFound: no such account.
        NotAllowed: out of scope.
    """
    account = any_account_by_mail(session, mail)
    if account is None:
        raise NotFound(f"account {mail!r}", public=f"Aucun compte n'a l'adresse {mail}.")
    target = account_target(session, account, now)
    require(actor, Permission.SEE_ACCOUNT, target)
    return _Reading(session, actor, account, now).sheet(target)


@dataclass(frozen=True, slots=True)
class PersonSheet:
    """The sheet of a page, and what its reader may do."""

    sheet: AccountSheet
    can: Possible

    @property
    def in_bin(self) -> bool:
        """Whether it waits in the bin."""
        return self.sheet.state == IN_BIN

    def membership(self, public_id: str) -> MembershipSheet:
        """The membership of this id, if the reader may do something about it.

        Raises:
            NotAllowed: he may not, or the person has none of this id.
        """
        for each in self.sheet.memberships:
            if each.id == public_id and public_id in self.can.memberships:
                return each
        raise NotAllowed(f"membership {public_id!r}")


class Sheets:
    """Reads sheets by the id that stands in addresses."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def read(self, actor: Actor, subject_id: str) -> PersonSheet:
        """The sheet of this person, the bin included. Five statements at most.

        Raises:
            NotFound: nobody has this id, or he may not be seen: alike.
        """
        with self._core.db.reading() as session:
            account = session.scalar(select(Account).where(Account.subject_id == subject_id))
            if account is not None:
                return self.of(session, actor, account)
        raise absent(subject_id)

    def of(self, session: Session, actor: Actor, account: Account) -> PersonSheet:
        """The sheet of this account.

        Raises:
            NotFound: he may not be seen.
        """
        now = self._core.clock.now()
        target = account_target(session, account, now)
        if not may(actor, Permission.SEE_ACCOUNT, target):
            raise absent(account.subject_id)
        off = self._core.settings.fields_off
        reading = _Reading(session, actor, account, now, off)
        shown = reading.sheet(target)
        if account.deleted_at is not None:
            return PersonSheet(shown, NOTHING)
        usable = why_unusable(account, now) is None
        can = possible(actor, target, reading.paths.items(), locked=account.locked, usable=usable)
        return PersonSheet(shown, can)


def absent(subject_id: str) -> NotFound:
    """What is said of nobody, and of who may not be seen."""
    return NotFound(f"subject {subject_id!r}", public="Cet utilisateur n'existe pas ou plus.")


class _Reading:
    """One account, read for one actor; ``paths``: those of the memberships that he sees."""

    def __init__(
        self,
        session: Session,
        actor: Actor,
        account: Account,
        now: datetime,
        off: frozenset[str] = frozenset(),
    ) -> None:
        self._session = session
        self._actor = actor
        self._account = account
        self._now = now
        self._off = off
        self._own = actor.account_id == account.id
        self.paths: dict[str, str] = {}

    def sheet(self, target: AccountTarget) -> AccountSheet:
        account, now = self._account, self._now
        everything = self._own or self._actor.everywhere
        memberships, hidden = self._memberships()
        if not may(self._actor, Permission.SEE_ACCOUNT_STATE, target):
            return _without_state(account, memberships)
        photo = select(AccountPhoto.digest).where(AccountPhoto.account_id == account.id)
        return AccountSheet(
            subject_id=account.subject_id,
            mail=account.mail,
            sn=account.sn,
            given_name=account.given_name,
            photo=self._session.scalar(photo),
            state_seen=True,
            state=account_state(account, now),
            locked=account.locked,
            has_password=account.password_hash is not None,
            activity=activity(account.last_sign_in_at, now),
            last_sign_in_at=account.last_sign_in_at if everything else None,
            valid_from=account.valid_from,
            valid_until=account.valid_until,
            memberships=memberships,
            mandates=_mandates(self._session, account) if everything else (),
            hidden_roles=hidden,
        )

    def _memberships(self) -> tuple[tuple[MembershipSheet, ...], int]:
        """The memberships that may be seen, and how many roles may not.

        What waits for a confirmation elsewhere has no effect yet: its roles are not counted.
        """
        seen: dict[int, tuple[Membership, Structure]] = {}
        roles: defaultdict[int, list[RoleSheet]] = defaultdict(list)
        hidden: Counter[int] = Counter()
        for membership, structure, assignment, role, application in self._rows():
            place = StructureTarget(structure.path)
            shown = self._own or may(self._actor, Permission.SEE_STRUCTURE, place)
            if shown:
                seen[membership.id] = membership, structure
                self.paths[membership.public_id] = structure.path
            if assignment is None:
                continue
            target = AssignmentTarget(self._account.id, structure.path, application.id)
            if self._own or may(self._actor, Permission.WITHDRAW_ROLE, target):
                roles[membership.id].append(_role(assignment, role, application, self._now))
            elif shown or membership.confirmed_at is not None:
                hidden[membership.id] += 1
        sheets = tuple(
            self._membership(*each, tuple(roles[number]), hidden[number])
            for number, each in seen.items()
        )
        return sheets, hidden.total()

    def _rows(
        self,
    ) -> Sequence[Row[Membership, Structure, Assignment, Role, Application]]:
        account = self._account
        return self._session.execute(
            select(Membership, Structure, Assignment, Role, Application)
            .join(Structure, Structure.id == Membership.structure_id)
            .outerjoin(Assignment, Assignment.membership_id == Membership.id)
            .outerjoin(Role, Role.id == Assignment.role_id)
            .outerjoin(Application, Application.id == Role.application_id)
            .where(
                Membership.account_id == account.id,
                Membership.deleted_at.is_(None)
                if account.deleted_at is None
                else Membership.deleted_at == account.deleted_at,
            )
            .order_by(Structure.label_path, Application.label, Role.label)
        ).all()

    def _membership(
        self,
        membership: Membership,
        structure: Structure,
        roles: tuple[RoleSheet, ...],
        hidden: int,
    ) -> MembershipSheet:
        off = self._off
        return MembershipSheet(
            id=membership.public_id,
            structure=structure.code,
            label_path=structure.label_path,
            state=membership_state(
                membership,
                membership.valid_from,
                membership.valid_until,
                structure.closed_at,
                self._now,
            ),
            service=membership.service,
            function=membership.function,
            application_identifier=membership.application_identifier,
            teleworking=None if "teleworking" in off else membership.teleworking,
            postal_address=None if "postal_address" in off else membership.postal_address,
            phone=None if "phone" in off else membership.phone,
            suspended=membership.suspended,
            valid_from=membership.valid_from,
            valid_until=membership.valid_until,
            roles=roles,
            hidden_roles=hidden,
        )


def _without_state(account: Account, memberships: tuple[MembershipSheet, ...]) -> AccountSheet:
    """The person by name and address, with what he has in the reader's structures."""
    return AccountSheet(
        subject_id=account.subject_id,
        mail=account.mail,
        sn=account.sn,
        given_name=account.given_name,
        photo=None,
        state_seen=False,
        state=UNCONFIRMED,
        locked=None,
        has_password=None,
        activity="",
        last_sign_in_at=None,
        valid_from=None,
        valid_until=None,
        memberships=memberships,
        mandates=(),
        hidden_roles=None,
    )


def _role(assignment: Assignment, role: Role, application: Application, now: datetime) -> RoleSheet:
    return RoleSheet(
        application=application.code,
        application_label=application.label,
        role=role.code,
        label=role.label,
        valid_from=assignment.valid_from,
        valid_until=assignment.valid_until,
        granted_at=assignment.granted_at,
        state=role_state(assignment.valid_from, assignment.valid_until, now),
    )


def _mandates(session: Session, account: Account) -> tuple[MandateSheet, ...]:
    rows = session.execute(
        select(Mandate, Structure.code, Application.code)
        .outerjoin(Structure, Structure.id == Mandate.structure_id)
        .outerjoin(Mandate.applications)
        .where(Mandate.account_id == account.id)
        .order_by(Structure.label_path, Application.code)
    ).all()
    applications: dict[int, list[str]] = {}
    mandates: dict[int, tuple[Mandate, str | None]] = {}
    for mandate, structure, application in rows:
        mandates[mandate.id] = mandate, structure
        applications.setdefault(mandate.id, []).extend([application] if application else [])
    return tuple(
        MandateSheet(
            structure=None if mandate.kind == MandateKind.CENTRAL else structure,
            applications=tuple(applications[mandate.id]),
            valid_from=mandate.valid_from,
            valid_until=mandate.valid_until,
        )
        for mandate, structure in mandates.values()
    )
