"""Lists of many, by name: the first are found along search keys, and nobody stands between them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any
from unittest.mock import patch

import pytest

from directory.authorisation import OPERATOR, Actor, AssignmentTarget, Permission, may
from directory.models import Membership
from directory.people import resolving
from directory.people.lists import Criteria, People, Sort
from directory.people.pages import Pager
from directory.services.accounts.changes import Person
from idp.services import Services
from tests.unit.directory.conftest import World
from tests.unit.directory.people_plans import Made, made, planned
from tests.unit.directory.people_reading import bounded, follows
from tests.unit.directory.people_rules import account_key, fits, holds, line_key, visible

STRETCHES = ((2, 40), (4, 120))
TEXTS = ("", "gall", "e")


@contextmanager
def along_search_keys(*, located: bool = True) -> Iterator[list[bool]]:
    """As large directories are read; whether each page was found so. ``located``: by ids."""
    found: list[bool] = []
    nearest = Pager._nearest

    def noted(pager: Pager, *asked: Any) -> Sequence[Any] | None:  # noqa: ANN401 - passed on
        rows = nearest(pager, *asked)
        found.append(rows is not None)
        return rows

    most = resolving._MOST_LOCATED if located else 0
    with (
        patch.object(Pager, "_nearest", noted),
        patch.object(resolving, "_MOST_LOCATED", most),
        bounded(2, 12, STRETCHES, namesakes=4),
    ):
        yield found


def lists_people(people: People, world: Made, criteria: Criteria, *, descending: bool) -> None:
    accounts = {
        each.account_id: each.account for each in visible(world) if fits(world, criteria, each)
    }
    ordered = sorted(
        accounts.values(), key=partial(account_key, sort=Sort.NAME), reverse=descending
    )
    follows(
        lambda cursor: people.page(
            world.actor, criteria, descending=descending, cursor=cursor, size=10
        ),
        lambda line: line.subject_id,
        [each.subject_id for each in ordered],
    )


def lists_holders(people: People, world: Made, text: str, *, descending: bool) -> None:
    role = world.roles[0]
    ordered = sorted(
        (
            each
            for each in visible(world)
            if fits(world, Criteria(text=text), each) and holds(world, each, [role])
        ),
        key=lambda each: line_key(world, each, Sort.NAME),
        reverse=descending,
    )
    follows(
        lambda cursor: people.holders(
            world.actor,
            role.application.code,
            role.code,
            text=text,
            descending=descending,
            cursor=cursor,
            size=10,
        ),
        lambda line: line.membership_id,
        [each.public_id for each in ordered],
    )


def administers(world: Made, each: Membership) -> bool:
    target = AssignmentTarget(each.account_id, each.structure.path, world.roles[0].application_id)
    return may(world.actor, Permission.GRANT_ROLE, target)


@pytest.mark.parametrize("located", [True, False])
@pytest.mark.parametrize("descending", [False, True])
def test_many_are_listed_whole(services: Services, *, located: bool, descending: bool) -> None:
    people = People(services.core)
    of_people: list[bool] = []
    of_holders: list[bool] = []
    for seed in range(4):
        with made(services, planned(seed, (70, 100))) as world:
            place = world.actor.scopes[0].root if world.actor.scopes else None
            codes = [each.code for each in world.structures if each.path == place]
            with along_search_keys(located=located) as found:
                for text, code in product(TEXTS, ("", *codes)):
                    criteria = Criteria(text=text, structure=code)
                    lists_people(people, world, criteria, descending=descending)
            of_people += found
            if not any(administers(world, each) for each in visible(world)):
                continue
            with along_search_keys(located=located) as found:
                for text in TEXTS:
                    lists_holders(people, world, text, descending=descending)
            of_holders += found
    assert of_people.count(True) > 20
    assert of_holders.count(True) > 5


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("text", ["", "le"])
def test_many_of_one_name_are_listed_whole(
    world: World, referent: Actor, *, text: str, descending: bool
) -> None:
    for number in range(60):
        # Their addresses stand in the reverse order of what settles ties.
        mail, sn = f"m{99 - number}@ville.fr", "Legrand" if number % 3 else "Lepetit"
        person = Person(mail, sn, "Jean")
        world.directory.accounts.add(OPERATOR, person, "a-rh", no_mail=True)
    read: list[str] = []
    cursor: str | None = ""
    with along_search_keys() as found:
        while cursor is not None:
            page = world.directory.people.page(
                referent, Criteria(text=text), descending=descending, cursor=cursor, size=10
            )
            read += [line.mail for line in page.lines]
            cursor = page.after
    assert len(read) == len(set(read)) == 61
    assert any(found)
