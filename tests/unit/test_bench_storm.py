"""The sign-ins and login storms of ``make bench``: what it counts and how it judges; no figure."""

import http.server
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from itertools import count
from threading import Thread
from typing import Self
from urllib.parse import parse_qs

import pytest

from tests.bench import crowd, sign_in, storm
from tests.bench.crowd import ACCEPTED, BUSY, FAILED, REFUSED, Attempt, Crowd, Report
from tests.bench.report import Times
from tests.bench.yardstick import Unmeasurable
from tests.common.ports import free_port


class CostlyServer:
    """A server whose CPU is what its sign-ins cost."""

    port = 0

    def __init__(self) -> None:
        self.sign_ins = 0

    def cpu_seconds(self) -> float:
        return 7.0 + 0.25 * self.sign_ins


def test_a_sign_in_is_told_without_its_bcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    server = CostlyServer()

    class Client:
        def __init__(self, port: int) -> None:
            assert port == server.port

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def sign_in(self, login: str, password: str) -> None:
            assert login
            assert password
            server.sign_ins += 1

    monkeypatch.setattr(sign_in, "Client", Client)
    measured = sign_in.measure(server, 4, 10)  # type: ignore[arg-type]
    assert server.sign_ins == 10 + sign_in.WARM_UP
    assert measured.sign_in == pytest.approx(250)
    assert 0 < measured.check < 20
    assert measured.rest == measured.sign_in - measured.check


PLAN = crowd.Plan(1, 2, ("a@x.example", "b@x.example"), "juste")


def headers(**given: str) -> Message:
    made = Message()
    for name, value in given.items():
        made[name.replace("_", "-")] = value
    return made


def test_the_crowd_types_right_and_wrong_passwords_and_unknown_logins() -> None:
    attempts = [PLAN.attempt(number) for number in range(6)]
    assert attempts[0] == ("a@x.example", "juste", ACCEPTED)
    assert attempts[3] == ("b@x.example", "juste", ACCEPTED)
    assert attempts[1][0] == "a@x.example"
    assert attempts[1][1] != "juste"
    assert attempts[2][0] not in PLAN.logins
    assert {attempts[1][2], attempts[2][2], attempts[5][2]} == {REFUSED}
    assert crowd.read(crowd.written(PLAN)) == PLAN


@pytest.mark.parametrize(
    ("status", "given", "expected", "outcome"),
    [
        (303, {"Set_Cookie": "__Host-convergences=x; Path=/"}, ACCEPTED, ACCEPTED),
        (303, {"Set_Cookie": "adresse=x"}, ACCEPTED, FAILED),
        (303, {"Set_Cookie": "convergences=x"}, REFUSED, FAILED),
        (400, {}, REFUSED, REFUSED),
        (400, {}, ACCEPTED, FAILED),
        (429, {"Retry_After": "2"}, REFUSED, FAILED),
        (503, {"Retry_After": "10"}, ACCEPTED, BUSY),
        (503, {}, ACCEPTED, FAILED),
        (500, {"Retry_After": "10"}, REFUSED, FAILED),
    ],
)
def test_an_answer_is_judged_by_what_it_should_have_been(
    status: int, given: dict[str, str], expected: str, outcome: str
) -> None:
    assert crowd.judge(status, headers(**given), expected) == outcome  # type: ignore[arg-type]


