"""Photos made to be slow: they cost little, and leave the threads to those who sign in."""

import resource
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from webtest import TestApp

from directory import demonstration, pictures
from directory.picture_maker import MOST_SCANS
from directory.pictures import PLACES, Desk, square_photo
from idp.context import Origin, acting
from idp.errors import Busy, DirectoryError
from idp.services import Services
from tests.common.photos import image, opened, scan_bomb


@pytest.fixture
def directory_plugin() -> str:
    """The one with tables."""
    return "directory.plugin.build"


def attempt(who: str, upload: bytes) -> str:
    try:
        with acting(Origin(actor=who)):
            square_photo(upload)
    except (Busy, DirectoryError) as error:
        return type(error).__name__
    return "made"


@pytest.mark.parametrize(("scans", "seconds"), [(900, 1.0), (MOST_SCANS - 20, 3.0)])
def test_a_photo_of_a_thousand_scans_costs_little(scans: int, seconds: float) -> None:
    """ASVS 5.2.6: 110 kB were fourteen seconds of a core."""
    bomb = scan_bomb(scans)
    assert len(bomb) < 120_000
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    attempt("eve", bomb)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < seconds


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Photos take until the function is called; each process's desk is new."""
    over, real = Event(), subprocess.run

    def run(*words: object, **how: object) -> object:
        assert over.wait(20)
        return real(*words, **how)  # type: ignore[call-overload]

    monkeypatch.setattr(pictures, "_desk", Desk(PLACES))
    monkeypatch.setattr(subprocess, "run", run)
    yield over.set
    over.set()


def test_of_fifty_uploads_three_hold_a_thread(slow: Callable[[], None]) -> None:
    with ThreadPoolExecutor(50) as threads:
        tries = [threads.submit(attempt, f"agent {each}", image()) for each in range(50)]
        while sum(each.done() for each in tries) < 50 - PLACES:
            pass
        slow()
        outcomes = sorted(each.result() for each in tries)
    assert outcomes == ["Busy"] * (50 - PLACES) + ["made"] * PLACES
    assert attempt("agent 1", image()) == "made", "the places are free again"


def test_nobody_holds_two_places(slow: Callable[[], None]) -> None:
    with ThreadPoolExecutor(PLACES) as threads:
        tries = [threads.submit(attempt, "eve", image()) for _ in range(PLACES)]
        while sum(each.done() for each in tries) < PLACES - 1:
            pass
        honest = threads.submit(attempt, "lea", image())
        slow()
        assert honest.result() == "made"
    assert sorted(each.result() for each in tries) == ["Busy"] * (PLACES - 1) + ["made"]


def test_who_finds_no_place_is_told_and_everything_else_goes_on(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    demonstration.load(services.core)
    form = app.get("/connexion").forms["formulaire"]
    form["login"], form["password"] = "agent@demo.example", demonstration.PASSWORD
    form.submit(status=303)
    monkeypatch.setattr(pictures, "_desk", Desk(0))
    token = {"csrf_token": app.get("/profil/photo").forms[0]["csrf_token"].value}
    for square in ({}, {"x": "0", "y": "0", "side": "100"}):
        answer = app.post(
            "/profil/photo",
            token | square,
            upload_files=[("photo", "a.jpg", image())],
            status=503,
        )
        assert answer.headers["Retry-After"] == "10"
        assert pictures.BUSY in answer.html.main.text
    app.get("/", status=200)


def test_an_honest_photo_behind_them_is_made(slow: Callable[[], None]) -> None:
    slow()
    assert attempt("eve", scan_bomb(900)) == "DirectoryError"
    assert opened(square_photo(image())).size == (256, 256)
