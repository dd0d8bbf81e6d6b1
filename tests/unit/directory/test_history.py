"""*Historique*: what lies in scope, changes alone, in a bounded number of statements."""

from datetime import timedelta

import pytest

from directory.authorisation import OPERATOR, Actor
from directory.services.accounts.edits import Edits
from directory.services.accounts.invitations import Invitations
from directory.services.accounts.photos import Photos
from directory.services.accounts.sheets import Sheets
from directory.services.memberships.move import Move, Moves
from directory.services.rights.assignments import Grant
from directory.services.telling.history import History, HistoryPage
from idp.context import Origin, acting
from idp.errors import NotAllowed, NotFound
from tests.common.clock import FakeClock
from tests.common.photos import image
from tests.unit.directory.conftest import World

SHARED = "zoe@ville.fr"


def codes(page: HistoryPage) -> list[str]:
    return [line.code for line in page.lines]


@pytest.fixture
def shared(world: World, clock: FakeClock) -> str:
    """Somebody of B with a role there and a locked account, who is of A since, with two roles."""
    grant, lock = world.directory.assignments.assign, world.directory.accounts.lock
    subject_id = world.add(SHARED, "b").subject_id
    lock(OPERATOR, SHARED)
    world.directory.accounts.unlock(OPERATOR, SHARED)
    grant(OPERATOR, Grant(SHARED, "b", "bip", "r1"))
    clock.advance(timedelta(days=1))
    world.add(SHARED, "a-rh")
    grant(OPERATOR, Grant(SHARED, "a-rh", "bip", "r2"))
    grant(OPERATOR, Grant(SHARED, "a-rh", "cap", "r1"))
    return subject_id


def test_a_referent_reads_of_a_shared_person_what_is_his(
    world: World, referent: Actor, central: Actor, shared: str
) -> None:
    history = History(world.core)
    mine = history.of_account(referent, shared)
    assert codes(mine) == ["assignment.granted", "membership.added"]
    assert (mine.lines[0].application, mine.lines[0].role) == ("BIP", "Rôle r2")
    assert {line.structure for line in mine.lines} == {
        "Structure cig / Structure a / Structure a-rh"
    }
    everything = codes(history.of_account(central, shared))
    assert everything.count("assignment.granted") == 3
    assert {"account.created", "account.locked"} <= set(everything)
    world.directory.accounts.lock(OPERATOR, SHARED)
    assert codes(history.of_account(referent, shared))[0] == "account.locked"


def test_who_creates_an_account_reads_that_he_did(
    world: World, referent: Actor, clock: FakeClock
) -> None:
    """Its first membership is no younger, though the clock goes on between the two."""
    clock.run()
    with acting(Origin(actor=referent.subject_id)):
        subject_id = world.add("lea@ville.fr", "a-rh", referent).subject_id
    page = History(world.core).of_account(referent, subject_id)
    assert [(line.code, line.actor) for line in page.lines] == [
        ("membership.added", "Vous"),
        ("account.created", "Vous"),
    ]


def test_use_and_mandates_are_not_his_to_read(
    world: World, referent: Actor, central: Actor, shared: str
) -> None:
    for code in ("sign-in.success", "sign-on.success", "account.password-set"):
        world.core.audit.record(code, subject_id=shared)
    world.directory.mandates.add(OPERATOR, SHARED, "a", ("bip",))
    history = History(world.core)
    assert "mandate.given" not in codes(history.of_account(referent, shared))
    assert "mandate.given" not in codes(history.of_structure(referent, "a"))
    seen = codes(history.of_account(central, shared))
    assert seen[0] == "mandate.given"
    assert not any(code.startswith(("sign-", "account.password")) for code in seen)


def test_a_structure_s_history_stays_within_mandates(
    world: World, referent: Actor, shared: str
) -> None:
    del shared
    history = History(world.core)
    below = history.of_structure(referent, "a", below=True)
    assert codes(below).count("assignment.granted") == 1
    assert "assignment.granted" not in codes(history.of_structure(referent, "a"))
    for code in ("b", "cig", "nowhere"):
        with pytest.raises(NotAllowed):
            history.of_structure(referent, code)
    foreign = world.add("eve@ville.fr", "b").subject_id
    for subject_id in (foreign, "nobody"):
        with pytest.raises(NotFound):
            history.of_account(referent, subject_id)


