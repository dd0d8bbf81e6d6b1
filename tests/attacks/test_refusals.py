"""What must be refused is refused whole: a page, a line in the log under one id, nothing else."""

import gc
import io
import json

import pytest
from webtest import TestResponse

from idp import log
from idp.request import Request
from metadata.options import Choice
from metadata.registry import Registry
from tests.attacks.bad_requests import BAD, HEAVY, Bad
from tests.attacks.conftest import Street, check_refusal
from tests.attacks.senders import Senders, Sent


@pytest.fixture(scope="module", autouse=True)
def _suspended(installation: Street) -> None:
    """One SP more, which the correspondant suspended."""
    sp = installation.world.add_sp("suspendu", "Suspendu", Choice())
    Registry(installation.world.services.core).disable(sp.entity_id)
    installation.world.services.service_providers._snapshot.forget()


@pytest.fixture
def senders(street: Street) -> Senders:
    sps = street.world.sps
    return Senders(sps["bip"], sps["net-cap"], sps["suspendu"], street.world.now)


@pytest.fixture(params=[False, True], ids=["json", "text"])
def stream(request: pytest.FixtureRequest) -> io.StringIO:
    """The log, as production and as the demonstration write it."""
    stream = io.StringIO()
    log.configure(demonstration=request.param, stream=stream)
    return stream


def send(street: Street, sent: Sent) -> TestResponse:
    if sent.body is None:
        return street.app.get(sent.path, status="*")
    return street.app.post(sent.path, sent.body, content_type=sent.content_type, status="*")


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_refused_with_a_page_and_one_line(
    bad: Bad, street: Street, senders: Senders, stream: io.StringIO
) -> None:
    sent = bad.make(senders)
    if bad.before:
        send(street, sent)
    stream.truncate(stream.seek(0))
    before = street.traces()
    answer = send(street, sent)
    check_refusal(answer, status=bad.status)
    assert bad.page in answer.html.main.text
    assert "script>alert" not in answer.text
    assert street.traces() == before, "nothing is kept of it, nor journalled"
    check_log(bad, stream, answer.headers["X-Request-Id"])


@pytest.mark.parametrize("bad", [*BAD, *HEAVY], ids=lambda bad: bad.name)
def test_nothing_of_it_outlives_the_answer(bad: Bad, street: Street, senders: Senders) -> None:
    """Not even until the collector comes: strangers send faster than it looks."""
    sent = bad.make(senders)
    if bad.before:
        send(street, sent)
    gc.collect()
    gc.disable()
    try:
        assert requests() == 0
        assert send(street, sent).status_int in {303, bad.status}
        assert requests() == 0
    finally:
        gc.enable()


def requests() -> int:
    return sum(isinstance(each, Request) for each in gc.get_objects())


def check_log(bad: Bad, stream: io.StringIO, request_id: str) -> None:
    """One line, with the id that the page shows, the exact code, and the precise cause."""
    (line,) = stream.getvalue().splitlines()
    assert len(line) < 4000, "what a stranger writes does not fill the log"
    if line.startswith("{"):
        told = json.loads(line)
        assert (told["request_id"], told["event"]) == (request_id, bad.code)
        assert told["level"] == "warning"
        assert bad.cause in told["cause"]
        assert told["cause"] != told["event"], "a cause is more than the code"
        return
    assert f"request_id={request_id}" in line
    assert f" {bad.code} " in line
    assert bad.cause.replace("'", "") in line.replace("\\'", "").replace("'", "")


@pytest.mark.parametrize(
    ("path", "cause"),
    [("/nulle-part", "/nulle-part"), ("/connexion?flow=%ff", "byte 0"), ("/saml/metadata", "POST")],
)
def test_every_error_page_has_its_line(
    street: Street, stream: io.StringIO, path: str, cause: str
) -> None:
    """Also where nothing was refused: a wrong address, octets that are no text, a wrong method."""
    stream.truncate(stream.seek(0))
    send = street.app.post if cause == "POST" else street.app.get
    answer = send(path, status="*")
    (line,) = stream.getvalue().splitlines()
    assert answer.headers["X-Request-Id"] in answer.html.main.text
    assert answer.headers["X-Request-Id"] in line
    assert cause in line
