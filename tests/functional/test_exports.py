"""*Exporter*, through the whole application: the file that a référent gets, and never more."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import openpyxl
import pytest
from sqlalchemy import select

from directory.authorisation import OPERATOR
from directory.services.accounts.changes import Person
from directory.services.memberships.changes import MembershipFields
from directory.services.rights.assignments import Grant
from idp.audit import AuditEvent
from idp.settings import Settings
from tests.common.databases import Databases
from tests.functional import aia_scene
from tests.functional.aia_scene import scene_on
from tests.functional.conftest import text_of, to_correct

pytestmark = pytest.mark.sqlite_only

USERS = "/aia/utilisateurs/export"
STRUCTURE = "/aia/structures/vitry/export"
ROLE = "/aia/applications/bip/gest/export"
EVIL = "=HYPERLINK(1)"
CONTACT = MembershipFields(
    service="Paie", function=EVIL, phone="+33 1 02 03 04 05", postal_address="1, rue Verte"
)


@dataclass
class Scene(aia_scene.Scene):
    """Léa of Vitry's payroll, and Ève of Ivry."""

    def furnish(self) -> None:
        """Add them."""
        directory = self.directory
        directory.structures.add(OPERATOR, "paie", "Service paie", parent="vitry")
        directory.structures.add(OPERATOR, "ivry", "Ivry")
        lea, eve = (
            Person("lea@demo.example", "Noël", "Léa", CONTACT),
            Person("eve@demo.example", "É", "Ève"),
        )
        directory.accounts.add(OPERATOR, lea, "paie", no_mail=True)
        directory.accounts.add(OPERATOR, eve, "ivry", no_mail=True)
        directory.assignments.assign(OPERATOR, Grant("lea@demo.example", "paie", "bip", "gest"))
        directory.assignments.assign(OPERATOR, Grant("agent@demo.example", "vitry", "bip", "gest"))

    def table(self, path: str, /, **fields: str) -> list[dict[str, str]]:
        answer = self.post(path, format="csv", **fields)
        assert answer.status_int == 200, answer.text
        text = answer.body.decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text), delimiter=";"))

    def journal(self) -> list[tuple[str, str | None, dict[str, object]]]:
        statement = select(AuditEvent).where(AuditEvent.code.startswith("export.")).order_by("id")
        with self.world.services.db.reading() as session:
            found = session.scalars(statement)
            return [(each.code, each.target, each.parameters) for each in found]


@pytest.fixture(scope="module")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Made once: each test starts from it."""
    with scene_on(Scene, databases, tmp_path_factory.mktemp("exports")) as made:
        yield made


@pytest.fixture
def scene(stage: Scene) -> Scene:
    return stage.anew()


def test_the_file_is_what_french_excel_opens(scene: Scene) -> None:
    answer = scene.post(USERS, format="csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    name = f"utilisateurs-{scene.world.now:%d-%m-%Y}.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body.startswith(b"\xef\xbb\xbfNom;Pr\xc3\xa9nom;Adresse mail;Structure;")
    lines = answer.body.decode().split("\r\n")
    assert lines[-1] == ""
    assert not any("\n" in line for line in lines)


def test_one_line_per_membership_in_scope_and_no_contact_unless_ticked(scene: Scene) -> None:
    rows = scene.table(USERS)
    assert [row["Prénom"] for row in rows if row["Nom"] == "Noël"] == ["Léa"]
    assert len(rows) == 5
    assert not any(row["Adresse mail"] == "eve@demo.example" for row in rows)
    lea = next(row for row in rows if row["Nom"] == "Noël")
    assert lea["Chemin de la structure"] == "Vitry / Service paie"
    assert lea["Fonction"] == "'" + EVIL
    assert lea["Début de validité du compte"] == f"{scene.world.now:%d/%m/%Y}"
    assert (lea["État du compte"], lea["Dernière connexion"]) == ("actif", "jamais")
    assert not {"Numéro de téléphone", "Adresse postale"} & lea.keys()
    told = next(row for row in scene.table(USERS, coordonnees="1") if row["Nom"] == "Noël")
    assert (told["Numéro de téléphone"], told["Adresse postale"]) == (
        "'+33 1 02 03 04 05",
        "1, rue Verte",
    )


@contextmanager
def switched_off(settings: Settings, *fields: str) -> Iterator[None]:
    """As if the operator had set ``directory.fields_off``; the module's world outlives the test."""
    before = settings.fields_off
    object.__setattr__(settings, "fields_off", frozenset(fields))
    try:
        yield
    finally:
        object.__setattr__(settings, "fields_off", before)


