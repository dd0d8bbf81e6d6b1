"""The tree as it is shown and changed: scope, namesakes, stale edits, closing and what it ends."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from directory.authorisation import OPERATOR, Actor
from directory.models import Structure
from directory.services.rights.assignments import Grant
from directory.services.structures.changes import Edit
from directory.services.structures.closing import Change, StructureClosing
from directory.services.structures.tree import Node, StructureTree
from idp.errors import AlreadyDone, AlreadyExists, DirectoryError, NotAllowed, StaleEdit
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.threads import at_once
from tests.unit.directory.conftest import BIP, World
from tests.unit.directory.test_sweep import sign_on, swept_by

SIRET = "21930000100019"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def tree(world: World) -> StructureTree:
    return StructureTree(world.core)


@pytest.fixture
def closing(world: World) -> StructureClosing:
    return StructureClosing(world.core)


def codes(nodes: tuple[Node, ...]) -> list[str]:
    """Every code that is shown, in order."""
    return [code for node in nodes for code in (node.code, *codes(node.below))]


def label_paths(world: World) -> dict[str, str]:
    with world.core.db.reading() as session:
        rows = session.execute(select(Structure.code, Structure.label_path))
        return {row.code: row.label_path for row in rows}


def close(closing: StructureClosing, actor: Actor, code: str) -> None:
    closing.close(actor, code, closing.preview(actor, code).version, people_ok=True)


# --- what is shown ---------------------------------------------------------------------------


def test_the_tree_begins_at_his_roots_and_opens_where_he_is(
    world: World, tree: StructureTree, referent: Actor
) -> None:
    assert codes(tree.tree(referent).roots) == ["a"]
    (root,) = tree.tree(referent).roots
    assert (root.above, root.children, root.opened) == ("Structure cig", 1, False)
    world.directory.structures.add(OPERATOR, "paie", "Paie", parent="a-rh")
    assert codes(tree.tree(referent, selected="paie").roots) == ["a", "a-rh", "paie"]
    assert codes(tree.tree(referent, opened=["a"]).roots) == ["a", "a-rh"]
    assert codes(tree.tree(referent, whole=True).roots) == ["a", "a-rh", "paie"]
    assert tree.tree(referent, opened=["a", "a-rh"]).opened == ("a", "a-rh")
    assert codes(tree.tree(OPERATOR, selected="b").roots) == ["cig", "a", "b"]
    assert codes(tree.tree(Actor("s", 1), whole=True).roots) == []


def test_foreign_codes_open_and_tell_nothing(
    world: World, tree: StructureTree, referent: Actor
) -> None:
    world.directory.structures.add(OPERATOR, "b-rh", "RH de B", parent="b")
    bare = tree.tree(referent)
    for foreign in ("b", "b-rh", "cig", "unknown"):
        assert tree.tree(referent, selected=foreign, opened=["cig", "b"]) == bare
        with pytest.raises(NotAllowed):
            tree.read(referent, foreign)
        with pytest.raises(NotAllowed):
            tree.branch(referent, foreign)
    assert bare.size == 2
    assert tree.search(referent, "structure").number == 2
    assert tree.search(referent, "RH de B").number == 0


def test_two_mandates_one_inside_the_other_are_one_tree(world: World, tree: StructureTree) -> None:
    added = world.add("double@ville.fr", "a")
    for structure in ("a", "a-rh", "b"):
        world.directory.mandates.add(OPERATOR, "double@ville.fr", structure, ("bip",))
    actor = world.actor(added.subject_id)
    assert codes(tree.tree(actor).roots) == ["a", "b"]
    assert codes(tree.tree(actor, whole=True).roots) == ["a", "a-rh", "b"]
    assert tree.read(actor, "a-rh").may_edit, "below the other root"


def test_search_folds_and_takes_no_wildcard(world: World, tree: StructureTree) -> None:
    structures = world.directory.structures
    structures.add(OPERATOR, "eco", "Écoles et Œuvres", parent="a")
    structures.add(OPERATOR, "cent", "100 % sport_nautique", parent="a")
    for text in ("ecole", "OEUVRES ÉCOLES", "  œuvres "):
        assert [line.code for line in tree.search(OPERATOR, text).lines] == ["eco"], text
    assert [line.above for line in tree.search(OPERATOR, "ecole").lines] == [
        "Structure cig / Structure a"
    ]
    assert [line.code for line in tree.search(OPERATOR, "%").lines] == ["cent"]
    assert [line.code for line in tree.search(OPERATOR, "t_n").lines] == ["cent"]
    assert tree.search(OPERATOR, "   ").number == 0


def test_a_sheet_says_what_it_inherits_and_what_he_may(
    world: World, tree: StructureTree, referent: Actor
) -> None:
    world.directory.structures.set_siret(OPERATOR, "a", SIRET)
    root, rh = tree.read(referent, "a"), tree.read(referent, "a-rh")
    assert (root.siret_inherited, root.own_siret, root.below) == (False, SIRET, 1)
    assert (rh.siret_inherited, rh.own_siret, rh.siret, rh.below) == (True, None, SIRET, 0)
    assert (root.may_create, root.may_edit, root.may_close) == (True, False, False)
    assert (rh.may_create, rh.may_edit, rh.may_close, rh.may_set_siret) == (True, True, True, False)
    assert root.ancestors == ()
    assert rh.ancestors == (("a", "Structure a"),)
    assert tree.read(OPERATOR, "a").may_set_siret


def test_statements_do_not_grow_with_the_tree(world: World, tree: StructureTree) -> None:
    def run() -> None:
        tree.tree(OPERATOR, selected="a-rh", opened=["cig", "b"])
        tree.branch(OPERATOR, "a")
        tree.read(OPERATOR, "a-rh")
        tree.search(OPERATOR, "structure")

    run()
    before = world.statements(run)
    for number in range(30):
        parent = "a-rh" if number % 2 else "a"
        world.directory.structures.add(OPERATOR, f"n{number}", f"Structure {number}", parent=parent)
    assert world.statements(run) == before
    assert before <= 12


# --- create, rename --------------------------------------------------------------------------


def test_a_new_structure_has_a_code_of_its_own(world: World, referent: Actor) -> None:
    structures = world.directory.structures
    first = structures.create(referent, "a", "Écoles & Œuvres")
    assert first.startswith("ecoles-oeuvres-")
    assert label_paths(world)[first] == "Structure cig / Structure a / Écoles & Œuvres"
    second = structures.create(referent, first, "東京")
    assert second.startswith("structure-")
    for parent in ("cig", "b", "unknown", ""):
        with pytest.raises(NotAllowed):
            structures.create(referent, parent, "Neuf")
    for wrong in ("", "☂☂", "x" * 201, "A / B"):
        with pytest.raises(DirectoryError) as refused:
            structures.create(referent, "a", wrong)
        assert refused.value.public.startswith(("Nom de la structure : ", "Le nom d'une structure"))


def test_a_namesake_is_asked_about(world: World, tree: StructureTree, referent: Actor) -> None:
    structures = world.directory.structures
    structures.create(referent, "a", "État-civil")
    with pytest.raises(AlreadyExists, match="twice"):
        structures.create(referent, "a", "etat civil")
    structures.create(referent, "a", "etat civil", twin_ok=True)
    structures.create(referent, "a-rh", "etat civil")
    version = tree.read(referent, "a-rh").version
    with pytest.raises(AlreadyExists) as refused:
        structures.edit(referent, "a-rh", Edit("ÉTAT CIVIL", None, version))
    assert "État-civil" in refused.value.public or "etat civil" in refused.value.public
    structures.edit(referent, "a-rh", Edit("ÉTAT CIVIL", None, version, twin_ok=True))
    again = tree.read(referent, "a-rh").version
    structures.edit(referent, "a-rh", Edit("ÉTAT CIVIL", None, again))


def test_an_edit_of_an_older_version_is_refused(
    world: World, tree: StructureTree, referent: Actor
) -> None:
    structures = world.directory.structures
    seen = tree.read(referent, "a-rh").version
    structures.edit(referent, "a-rh", Edit("Personnel", None, seen))
    with pytest.raises(AlreadyDone):
        structures.edit(referent, "a-rh", Edit(" Personnel", None, seen))
    with pytest.raises(StaleEdit):
        structures.edit(referent, "a-rh", Edit("Ressources", None, seen))
    assert label_paths(world)["a-rh"].endswith("Personnel")
    assert world.events()[-1] == "structure.renamed"


def test_the_root_and_the_siret_are_the_correspondant_s(
    world: World, tree: StructureTree, referent: Actor, central: Actor
) -> None:
    structures = world.directory.structures
    for code, siret in (("a", None), ("a-rh", SIRET), ("b", None), ("unknown", None)):
        version = tree.read(OPERATOR, code).version if code != "unknown" else ""
        with pytest.raises(NotAllowed):
            structures.edit(referent, code, Edit("Autre", siret, version))
    assert "Autre" not in " ".join(label_paths(world).values()), "nor half of it"
    structures.edit(central, "a", Edit("Ville", SIRET, tree.read(central, "a").version))
    assert tree.read(referent, "a-rh").siret == SIRET
    assert label_paths(world)["a-rh"] == "Structure cig / Ville / Structure a-rh"


def test_two_at_once_end_well(world: World, tree: StructureTree, referent: Actor) -> None:
    """One of two namesakes is created; a rename above reaches what is created meanwhile."""
    structures = world.directory.structures
    outcomes = at_once(
        lambda: structures.create(referent, "a", "Sports"),
        lambda: structures.create(referent, "a", "sports"),
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["AlreadyExists", "str"]
    outcomes = at_once(
        lambda: structures.create(referent, "a", "Sports", form="one", twin_ok=True),
        lambda: structures.create(referent, "a", "Sports", form="one", twin_ok=True),
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["AlreadyCreated", "str"]
    version = tree.read(OPERATOR, "a").version
    at_once(
        lambda: structures.edit(OPERATOR, "a", Edit("Ville", None, version)),
        lambda: structures.create(referent, "a-rh", "Paie"),
    )
    assert all(
        path.startswith("Structure cig / Ville")
        for code, path in label_paths(world).items()
        if code not in {"cig", "b"}
    )
    version = tree.read(referent, "a-rh").version
    outcomes = at_once(
        lambda: structures.edit(referent, "a-rh", Edit("Un", None, version)),
        lambda: structures.edit(referent, "a-rh", Edit("Deux", None, version)),
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["NoneType", "StaleEdit"]


# --- closing ---------------------------------------------------------------------------------


@pytest.fixture
def lea(world: World, services: Services) -> str:
    """A role on BIP in A's HR service alone, and a session there."""
    subject_id = world.add("lea@ville.fr", "a-rh").subject_id
    world.directory.assignments.assign(OPERATOR, Grant("lea@ville.fr", "a-rh", "bip", "r1"))
    sign_on(services, subject_id, BIP)
    world.ended.clear()
    return subject_id


