"""A directory of any size, the same at every run: bulk rows, no service in between.

2,000 structures (54 towns of 37), 60 roles of 20 applications, two assignments for each account;
one person in ten belongs to a second structure. Three people ask: the correspondant, the référent
of one structure and the one whose twelve mandates cover 300.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection, insert

from directory.models.search_keys import END_OF_NAME
from directory.search import search_key
from directory.validity import table
from idp.db import Base, Database
from tests.bench.directory_names import DIRECTIONS, GIVEN_NAMES, SERVICES, SURNAMES, TOWNS

SEED = 929394
ASSIGNMENTS = 2  # for each account
APPLICATIONS, ROLES = 20, 3
WHO = {"central": "subject-1", "one": "subject-2", "many": "subject-3"}
NOW = datetime.now(UTC)
DAY = timedelta(days=1)

Rows = Iterable[tuple[Any, ...]]
Put = Callable[[str, Sequence[str], Rows], None]


@dataclass(frozen=True, slots=True)
class Place:
    """A structure as it is generated."""

    id: int
    parent: int | None
    label: str
    path: str
    label_path: str


def fill(db: Database, accounts: int) -> None:
    """Put ``accounts`` people, and what they belong to and hold, into this migrated database."""
    dice = random.Random(SEED)  # noqa: S311 - reproducible, not secret
    tree = list(structures())
    with db.engine.begin() as connection:
        if db.is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        put = inserted(connection) if db.is_sqlite else copied(connection)
        put_structures(put, tree)
        put_applications(put)
        named = put_accounts(put, dice, accounts)
        places, searched = put_memberships(put, dice, named, tree)
        put_assignments(put, dice, places, searched, accounts * ASSIGNMENTS)
        put_mandates(put, tree)
    with db.engine.connect() as connection:
        vacuumed = connection.execution_options(isolation_level="AUTOCOMMIT")
        if not db.is_sqlite:
            # Rows of a commit that is not written yet are not marked as everybody's to see; one of
            # VACUUM's own counts for those before it.
            vacuumed.exec_driver_sql("SET synchronous_commit TO on")
            vacuumed.exec_driver_sql("CHECKPOINT")
        vacuumed.exec_driver_sql("ANALYZE" if db.is_sqlite else "VACUUM ANALYZE")


def structures() -> Iterator[Place]:
    """The tree, parents first."""
    number = 0
    made: dict[int, Place] = {}

    def grow(parent: int | None, label: str) -> Place:
        nonlocal number
        number += 1
        above = made[parent] if parent else None
        place = Place(
            number,
            parent,
            label,
            f"{above.path if above else '/'}{number}/",
            f"{above.label_path} / {label}" if above else label,
        )
        made[number] = place
        return place

    yield (root := grow(None, "cig-pc"))
    yield (towns := grow(root.id, "collectivites"))
    for name in TOWNS:
        yield (town := grow(towns.id, f"Ville de {name}"))
        for label in DIRECTIONS:
            yield (direction := grow(town.id, label))
            for service in SERVICES:
                yield grow(direction.id, service)


def put_structures(put: Put, tree: Sequence[Place]) -> None:
    columns = ["id", "code", "label", "parent_id", "path", "label_path", "search_key", "path_key"]
    rows = (
        (
            each.id,
            f"s{each.id}",
            each.label,
            each.parent,
            each.path,
            each.label_path,
            search_key(each.label),
            search_key(each.label_path)[:400],
        )
        for each in tree
    )
    put("structure", columns, rows)


def put_applications(put: Put) -> None:
    columns = ["id", "code", "label", "description", "icon", "single_role"]
    put(
        "application",
        columns,
        ((each, f"app{each}", f"Application {each}", "", "", False) for each in applications()),
    )
    put(
        "role",
        ["id", "application_id", "code", "label", "value"],
        (
            (each * ROLES + role, each, f"r{role}", f"Rôle {role}", f"R{role}")
            for each in applications()
            for role in range(ROLES)
        ),
    )


def applications() -> range:
    return range(1, APPLICATIONS + 1)


def put_accounts(put: Put, dice: random.Random, accounts: int) -> list[str]:
    """The people; returns the search key of each, by id - 1."""
    sn_keys = {name: search_key(name) for name in SURNAMES}
    given_keys = {name: search_key(name) for name in GIVEN_NAMES}
    keys: list[str] = []

    def rows() -> Iterator[tuple[Any, ...]]:
        for number in range(1, accounts + 1):
            sn = spelled(dice, SURNAMES)
            given = spelled(dice, GIVEN_NAMES)
            sn_key, given_key = sn_keys[sn], given_keys[given]
            mail = f"{given_key}.{sn_key}{number}@ville.example".replace(" ", "-")
            keys.append(END_OF_NAME.join((sn_key, given_key, search_key(mail))))
            yield (
                number,
                f"subject-{number}",
                mail,
                mail,
                sn.replace("-", " "),
                given,
                sn_key,
                given_key,
                keys[-1],
                number % 100 == 1 and number > 3,
                NOW + DAY if number % 200 == 7 else NOW - 1000 * DAY,
                NOW - DAY if number % 90 == 11 else None,
                signed_in(dice, number),
                NOW - 1000 * DAY,
            )

    columns = [
        "id",
        "subject_id",
        "mail",
        "mail_key",
        "sn",
        "given_name",
        "sn_key",
        "given_name_key",
        "search_key",
        "locked",
        "valid_from",
        "valid_until",
        "last_sign_in_at",
        "created_at",
    ]
    put("account", columns, rows())
    return keys


def spelled(dice: random.Random, names: Sequence[str]) -> str:
    """A name; those at the beginning are much more frequent."""
    return names[int(len(names) * dice.random() ** 1.7)]


def signed_in(dice: random.Random, number: int) -> datetime | None:
    if number <= 3:
        return NOW - DAY
    chance = dice.random()
    if chance < 0.12:
        return None
    return NOW - dice.random() * 180 * DAY if chance < 0.7 else NOW - 200 * DAY


def put_memberships(
    put: Put, dice: random.Random, keys: Sequence[str], tree: Sequence[Place]
) -> tuple[list[int], list[str]]:
    """One for each person, two for one in ten; returns structure and key of each, by id - 1."""
    labels = [search_key(each.label) for each in tree]
    weights = [0.0, 0.0, *(dice.uniform(0.5, 1.5) for _ in tree[2:])]
    first = dice.choices(range(len(tree)), weights, k=len(keys))
    structures: list[int] = []
    searched: list[str] = []

    def rows() -> Iterator[tuple[Any, ...]]:
        for number, (key, at) in enumerate(zip(keys, first, strict=True), start=1):
            places = [at]
            if dice.random() < 0.1:
                places.append((at + dice.randrange(1, len(tree))) % len(tree))
            for order, place in enumerate(places):
                structures.append(place + 1)
                made = len(structures)
                confirmed = None if order and made % 5 == 0 else NOW
                identifier = f"{place}-{number}"
                identifier_key = identifier.replace("-", " ")
                searched.append(f"{key} {labels[place]} {identifier_key}")
                yield (
                    made,
                    f"membership-{made}",
                    number,
                    place + 1,
                    "Gestionnaire",
                    identifier,
                    identifier_key,
                    searched[-1],
                    False,
                    made % 150 == 3,
                    confirmed,
                    NOW - 900 * DAY,
                )

    columns = [
        "id",
        "public_id",
        "account_id",
        "structure_id",
        "function",
        "application_identifier",
        "identifier_key",
        "search_key",
        "teleworking",
        "suspended",
        "confirmed_at",
        "created_at",
    ]
    put("membership", columns, rows())
    return structures, searched


def put_assignments(
    put: Put, dice: random.Random, places: Sequence[int], searched: Sequence[str], wanted: int
) -> None:
    """Two roles for each membership until there are enough; some roles are much more held."""
    roles = [each * ROLES + role for role in range(ROLES) for each in applications()]
    weights = [1 / (at + 1) for at in range(len(roles))]

    def rows() -> Iterator[tuple[Any, ...]]:
        holders = dice.sample(range(1, len(places) + 1), wanted // ASSIGNMENTS)
        chosen = dice.choices(range(len(roles)), weights, k=len(holders))
        for number, (membership, at) in enumerate(zip(holders, chosen, strict=True)):
            other = (at + dice.randrange(1, len(roles))) % len(roles)
            where = places[membership - 1], searched[membership - 1]
            for nth, role in enumerate((roles[at], roles[other]), start=1):
                held = (ASSIGNMENTS * number + nth, membership, *where, role)
                yield (*held, "subject-1", NOW - 500 * DAY)

    columns = [
        "id",
        "membership_id",
        "structure_id",
        "search_key",
        "role_id",
        "granted_by",
        "granted_at",
    ]
    put("assignment", columns, rows())


def put_mandates(put: Put, tree: Sequence[Place]) -> None:
    """Of the first three people; the third's twelve cover 300 structures."""
    towns = [each for each in tree if each.parent == 2]
    leaves = [each for each in tree if each.label in SERVICES]
    roots = [*towns[1:9], *leaves[-4:]]
    referents = [(2, leaves[0]), *((3, each) for each in roots)]
    mandates = [
        (1, 1, "central", None),
        *(
            (number, account, "referent", place.id)
            for number, (account, place) in enumerate(referents, start=2)
        ),
    ]
    columns = ["id", "account_id", "kind", "structure_id", "granted_by", "granted_at"]
    put("mandate", columns, ((*each, "subject-1", NOW - 500 * DAY) for each in mandates))
    covered = ((number, each) for number, *_ in mandates[1:] for each in applications())
    put("mandate_application", ["mandate_id", "application_id"], covered)


def copied(connection: Connection) -> Put:
    """PostgreSQL takes rows by COPY."""

    def put(name: str, columns: Sequence[str], rows: Rows) -> None:
        cursor = connection.connection.cursor()
        with cursor.copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    return put


def inserted(connection: Connection) -> Put:
    """SQLite takes them by batches."""
    tables = {each.__tablename__: table(each) for each in Base.__subclasses__()}

    def put(name: str, columns: Sequence[str], rows: Rows) -> None:
        statement = insert(tables[name])
        for batch in batched(rows, 5000):
            connection.execute(statement, [dict(zip(columns, row, strict=True)) for row in batch])

    return put


def batched(rows: Rows, size: int) -> Iterator[list[tuple[Any, ...]]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
