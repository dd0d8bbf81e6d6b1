"""Signing out: it asks first, tells each application, and says truthfully what each one said.

One page leads through it, under a flow id in a cookie: so whatever becomes of an application's own
page, coming back here goes on, and an application that asked meanwhile has its turn as well.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from pyramid.config import Configurator
from pyramid.events import BeforeRender
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.db import GONE
from idp.errors import ProtocolError, UnknownFlow
from idp.log import logger
from idp.messages import Logout, LogoutTask, TaskState
from idp.request import Request
from idp.security import CONTENT_SECURITY_POLICY, forget, forms_of_nobody
from idp.telling import Outgoing
from views.login import cookies
from views.person import signed_in, tellable
from views.saml.pages import form_page
from views.times import in_words
from views.urls import see_other

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
_ITS_OWN_PAGES = {"sign_out_next", "sign_out_application", "sign_out_skip", "signed_out"}
_WORST_FIRST = (TaskState.WAITING, TaskState.FAILED, TaskState.OPEN, TaskState.CLOSED)


@dataclass(frozen=True, slots=True)
class Told:
    """One application in the list, however often it was opened.

    ``state`` is a :class:`TaskState`, ``until`` how long it may stay open, in words; ``again``: the
    portal goes on trying by itself; ``task_id``: the browser may try again, by this number.
    """

    label: str
    state: TaskState
    until: str
    again: bool
    task_id: int | None


def confirm(request: Request) -> dict[str, object]:
    """What is open, before anything is closed."""
    closed, left = open_applications(request)
    return {"applications": closed, "left": left}


def sign_out(request: Request) -> Response:
    """End the session here, then go on with the applications; nothing typed is kept."""
    person = signed_in(request)
    request.services.drafts.forget(person.subject.id)
    flow = request.services.sign_out.start(person.session)
    response = see_other(request, "sign_out_next", headers=forget(request))
    cookies.add_flow(request, response, flow)
    forms_of_nobody(request)
    return response


def go_on(request: Request) -> Response:
    """The next application, or the end: the SP that asked is answered, or the last page shown."""
    logout = _logout(request)
    if logout is None:
        return see_other(request, "signed_out")
    request.services.sign_out.leave_lost(logout)
    found = request.services.sign_out.next(logout)
    if found is None:
        return _end(request, logout)
    task, address = found
    origin = _origin(address)
    values = {
        "label": request.services.directory.application_label(task.entity_id),
        "task": task,
        "told": _told(request, logout),
        "origin": origin,
    }
    response = render_to_response("views:templates/sign_out_next.jinja2", values, request)
    response.headers["Content-Security-Policy"] = _policy(origin)
    return response


def tell(request: Request) -> Response:
    """Carry the LogoutRequest to the next application, or to one that did not confirm."""
    logout = _logout(request)
    outgoing = None if logout is None else _asked(request, logout)
    if outgoing is None:
        return see_other(request, "sign_out_next")
    return _carry(request, outgoing, back=request.route_path("sign_out_next"))


def skip(request: Request) -> Response:
    """Go on without an application that does not answer."""
    logout = _logout(request)
    task_id = _number(request.POST.get("task", ""))
    if logout is not None and task_id is not None:
        try:
            request.services.sign_out.skip(logout, task_id)
        except UnknownFlow as error:
            logger.info("logout.skip-refused", cause=error.cause)
    return see_other(request, "sign_out_next")


def signed_out(request: Request) -> Response:
    """It is done; who signed in again meanwhile is led to the portal."""
    if request.subject is not None:
        return see_other(request, "portal")
    logout = _logout(request)
    values = {
        "told": _told(request, logout) if logout else (),
        "left": logout is not None and request.services.sign_out.is_under_way(logout),
    }
    return render_to_response("views:templates/signed_out.jinja2", values, request)


def open_applications(request: Request) -> tuple[list[str], list[str]]:
    """The names of what this browser session opened: what can be told to close, and the others."""
    services, session = request.services, signed_in(request).session
    label = services.directory.application_label
    entities = {held.entity_id for held in services.sessions.sp_sessions(session)}
    told = {label(each) for each in entities if services.sign_out.can_tell(each)}
    others = {label(each) for each in entities} - told
    return sorted(told, key=str.casefold), sorted(others, key=str.casefold)


def under_way(request: Request) -> bool:
    """Whether this browser left a sign-out in the middle, for a notice on any other page."""
    route = request.matched_route
    if (route is not None and route.name in _ITS_OWN_PAGES) or not cookies.flows(request):
        return False
    if not tellable(request):
        return False
    try:
        logout = _logout(request)
    except GONE:
        return False
    return logout is not None and request.services.sign_out.is_under_way(logout)


def give_notice(event: BeforeRender) -> None:
    """Every page offers to finish a sign-out that an application's own page interrupted."""
    if event.get("request") is not None and event["renderer_name"].endswith(".jinja2"):
        event.setdefault("sign_out_under_way", under_way(event["request"]))


