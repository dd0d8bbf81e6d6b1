"""Every page as it is sent: no inline script or style, one title, one h1, a French document."""

import re

import pytest
from pyramid.interfaces import IRoutesMapper
from webtest import TestApp, TestResponse

from idp.types import Entitlement, HeldRole, Referent
from tests.common.clock import START
from tests.common.memory_directory import MemoryDirectory
from tests.unit.views.conftest import sign_in
from views.templating import Icons

PUBLIC = [
    "/connexion",
    "/accessibilite",
    "/donnees-personnelles",
    "/mentions-legales",
    "/aide/erreur",
    "/guide-utilisateur",
    "/guide-referent",
    "/contact",
    "/plan-du-site",
]
PERSONAL = ["/", "/profil", "/deconnexion"]

INLINE = re.compile(
    r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE
)


def check(response: TestResponse) -> None:
    """What holds for every page."""
    html = response.text
    assert not INLINE.search(html)
    assert '<html lang="fr">' in html
    assert len(re.findall("<h1", html)) == 1
    assert len(re.findall("<title>", html)) == 1
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'(?:for|aria-labelledby|aria-describedby)="([^"]+)"', html):
        assert set(target.split()) <= set(ids)
    assert "Accessibilité&nbsp;: non conforme" in html
    foot = response.html.select_one(".foot-links").text
    for name in ("Guide utilisateur", "Données personnelles", "Mentions légales", "Contact"):
        assert name in foot
    assert "unsafe" not in response.headers["Content-Security-Policy"]


def test_the_checks_see_what_they_look_for() -> None:
    for wrong in ('<p style="x">', "<script>1</script>", "<style>", '<a onclick="x">'):
        assert INLINE.search(wrong)
    assert not INLINE.search('<script src="/static/x.js" defer></script>')


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page(app: TestApp, path: str) -> None:
    response = app.get(path)
    check(response)
    assert "Bienvenue" not in response.text


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("path", [*PERSONAL, "/accessibilite"])
def test_a_page_of_a_signed_in_person(app: TestApp, path: str) -> None:
    sign_in(app, "agent@ville.example")
    response = app.get(path)
    check(response)
    assert "Zoé D&#39;ÉTÉ &amp; FILS" in response.text
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PERSONAL)
def test_a_stranger_is_led_to_the_sign_in_page(app: TestApp, path: str) -> None:
    response = app.get(path, status=303)
    assert response.location.partition("?")[0] == "http://localhost:6543/connexion"
    assert ("suite=" in response.location) is (path == "/profil"), "the portal is next anyway"


@pytest.mark.usefixtures("agent")
def test_the_portal_shows_what_may_be_opened(app: TestApp) -> None:
    sign_in(app, "agent@ville.example")
    html = app.get("/").html
    links = {link.text: link["href"] for link in html.select(".tile a")}
    assert links == {"BIP": "/saml/sso/init?sp=https%3A%2F%2Fbip.example%2Fmetadata"}
    names = [name.text.strip() for name in html.select(".tile-name")]
    assert names == ["BIP", "Annuaire des Identités et des Accès"]


@pytest.mark.usefixtures("agent")
def test_a_closed_application_is_shown_without_a_link(
    app: TestApp, directory: MemoryDirectory, agent: str
) -> None:
    directory.add_application(
        "cap", "Net-CAP", closes_at=START, closed_message="Fermée jusqu'au 24/11/2026."
    )
    directory.add_role("cap", "manager", "Gestionnaire")
    directory.assign(directory.add_membership(agent, "rh-a"), "cap", "manager")
    sign_in(app, "agent@ville.example")
    closed = app.get("/").html.select_one(".tile-closed")
    assert "Fermée jusqu'au 24/11/2026." in closed.text
    assert closed.find("a") is None


def test_somebody_without_roles_learns_whom_to_ask(
    app: TestApp, directory: MemoryDirectory
) -> None:
    directory.add_account("sans@ville.example", structure="rh-a", password="les roses du parc 94")
    referent = directory.add_account("ref@ville.example", "Rita", "Referent")
    directory.add_mandate(referent, "rh-a", ("bip",))
    sign_in(app, "sans@ville.example")
    html = app.get("/").html
    names = [name.text.strip() for name in html.select(".tile-name")]
    assert names == ["Annuaire des Identités et des Accès"]
    assert "Rita REFERENT" in html.select_one(".empty").text


