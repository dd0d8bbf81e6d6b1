"""Who changes a photo, and who sees it."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from directory.authorisation import OPERATOR, Actor
from directory.models import AccountPhoto
from directory.pictures import CONTENT_TYPE
from directory.plugin import build
from directory.services.accounts.photos import Photos
from idp.context import Origin, acting
from idp.errors import DirectoryError, NotAllowed, NotFound
from idp.self_service import Square
from tests.common.clock import FakeClock
from tests.common.photos import halves, image, opened
from tests.unit.directory.conftest import World


@pytest.fixture
def photos(world: World) -> Photos:
    return Photos(world.core)


@pytest.fixture
def lea(world: World) -> str:
    return world.add("lea@ville.fr", "a-rh").subject_id


def test_a_photo_is_kept_changed_and_removed(photos: Photos, world: World, lea: str) -> None:
    with acting(Origin(actor=lea)):
        first = photos.keep(lea, image())
        again = photos.keep(lea, image())
        second = photos.keep(lea, halves((400, 200)), Square(0, 0, 200))
    assert first == again
    assert first != second
    shown = photos.read(lea, second)
    assert (shown.digest, shown.content_type) == (second, CONTENT_TYPE)
    assert opened(shown.image).size == (200, 200)
    with pytest.raises(NotFound):
        photos.read(lea, first)
    photos.remove(lea)
    photos.remove(lea)
    with pytest.raises(NotFound):
        photos.read(lea, second)
    assert [code for code in world.events() if "photo" in code] == [
        "account.photo-added",
        "account.photo-changed",
        "account.photo-removed",
    ]


def test_what_is_shown_first_is_not_kept(photos: Photos, lea: str) -> None:
    shown = photos.prepare(image())
    assert opened(shown.image).size == (256, 256)
    with pytest.raises(NotFound):
        photos.read(lea, shown.digest)


def test_the_directory_gives_the_digest_with_the_person(
    photos: Photos, world: World, lea: str
) -> None:
    directory = build(world.core)
    before = directory.find_subject(lea)
    digest = photos.keep(lea, image())
    after = directory.find_subject(lea)
    assert before is not None
    assert after is not None
    assert (before.photo, after.photo) == (None, digest)


def test_two_people_with_one_photo_have_two_addresses(
    photos: Photos, world: World, lea: str
) -> None:
    max_ = world.add("max@ville.fr", "b").subject_id
    mine, his = photos.keep(lea, image()), photos.keep(max_, image())
    assert mine != his
    with pytest.raises(NotAllowed):
        photos.read(lea, his)


def test_a_refused_file_leaves_the_photo_as_it_was(photos: Photos, lea: str) -> None:
    digest = photos.keep(lea, image())
    with pytest.raises(DirectoryError):
        photos.keep(lea, b"<svg/>")
    assert photos.read(lea, digest).digest == digest


def test_the_referents_of_the_scope_see_it_and_nobody_else(
    photos: Photos, world: World, lea: str, referent: Actor, central: Actor
) -> None:
    digest = photos.keep(lea, image())
    colleague = world.add("colleague@ville.fr", "a-rh").subject_id
    world.add("referent.b@ville.fr", "b")
    world.directory.mandates.add(OPERATOR, "referent.b@ville.fr", "b", ("bip",))
    elsewhere = world.directory.accounts.show(OPERATOR, "referent.b@ville.fr").subject_id
    for viewer in (lea, referent.subject_id, central.subject_id):
        assert photos.read(viewer, digest).image
    for viewer in (colleague, elsewhere):
        with pytest.raises(NotAllowed):
            photos.read(viewer, digest)
    with pytest.raises(NotFound):
        photos.read("nobody", digest)
    with pytest.raises(NotFound):
        photos.read(lea, "0" * 40)
    assert world.statements(lambda: photos.read(lea, digest)) == 1
    assert world.statements(lambda: photos.read(referent.subject_id, digest)) <= 5


def test_nobody_sees_the_photo_of_an_account_in_the_bin(
    photos: Photos, world: World, lea: str
) -> None:
    digest = photos.keep(lea, image())
    world.directory.bin.delete(OPERATOR, "lea@ville.fr")
    with pytest.raises(NotFound):
        photos.read(lea, digest)
    world.directory.bin.restore(OPERATOR, "lea@ville.fr")
    assert photos.read(lea, digest).image


def test_the_photo_goes_with_the_account(
    photos: Photos, world: World, lea: str, clock: FakeClock
) -> None:
    photos.keep(lea, image())
    world.directory.bin.delete(OPERATOR, "lea@ville.fr")
    clock.advance(timedelta(days=21))
    world.directory.bin.purge()
    with world.core.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(AccountPhoto)) == 0


def test_an_unknown_person_has_no_photo(photos: Photos, world: World) -> None:
    del world
    photos.remove("nobody")
    with pytest.raises(NotFound):
        photos.keep("nobody", image())
