import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from webtest import TestApp

from idp import make_app
from idp.errors import ConfigurationError
from idp.services import Services
from idp.settings import Settings
from views.legal import Block, blocks, read

AUDIT = {
    "state": "partiellement conforme",
    "audited_on": "2026-11-20",
    "auditor": "Cabinet X",
    "rate": 78,
    "non_conformities": ["Un <contraste>"],
}


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    """Settings whose organisation has a folder of texts of its own."""
    return replace(settings, organization=replace(settings.organization, texts=str(tmp_path)))


def test_nobody_is_conforming_without_an_audit(settings: Settings, own: Settings) -> None:
    assert read(settings).state == "non conforme"
    assert read(own).state == "non conforme"


def test_a_recorded_audit_is_read(own: Settings, tmp_path: Path) -> None:
    (tmp_path / "accessibilite.json").write_text(json.dumps(AUDIT))
    statement = read(own)
    assert (statement.state, statement.rate) == ("partiellement conforme", 78)
    assert statement.audited_on == date(2026, 11, 20)
    assert statement.non_conformities == ("Un <contraste>",)


@pytest.mark.parametrize(
    "wrong",
    [
        "not json",
        "[]",
        json.dumps(AUDIT | {"state": "très conforme"}),
        json.dumps(AUDIT | {"audited_on": "hier"}),
        json.dumps({"state": "non conforme"}),
        json.dumps(AUDIT | {"rate": 101}),
        json.dumps(AUDIT | {"rate": "78"}),
        json.dumps(AUDIT | {"tools": "axe"}),
        json.dumps(AUDIT | {"established_on": "demain"}),
    ],
)
def test_a_record_that_cannot_be_understood_refuses_to_start(
    own: Settings, tmp_path: Path, wrong: str
) -> None:
    (tmp_path / "accessibilite.json").write_text(wrong)
    with pytest.raises(ConfigurationError, match=r"accessibilite\.json"):
        read(own)


def test_the_declaration_has_every_section_that_the_rgaa_asks_for(
    own: Settings, services: Services, tmp_path: Path
) -> None:
    more = {
        "established_on": "2026-11-21",
        "disproportionate": ["Une carte"],
        "exempt": ["Un vieux PDF"],
        "technologies": ["HTML"],
        "environments": ["Firefox et NVDA"],
        "tools": ["axe"],
        "pages": ["Connexion"],
    }
    for audit in (None, AUDIT | more):
        if audit is not None:
            (tmp_path / "accessibilite.json").write_text(json.dumps(audit))
        core = replace(services.core, settings=own)
        main = TestApp(make_app(own, replace(services, core=core))).get("/accessibilite").html.main
        assert [heading.text for heading in main.select("h2")] == [
            "État de conformité",
            "Résultats des tests",
            "Contenus non accessibles",
            "Établissement de cette déclaration d'accessibilité",
            "Retour d'information et contact",
            "Voies de recours",
        ]
    lines = [line.text for line in main.select("li")]
    assert {line for lines in more.values() if isinstance(lines, list) for line in lines} < {*lines}
    assert "établie le 21/11/2026" in main.text


def test_the_text_of_the_operator_replaces_ours(own: Settings, tmp_path: Path) -> None:
    assert blocks(own, "mentions-legales.txt") == ()
    (tmp_path / "mentions-legales.txt").write_text("## Qui\n\nNous,\nici.\n\n\n", encoding="utf-8")
    assert blocks(own, "mentions-legales.txt") == (Block("Qui", 2), Block("Nous, ici."))


def test_the_pages_show_them(own: Settings, services: Services, tmp_path: Path) -> None:
    (tmp_path / "accessibilite.json").write_text(json.dumps(AUDIT))
    (tmp_path / "mentions-legales.txt").write_text("## Qui\n\nNous & <eux>", encoding="utf-8")
    app = TestApp(make_app(own, replace(services, core=replace(services.core, settings=own))))
    page = app.get("/accessibilite").text
    for said in ("78&nbsp;%", "20/11/2026", "Cabinet X", "Un &lt;contraste&gt;"):
        assert said in page
    assert "Accessibilité&nbsp;: partiellement conforme" in app.get("/connexion").text
    assert "Nous &amp; &lt;eux&gt;" in app.get("/mentions-legales").text
