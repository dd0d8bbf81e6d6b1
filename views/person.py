"""The signed-in person of a view that only signed-in people reach."""

from dataclasses import dataclass

from pyramid.httpexceptions import HTTPForbidden

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
