"""What an actor may do with the person of a sheet, and why not more: the decider's answers.

So that a page shows no control that would be refused, and says who can help.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from directory.authorisation import AccountTarget, Actor, MembershipTarget, Permission, may
from directory.services.removal.fates import why_no_mail, why_not


@dataclass(frozen=True, slots=True)
class Possible:
    """What this actor may do.

    ``account``: change its name, photo, address, dates and lock. ``link``: mail a link to choose a
    password. ``delete``: the account itself would go. ``memberships``: the public ids of those
    that he may edit, suspend, move and remove. ``why_not``: why not the account, in words;
    ``why_no_mail``: why no link would be mailed now though he may, and who changes that.
    """

    account: bool
    link: bool
    delete: bool
    memberships: frozenset[str]
    why_not: str = ""
    why_no_mail: str = ""

    @property
    def mail(self) -> bool:
        """Whether a link, or the invitation again, would be mailed."""
        return self.link and not self.why_no_mail

    @property
    def mail_with_edit(self) -> bool:
        """Whether one would be mailed if the same form, which may unlock the account, does so."""
        return self.mail or (self.link and self.account)

    @property
    def edit(self) -> bool:
        """Whether there is anything that he may change."""
        return self.account or bool(self.memberships)

    @property
    def remove(self) -> bool:
        """Whether there is anything that he may delete."""
        return self.delete or bool(self.memberships)


NOTHING = Possible(account=False, link=False, delete=False, memberships=frozenset())
"""Of an account in the bin, which is restored first."""

_OVER_ACCOUNT = (Permission.EDIT_ACCOUNT, Permission.LOCK_ACCOUNT, Permission.CHANGE_ADDRESS)
_OVER_MEMBERSHIP = (
    Permission.EDIT_MEMBERSHIP,
    Permission.SUSPEND_MEMBERSHIP,
    Permission.REMOVE_MEMBERSHIP,
)


def possible(
    actor: Actor,
    target: AccountTarget,
    memberships: Iterable[tuple[str, str]],
    *,
    locked: bool,
    usable: bool,
) -> Possible:
    """What he may do; ``memberships`` are public ids with the paths of their structures.

    ``usable``: not locked, and within its dates.
    """
    account = all(may(actor, permission, target) for permission in _OVER_ACCOUNT)
    link = may(actor, Permission.SEND_LINK, target)
    return Possible(
        account=account,
        link=link,
        delete=may(actor, Permission.DELETE_ACCOUNT, target),
        memberships=frozenset(
            public_id
            for public_id, path in memberships
            if all(
                may(actor, permission, MembershipTarget(target.account_id, path))
                for permission in _OVER_MEMBERSHIP
            )
        ),
        why_not=why_not(actor, target),
        why_no_mail=why_no_mail(actor, target, locked=locked, usable=usable) if link else "",
    )
