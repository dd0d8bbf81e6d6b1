"""Keeps the folded columns true, whichever service writes: events of the ORM, at every flush.

An account's and a structure's keys are folded from their names; a membership's joins both with its
own identifier, and an assignment's repeats its membership's, so a change of name is carried to both
in the same transaction. Whoever writes these tables without the ORM (a generator, a migration)
fills the keys himself.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    SQLColumnExpression,
    event,
    inspect,
    literal,
    select,
    update,
)
from sqlalchemy.orm import Mapper

from directory.models.people import Account, Membership
from directory.models.rights import Assignment
from directory.models.structures import Structure
from directory.search import search_key

LONGEST_NAME_KEY = 100
LONGEST_SEARCH_KEY = 500
MOST_BYTES = 1200
"""Of an account's: with a structure's 800 and an identifier's 400 it fits a row of an index."""

LONGEST_PATH_KEY = 400
LONGEST_IDENTIFIER_KEY = 100

_JOINED = ("account_id", "structure_id", "identifier_key")
"""What a membership's search key is made of, besides names."""

END_OF_NAME = "\t"
"""Behind a name and a first name in a search key: it sorts before all that folded texts hold."""


def joined_key(
    account_id: SQLColumnExpression[int],
    structure_id: SQLColumnExpression[int],
    own: SQLColumnExpression[str],
) -> ColumnElement[str]:
    """A membership's search key, as SQL."""
    return (
        select(Account.search_key + " " + Structure.search_key + " " + own)
        .join_from(Account, Structure, Structure.id == structure_id)
        .where(Account.id == account_id)
        .scalar_subquery()
    )


def _repeated_key(membership_id: SQLColumnExpression[int]) -> ColumnElement[str]:
    """An assignment's search key, as SQL."""
    return select(Membership.search_key).where(Membership.id == membership_id).scalar_subquery()


def _changed(target: object, *names: str) -> bool:
    attributes = inspect(target, raiseerr=True).attrs
    return any(attributes[name].history.has_changes() for name in names)


def fold(account: Account) -> None:
    """Write an account's keys."""
    account.sn_key = search_key(account.sn)[:LONGEST_NAME_KEY]
    account.given_name_key = search_key(account.given_name)[:LONGEST_NAME_KEY]
    key = END_OF_NAME.join((account.sn_key, account.given_name_key, search_key(account.mail)))
    account.search_key = key[:LONGEST_SEARCH_KEY].encode()[:MOST_BYTES].decode(errors="ignore")


def _fold_account(mapper: Mapper[Any], connection: Connection, account: Account) -> None:
    del mapper, connection
    fold(account)


def _fold_structure(mapper: Mapper[Any], connection: Connection, structure: Structure) -> None:
    del mapper, connection
    structure.path_key = search_key(structure.label_path)[:LONGEST_PATH_KEY]


def _fold_membership(mapper: Mapper[Any], connection: Connection, membership: Membership) -> None:
    del mapper, connection
    membership.identifier_key = search_key(membership.application_identifier or "")[
        :LONGEST_IDENTIFIER_KEY
    ]
    if _changed(membership, *_JOINED):
        # An expression is what the ORM takes in place of a value; its type does not say so.
        membership.search_key = joined_key(
            literal(membership.account_id),
            literal(membership.structure_id),
            literal(membership.identifier_key),
        )


def _carry(connection: Connection, of_these: ColumnElement[bool]) -> None:
    """Write their keys anew, when nobody else is at them any more.

    Locked first, and in the order in which everybody locks several: a statement that waited for a
    row would still read the names as they were when it began.
    """
    rows = select(Membership.id).where(of_these).order_by(Membership.id)
    connection.execute(rows.with_for_update(key_share=True))
    key = joined_key(Membership.account_id, Membership.structure_id, Membership.identifier_key)
    connection.execute(update(Membership).where(of_these).values(search_key=key))
    _repeat(connection, of_these)


def _repeat(connection: Connection, of_these: ColumnElement[bool]) -> None:
    """Write the keys of what these memberships hold."""
    held = Assignment.membership_id.in_(select(Membership.id).where(of_these))
    key = _repeated_key(Assignment.membership_id)
    connection.execute(update(Assignment).where(held).values(search_key=key))


def _fold_assignment(mapper: Mapper[Any], connection: Connection, given: Assignment) -> None:
    del mapper, connection
    given.search_key = _repeated_key(literal(given.membership_id))


def _carry_membership(mapper: Mapper[Any], connection: Connection, membership: Membership) -> None:
    del mapper
    if _changed(membership, *_JOINED):
        _repeat(connection, Membership.id == membership.id)


def _carry_account(mapper: Mapper[Any], connection: Connection, account: Account) -> None:
    del mapper
    if _changed(account, "search_key"):
        _carry(connection, Membership.account_id == account.id)


def _carry_structure(mapper: Mapper[Any], connection: Connection, structure: Structure) -> None:
    del mapper
    if _changed(structure, "search_key"):
        # Whoever adds to it under the old name has held it so long, or waits.
        named = select(Structure.id).where(Structure.id == structure.id)
        connection.execute(named.with_for_update())
        _carry(connection, Membership.structure_id == structure.id)


for _model, _fold in (
    (Account, _fold_account),
    (Structure, _fold_structure),
    (Membership, _fold_membership),
):
    event.listen(_model, "before_insert", _fold)
    event.listen(_model, "before_update", _fold)
event.listen(Assignment, "before_insert", _fold_assignment)
event.listen(Account, "after_update", _carry_account)
event.listen(Membership, "after_update", _carry_membership)
event.listen(Structure, "after_update", _carry_structure)
