"""What is measured: each kind of list, asked as people ask, for each of the three who ask."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.directory_desk import Desk

Ask = Callable[[random.Random], object]

WORDS = ("mar", "leila", "ben", "dup", "noe", "jea", "vil", "zel", "fra", "nguyen")
"""What people type: frequent and rare, a name, a beginning, a place."""

STATES = ("verrouillé", "jamais connecté", "expiré", "suspendu", "à venir")

USERS = "/aia/utilisateurs"


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table for each person. Made for his desk, then asked many times."""

    name: str
    make: Callable[[Desk], Ask]


def cases() -> tuple[Case, ...]:
    """All of them."""
    return (
        Case("list, by name", _walk("nom")),
        Case("list, by address, from the end", _walk("-adresse")),
        Case("list, by structure", _walk("structure")),
        Case("list, by activity", _walk("activite")),
        Case("list, by activity, from the end", _walk("-activite")),
        Case("criteria: name and first name", lambda desk: lambda dice: desk.get(
            USERS, nom=dice.choice(("martin", "le", "diallo")), prenom="mar")),
        Case("criteria: state", lambda desk: lambda dice: desk.get(
            USERS, etat=dice.choice(STATES))),
        Case("criteria: application, role, structure", lambda desk: lambda dice: desk.get(
            USERS, role=f"{_application(dice)}:{_role(dice)}", structure=desk.root)),
        Case("criteria: identifier", lambda desk: lambda dice: desk.get(
            USERS, identifiant=str(dice.randrange(100, 5000)))),
        Case("filter: 3 letters and names", lambda desk: lambda dice: desk.get(
            USERS, charger="oui", filtre=dice.choice(WORDS))),
        Case("filter: two words", lambda desk: lambda dice: desk.get(
            USERS, charger="oui", filtre=f"{dice.choice(WORDS)} {dice.choice(WORDS)}")),
        Case("a role's members", lambda desk: lambda dice: desk.get(
            _role_path(dice), charger="oui")),
        Case("a role's members, filtered", lambda desk: lambda dice: desk.get(
            _role_path(dice), charger="oui", filtre=dice.choice(WORDS))),
        Case("candidates", lambda desk: lambda dice: desk.post(
            f"{_role_path(dice)}/affecter", recherche=dice.choice(WORDS))),
        Case("structure and below", _walk_members),
        Case("structure and below, filtered", lambda desk: lambda dice: desk.get(
            f"/aia/structures/{desk.root}", membres="oui", sous="oui", filtre=dice.choice(WORDS))),
    )  # fmt: skip


def _application(dice: random.Random) -> str:
    return f"app{dice.randrange(1, 21)}"


def _role(dice: random.Random) -> str:
    return f"r{dice.randrange(3)}"


def _role_path(dice: random.Random) -> str:
    return f"/aia/applications/{_application(dice)}/{_role(dice)}"


def _walk(sort: str) -> Callable[[Desk], Ask]:
    return lambda desk: _turning(desk, USERS, charger="oui", tri=sort)


def _walk_members(desk: Desk) -> Ask:
    return _turning(desk, f"/aia/structures/{desk.root}", membres="oui", sous="oui")


def _turning(desk: Desk, path: str, **query: str) -> Ask:
    """Each time the next page, from the start again at the end."""
    following: str | None = None

    def ask(dice: random.Random) -> object:
        nonlocal following
        del dice
        page = desk.get(following) if following else desk.get(path, **query)
        following = desk.following(page)
        return page

    return ask
