"""What an administrator changes of a person: fields, dates, lock, photo, structure."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from directory.authorisation import OPERATOR, Actor
from directory.models import Account, Assignment, Membership
from directory.services.accounts.creation import Creation
from directory.services.accounts.edit_values import Editable, MembershipValues, Values
from directory.services.accounts.edits import Edits
from directory.services.accounts.sheets import PersonSheet, Sheets
from directory.services.memberships.move import Move, Moved, Moves, role_names
from directory.services.removal.binned import BIN_PERIOD, MembershipInBin
from directory.services.rights.assignments import Grant
from idp.audit import AuditEvent
from idp.errors import AlreadyDone, AlreadyExists, DirectoryError, NotAllowed, NotFound, StaleEdit
from idp.self_service import Square
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.photos import image
from tests.common.threads import at_once
from tests.unit.directory.conftest import BIP, World

DAY = timedelta(days=1)
LEA = "lea@ville.fr"


@pytest.fixture
def lea(world: World) -> str:
    """A colleague in A's HR, with a role of BIP and one of CAP, which no référent administers."""
    subject_id = world.add(LEA, "a-rh").subject_id
    for application in ("bip", "cap"):
        world.directory.assignments.assign(OPERATOR, Grant(LEA, "a-rh", application, "r1"))
    return subject_id


@pytest.fixture
def shared(world: World) -> str:
    """Somebody of A's HR and of B."""
    subject_id = world.add("shared@ville.fr", "a-rh").subject_id
    world.add("shared@ville.fr", "b")
    return subject_id


def sheet(world: World, actor: Actor, subject_id: str) -> PersonSheet:
    return Sheets(world.core).read(actor, subject_id)


def opened(world: World, actor: Actor, subject_id: str) -> Editable:
    return Edits(world.core).open(actor, subject_id)


def typed(values: Values, **changed: object) -> Values:
    """These values with that typed over them: the account's, else each membership's."""
    of_account = {name: each for name, each in changed.items() if hasattr(values.account, name)}
    rest = {name: each for name, each in changed.items() if name not in of_account}
    account = values.account and replace(values.account, **of_account)  # type: ignore[arg-type]
    return Values(
        account,
        {key: replace(each, **rest) for key, each in values.memberships.items()},  # type: ignore[arg-type]
    )


def save(
    world: World, actor: Actor, subject_id: str, *, reset: bool = False, **changed: object
) -> bool:
    now = opened(world, actor, subject_id).values
    saved = Edits(world.core).save(
        actor, subject_id, typed(now, **changed), now.version, reset_password=reset
    )
    return saved.done


def last_event(world: World) -> AuditEvent:
    with world.core.db.reading() as session:
        found = session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert found is not None
    return found


# --- the sheet -------------------------------------------------------------------------------


def test_the_sheet_says_what_may_be_done(
    world: World, referent: Actor, central: Actor, lea: str, shared: str
) -> None:
    own = sheet(world, referent, lea)
    assert (own.can.account, own.can.delete, own.can.link, own.can.why_not) == (
        True,
        True,
        True,
        "",
    )
    assert own.can.memberships == {own.sheet.memberships[0].id}
    foreign = sheet(world, referent, shared)
    assert (foreign.can.account, foreign.can.delete, foreign.can.link) == (False, False, True)
    assert [each.structure for each in foreign.sheet.memberships] == ["a-rh"]
    assert "correspondant" in foreign.can.why_not
    everything = sheet(world, central, shared)
    assert everything.can.account
    assert len(everything.can.memberships) == 2
    himself = sheet(world, referent, referent.subject_id)
    assert not himself.can.edit
    assert not himself.can.link
    assert "propre compte" in himself.can.why_not


def test_foreign_roles_are_counted_and_nothing_more(
    world: World, referent: Actor, lea: str
) -> None:
    shown = sheet(world, referent, lea).sheet
    assert [(role.application, role.label) for role in shown.memberships[0].roles] == [
        ("bip", "Rôle r1")
    ]
    assert (shown.hidden_roles, shown.memberships[0].hidden_roles) == (1, 1)
    assert "CAP" not in repr(shown)


def test_who_is_nobody_and_who_may_not_be_seen_read_alike(world: World, referent: Actor) -> None:
    foreign = world.add("b@ville.fr", "b").subject_id
    said = set()
    for unknown in (foreign, "nobody", ""):
        for ask in (Sheets(world.core).read, Edits(world.core).open):
            with pytest.raises(NotFound) as refused:
                ask(referent, unknown)
            said.add((refused.value.public, refused.value.http_status))
    assert len(said) == 1


