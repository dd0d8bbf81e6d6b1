"""*Créer un utilisateur*, step by step, and whatever somebody may send instead of a step."""

import re
from dataclasses import replace
from html import unescape

import pytest
from webtest import TestApp

from directory import actors
from directory.authorisation import OPERATOR
from directory.services import DirectoryServices
from directory.services.accounts.changes import Person
from idp.request import Request
from idp.services import Services
from tests.functional.aia_realm import Realm
from tests.functional.conftest import to_correct
from tests.functional.create_scene import (
    BASE,
    FIELDS,
    MAIL,
    NEW,
    ONE,
    REMOVED,
    WAITS,
    accounts,
    check,
    form_to,
    held,
    key_of,
    mails,
    remove,
    restoring,
    sign_in,
    text,
    to_person,
    to_recap,
    to_roles,
)
from views.aia import creation_draft
from views.aia.creation_draft import Draft

pytestmark = pytest.mark.sqlite_only


# --- the way of the guide ----------------------------------------------------------------------


def test_the_four_steps_create_an_account_with_its_roles(
    app: TestApp, services: Services, directory: DirectoryServices
) -> None:
    first = check(app, MAIL)
    assert "Aucun compte utilisateur n'existe avec cette adresse email" in text(first)
    person = to_person(app)
    assert person.html.select_one(".step-now h2").text == f"Saisir les informations de {MAIL}"
    offered = [option["value"] for option in person.html.select("select option")]
    assert offered == ["", "a", "a-rh"], "his own subtree alone"
    recap = to_recap(app, "bip:lire")
    for said in (MAIL, "Noël", "Léa", "Structure cig / Structure a / Structure a-rh", "lire bip"):
        assert said in text(recap)
    edits = [link["href"] for link in recap.html.select(".recap-head a")]
    assert edits == [f"{NEW}?etape={step}" for step in (1, 2, 3)]
    assert MAIL not in accounts(services), "nothing before the last step"
    done = recap.forms["creer"].submit(status=303).follow()
    assert "L'utilisateur Léa NOËL est créé" in text(done)
    assert "lire bip" in text(done)
    again = next(a for a in done.html.select("main a.button") if "Ajouter un autre" in a.text)
    assert again["href"] == NEW
    assert mails(services) == [("account-created", MAIL)]
    sheet = directory.accounts.show(OPERATOR, MAIL)
    assert [(one.structure, one.function) for one in sheet.memberships] == [
        ("a-rh", "Gestionnaire")
    ]
    assert [role.role for role in sheet.memberships[0].roles] == ["lire"]
    assert "commencé" not in text(app.get(NEW)), "the next one begins with nothing"


def test_a_known_address_is_told_as_the_guide_does_and_gets_a_membership(
    app: TestApp, services: Services, directory: DirectoryServices
) -> None:
    directory.accounts.add(OPERATOR, Person(MAIL, "Secret", "Nom"), "b", no_mail=True)
    page = check(app, MAIL)
    assert f"{MAIL} existe déjà dans la structure Structure b : Structure cig / Structure b" in (
        text(page)
    )
    assert "secret" not in page.text.casefold(), "the name of somebody elsewhere"
    person = to_person(app)
    assert "nom" not in person.forms["formulaire"].fields
    done = to_recap(app).forms["creer"].submit(status=303).follow()
    assert "confirm" in text(done)
    assert "secret" not in done.text.casefold()
    assert ("membership-added", MAIL) in mails(services)
    assert len(directory.accounts.show(OPERATOR, MAIL).memberships) == 2


