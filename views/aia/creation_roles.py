"""The roles of a *Créer un utilisateur*: those offered in its structure, and those chosen there."""

from dataclasses import replace

from directory.services.accounts.creation import Creation
from directory.services.rights.administered import AdministeredApplication
from idp.request import Request
from views.aia.actor import require_administrator
from views.aia.creation_draft import Draft
from views.schemas.creation import key


def offered(request: Request, draft: Draft) -> tuple[AdministeredApplication, ...]:
    """What may be given in the draft's structure.

    Raises:
        NotAllowed: there is no such structure in the actor's subtrees.
    """
    structure = draft.person.get("structure", "")
    return Creation(request.services.core).roles(require_administrator(request), structure)


def with_roles(request: Request, draft: Draft, wanted: tuple[str, ...] | None) -> Draft:
    """The draft with those of the wanted roles that may be given, and their words.

    Raises:
        NotAllowed: there is no such structure in the actor's subtrees.
    """
    if wanted is None:
        return draft
    labels = {
        key(one.code, role.code): (one.label, role.label)
        for one in offered(request, draft)
        for role in one.roles
    }
    kept = tuple(each for each in wanted if each in labels)
    return replace(draft, roles=kept, role_labels=tuple(labels[each] for each in kept))