def test_exact_dates_of_use_are_the_correspondant_s(
    world: World, referent: Actor, central: Actor, lea: str, clock: FakeClock
) -> None:
    with world.core.db.unit_of_work() as session:
        session.scalars(select(Account).where(Account.subject_id == lea)).one().last_sign_in_at = (
            clock.now() - 200 * DAY
        )
    assert sheet(world, referent, lea).sheet.last_sign_in_at is None
    assert sheet(world, referent, lea).sheet.activity == "plus de 6 mois"
    assert sheet(world, central, lea).sheet.last_sign_in_at is not None


def test_the_sheet_costs_the_same_whatever_he_holds(
    world: World, referent: Actor, central: Actor, lea: str
) -> None:
    few = world.statements(lambda: sheet(world, referent, lea))
    for number in range(5):
        world.directory.structures.add(OPERATOR, f"s{number}", f"S{number}", parent="a")
        world.add(LEA, f"s{number}")
        world.directory.assignments.assign(OPERATOR, Grant(LEA, f"s{number}", "bip", "r2"))
    assert few == world.statements(lambda: sheet(world, referent, lea)) == 4
    assert world.statements(lambda: sheet(world, central, lea)) == 5


def test_an_account_in_the_bin_is_seen_and_left_alone(
    world: World, referent: Actor, lea: str
) -> None:
    world.directory.bin.delete(referent, LEA)
    binned = sheet(world, referent, lea)
    assert binned.in_bin
    assert not binned.can.edit
    assert not binned.can.remove
    with pytest.raises(NotAllowed):
        opened(world, referent, lea)
    with pytest.raises(NotFound):
        Edits(world.core).save(referent, lea, Values(None), "")


# --- edits -----------------------------------------------------------------------------------


def test_fields_are_changed_and_journalled_with_before_and_after(
    world: World, referent: Actor, lea: str
) -> None:
    assert save(world, referent, lea, service=" Paie  et temps ", function="Cheffe", phone="01 02")
    now = sheet(world, referent, lea).sheet.memberships[0]
    assert (now.service, now.function, now.phone) == ("Paie et temps", "Cheffe", "01 02")
    event = last_event(world)
    assert (event.code, event.target) == ("membership.edited", "structure:a-rh")
    assert event.parameters["before"] == {"service": None, "function": None, "phone": None}
    assert event.parameters["after"]["service"] == "Paie et temps"
    assert not save(world, referent, lea), "nothing changed"
    assert last_event(world).id == event.id


def test_a_name_is_changed_and_found_again(world: World, referent: Actor, lea: str) -> None:
    assert save(world, referent, lea, sn="Noël", given_name="Léa")
    shown = sheet(world, referent, lea).sheet
    assert (shown.given_name, shown.sn) == ("Léa", "Noël")
    with world.core.db.reading() as session:
        key = session.scalars(select(Account.search_key).where(Account.mail == LEA)).one()
    assert "noel" in key
    assert last_event(world).parameters == {
        "before": {"sn": "Nom", "given_name": "Prénom"},
        "after": {"sn": "Noël", "given_name": "Léa"},
    }
    with pytest.raises(DirectoryError, match="Nom: empty"):
        save(world, referent, lea, sn="  ")


def test_dates_and_lock(world: World, referent: Actor, lea: str, clock: FakeClock) -> None:
    before = sheet(world, referent, lea).sheet.valid_from
    today = clock.now().date()
    assert save(world, referent, lea, last_day=today + 10 * DAY)
    shown = sheet(world, referent, lea).sheet
    assert shown.valid_from == before, "the day stays, so does the moment"
    assert shown.valid_until is not None
    assert opened(world, referent, lea).values.account.last_day == today + 10 * DAY  # type: ignore[union-attr]
    assert world.ended == []
    with pytest.raises(DirectoryError, match="ends before"):
        save(world, referent, lea, last_day=today - 10 * DAY)
    assert save(world, referent, lea, locked=True)
    assert world.ended == [(lea, None, "account-locked")]
    assert sheet(world, referent, lea).sheet.state == "verrouillé"
    assert save(world, referent, lea, locked=False, last_day=None)
    assert world.events()[-2:] == ["account.validity-changed", "account.unlocked"]


