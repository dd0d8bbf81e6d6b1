"""Two référents at once, and what ends in the middle: nothing is lost, the slower one is told."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from time import sleep
from unittest.mock import patch

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import selectinload
from webtest import TestApp, TestResponse

from directory import actors
from directory.authorisation import OPERATOR, Actor
from directory.models import Account, Assignment, Membership, Role
from directory.services import build
from directory.services.accounts.address_change import AddressChanges
from directory.services.accounts.changes import Added, Person
from directory.services.accounts.edits import Edits
from directory.services.removal.bin import Removal
from directory.services.removal.binned import MembershipInBin
from directory.services.rights.administered import RoleRef
from directory.services.rights.assignments import Grant
from directory.services.rights.role_members import RoleMembers
from idp.errors import AlreadyExists, NotAllowed, NotFound
from idp.services import Core, Services
from tests.common.clock import FakeClock
from tests.common.databases import Databases
from tests.common.settings import make_settings
from tests.common.threads import at_once
from tests.conftest import furnished
from tests.functional.aia_realm import Realm, post
from tests.functional.conftest import text_of

LEA, FIRST, SECOND = "lea@demo.example", "un@demo.example", "deux@demo.example"
GEST, LECT = "/aia/applications/bip/gest", "/aia/applications/bip/lect"
USERS = "/aia/utilisateurs"


@pytest.fixture
def directory_plugin() -> str:
    """The SQL directory."""
    return "directory.plugin.build"


class Town:
    """Léa of the RH, two référents of the town, each in front of his own browser."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        directory = realm.directory
        directory.structures.add(OPERATOR, "ville", "Ville")
        directory.structures.add(OPERATOR, "rh", "Personnel", parent="ville")
        directory.applications.add(OPERATOR, "bip", "BIP", single_role=True)
        for code, label in (("gest", "Gestionnaire"), ("lect", "Lecteur")):
            directory.applications.add_role(OPERATOR, "bip", code, label)
        for mail, structure in ((LEA, "rh"), (FIRST, "ville"), (SECOND, "ville")):
            directory.accounts.add(OPERATOR, Person(mail, "Noël", "Léa"), structure, no_mail=True)
        for mail in (FIRST, SECOND):
            directory.mandates.add(OPERATOR, mail, "ville", ("bip",))
        realm.give_password(FIRST, SECOND)
        self.first, self.second = realm.browser(FIRST), realm.browser(SECOND)
        with realm.services.db.reading() as session:
            self.lea, self.membership = session.execute(
                select(Account.subject_id, Membership.public_id)
                .join(Membership.account)
                .where(Account.mail == LEA)
            ).one()

    def held(self) -> list[str]:
        """Codes of her roles."""
        with self.realm.services.db.reading() as session:
            return list(session.scalars(select(Role.code).join(Assignment)))

    def give(self, browser: TestApp, role: str) -> TestResponse:
        fields = [("membre", self.membership), ("affecter", "1")]
        return post(browser, f"{role}/affecter", fields)

    def user(self, browser: TestApp, action: str) -> TestResponse:
        return post(browser, f"{USERS}/{self.lea}/{action}")

    def deletion(self, browser: TestApp) -> Callable[[], TestResponse]:
        """The form of it, which he has read."""
        form = browser.get(f"{USERS}/{self.lea}/supprimer").forms["suppression"]
        return partial(form.submit, None, expect_errors=True)


@pytest.fixture
def town(services: Services, app: TestApp, tmp_path: Path) -> Town:
    return Town(Realm(services, app, tmp_path))


def answers(outcomes: Sequence[object]) -> list[TestResponse]:
    """The slower one last."""
    got = [each for each in outcomes if isinstance(each, TestResponse)]
    assert len(got) == len(outcomes), outcomes
    return sorted(got, key=lambda answer: answer.status_int)