def test_of_somebody_in_his_structures_the_sheet_is_linked(
    app: TestApp, directory: DirectoryServices
) -> None:
    for mail, structure in ((MAIL, "a-rh"), ("max@ville.example", "b")):
        directory.accounts.add(OPERATOR, Person(mail, "Noël", "Léa"), structure, no_mail=True)
    page = check(app, f"{MAIL}\u200b")
    assert "Cette personne est déjà dans vos structures" in text(page)
    sheet = f"/aia/utilisateurs/{directory.accounts.show(OPERATOR, MAIL).subject_id}"
    assert page.html.select_one("#resultat .note a")["href"] == sheet
    elsewhere = check(app, "max@ville.example")
    assert "vous ajoutez cette personne à une de vos structures" in text(elsewhere)
    assert not elsewhere.html.select("#resultat .note a")


def test_the_bin_is_offered_instead(app: TestApp, directory: DirectoryServices) -> None:
    directory.accounts.add(OPERATOR, Person(MAIL, "Noël", "Léa"), "a-rh", no_mail=True)
    directory.bin.delete(OPERATOR, MAIL)
    page = check(app, MAIL)
    assert "est dans la corbeille" in text(page)
    assert page.html.find("button", string=re.compile("Suivant")) is None
    answer = restoring(page).submit("subject_id", status=303)
    sheet = directory.accounts.show(OPERATOR, MAIL)
    assert sheet.state == "actif"
    assert answer.location == f"{BASE}/aia/utilisateurs/{sheet.subject_id}"
    assert "est rétabli" in text(app.get("/aia"))


def test_who_is_no_longer_in_the_bin_is_not_offered_again(
    app: TestApp, services: Services, directory: DirectoryServices
) -> None:
    """The référent of B, who does not see that bin, creates whom it held."""
    directory.accounts.add(OPERATOR, Person(MAIL, "Noël", "Léa"), "a-rh", no_mail=True)
    directory.bin.delete(OPERATOR, MAIL)
    form = restoring(check(app, MAIL))
    subject_id = directory.accounts.show(OPERATOR, "autre@ville.example").subject_id
    other = actors.load(services.core, subject_id)
    assert other is not None
    directory.accounts.add(other, Person(MAIL, "Noël", "Léa"), "b", no_mail=True)
    told = form.submit("subject_id", status=303).follow()
    assert "n'est plus dans la corbeille" in text(told)
    assert told.html.find(id="resultat") is None


def test_what_is_not_his_to_restore_is_told_and_left_alone(
    app: TestApp, token: str, directory: DirectoryServices
) -> None:
    """Of A and B, deleted with the account: step by step, by forged steps, and on one page."""
    for structure in ("a", "b"):
        directory.accounts.add(OPERATOR, Person(MAIL, "Noël", "Léa"), structure, no_mail=True)
    directory.memberships.confirm(OPERATOR, MAIL, "b")
    recap = form_to(to_recap(app), 4)
    directory.bin.delete(OPERATOR, MAIL)
    refused = recap.submit(status=400)  # type: ignore[attr-defined]
    assert "est dans la corbeille, et vous ne pouvez pas le rétablir" in text(refused)
    page = check(app, MAIL)
    told = f"Le compte {MAIL} (Léa NOËL) est dans la corbeille, et vous ne pouvez pas le rétablir"
    assert told in text(page)
    assert "correspondantCIG@cig929394.fr" in text(page)
    assert [one for one in page.forms.values() if "subject_id" in one.fields] == []
    forged = {"csrf_token": token, "dossier": key_of(app), **FIELDS}
    for step in (1, 2, 3, 4):
        app.post(f"{NEW}?etape={step}", forged, expect_errors=True)
    one = {"csrf_token": token, "adresse": MAIL, "vu": MAIL, "dossier": "x", **FIELDS}
    assert told in text(app.post(ONE, one, status=409))
    assert len(directory.bin.restore(OPERATOR, MAIL).structures) == 2


