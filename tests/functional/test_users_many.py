"""*Utilisateurs*: what is done with many at once, through the whole application."""

import re
from collections.abc import Iterator

import pytest
from webtest import TestResponse

from directory.authorisation import OPERATOR
from tests.common.databases import Databases
from tests.functional.aia_scene import scene_on
from tests.functional.conftest import text_of
from tests.functional.users_scene import ACTIONS, EVERYBODY, USERS, Scene, choose, names

pytestmark = pytest.mark.sqlite_only


@pytest.fixture(scope="module")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Made once: each test starts from it."""
    with scene_on(Scene, databases, tmp_path_factory.mktemp("many")) as made:
        yield made


@pytest.fixture
def scene(stage: Scene) -> Scene:
    return stage.anew()


def test_many_are_confirmed_with_their_consequences_then_done(scene: Scene) -> None:
    page = choose(scene, "supprimer", "lea", "noe", "max", "referent").follow()
    said = text_of(page)
    assert page.html.h1.text == "Supprimer 3 utilisateurs ?"
    for words in (
        "2 comptes partent à la corbeille",
        "1 compte reste, sans son rattachement à vos structures",
        "1 personne ne change pas",
        "C'est votre propre compte",
        "1 rôle est perdu",
    ):
        assert words in said, words
    assert scene.events("account.deleted") == []
    result = page.forms["confirmation"].submit(None).follow()
    scene.work()
    result = scene.get(result.request.path_qs)
    assert "2 utilisateurs supprimés" in text_of(result)
    assert [scene.state(each) for each in ("lea", "noe", "max", "referent")] == [
        "deleted",
        "deleted",
        "usable",
        "usable",
    ]
    me = scene.people["referent"]
    assert scene.events("account.deleted") == [
        (scene.people["lea"], me),
        (scene.people["noe"], me),
    ]
    listed = scene.get(ACTIONS)
    assert listed.html.select_one("tbody a")["href"] == result.request.path_qs
    assert "2 supprimés, 1 rattachement retiré, 1 inchangé" in text_of(listed)


def test_a_selection_over_pages_needs_no_script(scene: Scene) -> None:
    for number in range(15):
        scene.add(f"p{number}", f"Zola{number:02}", "Paul")
    first = scene.get(EVERYBODY + "&taille=10")
    assert all(each.get("checked") is None for each in first.html.select("tbody input"))
    second = scene.post(_turned(first), subject_id=scene.people["lea"])
    assert names(second)[0].startswith("ZOLA"), "the second page"
    assert "1 utilisateur sélectionné, hors de cette page" in text_of(second)
    here = second.html.select_one("tbody input[name=subject_id]")["value"]
    taken = second.html.select("#selection input[name=subject_id]")
    assert [each["value"] for each in taken] == [scene.people["lea"]]
    both = [("subject_id", scene.people["lea"]), ("subject_id", here)]
    again = scene.post(_turned(second), both)
    ticked = [each["value"] for each in again.html.select("tbody input[checked]")]
    assert ticked == [scene.people["lea"]]
    assert again.html.select_one("#selection input[name=subject_id]")["value"] == here
    nobody = scene.post(_turned(first), [("subject_id", "x" * 65), ("subject_id", "")])
    assert nobody.html.select("#selection input[name=subject_id]") == []


def _turned(page: TestResponse) -> str:
    """Where the button leads that takes the selection to the page beside."""
    return str(page.html.select_one("noscript button[form=selection]")["formaction"])


def test_of_one_person_a_confirmation_speaks_as_of_one(scene: Scene) -> None:
    for action, said in (
        ("supprimer", ("Ses rattachements", "plutôt ce compte", "permet de le rétablir")),
        ("verrouiller", ("Cette personne ne pourra plus", "Ses rôles")),
        ("renvoyer", ("Elle ne s'est jamais connectée",)),
    ):
        page = text_of(choose(scene, action, "lea").follow())
        assert [words for words in said if words not in page] == []
        assert not re.search(r"\b([Ll]eurs?|chacun|[Cc]es (personnes|comptes)|Elles)\b", page)


def test_a_replay_does_nothing(scene: Scene) -> None:
    page = choose(scene, "verrouiller", "lea").follow()
    form = page.forms["confirmation"]
    form.submit(None)
    scene.directory.accounts.unlock(OPERATOR, "lea@demo.example")
    form.submit(None)
    scene.work()
    assert scene.state("lea") == "usable"


def test_foreign_people_in_a_selection_are_nobody(scene: Scene) -> None:
    page = choose(scene, "supprimer", "lea", "eve", "0" * 32).follow()
    assert page.html.h1.text == "Supprimer 1 utilisateur ?"
    assert "Ève" not in page.text
    for nobody in (["eve"], [], ["x" * 2000]):
        told = choose(scene, "supprimer", *nobody).follow()
        assert "Sélectionnez d'abord au moins un utilisateur." in text_of(told)
    page.forms["confirmation"].submit(None)
    scene.work()
    assert scene.state("eve") == "usable"


def test_all_results_are_those_of_the_criteria_within_the_scope(scene: Scene) -> None:
    page = choose(scene, "verrouiller", tous="1", filtre="ressources").follow()
    assert page.html.h1.text == "Verrouiller 2 utilisateurs ?"
    assert "Max" in page.text, "refused: shared"
    everybody = choose(scene, "verrouiller", tous="1").follow()
    assert "Étrangère" not in everybody.text
    assert choose(scene, "verrouiller", tous="1", structure="ivry").status_int == 303
    assert choose(scene, "verrouiller", tous="1", etat="jamais connecté").status_int == 303


def test_locking_instead_of_deleting_many(scene: Scene) -> None:
    page = choose(scene, "supprimer", "lea", "noe").follow()
    page = page.forms["confirmation"].submit("plutot", value="1").follow()
    assert page.html.h1.text == "Verrouiller 2 utilisateurs ?"
    page.forms["confirmation"].submit(None)
    scene.work()
    assert [scene.state(each) for each in ("lea", "noe")] == ["locked", "locked"]


def test_an_order_is_of_who_gave_it(scene: Scene) -> None:
    mine = choose(scene, "supprimer", "lea")
    scene.become("correspondant")
    path = mine.location.removeprefix("http://localhost:6543")
    assert scene.get(path, status=404)
    lot = path.partition("lot=")[2]
    assert "recommencez depuis la liste" in text_of(scene.post(ACTIONS, lot=lot).follow())
    assert scene.state("lea") == "usable"
    own = choose(scene, "supprimer", scene.world.people["correspondant"]).follow()
    assert "votre propre compte : un autre correspondant peut le faire" in text_of(own)


def test_what_was_so_already_needs_nobodys_help_however_many(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than the page names: none of those is a refusal that somebody could lift."""
    monkeypatch.setattr("directory.services.bulk.sheets.SHOWN", 1)
    monkeypatch.setattr("directory.services.bulk.orders.LOCK_SECONDS", 60)
    scene.add("zoe", "Zola", "Zoé")
    for who in ("lea", "noe"):
        scene.directory.accounts.lock(OPERATOR, f"{who}@demo.example")
    for more, helped in (((), False), (("max",), True)):
        scene.directory.accounts.unlock(OPERATOR, "zoe@demo.example")
        asked = choose(scene, "verrouiller", "zoe", "lea", "noe", *more).follow()
        result = asked.forms["confirmation"].submit(None).follow()
        assert f"{2 + len(more)} personnes n'ont pas changé" in text_of(result)
        assert ("déjà" in result.html.select_one(".bulk-why").text) is not helped, "these last"
        for page in (asked, result):
            assert bool(page.html.select("main a[href^=mailto]")) is helped


