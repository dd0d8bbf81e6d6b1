"""The signed-in person: of a view that only signed-in people reach, and of any page's header."""

from dataclasses import dataclass

from pyramid.config import Configurator
from pyramid.events import BeforeRender
from pyramid.httpexceptions import HTTPException, HTTPForbidden

from idp.db import GONE
from idp.errors import ConvergencesError
from idp.request import Request
from idp.types import SsoSession, Subject


@dataclass(frozen=True, slots=True)
class Person:
    """Who it is, and through which session."""

    subject: Subject
    session: SsoSession


def signed_in(request: Request) -> Person:
    """The person of this request.

    Raises:
        HTTPForbidden: nobody is signed in; the sign-in page is next.
    """
    if request.subject is None or request.sso_session is None:
        raise HTTPForbidden
    return Person(request.subject, request.sso_session)


def person_of(request: Request) -> Subject | None:
    """Who is signed in; None where nobody can tell: an error page must not raise another error."""
    if getattr(request, "exception", None) is None:
        return request.subject
    if not tellable(request):
        return None
    try:
        return request.subject
    except GONE:
        return None


def tellable(request: Request) -> bool:
    """Whether this page may ask the database: not when an error of ours is being told."""
    error = getattr(request, "exception", None)
    return error is None or isinstance(error, HTTPException | ConvergencesError)


def give_person(event: BeforeRender) -> None:
    """Every page's header greets ``person``: read here, so that no template asks the database.

    On paper it says of which day it is (``today``).
    """
    if event.get("request") is not None and event["renderer_name"].endswith(".jinja2"):
        event.setdefault("person", person_of(event["request"]))
        event.setdefault("today", event["request"].services.clock.now())


def includeme(config: Configurator) -> None:
    """Before every page."""
    config.add_subscriber(give_person, BeforeRender)
