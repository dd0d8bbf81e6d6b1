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
from typing import Any

import webob
from webob import Response
from webob.exc import HTTPException, HTTPMethodNotAllowed, HTTPNotFound, HTTPSeeOther

from views.demo.acceptance import Received, Refused, SignOnRefused, accept
from views.demo.applications import APPLICATIONS, DemoApplication
from views.demo.description import entity_descriptor
from views.demo.federation import Federation, NotReady, authn_request
from views.demo.pages import STATIC, Pages
from views.demo.state import State

log = logging.getLogger(__name__)

MAX_BODY = 1 << 20
MAX_RELAY_STATE = 1024
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

    def answer(self, request: Request) -> Response:
        """The page of this address."""
        if request.path_info == self.base.removesuffix("/"):
            return HTTPSeeOther(location=self._origin + self.base)
        page = request.path_info.removeprefix(self.base)
        if page == "acs":
            return self._acs(request)
        if request.method not in {"GET", "HEAD"}:
            raise HTTPMethodNotAllowed
        if page == "metadata":
            return Response(self._metadata, content_type="application/samlmetadata+xml")
        if page == "whoami":
            return self._whoami(request)
        if page == "logout":
            return self._logout(request)
        return self._page(request)

    def check(self) -> None:
        """Whether sign-on can start.

        Raises:
            NotReady: the IdP's metadata was never read.
        """
        self._federation.client(self.application)

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
        if (request.content_length or 0) > MAX_BODY:
            return _html(self._pages.refused(self.application), status=413)
        encoded = request.POST.get("SAMLResponse", "")
        address = request.client_addr or ""
        try:
            received = self._accept(encoded, address)
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

    def _accept(self, encoded: str, address: str) -> Received:
        """Accept it; when that fails, once more with fresh metadata: keys change."""
        outstanding = self._state.outstanding()
        client = self._federation.client(self.application)
        try:
            return accept(client, encoded, outstanding, address)
        except SignOnRefused:
            raise
        except Refused:
            self._federation.read_again()
            fresh = self._federation.client(self.application)
            if fresh is client:
                raise
            return accept(fresh, encoded, outstanding, address)

    def _local(self, relay_state: str) -> str:
        """The page to return to: a path of this application, or its first page."""
        plain = relay_state.isascii() and relay_state.isprintable()
        inside = relay_state.startswith(self.base) and "\\" not in relay_state
        reserved = relay_state.removeprefix(self.base).partition("?")[0] in {"acs", "logout"}
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
        """End this application's session, then let the portal offer to end its own."""
        self._state.close(request.cookies.get(self.cookie))
        response = HTTPSeeOther(location=self._pages.portal("/deconnexion"))
        response.delete_cookie(self.cookie, path=self.base)
        return response

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


def _json(content: object, *, status: int = 200) -> Response:
    body = json.dumps(content, ensure_ascii=False)
    return Response(body, status=status, content_type="application/json", charset="utf-8")
