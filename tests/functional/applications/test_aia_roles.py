"""*Applications* of the AIA: the guide's steps, one after the other, as a référent."""

from unittest.mock import patch

import pytest
from webtest import TestResponse

from directory.authorisation import OPERATOR
from directory.search import search_key
from directory.services import build
from directory.services.rights.assignments import Grant
from directory.services.rights.role_members import RoleMembers
from idp.services import Services
from tests.functional.applications_scene import (
    ASSIGN,
    BASE,
    LECTEUR,
    LOADED,
    ROLES,
    Visit,
    held,
    item,
    membership,
    names,
    search,
    tick,
    toasts,
)
from tests.functional.conftest import text_of, to_correct

pytestmark = pytest.mark.sqlite_only


# --- the guide, step by step -----------------------------------------------------------------


def test_applications_unfold_to_their_roles(visit: Visit) -> None:
    page = visit("referent").get(ROLES)
    applications = {
        one.summary.text.strip(): [link.text for link in one.select("a")]
        for one in page.html.select(".roles-tree details")
    }
    assert applications["BIP"] == ["Abonné à la veille statutaire", "Lecteur", "Rédacteur"]
    assert "Net-CAP" in applications
    of_b = visit("referent.b").get(ROLES)
    assert [one.text.strip() for one in of_b.html.select(".roles-tree summary")] == ["BIP"]
    assert "Bourse de l'emploi" in text_of(visit("correspondant").get(ROLES))


def test_members_are_loaded_on_demand_filtered_sorted_and_paged(visit: Visit) -> None:
    browser = visit("referent")
    page = browser.get(LECTEUR)
    assert "BENALI" not in page.text
    page = page.click("Charger tous les utilisateurs")
    assert names(page) == ["BENALI", "HADDAD", "LEFÈVRE", "MARTIN", "MÉNARD", "NOËL"]
    assert "1 - 6 sur 6" in text_of(page)
    assert names(page.click("Nom", linkid="membres-tri-nom"))[0] == "NOËL"
    form = next(one for one in page.forms.values() if "filtre" in one.fields)
    form["filtre"] = "leila"
    assert names(form.submit()) == ["BENALI"]
    form["filtre"] = "zzz"
    assert "Aucun membre ne correspond à « zzz »" in text_of(form.submit())
    assert len(names(browser.get(f"{LOADED}&taille=10&tri=-prenom"))) == 6
    assert "Dubreuil" not in page.text, "who holds it elsewhere is the correspondant's"
    assert len(names(visit("correspondant").get(LOADED))) > 6


def test_affecter(visit: Visit, services: Services) -> None:
    browser = visit("referent")
    page = browser.get(LOADED).click("Affecter", href="affecter")
    assert "au rôle Lecteur de l'application BIP" in text_of(page)
    advice = "Veuillez saisir au moins 3 caractères pour effectuer une recherche"
    assert advice in text_of(page)
    assert advice in text_of(search(page, "dr"))
    page = search(page, "droue")
    assert "Utilisateurs (1)" in text_of(page)
    assert "DROÜET" in page.text
    tick(page, membership(services, "sansdroit", "a-education"))
    done = page.forms["affecter"].submit("affecter", status=303)
    assert done.location == f"{BASE}{LOADED}"
    shown = done.follow()
    assert toasts(shown) == [
        "L'utilisateur Sylvain DROÜET a été affecté au rôle Lecteur de l'application BIP."
    ]
    assert "DROÜET" in names(shown)
    assert ("sansdroit", "a-education", "bip:lecteur") in held(services)


def test_ticks_are_kept_over_searches_pages_and_filters(visit: Visit, services: Services) -> None:
    browser = visit("referent")
    one = membership(services, "sansdroit", "a-education")
    other = membership(services, "cecile.garcon", "a-rh")
    page = search(browser.get(ASSIGN), "droue")
    assert page.html.find(id="affecter-annonce").text == "1 résultat"
    tick(page, one)
    page = search(page, "ressources")
    ticked = page.html.select_one(".assign-ticked label").text
    assert " ".join(ticked.split()) == "Sylvain DROÜET, Direction de l'éducation et de l'enfance"
    form = page.forms["affecter"]
    form["taille"] = "10"
    form["filtre"] = "garçon"
    page = form.submit("chercher")
    assert "Utilisateurs (1)" in text_of(page)
    tick(page, other)
    done = page.forms["affecter"].submit("affecter", status=303).follow()
    (told,) = toasts(done)
    assert told.startswith("2 utilisateurs ont été affectés au rôle Lecteur")
    assert {
        ("sansdroit", "a-education", "bip:lecteur"),
        ("cecile.garcon", "a-rh", "bip:lecteur"),
    } <= held(services)


