"""What a sign-in costs beside its bcrypt."""

import time
from dataclasses import dataclass

import bcrypt

from tests.bench.client import Client
from tests.bench.server import Server
from tests.bench.world import LOGIN, PASSWORD

WARM_UP = 3
SIGN_INS = 40


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds of one sign-in of the server, and of one bcrypt check of the same library.

    Means of as many, taken by turns: both saw the same machine.
    """

    sign_in: float
    check: float

    @property
    def rest(self) -> float:
        """What the product adds to bcrypt."""
        return self.sign_in - self.check


def measure(server: Server, cost: int, count: int = SIGN_INS) -> Cost:
    """Sign in this many times, each in a new browser: the page, the password, the portal.

    ``cost`` is the server's bcrypt cost.

    Raises:
        Unmeasurable: a page is another one.
    """
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost))
    for _ in range(WARM_UP):
        _sign_in(server)
    before, checks = server.cpu_seconds(), 0.0
    for _ in range(count):
        _sign_in(server)
        started = time.process_time()
        bcrypt.checkpw(PASSWORD.encode(), hashed)
        checks += time.process_time() - started
    spent = server.cpu_seconds() - before
    return Cost(spent / count * 1000, checks / count * 1000)


def _sign_in(server: Server) -> None:
    with Client(server.port) as client:
        client.sign_in(LOGIN, PASSWORD)
