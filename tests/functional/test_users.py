"""*Utilisateurs*, through the whole application: what a référent finds, does, and never reaches."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from webtest import Form, TestResponse

from directory import actors
from directory.authorisation import OPERATOR
from directory.services.accounts.address_change import AddressChanges
from directory.services.rights.assignments import Grant
from directory.services.structures.closing import StructureClosing
from tests.common.databases import Databases
from tests.functional.aia_scene import scene_on
from tests.functional.conftest import text_of
from tests.functional.users_scene import ACTIONS, BIN, EVERYBODY, USERS, Scene, choose, names

pytestmark = pytest.mark.sqlite_only

LOST = "Le rattachement à Vitry / Direction des ressources humaines"


@pytest.fixture(scope="module")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Made once: each test starts from it."""
    with scene_on(Scene, databases, tmp_path_factory.mktemp("users")) as made:
        yield made


@pytest.fixture
def scene(stage: Scene) -> Scene:
    return stage.anew()


def menu(page: TestResponse, name: str) -> list[str]:
    """What the three dots of somebody's line offer."""
    (line,) = (each for each in page.html.select("tbody tr") if name in each.th.text)
    return [each.get_text(strip=True) for each in line.select(".row-menu a")]


def text_of_summary(page: TestResponse) -> str:
    """What the folded form says."""
    return " ".join(page.html.select_one(".criteria summary").text.split())


def test_nobody_is_shown_until_everybody_is_asked_for(scene: Scene) -> None:
    page = scene.get(USERS)
    assert page.html.table is None
    assert "Charger tous les utilisateurs (7)" in text_of(page)
    loaded = page.forms[1].submit("charger", value="tous")
    assert names(loaded) == ["ÉTIENNE Noé", "NOËL Léa", *["NOM Prénom"] * 4, "PETIT Max"]
    assert "1 - 7 sur 7" in text_of(loaded)
    assert "Étrangère" not in loaded.text


def test_criteria_filter_and_sort_are_the_servers(scene: Scene) -> None:
    page = scene.get(USERS)
    form = page.forms[0]
    form["nom"] = "noel"
    found = form.submit()
    assert names(found) == ["NOËL Léa"]
    assert found.forms[0]["nom"].value == "noel", "what was asked stays in its field"
    folded = found.html.select_one(".criteria")
    assert not folded.has_attr("open"), "what was found is in sight"
    assert text_of_summary(found) == "Recherche par critères : Nom « noel »"
    assert folded.form["action"].endswith("#" + found.html.select_one(".found:has(h2)")["id"])
    assert "1 utilisateur trouvé" in text_of(found)
    by_role = scene.get(USERS + "?role=bip:gest&seule=1")
    assert names(by_role) == ["NOËL Léa"]
    said = "Recherche par critères : Rôle « BIP, Gestionnaire »"
    assert text_of_summary(by_role) == said, "below what, without a structure?"
    alone = scene.get(USERS + "?structure=vitry&seule=1")
    assert names(alone) == ["NOM Prénom"] * 4
    said = "Recherche par critères : Structure « Vitry », sans les sous-structures"
    assert text_of_summary(alone) == said
    assert names(scene.get(USERS + "?etat=verrouill%C3%A9")) == []
    loaded = scene.get(EVERYBODY)
    filtering = next(form for form in loaded.forms.values() if "filtre" in form.fields)
    filtering["filtre"] = "ressources PETIT"
    assert names(filtering.submit()) == ["PETIT Max"]
    part = scene.get(EVERYBODY + "&filtre=petit", headers={"HX-Request": "true"})
    assert names(part) == ["PETIT Max"]
    assert part.html.select("h1, select, .side") == [], "no more than what is replaced"
    exported = part.html.select_one("#liste-exporter")["href"]
    assert exported.endswith("export?filtre=petit&charger=tous")
    turned = loaded.click(linkid="liste-tri-nom")
    assert names(turned)[0] == "PETIT Max"
    assert turned.html.select_one("th[aria-sort]")["aria-sort"] == "descending"
    for wrong in ("?structure=ivry", "?structure=inconnue", "?role=net-cap:gest"):
        assert scene.get(USERS + wrong, status=404)


