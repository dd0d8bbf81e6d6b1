"""What the screens of roles say of people."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from directory.models import Account, Assignment, Membership, Role
from directory.validity import is_over
from idp.names import full_name


def person_name(account: Account) -> str:
    """``Léa NOËL``."""
    return full_name(account.given_name, account.sn)


def no_more(
    membership: Membership, role: Role, held: Iterable[Assignment], now: datetime, zone: ZoneInfo
) -> str:
    """That the role was withdrawn; ``held``: those that it holds in this application instead."""
    present: list[str] = []
    to_come: list[str] = []
    application = role.application.label
    for each in held:
        label = f"« {each.role.label} »"
        if each.valid_from is not None and each.valid_from > now:
            begins = f"commencera le {_day(each.valid_from, zone)}"
            to_come.append(f" Son rôle {label} dans {application} {begins}.")
        else:
            present.append(label)
    many = len(present) > 1
    his, are = ("Ses rôles", "sont maintenant :") if many else ("Son rôle", "est maintenant")
    told = f" {his} dans {application} {are} {', '.join(present)}." if present else ""
    return (
        f"{person_name(membership.account)} n'a plus le rôle « {role.label} » : il lui a été "
        f"retiré entre-temps.{told}{''.join(to_come)} Rien n'a été enregistré."
    )


def each_once(memberships: Iterable[Membership]) -> tuple[str, ...]:
    """The people of these memberships by name: two of the same name are two."""
    times = Counter(one.account for one in memberships)
    return tuple(
        person_name(account) + (f" ({count} rattachements)" if count > 1 else "")
        for account, count in times.items()
    )


def no_effect_yet(membership: Membership, now: datetime, zone: ZoneInfo) -> str:
    """Why a role of this membership opens nothing now, in words; empty when nothing is against it.

    The same conditions as :func:`directory.validity.account_usable` and ``membership_valid``. The
    confirmation first: until then the account's state is not for everybody who reads this.
    """
    account, structure = membership.account, membership.structure
    against = (
        (
            membership.confirmed_at is None,
            "son rattachement attend sa propre confirmation, à sa prochaine connexion",
        ),
        (account.locked, "son compte est verrouillé"),
        (account.valid_from > now, f"son compte s'ouvrira le {_day(account.valid_from, zone)}"),
        (is_over(account.valid_until, now), "son compte n'est plus valable"),
        (membership.suspended, "son rattachement est suspendu"),
        (
            membership.valid_from is not None and membership.valid_from > now,
            f"son rattachement commencera le {_day(membership.valid_from, zone)}",
        ),
        (is_over(membership.valid_until, now), "son rattachement est terminé"),
        (is_over(structure.closed_at, now), "sa structure est fermée"),
    )
    return next((why for is_so, why in against if is_so), "")


def begins_later(begin: datetime | None, now: datetime, zone: ZoneInfo) -> str:
    """From which day on, where that is to come; else empty."""
    return f"à partir du {_day(begin, zone)}" if begin is not None and begin > now else ""


def _day(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%d/%m/%Y}" if moment else ""
