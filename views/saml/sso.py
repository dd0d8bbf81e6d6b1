"""SingleSignOnService: what SPs and tiles call. [SAMLProf] 4.1.3, 4.1.5.

A Redirect request of a signed-in person is answered at once. Everything else is kept under a random
flow id, never a URL, and goes on at our own address: a POST from an SP's page comes without our
SameSite=Lax cookie, and only our own GET shows whether somebody is signed in.

A sign-on that waits no longer (reloaded, gone back to, too late) is no error: the portal says so
(:func:`views.errors.on_lost_flow`).
"""

from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from idp.errors import RequestRefused, StatusError, UnknownServiceProvider
from idp.messages import AcceptedRequest
from idp.outcomes import ChoiceNeeded, HandOver, Outcome, Refused, SignInNeeded
from idp.request import Request
from idp.saml.bindings import decode_post, decode_redirect
from views.saml.pages import backed_out_page, hand_over_page, refused_page
from views.urls import see_other


@view_config(
    route_name="saml_sso",
    request_method="GET",
    permission=NO_PERMISSION_REQUIRED,
    effect=True,
)
def sso_redirect(request: Request) -> Response:
    """An AuthnRequest by HTTP-Redirect."""
    sign_on = request.services.sign_on
    accepted = sign_on.receive(decode_redirect(request.query_string))
    try:
        sign_on.check(accepted)
        outcome = sign_on.answer(request.sso_session, accepted)
    except StatusError as error:
        return hand_over_page(request, sign_on.decline(accepted, error, request.sso_session))
    if isinstance(outcome, HandOver):
        return hand_over_page(request, outcome)
    if isinstance(outcome, Refused):
        return refused_page(request, accepted, outcome)
    return _wait(request, accepted)


@view_config(
    route_name="saml_sso",
    request_method="POST",
    permission=NO_PERMISSION_REQUIRED,
    require_csrf=False,
)
def sso_post(request: Request) -> Response:
    """An AuthnRequest by HTTP-POST: checked now, answered at our own address."""
    sign_on = request.services.sign_on
    accepted = sign_on.receive(decode_post(request.POST.items(), query=request.query_string))
    try:
        sign_on.check(accepted)
    except StatusError as error:
        return hand_over_page(request, sign_on.decline(accepted, error))
    return _wait(request, accepted)


@view_config(
    route_name="saml_init",
    request_method="GET",
    permission=NO_PERMISSION_REQUIRED,
    effect=True,
)
def sso_init(request: Request) -> Response:
    """Sign-on that starts here: a tile was clicked."""
    given = {name: request.GET.getall(name) for name in ("sp", "RelayState")}
    if any(len(values) > 1 for values in given.values()):
        raise RequestRefused("a parameter is there twice")
    if not any(given["sp"]):
        raise UnknownServiceProvider("no sp in the query")
    sign_on = request.services.sign_on
    accepted = sign_on.start(given["sp"][0], next(iter(given["RelayState"]), None))
    outcome = sign_on.answer(request.sso_session, accepted)
    if isinstance(outcome, HandOver):
        return hand_over_page(request, outcome)
    if isinstance(outcome, Refused):
        return refused_page(request, accepted, outcome)
    return _wait(request, accepted)


@view_config(
    route_name="saml_continue",
    request_method="GET",
    permission=NO_PERMISSION_REQUIRED,
    effect=True,
)
def sso_continue(request: Request) -> Response:
    """Go on with a pending sign-on, after signing in or choosing a structure."""
    flow = request.GET.get("flow", "")
    sign_on = request.services.sign_on
    accepted = request.services.authn_requests.find(flow)
    try:
        outcome = sign_on.answer(request.sso_session, accepted, flow)
    except StatusError as error:
        return hand_over_page(request, sign_on.decline(accepted, error, request.sso_session, flow))
    return _next_page(request, accepted, flow, outcome)


@view_config(route_name="saml_cancel", request_method="POST", permission=NO_PERMISSION_REQUIRED)
def sso_cancel(request: Request) -> Response:
    """The person backs out: a page here, or (AuthnFailed) back to an SP that wants to know."""
    flow = request.POST.get("flow", "")
    accepted = request.services.authn_requests.find(flow)
    told = request.services.sign_on.back_out(accepted, request.sso_session, flow)
    return backed_out_page(request, accepted) if told is None else hand_over_page(request, told)


def _wait(request: Request, accepted: AcceptedRequest) -> Response:
    flow = request.services.authn_requests.hold(accepted)
    return see_other(request, "saml_continue", query={"flow": flow})


def _next_page(
    request: Request, accepted: AcceptedRequest, flow: str, outcome: Outcome
) -> Response:
    match outcome:
        case HandOver():
            return hand_over_page(request, outcome)
        case Refused():
            return refused_page(request, accepted, outcome)
        case SignInNeeded():
            return see_other(request, "sign_in", query={"flow": flow})
        case ChoiceNeeded():
            # Who chooses is the person, re-read: a password changed since means signing in first.
            page = "sign_in" if request.subject is None else "saml_structure"
            return see_other(request, page, query={"flow": flow})
