"""SingleLogoutService: what SPs call, by the browser or directly. [SAMLProf] 4.4.

Whatever the binding, the browser goes on at our own address: an SP's POST comes without our
SameSite=Lax cookie.
"""

from http import HTTPStatus

from pyramid.httpexceptions import HTTPClientError
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import exception_view_config, view_config

from idp.errors import ProtocolError, UnreadableMessage
from idp.log import logger
from idp.request import Request
from idp.saml.bindings import Message, decode_post, decode_redirect, decode_soap, soap_fault
from views.login import cookies
from views.urls import see_other

XML_TYPES = frozenset({"text/xml", "application/xml", "application/soap+xml"})


@view_config(route_name="saml_slo", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def slo_redirect(request: Request) -> Response:
    """A LogoutRequest, or an SP's answer to ours, by HTTP-Redirect."""
    if "SAMLResponse" in request.GET:
        return _answered(request, decode_redirect(request.query_string, "SAMLResponse"))
    return _asked(request, decode_redirect(request.query_string))


@view_config(
    route_name="saml_slo",
    request_method="POST",
    permission=NO_PERMISSION_REQUIRED,
    require_csrf=False,
)
def slo_post(request: Request) -> Response:
    """The same by HTTP-POST."""
    pairs, query = list(request.POST.items()), request.query_string
    if "SAMLResponse" in request.POST:
        return _answered(request, decode_post(pairs, "SAMLResponse", query=query))
    return _asked(request, decode_post(pairs, query=query))


@view_config(
    route_name="saml_slo_soap",
    request_method="POST",
    permission=NO_PERMISSION_REQUIRED,
    require_csrf=False,
)
def slo_soap(request: Request) -> Response:
    """A LogoutRequest by SOAP: the session ends without a browser.

    What is refused is a fault, with the id that the log knows it by. [SAMLBind] 3.2.3.3
    """
    sign_out = request.services.sign_out
    try:
        if request.content_type not in XML_TYPES:
            raise UnreadableMessage(f"{request.content_type:.100} is no content type of SOAP")
        accepted = sign_out.receive(decode_soap(request.body))
        return _envelope(sign_out.obey_directly(accepted))
    except ProtocolError as error:
        return _fault(request, error)


@exception_view_config(HTTPClientError, route_name="saml_slo_soap", request_method="POST")
def on_unreadable_body(error: HTTPClientError, request: Request) -> Response:
    """What is refused before its view (:func:`idp.security.check_form`) is a fault as well."""
    return _fault(request, UnreadableMessage(error.detail or error.explanation))


def _asked(request: Request, message: Message) -> Response:
    sign_out = request.services.sign_out
    accepted = sign_out.receive(message)
    session = request.sso_session
    flow = sign_out.obey(accepted, session.key if session else None)
    response = see_other(request, "sign_out_next")
    cookies.add_flow(request, response, flow)
    return response


def _answered(request: Request, message: Message) -> Response:
    request.services.sign_out.receive_answer(message)
    return see_other(request, "sign_out_next")


def _fault(request: Request, error: ProtocolError) -> Response:
    logger.warning(error.code, cause=error.cause)
    fault = soap_fault(f"{error.public} ({request.id})")
    return _envelope(fault, status=HTTPStatus.INTERNAL_SERVER_ERROR)


def _envelope(octets: bytes, *, status: int = HTTPStatus.OK) -> Response:
    return Response(octets, status=status, content_type="text/xml", charset="utf-8")
