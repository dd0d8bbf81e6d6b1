"""Several threads that start one thing at the same moment, and what comes about by others."""

import time
from collections.abc import Callable
from threading import Barrier, Thread


def eventually(check: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it holds within this time; asked again and again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.02)
    return check()


def all_at_once(target: Callable[[], object], number: int = 4) -> None:
    """Call ``target`` in this many threads at once; returns when all are through."""
    barrier = Barrier(number)

    def run() -> None:
        barrier.wait(10)
        target()

    threads = [Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Call each in a thread of its own at the same moment; what each returned or raised."""
    barrier = Barrier(len(calls))
    outcomes: list[object] = [None] * len(calls)

    def run(number: int, call: Callable[[], object]) -> None:
        barrier.wait(10)
        try:
            outcomes[number] = call()
        except Exception as error:  # noqa: BLE001 - an outcome as any other
            outcomes[number] = error

    threads = [Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return outcomes
