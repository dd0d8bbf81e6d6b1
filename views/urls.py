"""Redirections: always 303, always to ourselves, from the public URL, never from a Host."""

from collections.abc import Iterable

from pyramid.httpexceptions import HTTPSeeOther

from idp.request import Request


def see_other(
    request: Request,
    route: str = "portal",
    *,
    path: str | None = None,
    query: dict[str, str] | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> HTTPSeeOther:
    """A 303 to one of our routes, or to a ``path`` that we wrote ourselves. [RFC9110] 15.4.4."""
    if path is None:
        path = request.route_path(route, _query=query) if query else request.route_path(route)
    return HTTPSeeOther(location=request.configuration.url(path), headers=list(headers) or None)
