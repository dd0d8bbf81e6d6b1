"""*Structures*, through the whole application: what a référent sees, changes, and never reaches."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest
from sqlalchemy import insert, select
from webtest import Form, TestResponse

from directory.authorisation import OPERATOR
from directory.models import Structure
from directory.services.accounts.changes import Person
from idp.audit import AuditEvent
from idp.names import ISOLATED_BAR
from tests.common.databases import Databases
from tests.functional import aia_scene
from tests.functional.aia_scene import scene_on
from tests.functional.conftest import text_of, to_correct

pytestmark = pytest.mark.sqlite_only

TREE = "/aia/structures"
SIRET = "21930000100019"
FOREIGN = ("cig", "ivry", "ivry-rh", "inconnue", "%", "vitry/../ivry")


@dataclass
class Scene(aia_scene.Scene):
    """The RH of Vitry with Léa of its payroll, and Ivry's with Ève."""

    def furnish(self) -> None:
        """Add them."""
        for code, label, parent in (
            ("rh", "Direction des ressources humaines", "vitry"),
            ("paie", "Service paie", "rh"),
            ("ivry", "Ivry", None),
            ("ivry-rh", "RH d'Ivry", "ivry"),
        ):
            self.directory.structures.add(OPERATOR, code, label, parent=parent)
        lea = Person("lea@demo.example", "Noël", "Léa")
        self.directory.accounts.add(OPERATOR, lea, "paie", no_mail=True)
        eve = Person("eve@demo.example", "Étrangère", "Ève")
        self.directory.accounts.add(OPERATOR, eve, "ivry-rh", no_mail=True)

    def get(self, path: str, status: int = 200, **query: str) -> TestResponse:
        return self.visitor.app.get(path, query, status=status)

    def labels(self) -> dict[str, str]:
        with self.world.services.db.reading() as session:
            rows = session.execute(select(Structure.code, Structure.label_path))
            return {row.code: row.label_path for row in rows}

    def path_of(self, code: str) -> str:
        with self.world.services.db.reading() as session:
            return session.scalars(select(Structure.path).where(Structure.code == code)).one()

    def closed(self) -> set[str]:
        with self.world.services.db.reading() as session:
            closed = select(Structure.code).where(Structure.closed_at.is_not(None))
            return set(session.scalars(closed))

    def journal(self) -> list[str]:
        with self.world.services.db.reading() as session:
            return list(session.scalars(select(AuditEvent.code).order_by(AuditEvent.id)))

    def done_already(self, form: Form) -> TestResponse:
        """Where another press of this form leads: nothing is blamed on anybody."""
        page = self.visitor.follow(form.submit(status=303))
        assert "C'était déjà fait." in text_of(page)
        return page

    def version(self, path: str) -> str:
        return str(self.get(path).html.select_one("input[name=version]")["value"])


