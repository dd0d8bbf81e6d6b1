"""The contract of ``IConfirmations``, for the memory one and for the SQL one on both databases."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from directory.services.memberships.confirmations import Confirmations
from idp.asking import WaitingRole
from idp.errors import AlreadyAnswered, NotFound, StaleEdit
from idp.self_service import IConfirmations
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.memory_confirmations import MemoryConfirmations
from tests.common.memory_directory import MemoryDirectory
from tests.contract.sql_directory import FilledSqlDirectory

BIP = "https://bip.example/metadata"
DAY = timedelta(days=1)
Directory = MemoryDirectory | FilledSqlDirectory
Pair = tuple[Directory, IConfirmations]


def read(empty: Pair, person: str) -> str:
    """The version of the one that waits."""
    (one,) = empty[1].waiting(person)
    return one.version


class ConfirmationsContract:
    """Needs the fixture ``empty``: a directory without anything, and who answers for it."""

    @pytest.fixture
    def person(self, empty: Pair) -> str:
        """Léa of Ville A; her subject id."""
        directory, _ = empty
        for code in ("a", "b", "c"):
            directory.add_structure(code, f"Ville {code.upper()}")
        directory.add_application("bip", "BIP", entity_id=BIP)
        for role in ("lect", "red"):
            directory.add_role("bip", role, role.capitalize())
        return directory.add_account("lea@ville-a.fr", "Léa", "Noël", "a")

    def test_what_waits_is_told_and_nothing_else(
        self, empty: Pair, person: str, clock: FakeClock
    ) -> None:
        directory, confirmations = empty
        assert confirmations.waiting(person) == ()
        assert confirmations.waiting("nobody") == ()
        added_at = clock.now()
        second = directory.add_membership(person, "c", confirmed=False)
        first = directory.add_membership(
            person, "b", function="Chargée de paie", service="Paie", confirmed=False
        )
        directory.assign(first, "bip", "red", valid_from=added_at + DAY)
        directory.assign(first, "bip", "lect")
        clock.advance(timedelta(hours=1))
        told, other = confirmations.waiting(person)
        assert (told.id, told.structure_label, told.structure_path) == (first, *["Ville B"] * 2)
        assert (told.function, told.service, told.valid_from) == ("Chargée de paie", "Paie", None)
        assert (told.added_at, told.added_by) == (added_at, "L'administration du service")
        assert told.roles == (
            WaitingRole("BIP", "Lect"),
            WaitingRole("BIP", "Red", added_at + DAY),
        )
        assert (other.id, other.roles) == (second, ())
        directory.lock(person)
        assert confirmations.waiting(person) == ()

    def test_what_confirming_would_not_bring_into_effect_does_not_wait(
        self, empty: Pair, person: str, clock: FakeClock
    ) -> None:
        directory, confirmations = empty
        now = clock.now()
        ends: tuple[Callable[[str], None], ...] = (
            directory.suspend,
            directory.remove_membership,
            lambda each: directory.set_membership_validity(each, None, now + DAY),
            lambda each: directory.close_structure(f"x{ends_of[each]}"),
        )
        ends_of: dict[str, int] = {}
        for number, _ in enumerate(ends):
            directory.add_structure(f"x{number}", f"X {number}")
            ends_of[directory.add_membership(person, f"x{number}", confirmed=False)] = number
        later = directory.add_membership(person, "b", confirmed=False)
        directory.set_membership_validity(later, now + 2 * DAY, None)
        for each, number in ends_of.items():
            ends[number](each)
        clock.advance(DAY)
        (told,) = confirmations.waiting(person)
        assert (told.id, told.valid_from) == (later, now + 2 * DAY)
        for each in ends_of:
            with pytest.raises(NotFound):
                confirmations.confirm(person, each, version="")
            with pytest.raises(NotFound):
                confirmations.refuse(person, each, version="")

    def test_confirmed_its_roles_take_effect_at_once(self, empty: Pair, person: str) -> None:
        directory, confirmations = empty
        membership = directory.add_membership(person, "b", confirmed=False)
        directory.assign(membership, "bip", "lect")
        assert directory.tiles(person) == ()
        done = confirmations.confirm(person, membership, version=read(empty, person))
        assert (done.id, done.roles) == (membership, (WaitingRole("BIP", "Lect"),))
        assert [tile.code for tile in directory.tiles(person)] == ["bip"]
        entitled = directory.entitlements(person, BIP)
        assert isinstance(entitled, tuple)
        assert [one.membership_id for one in entitled] == [membership]
        assert confirmations.waiting(person) == ()
        for answer in (confirmations.confirm, confirmations.refuse):
            with pytest.raises(AlreadyAnswered):
                answer(person, membership, version="")
        assert directory.tiles(person), "a confirmed one is not refused"

    def test_what_is_of_another_structure_than_was_read_waits_on(
        self, empty: Pair, person: str
    ) -> None:
        directory, confirmations = empty
        elsewhere = directory.add_membership(person, "c", confirmed=False)
        other = read(empty, person)
        directory.remove_membership(elsewhere)
        membership = directory.add_membership(person, "b", confirmed=False)
        assert read(empty, person) != other
        for answer in (confirmations.confirm, confirmations.refuse):
            for version in (other, ""):
                with pytest.raises(StaleEdit):
                    answer(person, membership, version=version)
        assert [one.id for one in confirmations.waiting(person)] == [membership]

    def test_refused_it_is_over(self, empty: Pair, person: str) -> None:
        directory, confirmations = empty
        membership = directory.add_membership(person, "b", confirmed=False)
        directory.assign(membership, "bip", "lect")
        refused = confirmations.refuse(person, membership, version=read(empty, person))
        assert refused.id == membership
        assert confirmations.waiting(person) == ()
        for answer in (confirmations.confirm, confirmations.refuse):
            with pytest.raises(NotFound):
                answer(person, membership, version="")
        assert directory.tiles(person) == ()
        profile = directory.profile(person)
        assert profile is not None
        assert profile.structure_paths == ("Ville A",)

    def test_nobody_answers_for_somebody_else(self, empty: Pair, person: str) -> None:
        directory, confirmations = empty
        membership = directory.add_membership(person, "b", confirmed=False)
        other = directory.add_account("zoe@ville-a.fr", "Zoé", "Roy", "a")
        for answer in (confirmations.confirm, confirmations.refuse):
            for who in (other, "nobody"):
                with pytest.raises(NotFound):
                    answer(who, membership, version=read(empty, person))
        assert [one.id for one in confirmations.waiting(person)] == [membership]


class TestMemoryConfirmations(ConfirmationsContract):
    @pytest.fixture
    def empty(self, clock: FakeClock) -> Pair:
        directory = MemoryDirectory(clock, correspondant="aide@cig.example", organization="CIG")
        return directory, MemoryConfirmations(directory)


class TestSqlConfirmations(ConfirmationsContract):
    @pytest.fixture
    def empty(self, services: Services) -> Pair:
        return FilledSqlDirectory(services.core), Confirmations(services.core)
