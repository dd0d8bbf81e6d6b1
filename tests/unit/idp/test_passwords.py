from threading import Event, Thread

import bcrypt
import pytest

from idp import passwords
from idp.errors import BadCredentials
from idp.passwords import SCHEME, Passwords

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