def _asked(request: Request, logout: Logout) -> Outgoing | None:
    if "application" not in request.GET:
        return request.services.sign_out.ask(logout)
    task_id = _number(request.GET["application"])
    return None if task_id is None else request.services.sign_out.ask_again(logout, task_id)


def _end(request: Request, logout: Logout) -> Response:
    """Nobody is left to be told: the SP that asked is answered; otherwise the last page."""
    if logout.initiator is None:
        return see_other(request, "signed_out")
    try:
        outgoing = request.services.sign_out.answer(logout)
    except ProtocolError as error:
        # It is gone, has no such address, or was answered in another tab: signed out all the same.
        logger.warning("logout.not-answered", cause=error.cause)
        return see_other(request, "signed_out")
    return _carry(request, outgoing, back=request.route_path("signed_out"))


def _carry(request: Request, outgoing: Outgoing, *, back: str) -> Response:
    """Send the browser there; ``back``: where it goes on when the application leads nowhere."""
    if outgoing.value is None:
        return HTTPSeeOther(location=outgoing.location)
    fields = [(outgoing.parameter, outgoing.value)]
    if outgoing.relay_state is not None:
        fields.append(("RelayState", outgoing.relay_state))
    return form_page(request, "Déconnexion en cours", outgoing.location, fields, back=back)


def _logout(request: Request) -> Logout | None:
    """The last sign-out of this browser that is still under way, else the last one."""
    sign_out, last = request.services.sign_out, None
    for flow in cookies.flows(request):
        with suppress(UnknownFlow):
            found = sign_out.find(flow)
            if sign_out.is_under_way(found):
                return found
            last = last or found
    return last


def _told(request: Request, logout: Logout) -> tuple[Told, ...]:
    """What each application said, the worst of it for one that was opened more than once."""
    by_label: dict[str, list[LogoutTask]] = {}
    for task in logout.tasks:
        label = request.services.directory.application_label(task.entity_id)
        by_label.setdefault(label, []).append(task)
    labels = sorted(by_label, key=str.casefold)
    return tuple(_summed_up(request, label, by_label[label]) for label in labels)


def _summed_up(request: Request, label: str, tasks: list[LogoutTask]) -> Told:
    services = request.services
    state = min((_state(task) for task in tasks), key=_WORST_FIRST.index)
    open_ones = [task for task in tasks if task.state is not TaskState.CLOSED] or tasks
    until = max(task.expires_at for task in open_ones)
    zone = request.configuration.organization.time_zone
    return Told(
        label=label,
        state=state,
        until=in_words(until, services.clock.now(), zone),
        again=any(task.state is TaskState.WAITING for task in tasks),
        task_id=_first(task.id for task in tasks if services.sign_out.may_ask_again(task)),
    )


def _state(task: LogoutTask) -> TaskState:
    """Told and no answer, or an attempt that the worker repeats: it did not confirm."""
    unconfirmed = task.state is TaskState.TOLD or (
        task.state is TaskState.WAITING and task.attempts > 0
    )
    return TaskState.FAILED if unconfirmed else task.state


def _policy(origin: str) -> str:
    """The page's script asks whether the application answers at all before it leaves for it."""
    sources = f"connect-src 'self' {origin}".rstrip()
    return CONTENT_SECURITY_POLICY.replace("connect-src 'self'", sources)


def _origin(address: str) -> str:
    """The origin of a registered address; empty when it does not fit in a policy."""
    parts = urlsplit(address)
    known = parts.scheme in {"http", "https"} and _HOST.fullmatch(parts.netloc)
    return f"{parts.scheme}://{parts.netloc}" if known else ""


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _first(numbers: Iterable[int]) -> int | None:
    return next(iter(numbers), None)


def includeme(config: Configurator) -> None:
    """Asking is for the signed-in person; what follows belongs to who holds the flow's cookie."""
    config.add_view(
        confirm,
        route_name="sign_out",
        request_method="GET",
        renderer="views:templates/sign_out.jinja2",
    )
    config.add_view(sign_out, route_name="sign_out", request_method="POST")
    for view, route_name, method in (
        (go_on, "sign_out_next", "GET"),
        (tell, "sign_out_application", "GET"),
        (skip, "sign_out_skip", "POST"),
        (signed_out, "signed_out", "GET"),
    ):
        config.add_view(
            view,
            route_name=route_name,
            request_method=method,
            permission=NO_PERMISSION_REQUIRED,
        )
    config.add_subscriber(give_notice, BeforeRender)
