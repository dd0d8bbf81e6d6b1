"""Structures, applications, assignments, mandates, actors and the SQL directory's statements."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from directory import actors
from directory.actors import RightsChanged
from directory.authorisation import OPERATOR, Actor
from directory.models import Account, Application, Structure
from directory.services.rights.assignments import Grant
from idp.errors import (
    AlreadyExists,
    BadCredentials,
    DirectoryError,
    NotAllowed,
    NotFound,
)
from idp.passwords import Passwords
from idp.services import Services
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import BIP, World

DAY = timedelta(days=1)
SIRET = "21930000100019"


# --- structures ------------------------------------------------------------------------------


def paths(world: World) -> dict[str, tuple[str, str | None]]:
    with world.core.db.reading() as session:
        return {
            one.code: (one.label_path, one.siret_in_force)
            for one in session.scalars(select(Structure))
        }


def test_rename_and_siret_reach_what_is_below(world: World) -> None:
    world.directory.structures.set_siret(OPERATOR, "a", SIRET)
    world.directory.structures.rename(OPERATOR, "a", "Ville")
    found = paths(world)
    assert found["a-rh"] == ("Structure cig / Ville / Structure a-rh", SIRET)
    assert found["b"] == ("Structure cig / Structure b", None)
    world.directory.structures.set_siret(OPERATOR, "a", None)
    assert paths(world)["a-rh"][1] is None
    events = world.events()
    world.directory.structures.rename(OPERATOR, "a", "Ville")
    assert world.events() == events


def test_list_is_a_tree_in_scope(world: World, referent: Actor) -> None:
    assert [(one.code, one.depth) for one in world.directory.structures.list(OPERATOR)] == [
        ("cig", 0),
        ("a", 1),
        ("a-rh", 2),
        ("b", 1),
    ]
    assert [one.code for one in world.directory.structures.list(referent)] == ["a", "a-rh"]
    assert world.directory.structures.list(Actor("s", 1)) == ()


def test_referent_builds_below_his_root_only(world: World, referent: Actor) -> None:
    structures = world.directory.structures
    structures.add(referent, "a-new", "Nouveau", parent="a")
    structures.rename(referent, "a-new", "Neuf")
    for refused in (
        lambda: structures.add(referent, "b-new", "Nouveau", parent="b"),
        lambda: structures.add(referent, "root", "Racine"),
        lambda: structures.add(referent, "a-x", "X", parent="a", siret=SIRET),
        lambda: structures.set_siret(referent, "a-new", SIRET),
        lambda: structures.rename(referent, "a", "Autre"),
        lambda: structures.rename(referent, "b", "Autre"),
    ):
        with pytest.raises(NotAllowed):
            refused()


def test_structures_refused(world: World, clock: FakeClock) -> None:
    structures = world.directory.structures
    with pytest.raises(AlreadyExists):
        structures.add(OPERATOR, "a", "Encore")
    with pytest.raises(NotFound):
        structures.add(OPERATOR, "x", "X", parent="unknown")
    with pytest.raises(DirectoryError):
        structures.add(OPERATOR, "x", "Ville / Autre", parent="a")
    with pytest.raises(DirectoryError):
        structures.add(OPERATOR, "x", "X", siret="12345678901234")
    with world.core.db.unit_of_work() as session:
        session.execute(
            update(Structure).where(Structure.code == "b").values(closed_at=clock.now())
        )
    with pytest.raises(DirectoryError, match="closed"):
        structures.add(OPERATOR, "x", "X", parent="b")
    with pytest.raises(DirectoryError, match="closed"):
        world.add("one@ville.fr", "b")


# --- applications ----------------------------------------------------------------------------


def test_applications_are_the_correspondant_s(
    world: World, referent: Actor, central: Actor
) -> None:
    applications = world.directory.applications
    with pytest.raises(NotAllowed):
        applications.add(referent, "crm", "CRM")
    with pytest.raises(NotAllowed):
        applications.add_role(referent, "bip", "r3", "R3")
    applications.add(central, "crm", "CRM", url="https://crm.example/")
    assert applications.add_role(central, "crm", "r", "Rôle").value == "r"
    assert applications.add_role(central, "crm", "s", "Rôle", value="S é").value == "S é"
    for wrong in (
        lambda: applications.add(central, "crm", "CRM"),
        lambda: applications.add_role(central, "crm", "r", "Rôle"),
    ):
        with pytest.raises(AlreadyExists):
            wrong()
    with pytest.raises(DirectoryError):
        applications.add(central, "x", "X", url="javascript:alert(1)")
    with pytest.raises(NotFound):
        applications.add_role(central, "unknown", "r", "Rôle")


# --- assignments -----------------------------------------------------------------------------


def test_referent_grants_in_one_mandate_only(world: World, referent: Actor) -> None:
    assignments = world.directory.assignments
    world.add("one@ville.fr", "a-rh")
    world.add("two@ville.fr", "b")
    assignments.assign(referent, Grant("one@ville.fr", "a-rh", "bip", "r1"))
    for outside in (
        Grant("one@ville.fr", "a-rh", "cap", "r1"),
        Grant("two@ville.fr", "b", "bip", "r1"),
    ):
        with pytest.raises(NotAllowed):
            assignments.assign(referent, outside)
        assignments.assign(OPERATOR, outside)
        with pytest.raises(NotAllowed):
            assignments.unassign(referent, outside)
    for unknown in (
        Grant("one@ville.fr", "a", "bip", "r1"),
        Grant("one@ville.fr", "a-rh", "bip", "r9"),
        Grant("one@ville.fr", "a-rh", "xxx", "r1"),
        Grant("nobody@ville.fr", "a-rh", "bip", "r1"),
    ):
        with pytest.raises(NotFound):
            assignments.assign(referent, unknown)


def test_last_role_ends_the_session_at_its_sp(world: World, referent: Actor) -> None:
    assignments = world.directory.assignments
    subject_id = world.add("one@ville.fr").subject_id
    first = Grant("one@ville.fr", "a-rh", "bip", "r1")
    second = Grant("one@ville.fr", "a-rh", "bip", "r2")
    assignments.assign(referent, first)
    assignments.assign(referent, second)
    assignments.unassign(referent, first)
    assert world.ended == []
    assignments.unassign(referent, second)
    assert world.ended == [(subject_id, BIP, "role-withdrawn")]
    with pytest.raises(NotFound):
        assignments.unassign(referent, second)


def test_dates_of_a_role(world: World, clock: FakeClock, services: Services) -> None:
    assignments, now = world.directory.assignments, clock.now()
    subject_id = world.add("one@ville.fr").subject_id
    grant = Grant("one@ville.fr", "a-rh", "bip", "r1")
    with pytest.raises(DirectoryError):
        assignments.assign(OPERATOR, grant, valid_from=now, valid_until=now)
    assignments.assign(OPERATOR, grant)
    assignments.assign(OPERATOR, grant)
    assert world.events()[-1] == "assignment.granted"
    assert world.ended == []
    assignments.unassign(OPERATOR, grant, at=now + DAY)
    assert isinstance(services.directory.entitlements(subject_id, BIP), tuple)
    clock.advance(DAY)
    assert not isinstance(services.directory.entitlements(subject_id, BIP), tuple)
    assignments.assign(OPERATOR, grant, valid_from=clock.now() + DAY)
    assert world.events()[-2:] == ["assignment.dates-changed", "assignment.granted"]
    assert world.ended == [(subject_id, BIP, "role-withdrawn")]


def test_single_role_application(world: World) -> None:
    world.add("one@ville.fr")
    with world.core.db.unit_of_work() as session:
        session.execute(update(Application).values(single_role=True))
    world.directory.assignments.assign(OPERATOR, Grant("one@ville.fr", "a-rh", "bip", "r1"))
    world.directory.assignments.assign(OPERATOR, Grant("one@ville.fr", "a-rh", "cap", "r1"))
    with pytest.raises(DirectoryError, match="single role"):
        world.directory.assignments.assign(OPERATOR, Grant("one@ville.fr", "a-rh", "bip", "r2"))


def test_role_granted_to_oneself_is_told(world: World, referent: Actor) -> None:
    world.add("second@ville.fr", "a")
    world.directory.mandates.add(OPERATOR, "second@ville.fr", "a", ("bip",))
    world.directory.assignments.assign(referent, Grant("referent@ville.fr", "a", "bip", "r1"))
    kind = "role-granted-to-oneself"
    correspondant = world.core.settings.organization.correspondant
    assert world.mails() == [(kind, "second@ville.fr"), (kind, correspondant)]


# --- mandates --------------------------------------------------------------------------------


def test_mandates_are_the_correspondant_s(world: World, referent: Actor, central: Actor) -> None:
    mandates = world.directory.mandates
    world.add("one@ville.fr")
    for refused in (
        lambda: mandates.add(referent, "one@ville.fr", "a-rh", ("bip",)),
        lambda: mandates.remove(referent, "referent@ville.fr", "a"),
        lambda: mandates.add_central(referent, "one@ville.fr"),
        lambda: mandates.remove_central(referent, "correspondant@cig.fr"),
        lambda: mandates.add(central, "correspondant@cig.fr", "a", ("bip",)),
    ):
        with pytest.raises(NotAllowed):
            refused()
    mandates.add(central, "one@ville.fr", "a-rh", ("bip",))


def test_mandate_grows_and_shrinks(world: World) -> None:
    mandates = world.directory.mandates
    subject_id = world.add("one@ville.fr").subject_id
    mandates.add(OPERATOR, "one@ville.fr", "a", ("bip",))
    mandates.add(OPERATOR, "one@ville.fr", "a", ("cap", "cap"))
    assert [len(one.application_ids) for one in world.actor(subject_id).scopes] == [2]
    mandates.remove(OPERATOR, "one@ville.fr", "a", ("bip",))
    assert [len(one.application_ids) for one in world.actor(subject_id).scopes] == [1]
    mandates.remove(OPERATOR, "one@ville.fr", "a")
    assert world.actor(subject_id).scopes == ()
    with pytest.raises(NotFound):
        mandates.remove(OPERATOR, "one@ville.fr", "a")
    with pytest.raises(DirectoryError):
        mandates.add(OPERATOR, "one@ville.fr", "a", ())
    with pytest.raises(NotFound):
        mandates.add(OPERATOR, "one@ville.fr", "a", ("unknown",))


def test_last_correspondant_stays(world: World, central: Actor) -> None:
    mandates = world.directory.mandates
    for actor in (OPERATOR, central):
        with pytest.raises(DirectoryError, match="last central"):
            mandates.remove_central(actor, "correspondant@cig.fr")
    world.add("second@cig.fr", "cig")
    mandates.add_central(central, "second@cig.fr")
    with pytest.raises(AlreadyExists):
        mandates.add_central(central, "second@cig.fr")
    world.directory.accounts.lock(OPERATOR, "second@cig.fr")
    with pytest.raises(DirectoryError, match="last central"):
        mandates.remove_central(OPERATOR, "correspondant@cig.fr")
    world.directory.accounts.unlock(OPERATOR, "second@cig.fr")
    mandates.remove_central(OPERATOR, "correspondant@cig.fr")
    with pytest.raises(NotFound):
        mandates.remove_central(OPERATOR, "correspondant@cig.fr")


def test_last_correspondant_stays_usable(world: World, central: Actor, clock: FakeClock) -> None:
    assert central
    accounts, now, mail = world.directory.accounts, clock.now(), "correspondant@cig.fr"
    for refused in (
        lambda: accounts.lock(OPERATOR, mail),
        lambda: accounts.set_validity(OPERATOR, mail, now - DAY, now + DAY),
        lambda: accounts.set_validity(OPERATOR, mail, now + DAY, None),
    ):
        with pytest.raises(DirectoryError, match="last central") as error:
            refused()
        assert "dernier correspondant" in error.value.public
    assert world.ended == []
    accounts.set_validity(OPERATOR, mail, now - DAY, None)
    world.add("second@cig.fr", "cig")
    world.directory.mandates.add_central(OPERATOR, "second@cig.fr")
    accounts.lock(OPERATOR, mail)
    with pytest.raises(DirectoryError, match="last central"):
        accounts.lock(OPERATOR, "second@cig.fr")
    accounts.unlock(OPERATOR, mail)
    accounts.set_validity(OPERATOR, mail, now - DAY, now + DAY)


def test_actor_has_his_mandates_in_force_only(
    world: World, referent: Actor, central: Actor, clock: FakeClock
) -> None:
    assert central.central
    assert not referent.central
    assert [len(one.application_ids) for one in referent.scopes] == [1]
    now = clock.now()
    mail = "referent@ville.fr"
    world.directory.mandates.add(OPERATOR, mail, "b", ("bip",), valid_from=now + DAY)
    assert len(world.actor(referent.subject_id).scopes) == 1
    clock.advance(DAY)
    assert len(world.actor(referent.subject_id).scopes) == 2
    with world.core.db.unit_of_work() as session:
        session.execute(
            update(Structure).where(Structure.code == "a").values(closed_at=clock.now())
        )
    assert len(world.actor(referent.subject_id).scopes) == 1
    world.directory.accounts.lock(OPERATOR, mail)
    assert actors.load(world.core, referent.subject_id) is None
    assert actors.load(world.core, "nobody") is None
    assert world.statements(lambda: actors.load(world.core, central.subject_id)) == 1


# --- the SQL directory -----------------------------------------------------------------------


def test_statements_of_each_call(world: World, services: Services) -> None:
    directory = services.directory
    subject_id = world.add("one@ville.fr").subject_id
    for role in ("r1", "r2"):
        world.directory.assignments.assign(OPERATOR, Grant("one@ville.fr", "a-rh", "bip", role))
    assert world.statements(lambda: directory.find_subject(subject_id)) == 1
    assert world.statements(lambda: directory.entitlements(subject_id, BIP)) == 1
    assert world.statements(lambda: directory.entitlements("nobody", BIP)) == 2
    assert world.statements(lambda: directory.tiles(subject_id)) == 1
    assert world.statements(lambda: directory.referents(subject_id)) == 1
    assert world.statements(lambda: directory.referents(subject_id, BIP)) == 1
    assert world.statements(lambda: directory.profile(subject_id)) == 3


def test_sign_in_notes_the_time_and_rehashes(
    world: World, services: Services, clock: FakeClock
) -> None:
    world.add("one@ville.fr")
    password = "une phrase assez longue"
    settings = services.settings
    old = Passwords(settings.secret, settings.bcrypt_cost + 1).hash(password)
    with world.core.db.unit_of_work() as session:
        session.execute(
            update(Account).where(Account.mail_key == "one@ville.fr").values(password_hash=old)
        )
    clock.advance(DAY)
    directory = services.directory
    subject = directory.authenticate("one@ville.fr", password)
    assert world.statements(lambda: directory.note_sign_in(subject)) <= 2, "BEGIN and UPDATE"
    with world.core.db.reading() as session:
        account = session.scalars(select(Account).where(Account.mail_key == "one@ville.fr")).one()
    assert account.last_sign_in_at == clock.now()
    assert account.password_hash not in {None, old}
    assert directory.authenticate("one@ville.fr", password) == subject, "no other password"
    checked = world.statements(lambda: directory.authenticate("one@ville.fr", password))
    assert checked == 1, "nothing is written"


def test_password_changed_while_the_old_one_is_hashed_stays(
    world: World, services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("one@ville.fr")
    settings = services.settings
    accounts = world.directory.accounts
    old, new = "une phrase assez longue", "une autre phrase longue"
    accounts.set_password(OPERATOR, "one@ville.fr", old)
    costlier = Passwords(settings.secret, settings.bcrypt_cost + 1)
    with world.core.db.unit_of_work() as session:
        session.execute(update(Account).values(password_hash=costlier.hash(old)))
    real = Passwords.needs_rehash

    def meanwhile(self: Passwords, stored: str) -> bool:
        monkeypatch.undo()
        clock.advance(DAY)
        accounts.set_password(OPERATOR, "one@ville.fr", new)
        return real(self, stored)

    monkeypatch.setattr(Passwords, "needs_rehash", meanwhile)
    subject = services.directory.authenticate("one@ville.fr", old)
    with pytest.raises(BadCredentials):
        services.directory.note_sign_in(subject)
    assert services.directory.authenticate("one@ville.fr", new)


def test_attaching_and_detaching_are_journalled(world: World, services: Services) -> None:
    services.directory.detach(BIP)
    services.directory.detach(BIP)
    services.directory.attach(BIP, "cap")
    assert world.events()[-3:] == [
        "application.attached",
        "application.detached",
        "application.attached",
    ]


def test_no_connection_is_held_while_hashing(
    world: World, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy: list[int] = []
    real = Passwords.verify

    def verify(self: Passwords, password: str, stored: str | None) -> None:
        busy.append(world.core.db.engine.pool.checkedout())  # type: ignore[attr-defined]
        real(self, password, stored)

    world.directory.accounts.set_password(
        OPERATOR, world.add("one@ville.fr").mail, "une phrase assez longue"
    )
    monkeypatch.setattr(Passwords, "verify", verify)
    services.directory.authenticate("one@ville.fr", "une phrase assez longue")
    assert busy == [0]


def test_a_mandate_lasts_until_the_end_of_what_it_began(
    world: World, referent: Actor, central: Actor
) -> None:
    def withdraw() -> None:
        world.directory.mandates.remove(OPERATOR, "referent@ville.fr", "a")

    with ThreadPoolExecutor(1) as pool:
        with world.core.db.unit_of_work():
            actors.require_still(world.core, referent)
            withdrawn = pool.submit(withdraw)
            assert wait([withdrawn], timeout=0.2).not_done, "it waits"
        withdrawn.result(timeout=10)
    with pytest.raises(RightsChanged), world.core.db.unit_of_work():
        actors.require_still(world.core, referent)
    world.directory.mandates.add(OPERATOR, "correspondant@cig.fr", "a", ("bip",))
    with world.core.db.unit_of_work():
        actors.require_still(world.core, central)
    world.directory.mandates.add_central(OPERATOR, "referent@ville.fr")
    world.directory.accounts.lock(OPERATOR, "correspondant@cig.fr")
    with pytest.raises(RightsChanged), world.core.db.unit_of_work():
        actors.require_still(world.core, central)
