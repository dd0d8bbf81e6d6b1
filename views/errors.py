"""Every error becomes a French page: bland to the browser, exact in the log, one id for both.

``PAGES`` is the one table of what people read of each status.
"""

from dataclasses import dataclass
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
from idp.security import SAFE_METHODS
from idp.types import Referent
from views import way_back
from views.login.sign_in import LOST_NOTICE
from views.login.stale import begin_again, is_open_to_all
from views.person import person_of, tellable
from views.profile.photo import ask_for_lighter
from views.urls import see_other


@dataclass(frozen=True, slots=True)
class Told:
    """What a person reads: ``text`` says what happened, ``advice`` what he can do."""

    heading: str
    text: str
    advice: str


_BACK = "Revenez à la page précédente et recommencez, ou repartez du portail."
_TOO_LARGE = Told(
    "L'envoi est trop volumineux",
    "Ce que vous avez envoyé dépasse la taille que ce site accepte. Rien n'a été enregistré.",
    "Revenez à la page précédente et envoyez un texte plus court ou un fichier plus petit.",
)
_UNREADABLE = Told(
    "La demande n'a pas pu être acceptée",
    "L'adresse ou les données envoyées ne peuvent pas être lues.",
    _BACK,
)
_AWAY = Told(
    "Service momentanément indisponible",
    "Le service est momentanément indisponible. Aucune de vos données n'est perdue.",
    "Recommencez dans quelques minutes.",
)

