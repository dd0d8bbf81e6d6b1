"""Every error becomes a French page: bland to the browser, exact in the log, one id for both."""

from http import HTTPStatus
from logging import ERROR, WARNING

from pyramid.config import Configurator
from pyramid.exceptions import BadCSRFOrigin, BadCSRFToken, PredicateMismatch
from pyramid.httpexceptions import HTTPException, HTTPForbidden, HTTPNotFound
from pyramid.renderers import render_to_response
from pyramid.response import Response

from idp.db import GONE
from idp.errors import ConvergencesError, UnknownFlow
from idp.log import logger
from idp.request import Request
from views.login.sign_in import LOST_NOTICE
from views.person import person_of
from views.urls import see_other

NOT_FOUND = "Cette page n'existe pas"
SORRY = (
    "Le service n'a pas pu répondre à votre demande. L'incident est enregistré. "
    "Recommencez dans quelques instants."
)
EXPIRED = (
    "Cette page est restée ouverte trop longtemps, ou elle ne vient pas de ce site : par sécurité, "
    "rien n'a été enregistré. Revenez à la page précédente, rechargez-la et recommencez."
)
UNAVAILABLE = (
    "Le service est momentanément indisponible. Aucune de vos données n'est perdue. "
    "Recommencez dans quelques minutes."
)

_HEADINGS = {
    HTTPStatus.BAD_REQUEST: "La demande n'a pas pu être acceptée",
    HTTPStatus.FORBIDDEN: "L'accès est refusé",
    HTTPStatus.NOT_FOUND: NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: "Cette action n'est pas possible ici",
    HTTPStatus.LENGTH_REQUIRED: "La demande n'a pas pu être acceptée",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "L'envoi est trop volumineux",
    HTTPStatus.TOO_MANY_REQUESTS: "Trop d'essais",
    HTTPStatus.SERVICE_UNAVAILABLE: "Service momentanément indisponible",
}
_TEXTS = {
    HTTPStatus.BAD_REQUEST: "L'adresse ou les données envoyées ne peuvent pas être lues.",
    HTTPStatus.FORBIDDEN: "Vous n'avez pas le droit d'ouvrir cette page.",
    HTTPStatus.NOT_FOUND: "L'adresse est peut-être incomplète, ou la page a été déplacée.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Passez par les boutons et les liens du portail.",
    HTTPStatus.LENGTH_REQUIRED: "Ce que vous avez envoyé n'indique pas sa taille.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "Ce que vous avez envoyé dépasse la taille que ce site accepte. Rien n'a été enregistré."
    ),
}


def error_page(request: Request, status: int, text: str, *, heading: str | None = None) -> Response:
    """The page of an error: what happened, whom to ask, and the id that the log knows it by."""
    values = {
        "heading": heading or _HEADINGS.get(HTTPStatus(status), "Une erreur s'est produite"),
        "text": text,
        "status": status,
        "request_id": request.id,
    }
    response = render_to_response("views:templates/error.jinja2", values, request)
    response.status = status
    return response


def on_convergences_error(error: ConvergencesError, request: Request) -> Response:
    """One mapping for the whole tree: the class says the status and the public text."""
    defect = error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.retry_after is None
    logger.log(
        ERROR if defect else WARNING,
        error.code,
        cause=error.cause,
        exc_info=error if defect else None,
    )
    response = error_page(request, error.http_status, error.public)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def on_lost_flow(error: UnknownFlow, request: Request) -> Response:
    """A reload, another tab, an hour later: nothing is wrong, and the next page says it."""
    logger.info(error.code, cause=error.cause)
    page = "sign_in" if person_of(request) is None else "portal"
    return see_other(request, page, query={"avis": LOST_NOTICE})


def on_not_found(error: HTTPNotFound, request: Request) -> Response:
    """404; or 405 where the address exists and the method does not."""
    allowed = _methods(request) if isinstance(error, PredicateMismatch) else ()
    if allowed and request.method not in allowed:
        status = HTTPStatus.METHOD_NOT_ALLOWED
        logger.info("http", cause=f"{request.method} is not for this address", status=status.value)
        response = error_page(request, status, _TEXTS[status])
        response.allow = allowed
        return response
    missing = HTTPStatus.NOT_FOUND
    logger.info("http", cause=f"no page at {request.path_info!r}", status=missing.value)
    return error_page(request, missing, _TEXTS[missing])