@pytest.fixture(scope="module")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Made once: each test starts from it."""
    with scene_on(Scene, databases, tmp_path_factory.mktemp("structures")) as made:
        yield made


@pytest.fixture
def scene(stage: Scene) -> Scene:
    return stage.anew()


def names(page: TestResponse) -> list[str]:
    """The tree as it is shown."""
    return [each.get_text(" ", strip=True) for each in page.html.select(".node-name")]


def test_the_tree_is_opened_level_by_level_without_a_script(scene: Scene) -> None:
    page = scene.get(TREE)
    assert names(page) == ["Vitry", "Direction des ressources humaines"]
    form = page.forms["arbre"]
    page = form.submit("ouvrir", value="rh")
    assert names(page)[-1] == "Service paie"
    button = page.html.select_one("#noeud-rh")
    assert (button["aria-expanded"], button["name"]) == ("true", "fermer")
    assert names(page.forms["arbre"].submit("fermer", value="vitry")) == ["Vitry"]
    assert names(scene.get(TREE + "?tout=1"))[-1] == "Service paie"
    page = scene.get(TREE + "/paie")
    assert page.html.select_one(".node-name[aria-current]").text.strip() == "Service paie"
    assert "Vitry / Direction des ressources humaines / Service paie" in text_of(page)
    branch = scene.get(TREE + "/rh?branche=1")
    assert names(branch) == ["Service paie"]
    assert branch.html.h1 is None


def test_search_ignores_accents_and_stays_at_home(scene: Scene) -> None:
    page = scene.get(TREE, recherche="SERVICE  PAIE")
    assert "1 structure trouvée" in text_of(page)
    assert page.html.select_one(".places-found a")["href"].startswith("/aia/structures/paie")
    for text in ("ivry", "d'ivry", "%", "_", "étranger"):
        found = scene.get(TREE, recherche=text)
        assert "Aucune structure ne porte ce nom." in text_of(found), text
        assert "Ivry" not in found.html.select_one(".places").text


def test_members_come_when_they_are_asked_for(scene: Scene) -> None:
    page = scene.get(TREE + "/rh")
    assert "Charger tous les utilisateurs (1)" in text_of(page)
    assert "lea@demo.example" not in text_of(page)
    loading = next(form for form in page.forms.values() if "membres" in form.fields)
    assert loading["sous"].checked
    shown = loading.submit("membres")
    assert "lea@demo.example" in text_of(shown)
    assert "1 - 1 sur 1" in text_of(shown)
    assert shown.forms["selection"].action == "/aia/utilisateurs/actions"
    loading["sous"] = False
    alone = loading.submit("membres")
    assert "Personne n'est rattaché à cette structure" in text_of(alone)
    nobody = scene.get(TREE + "/rh?membres=1&sous=1&filtre=zz")
    assert nobody.html.select_one("#membres [data-said]").text == "Aucun utilisateur ne correspond"
    filtering = nobody.html.select_one("form.filter")
    assert filtering.select_one("input[type=checkbox][name=sous]"), "one form asks for both"
    assert not filtering.select("input[type=hidden][name=sous]")
    everybody = scene.get(TREE + "/vitry?membres=1&sous=1&taille=100")
    assert "eve@demo.example" not in text_of(everybody)


def test_what_is_foreign_is_as_if_absent(scene: Scene) -> None:
    before, absent = scene.labels(), scene.get(TREE + "/nulle-part", status=404)
    for code in FOREIGN:
        for path in ("", "?branche=1", "?membres=1&sous=1", "/editer", "/creer", "/fermer"):
            page = scene.get(f"{TREE}/{code}{path}", status=404)
            assert text_of(page)[:200] == text_of(absent)[:200]
        for path in ("editer", "creer"):
            assert scene.post(f"{TREE}/{code}/{path}", libelle="Pris").status_int == 404
        assert scene.post(f"{TREE}/{code}/fermer", version="", accord="1").status_int == 404
    opened = scene.get(TREE + "?ouverte=ivry&ouvrir=cig&ouverte=vitry")
    assert names(opened) == ["Vitry", "Direction des ressources humaines"]
    assert scene.labels() == before
    assert scene.closed() == set()


def test_the_root_of_his_mandate_is_not_his(scene: Scene) -> None:
    page = scene.get(TREE + "/vitry")
    assert "Le nom de cette structure est tenu par le correspondant" in text_of(page)
    assert "Fermer la structure" not in text_of(page)
    assert scene.get(TREE + "/vitry/editer", status=404)
    for path in ("editer", "fermer"):
        answer = scene.post(TREE + f"/vitry/{path}", libelle="Ma ville", version="x", accord="1")
        assert answer.status_int == 404
    assert scene.labels()["vitry"] == "Vitry"


def test_he_creates_renames_and_is_told(scene: Scene) -> None:
    form = scene.get(TREE + "/vitry").click("Créer une sous-structure").forms["formulaire"]
    form["libelle"] = "Écoles"
    page = scene.visitor.follow(form.submit())
    assert "La structure « Écoles » est créée dans « Vitry »." in text_of(page)
    assert scene.done_already(form).html.h1.text == "Écoles"
    form = page.click("Éditer").forms["formulaire"]
    form["libelle"] = "Écoles  et crèches"
    for again in (False, True):
        page = scene.done_already(form) if again else scene.visitor.follow(form.submit())
        assert page.html.h1.text == "Écoles et crèches"
    assert "Vitry / Écoles et crèches" in scene.labels().values()
    assert "structure.created" in scene.journal()
    assert scene.journal()[-1] == "structure.renamed"


def test_a_namesake_is_asked_about_once(scene: Scene) -> None:
    form = scene.get(TREE + "/vitry/creer").forms["formulaire"]
    form["libelle"] = "direction des RESSOURCES humaines"
    asked = form.submit(status=400)
    assert "existe déjà au même endroit" in text_of(asked)
    again = asked.forms["formulaire"]
    assert again["libelle"].value == "direction des RESSOURCES humaines"
    assert again.submit(status=400).forms["formulaire"]["homonyme"].checked is False
    again["homonyme"] = True
    assert again.submit(status=303)
    scene.done_already(again)
    again["libelle"] = "direction des  RESSOURCES humaines"
    scene.done_already(again)
    assert len([each for each in scene.labels().values() if each.startswith("Vitry / ")]) == 3
    again["libelle"] = "Direction des Ressources humaines"
    assert again.submit(status=303), "another name is another order"


def test_a_stale_edit_shows_both_versions_and_saves_neither(scene: Scene) -> None:
    form = scene.get(TREE + "/rh/editer").forms["formulaire"]
    scene.directory.structures.rename(OPERATOR, "rh", "Direction du personnel")
    form["libelle"] = "Ressources"
    stale = form.submit(status=409)
    both = [each.get_text(" ", strip=True) for each in stale.html.select(".places-both > div")]
    assert both == [
        "Enregistré maintenant Direction du personnel",
        "Ce que vous avez saisi Ressources",
    ]
    assert scene.labels()["rh"] == "Vitry / Direction du personnel"
    assert stale.forms["formulaire"].submit(status=303)
    assert scene.labels()["rh"] == "Vitry / Ressources"
    form = scene.get(TREE + "/rh/editer").forms["formulaire"]
    closing = scene.get(TREE + "/rh/fermer").forms["fermeture"]
    closing["accord"] = True
    closing.submit(status=303)
    form["libelle"] = "RH"
    both = form.submit(status=409).html.select_one(".places-both > div").get_text(" ", strip=True)
    assert both.startswith("Enregistré maintenant Ressources Fermée depuis le ")


def test_extra_fields_widen_nothing(scene: Scene) -> None:
    version = scene.version(TREE + "/rh/editer")
    fields = {"siret": SIRET, "parent": "ivry", "code": "ivry", "closed_at": "x", "path": "/1/"}
    answer = scene.post(TREE + "/rh/editer", libelle="RH", version=version, **fields)
    assert answer.status_int == 303
    scene.post(TREE + "/rh/creer", libelle="Neuf", version="", **fields)
    labels = scene.labels()
    assert labels["rh"] == "Vitry / RH"
    assert "Vitry / RH / Neuf" in labels.values()
    assert labels["ivry"] == "Ivry"
    with scene.world.services.db.reading() as session:
        assert (
            session.scalars(select(Structure.siret).where(Structure.siret.is_not(None))).all() == []
        )


def test_wrong_labels_are_refused_in_words(scene: Scene) -> None:
    before, version = scene.labels(), scene.version(TREE + "/rh/editer")
    for wrong, path in product(("", "   ", "x" * 201, "A / B", "a\x00b"), ("creer", "editer")):
        answer = scene.post(f"{TREE}/rh/{path}", libelle=wrong, version=version)
        assert answer.status_int == 400, (wrong, path)
        assert answer.html.select_one("[role=alert]") or "Erreur" in answer.text
    unseen = scene.post(f"{TREE}/rh/creer", libelle="\u200b")
    assert "Saisissez le nom de la structure." in text_of(unseen)
    at_field = {
        "😀": "Nom de la structure : écrivez au moins une lettre ou un chiffre.",
        "a\x00b": "Ce texte contient un caractère qui n'est pas permis.",
        **dict.fromkeys(("A / B", "A \u200b/  B"), ISOLATED_BAR),
    }
    for (wrong, said), path in product(at_field.items(), ("creer", "editer")):
        answer = scene.post(f"{TREE}/rh/{path}", libelle=wrong, version=version)
        assert to_correct(answer) == [said], (wrong, path)
    assert scene.labels() == before


def test_the_correspondant_keeps_roots_and_siret(scene: Scene) -> None:
    scene.become("correspondant")
    assert names(scene.get(TREE))[:2] == ["Ivry", "RH d'Ivry"]
    form = scene.get(TREE + "/ivry/editer").forms["formulaire"]
    form["libelle"], form["siret"] = "Ivry-sur-Seine", "123"
    assert "n'est pas un numéro SIRET valable" in text_of(form.submit(status=400))
    form["siret"] = "219 300 001 00019"
    form.submit(status=303)
    page = scene.get(TREE + "/ivry-rh")
    assert SIRET in text_of(page)
    assert "celui de la structure qui la contient" in text_of(page)
    assert scene.labels()["ivry-rh"] == "Ivry-sur-Seine / RH d'Ivry"


def test_closing_is_announced_confirmed_and_undone(scene: Scene) -> None:
    asked = scene.get(TREE + "/rh/fermer")
    assert "1 sous-structure sera fermée avec elle : Service paie" in text_of(asked)
    assert (
        "1 personne y est rattachée et perdra les accès que cette structure lui donne"
        in text_of(asked)
    )
    refused = asked.forms["fermeture"].submit(status=400)
    assert to_correct(refused)[0].startswith("Cochez la case")
    assert scene.closed() == set()
    form = refused.forms["fermeture"]
    form["accord"] = True
    page = scene.visitor.follow(form.submit(status=303))
    assert "est fermée." in text_of(page)
    assert scene.closed() == {"rh", "paie"}
    assert "Créer une sous-structure" not in text_of(page)
    inside = scene.post(TREE + "/rh/creer", libelle="Neuf", version="")
    assert inside.status_int == 400
    assert "est fermée" in text_of(inside)
    scene.done_already(form)
    assert scene.closed() == {"rh", "paie"}
    opening = scene.get(TREE + "/rh/fermer")
    assert "1 personne rattachée retrouve les accès" in text_of(opening)
    scene.visitor.follow(opening.forms["fermeture"].submit(status=303))
    scene.done_already(opening.forms["fermeture"])
    assert scene.closed() == set()


def test_who_joined_meanwhile_is_announced_before_it_closes(scene: Scene) -> None:
    form = scene.get(TREE + "/paie/fermer").forms["fermeture"]
    form["accord"] = True
    new = Person("max@demo.example", "Max", "Paul")
    scene.directory.accounts.add(OPERATOR, new, "paie", no_mail=True)
    stale = form.submit(status=409)
    assert "Vous aviez lu : 1 personne rattachée, 0 sous-structure." in text_of(stale)
    assert "2 personnes y sont rattachées" in text_of(stale)
    assert scene.closed() == set()
    assert scene.post(TREE + "/paie/fermer", lu="a-b", version="", accord="1").status_int == 409


def test_what_touches_himself_or_a_mandate_says_who_can_help(scene: Scene) -> None:
    own = Person("referent@demo.example", "Nom", "Prénom")
    scene.directory.accounts.add(OPERATOR, own, "paie", no_mail=True)
    page = scene.get(TREE + "/rh/fermer")
    assert "Vous êtes vous-même rattaché" in text_of(page)
    assert page.html.select_one("main a[href^='mailto:']")
    assert "fermeture" not in page.forms
    answer = scene.post(TREE + "/rh/fermer", version="", accord="1")
    assert answer.status_int in {400, 409}
    assert scene.closed() == set()


def test_a_page_runs_a_bounded_number_of_statements(scene: Scene) -> None:
    def run(path: str) -> int:
        return scene.statements(lambda: scene.get(path))

    paths = (TREE, TREE + "/rh", TREE + "/rh?membres=1&sous=1", TREE + "?recherche=service")
    before = [run(path) for path in paths]
    for number in range(12):
        code = f"s{number}"
        scene.directory.structures.add(OPERATOR, code, f"Service {number}", parent="rh")
        person = Person(f"p{number}@demo.example", f"Nom{number}", "Prénom")
        scene.directory.accounts.add(OPERATOR, person, code, no_mail=True)
    assert [run(path) for path in paths] == before
    assert max(before) <= 20


def test_two_thousand_structures_open_at_once_and_stay_addressable(scene: Scene) -> None:
    vitry = scene.path_of("vitry")
    rows = [
        {
            "id": 1000 + number,
            "code": f"service-{number}-{'x' * 40}",
            "label": f"Service {number}",
            "parent_id": int(vitry.split("/")[-2]) if number < 100 else 1000 + number % 100,
            "path": f"{vitry}{1000 + number}/"
            if number < 100
            else f"{vitry}{1000 + number % 100}/{1000 + number}/",
            "label_path": f"Vitry / Service {number}",
            "search_key": f"service {number}",
        }
        for number in range(1900)
    ]
    with scene.world.services.db.unit_of_work() as session:
        session.execute(insert(Structure), rows)
    whole = scene.get(TREE + "?tout=1")
    assert len(names(whole)) == 1903
    again = whole.forms["arbre"].submit("fermer", value="rh")
    assert len(again.request.url) < 8000
    assert scene.get(TREE + "/rh?" + "&".join(f"ouverte=c{each}" for each in range(500)))
    scene.directory.structures.add(OPERATOR, "one-more", "Une de plus", parent="rh")
    for number in range(100):
        scene.directory.structures.create(OPERATOR, "rh", f"Bureau {number}")
    assert "Tout déplier" not in text_of(scene.get(TREE))
    assert len(names(scene.get(TREE + "?tout=1"))) < 10


def test_scripts_get_the_members_alone(scene: Scene) -> None:
    page = scene.visitor.app.get(
        TREE + "/rh?membres=1&sous=1&filtre=noel", headers={"HX-Request": "true"}
    )
    assert page.html.select_one("#membres table")
    assert page.html.select_one(".tree") is None
    assert page.html.select_one("header.banner") is None


def test_what_is_chosen_is_sent_with_where_it_was_chosen(scene: Scene) -> None:
    page = scene.get(TREE + "/rh?membres=1&filtre=noel&sous=1")
    form = page.forms["selection"]
    assert (form["structure"].value, form["filtre"].value) == ("rh", "noel")
    assert form["retour"].value == "/aia/structures/rh?membres=1&filtre=noel&sous=1"
    # over pages: where scripts run they keep it, and the form takes it along where none does
    assert page.html.find(id="selection")["data-keeps"].endswith(" /aia/structures/rh")
    turned = scene.post(form["retour"].value, subject_id="1" * 32)
    taken = turned.html.select("#selection input[name=subject_id]")
    assert [each["value"] for each in taken] == ["1" * 32]
    assert "1 utilisateur sélectionné" in text_of(turned)
    (delete,) = [
        link["href"]
        for link in page.html.select(".row-menu a[data-dialog]")
        if "Supprimer l'utilisateur sélectionné" in link.text
    ]
    assert delete.endswith(
        "retour=%2Faia%2Fstructures%2Frh%3Fmembres%3D1%26filtre%3Dnoel%26sous%3D1"
    )
