"""*Ajouter un utilisateur* on one page; what is kept of what was typed; large trees, costs."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from webtest import TestApp, TestResponse

from directory.authorisation import OPERATOR
from directory.models import Structure
from directory.services import DirectoryServices
from directory.services.accounts.changes import Person
from directory.services.accounts.creation import OFFERED
from idp.services import Services
from tests.functional.aia_realm import Realm
from tests.functional.aia_scene import statements
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
    mails,
    remove,
    restoring,
    sign_in,
    text,
    to_person,
    to_recap,
    to_roles,
)

pytestmark = pytest.mark.sqlite_only

MOST_STATEMENTS = 16


# --- the bar of the steps ----------------------------------------------------------------------


def steps(page: TestResponse) -> tuple[list[int], list[int]]:
    """Those that look done, and those that the bar leads to."""
    bar = page.html.select_one(".steps")
    done = [number for number in (1, 2, 3, 4) if f"Étape {number}, faite" in bar.text]
    links = bar.select(".step-title :is(a, button)")
    return done, [int(link.get("href", link.get("value"))[-1]) for link in links]


def test_what_is_done_of_a_creation_looks_so_and_is_a_step_away(app: TestApp) -> None:
    to_roles(app)
    assert steps(app.get(f"{NEW}?etape=2")) == ([1], [1, 3]), "the third is under way"
    to_recap(app, "bip:lire")
    for step in (1, 2, 3, 4):
        others = [number for number in (1, 2, 3, 4) if number != step]
        page = app.get(f"{NEW}?etape={step}")
        assert steps(page) == ([number for number in others if number < 4], others), step


def test_no_later_step_is_led_to_before_the_one_that_is_missing(
    app: TestApp, token: str, directory: DirectoryServices
) -> None:
    """A structure that is refused, and one that is searched for instead of the one before."""
    directory.accounts.add(OPERATOR, Person(MAIL, "Noël", "Léa"), "a-rh", no_mail=True)
    form = to_person(app).forms["formulaire"]
    form["structure"] = "a-rh"
    assert steps(form.submit(status=400)) == ([1], [1])
    form["structure"] = "a"
    key = form.submit(status=303).follow().forms["formulaire"]["dossier"].value
    searched = {"csrf_token": token, "dossier": key, "chercher": "1", "recherche": "rh"}
    page = app.post(f"{NEW}?etape=2", searched, status=303).follow()
    assert steps(page) == ([1], [1])
    assert app.get(f"{NEW}?etape=3", status=303).location == f"{BASE}{NEW}?etape=2"


def test_the_bar_keeps_what_was_typed_on_the_way_to_a_later_step(
    app: TestApp, directory: DirectoryServices
) -> None:
    """Of a step that is right; one that is not says so, and nobody gets past it."""
    to_recap(app, "bip:lire")
    form = app.get(f"{NEW}?etape=2").forms["formulaire"]
    form["nom"], form["fonction"] = "", "Cheffe"
    wrong = form.submit("vers", value="4", status=400)
    assert to_correct(wrong) == ["Saisissez le nom."]
    form = wrong.forms["formulaire"]
    form["nom"] = "Roy"
    roles = form.submit("vers", value="3", status=303)
    assert roles.location == f"{BASE}{NEW}?etape=3"
    form = roles.follow().forms["formulaire"]
    for box in form.fields["role-bip"]:
        box.checked = box._value == "bip:ecrire"
    recap = form.submit("vers", value="4", status=303).follow()
    for said in ("Roy", "Cheffe", "ecrire bip"):
        assert said in text(recap), said
    directory.mandates.remove(OPERATOR, "referent@ville.example", "a", ("bip",))
    form = app.get(f"{NEW}?etape=2").forms["formulaire"]
    answer = form.submit("vers", value="4", status=303)
    assert answer.location == f"{BASE}{NEW}?etape=3", "there is something to look at"
    for forged in ("5", "x", "²", ""):
        fields = dict(form.submit_fields()) | {"vers": forged}
        answer = app.post(f"{NEW}?etape=2", fields, status=303)
        assert answer.location == f"{BASE}{NEW}?etape=4", forged


# --- another person ----------------------------------------------------------------------------


def test_of_a_creation_left_half_done_nothing_is_given_to_somebody_else(
    app: TestApp, services: Services, directory: DirectoryServices
) -> None:
    """Whoever is checked on the empty first step is another; the first one stays offered."""
    to_recap(app, "bip:lire")
    referent = directory.accounts.show(OPERATOR, "referent@ville.example").subject_id
    services.drafts.keep(referent, f"{NEW}?etape=2", {"prenom": "Léa"})  # as its session ended
    for mail in ("max@ville.example", "referent@ville.example", "tim@ville.example"):
        page = check(app, mail)
        assert f"Vous avez commencé à créer {MAIL}" in text(page)
    recap = form_to(page, 1, name="reprendre").submit("reprendre", status=303).follow()  # type: ignore[attr-defined]
    assert recap.request.path_qs == f"{NEW}?etape=4"
    assert "lire bip" in text(recap), "taken up as it was"
    form = to_person(app, "tim@ville.example").forms["formulaire"]
    assert [form[name].value for name in FIELDS] == [""] * len(FIELDS)
    assert MAIL not in text(app.get(NEW)), "forgotten, as the page said"
    for name, value in FIELDS.items():
        form[name] = value
    roles = form.submit(status=303).follow()
    assert roles.request.path_qs == f"{NEW}?etape=3"
    assert not roles.html.select("input[checked]:not([value=''])")


def test_what_was_typed_of_the_one_that_is_given_up_reaches_no_other(
    app: TestApp, services: Services, directory: DirectoryServices
) -> None:
    """Given up in another tab, while somebody else's address is checked in this one."""
    recap = form_to(to_recap(app, "bip:lire"), 4)
    referent = directory.accounts.show(OPERATOR, "referent@ville.example").subject_id
    services.drafts.keep(referent, f"{NEW}?etape=2", {"prenom": "Léa"})  # as its session ended
    checked = check(app, "max@ville.example")
    recap.submit("abandonner", status=303)  # type: ignore[attr-defined]
    form = form_to(checked, 1, name="suivant").submit(status=303).follow().forms["formulaire"]  # type: ignore[attr-defined]
    assert form["prenom"].value == ""