def test_who_acted_is_named_as_far_as_he_may_be_known(
    world: World, referent: Actor, central: Actor, shared: str
) -> None:
    stranger = world.add("eve@ville.fr", "b").subject_id
    renames = {
        referent.subject_id: "Vous",
        central.subject_id: "Le correspondant",
        stranger: "Un administrateur d'une autre structure",
        "gone": "Une personne qui n'a plus de compte",
        "cli:root": "Le service",
        shared: "Prénom NOM",
    }
    for number, actor in enumerate(renames):
        with acting(Origin(actor=actor)):
            world.directory.structures.rename(OPERATOR, "a", f"A {number}")
    lines = History(world.core).of_structure(referent, "a").lines
    assert [line.actor for line in lines[: len(renames)]] == [*renames.values()][::-1]


def test_a_move_is_read_by_both_sides_and_names_neither_to_the_other(
    world: World, referent: Actor, central: Actor, clock: FakeClock
) -> None:
    """Whoever came by it brings no history of his account with him; whoever moved within, all."""
    added = world.add("referent-b@ville.fr", "b")
    world.directory.mandates.add(OPERATOR, "referent-b@ville.fr", "b", ("cap",))
    neighbour = world.actor(added.subject_id)
    mail = "lea@ville.fr"
    subject_id = world.add(mail, "b").subject_id
    world.directory.assignments.assign(OPERATOR, Grant(mail, "b", "cap", "r1"))
    world.directory.accounts.lock(OPERATOR, mail)
    history = History(world.core)
    for actor, to in ((central, "a-rh"), (referent, "a")):
        clock.advance(timedelta(days=1))
        moves = Moves(world.core)
        person = Sheets(world.core).read(actor, subject_id)
        (membership,) = person.sheet.memberships
        plan = moves.plan(actor, subject_id, membership.id)
        with acting(Origin(actor=actor.subject_id)):
            moves.run(actor, subject_id, membership.id, Move(to, frozenset(), plan.version))
            world.directory.accounts.unlock(actor, mail)
            world.directory.accounts.lock(actor, mail)
    paths = [f"Structure cig / Structure {end}" for end in ("a / Structure a-rh", "a", "b")]
    own = {"before": paths[0], "after": paths[1]}
    mine = history.of_account(referent, subject_id).lines
    assert [(line.actor, line.code) for line in mine] == [
        *(("Vous", "account.locked"), ("Vous", "account.unlocked")),
        ("Vous", "membership.moved"),  # within his structures: his leaving one is the same news
        *(("Le correspondant", "account.locked"), ("Le correspondant", "account.unlocked")),
        ("Le correspondant", "membership.moved"),
    ]
    assert [line.parameters for line in mine if line.parameters] == [
        own,
        {"before": "Une structure que vous n'administrez pas", "after": paths[0]},
    ]
    theirs = history.of_structure(neighbour, "b").lines
    assert theirs[0].code == "membership.left"
    assert theirs[0].parameters == {
        "before": paths[2],
        "after": "Une structure que vous n'administrez pas",
    }
    assert [line.role for line in theirs if line.code == "assignment.withdrawn"] == ["Rôle r1"]
    whole = history.of_account(central, subject_id, size=100).lines
    moved = [line.parameters for line in whole if line.code == "membership.moved"]
    assert moved == [own, {"before": paths[2], "after": paths[0]}]
    assert "account.created" in {line.code for line in whole}


def test_what_is_his_own_to_do_is_told_when_somebody_else_did_it(
    world: World, referent: Actor, shared: str
) -> None:
    del shared
    subject_id = world.add("lea@ville.fr").subject_id
    photo = image()
    with acting(Origin(actor=subject_id)):
        Photos(world.core).keep(subject_id, photo)
    with acting(Origin(actor=referent.subject_id)):
        Edits(world.core).remove_photo(referent, subject_id)
        Edits(world.core).put_photo(referent, subject_id, photo)
        Invitations(world.core).reset(referent, "lea@ville.fr")
    told = History(world.core).of_account(referent, subject_id).lines
    assert [(line.actor, line.code) for line in told[:3]] == [
        ("Vous", "account.reset-asked"),
        ("Vous", "account.photo-added"),
        ("Vous", "account.photo-removed"),
    ]
    assert [line.code for line in told[3:]] == ["membership.added", "account.created"]


