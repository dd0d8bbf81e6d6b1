"""Several threads that start one thing at the same moment."""

from collections.abc import Callable
from threading import Barrier, Thread


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