def test_what_somebody_lost_is_offered_and_no_addition_takes_its_place(
    app: TestApp, realm: Realm, directory: DirectoryServices
) -> None:
    remove(realm)
    page = check(app, MAIL)
    assert REMOVED in text(page)
    assert page.html.find("button", string=re.compile("Suivant")), "for another structure"
    person = to_person(app)
    assert REMOVED not in text(person)
    form = person.forms["formulaire"]
    form["structure"], form["fonction"] = "a-rh", "Cheffe"
    refused = form.submit(status=400)
    assert to_correct(refused) == [WAITS]
    form = refused.forms["formulaire"]
    assert (form["structure"].value, form["fonction"].value) == ("a-rh", "Cheffe")
    assert set(held(directory)) == {"b"}
    form["structure"] = "a"
    form.submit(status=303)
    sheet = restoring(refused).submit("subject_id", status=303)
    assert sheet.location.startswith(f"{BASE}/aia/utilisateurs/")
    said = "Le rattachement est rétabli : Structure cig / Structure a / Structure a-rh."
    assert said in text(sheet.follow())
    assert held(directory) == {"a-rh": ("à confirmer", ["lire"]), "b": ("valide", [])}
    assert "commencé" not in text(app.get(NEW)), "there is nothing left to create"
    again = restoring(refused).submit("subject_id", status=303)
    assert again.location == sheet.location
    assert "C'était déjà fait." in text(again.follow())
    form = to_person(app).forms["formulaire"]
    form["structure"] = "a-rh"
    assert "est déjà rattaché à la structure" in to_correct(form.submit(status=400))[0]


def test_what_somebody_lost_since_the_recapitulation_is_told_at_the_structure(
    app: TestApp, realm: Realm, directory: DirectoryServices
) -> None:
    directory.accounts.add(OPERATOR, Person(MAIL, "Noël", "Léa"), "cig", no_mail=True)
    form = to_recap(app, "bip:lire").forms["creer"]
    remove(realm)
    refused = form.submit(status=400)
    assert to_correct(refused) == [WAITS]
    assert refused.forms["formulaire"]["fonction"].value == "Gestionnaire"
    other = check(app, "max@ville.example")
    assert "max@ville.example" in other
    restoring(refused).submit("subject_id", status=303)
    assert held(directory)["a-rh"][1] == ["lire"]
    assert key_of(app), "what was begun since goes on"


def test_a_desks_address_has_to_be_confirmed(app: TestApp, services: Services) -> None:
    page = check(app, "rh@ville.example")
    form = form_to(page, 1, name="suivant")
    refused = form.submit("suivant", status=400)  # type: ignore[attr-defined]
    assert to_correct(refused) == ["Cochez la case pour continuer, ou changez d'adresse."]
    app.get(f"{NEW}?etape=2", status=303)
    form["personnelle"] = True  # type: ignore[index]
    person = form.submit("suivant", status=303).follow().forms["formulaire"]  # type: ignore[attr-defined]
    for name, value in FIELDS.items():
        person[name] = value
    recap = person.submit(status=303).follow().forms["formulaire"].submit(status=303).follow()
    recap.forms["creer"].submit(status=303)
    assert "rh@ville.example" in accounts(services)


def test_ones_own_address_leads_nowhere(app: TestApp, token: str) -> None:
    page = check(app, "referent@ville.example")
    assert "votre propre adresse" in text(page)
    form = {"csrf_token": token, "dossier": key_of(app), "suivant": "1"}
    assert app.post(f"{NEW}?etape=1", form, status=303).location.endswith("etape=1")
    assert app.get(f"{NEW}?etape=2", status=303).location.endswith("etape=1")


# --- going back, other tabs, a second press ----------------------------------------------------


def test_modifying_a_block_returns_to_the_recap_and_keeps_the_rest(app: TestApp) -> None:
    to_recap(app, "bip:lire", "bip:ecrire")
    form = app.get(f"{NEW}?etape=2").forms["formulaire"]
    assert form["nom"].value == "Noël"
    form["nom"] = "Noël-Roy"
    recap = form.submit(status=303).follow()
    assert recap.request.path_qs == f"{NEW}?etape=4"
    assert "Noël-Roy" in text(recap)
    assert "ecrire bip" in text(recap)