# --- the page with everything ------------------------------------------------------------------


def one_page(app: TestApp, mail: str, **fields: str) -> TestResponse:
    form = app.get(ONE).forms["formulaire"]
    form["adresse"] = mail
    for name, value in {**FIELDS, **fields}.items():
        form[name] = value
    return form.submit(expect_errors=True)


def test_the_one_page_form_adds_and_mails(
    app: TestApp, services: Services, directory: DirectoryServices
) -> None:
    answer = one_page(app, MAIL)
    sheet = directory.accounts.show(OPERATOR, MAIL)
    assert answer.location == f"{BASE}/aia/utilisateurs/{sheet.subject_id}"
    assert mails(services) == [("account-created", MAIL)]
    assert f"{MAIL} fait partie de la structure Structure a-rh." in text(app.get("/aia"))


def test_the_one_page_form_tells_of_a_known_address_before_it_adds(
    app: TestApp, directory: DirectoryServices
) -> None:
    directory.accounts.add(OPERATOR, Person(MAIL, "Secret", "Nom"), "b", no_mail=True)
    told = one_page(app, MAIL)
    assert told.status_int == 409
    assert f"{MAIL} existe déjà dans la structure Structure b" in text(told)
    assert "secret" not in told.text.casefold()
    assert "Le nom et le prénom que vous avez saisis ne remplacent pas les siens." in text(told)
    assert len(directory.accounts.show(OPERATOR, MAIL).memberships) == 1
    told.forms["formulaire"].submit(status=303)
    assert len(directory.accounts.show(OPERATOR, MAIL).memberships) == 2


def test_of_two_presses_of_the_one_page_form_the_slower_one_arrives_as_well(
    app: TestApp, services: Services, directory: DirectoryServices, realm: Realm
) -> None:
    form = app.get(ONE).forms["formulaire"]
    form["adresse"] = MAIL
    for name, value in FIELDS.items():
        form[name] = value
    first, second = (form.submit(status=303) for _ in range(2))
    assert first.location == second.location
    assert f"{MAIL} fait partie de la structure Structure a-rh." in text(app.get("/aia"))
    assert mails(services) == [("account-created", MAIL)]
    other = one_page(app, MAIL)
    assert other.status_int == 409, "another form is another order"
    directory.accounts.add(OPERATOR, Person("max@ville.example", "N", "P"), "b", no_mail=True)
    form["adresse"] = "max@ville.example"
    assert form.submit(status=409), "so is the same with another address"
    form["adresse"] = MAIL
    assert form.submit(status=303)
    directory.bin.delete(OPERATOR, MAIL)
    assert form.submit(status=409), "nor is it true any more"
    directory.bin.restore(OPERATOR, MAIL)
    realm.clock.advance(timedelta(minutes=1))
    assert form.submit(status=409), "he comes back to it later"


