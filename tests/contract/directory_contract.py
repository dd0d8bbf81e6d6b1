"""What every ``IDirectory`` must do: the text of idp/interfaces.py, one test after another."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from idp.errors import AccountUnusable, AlreadyExists, BadCredentials, NotFound
from idp.interfaces import IDirectory
from idp.types import Entitlement, HeldRole, NotEntitled, Referent, RoleLine
from tests.common.clock import FakeClock
from tests.common.memory_directory import MemoryDirectory
from tests.contract.sql_directory import FilledSqlDirectory

BIP = "https://bip.example/metadata"
CAP = "https://cap.example/metadata"
PASSWORD = "une phrase assez longue"
DAY = timedelta(days=1)
NOT_YET_OPEN = "Cette application n'est pas encore ouverte."
CLOSED = "Cette application est fermée."

Directory = MemoryDirectory | FilledSqlDirectory
Cost = Callable[[], tuple[int, int]]


class DirectoryContract:
    """Needs the fixtures ``empty`` (a directory) and ``cost`` (statements and hashes so far)."""

    @pytest.fixture
    def directory(self, empty: Directory) -> Directory:
        """A tree of two collectivités, two applications with two roles each."""
        empty.add_structure("cig", "cig-pc")
        empty.add_structure("a", "Ville A", parent="cig", siret="21930000100019")
        empty.add_structure("a-rh", "Ressources humaines", parent="a")
        empty.add_structure("a-paie", "Paie", parent="a-rh")
        empty.add_structure("b", "Ville B", parent="cig", siret="21940000200016")
        empty.add_application("bip", "BIP", entity_id=BIP, description="Fiches", icon="bip")
        empty.add_application("cap", "Net-CAP", entity_id=CAP)
        empty.add_role("bip", "lecteur", "Lecteur", "LECT")
        empty.add_role("bip", "redacteur", "Rédacteur", "RED")
        empty.add_role("cap", "gestionnaire", "Gestionnaire CAP coll./EP")
        return empty

    @pytest.fixture
    def person(self, directory: Directory) -> str:
        """Somebody with a password and without a structure; his subject id."""
        return directory.add_account("Leila@ville-a.fr", "Leïla", "Benali", password=PASSWORD)

    @pytest.fixture
    def membership(self, directory: Directory, person: str) -> str:
        """His membership of the service Paie, with the role Lecteur on BIP."""
        membership = directory.add_membership(person, "a-paie")
        directory.assign(membership, "bip", "lecteur")
        return membership

    @staticmethod
    def entitled(directory: Directory, person: str, entity_id: str = BIP) -> bool:
        return isinstance(directory.entitlements(person, entity_id), tuple)

    def test_it_is_a_directory(self, directory: Directory) -> None:
        plugged: IDirectory = directory
        assert plugged.application_label(BIP) == "BIP"

    # --- authenticate ------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "login", ["Leila@ville-a.fr", "leila@VILLE-A.fr", "  leila@ville-a.fr "]
    )
    def test_signs_in_whatever_the_case(
        self, directory: Directory, person: str, login: str, clock: FakeClock
    ) -> None:
        subject = directory.authenticate(login, PASSWORD)
        assert (subject.id, subject.login) == (person, "Leila@ville-a.fr")
        assert (subject.given_name, subject.sn) == ("Leïla", "Benali")
        assert subject.password_changed_at == clock.now()

    @pytest.mark.parametrize("password", ["une phrase assez longuE", "", PASSWORD + " ", "é" * 300])
    def test_refuses_a_wrong_password(
        self, directory: Directory, person: str, password: str
    ) -> None:
        with pytest.raises(BadCredentials) as refused:
            directory.authenticate("leila@ville-a.fr", password)
        assert refused.value.subject_id == person, "for the journal"

    def test_refuses_an_unknown_login(self, directory: Directory, person: str) -> None:
        assert person
        with pytest.raises(BadCredentials) as refused:
            directory.authenticate("nobody@ville-a.fr", PASSWORD)
        assert refused.value.subject_id is None

    @pytest.mark.parametrize("password", ["", "None", PASSWORD])
    def test_refuses_an_account_without_password(self, directory: Directory, password: str) -> None:
        directory.add_account("new@ville-a.fr")
        with pytest.raises(BadCredentials):
            directory.authenticate("new@ville-a.fr", password)

    def test_locked_account_is_told_only_with_the_right_password(
        self, directory: Directory, person: str
    ) -> None:
        directory.lock(person)
        with pytest.raises(AccountUnusable) as refused:
            directory.authenticate("leila@ville-a.fr", PASSWORD)
        assert refused.value.subject_id == person
        with pytest.raises(BadCredentials):
            directory.authenticate("leila@ville-a.fr", "wrong")
        directory.unlock(person)
        assert directory.authenticate("leila@ville-a.fr", PASSWORD).id == person

    def test_deleted_account_is_unusable(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        assert membership
        directory.delete(person)
        with pytest.raises(AccountUnusable):
            directory.authenticate("leila@ville-a.fr", PASSWORD)

    def test_account_is_usable_within_its_dates_only(
        self, directory: Directory, person: str, clock: FakeClock
    ) -> None:
        start = clock.now() + DAY
        directory.set_validity(person, start, start + DAY)
        with pytest.raises(AccountUnusable):
            directory.authenticate("leila@ville-a.fr", PASSWORD)
        clock.advance(DAY)
        assert directory.authenticate("leila@ville-a.fr", PASSWORD).id == person
        clock.advance(DAY)
        with pytest.raises(AccountUnusable):
            directory.authenticate("leila@ville-a.fr", PASSWORD)

    def test_unknown_and_known_logins_cost_the_same(
        self, directory: Directory, person: str, cost: Cost
    ) -> None:
        directory.add_account("new@ville-a.fr")
        assert person
        costs = set()
        for login in ("leila@ville-a.fr", "nobody@ville-a.fr", "new@ville-a.fr", ""):
            before = cost()
            with pytest.raises(BadCredentials):
                directory.authenticate(login, "a wrong password")
            after = cost()
            costs.add((after[0] - before[0], after[1] - before[1]))
        assert len(costs) == 1
        assert costs.pop()[1] == 1

    # --- note_sign_in ------------------------------------------------------------------------

    def test_sign_in_is_noted_when_it_is_told(
        self, directory: Directory, person: str, clock: FakeClock
    ) -> None:
        subject = directory.authenticate("leila@ville-a.fr", PASSWORD)
        assert directory.last_sign_in_at(person) is None, "the password alone is no sign-in"
        clock.advance(DAY)
        directory.note_sign_in(subject)
        assert directory.last_sign_in_at(person) == clock.now()

    @pytest.mark.parametrize("gone", ["password", "locked", "deleted", "expired", "not-yet-valid"])
    def test_sign_in_is_refused_when_what_was_checked_is_gone(
        self, directory: Directory, person: str, membership: str, clock: FakeClock, gone: str
    ) -> None:
        assert membership
        subject = directory.authenticate("leila@ville-a.fr", PASSWORD)
        clock.advance(DAY)
        match gone:
            case "password":
                directory.set_password(person, PASSWORD)
            case "locked":
                directory.lock(person)
            case "deleted":
                directory.delete(person)
            case "expired":
                directory.set_validity(person, clock.now() - DAY, clock.now())
            case "not-yet-valid":
                directory.set_validity(person, clock.now() + DAY, None)
        with pytest.raises(BadCredentials) as refused:
            directory.note_sign_in(subject)
        assert refused.value.subject_id == person
        assert directory.last_sign_in_at(person) is None

    def test_sign_in_of_nobody_is_refused(self, directory: Directory, person: str) -> None:
        subject = replace(directory.authenticate("leila@ville-a.fr", PASSWORD), id="nobody")
        with pytest.raises(BadCredentials):
            directory.note_sign_in(subject)
        assert directory.last_sign_in_at(person) is None

    # --- find_subject ------------------------------------------------------------------------

    def test_finds_a_usable_person_only(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        assert membership
        found = directory.find_subject(person)
        assert found is not None
        assert found == directory.authenticate("leila@ville-a.fr", PASSWORD)
        assert directory.find_subject("nobody") is None
        directory.lock(person)
        assert directory.find_subject(person) is None
        directory.unlock(person)
        assert directory.find_subject(person) is not None
        directory.delete(person)
        assert directory.find_subject(person) is None

    def test_finds_a_person_within_his_dates_only(
        self, directory: Directory, person: str, clock: FakeClock
    ) -> None:
        start = clock.now() + DAY
        directory.set_validity(person, start, start + DAY)
        found = []
        for _ in range(3):
            found.append(directory.find_subject(person) is not None)
            clock.advance(DAY)
        assert found == [False, True, False]

    def test_a_subjects_id_may_be_sent_to_an_sp_and_outlives_his_address_and_structure(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        """[SAMLSubj] 3.3; "Leila" or "leila@ville-a.fr" must not be read in it."""
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9=-]{0,126}", person)
        assert "leila" not in person.lower()
        directory.change_mail(person, "l.martin@ville-b.fr")
        directory.remove_membership(membership)
        directory.assign(directory.add_membership(person, "b"), "bip", "redacteur")
        subject = directory.authenticate("l.martin@ville-b.fr", PASSWORD)
        assert (subject.id, subject.login) == (person, "l.martin@ville-b.fr")
        found = directory.entitlements(person, BIP)
        assert isinstance(found, tuple)
        assert [(one.subject_id, one.mail) for one in found] == [(person, "l.martin@ville-b.fr")]
        another = directory.add_account("leila@ville-a.fr")
        assert another.lower() != person.lower(), "never reassigned, whoever gets the old address"

    # --- entitlements ------------------------------------------------------------------------

    def test_entitlement_tells_all_of_one_membership(
        self, directory: Directory, person: str, clock: FakeClock
    ) -> None:
        membership = directory.add_membership(
            person, "a-paie", service="Solde", function="Chef", application_id="L42", phone="01"
        )
        directory.assign(membership, "bip", "lecteur")
        directory.assign(membership, "bip", "redacteur")
        directory.assign(membership, "cap", "gestionnaire")
        assert directory.entitlements(person, BIP) == (
            Entitlement(
                subject_id=person,
                membership_id=membership,
                mail="Leila@ville-a.fr",
                uid="Leila@ville-a.fr",
                given_name="Leïla",
                sn="Benali",
                structure_code="a-paie",
                structure_label="Paie",
                structure_path="cig-pc / Ville A / Ressources humaines / Paie",
                roles=(HeldRole("LECT", "Lecteur"), HeldRole("RED", "Rédacteur")),
                siret="21930000100019",
                service="Solde",
                function="Chef",
                application_id="L42",
                phone="01",
                password_changed_at=clock.now(),
            ),
        )

    def test_one_entitlement_for_each_membership_by_path(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        other = directory.add_membership(person, "b")
        directory.assign(other, "bip", "redacteur")
        without = directory.add_membership(person, "a")
        directory.assign(without, "cap", "gestionnaire")
        found = directory.entitlements(person, BIP)
        assert isinstance(found, tuple)
        assert [(one.membership_id, one.roles) for one in found] == [
            (membership, (HeldRole("LECT", "Lecteur"),)),
            (other, (HeldRole("RED", "Rédacteur"),)),
        ]

    def test_roles_of_other_applications_open_nothing(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        assert membership
        refused = directory.entitlements(person, CAP)
        assert isinstance(refused, NotEntitled)
        assert (refused.application_label, refused.closed_message) == ("Net-CAP", None)
        assert refused.referents

    def test_roles_of_other_people_open_nothing(
        self, directory: Directory, membership: str
    ) -> None:
        assert membership
        other = directory.add_account("other@ville-a.fr", structure="a-paie")
        assert not self.entitled(directory, other)

    def test_withdrawn_role_is_gone_at_once(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        assert self.entitled(directory, person)
        directory.unassign(membership, "bip", "lecteur")
        assert not self.entitled(directory, person)

    def test_role_is_in_force_within_its_dates_only(
        self, directory: Directory, person: str, clock: FakeClock
    ) -> None:
        membership = directory.add_membership(person, "a-paie")
        start = clock.now() + DAY
        directory.assign(membership, "bip", "lecteur", valid_from=start, valid_until=start + DAY)
        found = []
        for _ in range(3):
            found.append(self.entitled(directory, person))
            clock.advance(DAY)
        assert found == [False, True, False]

    def test_membership_is_valid_within_its_dates_only(
        self, directory: Directory, person: str, membership: str, clock: FakeClock
    ) -> None:
        start = clock.now() + DAY
        directory.set_membership_validity(membership, start, start + DAY)
        found = []
        for _ in range(3):
            found.append((self.entitled(directory, person), len(directory.tiles(person))))
            clock.advance(DAY)
        assert found == [(False, 0), (True, 1), (False, 0)]

    @pytest.mark.parametrize(
        "closed", ["suspended", "removed", "locked", "deleted", "structure", "above", "unconfirmed"]
    )
    def test_grants_nothing(
        self, directory: Directory, person: str, membership: str, closed: str
    ) -> None:
        assert self.entitled(directory, person)
        match closed:
            case "suspended":
                directory.suspend(membership)
            case "removed":
                directory.remove_membership(membership)
            case "locked":
                directory.lock(person)
            case "deleted":
                directory.delete(person)
            case "structure":
                directory.close_structure("a-paie")
            case "above":
                directory.close_structure("a")
            case "unconfirmed":
                directory.unassign(membership, "bip", "lecteur")
                waiting = directory.add_membership(person, "b", confirmed=False)
                directory.assign(waiting, "bip", "redacteur")
        refused = directory.entitlements(person, BIP)
        assert isinstance(refused, NotEntitled)
        assert (refused.application_label, refused.closed_message) == ("BIP", None)
        assert directory.tiles(person) == ()

    def test_account_out_of_its_dates_is_entitled_to_nothing(
        self, directory: Directory, person: str, membership: str, clock: FakeClock
    ) -> None:
        assert membership
        directory.set_validity(person, clock.now() - DAY, clock.now())
        assert not self.entitled(directory, person)
        assert directory.tiles(person) == ()

    def test_closing_one_structure_leaves_the_other(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        other = directory.add_membership(person, "b")
        directory.assign(other, "bip", "redacteur")
        assert membership
        directory.close_structure("a")
        found = directory.entitlements(person, BIP)
        assert isinstance(found, tuple)
        assert [one.membership_id for one in found] == [other]

    def test_unknown_person_and_unknown_entity(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        assert membership
        stranger = directory.entitlements("nobody", BIP)
        assert isinstance(stranger, NotEntitled)
        assert stranger.application_label == "BIP"
        nowhere = directory.entitlements(person, "https://unknown.example")
        assert isinstance(nowhere, NotEntitled)
        assert nowhere.application_label == "https://unknown.example"
        assert nowhere.closed_message is None
        for refused in (stranger, nowhere):
            assert [one.mail for one in refused.referents] == [self.correspondant(directory)]

    # --- closed applications and tiles -------------------------------------------------------

    @pytest.mark.parametrize("message", ["Maintenance jusqu'à lundi.", None])
    def test_application_is_open_within_its_dates_only(
        self, directory: Directory, person: str, clock: FakeClock, message: str | None
    ) -> None:
        self.add_dated_application(directory, clock.now() + DAY, message)
        membership = directory.add_membership(person, "a-paie")
        directory.assign(membership, "crm", "usager")
        entity_id = "https://crm.example"
        for expected in (message or NOT_YET_OPEN, None, message or CLOSED):
            found = directory.entitlements(person, entity_id)
            (tile,) = directory.tiles(person)
            assert tile.code == "crm"
            # A tile is open if and only if sign-on would succeed, and says why it is not.
            assert tile.closed_message == expected
            assert isinstance(found, tuple) == (expected is None)
            if isinstance(found, NotEntitled):
                assert found.closed_message == expected
            clock.advance(DAY)

    @staticmethod
    def add_dated_application(directory: Directory, start: datetime, message: str | None) -> None:
        directory.add_application(
            "crm",
            "CRM",
            entity_id="https://crm.example",
            opens_at=start,
            closes_at=start + DAY,
            closed_message=message,
        )
        directory.add_role("crm", "usager", "Usager")

    def test_closed_application_says_so_to_everybody(
        self, directory: Directory, person: str, clock: FakeClock
    ) -> None:
        self.add_dated_application(directory, clock.now() + DAY, "Ouvre demain.")
        refused = directory.entitlements(person, "https://crm.example")
        assert isinstance(refused, NotEntitled)
        assert refused.closed_message == "Ouvre demain."

    def test_tiles_are_those_with_a_role_by_label(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        directory.add_application("aide", "Écrits", start_url="https://aide.example/")
        directory.add_role("aide", "lecteur", "Lecteur")
        directory.add_application("vide", "Vide", entity_id="https://vide.example")
        directory.add_role("vide", "r", "R")
        directory.assign(membership, "aide", "lecteur")
        directory.assign(membership, "bip", "redacteur")
        bip, aide = directory.tiles(person)
        assert (bip.code, bip.label, bip.description, bip.icon) == ("bip", "BIP", "Fiches", "bip")
        assert (bip.entity_id, bip.start_url, bip.closed_message) == (BIP, None, None)
        assert (aide.label, aide.entity_id) == ("Écrits", None)
        assert (aide.start_url, aide.closed_message) == ("https://aide.example/", None)
        assert directory.tiles("nobody") == ()

    def test_tile_that_leads_nowhere_is_not_shown_as_open(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        directory.add_application("futur", "Futur")
        directory.add_role("futur", "r", "R")
        directory.assign(membership, "futur", "r")
        tile = next(one for one in directory.tiles(person) if one.code == "futur")
        assert tile.closed_message

    # --- référents ---------------------------------------------------------------------------

    def correspondant(self, directory: Directory) -> str:
        """The address that answers when there is no référent."""
        (referent,) = directory.referents("nobody")
        assert referent.display_name.startswith("Correspondant ")
        assert "@" in referent.mail
        return referent.mail

    def referent(self, directory: Directory, name: str, structure: str, *applications: str) -> str:
        subject = directory.add_account(f"{name.lower()}@ville-a.fr", name, "Référent", "a-rh")
        directory.add_mandate(subject, structure, applications or ("bip", "cap"))
        return subject

    def names(self, directory: Directory, person: str, entity_id: str | None = None) -> list[str]:
        return [
            one.display_name.partition(" ")[0] for one in directory.referents(person, entity_id)
        ]

    def test_nearest_referent_first_then_by_name(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        assert membership
        self.referent(directory, "Ville", "a")
        self.referent(directory, "Region", "cig")
        self.referent(directory, "Zoe", "a-paie")
        self.referent(directory, "Anna", "a-paie")
        self.referent(directory, "Ailleurs", "b")
        assert self.names(directory, person) == ["Anna", "Zoe", "Ville", "Region"]
        first = directory.referents(person)[0]
        assert first == Referent("Anna RÉFÉRENT", "anna@ville-a.fr")

    def test_the_shortest_way_counts(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        assert membership
        directory.add_membership(person, "b")
        self.referent(directory, "Ville", "a")
        self.referent(directory, "Voisin", "b")
        both = self.referent(directory, "Deux", "cig")
        directory.add_mandate(both, "b", ("bip",))
        assert self.names(directory, person) == ["Deux", "Voisin", "Ville"]

    def test_only_those_who_administer_the_application(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        assert membership
        self.referent(directory, "Cap", "a-paie", "cap")
        self.referent(directory, "Bip", "a", "bip")
        assert self.names(directory, person, BIP) == ["Bip"]
        assert self.names(directory, person, CAP) == ["Cap"]
        refused = directory.entitlements(person, CAP)
        assert isinstance(refused, NotEntitled)
        assert refused.referents == directory.referents(person, CAP)
        unknown = directory.referents(person, "https://unknown.example")
        assert [one.mail for one in unknown] == [self.correspondant(directory)]

    def test_below_is_not_above(self, directory: Directory, person: str, membership: str) -> None:
        assert membership
        directory.add_structure("a-paie-1", "Guichet", parent="a-paie")
        self.referent(directory, "Dessous", "a-paie-1")
        assert [one.mail for one in directory.referents(person)] == [self.correspondant(directory)]

    def test_unusable_referents_are_not_named(
        self, directory: Directory, person: str, membership: str, clock: FakeClock
    ) -> None:
        assert membership
        directory.lock(self.referent(directory, "Verrou", "a"))
        old = self.referent(directory, "Ancien", "a")
        directory.set_validity(old, clock.now() - DAY, clock.now())
        gone = directory.add_account("parti@ville-a.fr", "Parti", "Référent", "a-rh")
        directory.add_mandate(gone, "a", ("bip",))
        directory.delete(gone)
        assert [one.mail for one in directory.referents(person)] == [self.correspondant(directory)]

    def test_mandate_is_in_force_within_its_dates_only(
        self, directory: Directory, person: str, membership: str, clock: FakeClock
    ) -> None:
        assert membership
        start = clock.now() + DAY
        subject = directory.add_account("bref@ville-a.fr", "Bref", "Référent", "a-rh")
        directory.add_mandate(subject, "a", ("bip",), valid_from=start, valid_until=start + DAY)
        found = []
        for _ in range(3):
            found.append(self.names(directory, person))
            clock.advance(DAY)
        assert found == [["Correspondant"], ["Bref"], ["Correspondant"]]

    def test_mandate_on_a_closed_structure_is_none(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        assert membership
        self.referent(directory, "Ville", "a")
        directory.close_structure("a")
        assert self.names(directory, person) == ["Correspondant"]

    def test_nobody_is_his_own_referent(self, directory: Directory) -> None:
        subject = self.referent(directory, "Seul", "a")
        assert self.names(directory, subject) == ["Correspondant"]
        self.referent(directory, "Autre", "a")
        assert self.names(directory, subject) == ["Autre"]

    def test_unconfirmed_membership_names_no_referent(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        assert membership
        directory.add_membership(person, "b", confirmed=False)
        self.referent(directory, "Voisin", "b")
        assert self.names(directory, person) == ["Correspondant"]

    def test_suspended_person_still_learns_whom_to_ask(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        self.referent(directory, "Ville", "a")
        directory.suspend(membership)
        assert self.names(directory, person, BIP) == ["Ville"]

    # --- profile, labels, attach -------------------------------------------------------------

    def test_profile(
        self, directory: Directory, person: str, membership: str, clock: FakeClock
    ) -> None:
        directory.assign(membership, "cap", "gestionnaire")
        directory.assign(membership, "bip", "redacteur", valid_from=clock.now() + DAY)
        other = directory.add_membership(person, "b")
        directory.assign(other, "bip", "redacteur")
        directory.add_membership(person, "a", confirmed=False)
        profile = directory.profile(person)
        assert profile is not None
        assert profile.subject == directory.find_subject(person)
        paie = "cig-pc / Ville A / Ressources humaines / Paie"
        assert profile.structure_paths == (paie, "cig-pc / Ville B")
        assert profile.roles == (
            RoleLine("BIP", "Lecteur", paie),
            RoleLine("BIP", "Rédacteur", "cig-pc / Ville B"),
            RoleLine("Net-CAP", "Gestionnaire CAP coll./EP", paie),
        )

    def test_no_profile_for_whom_find_subject_does_not_find(
        self, directory: Directory, person: str
    ) -> None:
        assert directory.profile("nobody") is None
        directory.lock(person)
        assert directory.profile(person) is None

    def test_application_label(self, directory: Directory) -> None:
        assert directory.application_label(CAP) == "Net-CAP"
        assert directory.application_label("https://unknown.example") == "https://unknown.example"

    def test_attach_takes_nothing_away_unless_told(
        self, directory: Directory, person: str, membership: str
    ) -> None:
        assert membership
        directory.attach(BIP, "bip")
        for entity_id, code in (("https://new.example", "bip"), (BIP, "cap")):
            with pytest.raises(AlreadyExists):
                directory.attach(entity_id, code)
        assert self.entitled(directory, person)
        assert directory.application_code(BIP) == "bip"
        assert directory.application_code("https://new.example") is None

    def test_attach_replaces(self, directory: Directory, person: str, membership: str) -> None:
        assert membership
        directory.attach("https://new.example", "bip", replace=True)
        assert self.entitled(directory, person, "https://new.example")
        assert not self.entitled(directory, person, BIP)
        assert directory.application_label(BIP) == BIP
        directory.attach("https://new.example", "bip")
        directory.attach("https://new.example", "cap", replace=True)
        assert directory.application_code("https://new.example") == "cap"
        assert directory.application_label("https://new.example") == "Net-CAP"
        assert not self.entitled(directory, person, "https://new.example")
        assert directory.tiles(person)[0].entity_id is None

    def test_attach_to_an_unknown_application(self, directory: Directory) -> None:
        with pytest.raises(NotFound):
            directory.attach("https://new.example", "unknown")

    def test_detach(self, directory: Directory, person: str, membership: str) -> None:
        assert membership
        directory.detach(BIP)
        assert directory.application_label(BIP) == BIP
        assert not self.entitled(directory, person)
        assert directory.tiles(person)[0].entity_id is None
        assert directory.application_label(CAP) == "Net-CAP"
        directory.detach(BIP)
        directory.detach("https://unknown.example")
        directory.attach(BIP, "bip")
        assert self.entitled(directory, person)
