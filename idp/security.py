"""Who may see a page at all, and the headers that protect every answer.

Views are closed unless they say otherwise (the default permission is *signed in*); CSRF is checked
before the permission, so that a forged request never consults the ambient cookie.
"""

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyramid.csrf import CookieCSRFStoragePolicy, new_csrf_token
from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPLengthRequired,
    HTTPMethodNotAllowed,
    HTTPRequestEntityTooLarge,
)
from pyramid.interfaces import ICSRFStoragePolicy
from pyramid.security import Allowed, Denied
from pyramid.viewderivers import INGRESS, csrf_view
from webob.cookies import make_cookie
from webob.multidict import MultiDict
from webob.request import DisconnectionError

from idp import multipart
from idp.multipart import MAX_UPLOAD
from idp.request import MAX_BODY, MAX_PAIRS, Request, session_cookie

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.response import Response

SIGNED_IN = "signed-in"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# form-action would block the hand-over to an SP, and follows its redirects too: the page that hands
# over has a policy of its own, without it.
HAND_OVER_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
HSTS = "max-age=63072000; includeSubDomains"

View = Callable[[Any, Request], "Response"]


class SecurityPolicy:
    """Pyramid's questions about the person, answered by ``request.subject``."""

    def identity(self, request: Request) -> object:
        """The signed-in person, or None."""
        return request.subject

    def authenticated_userid(self, request: Request) -> str | None:
        """The person's subject id, or None."""
        return request.subject.id if request.subject else None

    def permits(self, request: Request, context: object, permission: str) -> Allowed | Denied:
        """Whether the person may see the view."""
        del context
        if permission == SIGNED_IN and request.subject is not None:
            return Allowed("signed in")
        return Denied(f"{permission} is not granted")

    def remember(self, request: Request, userid: str, **kw: object) -> list[tuple[str, str]]:
        """Not Pyramid's way of signing in: see :func:`remember`."""
        raise NotImplementedError

    def forget(self, request: Request, **kw: object) -> list[tuple[str, str]]:
        """Delete the session cookie."""
        del kw
        return forget(request)


class FormTokens(CookieCSRFStoragePolicy):  # type: ignore[misc]
    """The CSRF token is another one for each person at this browser (ASVS 3.5.1).

    So a page that was left open by one person does nothing once another has signed in. Whoever
    signs in again goes on with the pages that he had open: what he typed there is not lost.
    """

    def belong_to(self, request: Request, device: str) -> None:
        """From this answer on it is that of the person to whom this browser's token was given."""
        key = hmac.digest(request.configuration.secret, b"convergences form token", "sha256")
        token = hmac.new(key, device.encode(), "sha256").hexdigest()
        request.cookies[self.cookie_name] = token
        request.add_response_callback(
            lambda _, response: self.cookie_profile.set_cookies(response, token)
        )


def forms_of(request: Request, device: str) -> None:
    """Somebody signed in: the forms of whoever was here before are refused.

    ``device`` is the token of this person's browser (:func:`idp.throttle.device_token`).
    """
    request.registry.getUtility(ICSRFStoragePolicy).belong_to(request, device)


def forms_of_nobody(request: Request) -> None:
    """Somebody signed out: his forms are refused until he signs in again."""
    new_csrf_token(request)


def remember(request: Request, token: str) -> list[tuple[str, str]]:
    """The headers that give the browser its session."""
    return [("Set-Cookie", _session_cookie(request, token))]


def forget(request: Request) -> list[tuple[str, str]]:
    """The headers that take the session from the browser."""
    return [("Set-Cookie", _session_cookie(request, None))]


