"""What machines ask: is it alive, is it ready, what has it counted."""

import os
from hmac import compare_digest
from ipaddress import ip_address

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from pyramid.config import Configurator
from pyramid.events import NewResponse
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from idp.db import DatabaseError
from idp.errors import ConfigurationError
from idp.installation import check_schema, check_secret
from idp.keys.expiry import KeyDays
from idp.log import logger
from idp.mail_desk import MailGauges
from idp.metrics import http_requests
from idp.request import Request

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def healthz(request: Request) -> Response:
    """The process answers."""
    del request
    return _line("ok")


def readyz(request: Request) -> Response:
    """The database is at our schema, and this node holds its secret and the active signing key.

    Strangers may ask: why it is not ready is in the log alone.
    """
    services = request.services
    try:
        check_schema(services.db)
        check_secret(services.db, services.settings.secret)
        services.keys.ready()
    except DatabaseError:
        logger.exception("not-ready")
    except ConfigurationError as error:
        logger.warning("not-ready", cause=error.cause)
    else:
        return _line("ready")
    return _line("not ready", 503)


def metrics(request: Request) -> Response:
    """Prometheus' text: with the token, or without one from this machine only."""
    token = request.configuration.metrics_token
    if token is not None:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not compare_digest(given, f"Bearer {token}".encode()):
            response = _line("a bearer token is needed", 401)
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
    elif not _from_this_machine(request):
        return _line("set metrics.token to read this from elsewhere", 403)
    computed, services = CollectorRegistry(), request.services
    computed.register(KeyDays(services.keys, services.clock))
    computed.register(MailGauges(services.db, services.clock))
    body = generate_latest(_registry()) + generate_latest(computed)
    return Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def count(event: NewResponse) -> None:
    """Count each answer by route, method and status."""
    request = event.request
    method = request.method if request.method in METHODS else "other"
    route = getattr(getattr(request, "matched_route", None), "name", None) or "none"
    http_requests.labels(method, route, str(event.response.status_int)).inc()


def _registry() -> CollectorRegistry:
    """Every worker's counters where they share a folder, else this process's."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _from_this_machine(request: Request) -> bool:
    """Asked here and passed on by nobody: behind a proxy every stranger comes from loopback."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        return ip_address(request.address).is_loopback
    except ValueError:
        return False


def _line(text: str, status: int = 200) -> Response:
    return Response(text=text + "\n", status=status, content_type="text/plain", charset="UTF-8")


def includeme(config: Configurator) -> None:
    """Three addresses that need no sign-in, and the counter of all answers."""
    for view in (healthz, readyz, metrics):
        config.add_view(
            view,
            route_name=view.__name__,
            request_method="GET",
            permission=NO_PERMISSION_REQUIRED,
        )
    config.add_subscriber(count, NewResponse)
