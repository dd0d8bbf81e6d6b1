"""What a request computes once."""

from threading import Event, Thread

from idp.request import once


class Thing:
    def __init__(self, release: Event) -> None:
        self.computed = 0
        self.release = release

    @once
    def slow(self) -> int:
        """Say how often it was computed."""
        self.computed += 1
        assert self.release.wait(20)
        return self.computed


def test_it_is_computed_once_and_one_that_waits_delays_no_other() -> None:
    first, second = Thing(Event()), Thing(Event())
    waiting = Thread(target=lambda: first.slow)
    waiting.start()
    second.release.set()
    assert (second.slow, second.slow, second.computed) == (1, 1, 1)
    first.release.set()
    waiting.join(20)
    assert first.computed == 1
    assert Thing.slow.__doc__ == "Say how often it was computed."
