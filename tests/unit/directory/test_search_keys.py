"""What people are searched by stays true, whatever changes."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from sqlalchemy import select

from directory.authorisation import OPERATOR
from directory.models import Assignment, Membership
from directory.services.accounts.edits import Edits
from directory.services.memberships.move import Move, Moves
from directory.services.rights.assignments import Grant
from directory.services.structures.changes import Edit
from directory.services.structures.tree import StructureTree
from tests.unit.directory.conftest import World

LEA = "lea@ville.fr"


class Lea:
    """She holds two roles."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.subject_id = world.add(LEA, "a-rh").subject_id
        for role in ("r1", "r2"):
            world.directory.assignments.assign(OPERATOR, Grant(LEA, "a-rh", "bip", role))

    def keys(self) -> tuple[str, ...]:
        """Of her membership, then of what it holds."""
        with self._world.core.db.reading() as session:
            repeated = select(Assignment.search_key).order_by(Assignment.id)
            return (*session.scalars(select(Membership.search_key)), *session.scalars(repeated))

    def rename(self) -> None:
        edits = Edits(self._world.core)
        now = edits.open(OPERATOR, self.subject_id).values
        assert now.account is not None
        named = replace(now, account=replace(now.account, sn="Noël"))
        edits.save(OPERATOR, self.subject_id, named, now.version)

    def identify(self) -> None:
        edits = Edits(self._world.core)
        now = edits.open(OPERATOR, self.subject_id).values
        numbered = {
            key: replace(each, application_identifier="É-7")
            for key, each in now.memberships.items()
        }
        edits.save(OPERATOR, self.subject_id, replace(now, memberships=numbered), now.version)

    def move(self) -> None:
        moves = Moves(self._world.core)
        with self._world.core.db.reading() as session:
            membership = session.scalars(select(Membership.public_id)).one()
        version = moves.plan(OPERATOR, self.subject_id, membership).version
        keep = Move("b", frozenset({"bip:r1", "bip:r2"}), version)
        moves.run(OPERATOR, self.subject_id, membership, keep)

    def rename_structure(self) -> None:
        version = StructureTree(self._world.core).read(OPERATOR, "a-rh").version
        self._world.directory.structures.edit(OPERATOR, "a-rh", Edit("Été", None, version))


@pytest.fixture
def lea(world: World) -> Lea:
    return Lea(world)


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        (Lea.rename, "noel\tprenom\tlea@ville.fr structure a rh "),
        (Lea.identify, "nom\tprenom\tlea@ville.fr structure a rh e 7"),
        (Lea.move, "nom\tprenom\tlea@ville.fr structure b "),
        (Lea.rename_structure, "nom\tprenom\tlea@ville.fr ete "),
    ],
)
def test_every_change_reaches_what_is_held(
    lea: Lea, change: Callable[[Lea], None], holds: str
) -> None:
    before = lea.keys()
    change(lea)
    after = lea.keys()
    assert after == (holds,) * 3
    assert len(before) == len(after)
    assert all(one == other for one, other in pairwise(before))
    assert before != after