def test_a_step_too_far_leads_back_to_the_furthest(app: TestApp) -> None:
    for wanted in ("1", "2", "3", "4", "fin", "5", "x", "-1", "²"):
        assert app.get(NEW, {"etape": wanted}, status=303).location == BASE + NEW
    to_person(app)
    for wanted in ("3", "4"):
        assert app.get(NEW, {"etape": wanted}, status=303).location == f"{BASE}{NEW}?etape=2"
    taken_up = form_to(app.get(NEW), 1, name="reprendre").submit("reprendre", status=303)  # type: ignore[attr-defined]
    assert taken_up.location == f"{BASE}{NEW}?etape=2", "it can be taken up again"


def test_correcting_the_address_in_its_own_form_keeps_what_was_said(app: TestApp) -> None:
    modify = to_recap(app, "bip:lire").click("Modifier", href="etape=1")
    assert "Ce que vous avez saisi pour Léa NOËL reste" in text(modify)
    for mail in ("pas une adresse", "lea.roy@ville.example"):
        form = form_to(modify, 1, name="adresse")
        form["adresse"] = mail  # type: ignore[index]
        modify = form.submit(expect_errors=True)  # type: ignore[attr-defined]
    page = modify.follow()
    assert "commencé" not in text(page), "it is the one he walks through"
    assert "Vous avez commencé à créer lea.roy@ville.example" in text(app.get(NEW))
    recap = form_to(page, 1, name="suivant").submit("suivant", status=303).follow()  # type: ignore[attr-defined]
    assert recap.request.path_qs == f"{NEW}?etape=4"
    for said in ("lea.roy@ville.example", "Noël", "Gestionnaire", "lire bip"):
        assert said in text(recap), said


def test_pressed_twice_it_is_created_once(app: TestApp, services: Services) -> None:
    form = to_recap(app, "bip:lire").forms["creer"]
    for _ in range(2):
        assert form.submit(status=303).location == f"{BASE}{NEW}?etape=fin"
    assert mails(services) == [("account-created", MAIL)]
    assert "est créé" in text(app.get(f"{NEW}?etape=fin"))