def test_what_the_operator_switched_off_is_in_no_file(scene: Scene) -> None:
    settings = scene.world.services.core.settings
    every = scene.table(USERS, coordonnees="1")[0]
    off = {"teleworking": "Télétravail", "phone": "Numéro de téléphone"}
    with switched_off(settings, *off):
        rest = scene.table(USERS, coordonnees="1")[0]
        assert every.keys() - rest.keys() == set(off.values())
        assert {name: every[name] for name in rest} == rest
        page = scene.visitor.app.get(USERS)
        offered = [each.text for each in page.html.select(".option label")]
        assert offered[-1] == "Ajouter l'adresse postale"
    with switched_off(settings, "phone", "postal_address"):
        assert "Contenu" not in scene.visitor.app.get(USERS).html.main.text


def test_the_breadcrumb_names_what_is_exported(scene: Scene) -> None:
    for path, trail in (
        (USERS, ["Annuaire", "Utilisateurs", "Exporter"]),
        ("/aia/structures/paie/export", ["Annuaire", "Structures", "Service paie", "Exporter"]),
        (
            "/aia/applications/bip/gest/export",
            ["Annuaire", "Applications", "BIP Gestionnaire", "Exporter"],
        ),
    ):
        page = scene.visitor.app.get(path)
        assert [each.text for each in page.html.select(".crumbs li")] == trail
        above = page.html.select(".crumbs a")[-1]["href"]
        assert above == path.removesuffix("/export"), "it leads where it says"


def test_the_criteria_of_the_list_narrow_the_file(scene: Scene) -> None:
    assert [row["Nom"] for row in scene.table(USERS + "?nom=noel")] == ["Noël"]
    assert [row["Nom"] for row in scene.table(USERS + "?structure=paie")] == ["Noël"]
    assert scene.table(USERS + "?nom=personne") == []
    assert scene.post(USERS + "?structure=ivry", format="csv").status_int == 404


def test_a_structure_with_or_without_those_below(scene: Scene) -> None:
    assert len(scene.table(STRUCTURE, sous="1")) == 5
    assert len(scene.table(STRUCTURE)) == 4
    answer = scene.post(STRUCTURE, format="csv")
    assert f"vitry-{scene.world.now:%d-%m-%Y}.csv" in answer.headers["Content-Disposition"]
    for foreign in ("ivry", "inconnue"):
        path = f"/aia/structures/{foreign}/export"
        assert scene.post(path, format="csv").status_int == 404
        scene.visitor.app.get(path, status=404)


def test_the_holders_of_a_role_with_its_dates(scene: Scene) -> None:
    rows = scene.table(ROLE)
    assert sorted(row["Adresse mail"] for row in rows) == ["agent@demo.example", "lea@demo.example"]
    assert rows[0]["Rôle donné par"] == "L'administration du service"
    assert rows[0]["Rôle donné le"] == f"{scene.world.now:%d/%m/%Y}"
    assert "Télétravail" not in rows[0]
    assert scene.post("/aia/applications/net-cap/gest/export", format="csv").status_int == 404


