"""The demonstration service providers: four applications in one WSGI program.

Each is a stranger to Convergences, as a real application would be: it knows the IdP's metadata and
nothing else. Run it with ``granian --interface wsgi --factory views.demo.sp:from_environment``;
the environment gives ``SP_PORT``, ``VAR`` and ``DEMO_IDP`` (the IdP's public URL) or
``DEMO_IDP_METADATA`` (a file or URL of its metadata).
"""

import json
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import webob
from saml2.client import Saml2Client
from webob import Response
from webob.exc import HTTPException, HTTPMethodNotAllowed, HTTPNotFound, HTTPSeeOther

from views.demo import logout
from views.demo.acceptance import Received, Refused, SignOnRefused, accept
from views.demo.applications import APPLICATIONS, DemoApplication
from views.demo.description import entity_descriptor
from views.demo.federation import Federation, NotReady, authn_request
from views.demo.pages import STATIC, Pages
from views.demo.state import State

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_BODY = 1 << 20
MAX_RELAY_STATE = 1024
RESERVED = {"acs", "logout", "closed", "slo", "slo/soap"}
SOAP_FAULT = (
    '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><S:Fault>'
    "<faultcode>S:Client</faultcode><faultstring>refused</faultstring></S:Fault></S:Body>"
    "</S:Envelope>"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Request(webob.Request):  # type: ignore[misc] # WebOb has no types
    """Bodies are bounded, so none is written to a temporary file."""

    request_body_tempfile_limit = MAX_BODY


class Desk:
    """One application's pages."""

    def __init__(
        self,
        application: DemoApplication,
        federation: Federation,
        state: State,
        pages: Pages,
        metadata: bytes,
    ) -> None:
        self.application = application
        self.base = f"/{application.name}/"
        self.cookie = f"demo-{application.name}"
        # Addresses are absolute: webob would complete others from the Host header.
        self._origin = application.base(federation.port).removesuffix(self.base)
        self._federation = federation
        self._state = state
        self._pages = pages
        self._metadata = metadata
        self._services = {"acs": self._acs, "slo": self._slo, "slo/soap": self._slo_soap}
        self._plain = {
            "metadata": self._own_metadata,
            "whoami": self._whoami,
            "logout": self._logout,
            "closed": self._closed,
        }

    def answer(self, request: Request) -> Response:
        """The page of this address."""
        if request.path_info == self.base.removesuffix("/"):
            return HTTPSeeOther(location=self._origin + self.base)
        page = request.path_info.removeprefix(self.base)
        if page in self._services:
            if (request.content_length or 0) > MAX_BODY:
                return _html(self._pages.refused(self.application), status=413)
            return self._services[page](request)
        if request.method not in {"GET", "HEAD"}:
            raise HTTPMethodNotAllowed
        return self._plain.get(page, self._page)(request)

    def check(self) -> None:
        """Whether sign-on can start.

        Raises:
            NotReady: the IdP's metadata was never read.
        """
        self._federation.client(self.application)

    def _own_metadata(self, request: Request) -> Response:
        del request
        return Response(self._metadata, content_type="application/samlmetadata+xml")

    def _page(self, request: Request) -> Response:
        """What was received, or sign-on when there is no session. Any address below the base."""
        received = self._received(request)
        if received is None:
            return self._sign_on(request)
        return _html(self._pages.session(self.application, received, request.path_info))

    def _sign_on(self, request: Request) -> Response:
        client = self._federation.client(self.application)
        page = request.path_qs if len(request.path_qs) <= MAX_RELAY_STATE else self.base
        message_id, location = authn_request(client, self.application, page)
        self._state.asked(message_id, page)
        return HTTPSeeOther(location=location)

    def _acs(self, request: Request) -> Response:
        """The AssertionConsumerService. [SAMLProf] 4.1.4.5."""
        if request.method != "POST":
            raise HTTPMethodNotAllowed
        encoded = request.POST.get("SAMLResponse", "")
        address = request.client_addr or ""
        try:
            outstanding = self._state.outstanding()
            received = self._believed(lambda client: accept(client, encoded, outstanding, address))
            token = self._state.open(received)
        except SignOnRefused as refusal:
            log.info("%s: status %s", self.application.name, refusal)
            return _html(self._pages.status(self.application, refusal), status=403)
        except Refused as refusal:
            log.warning("%s: response refused: %s", self.application.name, refusal)
            return _html(self._pages.refused(self.application), status=403)
        page = self._local(str(request.POST.get("RelayState", "")))
        response = HTTPSeeOther(location=self._origin + page)
        response.set_cookie(self.cookie, token, path=self.base, httponly=True, samesite="Lax")
        return response

    def _believed(self, check: Callable[[Saml2Client], T]) -> T:
        """Check a message; when that fails, once more with fresh metadata: keys change."""
        client = self._federation.client(self.application)
        try:
            return check(client)
        except SignOnRefused:
            raise
        except Refused:
            self._federation.read_again()
            fresh = self._federation.client(self.application)
            if fresh is client:
                raise
            return check(fresh)

    def _local(self, relay_state: str) -> str:
        """The page to return to: a path of this application, or its first page."""
        plain = relay_state.isascii() and relay_state.isprintable()
        inside = relay_state.startswith(self.base) and "\\" not in relay_state
        reserved = relay_state.removeprefix(self.base).partition("?")[0] in RESERVED
        return relay_state if plain and inside and not reserved else self.base

    def _whoami(self, request: Request) -> Response:
        received = self._received(request)
        if received is None:
            return _json({"error": "no session"}, status=401)
        attributes: dict[str, list[str]] = {}
        for attribute in received.attributes:
            attributes.setdefault(attribute.name, []).extend(attribute.values)
        return _json({"name_id": received.name_id, "attributes": attributes})

    def _logout(self, request: Request) -> Response:
        """End this application's session, then ask the portal to end all others. [SAMLProf] 4.4."""
        received = self._state.close(request.cookies.get(self.cookie))
        asked = None
        if received is not None:
            client = self._federation.client(self.application)
            asked = logout.logout_request(client, received)
        if asked is None:
            return self._gone(self._address("closed"))
        message_id, location = asked
        self._state.leaving(message_id)
        return self._gone(location)

    def _slo(self, request: Request) -> Response:
        """The SingleLogoutService by the browser: an answer to ours, or the portal's own request.

        A cross-site post comes without our cookie: the NameID and the SessionIndex say which
        session is meant.
        """
        try:
            if request.method == "POST":
                carried = logout.from_post(request.POST)
            else:
                carried = logout.from_redirect(request.query_string)
            return HTTPSeeOther(location=self._told(carried))
        except Refused as refusal:
            return self._not_believed(refusal)

    def _told(self, carried: logout.Carried) -> str:
        """Where the browser goes after this message."""
        here = self.application.slo(self._federation.port)
        if carried.is_answer:
            said = self._believed(lambda client: logout.ended(client, carried, here))
            self._state.left(said.in_response_to, said.outcome)
            return self._address(f"closed?{urlencode({'request': said.in_response_to})}")
        asked, found = self._end(carried, here)
        client = self._federation.client(self.application)
        return logout.answer_by_redirect(client, asked, found=found)

    def _slo_soap(self, request: Request) -> Response:
        """The SingleLogoutService without a browser."""
        if request.method != "POST":
            raise HTTPMethodNotAllowed
        try:
            here = self.application.slo_soap(self._federation.port)
            asked, found = self._end(logout.from_soap(request.body), here)
        except Refused as refusal:
            log.warning("%s: logout refused: %s", self.application.name, refusal)
            return _xml(SOAP_FAULT, status=500)
        client = self._federation.client(self.application)
        return _xml(logout.answer_by_soap(client, asked, found=found))

    def _end(self, carried: logout.Carried, here: str) -> tuple[logout.EndRequest, bool]:
        """End the sessions that the portal means; whether there was one."""
        asked = self._believed(lambda client: logout.end_request(client, carried, here))
        ended = self._state.end(asked.message_id, asked.name_id, asked.session_indexes)
        return asked, ended > 0

    def _closed(self, request: Request) -> Response:
        """The session is over, and what the portal said of the others."""
        if self._received(request) is not None:
            return HTTPSeeOther(location=self._origin + self.base)
        outcome = self._state.outcome(request.GET.get("request", ""))
        return _html(self._pages.closed(self.application, outcome))

    def _not_believed(self, refusal: Refused) -> Response:
        log.warning("%s: logout refused: %s", self.application.name, refusal)
        return _html(self._pages.logout_refused(self.application), status=403)

    def _gone(self, location: str) -> Response:
        response = HTTPSeeOther(location=location)
        response.delete_cookie(self.cookie, path=self.base)
        return response

    def _address(self, page: str) -> str:
        return f"{self._origin}{self.base}{page}"

    def _received(self, request: Request) -> Received | None:
        return self._state.session(request.cookies.get(self.cookie))


class Program:
    """The WSGI application."""

    def __init__(self, federation: Federation, pages: Pages, var: Path) -> None:
        self._pages = pages
        self._desks = {
            application.name: Desk(
                application,
                federation,
                State(),
                pages,
                entity_descriptor(application, federation.port, var),
            )
            for application in APPLICATIONS
        }

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        try:
            response = self._route(request)
        except NotReady:
            response = _html(self._pages.not_ready(), status=503)
            response.headers["Retry-After"] = "2"
        except HTTPException as error:
            response = _html(self._pages.absent(), status=error.status_int)
        except UnicodeDecodeError:
            response = _html(self._pages.absent(), status=400)
        response.headers.update(SECURITY_HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        answer: Iterable[bytes] = response(environ, start_response)
        return answer

    def _route(self, request: Request) -> Response:
        path = request.path_info
        name = path.removeprefix("/").partition("/")[0]
        desk = self._desks.get(name)
        if desk is not None:
            return desk.answer(request)
        if path == "/":
            return _html(self._pages.index())
        if path == "/readyz":
            for each in self._desks.values():
                each.check()
            return Response("ready\n", content_type="text/plain", charset="utf-8")
        if path in STATIC:
            body, content_type = STATIC[path]
            static = Response(body, content_type=content_type, charset="utf-8")
            static.headers["Cache-Control"] = "max-age=3600"
            return static
        raise HTTPNotFound


def from_environment() -> Program:
    """The program as the environment describes it; granian calls this.

    Raises:
        KeyError: neither ``DEMO_IDP`` nor ``DEMO_IDP_METADATA`` is there.
    """
    logging.basicConfig(level=logging.WARNING)
    # pysaml2 logs whole messages, with everything about the person, when a check fails.
    logging.getLogger("saml2").setLevel(logging.CRITICAL)
    port = int(os.environ.get("SP_PORT", "6544"))
    var = Path(os.environ.get("VAR", "var"))
    portal = os.environ.get("DEMO_IDP", "")
    source = os.environ.get("DEMO_IDP_METADATA") or f"{os.environ['DEMO_IDP']}/saml/metadata"
    return Program(Federation(source, port, var), Pages(portal), var)


def _html(body: str, *, status: int = 200) -> Response:
    return Response(body, status=status, content_type="text/html", charset="utf-8")


def _xml(body: str, *, status: int = 200) -> Response:
    return Response(body, status=status, content_type="text/xml", charset="utf-8")


def _json(content: object, *, status: int = 200) -> Response:
    body = json.dumps(content, ensure_ascii=False)
    return Response(body, status=status, content_type="application/json", charset="utf-8")
