"""*Historique* of a person and of a structure: what was changed, by whom, before and after."""

from dataclasses import dataclass
from urllib.parse import urlencode

from pyramid.config import Configurator

from directory.services.telling.history import History, HistoryPage
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.history_words import Told, tell
from views.aia.listing import LONGEST_CURSOR

CURSOR, WITHOUT_BELOW, ONLY = "curseur", "seule", "1"


@dataclass(frozen=True, slots=True)
class Shown:
    """``older``: the next page's address, None on the last; ``newest``: the first, None on it."""

    title: str
    lines: tuple[Told, ...]
    older: str | None
    newest: str | None


def of_user(request: Request) -> dict[str, object]:
    """Of an account, its memberships and roles."""
    subject_id = request.matchdict["subject_id"]
    found = _history(request).of_account(
        require_administrator(request), subject_id, cursor=_cursor(request)
    )
    back = request.route_path("aia_user", subject_id=subject_id)
    return {"history": _shown(request, found, {}), "back": back}


def of_structure(request: Request) -> dict[str, object]:
    """Of a structure, with what is below it unless only itself is wanted."""
    code = request.matchdict["code"]
    below = request.GET.get(WITHOUT_BELOW) != ONLY
    found = _history(request).of_structure(
        require_administrator(request), code, below=below, cursor=_cursor(request)
    )
    kept = {} if below else {WITHOUT_BELOW: ONLY}
    back = request.route_path("aia_structure", code=code)
    return {
        "history": _shown(request, found, kept),
        "back": back,
        "below": below,
        "other": request.path
        if not below
        else f"{request.path}?{urlencode({WITHOUT_BELOW: ONLY})}",
    }


def _history(request: Request) -> History:
    return History(request.services.core)


def _cursor(request: Request) -> str | None:
    return request.GET.get(CURSOR, "")[:LONGEST_CURSOR] or None


def _shown(request: Request, found: HistoryPage, kept: dict[str, str]) -> Shown:
    zone = request.configuration.organization.time_zone
    first = f"{request.path}?{urlencode(kept)}" if kept else request.path
    return Shown(
        title=found.title,
        lines=tuple(tell(line, zone) for line in found.lines),
        older=f"{request.path}?{urlencode({**kept, CURSOR: found.after})}" if found.after else None,
        newest=first if CURSOR in request.GET else None,
    )


def includeme(config: Configurator) -> None:
    """For administrators, inside the AIA."""
    for view, route, page in (
        (of_user, "aia_user_history", "user_history"),
        (of_structure, "aia_structure_history", "structure_history"),
    ):
        config.add_view(
            view,
            route_name=route,
            request_method="GET",
            renderer=f"views:templates/aia/{page}.jinja2",
            decorator=inside,
        )