def test_closing_says_what_it_does_and_opening_again_undoes_it(
    world: World,
    services: Services,
    clock: FakeClock,
    tree: StructureTree,
    closing: StructureClosing,
    referent: Actor,
    lea: str,
) -> None:
    sub = world.directory.structures.create(referent, "a-rh", "Paie")
    old = world.directory.structures.create(referent, "a-rh", "Ancienne")
    close(closing, referent, old)
    clock.advance(MINUTE)
    seen = closing.preview(referent, "a-rh")
    assert (seen.structures, seen.people, seen.applications) == (("Paie",), 1, ("BIP",))
    with pytest.raises(DirectoryError, match="members"):
        closing.close(referent, "a-rh", seen.version)
    closing.close(referent, "a-rh", seen.version, people_ok=True)
    assert tree.read(referent, sub).closed_at == clock.now()
    assert not services.directory.tiles(lea)
    swept_by(services).run()
    assert (lea, BIP, "role-expired") in world.ended
    with pytest.raises(DirectoryError, match="obstacle"):
        closing.reopen(referent, sub, closing.preview(referent, sub).version)
    closing.reopen(referent, "a-rh", closing.preview(referent, "a-rh").version)
    assert tree.read(referent, sub).closed_at is None
    assert tree.read(referent, old).closed_at is not None, "closed before, by itself"
    assert services.directory.tiles(lea)
    assert world.events().count("structure.closed") == 3
    assert world.events().count("structure.reopened") == 2