def test_results_are_sorted_and_paged_and_ticks_go_along(visit: Visit, services: Services) -> None:
    browser = visit("referent")
    page = search(browser.get(ASSIGN), "demo")

    def shown(page: TestResponse) -> list[str]:
        return [cell.text.strip().split("\n")[0] for cell in page.html.select(".assign tbody th")]

    form = page.forms["affecter"]
    form["taille"] = "10"
    page = form.submit("chercher")
    assert shown(page) == sorted(shown(page), key=search_key)
    assert "1 - 10 sur 14" in text_of(page)
    tick(page, membership(services, "theo.bernard", "collectivite-a"))
    token = page.forms["affecter"]
    beyond = token.submit("aller")
    assert "11 - 14 sur 14" in text_of(beyond)
    assert "Théo BERNARD" in beyond.html.select_one(".assign-ticked").text
    back = beyond.forms["affecter"].submit("aller")
    assert "1 - 10 sur 14" in text_of(back)
    assert back.html.select_one(".assign-ticked") is None
    (kept,) = back.html.select("tbody input[checked]")
    assert kept["value"] == membership(services, "theo.bernard", "collectivite-a")
    fields = [(each, value) for each, value in back.forms["affecter"].submit_fields()]
    turned = browser.post(ASSIGN, [*fields, ("tri", "-nom")])
    assert shown(turned) == sorted(shown(turned), key=search_key, reverse=True)
    again = turned.forms["affecter"].submit("chercher")
    assert shown(again) == shown(turned), "the order stays"
    form = again.forms["affecter"]
    form["recherche"] = "de"
    assert "Veuillez saisir au moins 3" in text_of(form.submit("chercher"))


def test_for_a_time(visit: Visit, services: Services) -> None:
    browser = visit("referent")
    page = search(browser.get(ASSIGN), "droue")
    tick(page, membership(services, "sansdroit", "a-education"))
    form = page.forms["affecter"]
    form["debut"], form["fin"] = "2099-01-31", "30/01/2099"
    refused = form.submit("affecter", status=400)
    assert "La date de fin doit suivre" in text_of(refused)
    form = refused.forms["affecter"]
    assert form["debut"].value == "2099-01-31"
    for typed, said in (
        ("demain", "Écrivez la date ainsi : 20/11/2026."),
        ("31/02/2026", "Cette date n'existe pas."),
        ("0001-01-01", "Écrivez une date de 2000 à 2999."),
    ):
        form["debut"], form["fin"] = typed, ""
        wrong = form.submit("affecter", status=400)
        assert to_correct(wrong) == [said]
        form = wrong.forms["affecter"]
    form["debut"], form["fin"] = "2099-01-31", "31/01/2099"
    done = form.submit("affecter", status=303).follow()
    row = next(row for row in done.html.select("#membres tbody tr") if "DROÜET" in row.text)
    assert "du 31/01/2099 au 31/01/2099" in row.text


def test_desaffecter(visit: Visit, services: Services) -> None:
    browser = visit("referent")
    page = browser.get(LOADED)
    asked = browser.get(item(page, "BENALI", "Désaffecter le membre sélectionné"))
    assert "Leïla BENALI n'aura plus le rôle Lecteur de l'application BIP" in text_of(asked)
    assert ("leila.benali", "a-carrieres", "bip:lecteur") in held(services), "asking does nothing"
    done = asked.forms["desaffecter"].submit(status=303).follow()
    assert toasts(done) == [
        "L'utilisateur Leïla BENALI a été désaffecté du rôle Lecteur de l'application BIP."
    ]
    assert "BENALI" not in names(done)
    assert ("leila.benali", "a-carrieres", "bip:lecteur") not in held(services)
    again = asked.forms["desaffecter"].submit(status=303).follow()
    assert toasts(again) == ["C'était déjà fait."], "one's own second press"
    late = browser.get(asked.request.url, status=409)
    assert "Leïla BENALI n'a plus le rôle « Lecteur » : il lui a été retiré" in text_of(late)


def test_reaffecter(visit: Visit, services: Services) -> None:
    browser = visit("referent")
    page = browser.get(LOADED)
    asked = browser.get(item(page, "MARTIN", "Réaffecter le membre à un autre rôle"))
    text = text_of(asked)
    assert "Rôle actuel dans BIP Lecteur" in text
    assert "Agnès MARTIN a déjà : Abonné à la veille statutaire." in text
    form = asked.forms["reaffecter"]
    refused = form.submit(status=400)
    assert to_correct(refused) == ["Choisissez le nouveau rôle."]
    form = refused.forms["reaffecter"]
    form["nouveau"] = "redacteur"
    done = form.submit(status=303).follow()
    assert toasts(done) == [
        "L'utilisateur Agnès MARTIN a été réaffecté : Lecteur → Rédacteur, dans l'application BIP."
    ]
    assert toasts(form.submit(status=303).follow()) == ["C'était déjà fait."]
    mine = {role for name, _, role in held(services) if name == "agent"}
    assert "bip:redacteur" in mine
    assert "bip:lecteur" not in mine


