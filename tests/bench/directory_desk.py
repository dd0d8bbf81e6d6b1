"""Somebody at the AIA: whole pages of the application, in this process, without server and client.

As a browser without JavaScript asks for them: the whole page each time, nothing kept.
"""

import re
from html import unescape
from io import StringIO
from urllib.parse import urlencode

from pyramid.router import Router
from webob import Request

from idp import log, make_app
from idp.request import session_cookie
from idp.services import Services
from idp.types import Subject

NEXT = re.compile(r'<a [^>]*rel="next"[^>]*>')
ADDRESS = re.compile(r'href="([^"]+)"')
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


class Unanswered(Exception):
    """A page that cannot be measured."""


class Desk:
    """One person, signed in and inside the AIA. ``root``: a structure that he administers."""

    def __init__(self, services: Services, application: Router, subject_id: str, root: str) -> None:
        """Start his sessions."""
        self.root = root
        self._application = application
        self._services = services
        subject = services.directory.find_subject(subject_id)
        if subject is None:
            raise Unanswered(f"{subject_id} is not usable")
        self._cookies = {session_cookie(services.settings): self._entered(subject)}
        self._token = self._csrf_token()

    def get(self, path: str, **query: str) -> str:
        """The page of this address.

        Raises:
            Unanswered: it is not shown.
        """
        return self._answer(Request.blank(f"{path}?{urlencode(query)}" if query else path))

    def post(self, path: str, **fields: str) -> str:
        """The page that answers a form.

        Raises:
            Unanswered: it is not shown.
        """
        return self._answer(Request.blank(path, POST={"csrf_token": self._token, **fields}))

    @staticmethod
    def following(page: str) -> str | None:
        """The address of the list's next page."""
        link = NEXT.search(page)
        address = ADDRESS.search(link.group()) if link else None
        return unescape(address.group(1)) if address else None

    def _entered(self, subject: Subject) -> str:
        sessions = self._services.sessions
        token, session = sessions.start(subject, "bench", user_agent="bench")
        sessions.enter_aia(session)
        return token

    def _csrf_token(self) -> str:
        """Of the sign-out form, which every page of the AIA has; its cookie is kept."""
        request = self._with_cookies(Request.blank("/aia/deconnexion"))
        response = request.get_response(self._application)
        token = TOKEN.search(response.text)
        if token is None:
            raise Unanswered(f"{request.path} has no form")
        name, _, value = response.headers["Set-Cookie"].split(";")[0].partition("=")
        self._cookies[name] = value
        return token.group(1)

    def _answer(self, request: Request) -> str:
        response = self._with_cookies(request).get_response(self._application)
        if response.status_int != 200:
            raise Unanswered(f"{request.path_qs}: {response.status}")
        return str(response.text)

    def _with_cookies(self, request: Request) -> Request:
        request.headers["Cookie"] = "; ".join(f"{name}={it}" for name, it in self._cookies.items())
        request.host = self._services.settings.public_url.partition("//")[2]
        return request


def application_of(services: Services) -> Router:
    """The application of these services; what it logs goes nowhere."""
    log.configure(demonstration=True, stream=StringIO())
    return make_app(services.settings, services)
