"""What stands around the AIA's pages: the sidebar of administrators, and htmx's bounds."""

import json

import pytest
from webtest import TestApp

from directory.authorisation import OPERATOR
from directory.services import build
from directory.services.accounts.changes import Person
from idp.services import Services

PASSWORD = "une phrase assez longue"
AGENTS = ["Créer un utilisateur", "Utilisateurs", "Structures", "Applications"]
ADMINISTRATORS = [*AGENTS, "Demandes d'accès", "Corbeille"]


@pytest.fixture
def directory_plugin() -> str:
    """What the AIA shows is the SQL directory's."""
    return "directory.plugin.build"


@pytest.fixture(autouse=True)
def _people(services: Services) -> None:
    directory = build(services.core)
    directory.structures.add(OPERATOR, "cig", "CIG")
    directory.applications.add(OPERATOR, "bip", "BIP")
    for name in ("agent", "referent", "correspondant"):
        person = Person(f"{name}@ville.example", "Nom", "Prénom")
        directory.accounts.add(OPERATOR, person, "cig", password=PASSWORD, no_mail=True)
    directory.mandates.add(OPERATOR, "referent@ville.example", "cig", ("bip",))
    directory.mandates.add_central(OPERATOR, "correspondant@ville.example")


def enter(app: TestApp, name: str) -> None:
    form = app.get("/connexion").forms["formulaire"]
    form["login"], form["password"] = f"{name}@ville.example", PASSWORD
    form.submit(status=303)
    app.post("/aia", {"csrf_token": app.cookies["convergences-csrf"]}, status=303)


def entries(app: TestApp, path: str) -> list[str]:
    return [link.span.text for link in app.get(path).html.select(".side a")]


def test_the_sidebar_is_the_administrators(app: TestApp) -> None:
    enter(app, "agent")
    for path in ("/aia", "/aia/profil", "/aia/deconnexion"):
        assert entries(app, path) == [], path
    app.reset()
    enter(app, "referent")
    for path in ("/aia", "/aia/profil", "/aia/deconnexion", "/aia/demandes"):
        assert entries(app, path) == ADMINISTRATORS, path
    app.reset()
    enter(app, "correspondant")
    assert entries(app, "/aia/administration/courriels") == [*ADMINISTRATORS, "Mails"]


def test_home_has_four_doors_for_who_administers_and_the_profile_for_who_does_not(
    app: TestApp,
) -> None:
    enter(app, "referent")
    assert "Créez et gérez les comptes et les rôles de vos collègues." in app.get("/").text
    doors = app.get("/aia").html.select("a.door")
    assert [door.select_one(".door-name").text for door in doors] == AGENTS
    assert [door["href"] for door in doors] == [
        "/aia/utilisateurs/nouveau",
        "/aia/utilisateurs",
        "/aia/structures",
        "/aia/applications",
    ]
    app.reset()
    enter(app, "agent")
    assert "Votre fiche, vos structures et vos rôles." in app.get("/").text
    page = app.get("/aia")
    assert page.html.select("a.door") == []
    assert page.html.select_one("#identite") is not None


@pytest.mark.parametrize(
    ("path", "current", "kind"),
    [
        ("/aia/demandes", "Demandes d'accès", "page"),
        ("/aia/utilisateurs/nouveau", "Créer un utilisateur", "page"),
        ("/aia/utilisateurs/ajouter", "Créer un utilisateur", "true"),
    ],
)
def test_where_one_is_is_told(app: TestApp, path: str, current: str, kind: str) -> None:
    enter(app, "referent")
    page = app.get(path)
    marked = page.html.select(".side [aria-current]")
    assert [(one.span.text, one["aria-current"]) for one in marked] == [(current, kind)]
    assert page.html.select_one(".crumbs [aria-current=page]") is not None


def test_htmx_is_held_to_our_policy(app: TestApp) -> None:
    enter(app, "referent")
    config = json.loads(app.get("/aia").html.select_one("meta[name=htmx-config]")["content"])
    assert config == {
        "includeIndicatorStyles": False,
        "allowEval": False,
        "selfRequestsOnly": True,
        "allowScriptTags": False,
        "historyCacheSize": 0,
        "attributesToSettle": ["class", "width", "height"],  # not "style": no page has one
        "refreshOnHistoryMiss": True,
    }
    assert "htmx" not in app.get("/").text, "on the AIA's pages alone"