def headers_deriver(view: View, info: object) -> View:
    """Every answer carries the protecting headers, unless its view set its own."""
    del info

    def wrapped(context: object, request: Request) -> "Response":
        response = view(context, request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.configuration.secure:
            response.headers.setdefault("Strict-Transport-Security", HSTS)
        return response

    return wrapped


def effect_deriver(view: View, info: Any) -> View:  # noqa: ANN401 - Pyramid's own object
    """A view that says ``effect=True`` answers no HEAD: it would act, and nobody see the answer."""
    if not info.options.get("effect"):
        return view

    def wrapped(context: object, request: Request) -> "Response":
        if request.method == "HEAD":
            raise HTTPMethodNotAllowed("HEAD is not for this address")
        return view(context, request)

    return wrapped


effect_deriver.options = ("effect",)  # type: ignore[attr-defined]


def forms_deriver(view: View, info: Any) -> View:  # noqa: ANN401 - Pyramid's own object
    """What is posted is bounded, and text, before anything reads it: CSRF reads the form first."""
    if info.exception_only:
        return view
    check = check_upload if info.options.get("upload") else check_form

    def wrapped(context: object, request: Request) -> "Response":
        if request.method not in SAFE_METHODS:
            check(request)
        return view(context, request)

    return wrapped


forms_deriver.options = ("upload",)  # type: ignore[attr-defined]


def check_upload(request: Request) -> None:
    """Read the form of a view that says ``upload=True``: short fields and one file, in parts.

    Raises:
        HTTPLengthRequired, HTTPRequestEntityTooLarge: of unknown size, or larger than we read.
        HTTPBadRequest: not such a form, or not sent whole.
    """
    body = _bounded_body(request, MAX_UPLOAD)
    try:
        fields = multipart.parse(request.headers.get("Content-Type", ""), body)
    except ValueError as error:
        raise HTTPBadRequest("a form with a file that cannot be read") from error
    # Where WebOb keeps what it has read: it does not read this body again.
    request.environ["webob._parsed_post_vars"] = (MultiDict(fields), request.body_file_raw)


def check_form(request: Request) -> None:
    """Refuse a body that no view here could read.

    The bounds are checked on the raw body: parsing a pair costs a hundred times its bytes, and the
    headers of a part more than that, so no form comes in parts; the one page that takes a file has
    a reader of its own (:func:`check_upload`).

    Raises:
        HTTPLengthRequired, HTTPRequestEntityTooLarge: of unknown size, or larger than we read.
        HTTPBadRequest: not a form, in parts, of too many pairs, not UTF-8, or not sent whole.
    """
    body = _bounded_body(request, MAX_BODY)
    if request.content_type.lower().startswith("multipart/"):
        raise HTTPBadRequest("a form in parts")
    if request.charset.upper() not in {"UTF-8", "UTF8"}:
        raise HTTPBadRequest("a form that is not UTF-8")
    if body.count(b"&") >= MAX_PAIRS:
        raise HTTPBadRequest("a form of too many pairs")
    try:
        request.POST  # noqa: B018 - parsed here, where what cannot be read has its answer
    except (LookupError, ValueError) as error:
        raise HTTPBadRequest("a form that cannot be read") from error


def _bounded_body(request: Request, limit: int) -> bytes:
    length = request.content_length
    if length is None or length < 0:
        raise HTTPLengthRequired
    if length > limit:
        raise HTTPRequestEntityTooLarge
    try:
        body: bytes = request.body
    except DisconnectionError as error:
        raise HTTPBadRequest("the body is shorter than its length") from error
    return body


def includeme(config: "Configurator") -> None:
    """Set the policy, bounded forms, CSRF before permission, and the headers."""
    secure = config.registry.services.settings.secure
    config.set_security_policy(SecurityPolicy())
    config.set_default_permission(SIGNED_IN)
    config.set_csrf_storage_policy(
        FormTokens(
            cookie_name="__Host-csrf" if secure else "convergences-csrf",
            secure=secure,
            httponly=True,
            samesite="Lax",
        )
    )
    # Pyramid's check of Origin asks the Host header who we are, and our own pages, which send no
    # referrer, post with "Origin: null": the token and SameSite decide.
    config.set_default_csrf_options(require_csrf=True, check_origin=False)
    config.add_view_deriver(headers_deriver, under=INGRESS, over="csrf_view")
    config.add_view_deriver(effect_deriver, under="headers_deriver", over="csrf_view")
    config.add_view_deriver(forms_deriver, under="effect_deriver", over="csrf_view")
    config.add_view_deriver(csrf_view, under="forms_deriver", over="secured_view")


def _session_cookie(request: Request, token: str | None) -> str:
    return str(
        make_cookie(
            session_cookie(request.configuration),
            token,
            max_age=None if token else 0,
            path="/",
            secure=request.configuration.secure,
            httponly=True,
            samesite="Lax",
        )
    )
