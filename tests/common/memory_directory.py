"""An ``IDirectory`` that lives in memory: for the tests of the protocol, which need no SQL.

It shares no code with the SQL one, so that one contract suite can hold both to the same text.
``setting = "tests.common.memory_directory.build"`` makes the whole application run on it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from idp.errors import AccountUnusable, AlreadyExists, BadCredentials, NotFound
from idp.interfaces import IClock
from idp.names import full_name
from idp.types import Entitlement, HeldRole, NotEntitled, Profile, Referent, RoleLine, Subject, Tile

if TYPE_CHECKING:
    from idp.services import Core


@dataclass
class Dates:
    """From (included) / until (excluded); None does not bound."""

    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def hold(self, now: datetime) -> bool:
        begun = self.valid_from is None or self.valid_from <= now
        return begun and (self.valid_until is None or now < self.valid_until)


@dataclass
class MemoryStructure:
    code: str
    label: str
    parent: "MemoryStructure | None"
    siret: str | None
    closed: bool = False

    def line(self) -> "Iterator[MemoryStructure]":
        """Itself, then upwards."""
        node: MemoryStructure | None = self
        while node is not None:
            yield node
            node = node.parent

    @property
    def path(self) -> str:
        return " / ".join(reversed([node.label for node in self.line()]))

    @property
    def open(self) -> bool:
        return not any(node.closed for node in self.line())


@dataclass
class MemoryAccount:
    subject: Subject
    password: bytes | None
    locked: bool = False
    deleted: bool = False
    last_sign_in_at: datetime | None = None
    dates: Dates = field(default_factory=Dates)

    def usable(self, now: datetime) -> bool:
        return not self.locked and not self.deleted and self.dates.hold(now)


@dataclass
class MemoryApplication:
    code: str
    label: str
    start_url: str | None
    description: str
    icon: str
    opens: Dates
    closed_message: str | None
    entity_id: str | None = None
    roles: dict[str, HeldRole] = field(default_factory=dict)

    def message(self, now: datetime) -> str | None:
        """Why it is closed now."""
        if self.opens.hold(now):
            return None
        if self.opens.valid_from is not None and now < self.opens.valid_from:
            return self.closed_message or "Cette application n'est pas encore ouverte."
        return self.closed_message or "Cette application est fermée."


@dataclass
class MemoryMembership:
    id: str
    account: MemoryAccount
    structure: MemoryStructure
    service: str | None
    function: str | None
    application_id: str | None
    phone: str | None
    confirmed: bool
    added_at: datetime
    suspended: bool = False
    deleted: bool = False
    dates: Dates = field(default_factory=Dates)
    held: dict[tuple[str, str], Dates] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        return self.confirmed and not self.deleted

    def valid(self, now: datetime) -> bool:
        allowed = self.known and not self.suspended
        return allowed and self.dates.hold(now) and self.structure.open


@dataclass
class MemoryMandate:
    account: MemoryAccount
    structure: MemoryStructure
    applications: tuple[str, ...]
    dates: Dates


class MemoryDirectory:
    """The directory, and the means to fill it (all that is not of ``IDirectory``)."""

    def __init__(self, clock: IClock, *, correspondant: str, organization: str) -> None:
        self._clock = clock
        self._correspondant = Referent(f"Correspondant {organization}", correspondant)
        self._structures: dict[str, MemoryStructure] = {}
        self._accounts: dict[str, MemoryAccount] = {}
        self._applications: dict[str, MemoryApplication] = {}
        self._memberships: list[MemoryMembership] = []
        self._mandates: list[MemoryMandate] = []
        self._ids = count(1)
        self.hash_calls = 0

    # --- filling it --------------------------------------------------------------------------

    def add_structure(
        self, code: str, label: str, *, parent: str | None = None, siret: str | None = None
    ) -> None:
        above = self._structures[parent] if parent else None
        self._structures[code] = MemoryStructure(code, label, above, siret)

    def close_structure(self, code: str) -> None:
        self._structures[code].closed = True

    def add_account(
        self,
        mail: str,
        given_name: str = "Prénom",
        sn: str = "Nom",
        structure: str | None = None,
        password: str | None = None,
    ) -> str:
        """A usable account, in a structure if one is named; returns its subject id."""
        subject = Subject(
            id=f"subject-{next(self._ids)}",
            login=mail,
            given_name=given_name,
            sn=sn,
            password_changed_at=self._clock.now() if password else None,
        )
        digest = self._hash(password) if password else None
        self._accounts[subject.id] = MemoryAccount(subject, digest)
        if structure:
            self.add_membership(subject.id, structure)
        return subject.id

    def set_password(self, subject_id: str, password: str) -> None:
        account = self._accounts[subject_id]
        account.password = self._hash(password)
        account.subject = replace(account.subject, password_changed_at=self._clock.now())

    def change_mail(self, subject_id: str, mail: str) -> None:
        account = self._accounts[subject_id]
        account.subject = replace(account.subject, login=mail)

    def last_sign_in_at(self, subject_id: str) -> datetime | None:
        return self._accounts[subject_id].last_sign_in_at

    def lock(self, subject_id: str) -> None:
        self._accounts[subject_id].locked = True

    def unlock(self, subject_id: str) -> None:
        self._accounts[subject_id].locked = False

    def delete(self, subject_id: str) -> None:
        self._accounts[subject_id].deleted = True

    def set_validity(
        self, subject_id: str, valid_from: datetime, valid_until: datetime | None
    ) -> None:
        self._accounts[subject_id].dates = Dates(valid_from, valid_until)

    def add_membership(
        self,
        subject_id: str,
        structure: str,
        *,
        service: str | None = None,
        function: str | None = None,
        application_id: str | None = None,
        phone: str | None = None,
        confirmed: bool = True,
    ) -> str:
        """A membership; returns its public id."""
        membership = MemoryMembership(
            id=f"membership-{next(self._ids)}",
            account=self._accounts[subject_id],
            structure=self._structures[structure],
            service=service,
            function=function,
            application_id=application_id,
            phone=phone,
            confirmed=confirmed,
            added_at=self._clock.now(),
        )
        self._memberships.append(membership)
        return membership.id

    def suspend(self, membership_id: str) -> None:
        self._membership(membership_id).suspended = True

    def remove_membership(self, membership_id: str) -> None:
        self._membership(membership_id).deleted = True

    def set_membership_validity(
        self, membership_id: str, valid_from: datetime | None, valid_until: datetime | None
    ) -> None:
        self._membership(membership_id).dates = Dates(valid_from, valid_until)

    def add_application(
        self,
        code: str,
        label: str,
        *,
        entity_id: str | None = None,
        start_url: str | None = None,
        description: str = "",
        icon: str = "",
        opens_at: datetime | None = None,
        closes_at: datetime | None = None,
        closed_message: str | None = None,
    ) -> None:
        self._applications[code] = MemoryApplication(
            code=code,
            label=label,
            start_url=start_url,
            description=description,
            icon=icon,
            opens=Dates(opens_at, closes_at),
            closed_message=closed_message,
        )
        if entity_id:
            self.attach(entity_id, code)

    def add_role(self, application: str, code: str, label: str, value: str | None = None) -> None:
        role = HeldRole(value=value or code, label=label)
        self._applications[application].roles[code] = role

    def assign(
        self,
        membership_id: str,
        application: str,
        role: str,
        *,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> None:
        dates = Dates(valid_from, valid_until)
        self._membership(membership_id).held[application, role] = dates

    def unassign(self, membership_id: str, application: str, role: str) -> None:
        del self._membership(membership_id).held[application, role]

    def add_mandate(
        self,
        subject_id: str,
        structure: str,
        applications: tuple[str, ...],
        *,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
    ) -> None:
        self._mandates.append(
            MemoryMandate(
                self._accounts[subject_id],
                self._structures[structure],
                applications,
                Dates(valid_from, valid_until),
            )
        )

    def waiting(self, subject_id: str) -> list[MemoryMembership]:
        """What waits for this person's word alone, by path."""
        if self.find_subject(subject_id) is None:
            return []
        own = [
            each
            for each in self.of_subject(subject_id)
            if not (each.confirmed or each.deleted or each.suspended)
            and each.structure.open
            and (each.dates.valid_until is None or self._clock.now() < each.dates.valid_until)
        ]
        return sorted(own, key=lambda one: one.structure.path)

    def of_subject(self, subject_id: str) -> list[MemoryMembership]:
        """All of this person's memberships."""
        return [each for each in self._memberships if each.account.subject.id == subject_id]

    def roles_of(self, membership: MemoryMembership) -> list[tuple[str, str, Dates]]:
        """The labels of application and role, and its dates, of what is not over there."""
        now = self._clock.now()
        return sorted(
            (self._applications[code].label, self._applications[code].roles[role].label, dates)
            for (code, role), dates in membership.held.items()
            if dates.valid_until is None or now < dates.valid_until
        )

    # --- IDirectory --------------------------------------------------------------------------

    def authenticate(self, login: str, password: str) -> Subject:
        digest = self._hash(password)
        wanted = login.strip().casefold()
        known = (one for one in self._accounts.values() if one.subject.login.casefold() == wanted)
        account = next(known, None)
        if account is None:
            raise BadCredentials
        if account.password != digest:
            raise BadCredentials(subject_id=account.subject.id)
        if not account.usable(self._clock.now()):
            raise AccountUnusable(
                "in memory",
                public="Votre compte n'est pas utilisable.",
                subject_id=account.subject.id,
            )
        return account.subject

    def note_sign_in(self, subject: Subject) -> None:
        account = self._accounts.get(subject.id)
        now = self._clock.now()
        if (
            account is None
            or not account.usable(now)
            or account.subject.password_changed_at != subject.password_changed_at
        ):
            raise BadCredentials(subject_id=subject.id)
        account.last_sign_in_at = now

    def find_subject(self, subject_id: str) -> Subject | None:
        account = self._accounts.get(subject_id)
        usable = account is not None and account.usable(self._clock.now())
        return account.subject if account and usable else None

    def entitlements(
        self, subject_id: str, entity_id: str
    ) -> tuple[Entitlement, ...] | NotEntitled:
        now = self._clock.now()
        application = self._of_entity(entity_id)
        subject = self.find_subject(subject_id)
        if application and subject and application.message(now) is None:
            found = [
                _entitlement(membership, roles)
                for membership in self._memberships
                if membership.account.subject.id == subject_id
                and (roles := self._roles(membership, application))
            ]
            if found:
                return tuple(sorted(found, key=lambda one: one.structure_path))
        return NotEntitled(
            application_label=self.application_label(entity_id),
            referents=self.referents(subject_id, entity_id),
            closed_message=application.message(now) if application else None,
        )

    def tiles(self, subject_id: str) -> tuple[Tile, ...]:
        if self.find_subject(subject_id) is None:
            return ()
        own = [each for each in self._memberships if each.account.subject.id == subject_id]
        tiles = [
            self._tile(application)
            for application in self._applications.values()
            if any(self._roles(membership, application) for membership in own)
        ]
        return tuple(sorted(tiles, key=lambda tile: tile.label.casefold()))

    def referents(self, subject_id: str, entity_id: str | None = None) -> tuple[Referent, ...]:
        application = self._of_entity(entity_id) if entity_id else None
        if entity_id and application is None:
            return (self._correspondant,)
        distances: dict[Referent, int] = {}
        for membership in self._memberships:
            if membership.account.subject.id != subject_id or not membership.known:
                continue
            for distance, node in enumerate(membership.structure.line()):
                for referent in self._mandated(node, application, but=subject_id):
                    nearest = min(distance, distances.get(referent, distance))
                    distances[referent] = nearest
        ordered = sorted(
            distances, key=lambda one: (distances[one], one.display_name.split()[::-1])
        )
        return tuple(ordered) or (self._correspondant,)

    def profile(self, subject_id: str) -> Profile | None:
        subject = self.find_subject(subject_id)
        if subject is None:
            return None
        own = [
            each
            for each in self._memberships
            if each.account.subject.id == subject_id and each.known
        ]
        roles = [
            RoleLine(application.label, role.label, membership.structure.path)
            for membership in own
            for application in self._applications.values()
            for role in self._roles(membership, application)
        ]
        return Profile(
            subject=subject,
            structure_paths=tuple(sorted(each.structure.path for each in own)),
            roles=tuple(
                sorted(
                    roles,
                    key=lambda one: (one.application_label, one.structure_path, one.role_label),
                )
            ),
        )

    def application_label(self, entity_id: str) -> str:
        application = self._of_entity(entity_id)
        return application.label if application else entity_id

    def application_code(self, entity_id: str) -> str | None:
        application = self._of_entity(entity_id)
        return application.code if application else None

    def attach(self, entity_id: str, application_code: str, *, replace: bool = False) -> None:
        if application_code not in self._applications:
            raise NotFound(f"application {application_code!r}")
        before = self._of_entity(entity_id)
        held = self._applications[application_code].entity_id
        if not replace and (held or entity_id) != entity_id:
            raise AlreadyExists(f"{application_code} has {held}")
        if not replace and before and before.code != application_code:
            raise AlreadyExists(f"{entity_id} is {before.code}")
        if before is not None:
            before.entity_id = None
        self._applications[application_code].entity_id = entity_id

    def detach(self, entity_id: str) -> None:
        application = self._of_entity(entity_id)
        if application is not None:
            application.entity_id = None

    # --- within ------------------------------------------------------------------------------

    def _hash(self, password: str) -> bytes:
        self.hash_calls += 1
        return hashlib.sha256(password.encode()).digest()

    def _membership(self, membership_id: str) -> MemoryMembership:
        return next(each for each in self._memberships if each.id == membership_id)

    def _of_entity(self, entity_id: str) -> MemoryApplication | None:
        found = [each for each in self._applications.values() if each.entity_id == entity_id]
        return found[0] if found else None

    def _roles(
        self, membership: MemoryMembership, application: MemoryApplication
    ) -> tuple[HeldRole, ...]:
        now = self._clock.now()
        if not membership.valid(now):
            return ()
        return tuple(
            role
            for code, role in application.roles.items()
            if (dates := membership.held.get((application.code, code))) and dates.hold(now)
        )

    def _tile(self, application: MemoryApplication) -> Tile:
        message = application.message(self._clock.now())
        if message is None and not (application.entity_id or application.start_url):
            message = "Cette application n'est pas encore raccordée au portail."
        return Tile(
            code=application.code,
            label=application.label,
            description=application.description,
            icon=application.icon,
            entity_id=application.entity_id,
            start_url=application.start_url,
            closed_message=message,
            opens_at=application.opens.valid_from,
            closes_at=application.opens.valid_until,
        )

    def _mandated(
        self, node: MemoryStructure, application: MemoryApplication | None, *, but: str
    ) -> Iterator[Referent]:
        now = self._clock.now()
        for mandate in self._mandates:
            covers = application is None or application.code in mandate.applications
            there = mandate.structure is node and node.open and mandate.dates.hold(now)
            subject = mandate.account.subject
            if covers and there and mandate.account.usable(now) and subject.id != but:
                yield Referent(full_name(subject.given_name, subject.sn), subject.login)


def _entitlement(membership: MemoryMembership, roles: tuple[HeldRole, ...]) -> Entitlement:
    subject, structure = membership.account.subject, membership.structure
    return Entitlement(
        subject_id=subject.id,
        membership_id=membership.id,
        mail=subject.login,
        uid=subject.login,
        given_name=subject.given_name,
        sn=subject.sn,
        structure_code=structure.code,
        structure_label=structure.label,
        structure_path=structure.path,
        roles=roles,
        siret=next((node.siret for node in structure.line() if node.siret), None),
        service=membership.service,
        function=membership.function,
        application_id=membership.application_id,
        phone=membership.phone,
        password_changed_at=subject.password_changed_at,
    )


def build(core: "Core") -> MemoryDirectory:
    """The plug-in, empty."""
    organization = core.settings.organization
    return MemoryDirectory(
        core.clock, correspondant=organization.correspondant, organization=organization.name
    )
