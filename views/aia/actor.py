"""Who the signed-in person is to the decider."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from directory import actors
from directory.authorisation import Actor
from idp.errors import NotAllowed
from idp.request import Request
from views.person import signed_in

_ACTOR = "convergences.actor"


class NoMandate(NotAllowed):
    """None of the person's is in force; also for whom it ended between a page and its form.

    It is raised before anything is looked up, so its page need not read as absent.
    """

    code = "no-mandate"
    heading = "Vous n'avez pas accès à cette page"
    public_text = (
        "Vous n'avez pas, ou plus, de mandat de référent administrateur. Rien n'a été enregistré. "
        "C'est le correspondant qui donne et retire les mandats : écrivez-lui si cela vous étonne."
    )


def administrator(request: Request) -> Actor | None:
    """The person, when a mandate of his is in force; None for a plain agent.

    One statement, however often it is asked while a request lasts.
    """
    if _ACTOR not in request.environ:
        actor = actors.load(request.services.core, signed_in(request).subject.id)
        administers = actor is not None and (actor.scopes or actor.everywhere)
        request.environ[_ACTOR] = actor if administers else None
    return cast("Actor | None", request.environ[_ACTOR])


@contextmanager
def same_rights(request: Request) -> Iterator[None]:
    """Whatever is written in here is written with the rights that the person has at that moment."""

    def still() -> None:
        actor = request.environ.get(_ACTOR)
        if actor is not None:
            actors.require_still(request.services.core, actor)

    with request.services.core.db.first(still):
        yield


def require_administrator(request: Request) -> Actor:
    """The person, who administers something.

    Raises:
        NoMandate: he does not; then there is no such page.
    """
    actor = administrator(request)
    if actor is None:
        raise NoMandate("no mandate in force")
    return actor
