"""Browsers that go on asking in threads of their own, and keep every answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from threading import Event, Lock, Thread
from time import monotonic, sleep

from tests.resilience.cluster import PATIENCE, Answer

Ask = Callable[[], Answer]


class Load:
    """What was answered, by kind; ``refused`` counts the connections that came to nothing."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.refused = 0
        self.broken: list[Exception] = []
        self._stopping = Event()
        self._lock = Lock()

    def repeat(self, kind: str, ask: Ask, pause: float) -> None:
        """Ask until the end; a node that is not there is no reason to stop."""
        while not self._stopping.wait(pause):
            try:
                answer = ask()
            except (OSError, HTTPException):
                with self._lock:
                    self.refused += 1
            except Exception as error:  # noqa: BLE001 - told by the test
                self.broken.append(error)
                return
            else:
                with self._lock:
                    self.answers.setdefault(kind, []).append(answer)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def all(self, kind: str | None = None) -> list[Answer]:
        """Every answer, of one kind or of all."""
        kinds = self.answers if kind is None else [kind]
        return [answer for each in kinds for answer in self.answers.get(each, [])]

    def asked_since(self, moment: float, kind: str | None = None) -> list[Answer]:
        """The answers to what was asked after this moment, in order."""
        found = [answer for answer in self.all(kind) if answer.at > moment]
        return sorted(found, key=lambda answer: answer.at)

    def wait_for(self, kind: str, count: int, seconds: float = 10) -> None:
        """Return once that many further answers of a kind are there."""
        goal, deadline = len(self.all(kind)) + count, monotonic() + seconds
        while len(self.all(kind)) < goal:
            assert monotonic() < deadline, f"no answer: {kind}"
            sleep(0.02)

    def wait_after(self, moment: float, count: int, seconds: float = 15) -> None:
        """Return once every kind was asked that often after this moment, and answered."""
        deadline = monotonic() + seconds
        while any(len(self.asked_since(moment, kind)) < count for kind in self.answers):
            assert monotonic() < deadline, "no answer"
            sleep(0.02)


@contextmanager
def under_load(asks: dict[str, Ask], *, pause: float = 0.05) -> Iterator[Load]:
    """Every kind is asked again and again, in one thread each."""
    load = Load()
    threads = [
        Thread(target=load.repeat, args=(kind, ask, pause), daemon=True)
        for kind, ask in asks.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop()
        for thread in threads:
            thread.join(PATIENCE)
    assert load.broken == []