def on_forbidden(error: HTTPForbidden, request: Request) -> Response:
    """A stranger signs in first; a signed-in person reads that this is not for him."""
    if person_of(request) is None:
        unsafe = request.method not in {"GET", "HEAD"}
        return see_other(request, "sign_in", query={"avis": "session-terminee"} if unsafe else None)
    logger.warning("forbidden", cause=str(error))
    return error_page(request, HTTPStatus.FORBIDDEN, _TEXTS[HTTPStatus.FORBIDDEN])


def on_csrf_failure(error: HTTPException, request: Request) -> Response:
    """A form from elsewhere, or of a session that ended meanwhile."""
    logger.warning("csrf", cause=type(error).__name__)
    return error_page(
        request, HTTPStatus.BAD_REQUEST, EXPIRED, heading="Ce formulaire n'est plus valable"
    )


def on_http_exception(error: HTTPException, request: Request) -> Response:
    """Anything else that HTTP has a name for; redirections pass as they are."""
    if error.code < HTTPStatus.BAD_REQUEST:
        return error
    logger.warning("http", cause=error.detail or error.explanation, status=error.code)
    fallback = (
        SORRY if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR else _TEXTS[HTTPStatus.BAD_REQUEST]
    )
    response = error_page(request, error.code, _TEXTS.get(HTTPStatus(error.code), fallback))
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.allow = _methods(request)
    return response


def on_undecodable(error: UnicodeDecodeError, request: Request) -> Response:
    """An address or a form that is not UTF-8."""
    logger.warning("undecodable", cause=f"{error.reason} at byte {error.start}")
    return error_page(request, HTTPStatus.BAD_REQUEST, _TEXTS[HTTPStatus.BAD_REQUEST])


def on_database_gone(error: Exception, request: Request) -> Response:
    """The database does not answer: 503, and a browser may come back."""
    logger.error("database-gone", cause=type(error).__name__, exc_info=error)
    response = error_page(request, HTTPStatus.SERVICE_UNAVAILABLE, UNAVAILABLE)
    response.headers["Retry-After"] = "30"
    return response


def on_any_exception(error: Exception, request: Request) -> Response:
    """A defect of ours: the cause is in the log, the page says nothing of it."""
    logger.error("unexpected", cause=type(error).__name__, exc_info=error)
    return error_page(request, HTTPStatus.INTERNAL_SERVER_ERROR, SORRY)


def _methods(request: Request) -> tuple[str, ...]:
    """The methods that some view of this route answers."""
    name = getattr(request.matched_route, "name", None)
    methods: set[str] = set()
    for view in request.registry.introspector.get_category("views") or ():
        introspectable = view["introspectable"]
        if name is not None and introspectable["route_name"] == name:
            said = introspectable["request_methods"] or ("GET", "POST")
            answered = {said} if isinstance(said, str) else set(said)
            methods |= answered
            if "GET" in answered and not introspectable.get("effect"):
                methods.add("HEAD")
    return tuple(sorted(methods))


def includeme(config: Configurator) -> None:
    """One view per kind of error."""
    config.add_exception_view(on_any_exception, context=Exception)
    config.add_exception_view(on_undecodable, context=UnicodeDecodeError)
    config.add_exception_view(on_convergences_error, context=ConvergencesError)
    config.add_exception_view(on_lost_flow, context=UnknownFlow)
    config.add_exception_view(on_http_exception, context=HTTPException)
    config.add_exception_view(on_csrf_failure, context=BadCSRFToken)
    config.add_exception_view(on_csrf_failure, context=BadCSRFOrigin)
    for gone in GONE:
        config.add_exception_view(on_database_gone, context=gone)
    config.add_notfound_view(on_not_found)
    config.add_forbidden_view(on_forbidden)
