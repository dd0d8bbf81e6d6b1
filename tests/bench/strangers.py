"""Whether time tells who has an account: posts for an address that is somebody's and for another.

By turns, so that both saw the same machine; the throttle forgets between two turns.
"""

import time
from dataclasses import dataclass
from statistics import median

from sqlalchemy import delete

from idp.services import Services
from idp.throttle import ThrottleRow
from tests.bench.client import Client
from tests.bench.server import Server
from tests.bench.world import LOGIN

ASKING = 200
SIGNING_IN = 20
_NOBODY = "x" * LOGIN.index("@") + LOGIN[LOGIN.index("@") :]


@dataclass(frozen=True, slots=True)
class Times:
    """Medians, in milliseconds."""

    known: float
    unknown: float

    @property
    def ratio(self) -> float:
        """The longer one over the shorter."""
        return max(self.known, self.unknown) / min(self.known, self.unknown)


def asking(server: Server, services: Services, count: int = ASKING) -> Times:
    """Ask for a link, this many times for each of the two.

    Raises:
        Unmeasurable: a page is another one.
    """
    return _by_turns(server, services, "/mot-de-passe-oublie", {}, 303, count)


def signing_in(server: Server, services: Services, count: int = SIGNING_IN) -> Times:
    """Try a wrong password.

    Raises:
        Unmeasurable: a page is another one.
    """
    return _by_turns(server, services, "/connexion", {"password": "faux"}, 400, count)


def _by_turns(
    server: Server,
    services: Services,
    path: str,
    more: dict[str, str],
    status: int,
    count: int,
) -> Times:
    spent: dict[str, list[float]] = {LOGIN: [], _NOBODY: []}
    with Client(server.port) as client:
        form = client.form(path, "formulaire") | more
        for turn in range(count):
            # Whoever comes second finds caches warm: they take turns in that as well.
            for login in sorted(spent, reverse=bool(turn % 2)):
                started = time.perf_counter()
                client.post(path, form | {"login": login}, status=status)
                spent[login].append(time.perf_counter() - started)
            with services.db.unit_of_work() as session:
                session.execute(delete(ThrottleRow))
    known, unknown = (median(each) * 1000 for each in spent.values())
    return Times(known, unknown)