class SignInPage(http.server.BaseHTTPRequestHandler):
    """Knows the two logins of the plan; is too busy at the very first attempt."""

    numbers: Iterator[int]
    posts: list[dict[str, list[str]]]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Set-Cookie", "csrf=c; Path=/")
        self.end_headers()
        self.wfile.write(b'<input type="hidden" name="csrf_token" value="t">')

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        assert self.headers["Cookie"] == "csrf=c"
        first = next(self.numbers) == 0
        self.posts.append(form | {"from": [self.headers["X-Forwarded-For"]]})
        right = form["password"] == ["juste"] and form["login"][0] in PLAN.logins
        self.send_response(503 if first else 303 if right else 400)
        if first:
            self.send_header("Retry-After", "0")
        elif right:
            self.send_header("Set-Cookie", "convergences=s")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def sign_in_page() -> Iterator[tuple[int, list[dict[str, list[str]]]]]:
    """Its port, and what is posted to it."""
    handler = type("Handler", (SignInPage,), {"posts": [], "numbers": count()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, handler.posts  # type: ignore[attr-defined]
        finally:
            server.shutdown()
            thread.join()


def test_the_crowd_notes_what_everybody_met() -> None:
    with sign_in_page() as (port, posts):
        busy_crowd = Crowd(crowd.Plan(port, 2, PLAN.logins, PLAN.password))

        def until_some() -> None:
            while len(posts) < 12:
                pass

        busy_crowd.run(until_some)
    met = Report(1.0, busy_crowd.attempts)
    assert len(met.attempts) == len(posts)
    assert len(met.of(BUSY)) == 1
    assert met.of(FAILED) == []
    assert len(met.of(ACCEPTED)) >= 3
    assert len(met.of(REFUSED)) >= 6
    assert {post["csrf_token"][0] for post in posts} == {"t"}
    assert len({post["from"][0] for post in posts}) > len(posts) / 2


def test_who_gets_no_answer_has_failed() -> None:
    with sign_in_page() as (port, _posts):
        lonely = Crowd(crowd.Plan(port, 1, PLAN.logins, PLAN.password))

    def until_one() -> None:
        while not lonely.attempts:
            pass

    lonely.run(until_one)
    (attempt,) = lonely.attempts
    assert (attempt.outcome, "refused" in attempt.why.lower()) == (FAILED, True)


def test_a_storm_goes_through_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storm, "GATHERING", 1.0)
    monkeypatch.setattr(storm, "PASSWORD", "juste")
    raging = storm.Storm(3, turned_away_is_an_error=True)
    with sign_in_page() as (port, posts):
        server = CostlyServer()
        server.port = port  # type: ignore[misc]
        with storm._raging(server, raging):  # type: ignore[arg-type]
            pass
    (told,) = raging.reports
    assert len(told.attempts) == len(posts) > 3
    assert 0 < told.seconds < 60


def test_a_crowd_that_cannot_begin_is_no_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storm, "GATHERING", 0.0)
    server = CostlyServer()
    server.port = free_port()  # type: ignore[misc]
    raging = storm.Storm(1, turned_away_is_an_error=True)
    with (
        pytest.raises(Unmeasurable, match="login storm failed"),
        storm._raging(server, raging),  # type: ignore[arg-type]
    ):
        pass


def stormy(*, turned_away_is_an_error: bool) -> storm.Storm:
    met = storm.Storm(20, turned_away_is_an_error=turned_away_is_an_error)
    met.sign_ons.seconds += [0.010] * 19 + [0.030]
    met.sign_ons.failed.append("GET /saml/sso: 500")
    answers = [(ACCEPTED, 1.0), (REFUSED, 3.0), (REFUSED, 2.0), (BUSY, 0.01), (FAILED, 9.0)]
    met.reports.append(Report(2.0, [Attempt(*answer, "why") for answer in answers]))
    return met


def test_a_storm_is_told_against_the_idle_server() -> None:
    idle = Times(100, 2.0, 4.0)
    slower, errors, sign_ins = stormy(turned_away_is_an_error=True).rows("SQLite", idle)
    assert (slower.figure, slower.verdict) == (pytest.approx(2.5), "met")
    assert slower.times == Times(20, pytest.approx(10), pytest.approx(10))
    assert (errors.figure, errors.verdict) == (3, "missed")
    assert "in 26 answers" in errors.what
    assert sign_ins.figure == 1.5  # three were checked in two seconds
    assert sign_ins.times == Times(3, 2000, 3000)
    _, errors, _ = stormy(turned_away_is_an_error=False).rows("SQLite", idle)
    assert errors.figure == 2
    assert "1 of them" in errors.what


def test_a_storm_that_nobody_gets_through_is_not_measured() -> None:
    with pytest.raises(Unmeasurable, match="nobody"):
        storm.Storm(1, turned_away_is_an_error=True).rows("SQLite", Times(1, 1, 1))


def test_a_sign_on_that_fails_is_counted_and_the_next_one_follows() -> None:
    class Client:
        def sign_on(self, _target: object, request_id: str, _path: str, *, verified: bool) -> float:
            assert isinstance(verified, bool)
            if request_id == "_1":
                raise Unmeasurable("500")
            return 0.5

    class Target:
        def requests(self, count: int) -> list[tuple[str, str]]:
            return [(f"_{number}", "/") for number in range(count)]

    visitors = object.__new__(storm.Visitors)
    visitors._clients = [Client()] * storm.CONNECTIONS  # type: ignore[list-item]
    visitors._expected = Target()  # type: ignore[assignment]
    met = storm.SignOns()
    visitors.sign_ons(3, met)
    assert (met.seconds, met.failed) == ([0.5, 0.5], ["500"])