PAGES: dict[int, Told] = {
    HTTPStatus.BAD_REQUEST: _UNREADABLE,
    HTTPStatus.UNAUTHORIZED: Told(
        "Connectez-vous pour continuer",
        "Cette page n'est ouverte qu'aux personnes connectées.",
        "Connectez-vous au portail, puis recommencez.",
    ),
    HTTPStatus.FORBIDDEN: Told(
        "L'accès est refusé",
        "Vous n'avez pas le droit d'ouvrir cette page.",
        "Si vous en avez besoin pour votre travail, demandez cet accès.",
    ),
    HTTPStatus.NOT_FOUND: Told(
        "Cette page n'existe pas",
        "L'adresse est peut-être incomplète, ou la page a été déplacée.",
        "Vérifiez l'adresse, ou cherchez la page depuis le portail.",
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: Told(
        "Cette action n'est pas possible ici",
        "Cette adresse ne s'ouvre pas de cette façon. Rien n'a été enregistré.",
        "Passez par les boutons et les liens du portail.",
    ),
    HTTPStatus.REQUEST_TIMEOUT: Told(
        "L'envoi a pris trop de temps",
        "Le site n'a pas reçu votre demande entière. Rien n'a été enregistré.",
        "Vérifiez votre connexion au réseau, puis recommencez.",
    ),
    HTTPStatus.CONFLICT: Told(
        "Ces informations ont changé entre-temps",
        "Elles ont changé depuis que vous avez ouvert la page. Rien n'a été enregistré.",
        "Rechargez la page pour voir ce qui a changé, puis recommencez.",
    ),
    HTTPStatus.LENGTH_REQUIRED: Told(
        "La demande n'a pas pu être acceptée",
        "Ce que vous avez envoyé n'indique pas sa taille. Rien n'a été enregistré.",
        _BACK,
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG: Told(
        "L'adresse est trop longue",
        "L'adresse de cette page ne peut pas être lue en entier.",
        "Repartez du portail.",
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Told(
        "Ce type de fichier n'est pas accepté",
        "Ce que vous avez envoyé n'est pas d'un type que ce site sait lire. "
        "Rien n'a été enregistré.",
        "Revenez à la page précédente : elle indique les types de fichier acceptés.",
    ),
    HTTPStatus.UNPROCESSABLE_ENTITY: Told(
        "Le formulaire ne peut pas être enregistré",
        "Une information est absente ou n'est pas de la forme attendue. Rien n'a été enregistré.",
        "Revenez à la page précédente et corrigez ce qui y est signalé.",
    ),
    HTTPStatus.TOO_MANY_REQUESTS: Told(
        "Trop d'essais",
        "Trop de demandes ont été envoyées en peu de temps.",
        "Patientez quelques instants avant de recommencer.",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: Told(
        "Une erreur s'est produite",
        "Le service n'a pas pu répondre à votre demande. L'incident est enregistré.",
        "Recommencez dans quelques instants. Si cela se reproduit, demandez de l'aide en donnant "
        "la référence ci-dessous.",
    ),
    HTTPStatus.BAD_GATEWAY: Told(
        "Une application n'a pas répondu",
        "Le portail n'a pas pu joindre une application dont il avait besoin.",
        "Recommencez dans quelques minutes.",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: _AWAY,
    HTTPStatus.GATEWAY_TIMEOUT: _AWAY,
}
"""What is told of each status, unless the error itself says more."""

EXPIRED = Told(
    "Ce formulaire n'est plus valable",
    "Cette page est restée ouverte trop longtemps, quelqu'un d'autre s'est connecté depuis dans ce "
    "navigateur, ou l'envoi ne vient pas de ce site : par sécurité, rien n'a été enregistré.",
    "Rouvrez la page et recommencez.",
)


PHOTO_FORMS = frozenset({"profile_photo", "aia_user_photo"})
"""Routes whose form takes a photo."""


def error_page(
    request: Request, status: int, *, told: Told | None = None, text: str = "", heading: str = ""
) -> Response:
    """The page of an error: what happened, what to do, whom to ask, and the id of the log's line.

    ``text`` replaces the table's, and its advice with it; ``heading`` the table's. A program that
    asks for JSON gets the heading and the id.
    """
    told = told or PAGES.get(status) or _default(status)
    heading = heading or told.heading
    if _wants_json(request):
        response = Response(json_body={"error": heading, "request_id": request.id})
    else:
        values = {
            "heading": heading,
            "text": text or told.text,
            "advice": "" if text else told.advice,
            "request_id": request.id,
            "referents": _who_can_help(request),
            "form_page": _form_page(request),
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
    response = error_page(request, error.http_status, text=error.public, heading=error.heading)
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
        response = error_page(request, status)
        response.allow = allowed
        return response
    missing = HTTPStatus.NOT_FOUND
    logger.info("http", cause=f"no page at {request.path_info!r}", status=missing.value)
    return error_page(request, missing)


def on_forbidden(error: HTTPForbidden, request: Request) -> Response:
    """A stranger signs in first, and comes back; a signed-in person reads that it is not for him.

    What was posted is not done; the form's page comes next, with what was kept of it.
    """
    if person_of(request) is not None:
        logger.warning("forbidden", cause=str(error))
        return error_page(request, HTTPStatus.FORBIDDEN)
    query = way_back.query(request, methods=_methods(request), subject_id=_left_by(request))
    if request.method not in SAFE_METHODS:
        notice = "saisie-conservee" if request.draft_kept else "session-terminee"
        query = {"avis": notice} | query
    return see_other(request, "sign_in", query=query)


def on_csrf_failure(error: HTTPException, request: Request) -> Response:
    """A form from elsewhere, or of a session that ended meanwhile."""
    logger.warning("csrf", cause=type(error).__name__)
    if is_open_to_all(request):
        return begin_again(request)
    return error_page(request, HTTPStatus.BAD_REQUEST, told=EXPIRED)


def on_http_exception(error: HTTPException, request: Request) -> Response:
    """Anything else that HTTP has a name for; redirections pass as they are."""
    if error.code < HTTPStatus.BAD_REQUEST:
        return error
    logger.warning("http", cause=error.detail or error.explanation, status=error.code)
    large = error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if large and getattr(request.matched_route, "name", "") in PHOTO_FORMS:
        return ask_for_lighter(request)
    response = error_page(request, error.code)
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.allow = _methods(request)
    return response


def on_undecodable(error: UnicodeDecodeError, request: Request) -> Response:
    """An address or a form that is not UTF-8."""
    logger.warning("undecodable", cause=f"{error.reason} at byte {error.start}")
    return error_page(request, HTTPStatus.BAD_REQUEST)


def on_database_gone(error: Exception, request: Request) -> Response:
    """The database does not answer: 503, and a browser may come back."""
    logger.error("database-gone", cause=type(error).__name__, exc_info=error)
    response = error_page(request, HTTPStatus.SERVICE_UNAVAILABLE)
    response.headers["Retry-After"] = "30"
    return response


def on_any_exception(error: Exception, request: Request) -> Response:
    """A defect of ours: the cause is in the log, the page says nothing of it."""
    logger.error("unexpected", cause=type(error).__name__, exc_info=error)
    return error_page(request, HTTPStatus.INTERNAL_SERVER_ERROR)


def _default(status: int) -> Told:
    """Of a status that the table does not name."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return PAGES[HTTPStatus.INTERNAL_SERVER_ERROR]
    return _UNREADABLE


def _form_page(request: Request) -> str:
    """The page whose form was posted; empty where there is none: what an SP posts is no form."""
    name = getattr(request.matched_route, "name", None) or "saml"
    if request.method in SAFE_METHODS or name.startswith("saml"):
        return ""
    return str(request.path_qs) if "GET" in _methods(request) else ""


def _who_can_help(request: Request) -> tuple[Referent, ...]:
    """The person's référents by name; none of a stranger's, or while the database is gone."""
    person = person_of(request)
    if person is None:
        return ()
    try:
        return request.services.directory.referents(person.id) if tellable(request) else ()
    except GONE:
        return ()


def _left_by(request: Request) -> str:
    """Whose session it was: the page at which it ended is nobody else's to be led to."""
    try:
        token = request.session_token
        return (request.services.sessions.owner(token) if token else None) or ""
    except GONE:
        return ""


def _wants_json(request: Request) -> bool:
    """A program that says so; a browser asks for HTML, and whoever says nothing gets it."""
    offers = request.accept.acceptable_offers(["text/html", "application/json"])
    return bool(offers) and offers[0][0] == "application/json"


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