def test_closing_elsewhere_or_the_root_is_refused(
    closing: StructureClosing, world: World, referent: Actor
) -> None:
    for code in ("a", "b", "cig", "unknown"):
        with pytest.raises(NotAllowed):
            closing.preview(referent, code)
        with pytest.raises(NotAllowed):
            closing.close(referent, code, "", people_ok=True)
        with pytest.raises(NotAllowed):
            closing.reopen(referent, code, "")
    assert "structure.closed" not in world.events()


def test_nobody_closes_his_own_structure_nor_a_colleague_s_mandate(
    world: World, closing: StructureClosing, referent: Actor, central: Actor
) -> None:
    world.add("referent@ville.fr", "a-rh")
    own = closing.preview(referent, "a-rh")
    assert "vous-même" in own.obstacle
    sub = world.directory.structures.create(referent, "a", "Mairie annexe")
    world.add("chef@ville.fr", sub)
    world.directory.mandates.add(OPERATOR, "chef@ville.fr", sub, ("bip",))
    mandated = closing.preview(referent, sub)
    assert "mandat" in mandated.obstacle
    for change in (own, mandated):
        refuse(closing, referent, change)
    allowed = closing.preview(central, sub)
    assert (allowed.obstacle, allowed.mandates) == ("", 1)
    closing.close(central, sub, allowed.version, people_ok=True)
    refuse(closing, referent, closing.preview(referent, sub))
    assert "vous-même" in closing.preview(central, "cig").obstacle