def test_excel_gets_a_real_workbook_with_texts_and_days(scene: Scene) -> None:
    answer = scene.post(USERS, format="xlsx", coordonnees="1")
    assert answer.headers["Content-Disposition"].endswith('.xlsx"')
    sheet = openpyxl.load_workbook(io.BytesIO(answer.body)).active
    titles, *rows = sheet.iter_rows()
    column = {cell.value: number for number, cell in enumerate(titles)}
    lea = next(row for row in rows if row[0].value == "Noël")
    cell = lea[column["Fonction"]]
    assert (cell.value, cell.data_type) == (EVIL, "s")
    day = lea[column["Début de validité du compte"]]
    assert (day.is_date, day.value.date()) == (True, scene.world.now.date())
    assert len(rows) == 5


def test_the_journal_knows_the_beginning_and_the_end(scene: Scene) -> None:
    scene.table(STRUCTURE, coordonnees="1", sous="1")
    told = {"of": "structure", "below": True, "text": "", "contact": True, "file_format": "csv"}
    assert scene.journal() == [
        ("export.started", "structure:vitry", told),
        ("export.finished", "structure:vitry", told | {"count": 5}),
    ]


def test_the_page_asks_what_and_how(scene: Scene) -> None:
    page = scene.visitor.app.get(STRUCTURE)
    assert "Vitry. Le fichier contient une ligne par membre." in text_of(page)
    form = page.forms["export"]
    assert (form["format"].value, form["sous"].checked) == ("csv", True)
    assert form["coordonnees"].checked is False
    assert len(list(csv.reader(io.StringIO(form.submit().text)))) == 6
    form["sous"] = False
    assert len(list(csv.reader(io.StringIO(form.submit().text)))) == 5
    assert page.html.select_one("section.confirm.card-page")
    fragment = scene.visitor.app.get(STRUCTURE, headers={"X-Fragment": "1"})
    assert fragment.html.h1 is None
    assert fragment.html.h2["id"] == "export-titre"
    narrowed = scene.visitor.app.get(USERS + "?nom=noel").forms["export"]
    assert len(list(csv.reader(io.StringIO(narrowed.submit().text)))) == 2


def test_no_kind_of_file_no_export(scene: Scene) -> None:
    answer = scene.post(USERS, format="exe", coordonnees="1")
    assert answer.status_int == 400
    assert to_correct(answer)[0].startswith("Choisissez le type de fichier")
    assert answer.forms["export"]["coordonnees"].checked is True
    assert scene.journal() == []


def test_each_list_leads_to_the_export_of_what_it_shows(scene: Scene) -> None:
    def way(path: str, name: str, **headers: str) -> str:
        link = scene.visitor.app.get(path, headers=headers).html.find(id=f"{name}-exporter")
        return str(link["href"])

    def names(path: str, **fields: str) -> list[str]:
        return [row["Nom"] for row in scene.table(path, **fields)]

    assert names(way("/aia/utilisateurs?nom=noel", "liste")) == ["Noël"]
    assert names(way("/aia/utilisateurs?charger=tous&filtre=lea+paie", "liste")) == ["Noël"]
    assert way("/aia/utilisateurs", "liste") == USERS
    role = way("/aia/applications/bip/gest?charger=tous&filtre=noel", "membres")
    assert names(role) == ["Noël"]
    members = "/aia/structures/vitry?membres=1&filtre=noel"
    for fragment in ({}, {"HX-Request": "true"}):
        below = way(members + "&sous=1", "membres", **fragment)
        assert names(below, sous="1") == ["Noël"]
        assert names(below) == []
        page = scene.visitor.app.get(below)
        assert "de ceux qui correspondent à « noel »" in text_of(page)
        assert page.html.find(id="sous-1").has_attr("checked")
        alone = scene.visitor.app.get(way(members, "membres", **fragment))
        assert not alone.html.find(id="sous-1").has_attr("checked")
    bare = scene.visitor.app.get(way("/aia/structures/vitry", "membres"))
    assert bare.html.find(id="sous-1").has_attr("checked")


def test_who_backs_out_returns_to_the_list_that_he_left(scene: Scene) -> None:
    page = scene.visitor.app.get(STRUCTURE + "?membres=1&filtre=noel")
    back = page.html.find("a", attrs={"data-close": True})["href"]
    assert back == "/aia/structures/vitry?membres=1&filtre=noel"
