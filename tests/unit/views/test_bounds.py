"""What a stranger posts is bounded before it is parsed: bytes, pairs, time and memory."""

import time
import tracemalloc
from base64 import b64encode
from io import BytesIO

import pytest
from lxml import etree
from structlog.testing import capture_logs
from webob import Request
from webtest import TestApp, TestResponse

from idp.saml.bindings import MAX_INFLATED
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.fake_sp import FakeSP

FORM = "application/x-www-form-urlencoded"
LIMIT = 768 * 1024
POSTS = ("/connexion", "/deconnexion", "/aia", "/saml/sso", "/saml/sso/structure")
PAIRS = {
    "pairs as large as a form may be": (FORM, b"a=&" * (LIMIT // 3)),
    "more than that": (FORM, b"a=&" * (4 * 1024 * 1024 // 3)),
    "separators alone": (FORM, b"&" * LIMIT),
    "a form of no type": ("", b"a=&" * (LIMIT // 3)),
    "parts": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 15_000,
    ),
    "headers of a part": ("multipart/form-data; boundary=x", b"--x\r\n" + b"a:\n" * 250_000),
    "parts within a part": (
        "multipart/form-data; boundary=x",
        b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n" + b"--y\r\n\r\n\r\n" * 80_000,
    ),
}


def post(app: TestApp, path: str, content_type: str, body: bytes) -> TestResponse:
    """As it comes from the street, with the token that any browser gets."""
    if "convergences-csrf" not in app.cookies:
        app.get("/connexion")
    header = {"X-CSRF-Token": app.cookies["convergences-csrf"]}
    return app.post(path, body, headers=header, content_type=content_type, status="*")


@pytest.mark.parametrize("name", PAIRS)
def test_a_form_of_very_many_pairs_costs_next_to_nothing(app: TestApp, name: str) -> None:
    post(app, "/saml/sso", FORM, b"a=1")
    for path in POSTS:
        seconds: list[float] = []
        # The least of three: the first one may compile a template, or meet the garbage collector.
        for _ in range(3):
            started = time.process_time()
            answer = post(app, path, *PAIRS[name])
            seconds.append(time.process_time() - started)
            assert answer.status_int in {400, 413}
        assert min(seconds) < 0.3, "of CPU"
        assert answer.html.html["lang"] == "fr"
    tracemalloc.start()
    try:
        post(app, "/saml/sso", *PAIRS[name])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The body itself is there more than once: in this test, in its client, and read.
    assert peak < 4 * len(PAIRS[name][1]) + 2_000_000, "bytes"


def test_as_many_pairs_as_a_form_may_have_are_read(app: TestApp) -> None:
    body = b"SAMLRequest=x&" + b"&".join(b"a%d=1" % number for number in range(99))
    at_the_door = "L'adresse ou les données envoyées ne peuvent pas être lues."
    assert at_the_door not in post(app, "/saml/sso", FORM, body).html.main.text
    assert at_the_door in post(app, "/saml/sso", FORM, body + b"&a=1").html.main.text


def test_a_form_that_is_too_large_is_a_page_that_says_so(app: TestApp) -> None:
    assert post(app, "/saml/sso", FORM, b"a=" + b"x" * (LIMIT - 2)).status_int == 400
    answer = post(app, "/saml/sso", FORM, b"a=" + b"x" * (LIMIT - 1))
    assert answer.status_int == 413
    assert answer.html.h1.text == "L'envoi est trop volumineux"
    assert "dépasse la taille" in answer.html.main.text


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b" " * (LIMIT + 1), {}),
        (b"&" * 1000, {}),
        (b"<a/>", {"Content-Type": "multipart/form-data; boundary=x"}),
        (b"<a/>", {"Content-Type": "text/xml; charset=latin-1"}),
    ],
    ids=["too large", "many pairs", "parts", "another encoding"],
)
def test_what_is_refused_by_soap_is_a_fault_even_at_the_door(
    app: TestApp, body: bytes, headers: dict[str, str]
) -> None:
    with capture_logs() as lines:
        answer = app.post(
            "/saml/slo/soap", body, {"Content-Type": "text/xml"} | headers, status=500
        )
    assert answer.content_type == "text/xml"
    fault = etree.fromstring(answer.body).findtext(".//faultstring")
    assert fault is not None
    assert answer.headers["X-Request-Id"] in fault
    assert "connexion" not in fault
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("unreadable-message", "warning")
    assert app.get("/saml/slo/soap", status=405).content_type == "text/html", "no SOAP"


def test_soap_of_unknown_length_is_a_fault_and_not_read(app: TestApp) -> None:
    environ = {"CONTENT_TYPE": "text/xml", "CONTENT_LENGTH": "-1", "wsgi.input": Untouched()}
    answer = Request.blank("/saml/slo/soap", environ, method="POST").get_response(app.app)
    assert (answer.status_int, answer.content_type) == (500, "text/xml")


@pytest.mark.parametrize("length", [None, "", "-1", "x"])
@pytest.mark.parametrize("path", POSTS)
def test_a_form_of_unknown_length_is_not_read(app: TestApp, path: str, length: str | None) -> None:
    """The server is spoken to without a client between, which would set the length right."""
    app.get("/connexion")
    token = app.cookies["convergences-csrf"]
    environ: dict[str, object] = {"CONTENT_TYPE": FORM, "HTTP_TRANSFER_ENCODING": "chunked"}
    environ |= {"HTTP_COOKIE": f"convergences-csrf={token}", "HTTP_X_CSRF_TOKEN": token}
    environ |= {"wsgi.input": Untouched(), "wsgi.input_terminated": True}
    environ |= {} if length is None else {"CONTENT_LENGTH": length}
    request = Request.blank(path, environ, method="POST")
    answer = request.get_response(app.app)
    assert answer.status_int == 411
    assert "n&#39;indique pas sa taille" in answer.text


@pytest.mark.parametrize("path", POSTS)
def test_a_form_that_is_not_sent_whole_is_no_defect_of_ours(app: TestApp, path: str) -> None:
    """The browser, or a stranger, closed the connection in the middle."""
    environ: dict[str, object] = {"CONTENT_TYPE": FORM, "CONTENT_LENGTH": "700000"}
    request = Request.blank(path, environ | {"wsgi.input": BytesIO(b"A")}, method="POST")
    with capture_logs() as lines:
        answer = request.get_response(app.app)
    assert answer.status_int == 400
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("http", "warning")
    assert "shorter than its length" in line["cause"]
    assert "exc_info" not in line


class Untouched:
    """A body that must not be read."""

    def read(self, size: int = -1) -> bytes:
        raise AssertionError(f"read({size})")

    readline = read


@pytest.mark.usefixtures("agent")
def test_a_large_saml_message_passes_the_door(
    app: TestApp, services: Services, clock: FakeClock
) -> None:
    sp = FakeSP("bip")
    message = etree.tostring(sp.authn_request(now=clock.now()))
    message += b"\n" * (MAX_INFLATED - len(message))
    encoded = b64encode(message).decode()
    answer = app.post("/saml/sso", {"SAMLRequest": encoded, "RelayState": "é" * 30}, status=303)
    flow = answer.location.partition("flow=")[2]
    assert services.authn_requests.find(flow).entity_id == sp.entity_id
