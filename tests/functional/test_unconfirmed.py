"""Somebody whom a référent added by his address, before and after he confirms it.

Until then the membership opens nothing: no page, list, file, criterion, order or history tells in
what state the account is. Afterwards each tells all of it.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from webtest import TestResponse

from directory import actors
from directory.authorisation import OPERATOR, Actor
from directory.models import Account, Membership
from directory.services.accounts.changes import Person
from directory.services.accounts.photos import Photos
from directory.services.rights.administered import RoleRef
from directory.services.rights.assignments import Grant
from directory.services.rights.role_members import RoleMembers
from idp.audit import AuditEvent
from idp.context import Origin, acting
from idp.mail import OUTBOX, MailState
from tests.common.clock import START
from tests.common.databases import Databases
from tests.common.photos import image
from tests.functional import aia_scene
from tests.functional.aia_scene import scene_on
from tests.functional.people_scene import USERS, text_of, whole_words

pytestmark = pytest.mark.sqlite_only

LOCKED, NEW = "eve@demo.example", "nina@demo.example"
"""One whose account is locked, bounded and long unused; one who never came."""
OWN = "agent@demo.example"
"""One of his own, who has not confirmed a second structure of his."""
LIST = f"{USERS}?charger=oui"
MEMBERS = "/aia/structures/paie?membres=oui"
ROLE, OTHER_ROLE = "/aia/applications/bip/gest", "/aia/applications/bip/lect"
EXPORTS = (f"{USERS}/export", "/aia/structures/paie/export", f"{ROLE}/export")
DAY = timedelta(days=1)


@dataclass
class Scene(aia_scene.Scene):
    """Two people of Ivry, whom the référent of Vitry adds to his payroll with a role."""

    photo: str = ""

    def furnish(self) -> None:
        """Add them, there and here."""
        for code, label, parent in (("paie", "Service paie", "vitry"), ("ivry", "Ivry", None)):
            self.directory.structures.add(OPERATOR, code, label, parent=parent)
        self.directory.applications.add_role(OPERATOR, "bip", "lect", "Lecteur")
        for mail, given_name in ((LOCKED, "Ève"), (NEW, "Nina")):
            added = self.directory.accounts.add(OPERATOR, Person(mail, "Loin", given_name), "ivry")
            self.people[mail] = added.subject_id
        self.directory.assignments.assign(OPERATOR, Grant(LOCKED, "ivry", "bip", "gest"))
        self.photo = Photos(self.realm.services.core).keep(self.people[LOCKED], image())
        with acting(Origin(actor=self.people["referent"])):
            for mail in (LOCKED, NEW):
                self.directory.accounts.add(self.referent, Person(mail, "-", "-"), "paie")
                self.directory.assignments.assign(self.referent, Grant(mail, "paie", "bip", "gest"))
            self.directory.accounts.add(self.referent, Person(OWN, "-", "-"), "paie")
        self.directory.accounts.lock(OPERATOR, LOCKED)
        self.directory.accounts.set_validity(OPERATOR, LOCKED, START - 900 * DAY, START + 400 * DAY)
        with self.realm.services.db.unit_of_work() as session:
            seen = update(Account).where(Account.mail == LOCKED)
            session.execute(seen.values(last_sign_in_at=START - 300 * DAY))
        with self.realm.services.db.writing() as connection:
            connection.execute(OUTBOX.update().values(state=MailState.DEAD))

    @property
    def referent(self) -> Actor:
        found = actors.load(self.realm.services.core, self.people["referent"])
        assert found is not None
        return found

    def confirm(self) -> None:
        """Both say yes."""
        for mail in (LOCKED, NEW):
            self.directory.memberships.confirm(OPERATOR, mail, "paie")

    def get(self, path: str, **more: object) -> TestResponse:
        return self.visitor.app.get(path, **more)

    def of(self, mail: str, end: str = "") -> str:
        return f"{USERS}/{self.people[mail]}{end}"

    def told(self) -> dict[str, list[str]]:
        """What is read of the two accounts, place by place."""
        candidates = self.post(OTHER_ROLE + "/affecter", recherche="loin")
        return {
            "sheet": _states(self.get(self.of(LOCKED))) + _facts(self.get(self.of(LOCKED))),
            "sheet of the new one": _states(self.get(self.of(NEW))),
            "list": _row(self.get(LIST), LOCKED) + _row(self.get(LIST), NEW),
            "members": _row(self.get(MEMBERS), LOCKED),
            "holders": _row(self.get(f"{ROLE}?charger=oui"), LOCKED),
            "candidates": _row(candidates, LOCKED),
            **{path: self.exported(path) for path in EXPORTS},
        }

    def exported(self, path: str, mail: str = LOCKED) -> list[str]:
        answer = self.post(path, format="csv")
        table = csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig")), delimiter=";")
        (line,) = (each for each in table if mail in each.values())
        return [value for title, value in line.items() if "compte" in title or "connexion" in title]

    def given_role(self, membership_id: str) -> str:
        """What is said of the role's effect once it is given, or was."""
        members, ref = RoleMembers(self.realm.services.core), RoleRef("bip", "lect")
        return " ".join(members.assign(self.referent, ref, [membership_id]).waiting)

    def found(self, **query: str) -> list[str]:
        """Whose rows are listed, of the two."""
        return [each for each in self.listed(**query) if each in {LOCKED, NEW}]

    def listed(self, **query: str) -> list[str]:
        """Whose rows are listed."""
        return _column(self.get(LIST, params=query), "Adresse mail")