def test_of_two_presses_at_once_the_slower_one_arrives_as_well(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slower one has read what was kept before the faster one was done."""
    form = to_recap(app, "bip:lire").forms["creer"]
    form.submit(status=303)
    real, seen = creation_draft.find, list[None]()

    def late(request: Request) -> Draft | None:
        found = real(request)
        seen.append(None)
        return replace(found, done="") if found is not None and len(seen) == 1 else found

    monkeypatch.setattr(creation_draft, "find", late)
    assert form.submit(status=303).location == f"{BASE}{NEW}?etape=fin"
    assert len(seen) == 2
    assert mails(services) == [("account-created", MAIL)]


def test_created_meanwhile_by_somebody_else_it_is_checked_anew(
    app: TestApp, directory: DirectoryServices
) -> None:
    form = to_recap(app).forms["creer"]
    directory.accounts.add(OPERATOR, Person(MAIL, "Autre", "Nom"), "b", no_mail=True)
    answer = form.submit(status=303)
    assert answer.location == f"{BASE}{NEW}?etape=1"
    again = answer.follow()
    assert "vérifiez de nouveau" in text(again)
    assert again.html.find(id="resultat") is None, "what it said is not so any more"
    assert form_to(again, 1, name="adresse")["adresse"].value == MAIL  # type: ignore[index]
    assert app.get(f"{NEW}?etape=4").location == f"{BASE}{NEW}?etape=1"
    assert [one.structure for one in directory.accounts.show(OPERATOR, MAIL).memberships] == ["b"]


def test_without_his_mandate_any_more_nothing_is_created(
    app: TestApp, services: Services, directory: DirectoryServices
) -> None:
    form = to_recap(app, "bip:lire").forms["creer"]
    directory.mandates.remove(OPERATOR, "referent@ville.example", "a", ("bip",))
    answer = form.submit(status=303)
    assert answer.location == f"{BASE}{NEW}?etape=2"
    assert "plus dans votre périmètre" in text(answer.follow())
    directory.mandates.remove(OPERATOR, "referent@ville.example", "a", ("cap",))
    form.submit(status=404)
    assert MAIL not in accounts(services)


def test_leaving_the_aia_forgets_what_was_begun(app: TestApp, token: str) -> None:
    to_roles(app)
    app.post("/aia/deconnexion", {"csrf_token": token}, status=303)
    app.post("/aia", {"csrf_token": token}, status=303)
    assert app.get(f"{NEW}?etape=3", status=303).location == BASE + NEW


# --- what no page of ours sends ----------------------------------------------------------------


def test_a_structure_that_was_not_offered_is_refused_alike(app: TestApp, token: str) -> None:
    fields = dict(to_person(app).forms["formulaire"].submit_fields()) | FIELDS
    for structure in ("b", "cig", "none", "", "a-rh\x00"):
        form = fields | {"structure": structure, "csrf_token": token}
        said = text(app.post(f"{NEW}?etape=2", form, status=400))
        assert "Choisissez" in said or "obligatoire" in said or "permis" in said, structure
        assert app.get(f"{NEW}?etape=3", status=303).location.endswith("etape=2")


def test_roles_that_were_not_offered_are_refused(app: TestApp, token: str) -> None:
    to_roles(app)
    start = [("csrf_token", token), ("dossier", key_of(app)), ("__start__", "roles:sequence")]
    for roles in (
        *(("net:lire",), ("bip:none",), ("bip",)),
        *(("bip:lire", "x"), ("cap:lire", "cap:ecrire")),
    ):
        pairs = [*start, *(("r", role) for role in roles), ("__end__", "roles:sequence")]
        said = text(app.post(f"{NEW}?etape=3", pairs, status=400))
        assert "Choisissez de nouveau" in said or "qu'un rôle par personne" in said, roles
        assert app.get(f"{NEW}?etape=4", status=303).location.endswith("etape=3")


def test_what_a_form_does_not_ask_for_is_not_read(
    app: TestApp, services: Services, directory: DirectoryServices, token: str
) -> None:
    page = to_person(app)
    more = {"mail": "x@y.fr", "locked": "true", "password": "x", "roles": "bip:lire", "done": "x"}
    form = dict(page.forms["formulaire"].submit_fields()) | FIELDS | more
    app.post(f"{NEW}?etape=2", form | {"csrf_token": token}, status=303)
    app.get(f"{NEW}?etape=3").forms["formulaire"].submit(status=303)
    app.get(f"{NEW}?etape=4").forms["creer"].submit(status=303)
    sheet = directory.accounts.show(OPERATOR, MAIL)
    assert (sheet.state, sheet.has_password, sheet.memberships[0].roles) == ("actif", False, ())
    assert "x@y.fr" not in accounts(services)


def test_what_another_person_began_is_not_seen(app: TestApp, directory: DirectoryServices) -> None:
    assert directory
    key = to_recap(app).html.select_one("input[name=dossier]")["value"]
    stranger = TestApp(app.app, extra_environ=app.extra_environ)
    other = sign_in(stranger, "autre")
    assert stranger.get(f"{NEW}?etape=4", status=303).location == BASE + NEW
    form = {"csrf_token": other, "dossier": key}
    assert stranger.post(f"{NEW}?etape=4", form, status=303).location == BASE + NEW
    assert MAIL not in stranger.get(NEW).text


def test_html_in_a_name_stays_text(app: TestApp) -> None:
    evil = "<script>x</script>"
    form = to_roles(app, nom=evil).forms["formulaire"]
    recap = form.submit(status=303).follow()
    assert evil not in recap.text
    assert evil in unescape(recap.text)
