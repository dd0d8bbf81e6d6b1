"""The guide, the contacts and the site map: complete, and true for who reads them."""

from pathlib import Path

import pytest
from webtest import TestApp

from idp.settings import Settings
from tests.common.memory_directory import MemoryDirectory
from tests.unit.views.conftest import sign_in
from views import guide_pictures
from views.aia import site_map
from views.help import FOR_ALL, FOR_PEOPLE, FOR_STRANGERS

INSIDE = {*site_map.FOR_ALL, *site_map.FOR_ADMINISTRATORS, *site_map.FOR_CENTRAL}
LISTED = {*FOR_ALL, *FOR_STRANGERS, *FOR_PEOPLE, *INSIDE}
STEPS = {
    "aia_sign_out",
    "sign_out_next",
    "sign_out_application",
    "refuse_membership",
    "signed_out",
    "my_data_file",
    "profile_photo_remove",
    "session",
    "help_failed",
    "logo",
    "healthz",
    "readyz",
    "metrics",
}
"""What is no page of its own: a step on a way, a file, or for programs."""
UNLISTED = "saml_"
"""Reached from an application."""


def links(app: TestApp) -> dict[str, str]:
    """The site map as this person sees it: address by name."""
    return {link.text: link["href"] for link in app.get("/plan-du-site").html.select("main li a")}


def test_no_page_is_forgotten_on_the_site_map(app: TestApp) -> None:
    introspector = app.app.registry.introspector
    views = [view["introspectable"] for view in introspector.get_category("views")]
    read = {view["route_name"] for view in views if view["request_methods"] in {"GET", None}}
    routes = [route["introspectable"] for route in introspector.get_category("routes")]
    names = {route["name"] for route in routes if "{" not in route["pattern"]} & read
    assert LISTED - {"demo_mails"} <= names
    left = {name for name in names - LISTED - STEPS if not name.startswith(UNLISTED)}
    assert left == set(), "put it into views.help, or among the steps above"


@pytest.mark.usefixtures("agent")
def test_it_lists_what_this_person_may_open(app: TestApp) -> None:
    before = links(app)
    assert "Se connecter" in before
    assert "Mon profil" not in before
    sign_in(app, "agent@ville.example")
    after = links(app)
    assert "Se connecter" not in after
    assert "Mon profil" in after
    # The directory of these tests has no passwords that a person may change.
    assert after.pop("Changer de mot de passe") == "/profil/mot-de-passe"
    # Into the directory of accesses leads its tile, or one press on the portal.
    assert after["Annuaire des Identités et des Accès"] == "/aia"
    assert "Utilisateurs" not in after
    for path in after.values():
        assert app.get(path).status_int == (303 if path.startswith("/aia") else 200)


def test_the_contacts_name_ones_own_referents(
    app: TestApp, directory: MemoryDirectory, agent: str
) -> None:
    assert agent
    referent = directory.add_account("ref@ville.example", "Rita", "Referent")
    directory.add_mandate(referent, "rh-a", ("bip",))
    assert "Rita" not in app.get("/contact").text
    sign_in(app, "agent@ville.example")
    page = app.get("/contact")
    assert "Rita REFERENT" in page.html.select_one(".people").text
    error = app.get("/nulle-part", status=404)
    assert "Rita REFERENT" in error.html.select_one(".people").text


GUIDES = {
    "/guide-utilisateur": ("Première visite", "Mot de passe oublié", "Ajouter une photo", "60"),
    "/guide-referent": ("Créer un utilisateur", "Réaffecter", "Corbeille", "Changer d'adresse"),
}


@pytest.mark.parametrize("path", GUIDES)
def test_a_guide_leads_to_each_of_its_parts_and_to_the_other(app: TestApp, path: str) -> None:
    page = app.get(path).html
    targets = [link["href"].removeprefix("#") for link in page.select("main nav a")]
    assert targets == [heading["id"] for heading in page.select("main h2")]
    for said in GUIDES[path]:
        assert said in page.main.text
    (other,) = GUIDES.keys() - {path}
    assert [link["href"] for link in page.select("main .aside a")] == [other]
    assert page.select("main img") == [], "nothing was pictured"


@pytest.fixture
def pictures(settings: Settings) -> Path:
    """What ``make guide`` leaves, before the application starts."""
    folder = settings.var / guide_pictures.FOLDER
    folder.mkdir(parents=True)
    for number, name in enumerate((*guide_pictures.AGENT, *guide_pictures.REFERENT), 1):
        guide, chapter, rest = name.split("-", 2)
        (folder / f"{guide}-01-{chapter}-{number:02}-{rest}.png").write_bytes(name.encode())
    (folder / "referent-01-creer-99-nulle-part.png").write_bytes(b"shown nowhere")
    (folder / "note.png").write_bytes(b"none of ours")
    return folder


@pytest.mark.parametrize(
    ("path", "names"),
    [("/guide-utilisateur", guide_pictures.AGENT), ("/guide-referent", guide_pictures.REFERENT)],
)
def test_a_guide_shows_the_pictures_that_were_made(
    pictures: Path, app: TestApp, path: str, names: tuple[str, ...]
) -> None:
    assert pictures.is_dir()
    images = app.get(path).html.select("main figure img")
    assert sorted(app.get(image["src"]).body.decode() for image in images) == sorted(names)
    for image in images:
        assert len(image["alt"]) > len("Ouvrir l'image en grand.")
        assert image["width"] == str(guide_pictures.WIDTH)
    assets = app.app.registry.views_assets
    assert assets.get("guide/referent-creer-nulle-part.png") is None
    assert assets.get("guide/note.png") is None