def test_withdrawn_meanwhile_whatever_is_chosen_says_so(visit: Visit) -> None:
    browser = visit("referent")
    page = browser.get(LOADED)
    asked = browser.get(item(page, "MARTIN", "Réaffecter le membre à un autre rôle"))
    form = asked.forms["reaffecter"]
    withdrawn = browser.get(item(page, "MARTIN", "Désaffecter le membre sélectionné"))
    withdrawn.forms["desaffecter"].submit(status=303)
    other = (
        "Agnès MARTIN n'a plus le rôle « Lecteur » : il lui a été retiré entre-temps. Son rôle "
        "dans BIP est maintenant « Abonné à la veille statutaire ». Rien n'a été enregistré."
    )
    for chosen in ("", "lecteur", "redacteur", "x" * 65):
        form["nouveau"].force_value(chosen)
        assert other in text_of(form.submit(status=409))


def test_replaced_meanwhile_by_another_both_roles_are_told(
    visit: Visit, services: Services
) -> None:
    browser, faster = visit("referent"), visit("correspondant")
    path = item(browser.get(LOADED), "NOËL", "Réaffecter le membre à un autre rôle")
    mine, his = (each.get(path).forms["reaffecter"] for each in (browser, faster))
    mine["nouveau"], his["nouveau"] = "redacteur", "abonne"
    his.submit(status=303)
    gone = "François NOËL n'a plus le rôle « Lecteur » : il lui a été retiré entre-temps."
    now_is = "Son rôle dans BIP est maintenant « Abonné à la veille statutaire »."
    late = text_of(mine.submit(status=409))
    assert f"{gone} {now_is} Rien n'a été enregistré. Vous aviez choisi « Rédacteur »." in late
    for end in ("reaffecter", "desaffecter", "dates"):
        late = text_of(browser.get(path.replace("reaffecter", end), status=409))
        assert f"{gone} {now_is} Rien n'a été enregistré." in late
    build(services.core).assignments.assign(
        OPERATOR, Grant("francois.noel@demo.example", "a-carrieres", "bip", "redacteur")
    )
    both = "Ses rôles dans BIP sont maintenant : « Abonné à la veille statutaire », « Rédacteur »."
    assert both in text_of(browser.get(path, status=409))


def test_nothing_else_to_reassign_to(visit: Visit, services: Services) -> None:
    build(services.core).assignments.assign(
        OPERATOR, Grant("agent@demo.example", "a-carrieres", "bip", "redacteur")
    )
    browser = visit("referent")
    page = browser.get(item(browser.get(LOADED), "MARTIN", "Réaffecter le membre à un autre rôle"))
    assert "Agnès MARTIN a déjà tous les autres rôles" in text_of(page)
    assert "reaffecter" not in page.forms


def test_of_two_at_once_the_slower_reads_the_dates_that_are_recorded(visit: Visit) -> None:
    browser, other = visit("referent"), visit("correspondant")
    path = item(browser.get(LOADED), "NOËL", "Modifier les dates")
    forms, change = [each.get(path).forms["dates"] for each in (browser, other)], []
    for form, ends in zip(forms, ("2098-12-31", "2097-06-30"), strict=True):
        form["fin"] = ends
    recorded = RoleMembers.change_dates

    def after_the_first(*args: object, **kwargs: object) -> object:
        if not change:
            change.append(True)
            forms[0].submit(status=303)
        return recorded(*args, **kwargs)  # type: ignore[arg-type]

    with patch.object(RoleMembers, "change_dates", after_the_first):
        refused = forms[1].submit(status=409)
    assert "Elles sont maintenant : jusqu'au 31/12/2098." in text_of(refused)


def test_dates_and_a_stale_edit(visit: Visit) -> None:
    browser, other = visit("referent"), visit("correspondant")
    path = item(browser.get(LOADED), "NOËL", "Modifier les dates")
    stale = other.get(path)
    form = browser.get(path).forms["dates"]
    form["fin"] = "2098-12-31"
    done = form.submit(status=303).follow()
    assert "François NOËL" in toasts(done)[0]
    assert "enregistrées : jusqu'au 31/12/2098." in toasts(done)[0]
    assert browser.get(path).forms["dates"]["fin"].value == "2098-12-31"
    form = stale.forms["dates"]
    form["fin"] = "2097-06-30"
    refused = form.submit(status=409)
    assert "Elles sont maintenant : jusqu'au 31/12/2098" in text_of(refused)
    form = refused.forms["dates"]
    assert form["fin"].value == "2097-06-30", "what was typed stays"
    form.submit(status=303)
    assert browser.get(path).forms["dates"]["fin"].value == "2097-06-30"
    again = form.submit(status=303).follow()
    assert "enregistrées : jusqu'au 30/06/2097." in toasts(again)[0], "one's own second press"
    fresh = browser.get(path).forms["dates"]
    fresh["fin"] = "2001-01-01"
    assert "La date de fin est déjà passée" in text_of(fresh.submit(status=400))
