"""Another organisation's portal: its name, colours, pictures, texts, and nothing of the CIG's."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from webtest import TestApp

from idp import make_app
from idp.errors import ConfigurationError
from idp.services import Services
from idp.settings import Organization, Settings
from tests.unit.views.conftest import sign_in
from views.assets import load

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40"/>'
# A word's beginning: within a random token stand any three letters.
ANY_TRACE = re.compile(r"\bcig|petite couronne|1d4f91", re.IGNORECASE)
MACHINES = {"healthz", "readyz", "metrics", "static", "logo", "saml_metadata", "session"}


@pytest.fixture
def organization(tmp_path: Path) -> Organization:
    """A centre de gestion far away."""
    for name in ("logo.svg", "logo-nuit.svg", "onglet.svg"):
        (tmp_path / name).write_bytes(SVG + name.encode())
    texts = tmp_path / "textes"
    texts.mkdir()
    (texts / "mentions-legales.txt").write_text("## Qui\n\nLe CDG des Landes.", encoding="utf-8")
    return Organization(
        name="CDG des Landes",
        portal_name="Portail landais",
        url="https://cdg.landes.example",
        correspondant="aide@cdg.landes.example",
        dpo="dpo@cdg.landes.example",
        technical="panne@cdg.landes.example",
        logo=str(tmp_path / "logo.svg"),
        logo_dark=str(tmp_path / "logo-nuit.svg"),
        favicon=str(tmp_path / "onglet.svg"),
        color="#7a1f3d",
        texts=str(texts),
    )


@pytest.fixture
def settings(settings: Settings, organization: Organization) -> Settings:
    """Theirs, with every route that there is."""
    return replace(settings, organization=organization, demonstration=True)


def pages(app: TestApp) -> Iterator[str]:
    """Every address without a parameter that a browser opens."""
    introspector = app.app.registry.introspector
    for route in introspector.get_category("routes"):
        name, path = (route["introspectable"][key] for key in ("name", "pattern"))
        if name not in MACHINES and "{" not in path:
            yield path


@pytest.mark.usefixtures("agent")
def test_no_page_bears_a_trace_of_another_organisation(app: TestApp) -> None:
    seen = 0
    for signed_in in (False, True):
        if signed_in:
            sign_in(app, "agent@ville.example")
        for path in (*pages(app), "/nulle-part"):
            answer = app.get(path, expect_errors=True)
            if answer.status_int == 303:
                continue
            text = re.sub(r"\bcig-pc\b", "", answer.text)  # a structure of the test's own
            assert ANY_TRACE.search(text) is None, path
            assert "CDG des Landes" in answer.text, path
            seen += 1
    assert seen > 20
    for link in app.get("/contact").html.select("link[rel=stylesheet]"):
        assert ANY_TRACE.search(app.get(link["href"]).text) is None


@pytest.mark.usefixtures("agent")
def test_the_settings_are_what_is_seen(app: TestApp) -> None:
    page = app.get("/contact").html
    assert "Portail landais" in page.title.text
    for address in ("aide@", "panne@", "dpo@"):
        assert page.select_one(f'a[href="mailto:{address}cdg.landes.example"]')
    light, dark = page.select_one(".brand-logo")["src"], page.select_one(".brand source")
    assert app.get(light).body.endswith(b"logo.svg")
    assert dark["media"] == "(prefers-color-scheme: dark)"
    assert app.get(dark["srcset"]).body.endswith(b"logo-nuit.svg")
    assert app.get(page.select_one("link[rel=icon]")["href"]).body.endswith(b"onglet.svg")
    theme = app.get(page.select_one("link[href$='theme.css']")["href"]).text
    assert "--brand:#7a1f3d" in theme
    assert "Le CDG des Landes." in app.get("/mentions-legales").text


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"logo": "/nowhere/logo.svg"}, "organization.logo "),
        ({"logo_dark": "/nowhere/logo.svg"}, "organization.logo_dark"),
        ({"logo": "", "logo_dark": "x.svg"}, "organization.logo_dark"),
        ({"favicon": "icone.exe"}, "organization.favicon"),
        ({"color": "bleu"}, "organization.color"),
        ({"texts": "/nowhere"}, "organization.texts"),
    ],
)
def test_what_cannot_be_used_refuses_to_start(
    settings: Settings, services: Services, wrong: dict[str, str], named: str
) -> None:
    own = replace(settings, organization=replace(settings.organization, **wrong))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=named):
        make_app(own, replace(services, core=replace(services.core, settings=own)))


@pytest.mark.parametrize("name", ["guide-utilisateur", "guide-referent"])
def test_the_operators_own_guide_replaces_ours(
    settings: Settings, services: Services, name: str
) -> None:
    own = Path(settings.organization.texts, f"{name}.txt")
    own.write_text("## Chez nous\n\nÀ lire.", encoding="utf-8")
    page = TestApp(make_app(settings, services)).get(f"/{name}").html
    assert [heading.text for heading in page.select("main h2")] == ["Chez nous"]
    assert "À lire." in page.main.text


def test_a_text_that_is_none_refuses_to_start(settings: Settings, services: Services) -> None:
    Path(settings.organization.texts, "guide-utilisateur.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"guide-utilisateur\.txt"):
        make_app(settings, services)


def test_without_a_favicon_ours_is_shown(settings: Settings) -> None:
    assert load(settings).get("img/favicon.svg") is not None
