"""The HTTP request, with what every view needs to know, and the tween that names it."""

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

import pyramid.request
from pyramid.csrf import get_csrf_token
from pyramid.tweens import EXCVIEW, INGRESS
from webob.cookies import parse_cookie

from idp.context import Origin, act_as, acting
from idp.db import DatabaseError
from idp.log import logger
from idp.multipart import MAX_UPLOAD
from idp.types import SsoSession, Subject

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.response import Response

    from idp.services import Services
    from idp.settings import Settings

MAX_BODY = 768 * 1024
"""Bytes of a posted form: a SAML message of the largest size, percent-encoded."""
MAX_PAIRS = 100
"""Names with a value in a posted form."""


T = TypeVar("T")


class once(Generic[T]):  # noqa: N801 - a decorator
    """A property that a request computes once.

    Not ``functools.cached_property``: until Python 3.12 that one computes under a lock that all
    requests share, so one that waits for the database would keep every thread waiting.
    """

    def __init__(self, compute: "Callable[[Any], T]") -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "once[T]": ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> "once[T] | T":
        """Computed here the first time; from then on the instance has it and this is not asked."""
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._compute(instance)
        return value


class Request(pyramid.request.Request):  # type: ignore[misc]
    """A request. A class of ours, because Pyramid's request methods cost a new class each time."""

    # Bodies are bounded (:func:`idp.security.check_form`): none is written to a temporary file.
    request_body_tempfile_limit = max(MAX_BODY, MAX_UPLOAD)

    @property
    def services(self) -> "Services":
        """The services of this process."""
        return cast("Services", self.registry.services)

    @property
    def configuration(self) -> "Settings":
        """The settings."""
        return self.services.settings

    @once
    def id(self) -> str:
        """What joins the page, the log and the journal."""
        return token_hex(8)

    @once
    def address(self) -> str:
        """The network address of the browser, behind as many proxies as the settings say."""
        proxies = self.configuration.proxies
        forwarded = [part.strip() for part in self.headers.get("X-Forwarded-For", "").split(",")]
        if proxies and len(forwarded) >= proxies and forwarded[-proxies]:
            return str(forwarded[-proxies][:64])
        return str(self.remote_addr or "")

    draft_kept = False
    """Whether what was posted after the session's end is kept for its owner."""

    @property
    def session_token(self) -> str | None:
        """The session's cookie, whether or not it still opens anything."""
        return self._cookie(session_cookie(self.configuration))

    @once
    def sso_session(self) -> SsoSession | None:
        """The live sign-on session of this browser; whether its person may go on is ``subject``."""
        token = self.session_token
        session = self.services.sessions.find(token) if token else None
        if session is not None:
            act_as(session.subject_id)
        return session

    @once
    def cookies(self) -> dict[str, str]:
        """The cookies that are text; another, whoever on this host or above set it, is absent."""
        readable: dict[str, str] = {}
        for pair in self.environ.get("HTTP_COOKIE", "").split(";"):
            with suppress(UnicodeError):
                readable |= {name.decode(): value.decode() for name, value in parse_cookie(pair)}
        return readable

    def _cookie(self, name: str) -> str | None:
        """One cookie's value; WebOb's parser of them all costs as much as a signature."""
        for pair in self.environ.get("HTTP_COOKIE", "").split(";"):
            found, _, value = pair.strip().partition("=")
            if found == name:
                return str(value)
        return None

    @once
    def subject(self) -> Subject | None:
        """The person, re-read at every request: locked, expired or re-keyed means nobody."""
        session = self.sso_session
        if session is None:
            return None
        subject = self.services.directory.find_subject(session.subject_id)
        if subject is None or session.outdated(subject.password_changed_at):
            return None
        return subject

    def touch(self) -> None:
        """Note that the session was used, if this request asked who is there and found somebody."""
        # Where ``once`` keeps its value: asking here would cost strangers' pages a query.
        if self.__dict__.get("subject") is not None and self.sso_session is not None:
            self.services.sessions.touch(self.sso_session)

    @property
    def csrf_token(self) -> str:
        """The token that forms carry."""
        return str(get_csrf_token(self))


def session_cookie(settings: "Settings") -> str:
    """The session cookie's name: ``__Host-`` on https only, where browsers accept it."""
    return "__Host-convergences" if settings.secure else "convergences"


Handler = Callable[[Any], "Response"]


def origin_tween(handler: Handler, registry: object) -> Handler:
    """Everything that the request does is done from its address, under its id."""
    del registry

    def tween(request: Request) -> "Response":
        with acting(Origin(address=request.address, request_id=request.id)):
            response = handler(request)
            response.headers["X-Request-Id"] = request.id
            _let_go_of_error(request)
            return response

    return tween


def _let_go_of_error(request: Request) -> None:
    # The error's traceback holds the request and all that was read of it: in a circle, a message
    # of a stranger would stay in memory until the collector looks at its oldest objects.
    for name in ("exception", "exc_info"):
        request.__dict__.pop(name, None)


def touch_tween(handler: Handler, registry: object) -> Handler:
    """A session is touched once, when the answer is made; that it cannot be costs nobody a page."""
    del registry

    def tween(request: Request) -> "Response":
        response = handler(request)
        if response.status_int >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return response  # the database may be what failed: it is not asked a second time
        try:
            request.touch()
        except DatabaseError as error:
            logger.warning("touch-failed", cause=type(error).__name__)
        return response

    return tween


def includeme(config: "Configurator") -> None:
    """Use our request class, name each request, and keep sessions alive."""
    config.set_request_factory(Request)
    config.add_tween("idp.request.origin_tween", under=INGRESS)
    config.add_tween("idp.request.touch_tween", under="idp.request.origin_tween", over=EXCVIEW)
