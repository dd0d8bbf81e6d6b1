"""The sheet of a person and what is changed on it, through the whole application."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from webtest import Upload

from directory.authorisation import OPERATOR
from directory.models import Account
from idp.mail import OUTBOX, MailState
from idp.multipart import MAX_UPLOAD
from tests.common.databases import Databases
from tests.common.photos import image
from tests.functional.aia_scene import scene_on
from tests.functional.conftest import to_correct
from tests.functional.people_scene import BOTH, EVE, LEA, Scene, form_of, links, text_of

pytestmark = pytest.mark.sqlite_only


@pytest.fixture(scope="module")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Made once: each test starts from it."""
    with scene_on(Scene, databases, tmp_path_factory.mktemp("people")) as made:
        yield made


@pytest.fixture
def scene(stage: Scene) -> Scene:
    return stage.anew()


# --- the sheet -------------------------------------------------------------------------------


def test_the_sheet_shows_what_is_recorded_and_what_may_be_done(scene: Scene) -> None:
    page = scene.get(LEA)
    said = text_of(page)
    for expected in (
        "Nom complet Léa NOËL",
        f"Adresse mail {LEA}",
        "Vitry / Service paie",
        "Applications et Rôles",
        "Gestionnaire",
        "+ 1 rôle hors de votre périmètre",
        "Léa NOËL ne s'est jamais connecté",
        "Dernière connexion Jamais",
    ):
        assert expected in said, expected
    assert "Net-CAP" not in said
    assert links(page) >= {
        "Éditer l'utilisateur",
        "Changer d'adresse",
        "Changer de structure",
        "Réinitialisation mot de passe",
        "Renvoyer le mail",
        "Verrouiller le compte",
        "Historique",
        "Supprimer l'utilisateur",
    }
    assert page.headers["Cache-Control"] == "no-store"


def test_a_shared_account_explains_what_is_missing(scene: Scene) -> None:
    page = scene.get(BOTH)
    assert "Ivry" not in text_of(page)
    assert "seul le correspondant peut le faire" in text_of(page)
    assert not links(page) & {"Changer d'adresse", "Verrouiller le compte"}
    assert "Éditer l'utilisateur" in links(page), "his membership is the référent's"
    own = scene.get("referent@demo.example")
    assert "propre compte" in text_of(own)
    assert not links(own) & {"Éditer l'utilisateur", "Supprimer l'utilisateur"}


def test_exact_use_is_the_correspondant_s(scene: Scene) -> None:
    with scene.world.services.db.unit_of_work() as session:
        account = session.scalars(select(Account).where(Account.mail == LEA)).one()
        account.last_sign_in_at = scene.world.now
    assert "Il y a moins de 6 mois" in text_of(scene.get(LEA))
    assert "Renvoyer le mail" not in links(scene.get(LEA))
    scene.become("correspondant")
    assert "Dernière connexion le " in text_of(scene.get(LEA))
    assert "Net-CAP" in text_of(scene.get(LEA))


def test_a_mail_that_did_not_arrive_is_told(scene: Scene) -> None:
    scene.directory.invitations.send(OPERATOR, LEA)
    assert "mail non remis" not in text_of(scene.get(LEA))
    with scene.world.services.db.writing() as connection:
        connection.execute(OUTBOX.update().values(state=MailState.DEAD))
    assert "mail non remis" in text_of(scene.get(LEA))


def test_a_locked_person_is_offered_no_mail_and_it_is_said_why(scene: Scene) -> None:
    mails = {"Réinitialisation mot de passe", "Renvoyer le mail"}
    accounts = scene.directory.accounts
    for mail, helps in ((LEA, "Déverrouiller le compte"), (BOTH, "Écrire au correspondant")):
        accounts.lock(OPERATOR, mail)
        page = scene.get(mail)
        assert not links(page) & mails
        assert "Ce compte est verrouillé : " in text_of(page)
        assert helps in {each.get_text(strip=True) for each in page.html.select(".note a")}
        asked = scene.get(mail, "/mot-de-passe")
        assert "mot-de-passe" not in asked.forms
        assert "Ce compte est verrouillé : " in text_of(asked)
        offered = "reinitialisation" in form_of(scene.get(mail, "/editer")).fields
        assert offered == (mail == LEA), "who may unlock does both at once"
    form = form_of(scene.get(LEA, "/editer"))
    form["verrouille"], form["reinitialisation"] = False, True
    assert "Un mail lui est envoyé" in text_of(form.submit().follow())
    later = scene.world.now + timedelta(days=3)
    with scene.world.services.db.unit_of_work() as session:
        session.scalars(select(Account).where(Account.mail == LEA)).one().valid_from = later
    page = scene.get(LEA)
    assert not links(page) & mails
    assert "hors de ses dates de validité" in text_of(page)
    assert "Changer les dates" in links(page)