def test_a_shared_person_s_membership_is_his_and_nothing_else(
    world: World, referent: Actor, shared: str
) -> None:
    now = opened(world, referent, shared).values
    assert now.account is None
    assert len(now.memberships) == 1
    assert save(world, referent, shared, suspended=True, last_day=date(2030, 1, 31))
    mine = sheet(world, referent, shared).sheet.memberships[0]
    assert (mine.state, mine.suspended) == ("suspendu", True)
    assert save(world, referent, shared, suspended=False)
    assert world.events()[-1] == "membership.resumed"
    forged = opened(world, referent, shared).values
    someone = opened(world, OPERATOR, shared).values
    for values in (
        Values(someone.account and replace(someone.account, sn="Autre"), forged.memberships),
        Values(None, someone.memberships | {next(iter(someone.memberships)): MembershipValues()}),
        Values(None, {"unknown": MembershipValues(service="x")}),
    ):
        with pytest.raises(NotAllowed):
            Edits(world.core).save(referent, shared, values, forged.version)
    assert sheet(world, OPERATOR, shared).sheet.sn == "Nom"


def test_the_end_of_a_membership_ends_what_it_opened(
    world: World, referent: Actor, lea: str, clock: FakeClock
) -> None:
    today = clock.now().date()
    save(world, referent, lea, first_day=None, last_day=today + DAY)
    world.ended.clear()
    now = opened(world, referent, lea).values
    (key,) = now.memberships
    over = Values(now.account, {key: replace(now.memberships[key], last_day=today - DAY)})
    Edits(world.core).save(referent, lea, over, now.version)
    assert world.ended == [(lea, BIP, "membership-dates")]


@pytest.mark.parametrize("who", ["himself", "référent", "correspondant"])
def test_nobody_edits_himself_nor_a_colleague_with_a_mandate(
    world: World, referent: Actor, central: Actor, who: str
) -> None:
    subject_id = referent.subject_id
    if who == "référent":
        subject_id = world.add("second@ville.fr", "a-rh").subject_id
        world.directory.mandates.add(OPERATOR, "second@ville.fr", "a-rh", ("bip",))
        assert opened(world, referent, subject_id).values.account is None
        now = opened(world, OPERATOR, subject_id).values
    else:
        actor, subject_id = (
            (central, central.subject_id)
            if who == "correspondant"
            else (
                referent,
                subject_id,
            )
        )
        with pytest.raises(NotAllowed):
            opened(world, actor, subject_id)
        now = opened(world, OPERATOR, subject_id).values
    sender = central if who == "correspondant" else referent
    with pytest.raises((NotAllowed, StaleEdit)):
        Edits(world.core).save(sender, subject_id, typed(now, sn="Autre"), now.version)
    assert sheet(world, OPERATOR, subject_id).sheet.sn == "Nom"


def test_a_stale_edit_changes_nothing_and_shows_both(
    world: World, referent: Actor, lea: str
) -> None:
    mine = opened(world, referent, lea).values
    save(world, OPERATOR, lea, service="Paie", function="Cheffe")
    wanted = typed(mine, service="Carrières", phone="01")
    with pytest.raises(StaleEdit) as refused:
        Edits(world.core).save(referent, lea, wanted, mine.version)
    assert refused.value.http_status == 409
    now = opened(world, referent, lea).values
    (there,) = now.memberships.values()
    assert (there.service, there.function, there.phone) == ("Paie", "Cheffe", "")
    (merged,) = now.with_typed(wanted, mine.version).memberships.values()
    assert (merged.service, merged.function, merged.phone) == ("Carrières", "Cheffe", "01")


def test_what_is_pasted_is_recorded_clean_and_pressed_twice_done(
    world: World, referent: Actor, lea: str
) -> None:
    """Doubled and unbreakable spaces and soft hyphens stay out: nobody would see a difference."""
    shown = opened(world, referent, lea).values
    pasted = typed(shown, given_name="Léa  Marie\u00a0", function="Chef\u00a0de pro\u00adjet ")
    assert Edits(world.core).save(referent, lea, pasted, shown.version).changed
    with pytest.raises(AlreadyDone):
        Edits(world.core).save(referent, lea, pasted, shown.version)
    now = opened(world, referent, lea).values
    assert now.account is not None
    assert now.account.given_name == "Léa Marie"
    assert now.with_typed(pasted, shown.version) == now, "nothing that differs is shown"


