"""The centre's notices: who publishes them, when they are shown, what the command says."""

from datetime import timedelta

import pytest

from directory.authorisation import OPERATOR, Actor
from directory.services.dates import Dates
from directory.services.own.notices import MOST, Notices
from idp.asking import NoticeLevel
from idp.errors import DirectoryError, NotAllowed, NotFound
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import World


def texts(world: World) -> list[str]:
    """What is shown now, as a process that has just started sees it."""
    return [notice.text for notice in Notices(world.core).current()]


def test_warnings_come_first_then_the_newest(world: World) -> None:
    notices = world.directory.notices
    notices.add(OPERATOR, "un")
    notices.add(OPERATOR, "deux", level=NoticeLevel.WARNING)
    notices.add(OPERATOR, "trois", application="bip", on_sign_in=True)
    assert texts(world) == ["deux", "trois", "un"]
    _, third, _ = Notices(world.core).current()
    assert (third.application_code, third.on_sign_in) == ("bip", True)
    assert world.events()[-3:] == ["notice.published"] * 3


def test_a_notice_is_shown_within_its_dates(world: World, clock: FakeClock) -> None:
    start = clock.now() + timedelta(days=1)
    dates = Dates(start, start + timedelta(days=1))
    world.directory.notices.add(OPERATOR, "demain", dates=dates)
    shown = Notices(world.core)
    assert shown.current() == ()
    clock.advance(timedelta(days=1))
    assert [notice.text for notice in shown.current()] == ["demain"]
    clock.advance(timedelta(days=1))
    assert shown.current() == ()


def test_what_is_removed_is_gone_in_another_process(world: World) -> None:
    number = world.directory.notices.add(OPERATOR, "un")
    shown = Notices(world.core)
    assert len(shown.current()) == 1
    world.directory.notices.remove(OPERATOR, number)
    shown._snapshot.forget()
    assert shown.current() == ()
    with pytest.raises(NotFound):
        world.directory.notices.remove(OPERATOR, number)


def test_asking_again_costs_nothing(world: World) -> None:
    for number in range(MOST + 3):
        world.directory.notices.add(OPERATOR, f"avis {number}")
    shown = Notices(world.core)
    assert world.statements(shown.current) == 2, "the revision, and the notices"
    assert world.statements(shown.current) == 0
    assert len(shown.current()) == MOST


@pytest.mark.parametrize("text", ["", "x" * 1001])
def test_a_notice_is_a_text(world: World, text: str) -> None:
    with pytest.raises(DirectoryError):
        world.directory.notices.add(OPERATOR, text)
    with pytest.raises(NotFound):
        world.directory.notices.add(OPERATOR, "un", application="rien")


def test_only_the_correspondant_publishes(world: World, referent: Actor, central: Actor) -> None:
    notices = world.directory.notices
    for call in (
        lambda: notices.add(referent, "un"),
        lambda: notices.remove(referent, 1),
        lambda: notices.list(referent),
    ):
        with pytest.raises(NotAllowed):
            call()
    number = notices.add(central, "un")
    assert [line.notice.id for line in notices.list(central)] == [number]


def test_the_opening_of_an_application_is_journalled(world: World, referent: Actor) -> None:
    applications, now = world.directory.applications, world.core.clock.now()
    with pytest.raises(NotAllowed):
        applications.schedule(referent, "bip", closes_at=now)
    with pytest.raises(DirectoryError):
        applications.schedule(OPERATOR, "bip", opens_at=now, closes_at=now)
    for _ in range(2):
        applications.schedule(OPERATOR, "bip", closes_at=now, message="Fini.")
    assert world.events().count("application.scheduled") == 1
