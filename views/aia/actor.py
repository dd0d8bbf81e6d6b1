"""Who the signed-in person is to the decider."""

from directory import actors
from directory.authorisation import Actor
from idp.errors import NotAllowed
from idp.request import Request
from views.person import signed_in


def administrator(request: Request) -> Actor | None:
    """The person, when a mandate of his is in force; None for a plain agent. One statement."""
    actor = actors.load(request.services.core, signed_in(request).subject.id)
    return actor if actor is not None and (actor.scopes or actor.everywhere) else None


def require_administrator(request: Request) -> Actor:
    """The person, who administers something.

    Raises:
        NotAllowed: he does not; then there is no such page.
    """
    actor = administrator(request)
    if actor is None:
        raise NotAllowed("no mandate in force")
    return actor