def test_an_action_that_does_not_exist_is_no_page(scene: Scene) -> None:
    assert choose(scene, "promouvoir", "lea").status_int == 404


def test_work_under_way_shows_how_far_it_is(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("directory.services.bulk.orders.LOCK_SECONDS", 0)
    page = choose(scene, "verrouiller", "lea", "noe").follow()
    progress = page.forms["confirmation"].submit(None).follow()
    bar = progress.html.progress
    assert (bar["value"], bar["max"]) == ("1", "2")
    assert progress.html.find("meta", {"http-equiv": "refresh"}) is None, "[RGAA] 13.1"
    polled = progress.html.select_one("[hx-trigger='every 1s']")
    assert polled["hx-select"] == f"#{polled['id']}", "it replaces itself alone"
    assert polled.find("a") is None, "what has the focus keeps it"
    assert "HX-Retarget" not in progress.headers
    monkeypatch.setattr("directory.services.bulk.orders.PAUSE_SECONDS", 0)
    scene.work()
    done = scene.get(progress.request.path_qs)
    assert done.html.progress is None
    assert done.headers["HX-Retarget"] == done.headers["HX-Reselect"] == "#avancement"
    assert "2 utilisateurs verrouillés" in text_of(done)
    trails = [each.html.select_one(".crumbs").text.split() for each in (progress, done)]
    assert trails[0] == trails[1], "the script replaces what is below it alone"


def test_one_returns_to_the_list_where_one_chose(scene: Scene) -> None:
    def way_back(page: TestResponse) -> str:
        return str(page.html.select_one("#confirmation a")["href"])

    for where in ("/aia/structures/rh?membres=1&tri=nom", USERS + "?structure=rh&curseur=x"):
        page = choose(scene, "supprimer", "lea", structure="rh", retour=where).follow()
        assert way_back(page) == where
    result = page.forms["confirmation"].submit(None).follow()
    scene.work()
    result = scene.get(result.request.path_qs)
    assert result.html.select_one("#avancement .actions a")["href"] == where
    sheet = scene.get(scene.of("noe"))
    asked = sheet.click("Supprimer l'utilisateur")
    assert asked.html.select_one("[data-close]")["href"] == scene.of("noe")
    answer = asked.forms["suppression"].submit(None)
    assert answer.location.endswith(USERS), "the sheet is there no longer"


def test_a_filter_keeps_sort_and_size_on_every_list(scene: Scene) -> None:
    """Where a script replaces the list alone, the fields of the filter's form come with it."""
    for path, list_id in (
        (USERS + "?charger=tous", "liste"),
        ("/aia/structures/rh?membres=1&sous=1", "membres"),
        ("/aia/applications/bip/gest?charger=oui", "membres"),
    ):
        query = "&tri=-prenom&taille=10"
        part = scene.get(path + query, headers={"X-Fragment": "1"})
        fields = part.html.select(f"#{list_id} input[form={list_id}-filtrer]")
        kept = {each["name"]: each["value"] for each in fields}
        assert kept.items() >= {"tri": "-prenom", "taille": "10"}.items(), path
        form = scene.get(path + query).forms[f"{list_id}-filtrer"]
        form["filtre"] = "a"
        asked = dict(form.submit().request.GET)
        assert asked.items() >= {"tri": "-prenom", "taille": "10", "filtre": "a"}.items(), path
