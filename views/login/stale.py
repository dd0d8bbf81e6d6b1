"""Forms of strangers that come back without their cookie: a page of yesterday, or no cookies.

Neither is an error. The form is shown anew; whether the browser took the cookie meanwhile tells
the one from the other.
"""

from pyramid.response import Response

from idp.request import Request
from views.login import cookies
from views.urls import see_other

NOTICE = "recommencer"
STALE = (
    "Cette page était restée ouverte trop longtemps, rien n'a été envoyé. Saisissez de nouveau "
    "ce qui est demandé ci-dessous."
)
REFUSED = (
    "Votre navigateur refuse les cookies de ce site, sans lesquels il ne peut pas vous "
    "reconnaître. Autorisez-les dans les réglages du navigateur (rubrique « Confidentialité ») ou "
    "prenez un autre navigateur, puis recommencez."
)
_ROUTES = {"sign_in", "first_visit", "forgotten_password", "password_link", "password_link_again"}
_KEPT = ("flow", "suite")


def is_open_to_all(request: Request) -> bool:
    """Whether this is a form that people use before they are signed in."""
    return getattr(request.matched_route, "name", "") in _ROUTES


def begin_again(request: Request) -> Response:
    """Back to the page of this form, with what leads on from it, and a fresh cookie."""
    request.csrf_token  # noqa: B018 - makes the cookie that the next page looks for
    name = request.matched_route.name.removesuffix("_again")
    query = {"avis": NOTICE} | {key: request.POST[key] for key in _KEPT if request.POST.get(key)}
    return see_other(request, path=request.route_path(name, **request.matchdict, _query=query))


def notice(request: Request) -> str | None:
    """What to say on such a page; None where nothing went wrong."""
    if request.GET.get("avis", "") != NOTICE:
        return None
    return STALE if cookies.csrf_came_back(request) else REFUSED