def test_one_of_two_roles_of_a_single_role_application_is_given(town: Town) -> None:
    done, refused = answers(
        at_once(partial(town.give, town.first, GEST), partial(town.give, town.second, LECT))
    )
    assert (done.status_int, refused.status_int) == (303, 400)
    assert len(town.held()) == 1
    assert "« BIP » n'accepte qu'un rôle par personne : retirez d'abord" in text_of(refused)


def test_somebody_is_deleted_while_he_is_given_a_role(town: Town) -> None:
    """Neither waits for the other for good, and no role is lost unread."""
    deleted, given = at_once(town.deletion(town.first), partial(town.give, town.second, GEST))
    assert isinstance(deleted, TestResponse)
    assert isinstance(given, TestResponse)
    if given.status_int == 303:
        assert deleted.status_int == 409
        assert "La situation a changé" in text_of(deleted)
        assert town.held() == ["gest"]
    else:
        assert (deleted.status_int, given.status_int) == (303, 404)
        assert "n'est pas, ou n'est plus, dans vos structures" in text_of(given)
        assert town.held() == []


def test_somebody_is_deleted_while_he_is_locked(town: Town) -> None:
    deleted, locked = at_once(
        town.deletion(town.first), partial(town.user, town.second, "verrouiller")
    )
    assert isinstance(deleted, TestResponse)
    assert isinstance(locked, TestResponse)
    assert deleted.status_int == 303
    if locked.status_int != 303:
        assert locked.status_int in {404, 409}
        assert "n'existe pas ou plus" in text_of(locked) or "dans la corbeille" in text_of(locked)
    with town.realm.services.db.reading() as session:
        account = session.scalars(select(Account).where(Account.subject_id == town.lea)).one()
        assert account.deleted_at is not None
        assert account.locked == (locked.status_int == 303)


def test_whose_mandate_ended_since_he_opened_the_page_is_told(town: Town) -> None:
    town.first.get(f"{LECT}/affecter", status=200)
    town.realm.directory.mandates.remove(OPERATOR, FIRST, "ville")
    for answer in (town.give(town.first, LECT), town.user(town.first, "verrouiller")):
        assert answer.status_int == 404
        assert answer.html.h1.text == "Vous n'avez pas accès à cette page"
        assert "Vous n'avez pas, ou plus, de mandat de référent" in text_of(answer)
        assert "Rien n'a été enregistré" in text_of(answer)
    assert town.held() == []


def test_what_is_decided_with_a_mandate_is_not_done_without_it(town: Town) -> None:
    """Withdrawn between the decision and the change, by somebody who was faster."""
    load, decided = actors.load, []

    def load_then_withdraw(core: Core, subject_id: str) -> Actor | None:
        actor = load(core, subject_id)
        if actor is not None and actor.scopes and not decided:
            decided.append(actor)
            town.realm.directory.mandates.remove(OPERATOR, FIRST, "ville")
        return actor

    with patch.object(actors, "load", load_then_withdraw):
        answer = town.give(town.first, GEST)
    assert decided, "he was let in"
    assert answer.status_int == 409
    assert "Vos droits d'administration viennent de changer" in text_of(answer)
    assert town.held() == []


# --- what one transaction has done and another has not seen yet --------------------------------


