"""A page of somebody that cannot be opened, or is sent too late: what became of him, and who helps.

One place for all of them: a view raises what its service says, and :func:`views.aia.inside` asks
here before it becomes the page of an error.
"""

from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.accounts.out_of_reach import Cause, OutOfReach, out_of_reach
from idp.errors import NotAllowed, NotFound
from idp.log import logger
from idp.names import full_name, of
from idp.request import Request
from idp.security import SAFE_METHODS
from views.aia.actor import administrator

NOTHING_SAVED = "Rien n'a été enregistré. "

IN_BIN = {
    Cause.ACCOUNT_IN_BIN: (
        "{name} est dans la corbeille",
        "Ce compte a été supprimé. La corbeille dit jusqu'à quand, et par qui, il peut revenir.",
    ),
    Cause.LEFT: (
        "{name} n'est plus dans vos structures",
        "Pendant 20 jours, la corbeille dit depuis quand, et si on peut l'y rétablir.",
    ),
    Cause.MEMBERSHIP_IN_BIN: (
        "Un rattachement {of_name} a été supprimé",
        "Pendant 20 jours, la corbeille dit si on peut le rétablir.",
    ),
}
"""A title and a text."""

AWAY = (
    "{name} n'est plus dans vos structures",
    "Cette personne a été déplacée dans une structure que vous n'administrez pas.",
)
GONE = (
    "Ce rattachement {of_name} n'est plus dans vos structures",
    "Il a été déplacé ou supprimé. La fiche de cette personne montre ce qu'elle y a encore.",
)
OF_MEMBERSHIP = "aia_user_structure"
"""The page of a membership; the others are about the account, whatever else they show."""

NOT_HIS = {
    "aia_user_edit": "{name} ne peut pas être modifié par vous",
    "aia_user_address": "L'adresse {of_name} ne peut pas être changée par vous",
    "aia_user_photo": "La photo {of_name} ne peut pas être changée par vous",
    OF_MEMBERSHIP: "La structure {of_name} ne peut pas être changée par vous",
    "aia_user_password": "Le mot de passe {of_name} ne peut pas être réinitialisé par vous",
}
"""A title by the route; elsewhere a page shows no more than may be seen."""


def told(request: Request, error: NotAllowed | NotFound) -> Response | None:
    """What is said instead of this error, with its status; None where there is no more to say."""
    subject_id, actor = request.matchdict.get("subject_id"), administrator(request)
    if subject_id is None or actor is None:
        return None
    of_account = request.matched_route.name != OF_MEMBERSHIP
    person = out_of_reach(request.services.core, actor, subject_id, of_account=of_account)
    words = person and _words(request, person)
    if not (person and words):
        return None
    logger.info(error.code, cause=error.cause)
    values = {"late": person, "title": words[0], "text": words[1]}
    response = render_to_response("views:templates/aia/user_out_of_reach.jinja2", values, request)
    response.status = error.http_status
    return response


def _words(request: Request, person: OutOfReach) -> tuple[str, str] | None:
    """The title and the text; None where this page has none for it."""
    route = request.matched_route.name
    words: tuple[str, str] | None = None
    if person.in_bin:
        words = IN_BIN[person.cause]
    elif person.away:
        words = AWAY
    elif person.cause is Cause.NOT_HIS and route in NOT_HIS:
        words = NOT_HIS[route], person.why
    elif person.cause is Cause.MEMBERSHIP_GONE and route == OF_MEMBERSHIP:
        words = GONE
    if words is None:
        return None
    name = full_name(person.given_name, person.sn)
    title, text = words
    before = "" if request.method in SAFE_METHODS else NOTHING_SAVED
    return title.format(name=name, of_name=of(name)), before + text