def test_a_closed_structure_that_is_searched_in_is_named(scene: Scene) -> None:
    closing = StructureClosing(scene.world.services.core)
    closing.close(OPERATOR, "rh", closing.preview(OPERATOR, "rh").version, people_ok=True)
    found = scene.get(USERS + "?structure=rh")
    assert names(found) == ["ÉTIENNE Noé", "NOËL Léa", "PETIT Max"]
    said = "Recherche par critères : Structure « Direction des ressources humaines »"
    assert text_of_summary(found) == said


def test_signs_without_a_letter_find_nobody(scene: Scene) -> None:
    for asked in ("filtre='--", "nom=-", "prenom=%27"):
        assert not scene.get(f"{EVERYBODY}&{asked}").html.select("tbody tr"), asked


def test_a_structure_out_of_many_is_searched(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the criteria, and where somebody goes: a list of them all would be too long."""
    monkeypatch.setattr("directory.services.accounts.creation.OFFERED", 1)
    scene.directory.structures.add(OPERATOR, "ecole", "Écoles", parent="vitry")

    def offered(page: TestResponse) -> list[str]:
        return [each["value"] for each in page.html.select("select[name=structure] option")][1:]

    form = scene.get(USERS).forms[0]
    assert offered(scene.get(USERS)) == []
    form["recherche"] = "ressources"
    found = form.submit("chercher", value="1")
    assert offered(found) == ["rh"]
    assert found.html.table is None, "nobody is looked for yet"
    found.forms[0]["structure"] = "rh"
    listed = found.forms[0].submit()
    assert names(listed) == ["ÉTIENNE Noé", "NOËL Léa", "PETIT Max"]
    assert listed.forms[0]["structure"].value == "rh", "what was chosen stays"
    form = scene.get(scene.of("lea", "structure")).forms["formulaire"]
    form["recherche"] = "ecoles"
    form["checkbox"].checked = False
    found = form.submit("chercher", value="1")
    assert offered(found) == ["ecole"]
    form = found.forms["formulaire"]
    assert (form["recherche"].value, form["checkbox"].checked) == ("ecoles", False)
    form["structure"] = "ecole"
    assert "est maintenant dans Vitry / Écoles" in text_of(form.submit(status=303).follow())


def test_pages_follow_one_another(scene: Scene) -> None:
    for number in range(15):
        scene.add(f"p{number}", f"Zola{number:02}", "Paul")
    page = scene.get(EVERYBODY + "&taille=10")
    assert "1 - 10 sur 22" in text_of(page)
    second = page.click(linkid="liste-suivante")
    assert "11 - 20 sur 22" in text_of(second)
    assert set(names(page)).isdisjoint(names(second)) or names(page).count("NOM Prénom") > 1
    assert names(second.click(linkid="liste-precedente")) == names(page)


def test_a_menu_offers_what_would_succeed(scene: Scene) -> None:
    scene.directory.accounts.lock(OPERATOR, "noe@demo.example")
    page = scene.get(EVERYBODY)
    assert menu(page, "NOËL") == [
        "Voir la fiche",
        "Éditer",
        "Verrouiller",
        "Renvoyer le mail",
        "Supprimer l'utilisateur",
    ]
    assert menu(page, "ÉTIENNE") == [
        "Voir la fiche",
        "Éditer",
        "Déverrouiller",
        "Supprimer l'utilisateur",
    ]
    shared = ["Voir la fiche", "Éditer", "Renvoyer le mail", "Supprimer l'utilisateur"]
    assert menu(page, "PETIT") == shared
    for link in page.html.select(".row-menu a"):
        if "retour=" in link["href"]:
            asked = scene.get(link["href"])
            assert "ne peut pas" not in asked.html.h1.text, link["href"]


def test_locking_unlocking_and_mailing_are_asked_done_and_told(scene: Scene) -> None:
    for action, state, told in (
        ("verrouiller", "locked", "Le compte de Léa NOËL est verrouillé."),
        ("deverrouiller", "usable", "Le compte de Léa NOËL est déverrouillé."),
        ("renvoyer", "usable", "Le mail de création est renvoyé à Léa NOËL."),
    ):
        page = scene.get(scene.of("lea", action) + f"?retour={EVERYBODY}%26taille=10")
        answer = page.forms["question"].submit()
        assert answer.location.endswith(EVERYBODY + "&taille=10")
        assert told in text_of(answer.follow())
        assert scene.state("lea") == state
        assert told not in scene.get(USERS).text, "once is enough"
    again = scene.post(scene.of("lea", "deverrouiller"), retour=EVERYBODY)
    assert again.location.endswith(EVERYBODY)
    assert "C'était déjà fait." in text_of(again.follow())
    twice = scene.post(scene.of("lea", "renvoyer"), retour=EVERYBODY)
    assert "Ce mail vient déjà de partir à Léa NOËL" in text_of(twice.follow())
    assert len(scene.events("account.invited-again")) == 1
    scene.realm.clock.advance(timedelta(minutes=2))
    scene.post(scene.of("lea", "renvoyer"), retour=EVERYBODY)
    assert len(scene.events("account.invited-again")) == 2
    asked = scene.get(scene.of("lea", "deverrouiller"))
    assert asked.html.h1.text == "Le compte de Léa NOËL est déverrouillé"
    assert "Ce compte n'est pas verrouillé." in text_of(asked)
    assert not asked.html.select("main a[href^=mailto]"), "nobody's help is needed"


def test_a_fragment_is_the_question_alone(scene: Scene) -> None:
    page = scene.get(scene.of("lea", "supprimer"), headers={"X-Fragment": "1"})
    assert page.html.h1 is None
    assert page.html.h2.text == "Supprimer Léa NOËL ?"
    assert page.html.find("header") is None


def test_deleting_says_what_is_lost_and_can_be_taken_back(scene: Scene) -> None:
    page = scene.get(scene.of("lea", "supprimer"))
    said = text_of(page)
    assert LOST in said
    assert "Le rôle Gestionnaire de BIP" in said
    first = page.html.select_one("#suppression button")
    assert first.text.strip() == "Désactiver Léa NOËL", "offered first; Enter does no harm"
    told = page.forms["suppression"].submit(None).follow()
    assert "Léa NOËL est supprimé. Pendant 20 jours" in text_of(told)
    again = page.forms["suppression"].submit(None, status=303).follow()
    assert "C'était déjà fait." in text_of(again)
    assert scene.state("lea") == "deleted"
    assert scene.get(scene.of("lea", "supprimer"), status=404)
    bin_page = scene.get(BIN)
    assert "20 jours" in text_of(bin_page)
    back = next(
        form
        for form in bin_page.forms.values()
        if form.method == "post" and "retour" in form.fields
    )
    assert back.submit("subject_id", value=scene.people["lea"]).status_int == 303
    assert scene.state("lea") == "usable"
    again = back.submit("subject_id", value=scene.people["lea"])
    assert "C'était déjà fait." in text_of(again.follow())
    assert "La corbeille est vide" in text_of(scene.get(BIN))


def test_a_deletion_does_what_was_read_or_nothing(scene: Scene) -> None:
    """Somebody gives him another role meanwhile: it would be lost unread."""
    page = scene.get(scene.of("noe", "supprimer"))
    many = choose(scene, "supprimer", "lea", "noe").follow()
    scene.directory.assignments.assign(OPERATOR, Grant("noe@demo.example", "rh", "bip", "gest"))
    for form in (page.forms["suppression"], many.forms["confirmation"]):
        told = form.submit(None, expect_errors=True)
        assert told.status_int == 409
        assert "La situation a changé depuis que vous avez lu cette page" in text_of(told)
        assert (scene.state("lea"), scene.state("noe")) == ("usable", "usable")
    assert scene.post(scene.of("noe", "supprimer")).status_int == 409, "nothing was read"
    lot = many.forms["confirmation"]["lot"].value
    assert scene.post(ACTIONS, lot=lot).status_int == 409
    told.forms["confirmation"].submit(None, status=303)
    scene.work()
    assert (scene.state("lea"), scene.state("noe")) == ("deleted", "deleted")


def test_deactivating_instead_keeps_everything(scene: Scene) -> None:
    page = scene.get(scene.of("lea", "supprimer"))
    page.forms["suppression"].submit("desactiver", value="1")
    assert scene.state("lea") == "locked"
    shared = scene.get(scene.of("max", "supprimer"))
    assert "suspendus" in text_of(shared)
    told = shared.forms["suppression"].submit("desactiver", value="1").follow()
    assert "est désactivé dans vos structures : Vitry /" in text_of(told)
    assert scene.state("max") == "usable"
    assert len(scene.events("membership.suspended")) == 1


def test_a_shared_person_keeps_the_account(scene: Scene) -> None:
    page = scene.get(scene.of("max", "supprimer"))
    assert "Le compte max@demo.example reste" in text_of(page)
    assert "Ivry" not in page.text
    told = page.forms["suppression"].submit(None).follow()
    assert "ne fait plus partie de Vitry / Direction" in text_of(told)
    assert scene.state("max") == "usable"
    assert scene.events("account.deleted") == []
    again = page.forms["suppression"].submit(None, status=303).follow()
    assert "C'était déjà fait." in text_of(again)
    scene.lose("eve")
    assert scene.post(scene.of("eve", "supprimer")).status_int == 404, "it is Ivry's to know"


@pytest.mark.parametrize("name", ["referent", "correspondant"])
def test_the_protected_are_refused_with_a_reason(scene: Scene, name: str) -> None:
    for action in ("supprimer", "verrouiller"):
        page = scene.get(scene.of(name, action))
        assert page.forms == {} or "question" not in page.forms
        assert "correspondantCIG@cig929394.fr" in text_of(page)
        assert scene.post(scene.of(name, action)).status_int == 409
    assert scene.state(name) == "usable"


def test_nobody_deactivates_himself(scene: Scene) -> None:
    assert scene.post(scene.of("referent", "supprimer"), desactiver="1").status_int == 409
    assert scene.state("referent") == "usable"
    assert scene.events("membership.suspended") == []


def test_who_is_out_of_scope_does_not_exist(scene: Scene) -> None:
    foreign, nobody = scene.people["eve"], "0" * 32
    for action in ("supprimer", "verrouiller", "deverrouiller", "renvoyer"):
        answers = []
        for subject_id in (foreign, nobody):
            path = f"{USERS}/{subject_id}/{action}"
            told = scene.get(path, status=404).html
            answers.append((told.h1.text, told.main.p.text, scene.post(path).status_int))
        assert answers[0] == answers[1], action
    assert scene.state("eve") == "usable"


def test_one_comes_back_to_a_page_of_ours(scene: Scene) -> None:
    for where in (
        *("//evil.example/", "https://evil.example", "/\\evil", "/profil", "//["),
        *("/aia/utilisateurs?filtre=€", "/aia/utilisateurs?a=\n", "/aia/\\evil", "/aia/a b"),
        *("/aia/../deconnexion", "/aia/%2e%2E/deconnexion", "/aia/./..//evil.example/x"),
    ):
        for action in ("verrouiller", "deverrouiller"):
            answer = scene.post(scene.of("lea", action), retour=where)
            assert answer.location == "http://localhost:6543" + USERS, where
        assert scene.get(scene.of("lea", "verrouiller"), params={"retour": where}), where


def test_the_bin_is_bounded_by_scope_and_time(scene: Scene) -> None:
    for mail in ("eve", "lea", "noe"):
        scene.directory.bin.delete(OPERATOR, f"{mail}@demo.example")
        scene.realm.clock.advance(timedelta(minutes=1))
    page = scene.get(BIN)
    assert [each.text for each in page.html.select("tbody th")] == [
        "Noé ÉTIENNEnoe@demo.example",
        "Léa NOËLlea@demo.example",
    ]
    assert "Étrangère" not in page.text
    filtered = scene.get(BIN + "?filtre=noel")
    assert "Léa NOËL" in filtered.text
    assert "Noé" not in filtered.html.tbody.text
    for who in (scene.people["eve"], "0" * 32):
        told = scene.post(BIN, subject_id=who).follow()
        assert "n'est plus dans la corbeille" in text_of(told)
        assert "eve@demo.example" not in text_of(told)
    assert scene.state("eve") == "deleted"
    scene.get(scene.of("max", "supprimer")).forms["suppression"].submit(None)
    mail = "max@demo.example"
    told = scene.post(BIN, subject_id=scene.people["max"], ancienne=mail).follow()
    assert "Il aura effet quand cette personne l'aura confirmé" in text_of(told)


def test_a_page_costs_the_same_for_few_and_for_many(scene: Scene) -> None:
    def cost() -> list[int]:
        paths = (USERS, EVERYBODY + "&taille=100", BIN, scene.of("lea", "supprimer"))
        for path in paths:
            scene.get(path)
        return [scene.statements(lambda p=path: scene.get(p)) for path in paths]

    scene.directory.bin.delete(OPERATOR, "noe@demo.example")
    before = cost()
    for number in range(40):
        scene.add(f"p{number}", f"Zola{number}", "Paul")
    for number in range(20):
        scene.directory.bin.delete(OPERATOR, f"p{number}@demo.example")
    assert cost() == before
    assert max(before) <= 14


def test_nothing_is_given_back_to_an_address_that_is_another_by_now(scene: Scene) -> None:
    """Ivry's only référent by then changes it while the page of Vitry's lies open."""
    mail, new = "max@demo.example", "pirate@demo.example"
    core = scene.world.services.core
    referent = actors.load(core, scene.world.people["referent"])
    assert referent is not None
    scene.directory.bin.delete(referent, mail)
    (stale,) = _restoring(scene.get(BIN))
    scene.realm.clock.advance(timedelta(minutes=1))
    AddressChanges(core).change(OPERATOR, scene.people["max"], new, shown=mail)
    before = scene.mails()
    back = stale.submit("subject_id", value=scene.people["max"], status=303).follow()
    told = back.html.get_text().replace("\u00a0", " ")
    assert f"changé depuis que cette page est ouverte : {mail} n'est plus la sienne" in told
    assert scene.mails() == before
    line = back.html.select_one("tbody tr").get_text().replace("\u00a0", " ")
    assert f"{mail}Adresse changée depuis" in line
    assert "Si vous la connaissez, saisissez-la dans « Créer un utilisateur »" in line
    assert "pirate" not in back.text
    assert _restoring(back) == []
    scene.become("correspondant")
    seen = scene.get(BIN)
    assert f"{new}Adresse changée depuis, c'était {mail}" in seen.html.tbody.get_text()
    (fresh,) = _restoring(seen)
    done = fresh.submit("subject_id", value=scene.people["max"], status=303)
    assert "Le rattachement est rétabli" in text_of(done.follow())


def test_an_empty_bin_says_no_more_than_that(scene: Scene) -> None:
    """What was restored, or erased early, was removed all the same."""
    scene.directory.bin.delete(OPERATOR, "lea@demo.example")
    scene.directory.bin.restore(OPERATOR, "lea@demo.example")
    told = text_of(scene.get(BIN))
    assert "La corbeille est vide Il n'y a rien à rétablir dans vos structures." in told


def _restoring(page: TestResponse) -> list[Form]:
    return [form for form in page.forms.values() if "subject_id" in form.fields]