def refuse(closing: StructureClosing, actor: Actor, change: Change) -> None:
    """The obstacle holds when it is forced as well."""
    if change.closed:
        with pytest.raises(DirectoryError, match="obstacle"):
            closing.reopen(actor, change.code, change.version)
    else:
        with pytest.raises(DirectoryError, match="obstacle"):
            closing.close(actor, change.code, change.version, people_ok=True)


def test_what_changed_since_it_was_announced_is_announced_again(
    world: World, closing: StructureClosing, referent: Actor
) -> None:
    seen = closing.preview(referent, "a-rh")
    world.add("new@ville.fr", "a-rh")
    with pytest.raises(StaleEdit):
        closing.close(referent, "a-rh", seen.version, people_ok=True)
    seen = closing.preview(referent, "a-rh")
    with pytest.raises(AlreadyDone):
        closing.reopen(referent, "a-rh", seen.version)
    outcomes = at_once(
        lambda: closing.close(referent, "a-rh", seen.version, people_ok=True),
        lambda: closing.close(referent, "a-rh", seen.version, people_ok=True),
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["AlreadyDone", "NoneType"]
    with world.core.db.reading() as session:
        closed = select(func.count()).where(Structure.closed_at.is_not(None))
        assert session.scalar(closed) == 1


def test_nothing_is_created_below_a_closed_structure_even_at_once(
    world: World, closing: StructureClosing, referent: Actor
) -> None:
    seen = closing.preview(referent, "a-rh")
    at_once(
        lambda: closing.close(referent, "a-rh", seen.version),
        lambda: world.directory.structures.create(referent, "a-rh", "Paie"),
    )
    with world.core.db.reading() as session:
        rh = session.scalars(select(Structure).where(Structure.code == "a-rh")).one()
        below = session.scalars(select(Structure).where(Structure.parent_id == rh.id)).all()
        assert not (rh.closed_at and below), "either it is closed and empty, or open and full"
