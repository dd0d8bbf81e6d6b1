"""What a request computes once, and which cookies it has."""

from threading import Event, Thread

import pytest

from idp.request import Request, once


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


@pytest.mark.parametrize("broken", ['a="\\351"', "a=\xe9", "a=%ff; \xff=\xff", 'a="', "=; ;a", ""])
def test_a_cookie_that_is_no_text_is_absent_and_hides_no_other(broken: str) -> None:
    for header in (f"{broken}; b=1", f"b=1; {broken}", f"b=0;{broken};b=1"):
        cookies = Request.blank("/", headers={"Cookie": header}).cookies
        assert cookies["b"] == "1"
        assert cookies.get("a") in {None, "", '"', "%ff"}


def test_cookies_are_read_as_they_were_written() -> None:
    request = Request.blank("/", headers={"Cookie": 'a="\\303\\251 x\\073"; b=c@d'})
    assert request.cookies == {"a": "é x;", "b": "c@d"}
    request.cookies["c"] = "new"
    assert request.cookies["c"] == "new"
