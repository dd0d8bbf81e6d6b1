"""Every answer says what it is, and in which encoding its text is written."""

import re

import pytest
from webtest import TestApp

from tests.unit.views.conftest import sign_in

TYPES = {
    "/connexion": "text/html",
    "/mentions-legales": "text/html",
    "/nulle-part": "text/html",
    "/saml/sso": "text/html",
    "/saml/metadata": "application/samlmetadata+xml",
    "/healthz": "text/plain",
    "/metrics": "text/plain",
    "/static/0/css/site.css": "text/css",
    "/static/0/js/site.js": "text/javascript",
    "/static/0/img/favicon.svg": "image/svg+xml",
}


@pytest.mark.parametrize("path", TYPES)
def test_an_answer_names_its_type_and_its_encoding(app: TestApp, path: str) -> None:
    answer = app.get(path, status="*")
    assert answer.content_type == TYPES[path]
    assert re.search(r"; charset=utf-8$", answer.headers["Content-Type"], re.IGNORECASE)


@pytest.mark.usefixtures("agent")
def test_pages_and_redirections_of_a_person_do_so_too(app: TestApp) -> None:
    for answer in (sign_in(app, "agent@ville.example"), app.get("/profil"), app.get("/aia")):
        assert answer.headers["Content-Type"].endswith("; charset=UTF-8")