def test_of_two_who_save_at_once_one_is_told(world: World, referent: Actor, lea: str) -> None:
    shown = opened(world, referent, lea).values

    def one(service: str) -> Callable[[], object]:
        values = typed(shown, service=service)
        return lambda: Edits(world.core).save(referent, lea, values, shown.version)

    outcomes = at_once(one("Paie"), one("Carrières"))
    assert sorted(type(each).__name__ for each in outcomes) == ["Saved", "StaleEdit"]
    assert world.events().count("membership.edited") == 1


def test_what_the_settings_switch_off_is_neither_shown_nor_changed(
    world: World, referent: Actor, lea: str, services: Services
) -> None:
    save(world, referent, lea, phone="01", teleworking=True, postal_address="Mairie")
    off = replace(services.settings, fields_off=frozenset({"phone", "teleworking"}))
    core = replace(world.core, settings=off)
    shown = Sheets(core).read(referent, lea).sheet.memberships[0]
    assert (shown.phone, shown.teleworking, shown.postal_address) == (None, None, "Mairie")
    now = Edits(core).open(referent, lea).values
    Edits(core).save(referent, lea, typed(now, phone="99", service="Paie"), now.version)
    kept = sheet(world, referent, lea).sheet.memberships[0]
    assert (kept.phone, kept.teleworking, kept.service) == ("01", True, "Paie")


def test_a_photo_is_put_by_who_may_edit_the_account(
    world: World, referent: Actor, lea: str, shared: str
) -> None:
    edits, photo = Edits(world.core), image((300, 200), "JPEG")
    edits.put_photo(referent, lea, photo)
    assert sheet(world, referent, lea).sheet.photo
    edits.put_photo(referent, lea, photo, Square(0, 0, 100))
    edits.remove_photo(referent, lea)
    assert sheet(world, referent, lea).sheet.photo is None
    assert world.events()[-3:] == [f"account.photo-{it}" for it in ("added", "changed", "removed")]
    with pytest.raises(DirectoryError):
        edits.put_photo(referent, lea, b"no photo")
    for who in (shared, referent.subject_id):
        with pytest.raises(NotAllowed):
            edits.put_photo(referent, who, photo)
        with pytest.raises(NotAllowed):
            edits.remove_photo(referent, who)
    foreign = world.add("b@ville.fr", "b").subject_id
    with pytest.raises(NotFound):
        edits.put_photo(referent, foreign, photo)


def test_reset_mails_a_link_and_ends_sessions(
    world: World, referent: Actor, lea: str, shared: str
) -> None:
    for subject_id, mail in ((lea, LEA), (shared, "shared@ville.fr")):
        world.ended.clear()
        assert save(world, referent, subject_id, reset=True)
        assert world.mails()[-1] == ("password-first-visit", mail)
        assert world.ended == [(subject_id, None, "password-reset")]
        with pytest.raises(AlreadyDone):
            save(world, referent, subject_id, reset=True)
    world.directory.accounts.lock(OPERATOR, LEA)
    before = world.mails()
    with pytest.raises(DirectoryError, match="locked"):
        save(world, referent, lea, reset=True, service="Paie")
    assert world.mails() == before
    assert sheet(world, referent, lea).sheet.memberships[0].service is None, "all or nothing"


# --- Changer de structure ----------------------------------------------------------------------


def move(world: World, actor: Actor, subject_id: str, to: str, *keep: str) -> Moved:
    moves = Moves(world.core)
    membership = sheet(world, OPERATOR, subject_id).sheet.memberships[0]
    plan = moves.plan(actor, subject_id, membership.id)
    return moves.run(actor, subject_id, membership.id, Move(to, frozenset(keep), plan.version))


def held(world: World, subject_id: str) -> list[tuple[str, str, str]]:
    return [
        (each.structure, role.application, role.role)
        for each in sheet(world, OPERATOR, subject_id).sheet.memberships
        for role in each.roles
    ]


def test_a_move_keeps_the_membership_and_the_roles_that_were_chosen(
    world: World, referent: Actor, lea: str
) -> None:
    world.directory.assignments.assign(OPERATOR, Grant(LEA, "a-rh", "bip", "r2"))
    save(world, referent, lea, service="Paie")
    before = sheet(world, OPERATOR, lea).sheet.memberships[0]
    moved = move(world, referent, lea, "a", "bip:r1")
    assert (moved.kept, moved.ended) == (1, 2)
    assert held(world, lea) == [("a", "bip", "r1")]
    after = sheet(world, OPERATOR, lea).sheet.memberships[0]
    assert (after.id, after.service, after.structure) == (before.id, "Paie", "a")
    assert (lea, BIP, "membership-moved") in world.ended
    event = last_event(world)
    assert (event.code, event.target) == ("membership.moved", "structure:a")
    assert event.parameters == {"before": "a-rh", "after": "a"}
    assert world.events().count("assignment.withdrawn") == 2


