"""A form of a *Créer un utilisateur* that is over: another page has begun, ended or done another.

It goes on by itself with the same person's alone: in another one's step, whoever sent it would give
a name or roles to the wrong person. The address of whom it was comes with the form.
"""

from idp.names import of
from idp.request import Request
from views.aia import creation_draft as drafts
from views.aia.creation_draft import DONE, FIRST, Draft
from views.schemas.fields import MAX_LOGIN
from views.toasts import toast

SAME = (
    "Cette page n'était plus à jour : vous avez repris la création ailleurs. Voici où elle en est."
)
NOT_SAVED = "ce que vous venez d'envoyer n'est pas enregistré"
NOBODY = f"Cette page n'était plus à jour : {NOT_SAVED}."


def lead_on(request: Request, now: Draft | None) -> int | str | None:
    """Tell what became of the posted form; the step to go on with (None: the empty first one).

    ``now``: what the person has begun since, if anything. Of another person it is the first step
    with the address of the form, and what goes on elsewhere to be taken up again.
    """
    mail = str(request.POST.get("pour", ""))[:MAX_LOGIN]
    found = now.both if now is not None else ()
    again = next((one for one in found if one.stands and _is_of(one, mail)), None)
    if again is not None:
        toast(request, SAME, wrong=True)
        return DONE if again.done else drafts.keep(request, again).furthest
    others = [one for one in found if one.stands and not one.done]
    other = max(others, key=lambda one: one.unfinished, default=None)
    if other is None and "abandonner" in request.POST:
        return None  # as it was wanted
    toast(request, _told(mail, other), wrong=True)
    if not mail:
        return None
    drafts.keep(request, drafts.anew(mail, other or drafts.created(now)))
    return FIRST


def _is_of(draft: Draft, mail: str) -> bool:
    return draft.mail.casefold() == mail.casefold()


def _told(mail: str, other: Draft | None) -> str:
    if not mail:
        return NOBODY
    if other is None:
        return (
            f"La création {of(mail)} n'est plus en cours, et {NOT_SAVED}. Pour la recommencer, "
            "vérifiez de nouveau l'adresse."
        )
    return (
        f"Vous avez continué ailleurs avec la création {of(other.mail)} ; celle {of(mail)} n'est "
        f"plus en cours, et {NOT_SAVED}. Reprenez la première, ou vérifiez l'adresse de la seconde."
    )