def test_who_left_is_no_longer_one_of_his(world: World, referent: Actor, central: Actor) -> None:
    colleague = world.add("paul@ville.fr").subject_id
    for code, actor in (("A 1", colleague), ("A 2", central.subject_id)):
        with acting(Origin(actor=actor)):
            world.directory.structures.rename(OPERATOR, "a", code)

    def who() -> list[str]:
        found = History(world.core).of_structure(referent, "a").lines
        return [line.actor for line in found if line.code == "structure.renamed"]

    assert who() == ["Le correspondant", "Prénom NOM"]
    world.add("paul@ville.fr", "b")
    world.directory.memberships.confirm(OPERATOR, "paul@ville.fr", "b")
    world.directory.bin.delete(referent, "paul@ville.fr")
    world.add("autre@cig.fr", "cig")
    world.directory.mandates.add_central(OPERATOR, "autre@cig.fr")
    world.directory.mandates.remove_central(OPERATOR, "correspondant@cig.fr")
    assert who() == ["Un administrateur d'une autre structure"] * 2
    for mail in ("paul@ville.fr", "autre@cig.fr"):
        world.add(mail, "a", referent)
    assert who() == ["Un administrateur d'une autre structure"] * 2, "they did not confirm it"
    world.directory.bin.delete(OPERATOR, "paul@ville.fr")
    assert who()[1] == "Une personne qui n'a plus de compte"


def test_what_was_not_confirmed_is_no_beginning(
    world: World, clock: FakeClock, referent: Actor
) -> None:
    """Of the account only what is younger than a membership that its person confirmed."""
    mail = "loin@ville.fr"
    subject_id = world.add(mail, "b").subject_id
    world.add(mail, "a-rh", referent)
    history = History(world.core)

    def told() -> set[str]:
        found = codes(history.of_account(referent, subject_id))
        return {code for code in found if code.startswith("account.")}

    clock.advance(timedelta(days=1))
    world.directory.accounts.lock(OPERATOR, mail)
    assert told() == set()
    clock.advance(timedelta(days=1))
    world.add(mail, "a")
    clock.advance(timedelta(days=1))
    world.directory.accounts.unlock(OPERATOR, mail)
    assert told() == {"account.unlocked"}


def test_the_hour_of_what_the_person_did_himself_is_his_own(
    world: World, referent: Actor, central: Actor, shared: str
) -> None:
    world.directory.memberships.suspend(OPERATOR, SHARED, "a-rh")
    with acting(Origin(actor=shared)):
        world.core.audit.record("membership.confirmed", subject_id=shared, target="structure:a-rh")
    for actor, hidden in ((referent, True), (central, False)):
        line, other, *_ = History(world.core).of_account(actor, shared).lines
        assert (line.day_only, other.day_only) == (hidden, False)


def test_pages_by_key_miss_nothing_and_cost_the_same(
    world: World, referent: Actor, clock: FakeClock
) -> None:
    for number in range(30):
        if number % 3 == 0:
            clock.advance(timedelta(seconds=1))  # several at the same instant
        world.directory.structures.rename(OPERATOR, "a", f"A {number}")
    history = History(world.core)
    seen: list[tuple[object, ...]] = []
    cursor: str | None = None
    while True:
        page = history.of_structure(referent, "a", cursor=cursor, size=7)
        seen += [(line.code, line.parameters.get("after")) for line in page.lines]
        cursor = page.after
        if cursor is None:
            break
    renamed = [after for code, after in seen if code == "structure.renamed"]
    assert renamed == [f"A {number}" for number in range(29, -1, -1)]
    few = world.statements(lambda: history.of_structure(referent, "a", size=2))
    many = world.statements(lambda: history.of_structure(referent, "a", below=True, size=100))
    assert (few, many) == (5, 6)  # with a person to name: one more, however many
    for wrong in ("x", "1", "1.x", "-1.2", "9" * 18 + ".1", "²³.1"):
        assert codes(history.of_structure(referent, "a", cursor=wrong, size=2))
