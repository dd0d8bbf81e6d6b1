"""What a *Créer un utilisateur* holds so far: kept on the server, one for each person.

Each of its pages says of which creation it is (``key``): a page of one that is over does nothing,
a form of the one that waits takes it up again.
Whoever checks the address of somebody else begins with nothing said; what he left half done waits
behind that check, to be taken up again, until he goes on with the other person.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

from directory.services.accounts.creation import AddressCheck, Found
from directory.services.rights.administered import RoleRef
from idp.request import Request
from views.person import signed_in

ADDRESS = "/aia/utilisateurs/nouveau#brouillon"
"""Names it among the drafts of a person; no form is posted there."""

FIRST, PERSON, ROLES, RECAP = 1, 2, 3, 4
DONE = "fin"


@dataclass(frozen=True, slots=True)
class Draft:
    """``passed``: the address is settled; ``roles`` None: that step was not done yet.

    ``person`` are the fields of the second step by their names in the form; ``structure_path`` its
    structure in words; ``role_labels`` application and role in words. ``done``: the subject id of
    whom it created; ``outdated``: its address is to be checked again; ``waiting``: another one,
    left half done or just done, while this is but an address.
    """

    key: str
    mail: str
    found: Found
    places: tuple[tuple[str, str], ...] = ()
    name: str = ""
    subject_id: str = ""
    generic: bool = False
    passed: bool = False
    person: dict[str, str] = field(default_factory=dict)
    structure_path: str = ""
    roles: tuple[str, ...] | None = None
    role_labels: tuple[tuple[str, str], ...] = ()
    done: str = ""
    confirmed: bool = True
    outdated: bool = False
    waiting: "Draft | None" = None

    @property
    def both(self) -> "tuple[Draft, ...]":
        """This one, and the one that waits."""
        return (self,) if self.waiting is None else (self, self.waiting)

    @property
    def behind(self) -> "Draft | None":
        """The one that waits to be taken up again."""
        return None if self.waiting is None or self.waiting.done else self.waiting

    @property
    def unfinished(self) -> bool:
        """Whether there is something to take up again."""
        return not self.done and (self.passed or bool(self.person))

    @property
    def stands(self) -> bool:
        """Whether it is more than an address that is to be checked again."""
        return self.unfinished or not self.outdated

    @property
    def named(self) -> dict[str, str]:
        """What its forms say of it: which creation, and of whom."""
        return {"dossier": self.key, "pour": self.mail}

    @property
    def said(self) -> str:
        """What its last step shows, as a digest: of what another tab changed it differs."""
        shown = [self.mail, sorted(self.person.items()), self.structure_path, self.roles]
        return sha256(json.dumps(shown).encode()).hexdigest()

    @property
    def known(self) -> bool:
        """Whether a membership is added to an account."""
        return self.found is Found.KNOWN

    @property
    def may_go_on(self) -> bool:
        """Whether this address leads anywhere."""
        return self.found in {Found.NOBODY, Found.KNOWN} and not self.outdated

    @property
    def furthest(self) -> int:
        """The last step that may be shown."""
        if not (self.passed and self.may_go_on):
            return FIRST
        if not self.structure_path:
            return PERSON
        return ROLES if self.roles is None else RECAP

    @property
    def refs(self) -> tuple[RoleRef, ...]:
        """The roles as the directory names them."""
        return tuple(RoleRef(*each.split(":", 1)) for each in self.roles or ())


def begun(check: AddressCheck, before: Draft | None, key: str) -> Draft:
    """A creation with this address, checked in a form of the creation ``key``; empty: of none.

    What was said stays where the address is that one's, or where its own form corrects it. Anything
    else begins with nothing.
    """
    found = () if before is None else tuple(one for one in before.both if not one.done)
    same = [one for one in found if one.mail.casefold() == check.mail.casefold()]
    said = next(iter((*same, *(one for one in found if one.key == key))), None)
    return Draft(
        key=token_urlsafe(12),
        mail=check.mail,
        found=check.found,
        places=tuple((place.label, place.label_path) for place in check.places),
        name=check.name,
        subject_id=check.subject_id,
        generic=check.generic,
        person=said.person if said else {},
        structure_path=said.structure_path if said else "",
        roles=said.roles if said else None,
        role_labels=said.role_labels if said else (),
        waiting=next((one for one in found if one is not said and one.unfinished), None),
    )


def anew(mail: str, waiting: Draft | None) -> Draft:
    """One that is over, by its address: to be checked again, while another one waits."""
    if waiting is not None:
        waiting = replace(waiting, waiting=None)
    return Draft(token_urlsafe(12), mail, Found.NOBODY, outdated=True, waiting=waiting)


def find(request: Request) -> Draft | None:
    """The creation of this person, done or not; None when there is none. One statement."""
    kept = request.services.drafts.find(signed_in(request).subject.id, ADDRESS)
    if kept is None:
        return None
    return _read(json.loads(kept["etat"]))


def keep(request: Request, draft: Draft) -> Draft:
    """Keep it instead of what was kept; joins the unit of work in progress."""
    owner = signed_in(request).subject.id
    request.services.drafts.keep(owner, ADDRESS, {"etat": json.dumps(asdict(draft))})
    return draft


def created(draft: Draft | None) -> Draft | None:
    """Of this one and the one that waits, the one that is done."""
    return next((one for one in draft.both if one.done), None) if draft is not None else None


def unfinished(draft: Draft | None, key: str) -> Draft | None:
    """What may be taken up again, other than the creation ``key`` whose form is shown."""
    found = draft.both if draft is not None else ()
    return next((one for one in found if one.key != key and one.unfinished), None)


def settle(request: Request, draft: Draft) -> Draft:
    """Go on with this address; what waited is forgotten, as its page said."""
    if draft.waiting is not None:
        _forget_typed(request)
    return keep(request, replace(draft, passed=True, waiting=None))


def withdraw(request: Request, draft: Draft) -> None:
    """Show no more what its check said, which is not so any more; what was typed stays."""
    keep(request, replace(draft, passed=False, outdated=True))


def withdraw_named(request: Request, key: str) -> None:
    """The same of the creation ``key``, if it is one that waits; empty: of none."""
    draft = find(request) if key else None
    for one in () if draft is None else draft.both:
        if one.key == key:
            withdraw(request, one)


def end(request: Request, key: str) -> None:
    """End this one: a page that was left open ends none that came after it.

    The other is kept, without what was typed in the second step of this one.
    """
    draft = find(request) if key else None
    found = () if draft is None else draft.both
    ended = next((one for one in found if one.key == key), None)
    if ended is None:
        return
    other = next((one for one in found if one is not ended), None)
    if other is not None:
        keep(request, replace(other, waiting=None))
    else:
        request.services.drafts.forget(signed_in(request).subject.id, ADDRESS)
    if other is None or ended.unfinished:
        _forget_typed(request)


def _forget_typed(request: Request) -> None:
    """What of somebody else was typed in the second step when the session ended."""
    form = request.route_path("aia_user_new", _query={"etape": str(PERSON)})
    request.services.drafts.forget(signed_in(request).subject.id, form)


def _read(values: dict[str, Any]) -> Draft:
    draft, waiting = Draft(**values), values.get("waiting")
    return replace(
        draft,
        found=Found(draft.found),
        places=_pairs(draft.places),
        roles=None if draft.roles is None else tuple(draft.roles),
        role_labels=_pairs(draft.role_labels),
        waiting=_read(waiting) if waiting else None,
    )


def _pairs(values: object) -> tuple[tuple[str, str], ...]:
    return tuple((str(one), str(other)) for one, other in values)  # type: ignore[attr-defined]
