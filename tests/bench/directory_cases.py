"""What is measured: each kind of list, asked as people ask, for each of the three who ask."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from directory.authorisation import Actor
from directory.services.people import Criteria, Page, People, Sort

Ask = Callable[[random.Random], object]

WORDS = ("mar", "leila", "ben", "dup", "noe", "jea", "vil", "zel", "fra", "nguyen")
"""What people type: frequent and rare, a name, a beginning, a place."""

STATES = ("verrouillé", "jamais connecté", "expiré", "suspendu", "à venir")


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table for each actor. Made for that actor, then asked many times."""

    name: str
    make: Callable[[People, Actor, str], Ask]


def cases() -> tuple[Case, ...]:
    """All of them; ``root`` is the code of a structure that the actor administers."""
    return (
        Case("list, by name", _walk(Sort.NAME)),
        Case("list, by address, from the end", _walk(Sort.MAIL, descending=True)),
        Case("list, by structure", _walk(Sort.STRUCTURE)),
        Case("list, by activity", _walk(Sort.LAST)),
        Case("criteria: name and first name", lambda people, actor, _: lambda dice: people.page(
            actor, Criteria(sn=dice.choice(("martin", "le", "diallo")), given_name="mar"))),
        Case("criteria: state", lambda people, actor, _: lambda dice: people.page(
            actor, Criteria(state=dice.choice(STATES)))),
        Case("criteria: application, role, structure", lambda people, actor, root: lambda dice: (
            people.page(actor, Criteria(
                application=_application(dice), role=_role(dice), structure=root)))),
        Case("criteria: identifier", lambda people, actor, _: lambda dice: people.page(
            actor, Criteria(identifier=str(dice.randrange(100, 5000))))),
        Case("filter: 3 letters and names", lambda people, actor, _: lambda dice: people.page(
            actor, Criteria(text=dice.choice(WORDS)))),
        Case("filter: two words", lambda people, actor, _: lambda dice: people.page(
            actor, Criteria(text=f"{dice.choice(WORDS)} {dice.choice(WORDS)}"))),
        Case("a role's members", lambda people, actor, _: lambda dice: people.holders(
            actor, _application(dice), _role(dice))),
        Case("a role's members, filtered", lambda people, actor, _: lambda dice: people.holders(
            actor, _application(dice), _role(dice), text=dice.choice(WORDS))),
        Case("candidates", lambda people, actor, _: lambda dice: people.candidates(
            actor, _application(dice), _role(dice), dice.choice(WORDS))),
        Case("structure and below", _walk_members),
        Case("structure and below, filtered", lambda people, actor, root: lambda dice: (
            people.members(actor, root, text=dice.choice(WORDS)))),
    )  # fmt: skip


def _application(dice: random.Random) -> str:
    return f"app{dice.randrange(1, 21)}"


def _role(dice: random.Random) -> str:
    return f"r{dice.randrange(3)}"


def _walk(sort: Sort, *, descending: bool = False) -> Callable[[People, Actor, str], Ask]:
    def make(people: People, actor: Actor, root: str) -> Ask:
        del root
        return _turning(lambda cursor: people.page(
            actor, Criteria(), sort=sort, descending=descending, cursor=cursor
        ))  # fmt: skip

    return make


def _walk_members(people: People, actor: Actor, root: str) -> Ask:
    return _turning(lambda cursor: people.members(actor, root, cursor=cursor))


def _turning(page: Callable[[str | None], Page[Any]]) -> Ask:
    """Each time the next page, from the start again at the end."""
    cursor: str | None = None

    def ask(dice: random.Random) -> object:
        nonlocal cursor
        del dice
        cursor = page(cursor).after
        return cursor

    return ask
