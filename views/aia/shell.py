"""What stands around every page of the AIA: the sidebar, what waits, what was just done.

A script that wants the inner part of a page alone says so in a header; the page is then rendered
without its surroundings (:func:`wants_fragment`).
"""

from dataclasses import dataclass, replace

from pyramid.config import Configurator
from pyramid.events import BeforeRender

from idp.request import Request
from views.aia.actor import administrator
from views.toasts import Toast, shown

PAGE, FRAGMENT = "aia/shell.jinja2", "aia/fragment.jinja2"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the sidebar; ``starts``: how the names of the routes begin whose page lies there.

    ``count`` is what waits there; ``apart``: a line above it separates it from the others.
    """

    route: str
    label: str
    icon: str
    starts: tuple[str, ...]
    count: int = 0
    apart: bool = False


CREATE = Entry(
    "aia_user_new", "Créer un utilisateur", "add-person", ("aia_user_new", "aia_user_add")
)
USERS = Entry("aia_users", "Utilisateurs", "people", ("aia_user", "aia_user_address", "aia_bulk"))
STRUCTURES = Entry("aia_structures", "Structures", "structure", ("aia_structure",))
APPLICATIONS = Entry(
    "aia_applications", "Applications", "application", ("aia_application", "aia_role")
)
REQUESTS = Entry("aia_requests", "Demandes d'accès", "inbox", ("aia_request",), apart=True)
BIN = Entry("aia_bin", "Corbeille", "delete", ("aia_bin",))
MAILS = Entry("central_mails", "Mails", "mail", ("central_mail",))
MAIN = (CREATE, USERS, STRUCTURES, APPLICATIONS)


@dataclass(frozen=True, slots=True)
class Shell:
    """``aia`` of every template of the AIA.

    ``layout`` is what a page extends that is also shown in a dialog; ``entries`` is empty for who
    administers nothing; ``current`` is the route of the entry where the page lies, empty for none.
    """

    layout: str
    entries: tuple[Entry, ...] = ()
    current: str = ""
    waiting: int = 0
    toasts: tuple[Toast, ...] = ()

    @property
    def fragment(self) -> bool:
        """Whether the page is shown without its surroundings."""
        return self.layout == FRAGMENT


def wants_fragment(request: Request) -> bool:
    """Whether a script asked for the page's inner part: a dialog's, or htmx."""
    return "X-Fragment" in request.headers or "HX-Request" in request.headers


def shell(request: Request) -> Shell:
    """The surroundings of this page: two statements at most, none for a fragment."""
    if wants_fragment(request):
        return Shell(FRAGMENT)
    actor = administrator(request)
    entries: tuple[Entry, ...] = ()
    waiting = 0
    if actor is not None:
        mine = request.services.self_service.access_requests
        waiting = mine.waiting(actor.subject_id) or 0
        entries = (*MAIN, replace(REQUESTS, count=waiting), BIN)
        if actor.central:
            entries = (*entries, MAILS)
    return Shell(PAGE, entries, _current(request), waiting, shown(request))


def _current(request: Request) -> str:
    """The entry whose beginning fits the page's route best; empty for none."""
    name = request.matched_route.name
    fitting = [
        (len(start), entry.route)
        for entry in (*MAIN, REQUESTS, BIN, MAILS)
        for start in entry.starts
        if name.startswith(start)
    ]
    return max(fitting)[1] if fitting else ""


def give_shell(event: BeforeRender) -> None:
    """Every page of the AIA knows ``aia``; the page of an error stands outside of it.

    A page of one's own that was opened from there says so with ``way``, and stands in it as well.
    """
    request = event.get("request")
    if request is None or getattr(request, "exception", None) is not None:
        return
    route = getattr(getattr(request, "matched_route", None), "name", "")
    inside = route.startswith(("aia", "central_")) or _opened_there(event)
    if inside and request.subject is not None:
        event.setdefault("aia", shell(request))


def _opened_there(event: BeforeRender) -> bool:
    shown = event.rendering_val
    return isinstance(shown, dict) and bool(shown.get("way"))


def includeme(config: Configurator) -> None:
    """Before every page of the AIA."""
    config.add_subscriber(give_shell, BeforeRender)