class Late:
    """Two towns on PostgreSQL, and people whom two transactions are at."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.directory = build(core)
        self.directory.applications.add(OPERATOR, "bip", "BIP")
        self.directory.applications.add_role(OPERATOR, "bip", "gest", "Gestionnaire")
        for code in ("ville", "bourg"):
            self.directory.structures.add(OPERATOR, code, code.capitalize())
        self.here, self.there = self._referent("ville"), self._referent("bourg")

    def add(self, mail: str, structure: str = "ville", actor: Actor = OPERATOR) -> Added:
        person = Person(mail, "Noël", "Léa")
        return self.directory.accounts.add(actor, person, structure, no_mail=True)

    def account(self, mail: str) -> Account:
        with self.core.db.reading() as session:
            options = selectinload(Account.memberships).joinedload(Membership.structure)
            return session.scalars(
                select(Account).where(Account.mail == mail).options(options)
            ).one()

    def living(self, mail: str) -> dict[str, bool]:
        """The structures of what is not in the bin, and whether it is confirmed."""
        account = self.account(mail)
        assert account.deleted_at is None, mail
        live = [each for each in account.memberships if each.deleted_at is None]
        return {each.structure.code: each.confirmed_at is not None for each in live}

    def keys(self, mail: str) -> list[str]:
        """What he is searched by in each of his structures."""
        return sorted(each.search_key for each in self.account(mail).memberships)

    def held_keys(self) -> list[str]:
        """What those are searched by who hold a role."""
        with self.core.db.reading() as session:
            return list(session.scalars(select(Assignment.search_key).order_by(Assignment.id)))

    def overtaken(
        self,
        first: Callable[[], object],
        second: Callable[[], object],
        then: Callable[[], object] = lambda: None,
    ) -> object:
        """What ``second`` returned or raised; it began when ``first`` was done, not committed.

        ``then``: what the first transaction does next, once the second is through or waits.
        """
        outcomes: list[object] = []

        def run() -> None:
            try:
                outcomes.append(second())
            except Exception as error:  # noqa: BLE001 - an outcome as any other
                outcomes.append(error)

        thread = Thread(target=run)
        with self.core.db.unit_of_work():
            first()
            thread.start()
            while thread.is_alive() and not self._waits():
                sleep(0.005)
            then()
        thread.join(30)
        (outcome,) = outcomes
        return outcome

    def _waits(self) -> bool:
        waiting = text(
            "SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        with self.core.db.apart():
            return bool(self.core.db.rows(waiting, {}))

    def _referent(self, structure: str) -> Actor:
        added = self.add(f"referent@{structure}.example", structure)
        self.directory.mandates.add(OPERATOR, added.mail, structure, ("bip",))
        actor = actors.load(self.core, added.subject_id)
        assert actor is not None
        return actor


@pytest.fixture
def late(databases: Databases, tmp_path: Path, clock: FakeClock) -> Iterator[Late]:
    """On SQLite a transaction sees nothing half done: it waits before it begins."""
    settings = make_settings(tmp_path, databases.fresh("postgresql", tmp_path))
    with furnished(settings, clock) as services:
        yield Late(services.core)


def test_whoever_is_added_is_not_in_the_bin(late: Late) -> None:
    late.add(LEA)
    added = late.overtaken(
        partial(late.directory.bin.delete, late.here, LEA),
        partial(late.add, LEA, "bourg", late.there),
    )
    assert isinstance(added, Added), added
    assert added.created, "anew, since he could not restore the other's"
    assert late.living(LEA) == {"bourg": True}
    assert late.directory.bin_list.page(late.here).lines == ()


def test_what_somebody_just_lost_is_restored_and_not_replaced(late: Late) -> None:
    """Whoever adds him waits for who removes him, or takes him out of the bin."""
    late.add(LEA)
    late.add(LEA, "bourg")
    grant = Grant(LEA, "ville", "bip", "gest")
    late.directory.assignments.assign(OPERATOR, grant, no_mail=True)
    for first, expected in (
        (late.directory.bin.delete, MembershipInBin),
        (late.directory.bin.restore, AlreadyExists),
    ):
        refused = late.overtaken(
            partial(first, late.here, LEA), partial(late.add, LEA, "ville", late.here)
        )
        assert type(refused) is expected, refused
    assert set(late.living(LEA)) == {"ville", "bourg"}
    sheet = late.directory.accounts.show(OPERATOR, LEA)
    assert [role.role for each in sheet.memberships for role in each.roles] == ["gest"]


def test_what_was_confirmed_is_shared_at_once(late: Late) -> None:
    """Neither deleted with the account, nor taken over with another address."""
    changes = AddressChanges(late.core)
    for mail in (LEA, "max@demo.example"):
        subject_id = late.add(mail).subject_id
        late.add(mail, "bourg", late.there)
        own = Actor(subject_id, late.account(mail).id)
        takes_over = partial(
            changes.change, late.here, subject_id, "autre@demo.example", shown=mail
        )
        second = partial(late.directory.bin.delete, late.here, mail) if mail == LEA else takes_over
        refused = late.overtaken(
            partial(late.directory.memberships.confirm, own, mail, "bourg"), second
        )
        if mail == LEA:
            assert refused == Removal(("Ville",), account=False)
            assert late.living(mail) == {"bourg": True}
        else:
            assert isinstance(refused, NotAllowed), refused
            assert late.living(mail) == {"ville": True, "bourg": True}


def test_nobody_who_was_just_deleted_gets_a_mandate(late: Late) -> None:
    late.add(LEA)
    mandate = partial(late.directory.mandates.add, OPERATOR, LEA, "ville", ("bip",))
    refused = late.overtaken(partial(late.directory.bin.delete, late.here, LEA), mandate)
    assert isinstance(refused, NotFound), refused
    assert late.directory.bin.restore(late.here, LEA).account, "his still, without a mandate"


def test_people_are_searched_by_the_names_that_they_have(late: Late) -> None:
    """Two who change what a key is made of, whoever begins."""
    edits = Edits(late.core)
    subject_id = late.add(LEA).subject_id

    def rename(sn: str) -> None:
        found = edits.open(OPERATOR, subject_id).values
        assert found.account is not None
        account = replace(found.account, sn=sn)
        edits.save(OPERATOR, subject_id, replace(found, account=account), found.version)

    relabel = partial(late.directory.structures.rename, OPERATOR)
    late.overtaken(partial(rename, "Zorglub"), partial(late.add, LEA, "bourg"))
    assert late.keys(LEA) == [f"zorglub\tlea\t{LEA} {name} " for name in ("bourg", "ville")]
    late.overtaken(partial(rename, "Nero"), partial(relabel, "bourg", "Montagne"))
    assert late.keys(LEA) == [f"nero\tlea\t{LEA} {name} " for name in ("montagne", "ville")]
    late.overtaken(partial(relabel, "bourg", "Plaine"), partial(rename, "Noël"))
    assert late.keys(LEA) == [f"noel\tlea\t{LEA} {name} " for name in ("plaine", "ville")]
    late.overtaken(
        partial(relabel, "bourg", "Vallon"), partial(late.add, "max@demo.example", "bourg")
    )
    assert late.keys("max@demo.example") == ["noel\tlea\tmax@demo.example vallon "]
    late.overtaken(partial(late.add, "eve@demo.example", "bourg"), partial(relabel, "bourg", "Pic"))
    assert late.keys("eve@demo.example") == ["noel\tlea\teve@demo.example pic "]
    first, second = (
        partial(late.directory.assignments.assign, OPERATOR, Grant(LEA, code, "bip", "gest"))
        for code in ("ville", "bourg")
    )
    late.overtaken(partial(rename, "Alpha"), first)
    assert late.held_keys() == [f"alpha\tlea\t{LEA} ville "]
    late.overtaken(second, partial(rename, "Beta"))
    assert late.held_keys() == [f"beta\tlea\t{LEA} {name} " for name in ("ville", "pic")]


def test_a_renaming_and_a_selection_do_not_wait_for_each_other_for_good(late: Late) -> None:
    ids = [late.add(f"{name}@demo.example").membership_id for name in ("un", "deux")]
    late.directory.memberships.suspend(OPERATOR, "un@demo.example", "ville")
    late.directory.memberships.resume(OPERATOR, "un@demo.example", "ville")  # now behind the other
    members, gest = RoleMembers(late.core), RoleRef("bip", "gest")
    outcome = late.overtaken(
        partial(members.assign, late.here, gest, ids[:1]),
        partial(late.directory.structures.rename, OPERATOR, "ville", "Cité"),
        then=partial(members.assign, late.here, gest, ids[1:]),
    )
    assert outcome is None, outcome