def test_the_correspondant_keeps_whatever_he_wants(world: World, central: Actor, lea: str) -> None:
    move(world, central, lea, "b", "bip:r1", "cap:r1")
    assert held(world, lea) == [("b", "bip", "r1"), ("b", "cap", "r1")]


def test_places_are_those_of_his_subtrees_that_are_open(
    world: World, referent: Actor, central: Actor, lea: str
) -> None:
    membership = sheet(world, OPERATOR, lea).sheet.memberships[0]
    for actor, codes in ((referent, ["a"]), (central, ["a", "b", "cig"])):
        plan = Moves(world.core).plan(actor, lea, membership.id)
        offered = {each.code for each in Creation(world.core).structures(actor).lines}
        assert sorted(offered - plan.own) == codes
        assert role_names(plan.membership)[0] == "bip:r1"


@pytest.mark.parametrize("to", ["b", "cig", "unknown", ""])
def test_nobody_is_moved_out_of_scope(world: World, referent: Actor, lea: str, to: str) -> None:
    with pytest.raises(NotAllowed):
        move(world, referent, lea, to)
    assert held(world, lea)[0][0] == "a-rh"


def test_forged_roles_and_memberships_are_refused(
    world: World, referent: Actor, lea: str, shared: str
) -> None:
    for keep in ("cap:r1", "bip:r2", "bip", "x:y"):
        with pytest.raises(NotAllowed):
            move(world, referent, lea, "a", keep)
    foreign = [each.id for each in sheet(world, OPERATOR, shared).sheet.memberships][1]
    for subject_id, membership_id in ((shared, foreign), (lea, foreign), (lea, "x")):
        with pytest.raises(NotAllowed):
            Moves(world.core).plan(referent, subject_id, membership_id)
        with pytest.raises(NotAllowed):
            Moves(world.core).run(referent, subject_id, membership_id, Move("a", frozenset(), "x"))
    with pytest.raises(NotAllowed):
        move(world, referent, referent.subject_id, "a-rh")
    assert len(held(world, lea)) == 2


def test_a_role_goes_only_where_he_could_give_it(world: World, referent: Actor, lea: str) -> None:
    """Two mandates: structures A (BIP) and B (CAP) never add up."""
    world.directory.mandates.add(OPERATOR, "referent@ville.fr", "b", ("cap",))
    actor = world.actor(referent.subject_id)
    with pytest.raises(DirectoryError, match="may not be given in b"):
        move(world, actor, lea, "b", "bip:r1")
    move(world, actor, lea, "b")
    assert held(world, lea) == []


def test_a_move_that_was_overtaken_is_refused(world: World, referent: Actor, lea: str) -> None:
    membership = sheet(world, OPERATOR, lea).sheet.memberships[0]
    plan = Moves(world.core).plan(referent, lea, membership.id)
    world.directory.assignments.assign(OPERATOR, Grant(LEA, "a-rh", "bip", "r2"))
    with pytest.raises(StaleEdit):
        Moves(world.core).run(referent, lea, membership.id, Move("a", frozenset(), plan.version))
    assert len(held(world, lea)) == 3


def test_where_he_is_already_or_was(
    world: World, referent: Actor, lea: str, clock: FakeClock
) -> None:
    world.add(LEA, "a")
    with pytest.raises(AlreadyExists):
        move(world, referent, lea, "a-rh")
    with pytest.raises(DirectoryError, match="there already"):
        move(world, referent, lea, "a")
    with world.core.db.unit_of_work() as session:
        gone = session.scalars(select(Membership).order_by(Membership.id.desc())).first()
        assert gone is not None
        gone.deleted_at = world.core.clock.now()
    with pytest.raises(MembershipInBin):
        move(world, referent, lea, "a", "bip:r1")
    clock.advance(BIN_PERIOD)
    move(world, referent, lea, "a", "bip:r1")
    with world.core.db.reading() as session:
        assert len(session.scalars(select(Membership)).all()) == 2, "Léa's and the référent's"
        assert len(session.scalars(select(Assignment)).all()) == 1
