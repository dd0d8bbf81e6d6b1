"""*Applications* of the AIA: what is refused, and attacks, as a référent."""

import pytest
from sqlalchemy import select

from directory.authorisation import OPERATOR
from directory.models import Application
from directory.services import build
from idp.services import Services
from tests.functional.aia_scene import statements
from tests.functional.applications_scene import (
    ASSIGN,
    LECTEUR,
    LOADED,
    ROLES,
    Visit,
    csrf,
    held,
    item,
    membership,
    names,
    search,
    tick,
    toasts,
)
from tests.functional.conftest import text_of

pytestmark = pytest.mark.sqlite_only


# --- refusals --------------------------------------------------------------------------------


def test_all_or_nobody_with_the_reason_of_each(visit: Visit, services: Services) -> None:
    with services.db.unit_of_work() as session:
        session.scalars(
            select(Application).where(Application.code == "bip")
        ).one().single_role = True
    browser = visit("referent")
    page = browser.get(f"{ROLES}/bip/redacteur/affecter")
    assert "n'accepte qu'un rôle par personne" in text_of(page)
    page = search(page, "demo")
    tick(page, membership(services, "sansdroit", "a-education"))
    tick(page, membership(services, "leila.benali", "a-carrieres"))
    before = held(services)
    refused = page.forms["affecter"].submit("affecter", status=400)
    summary = " ".join(refused.html.select_one(".summary").text.split())
    assert "Personne n'a été affecté" in summary
    assert "Leïla BENALI : « BIP » n'accepte qu'un rôle par personne" in summary
    assert "DROÜET" not in summary
    assert held(services) == before
    ticked = [box["value"] for box in refused.html.select("input[name=membre][checked]")]
    assert len(ticked) == 2, "what was ticked stays"


def test_nobody_ticked(visit: Visit) -> None:
    page = visit("referent").get(ASSIGN)
    refused = page.forms["affecter"].submit("affecter", status=400)
    assert "Cochez au moins une personne à affecter." in text_of(refused)


def test_who_has_it_already_cannot_be_ticked_and_a_replay_changes_nothing(
    visit: Visit, services: Services
) -> None:
    browser = visit("referent")
    page = search(browser.get(ASSIGN), "droue")
    tick(page, membership(services, "sansdroit", "a-education"))
    page.forms["affecter"].submit("affecter", status=303)
    before = held(services)
    replayed = page.forms["affecter"].submit("affecter", status=303).follow()
    assert "Déjà affecté, inchangé : Sylvain DROÜET." in toasts(replayed)[-1]
    assert held(services) == before
    again = search(browser.get(ASSIGN), "droue")
    assert "a déjà ce rôle" in text_of(again)
    assert again.html.select("tbody input[name=membre]") == []


def test_an_assignment_to_come_is_told_with_its_days(visit: Visit, services: Services) -> None:
    page = search(visit("referent").get(ASSIGN), "droue")
    tick(page, membership(services, "sansdroit", "a-education"))
    form = page.forms["affecter"]
    form["debut"], form["fin"] = "2027-05-01", "2027-06-01"
    done = form.submit("affecter", status=303).follow()
    assert toasts(done)[-1].endswith("de l'application BIP, du 01/05/2027 au 01/06/2027.")
    form["debut"] = form["fin"] = ""
    again = form.submit("affecter", status=303).follow()
    assert toasts(again)[-1] == (
        "Déjà affecté, inchangé : Sylvain DROÜET (à partir du 01/05/2027). Pour un début plus tôt, "
        "choisissez « Modifier les dates » dans la liste."
    )
    assert "a déjà ce rôle, à partir du 01/05/2027" in text_of(search(page, "droue"))