def test_an_account_in_the_bin_leads_to_the_bin(scene: Scene) -> None:
    scene.directory.bin.delete(OPERATOR, LEA)
    page = scene.get(LEA)
    assert "dans la corbeille" in text_of(page)
    assert "Ouvrir la corbeille" in links(page)
    scene.get(LEA, "/editer", status=404)


def test_foreign_people_and_nobody_read_alike(scene: Scene) -> None:
    scene.people["nobody"] = "0" * 32
    for end in ("", "/editer", "/adresse", "/structure", "/photo", "/mot-de-passe"):
        pages = [scene.get(who, end, status=404).text for who in (EVE, "nobody")]
        one, other = (re.sub(r"[0-9a-f]{16,}", "", page) for page in pages)
        assert one == other, end
        if end in {"", "/photo"}:
            continue
        for who in (EVE, "nobody"):
            answer = scene.post(scene.path(who, end), nom="X", prenom="X", adresse="x@y.fr")
            assert answer.status_int == 404, end
    assert scene.sheet(EVE).sn == "Noël"


# --- Éditer l'utilisateur ------------------------------------------------------------------------


def test_everything_is_edited_at_once(scene: Scene) -> None:
    page = scene.get(LEA, "/editer")
    said = text_of(page)
    for label in (
        "Adresse mail",
        "Service",
        "Date de début de validité du compte",
        "Date de fin de validité du compte",
        "Verrouillage du compte",
        "Nom *",
        "Prénom *",
        "Identifiant applicatif",
        "Télétravail",
        "Réinitialisation mot de passe",
        "Fonction",
        "Adresse postale",
        "Numéro de téléphone",
        "Annuler",
    ):
        assert label in said, label
    form = form_of(page)
    (membership,) = scene.sheet(LEA).memberships
    form["nom"], form["fin"] = "Martin", "2030-01-31"
    form[f"service-{membership.id}"] = "Paie"
    form[f"teletravail-{membership.id}"] = True
    shown = form.submit().follow()
    assert "Les informations de Léa MARTIN sont enregistrées." in text_of(shown)
    assert "jusqu'au 31/01/2030" in text_of(shown) or "au 31/01/2030" in text_of(shown)
    sheet = scene.sheet(LEA)
    assert (sheet.sn, sheet.memberships[0].service) == ("Martin", "Paie")
    assert sheet.memberships[0].teleworking


def test_what_is_wrong_is_said_at_its_field(scene: Scene) -> None:
    form = form_of(scene.get(LEA, "/editer"))
    form["nom"], form["fin"] = "", "demain"
    page = form.submit(status=400)
    wrong = {error["id"] for error in page.html.select(".field-error")}
    assert len(wrong) == 2
    assert "Saisissez le nom." in text_of(page)
    form["nom"], form["fin"] = " \u200b", ""
    assert "Saisissez le nom." in text_of(form.submit(status=400)), "what nobody sees is missing"
    service = next(name for name in form.fields if name and name.startswith("service-"))
    form["nom"], form[service] = "😀", "--"
    assert to_correct(form.submit(status=400)) == [
        "Nom : écrivez au moins une lettre ou un chiffre.",
        "Service : écrivez au moins une lettre ou un chiffre.",
    ]
    assert scene.sheet(LEA).valid_until is None


def test_reset_from_the_form_mails_a_link(scene: Scene) -> None:
    form = form_of(scene.get(LEA, "/editer"))
    form["reinitialisation"] = True
    assert "Un mail lui est envoyé" in text_of(form.submit().follow())
    assert scene.mails() == [("password-first-visit", LEA)]
    scene.realm.clock.advance(timedelta(minutes=2))
    page = scene.get(LEA, "/mot-de-passe")
    assert "mail" in text_of(page.forms["mot-de-passe"].submit().follow())
    assert len(scene.mails()) == 2


