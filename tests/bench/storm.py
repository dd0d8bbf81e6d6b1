"""Sign-ons while many people sign in: each password keeps a core busy a quarter of a second."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from directory.demonstration_people import PEOPLE as ACCOUNTS
from idp.passwords import PLACES
from tests.bench import crowd
from tests.bench.client import Client, Target
from tests.bench.crowd import ACCEPTED, BUSY, FAILED, REFUSED, Attempt, Report
from tests.bench.report import Row, Times, times
from tests.bench.server import Server
from tests.bench.world import LOGIN, PASSWORD
from tests.bench.yardstick import Unmeasurable
from tests.common.processes import REPOSITORY
from views.demo.children import end_with_parent
from views.demo.supervisor import OTHER_THREADS

WORKERS = 2  # of `make run`
PEOPLE = 12
TOO_MANY = WORKERS * (PLACES + OTHER_THREADS) + 64
"""More than both workers have threads."""

CONNECTIONS = 8  # the kernel hands a connection to one worker for good: so that both have some
PAUSE = 0.01
ROUNDS = 3
SIGN_ONS = 150  # of a round
GATHERING = 2.0  # seconds until every slot is busy and a queue stands before it
ENDING_SECONDS = 90
GOAL, TIMES, ERRORS = 5, "times", "errors"
TOLD = 5  # failures that are printed


@dataclass(slots=True)
class SignOns:
    """What the sign-ons of one state of the server met: seconds each, and what failed."""

    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Visitors:
    """Signed-in people who open applications, one after the other with a pause."""

    def __init__(self, stack: ExitStack, server: Server, expected: Target) -> None:
        self._clients = [stack.enter_context(Client(server.port)) for _ in range(CONNECTIONS)]
        for client in self._clients:
            client.sign_in(LOGIN, PASSWORD)
        self._expected = expected

    def sign_ons(self, count: int, into: SignOns) -> None:
        """Sign on this many times; a failure is noted, and the next one follows."""
        for number, request in enumerate(self._expected.requests(count)):
            client = self._clients[number % CONNECTIONS]
            verified = number % CONNECTIONS == 0
            try:
                into.seconds.append(client.sign_on(self._expected, *request, verified=verified))
            except Unmeasurable as error:
                into.failed.append(str(error))
            time.sleep(PAUSE)


@dataclass(slots=True)
class Storm:
    """This many people who sign in all the time, what they met, and what sign-ons met meanwhile."""

    people: int
    turned_away_is_an_error: bool
    sign_ons: SignOns = field(default_factory=SignOns)
    reports: list[Report] = field(default_factory=list)

    def rows(self, database: str, idle: Times) -> list[Row]:
        """Its figures; ``idle`` are the times of sign-ons without a storm.

        Raises:
            Unmeasurable: no sign-on, or no sign-in, went well.
        """
        checked = self._of(ACCEPTED, REFUSED)
        if not checked or not self.sign_ons.seconds:
            raise Unmeasurable(f"nobody gets through a login storm: {self.failures()[:1]}")
        on, signed_in = times(self.sign_ons.seconds), times([each.seconds for each in checked])
        storm = f"{self.people} signing in, {database}"
        away = len(self._of(BUSY))
        errors = len(self.failures()) + (away if self.turned_away_is_an_error else 0)
        told = f", {away} of them « come back »" if away else ""
        answers = on.count + len(checked) + away + len(self.failures())
        rate = len(checked) / sum(report.seconds for report in self.reports)
        return [
            Row(
                "P4", f"{storm}: p95 of a sign-on / idle", on.p95 / idle.p95, TIMES, GOAL, times=on
            ),
            Row("P4", f"{storm}: in {answers} answers{told}", errors, ERRORS, 0),
            Row("", f"{storm}: sign-ins a second", rate, "/s", times=signed_in),
        ]

    def failures(self) -> list[str]:
        """Why sign-ons and sign-ins failed; being told to come back later is none."""
        return self.sign_ons.failed + [each.why for each in self._of(FAILED)]

    def _of(self, *outcomes: str) -> list[Attempt]:
        return [each for report in self.reports for each in report.of(*outcomes)]


def measure(
    server: Server, expected: Target, database: str, say: Callable[[str], None]
) -> list[Row]:
    """The rows of this server, which has two workers, on this kind of database.

    Raises:
        Unmeasurable: it does not even work when it is idle, or not at all in a storm.
    """
    idle = SignOns()
    usual = Storm(PEOPLE, turned_away_is_an_error=True)
    too_many = Storm(TOO_MANY, turned_away_is_an_error=False)
    with ExitStack() as stack:
        visitors = Visitors(stack, server, expected)
        visitors.sign_ons(SIGN_ONS, SignOns())  # warm
        for number in range(ROUNDS):
            say(f"login storm on {database}, round {number + 1} of {ROUNDS}")
            visitors.sign_ons(SIGN_ONS, idle)
            with _raging(server, usual):
                visitors.sign_ons(SIGN_ONS, usual.sign_ons)
        say(f"login storm on {database}, of more people than there are threads")
        with _raging(server, too_many):
            visitors.sign_ons(SIGN_ONS, too_many.sign_ons)
    if idle.failed:
        raise Unmeasurable(idle.failed[0])
    for why in (usual.failures() + too_many.failures())[:TOLD]:
        say(f"failed: {why}")
    still = times(idle.seconds)
    first = Row("", f"nobody signing in, {database}: p95", still.p95, "ms", times=still)
    return [first, *usual.rows(database, still), *too_many.rows(database, still)]


@contextmanager
def _raging(server: Server, storm: Storm) -> Iterator[None]:
    """Inside the block the storm is at its height.

    Raises:
        Unmeasurable: its program failed.
    """
    logins = tuple(person.mail for person, _ in ACCOUNTS)
    plan = crowd.Plan(server.port, storm.people, logins, PASSWORD)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.crowd", crowd.written(plan)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent(),  # noqa: PLW1509 - the bench has one thread
    ) as process:
        try:
            time.sleep(GATHERING)
            yield
            printed, _ = process.communicate("", ENDING_SECONDS)
        finally:
            process.kill()
    if process.returncode:
        raise Unmeasurable("the program of the login storm failed")
    storm.reports.append(crowd.report_of(printed))