def test_no_effect_yet_closed_and_oneself_are_said(visit: Visit, services: Services) -> None:
    build(services.core).accounts.lock(OPERATOR, "sansdroit@demo.example")
    browser = visit("referent")
    page = search(browser.get(ASSIGN), "droue")
    tick(page, membership(services, "sansdroit", "a-education"))
    done = page.forms["affecter"].submit("affecter", status=303).follow()
    assert "Pas encore d'effet : Sylvain DROÜET : son compte est verrouillé." in toasts(done)[0]
    page = search(browser.get(f"{ROLES}/bip/redacteur/affecter"), "lefevre")
    tick(page, membership(services, "referent", "a-rh"))
    done = page.forms["affecter"].submit("affecter", status=303).follow()
    assert toasts(done)[0].startswith("Vous vous êtes affecté un rôle")


def test_a_closed_application_says_so(visit: Visit) -> None:
    page = visit("correspondant").get(f"{ROLES}/emploi/recruteur")
    assert "Cette application ouvrira le" in text_of(page)
    assert "Vous pouvez préparer les rôles" in text_of(page)


# --- attacks ---------------------------------------------------------------------------------


def posts(role: str, member: str, token: str) -> list[tuple[str, dict[str, str]]]:
    """Every change of one role, forged for one member, with fields that no form has."""
    common = {
        "csrf_token": token,
        "membre": member,
        "structure": "collectivite-b",
        "application": "net-cap",
        "role": "signataire",
        "valid_until": "2099-01-01",
        "granted_by": "me",
    }
    return [
        (f"{role}/affecter", {**common, "affecter": "1"}),
        (f"{role}/desaffecter", common),
        (f"{role}/reaffecter", {**common, "nouveau": "redacteur", "version": "x"}),
        (f"{role}/dates", {**common, "fin": "2099-01-01", "version": "x"}),
    ]


def test_nothing_outside_of_the_mandate_is_reached(visit: Visit, services: Services) -> None:
    before = held(services)
    for who, role, name, structure in (
        # an application outside of his mandate, at his own structure
        ("referent.b", f"{ROLES}/net-cap/gestionnaire", "zoe.lemaitre", "b-rh"),
        # his application, somebody of another structure; the same person's other membership
        ("referent.b", LECTEUR, "leila.benali", "a-carrieres"),
        ("referent.b", LECTEUR, "multi", "a-formation"),
        # a role that there is not, an application that there is not
        ("referent.b", f"{ROLES}/bip/administrateur", "zoe.lemaitre", "b-rh"),
        ("referent.b", f"{ROLES}/autre/lecteur", "zoe.lemaitre", "b-rh"),
        # a plain agent
        ("agent", LECTEUR, "leila.benali", "a-carrieres"),
    ):
        browser, member = visit(who), membership(services, name, structure)
        for path in ("desaffecter", "reaffecter", "dates"):
            answer = browser.get(f"{role}/{path}?membre={member}", status=404)
            assert name.partition(".")[0].title() not in answer.text
        for path, form in posts(role, member, csrf(browser)):
            answer = browser.post(path, form, status=404)
            assert f"{name}@demo.example" not in text_of(answer)
        assert held(services) == before, (who, role, name)


def test_foreign_and_unknown_ids_answer_alike(visit: Visit, services: Services) -> None:
    browser = visit("referent.b")
    foreign = membership(services, "leila.benali", "a-carrieres")
    said = set()
    for member in (foreign, "0" * 32, "x" * 64):
        form = {"csrf_token": csrf(browser), "membre": member, "affecter": "1"}
        refused = browser.post(ASSIGN, form, status=404)
        assert "BENALI" not in refused.text
        said.add(" ".join(refused.html.select_one(".summary").text.split()))
    assert len(said) == 1
    searched = {"csrf_token": csrf(browser), "membre": foreign, "recherche": "benali"}
    found = browser.post(ASSIGN, searched)
    assert "Utilisateurs (0)" in text_of(found)
    assert "Leïla" not in found.text


