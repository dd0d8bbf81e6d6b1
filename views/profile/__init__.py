"""What a person reads about himself, and the little that he changes himself."""

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden

from idp.request import Request
from idp.types import Profile
from views.person import signed_in
from views.profile.notices import notice

PARTS = ("photo", "accesses", "password", "sessions", "data")


def show(request: Request) -> dict[str, object]:
    """Identity, structures, applications and roles."""
    return {"profile": profile_of(request), "notice": notice(request)}


def profile_of(request: Request) -> Profile:
    """The profile of the signed-in person.

    Raises:
        HTTPForbidden: the account became unusable between two reads; he signs in again.
    """
    profile = request.services.directory.profile(signed_in(request).subject.id)
    if profile is None:
        raise HTTPForbidden
    return profile


def includeme(config: Configurator) -> None:
    """For the signed-in person."""
    config.add_view(
        show, route_name="profile", request_method="GET", renderer="views:templates/profile.jinja2"
    )
    for part in PARTS:
        config.include(f"views.profile.{part}")
