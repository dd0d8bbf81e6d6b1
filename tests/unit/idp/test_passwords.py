import os
from collections.abc import Callable
from threading import Event, Thread, get_native_id

import bcrypt
import pytest
from prometheus_client import REGISTRY

from idp import passwords
from idp.errors import BadCredentials, Busy
from idp.passwords import NICENESS, SCHEME, Passwords, Queue, place

SECRET = b"s" * 32


@pytest.fixture
def hasher() -> Passwords:
    return Passwords(SECRET, 4)


def refused(hasher: Passwords, password: str, stored: str | None) -> None:
    with pytest.raises(BadCredentials) as error:
        hasher.verify(password, stored)
    assert error.value.subject_id is None


@pytest.mark.parametrize(
    "password",
    [
        "un mot de passe ordinaire",
        "é" * 5000,
        "avec\x00un zéro",
        "",
        "\ud800 seul",
        "🔑" * 40,
    ],
)
def test_a_password_is_recognised(hasher: Passwords, password: str) -> None:
    stored = hasher.hash(password)

    hasher.verify(password, stored)
    refused(hasher, password + "x", stored)
    assert len(stored) <= 100


def test_every_letter_of_a_long_phrase_counts(hasher: Passwords) -> None:
    stored = hasher.hash("a" * 100 + "b")

    refused(hasher, "a" * 100 + "c", stored)


def test_composed_and_decomposed_accents_are_the_same_password(hasher: Passwords) -> None:
    hasher.verify("cafe\u0301 noir", hasher.hash("caf\u00e9 noir"))


def test_the_hash_is_worth_nothing_without_the_servers_secret(hasher: Passwords) -> None:
    stored = hasher.hash("mot de passe")

    refused(Passwords(b"t" * 32, 4), "mot de passe", stored)
    assert not bcrypt.checkpw(b"mot de passe", stored.removeprefix(SCHEME).encode())


def test_two_hashes_of_one_password_differ(hasher: Passwords) -> None:
    assert hasher.hash("mot de passe") != hasher.hash("mot de passe")


@pytest.mark.parametrize("stored", [None, "", "md5:abc", SCHEME, SCHEME + "$2b$04$court", "é"])
def test_what_is_no_hash_is_nobodys_password(hasher: Passwords, stored: str | None) -> None:
    refused(hasher, "mot de passe", stored)


@pytest.mark.parametrize("password", ["juste", None])
def test_an_unknown_login_costs_one_bcrypt_at_the_same_cost(
    hasher: Passwords, monkeypatch: pytest.MonkeyPatch, password: str | None
) -> None:
    stored = hasher.hash(password) if password else None
    calls: list[bytes] = []
    genuine = bcrypt.checkpw

    def counting(password: bytes, hashed: bytes) -> bool:
        calls.append(hashed[:7])
        return genuine(password, hashed)

    monkeypatch.setattr(passwords.bcrypt, "checkpw", counting)
    refused(hasher, "faux", stored)

    assert calls == [b"$2b$04$"]


def test_a_hash_of_another_cost_or_scheme_is_made_anew(hasher: Passwords) -> None:
    stored = hasher.hash("mot de passe")

    assert not hasher.needs_rehash(stored)
    assert Passwords(SECRET, 5).needs_rehash(stored)
    assert hasher.needs_rehash("md5:abc")
    Passwords(SECRET, 5).verify("mot de passe", stored)


def test_checks_queue_for_one_slot(hasher: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go, inside, most = Event(), Event(), 0, 0

    def slow(_password: bytes, _hashed: bytes) -> bool:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        entered.set()
        go.wait(5)
        inside -= 1
        return False

    monkeypatch.setattr(passwords.bcrypt, "checkpw", slow)
    threads = [Thread(target=refused, args=(hasher, "x", None)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert entered.wait(5)
    go.set()
    for thread in threads:
        thread.join(5)

    assert most == 1


def in_a_thread(call: Callable[[], object]) -> object:
    """What ``call`` returns in a thread of its own, or the class of what it raises."""
    met: list[object] = []

    def run() -> None:
        try:
            met.append(call())
        except Exception as error:  # noqa: BLE001 - told to the test
            met.append(type(error))

    thread = Thread(target=run)
    thread.start()
    thread.join(5)
    assert met, "it waits for ever"
    return met[0]


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


def test_who_comes_when_every_place_is_taken_is_turned_away_at_once() -> None:
    queue, turned_away = Queue(2), counted("convergences_password_turned_away_total")
    inside, go = Event(), Event()

    def slow() -> str:
        inside.set()
        go.wait(5)
        return "done"

    met: list[object] = []
    threads = [Thread(target=lambda: met.append(queue.run(slow))) for _ in range(2)]
    threads[0].start()
    assert inside.wait(5)
    threads[1].start()
    while not queue._slot._work_queue.qsize():  # the second waits for its turn
        assert threads[1].is_alive()

    assert in_a_thread(lambda: queue.run(slow)) is Busy
    assert counted("convergences_password_turned_away_total") == turned_away + 1
    go.set()
    for thread in threads:
        thread.join(5)
    assert met == ["done", "done"]
    assert in_a_thread(lambda: queue.run(slow)) == "done"


def test_a_place_is_held_over_several_hashes_and_given_back() -> None:
    queue = Queue(1)
    with queue.place():
        assert queue.run(lambda: 1) == 1, "who holds a place needs no second one"
        with queue.place():
            pass
        assert in_a_thread(lambda: queue.run(lambda: 2)) is Busy
    assert in_a_thread(lambda: queue.run(lambda: 2)) == 2

    def broken() -> None:
        raise ZeroDivisionError

    assert in_a_thread(lambda: queue.run(broken)) is ZeroDivisionError
    assert in_a_thread(lambda: queue.run(lambda: 3)) == 3


def test_hashing_for_storage_and_checking_share_the_queue(
    hasher: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = hasher.hash("mot de passe")
    monkeypatch.setattr(passwords, "_queue", Queue(1))

    with place():
        assert in_a_thread(lambda: hasher.hash("mot de passe")) is Busy
        assert in_a_thread(lambda: hasher.verify("mot de passe", stored)) is Busy
        assert in_a_thread(lambda: hasher.verify("mot de passe", None)) is Busy
        hasher.verify("mot de passe", stored)


def test_the_wait_is_measured(hasher: Passwords) -> None:
    before = counted("convergences_password_wait_seconds_count")
    hasher.hash("mot de passe")
    assert counted("convergences_password_wait_seconds_count") == before + 1


def test_hashing_gives_way_and_the_others_keep_their_priority() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, get_native_id())

    before = niceness()
    assert Queue(1).run(niceness) == max(before, NICENESS)
    assert niceness() == before


def test_a_system_that_forbids_another_priority_hashes_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*_arguments: int) -> None:
        raise PermissionError

    monkeypatch.setattr(passwords.os, "setpriority", forbidden)
    assert Queue(1).run(lambda: "done") == "done"