def test_two_mandates_never_add_up(visit: Visit, services: Services) -> None:
    """A's référent is given B for BIP alone: B's people get no other role from him."""
    build(services.core).mandates.add(
        OPERATOR, "referent.b@demo.example", "collectivite-c", ("net-cap",)
    )
    browser = visit("referent.b")
    listed = browser.get(f"{ROLES}/net-cap/gestionnaire?charger=oui")
    assert names(listed) == ["CASTAÑO", "KOWALSKI"], "C's alone, not B's"
    assert names(browser.get(LOADED)) == ["DIALLO", "LEMAÎTRE", "NGUYEN"], "B's alone, not C's"
    before = held(services)
    for role, name, structure in (
        (f"{ROLES}/net-cap/gestionnaire", "zoe.lemaitre", "b-rh"),
        (LECTEUR, "raphael.coeur", "c-personnel"),
    ):
        member = membership(services, name, structure)
        for path, form in posts(role, member, csrf(browser)):
            browser.post(path, form, status=404)
        found = search(browser.get(f"{role}/affecter"), name.partition(".")[2])
        assert "Utilisateurs (0)" in text_of(found)
    assert held(services) == before


def test_extra_fields_and_the_role_of_another_application_change_nothing(
    visit: Visit, services: Services
) -> None:
    browser = visit("referent")
    member = membership(services, "leila.benali", "a-carrieres")
    shown = browser.get(f"{LECTEUR}/reaffecter?membre={member}").forms["reaffecter"]
    before = held(services)
    for wanted in ("signataire", "net-cap:signataire", "lecteur", "", "x" * 65):
        fields = dict(shown.submit_fields()) | {"nouveau": wanted, "application": "net-cap"}
        browser.post(f"{LECTEUR}/reaffecter", fields, expect_errors=True)
        assert held(services) == before


def test_an_application_removed_from_the_mandate_meanwhile(
    visit: Visit, services: Services
) -> None:
    browser = visit("referent")
    page = search(browser.get(ASSIGN), "droue")
    tick(page, membership(services, "sansdroit", "a-education"))
    asked = browser.get(item(browser.get(LOADED), "BENALI", "Désaffecter le membre sélectionné"))
    build(services.core).mandates.remove(
        OPERATOR, "referent@demo.example", "collectivite-a", ("bip",)
    )
    before = held(services)
    for form, button in ((page.forms["affecter"], "affecter"), (asked.forms["desaffecter"], None)):
        refused = form.submit(button, status=404)
        assert "vous n'administrez pas cette application" in text_of(refused)
    assert held(services) == before


def test_names_stay_out_of_addresses_and_caches(visit: Visit) -> None:
    browser = visit("referent")
    page = search(browser.get(ASSIGN), "droue")
    assert page.request.query_string == ""
    assert page.headers["Cache-Control"] == "no-store"
    assert browser.get(LOADED).headers["Cache-Control"] == "no-store"


def test_a_dialog_is_the_page_s_inner_part(visit: Visit) -> None:
    browser = visit("referent")
    part = browser.get(ASSIGN, headers={"X-Fragment": "1"})
    assert "<html" not in part.text
    assert part.html.select_one("h2[id]").text.startswith("Affecter un ou plusieurs")
    assert part.html.select_one("a[data-close]").text == "Annuler"


def test_statements_of_each_page_are_bounded(visit: Visit, services: Services) -> None:
    browser = visit("referent")
    member = membership(services, "leila.benali", "a-carrieres")
    searched = {"csrf_token": csrf(browser), "recherche": "demo", "membre": member}
    for most, call in (
        (6, lambda: browser.get(ROLES)),
        (6, lambda: browser.get(LECTEUR)),
        (10, lambda: browser.get(LOADED)),
        (14, lambda: browser.post(ASSIGN, searched)),
        (12, lambda: browser.get(f"{LECTEUR}/reaffecter?membre={member}")),
    ):
        seen = statements(services.db, call)
        assert len(seen) <= most, "\n".join(seen)
