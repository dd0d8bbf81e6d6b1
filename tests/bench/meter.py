"""Measures one row of sign-ons: CPU of the server, times at the client, yardstick around it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.bench import yardstick
from tests.bench.client import Client, Target
from tests.bench.proc import Memory
from tests.bench.report import Load, times
from tests.bench.server import Server
from tests.bench.yardstick import Yardstick


class Watch:
    """Counts what a server served, and reads its memory ``at`` these numbers of sign-ons."""

    def __init__(self, server: Server, at: tuple[int, ...] = ()) -> None:
        self.served = 0
        self.seen: dict[int, Memory] = {}
        self._server = server
        self._at = at

    def drain(self, sign_ons: Iterator[float]) -> list[float]:
        """Go through these sign-ons; the seconds of each."""
        seconds = []
        for each in sign_ons:
            seconds.append(each)
            self.served += 1
            if self.served in self._at:
                self.seen[self.served] = self._server.memory()
        return seconds


@dataclass(slots=True)
class Meter:
    """Measures ``sign_ons`` after ``warm_up`` others; ``say`` tells whoever waits.

    The yardstick after one row is the one before the next.
    """

    sign_ons: int
    warm_up: int
    say: Callable[[str], None]
    yardsticks: list[Yardstick] = field(default_factory=list)

    def start(self) -> None:
        """Take the first yardstick.

        Raises:
            Unmeasurable: the program openssl is missing.
        """
        self.say("yardstick")
        self.yardsticks.append(yardstick.take())

    def measure(
        self,
        what: str,
        server: Server,
        client: Client,
        expected: Target,
        watch: Watch | None = None,
    ) -> Load:
        """One row of sign-ons.

        Raises:
            Unmeasurable: an answer is not what was asked for.
        """
        self.say(what)
        watch = watch or Watch(server)
        watch.drain(client.sign_ons(expected, self.warm_up))
        before = server.cpu_seconds()
        seconds = watch.drain(client.sign_ons(expected, self.sign_ons))
        cpu = server.cpu_seconds() - before
        self.yardsticks.append(yardstick.take())
        taken = times(seconds)
        return Load(
            sign_ons=self.sign_ons,
            cpu=cpu / self.sign_ons * 1000,
            p50=taken.p50,
            p95=taken.p95,
            yardstick=yardstick.mean(*self.yardsticks[-2:]),
        )

    def few(self, sign_ons: int, warm_up: int) -> "Meter":
        """The same with at most this many sign-ons; the yardsticks are shared."""
        return Meter(min(sign_ons, self.sign_ons), warm_up, self.say, self.yardsticks)