@pytest.mark.usefixtures("agent")
def test_the_profile_lists_structures_and_roles(app: TestApp) -> None:
    sign_in(app, "agent@ville.example")
    html = app.get("/profil").html
    assert "cig-pc / Ville <A>" in [fact.text for fact in html.select(".facts dd")]
    row = [cell.text for cell in html.select(".table tbody tr")[0].find_all(["th", "td"])]
    assert row == ["BIP", "Lecteur"], "where one structure is all, it is said once"


@pytest.mark.usefixtures("agent")
def test_signing_out_needs_the_form_of_the_page(app: TestApp) -> None:
    sign_in(app, "agent@ville.example")
    response = app.post("/deconnexion", status=400)
    assert "Ce formulaire n&#39;est plus valable" in response.text
    app.get("/profil", status=200)


def test_an_unknown_icon_is_the_generic_one(app: TestApp) -> None:
    icon = app.app.registry.views_jinja2.globals["icon"]
    assert isinstance(icon, Icons)
    assert icon("../../secret") == icon("application")
    assert icon("nothing", "bip") == icon("bip")
    assert icon("bip") != icon("application")


def render(app: TestApp, name: str, **values: object) -> str:
    """A template as another room renders it, without a request of its own."""
    environment = app.app.registry.views_jinja2
    text: str = environment.get_template(name).render(**values)
    return text


def test_the_hand_over_page_escapes_and_stands_alone(app: TestApp) -> None:
    relay_state = '"><script>alert(1)</script>'
    html = render(
        app,
        "hand_over.jinja2",
        action="https://sp.example/acs?a=1&b=2",
        fields=[("SAMLResponse", "PHNhbWw+"), ("RelayState", relay_state)],
        title="Ouverture de BIP",
        back=None,
    )
    assert not INLINE.search(html)
    assert 'action="https://sp.example/acs?a=1&amp;b=2"' in html
    assert "&#34;&gt;&lt;script&gt;" in html
    assert re.search(r'<button type="submit"[^>]*>Continuer</button>', html)
    assert re.search(r'<script src="/static/[0-9a-f]+/js/hand_over.js"', html)


@pytest.mark.usefixtures("agent")
def test_the_choice_of_a_structure_and_the_refusal(app: TestApp) -> None:
    sign_in(app, "agent@ville.example")
    request = Rendering()
    entitlement = Entitlement(
        subject_id="s",
        membership_id="m-1",
        mail="a@b.example",
        uid="a@b.example",
        given_name="A",
        sn="B",
        structure_code="rh-a",
        structure_label="Ville <A>",
        structure_path="cig-pc / Ville <A>",
        roles=(HeldRole("reader", "Lecteur"),),
    )
    page = render(
        app,
        "choose_structure.jinja2",
        request=request,
        person=None,
        sign_out_under_way=False,
        application_label="BIP",
        entitlements=(entitlement,),
        names={"cig-pc / Ville <A>": "Ville <A>"},
        flow="f-1",
        notice=None,
    )
    assert "<h1>Pour quelle structure travaillez-vous&nbsp;?</h1>" in page
    assert 'name="membership" value="m-1"' in page
    assert "Ville &lt;A&gt;" in page
    refused = render(
        app,
        "refused.jinja2",
        request=request,
        action=None,
        fields=(),
        person=None,
        sign_out_under_way=False,
        application_label="BIP",
        referents=(Referent("Rita Referent", "ref@ville.example"),),
        closed_message=None,
        notice=None,
        request_id="abc123",
    )
    for said in ("BIP", "Rita Referent", "mailto:ref@ville.example", "abc123", "/ask_access"):
        assert said in refused


class Rendering:
    """The little of a request that a template asks for."""

    csrf_token = "csrf"
    method = "GET"

    def route_path(self, name: str, **more: object) -> str:
        del more
        return f"/{name}"


def test_each_view_names_its_template_in_full(app: TestApp) -> None:
    """Another name is looked for beside the view first, on the disk, at every page."""
    templates = app.app.registry.introspector.get_category("templates")
    names = [each["introspectable"]["name"] for each in templates]
    names = [name for name in names if name.endswith(".jinja2")]
    assert len(names) > len(PUBLIC)
    assert [name for name in names if ":templates/" not in name] == []


def test_a_sign_on_passes_no_other_route(app: TestApp) -> None:
    """Routes are tried one after the other: pages may be added without a sign-on paying for it."""
    tried = app.app.registry.getUtility(IRoutesMapper).get_routes()
    assert tried[0].name == "saml_sso"
