import io
import json
import logging

import pytest

from idp import log
from idp.context import Origin, acting
from idp.log import logger


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    log.configure(demonstration=False, stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_what_when_where_and_on_whose_behalf(stream: io.StringIO) -> None:
    with acting(Origin(actor="lea", request_id="r1")):
        logger.warning("sign-on.refused", entity_id="https://sp.example", label="Été")

    (line,) = lines(stream)
    at = line.pop("at")
    assert isinstance(at, str)
    assert at.endswith("Z")
    assert line == {
        "event": "sign-on.refused",
        "level": "warning",
        "logger": "convergences",
        "entity_id": "https://sp.example",
        "label": "Été",
        "request_id": "r1",
        "actor": "lea",
    }


def test_a_value_cannot_begin_a_line_of_its_own(stream: io.StringIO) -> None:
    forged = 'x"}\r\n{"event": "sign-in.success"}\x00\x1b[2J'
    logger.warning("sign-on.refused", cause=forged)
    logging.getLogger("other.package").warning("%s", forged)
    written = stream.getvalue()
    assert written.count("\n") == 2
    assert "\x1b" not in written
    events = [str(line["event"]) for line in lines(stream)]
    assert events[0] == "sign-on.refused"
    assert events[1].isprintable()


def test_no_value_breaks_a_line_of_the_demonstration(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(demonstration=True)
    logging.getLogger("other.package").warning("wrong:\n%s", "2026 [info] sign-in.success\x1b[2J")
    (line,) = capsys.readouterr().err.splitlines()
    assert "\\n2026" in line
    assert line.isprintable()


def test_a_long_text_is_cut_wherever_it_stands(stream: io.StringIO) -> None:
    given = {"list": ["x" * 5000], "dict": {"deep": ("y\n" * 5000, 7)}}
    logger.warning("x", **given)
    logging.getLogger("other.package").warning("z" * 5000)
    first, second = lines(stream)
    assert first["list"] == [f"{'x' * 1000}… (5000 characters)"]
    assert "\n" not in str(first["dict"])
    assert len(stream.getvalue()) < 5000
    assert len(str(second["event"])) < 1100
    assert len(given["list"][0]) == 5000, "the caller's own is left alone"


def test_a_foreign_traceback_is_kept(stream: io.StringIO) -> None:
    error = RuntimeError("cause")
    logging.getLogger("other.package").error("wrong", exc_info=error)
    assert "RuntimeError: cause" in str(lines(stream)[0]["exception"])


def test_outside_a_request_nothing_is_invented(stream: io.StringIO) -> None:
    logger.info("worker.started")

    assert {"request_id", "actor"}.isdisjoint(lines(stream)[0])


def test_a_line_may_name_its_request_itself(stream: io.StringIO) -> None:
    with acting(Origin(request_id="r1")):
        logger.info("x", request_id="r2")

    assert lines(stream)[0]["request_id"] == "r2"


@pytest.mark.parametrize(
    "name", ["password", "Set-Cookie", "csrf_token", "secret", "Authorization", "new_password"]
)
def test_no_secret_is_written(stream: io.StringIO, name: str) -> None:
    form = {name: "très secret", "mail": "lea@b.fr"}
    logger.info("x", **{name: "très secret"}, form=form)

    assert "très secret" not in stream.getvalue()
    assert lines(stream)[0]["form"] == {name: "***", "mail": "lea@b.fr"}
    assert form[name] == "très secret"


def test_a_traceback_shows_no_local_variable(stream: io.StringIO) -> None:
    def check(password: str) -> None:
        assert password
        raise RuntimeError("cause")

    typed = "très secret"
    try:
        check(typed)
    except RuntimeError:
        logger.exception("unexpected")

    (line,) = lines(stream)
    assert "RuntimeError: cause" in str(line["exception"])
    assert typed not in stream.getvalue()


@pytest.mark.parametrize("name", ["_granian", "granian.access", "sqlalchemy.pool", "autre"])
def test_other_packages_write_the_same_lines(name: str) -> None:
    foreign = logging.getLogger(name)
    own = io.StringIO()
    if name.startswith(("_granian", "granian")):
        foreign.addHandler(logging.StreamHandler(own))
        foreign.propagate = False
    stream = io.StringIO()
    log.configure(demonstration=False, stream=stream)
    with acting(Origin(request_id="r1")):
        foreign.warning("%s went %s", "this", "wrong")

    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["request_id"]) == ("this went wrong", name, "r1")
    assert own.getvalue() == ""


def test_statements_are_not_written(stream: io.StringIO) -> None:
    logging.getLogger("sqlalchemy.engine").info("INSERT … $2b$12$…")

    assert stream.getvalue() == ""


def test_the_demonstration_writes_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(demonstration=True)
    logger.info("mail.sent", kind="account-created", token="très secret")

    (line,) = capsys.readouterr().err.splitlines()
    assert "mail.sent" in line
    assert "kind=account-created" in line
    assert "très secret" not in line


def test_no_link_that_opens_an_account_is_written(stream: io.StringIO) -> None:
    """Neither in our lines nor in a server's, which write addresses."""
    secret = "pmDraRCaSKO0gIpDK6CX4aEMLGwrJc8QyblE6yukKjk"
    logger.info("http", cause=f"no page at '/mot-de-passe/{secret}/'")
    logging.getLogger("granian.access").warning('"GET /mot-de-passe/%s HTTP/1.1" 200', secret)

    assert secret not in stream.getvalue()
    logger.info("http", cause=f"/connexion?suite=abc%2Fmot-de-passe%2f{secret}%2Fnouveau&x=1")
    assert "%2Fmot-de-passe%2f***%2Fnouveau&x=1" in stream.getvalue()
    assert stream.getvalue().count("/mot-de-passe/***") == 2
    logger.info("http", cause=f"/adresse-remplacee/{secret}")
    assert "/adresse-remplacee/***" in stream.getvalue()


def test_whom_somebody_looks_for_is_not_written(stream: io.StringIO) -> None:
    logging.getLogger("granian.access").warning('"GET /aia/utilisateurs?nom=Noël&tri=nom HTTP/1.1"')
    logger.info("http", cause="/connexion?suite=abc%2Faia%2Futilisateurs%3Ffiltre%3DNo%25C3%25ABl")
    logger.info("http", cause="no page at '/aia/utilisateurs/1f?retour=%2Faia%2Fx%3Fnom%3DNoel'")
    assert "No" not in stream.getvalue().replace("No page", "")
    assert "/aia/utilisateurs?*** HTTP/1.1" in stream.getvalue()
    assert "suite=abc%2Faia%2Futilisateurs%3F***" in stream.getvalue()
