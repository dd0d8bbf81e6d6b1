import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.exc import OperationalError
from webtest import TestApp

from idp import make_app
from idp.errors import ConfigurationError
from idp.services import Services
from idp.settings import Settings
from tests.common.processes import REPOSITORY


def test_alive_and_ready(app: TestApp) -> None:
    assert app.get("/healthz").text == "ok\n"
    assert app.get("/readyz").text == "ready\n"
    assert app.get("/healthz").content_type == "text/plain"


def test_not_ready_without_the_database(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(statement: object, _values: object) -> None:
        raise OperationalError(str(statement), {}, Exception("password=hunter2"))

    monkeypatch.setattr(services.db, "rows", rows)
    assert app.get("/readyz", status=503).text == "not ready\n"
    app.get("/healthz", status=200)


@pytest.mark.parametrize(
    "spoiled",
    [
        "DROP TABLE alembic_version",
        "DELETE FROM alembic_version",
        "UPDATE alembic_version SET version_num = '0000'",
        "DROP TABLE installation",
    ],
)
def test_not_ready_on_another_schema(app: TestApp, services: Services, spoiled: str) -> None:
    app.get("/readyz", status=200)
    with services.db.unit_of_work() as session:
        session.connection().exec_driver_sql(spoiled)

    assert app.get("/readyz", status=503).text == "not ready\n"


def test_not_ready_with_the_secret_of_another_node(settings: Settings, services: Services) -> None:
    changed = replace(settings, secret=b"x" * 32)
    app = TestApp(
        make_app(changed, replace(services, core=replace(services.core, settings=changed)))
    )
    assert app.get("/readyz", status=503).text == "not ready\n"


def test_not_ready_without_the_signing_key(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ready() -> None:
        raise ConfigurationError("no file\nof the active key")

    monkeypatch.setattr(services.keys, "ready", ready)
    assert app.get("/readyz", status=503).text == "not ready\n"


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


COUNTING = """
from idp.metrics import sign_ins
sign_ins.labels("success").inc(2)
"""
ADDING_UP = """
from prometheus_client import generate_latest
from views.health import _registry
print(generate_latest(_registry()).decode())
"""


def test_metrics_add_up_what_all_workers_counted(tmp_path: Path) -> None:
    def run(program: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", program],
            cwd=REPOSITORY,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    for _ in range(4):
        run(COUNTING)
    assert 'convergences_sign_ins_total{outcome="success"} 8.0' in run(ADDING_UP)
