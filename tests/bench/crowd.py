"""A login storm: many people who post passwords all the time, in a process of its own.

``python -m tests.bench.crowd PLAN`` begins at once, ends when its standard input does, and prints
what each attempt met, as JSON. Each comes from another network on a new connection, by turns with
the right password, a wrong one, and a login that nobody has. Who is told to come back later does.
"""

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage
from itertools import count
from random import randrange
from threading import Event, Thread
from time import perf_counter
from urllib.parse import urlencode

ADDRESS = "127.0.0.1"
TIMEOUT = 60
PATH = "/connexion"
ACCEPTED, REFUSED, BUSY, FAILED = "accepted", "refused", "busy", "failed"
_TOKEN = re.compile(rb'name="csrf_token" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Plan:
    """``people`` at once; ``logins`` all have this password."""

    port: int
    people: int
    logins: tuple[str, ...]
    password: str

    def attempt(self, number: int) -> tuple[str, str, str]:
        """Login, password and the outcome that is right, of this attempt."""
        login = self.logins[number // 3 % len(self.logins)]
        return (
            (login, self.password, ACCEPTED),
            (login, f"{self.password} ?", REFUSED),
            (f"nobody-{number}@demo.example", self.password, REFUSED),
        )[number % 3]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one sign-in met, and after how many seconds; ``why`` when it failed."""

    outcome: str
    seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All attempts of a storm, and how many seconds it took."""

    seconds: float
    attempts: list[Attempt]

    def of(self, *outcomes: str) -> list[Attempt]:
        """Those that met one of these."""
        return [each for each in self.attempts if each.outcome in outcomes]


def judge(status: int, headers: HTTPMessage, expected: str) -> str:
    """The outcome that an answer is."""
    if status == 503 and headers.get("Retry-After", "").isdecimal():
        return BUSY
    signed_in = any("convergences=" in line for line in headers.get_all("Set-Cookie", []))
    outcome = {303: ACCEPTED if signed_in else FAILED, 400: REFUSED}.get(status, FAILED)
    return outcome if outcome == expected else FAILED


class Crowd:
    """Everybody of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.attempts: list[Attempt] = []
        self._plan = plan
        self._over = Event()
        self._numbers = count()
        self._cookie, self._token = self._page()

    def run(self, wait: Callable[[], object]) -> None:
        """Storm until ``wait`` returns; attempts under way are finished."""
        threads = [Thread(target=self._person) for _ in range(self._plan.people)]
        for thread in threads:
            thread.start()
        wait()
        self._over.set()
        for thread in threads:
            thread.join()

    def _person(self) -> None:
        while not self._over.is_set():
            login, password, expected = self._plan.attempt(next(self._numbers))
            later = self._sign_in(login, password, expected)
            self._over.wait(later)

    def _sign_in(self, login: str, password: str, expected: str) -> float:
        """Post once; the seconds after which to come back."""
        values = {"csrf_token": self._token, "login": login, "password": password}
        headers = {
            "Cookie": self._cookie,
            "Content-Type": "application/x-www-form-urlencoded",
            # One /24 of 16 million: the throttle counts failures of a network.
            "X-Forwarded-For": f"{randrange(1, 224)}.{randrange(256)}.{randrange(256)}.1",  # noqa: S311
        }
        started = perf_counter()
        try:
            status, answer, body = self._ask("POST", urlencode(values), headers)
        except (OSError, HTTPException) as error:
            self._note(FAILED, started, repr(error))
            return 1.0
        outcome = judge(status, answer, expected)
        why = f"{status} {body[:200]!r}" if outcome == FAILED else ""
        self._note(outcome, started, why)
        return float(answer["Retry-After"]) if outcome == BUSY else 0.0

    def _note(self, outcome: str, started: float, why: str = "") -> None:
        self.attempts.append(Attempt(outcome, perf_counter() - started, why))

    def _page(self) -> tuple[str, str]:
        status, headers, body = self._ask("GET", None, {})
        found = _TOKEN.search(body)
        if status != 200 or found is None:
            sys.exit(f"no sign-in page: {status}")
        return headers["Set-Cookie"].partition(";")[0], found[1].decode()

    def _ask(
        self, method: str, body: str | None, headers: dict[str, str]
    ) -> tuple[int, HTTPMessage, bytes]:
        connection = HTTPConnection(ADDRESS, self._plan.port, timeout=TIMEOUT)
        try:
            connection.request(method, PATH, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


def written(plan: Plan) -> str:
    """The argument of the program."""
    return json.dumps(asdict(plan))


def read(text: str) -> Plan:
    """The plan of :func:`written`."""
    values = json.loads(text)
    return Plan(**{**values, "logins": tuple(values["logins"])})


def main(arguments: Sequence[str]) -> None:
    """The program."""
    crowd = Crowd(read(arguments[0]))
    started = perf_counter()
    crowd.run(sys.stdin.read)
    report = Report(perf_counter() - started, crowd.attempts)
    json.dump(asdict(report), sys.stdout)


def report_of(text: str) -> Report:
    """What the program printed."""
    values = json.loads(text)
    return Report(values["seconds"], [Attempt(**each) for each in values["attempts"]])


if __name__ == "__main__":
    main(sys.argv[1:])