@pytest.fixture(scope="module")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Made once: each test starts from it."""
    with scene_on(Scene, databases, tmp_path_factory.mktemp("unconfirmed")) as made:
        yield made


@pytest.fixture
def scene(stage: Scene) -> Scene:
    return stage.anew()


def test_no_page_tells_the_state_before_and_each_does_after(scene: Scene) -> None:
    assert scene.told() == {
        "sheet": ["à confirmer"],
        "sheet of the new one": ["à confirmer"],
        "list": ["à confirmer", "Non visible", "à confirmer", "Non visible"],
        "members": ["à confirmer"],
        "holders": ["à confirmer"],
        "candidates": ["à confirmer"],
        EXPORTS[0]: ["à confirmer", "", "", ""],
        EXPORTS[1]: ["à confirmer", "", "", ""],
        EXPORTS[2]: ["à confirmer"],
    }
    scene.confirm()
    assert scene.told() == {
        "sheet": [
            "verrouillé",
            "mail non remis",
            f"/photos/{scene.photo}",
            "Validité du compte du 03/06/2024 au 25/12/2027",
            "Verrouillage du compte Oui",
            "Dernière connexion Il y a plus de 6 mois",
            "+ 1 rôle hors de votre périmètre",
        ],
        "sheet of the new one": ["actif", "jamais connecté", "mail non remis"],
        "list": ["verrouillé", "Plus de 6 mois", "actif", "mail non remis", "Jamais"],
        "members": ["verrouillé"],
        "holders": ["verrouillé"],
        "candidates": ["verrouillé"],
        EXPORTS[0]: ["verrouillé", "plus de 6 mois", "03/06/2024", "25/12/2027"],
        EXPORTS[1]: ["verrouillé", "plus de 6 mois", "03/06/2024", "25/12/2027"],
        EXPORTS[2]: ["verrouillé"],
    }


def test_the_pages_say_it_once_and_leave_what_is_his(scene: Scene) -> None:
    said = "l'état de son compte n'est pas visible jusque-là"
    pages = {end: scene.get(scene.of(LOCKED, end)) for end in ("", "/editer")}
    for page in pages.values():
        assert text_of(page).count(said) == 1
        assert scene.photo not in page.text
        assert LOCKED in text_of(page)
    form = pages["/editer"].forms["formulaire"]
    (service,) = (name for name in form.fields if name and name.startswith("service-"))
    form[service] = "Paie"
    assert "sont enregistrées." in text_of(form.submit(status=303).follow())
    assert "attend sa propre confirmation" in scene.given_role(_membership(pages["/editer"]))
    scene.confirm()
    assert said not in text_of(scene.get(scene.of(LOCKED)))
    assert "son compte est verrouillé" in scene.given_role(_membership(pages["/editer"]))


def test_neither_criteria_nor_order_tell_it(scene: Scene) -> None:
    wanted = {"verrouillé": [LOCKED], "jamais connecté": [NEW], "actif": [NEW]}
    orders = {"activite": [LOCKED, NEW], "-activite": [NEW, LOCKED]}
    for state in wanted:
        assert scene.found(etat=state) == []
        assert LOCKED not in text_of(scene.get(LIST, params={"etat": state}))
    # Behind those whose activity he knows, by name alone; the other way round before them.
    for sort, last in (("activite", -2), ("-activite", 0)):
        mails = _column(scene.get(LIST, params={"tri": sort}), "Adresse mail")
        assert set(mails[last:][:2]) == {LOCKED, NEW}
        assert mails.count(OWN) == 1
    assert {tri: scene.found(tri=tri) for tri in orders} == orders
    scene.confirm()
    assert {state: scene.found(etat=state) for state in wanted} == wanted
    after = {tri: list(reversed(mails)) for tri, mails in orders.items()}
    assert {tri: scene.found(tri=tri) for tri in orders} == after


def test_what_he_confirmed_elsewhere_in_reach_tells_it_of_the_person(scene: Scene) -> None:
    """The person is known; each membership stands for itself in lists and files of those."""
    assert _row(scene.get(LIST), OWN) == ["actif", "mail non remis", "Jamais"]
    assert _row(scene.get(MEMBERS), OWN) == ["à confirmer"]
    assert scene.exported(EXPORTS[1], OWN) == ["à confirmer", "", "", ""]
    here = {"structure": "paie"}
    for narrowed in ({}, here, {"filtre": "paie"}):
        for state in ("actif", "jamais connecté"):
            assert OWN in scene.listed(etat=state, **narrowed)
        assert OWN not in scene.listed(etat="verrouillé", **narrowed)
    assert scene.listed(tri="activite", **here) == [OWN, LOCKED, NEW]
    assert scene.listed(tri="-activite", **here) == [NEW, LOCKED, OWN]


def test_of_himself_every_list_says_what_his_sheet_says(scene: Scene) -> None:
    mail, here = "referent@demo.example", {"structure": "vitry", "etat": "actif"}
    with scene.realm.services.db.unit_of_work() as session:
        his = update(Membership).where(Membership.account_id == scene.referent.account_id)
        session.execute(his.values(confirmed_at=None))
    assert _states(scene.get(scene.of("referent")))[0] == "actif"
    assert "actif" in _row(scene.get(LIST), mail)
    assert scene.exported("/aia/structures/vitry/export", mail)[0] == "actif"
    assert mail in scene.listed(**here)
    assert mail in scene.listed(**here, tri="structure")


def test_history_and_photo_wait_too(scene: Scene) -> None:
    history, photo = scene.of(LOCKED, "/historique"), f"/photos/{scene.photo}"
    told = text_of(scene.get(history))
    assert "rattaché Ève LOIN à une structure" in told
    assert "donné le rôle « Gestionnaire »" in told
    for hidden in ("verrouillé", "dates de validité", "créé le compte"):
        assert hidden not in told
    scene.get(photo, status=404)
    scene.confirm()
    told = text_of(scene.get(history))
    assert "verrouillé le compte d'Ève LOIN" in told
    assert "modifié les dates de validité du compte d'Ève LOIN" in told
    scene.get(photo, status=200)


def test_the_bin_does_not_tell_it(scene: Scene) -> None:
    """The account goes by the will of those who have it; what waited for a word goes silently."""
    scene.directory.bin.delete(OPERATOR, LOCKED)
    scene.get(scene.of(LOCKED), status=404)
    scene.get(scene.of(LOCKED, "/historique"), status=404)
    assert LOCKED not in text_of(scene.get(f"{USERS}/corbeille"))
    scene.directory.bin.restore(OPERATOR, LOCKED)
    scene.confirm()
    scene.directory.bin.delete(OPERATOR, LOCKED)
    scene.realm.clock.advance(timedelta(seconds=1))
    sheet = scene.get(scene.of(LOCKED))
    assert "dans la corbeille" in text_of(sheet)
    assert "mis le compte d'Ève LOIN à la corbeille" in text_of(sheet.click("Historique"))
    assert LOCKED in text_of(scene.get(f"{USERS}/corbeille"))


def test_no_history_tells_what_becomes_of_it_before(scene: Scene) -> None:
    """What waited goes and comes back with the account; the journal says it of the account."""
    history, told = "/aia/structures/paie/historique", "rattaché Ève LOIN à une structure"
    before = text_of(scene.get(history))
    assert told in before
    scene.directory.bin.delete(OPERATOR, LOCKED)
    assert text_of(scene.get(history)) == before
    scene.directory.bin.restore(OPERATOR, LOCKED)
    assert text_of(scene.get(history)) == before
    with scene.realm.services.db.reading() as session:
        codes = ("account.deleted", "account.restored")
        events = session.scalars(select(AuditEvent).where(AuditEvent.code.in_(codes))).all()
    assert [each.parameters for each in events] == [{"along": ["paie"]}] * 2
    scene.confirm()
    scene.directory.bin.delete(OPERATOR, LOCKED)
    assert "retiré Ève LOIN d'une structure" in text_of(scene.get(history))


def test_the_correspondant_reads_all_of_it(scene: Scene) -> None:
    scene.become("correspondant")
    assert "verrouillé" in _states(scene.get(scene.of(LOCKED)))
    assert _row(scene.get(LIST), LOCKED) == ["verrouillé", "Plus de 6 mois"]
    assert _row(scene.get(MEMBERS), LOCKED) == ["verrouillé"]
    assert scene.found(etat="verrouillé") == [LOCKED]


def _membership(page: TestResponse) -> str:
    """The id of the membership that this form edits."""
    (name,) = (name for name in page.forms["formulaire"].fields if str(name).startswith("service-"))
    return str(name).partition("-")[2]


def _states(page: TestResponse) -> list[str]:
    """The badges of the head, and the photo's address."""
    badges = [each.get_text(strip=True) for each in page.html.select(".sheet-badges .badge")]
    return badges + [str(each["src"]) for each in page.html.select(".sheet-who img")]


def _facts(page: TestResponse) -> list[str]:
    """Of the account, as its card tells them; and the foreign roles."""
    card = page.html.select_one("#identite").parent
    facts = [each.get_text(" ", strip=True) for each in card.select("dl.facts > div")[5:]]
    return facts + [each.get_text(strip=True) for each in page.html.select(".sheet-hidden")]


def _row(page: TestResponse, mail: str) -> list[str]:
    """The states and the activity in his row."""
    (row,) = (each for each in page.html.select("tbody tr") if mail in each.get_text())
    activity = row.select_one("[data-label='Dernière connexion']")
    badges = [each.get_text(strip=True) for each in row.select(".badge")]
    return badges + ([activity.get_text(strip=True)] if activity else [])


def _column(page: TestResponse, label: str) -> list[str]:
    html = whole_words(page)
    return [each.get_text(" ", strip=True) for each in html.select(f"tbody [data-label='{label}']")]