def test_extra_fields_and_foreign_ids_change_nothing(scene: Scene) -> None:
    page = scene.get(BOTH, "/editer")
    form = form_of(page)
    assert "nom" not in form.fields
    mine, foreign = scene.sheet(BOTH).memberships[::-1]
    fields = {name: form[name].value or "" for name in form.fields if name}
    for extra in (
        {"nom": "X", "prenom": "X", "verrouille": "true", "fin": "2020-01-01"},
        {f"service-{foreign.id}": "X", f"suspendu-{foreign.id}": "true"},
        {"mail": "x@y.fr", "subject_id": scene.people[EVE], "structure": "ivry"},
    ):
        scene.post(scene.path(BOTH, "/editer"), **fields, **extra)
    after = scene.sheet(BOTH)
    assert (after.sn, after.locked, after.mail) == ("Noël", False, BOTH)
    assert [each.service for each in after.memberships] == [None, None]
    form[f"service-{mine.id}"] = "Paie"
    form[f"suspendu-{mine.id}"] = True
    assert "suspendu" in text_of(form.submit().follow())


@pytest.mark.parametrize("who", ["referent", "correspondant"])
def test_nobody_reaches_his_own_edit(scene: Scene, who: str) -> None:
    if who == "correspondant":
        scene.become(who)
    for end in ("/editer", "/adresse", "/structure", "/photo"):
        scene.get(f"{who}@demo.example", end, status=404)
    told = scene.get(f"{who}@demo.example", "/mot-de-passe")
    assert "ne peut pas être réinitialisé par vous" in told.html.h1.text
    assert "correspondantCIG@cig929394.fr" in text_of(told)
    answer = scene.post(scene.path(f"{who}@demo.example", "/mot-de-passe"))
    assert answer.status_int == 404
    assert scene.mails() == []


def test_a_stale_page_shows_both_versions(scene: Scene) -> None:
    first, second = form_of(scene.get(LEA, "/editer")), form_of(scene.get(LEA, "/editer"))
    (membership,) = scene.sheet(LEA).memberships
    service, phone = f"service-{membership.id}", f"telephone-{membership.id}"
    first[service] = "Carrières"
    first["prenom"] = "Leïla"
    first.submit(status=303)
    assert "C'était déjà fait." in text_of(first.submit(status=303).follow())
    second[service], second[phone] = "Paie", "01"
    page = second.submit(status=409)
    rows = [
        tuple(cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"]))
        for row in page.html.select(".both tbody tr")
    ]
    assert rows == [
        ("Service", "Carrières", "Paie"),
        ("Numéro de téléphone", "Non renseigné", "01"),
    ]
    assert scene.sheet(LEA).memberships[0].service == "Carrières"
    again = form_of(page)
    assert again["prenom"].value == "Leïla", "what he left alone is as it is now"
    again.submit(status=303)
    after = scene.sheet(LEA)
    assert (after.given_name, after.memberships[0].service) == ("Leïla", "Paie")


def test_what_the_settings_switch_off_has_no_field(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = scene.visitor.app.app.registry
    off = replace(registry.services.settings, fields_off=frozenset({"phone", "teleworking"}))
    core = replace(registry.services.core, settings=off)
    monkeypatch.setattr(registry, "services", replace(registry.services, core=core))
    said = text_of(scene.get(LEA, "/editer")) + text_of(scene.get(LEA))
    assert "Adresse postale" in said
    assert "téléphone" not in said
    assert "Télétravail" not in said


def test_a_photo_is_added_and_removed(scene: Scene) -> None:
    form = next(each for each in scene.get(LEA, "/photo").forms.values() if "photo" in each.fields)
    form["photo"] = Upload("moi.jpg", image((300, 200), "JPEG"), "image/jpeg")
    assert "La photo de Léa NOËL est enregistrée." in text_of(form.submit().follow())
    assert scene.sheet(LEA).photo
    asked = scene.get(LEA, "/photo").click("Supprimer la photo")
    assert asked.html.h1.text == "Supprimer la photo de Léa NOËL ?"
    assert scene.sheet(LEA).photo, "asking does nothing"
    assert "supprimée" in text_of(asked.forms["photo-supprimer"].submit().follow())
    assert scene.sheet(LEA).photo is None
    assert "photo-supprimer" not in scene.get(LEA, "/photo?supprimer=1").forms
    scene.get(BOTH, "/photo", status=404)


def test_a_photo_too_large_to_be_read_leads_back_to_its_form(scene: Scene) -> None:
    form = next(each for each in scene.get(LEA, "/photo").forms.values() if "photo" in each.fields)
    form["photo"] = Upload("moi.jpg", b"x" * MAX_UPLOAD, "image/jpeg")
    again = form.submit(status=303).follow()
    assert "Cette photo dépasse 2 Mo." in again.html.select_one("#erreurs").text
    assert "2 Mo au plus" in text_of(again)
    assert again.html.select_one("#photo")["aria-invalid"] == "true"
    assert scene.sheet(LEA).photo is None
