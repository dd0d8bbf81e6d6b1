"""The guide, the contacts and the site map: complete, and true for who reads them."""

import pytest
from webtest import TestApp

from tests.common.memory_directory import MemoryDirectory
from tests.unit.views.conftest import sign_in
from views.help import FOR_ALL, FOR_PEOPLE, FOR_STRANGERS

LISTED = {*FOR_ALL, *FOR_STRANGERS, *FOR_PEOPLE}
STEPS = {
    "sign_out_next",
    "sign_out_application",
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
UNLISTED = ("saml_", "aia", "central_")
"""Reached from an application, and through the tile of the AIA."""


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
    for path in after.values():
        assert app.get(path).status_int == 200


def test_the_contacts_name_ones_own_referents(
    app: TestApp, directory: MemoryDirectory, agent: str
) -> None:
    assert agent
    referent = directory.add_account("ref@ville.example", "Rita", "Referent")
    directory.add_mandate(referent, "rh-a", ("bip",))
    assert "Rita" not in app.get("/contact").text
    sign_in(app, "agent@ville.example")
    page = app.get("/contact")
    assert "Rita Referent" in page.html.select_one(".people").text
    error = app.get("/nulle-part", status=404)
    assert "Rita Referent" in error.html.select_one(".people").text


def test_the_guide_leads_to_each_of_its_parts(app: TestApp) -> None:
    page = app.get("/guide-utilisateur").html
    targets = [link["href"].removeprefix("#") for link in page.select("main nav a")]
    assert targets == [heading["id"] for heading in page.select("main h2")]
    for said in ("Première visite", "Mot de passe oublié", "Ajouter une photo", "60"):
        assert said in page.main.text
