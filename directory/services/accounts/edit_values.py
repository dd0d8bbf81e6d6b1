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
        """Whether each value of somebody's form is one of these, as it would be recorded.

        Asked of all that he sees, not only of what is still his to change: else what is no more
        his would count for nothing, and be called done.
        """
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
class Difference:
    """A field that somebody typed over, and what is recorded.

    ``owner``: a membership's id, empty for the account. ``kept``: it is his to change still.
    ``gone``: nothing is recorded that he sees; the membership was moved or removed meanwhile.
    """

    owner: str
    name: str
    recorded: object
    typed: object
    kept: bool
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Editable:
    """A person as he is now: ``values`` that an actor may change, of those that are ``seen``."""

    person: PersonSheet
    values: Values
    seen: Values

    def differences(self, typed: Values, version: str) -> tuple[Difference, ...]:
        """What somebody typed over an older ``version`` and is not so, still his to change or not.

        Nothing of an account whose state is not seen any more.
        """
        known = frozenset(version.split())
        found: list[Difference] = []
        if typed.account is not None and self.seen.account is not None:
            kept = self.values.account is not None
            found += _differences("", self.seen.account, typed.account, known, kept=kept)
        for public_id, wanted in typed.memberships.items():
            recorded = self.seen.memberships.get(public_id)
            kept = public_id in self.values.memberships
            found += _differences(public_id, recorded, wanted, known, kept=kept)
        return tuple(found)


def editable(person: PersonSheet, zone: tzinfo) -> Editable:
    """What whoever reads this sheet may change."""
    can, account = person.can, _of_account(person.sheet, zone)
    seen = {each.id: _of_membership(each, zone) for each in person.sheet.memberships}
    his = {public_id: each for public_id, each in seen.items() if public_id in can.memberships}
    return Editable(person, Values(account if can.account else None, his), Values(account, seen))


def _of_account(sheet: AccountSheet, zone: tzinfo) -> AccountValues | None:
    """None where the account's state is not seen, and then it may not be changed either."""
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
    return replace(now, **_touched(owner, typed, known))


def _touched(owner: str, typed: T, known: frozenset[str]) -> dict[str, Any]:
    """What of it was not shown to him like that, as it would be recorded."""
    wanted = asdict(_tidy(typed))
    return {
        name: wanted[name]
        for name, value in asdict(typed).items()
        if _print(owner, name, value) not in known
    }


def _differences(
    owner: str,
    recorded: T | None,
    typed: T,
    known: frozenset[str],
    *,
    kept: bool,
) -> list[Difference]:
    touched = _touched(owner or _ACCOUNT, typed, known)
    if recorded is None:
        return [
            Difference(owner, name, None, wanted, kept=kept, gone=True)
            for name, wanted in touched.items()
        ]
    return [
        Difference(owner, name, getattr(recorded, name), wanted, kept=kept)
        for name, wanted in touched.items()
        if getattr(recorded, name) != wanted
    ]
