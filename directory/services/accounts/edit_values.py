"""What a form of *Éditer l'utilisateur* holds, and how two versions of it are compared. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, tzinfo
from hashlib import sha256
from typing import Any, TypeVar

from directory.services.accounts.sheets import AccountSheet, MembershipSheet, PersonSheet
from directory.services.days import first_day, last_day
from directory.services.texts import one_line

T = TypeVar("T", "AccountValues", "MembershipValues")

_ACCOUNT = "account"
"""Whose values they are, in a print; a membership's have its id."""


@dataclass(frozen=True, slots=True)
class AccountValues:
    """What a form holds of an account; days are those of the organisation's zone, included."""

    sn: str
    given_name: str
    first_day: date
    last_day: date | None
    locked: bool


@dataclass(frozen=True, slots=True)
class MembershipValues:
    """What a form holds of a membership; an empty text stands for nothing."""

    service: str = ""
    function: str = ""
    application_identifier: str = ""
    teleworking: bool = False
    postal_address: str = ""
    phone: str = ""
    suspended: bool = False
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """What a form holds of a person; ``account`` None: that is not its sender's to change."""

    account: AccountValues | None
    memberships: Mapping[str, MembershipValues] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Prints of every value."""
        prints = [] if self.account is None else _prints(_ACCOUNT, self.account)
        for public_id, values in self.memberships.items():
            prints += _prints(public_id, values)
        return " ".join(sorted(prints))

    def hold(self, typed: "Values") -> bool:
        """Whether each value of somebody's form is one of these, as it would be recorded."""
        mine, wanted = self.tidy(), typed.tidy()
        return wanted.account in {None, mine.account} and all(
            mine.memberships.get(public_id) == values
            for public_id, values in wanted.memberships.items()
        )

    def with_typed(self, typed: "Values", version: str) -> "Values":
        """These, with what somebody typed over an older ``version``.

        What he left alone is as it is now, and so is what is no more his to change.
        """
        known = frozenset(version.split())
        account = self.account
        if account is not None and typed.account is not None:
            account = _with_typed(_ACCOUNT, account, typed.account, known)
        memberships = dict(self.memberships)
        for public_id in memberships.keys() & typed.memberships.keys():
            memberships[public_id] = _with_typed(
                public_id, memberships[public_id], typed.memberships[public_id], known
            )
        return Values(account, memberships)

    def tidy(self) -> "Values":
        """These, with each text as it would be recorded."""
        return Values(
            self.account and _tidy(self.account),
            {public_id: _tidy(values) for public_id, values in self.memberships.items()},
        )


@dataclass(frozen=True, slots=True)
class Editable:
    """A person, and what an actor may change of him, as it is now."""

    person: PersonSheet
    values: Values


def editable(person: PersonSheet, zone: tzinfo) -> Editable:
    """What whoever reads this sheet may change."""
    account = _of_account(person.sheet, zone) if person.can.account else None
    memberships = {
        each.id: _of_membership(each, zone)
        for each in person.sheet.memberships
        if each.id in person.can.memberships
    }
    return Editable(person, Values(account, memberships))


def _of_account(sheet: AccountSheet, zone: tzinfo) -> AccountValues | None:
    """Never None of one that may be changed, whose state is seen: the types do not tell that."""
    if sheet.valid_from is None or sheet.locked is None:
        return None
    return AccountValues(
        sn=sheet.sn,
        given_name=sheet.given_name,
        first_day=sheet.valid_from.astimezone(zone).date(),
        last_day=last_day(sheet.valid_until, zone),
        locked=sheet.locked,
    )


def _of_membership(sheet: MembershipSheet, zone: tzinfo) -> MembershipValues:
    return MembershipValues(
        service=sheet.service or "",
        function=sheet.function or "",
        application_identifier=sheet.application_identifier or "",
        teleworking=bool(sheet.teleworking),
        postal_address=sheet.postal_address or "",
        phone=sheet.phone or "",
        suspended=sheet.suspended,
        first_day=first_day(sheet.valid_from, zone),
        last_day=last_day(sheet.valid_until, zone),
    )


def _prints(owner: str, values: AccountValues | MembershipValues) -> list[str]:
    return [_print(owner, name, value) for name, value in asdict(values).items()]


def _print(owner: str, name: str, value: object) -> str:
    """Enough of a hash to tell one value from another; nobody is kept from making one."""
    return sha256(f"{owner}\n{name}\n{value}".encode()).hexdigest()[:16]


def _tidy(values: T) -> T:
    texts: dict[str, Any] = {
        name: one_line(each) for name, each in asdict(values).items() if isinstance(each, str)
    }
    return replace(values, **texts)


def _with_typed(owner: str, now: T, typed: T, known: frozenset[str]) -> T:
    wanted = asdict(_tidy(typed))
    touched = {
        name: wanted[name]
        for name, value in asdict(typed).items()
        if _print(owner, name, value) not in known
    }
    return replace(now, **touched)
