from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.exc import OperationalError
from webtest import TestApp

from idp import make_app
from idp.errors import ConfigurationError
from idp.services import Services
from idp.settings import Settings


def test_alive_and_ready(app: TestApp) -> None:
    assert app.get("/healthz").text == "ok\n"
    assert app.get("/readyz").text == "ready\n"
    assert app.get("/healthz").content_type == "text/plain"


def test_not_ready_without_the_database(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def revision(name: str) -> int:
        raise OperationalError(name, {}, Exception("password=hunter2"))

    monkeypatch.setattr(services.db, "revision", revision)
    assert app.get("/readyz", status=503).text == "the database does not answer\n"
    app.get("/healthz", status=200)


def test_not_ready_without_the_signing_key(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ready() -> None:
        raise ConfigurationError("no file\nof the active key")

    monkeypatch.setattr(services.keys, "ready", ready)
    assert app.get("/readyz", status=503).text == "no file of the active key\n"


def test_metrics_count_what_was_answered(app: TestApp) -> None:
    labels = {"method": "GET", "route": "healthz", "status": "200"}
    before = REGISTRY.get_sample_value("convergences_http_requests_total", labels) or 0
    app.get("/healthz")
    assert REGISTRY.get_sample_value("convergences_http_requests_total", labels) == before + 1
    assert "convergences_http_requests_total" in app.get("/metrics").text


def test_metrics_without_a_token_are_for_this_machine_only(app: TestApp) -> None:
    app.get("/metrics", status=200)
    app.get("/metrics", extra_environ={"REMOTE_ADDR": "192.0.2.1"}, status=403)
    app.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}, status=403)


def test_metrics_with_a_token_are_for_those_who_show_it(
    settings: Settings, services: Services
) -> None:
    changed = replace(settings, metrics_token="figures")
    app = TestApp(
        make_app(changed, replace(services, core=replace(services.core, settings=changed))),
        extra_environ={"REMOTE_ADDR": "127.0.0.1"},
    )
    for wrong in ({}, {"Authorization": "Bearer other"}, {"Authorization": "figures"}):
        response = app.get("/metrics", headers=wrong, status=401)
        assert response.headers["WWW-Authenticate"] == "Bearer"
    app.get("/metrics", headers={"Authorization": "Bearer figures"}, status=200)