def test_another_order_from_the_same_one_page_form_is_done_or_refused_itself(
    app: TestApp, directory: DirectoryServices
) -> None:
    """He goes back to the form that added her, and asks for something else."""
    form = app.get(ONE).forms["formulaire"]
    form["adresse"] = MAIL
    for name, value in FIELDS.items():
        form[name] = value
    form.submit(status=303)
    for name, value, status in (
        ("fonction", "Cheffe", 409),
        ("telephone", "0" * 41, 400),
        ("structure", "none", 400),
    ):
        before = form[name].value
        form[name].force_value(value)
        assert form.submit(expect_errors=True).status_int == status, f"{name}: {value}"
        form[name].force_value(before)
    form["structure"] = "a"
    again = form.submit(status=409).forms["formulaire"]
    assert [again.submit(status=303).location for _ in range(2)], "pressed twice, it is done once"
    assert set(held(directory)) == {"a", "a-rh"}


def test_the_one_page_form_offers_what_somebody_lost(
    app: TestApp, realm: Realm, directory: DirectoryServices
) -> None:
    remove(realm)
    told = one_page(app, MAIL, fonction="Cheffe")
    assert told.status_int == 409
    assert REMOVED in text(told)
    refused = told.forms["formulaire"].submit(status=400)
    assert to_correct(refused) == [WAITS]
    form = refused.forms["formulaire"]
    names = ("adresse", "nom", "structure", "fonction")
    assert [form[name].value for name in names] == [MAIL, "Noël", "a-rh", "Cheffe"]
    assert set(held(directory)) == {"b"}
    form["structure"] = "a"
    form.submit(status=303)
    restoring(refused).submit("subject_id", status=303)
    assert set(held(directory)) == {"a", "a-rh", "b"}
    assert held(directory)["a-rh"][1] == ["lire"]


def test_the_one_page_form_does_not_trust_that_it_told(
    app: TestApp, directory: DirectoryServices
) -> None:
    """Told of one address, he types another."""
    for mail in (MAIL, "max@ville.example"):
        directory.accounts.add(OPERATOR, Person(mail, "N", "P"), "b", no_mail=True)
    form = one_page(app, MAIL).forms["formulaire"]
    form["adresse"] = "max@ville.example"
    assert form.submit(status=409)
    assert len(directory.accounts.show(OPERATOR, "max@ville.example").memberships) == 1


def test_the_one_page_form_asks_to_confirm_a_desks_address(
    app: TestApp, services: Services
) -> None:
    asked = one_page(app, "contact@ville.example")
    assert asked.status_int == 409
    form = asked.forms["formulaire"]
    assert form.submit(status=409)
    form["personnelle"] = True
    form.submit(status=303)
    assert "contact@ville.example" in accounts(services)


def test_what_cannot_be_read_is_told_at_its_field(app: TestApp, services: Services) -> None:
    """On one page and in the second step alike; never as late as in the recapitulation."""
    wrong = {"nom": "😀", "prenom": "L\ue000éa", "fonction": "--", "telephone": "\u3164."}
    said = [
        "Nom : écrivez au moins une lettre ou un chiffre.",
        "Ce texte contient un caractère qui n'est pas permis.",
        "Fonction : écrivez au moins une lettre ou un chiffre.",
        "Numéro de téléphone : écrivez au moins une lettre ou un chiffre.",
    ]
    second = to_person(app).forms["formulaire"]
    for name, value in {**FIELDS, **wrong}.items():
        second[name] = value
    for page in (one_page(app, MAIL, **wrong), second.submit("suivant", status=400)):
        assert page.status_int == 400
        assert to_correct(page) == said
        for link in page.html.select("#erreurs a"):
            field = page.html.select_one(link["href"])
            assert field["aria-invalid"] == "true"
            told = page.html.find(id=field["aria-describedby"])
            assert link.text in told.text, "beside the field"
            assert field["value"] in wrong.values()
    assert MAIL not in accounts(services)


def test_the_one_page_form_stays_in_his_structures(
    app: TestApp, services: Services, token: str
) -> None:
    fields = dict(app.get(ONE).forms["formulaire"].submit_fields()) | FIELDS
    for structure in ("b", "none"):
        form = fields | {"structure": structure, "adresse": MAIL, "csrf_token": token}
        answer = app.post(ONE, form, status=400)
        assert "Choisissez une structure de la liste" in text(answer), structure
    assert MAIL not in accounts(services)


# --- large trees, and what a page costs --------------------------------------------------------


def test_of_too_many_structures_one_searches(app: TestApp, services: Services) -> None:
    with services.db.unit_of_work() as session:
        above = session.scalars(select(Structure).where(Structure.code == "a")).one()
        for number in range(OFFERED):
            label = f"École {number:03}"
            made = Structure(
                code=f"e{number}",
                label=label,
                parent_id=above.id,
                path="",
                label_path=f"{above.label_path} / {label}",
                search_key=label.casefold(),
            )
            session.add(made)
            session.flush()
            made.path = f"{above.path}{made.id}/"
    form = to_person(app).forms["formulaire"]
    assert len(form["structure"].options) == 1
    form["nom"], form["recherche"] = "Noël", "ecole 12"
    page = form.submit("chercher", status=303).follow()
    form = page.forms["formulaire"]
    assert form["nom"].value == "Noël"
    assert len(form["structure"].options) == 14
    assert form["recherche"].value == "ecole 12"
    form["prenom"], form["structure"], form["recherche"] = "Léa", "e123", "?"
    assert form.submit("suivant", status=303).location.endswith("etape=3")


def test_a_page_costs_few_statements(app: TestApp, services: Services) -> None:
    to_recap(app, "bip:lire")
    for step in (1, 2, 3, 4):
        ran = statements(services.db, lambda step=step: app.get(f"{NEW}?etape={step}"))
        assert len(ran) <= MOST_STATEMENTS, step


def test_what_is_typed_outlives_the_session_and_the_door(
    app: TestApp, token: str, realm: Realm
) -> None:
    """Of a step that is sent after the session ended, or after the AIA was left elsewhere."""
    told = "Vous aviez quitté l'annuaire : rien n'a été enregistré. Ce que vous aviez saisi"
    typed = to_person(app).forms["formulaire"]
    typed["nom"], typed["structure"] = "Noël", "a-rh"
    realm.clock.advance(timedelta(minutes=61))
    answer = typed.submit("suivant", status=303)
    assert "avis=saisie-conservee" in answer.location
    token = sign_in(app, "referent")
    again = app.get(NEW + "?etape=2").forms["formulaire"]
    assert (again["nom"].value, again["structure"].value) == ("Noël", "a-rh")
    assert "brouillon-repris" not in app.get(NEW).text, "it is of the second step"
    app.post("/aia/deconnexion", {"csrf_token": token}, status=303)
    again["prenom"] = "Léa"
    portal = again.submit("suivant", status=303).follow()
    assert told in text(portal)
    inside = portal.forms["ouvrir-aia"]
    way = portal.html.select_one("button[name=suite]")["value"]
    assert inside.submit("suite", value=way, status=303).location == BASE + NEW + "?etape=2"
    one = app.get(ONE).forms["formulaire"]
    one["nom"] = "Noël"
    app.post("/aia/deconnexion", {"csrf_token": token}, status=303)
    portal = one.submit("ajouter", status=303).follow()
    assert told in text(portal)
    way = portal.html.select_one("button[name=suite]")["value"]
    page = portal.forms["ouvrir-aia"].submit("suite", value=way, status=303).follow()
    assert page.forms["formulaire"]["nom"].value == "Noël"
    app.post("/aia/deconnexion", {"csrf_token": token}, status=303)
    portal = app.post(ONE, {"csrf_token": token}, status=303).follow()
    assert "Ce que vous aviez saisi" not in text(portal)
    assert "rien n'a été enregistré" in text(portal)
