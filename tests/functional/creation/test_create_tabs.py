"""*Créer un utilisateur* in several tabs: a form of a creation that another tab has left behind."""

from urllib.parse import unquote

import pytest
from webtest import Form, TestApp, TestResponse

from idp.services import Services
from tests.functional.create_scene import (
    BASE,
    FIELDS,
    MAIL,
    NEW,
    accounts,
    check,
    form_to,
    text,
    to_person,
    to_recap,
    to_roles,
)

pytestmark = pytest.mark.sqlite_only

UN, DEUX = "un@ville.example", "deux@ville.example"
NOT_SAVED = "n'est plus en cours, et ce que vous venez d'envoyer n'est pas enregistré."
SAME = "vous avez repris la création ailleurs. Voici où elle en est."


def told(page: TestResponse) -> str:
    """What the page says of the form that led to it."""
    return " ".join(page.html.select_one("main [role=alert]").get_text().split())


def filled_in(page: TestResponse) -> Form:
    """The second step of somebody, before it is sent."""
    form = page.forms["formulaire"]
    for name, value in FIELDS.items():
        form[name] = value
    return form


def asked(answer: TestResponse, over: str, other: str) -> TestResponse:
    """The page that asks which one to go on with: both are named, nobody's step is shown."""
    assert answer.location == f"{BASE}{NEW}?etape=1"
    page = answer.follow()
    assert told(page) == (
        f"Vous avez continué ailleurs avec la création {other} ; celle {over} {NOT_SAVED} "
        "Reprenez la première, ou vérifiez l'adresse de la seconde."
    )
    address = over.removeprefix("d'").removeprefix("de ")
    assert form_to(page, 1, name="adresse")["adresse"].value == address  # type: ignore[index]
    assert page.html.find(id="resultat") is None, "that address is not checked"
    return page


def resumed(page: TestResponse) -> TestResponse:
    """*Reprendre*."""
    return form_to(page, 1, name="reprendre").submit("reprendre", status=303).follow()  # type: ignore[attr-defined, no-any-return]


def test_what_is_sent_for_one_person_never_leads_into_another_ones_step(app: TestApp) -> None:
    """The second tab goes on with somebody else while this one is filled in."""
    first = filled_in(to_person(app, UN))
    to_person(app, DEUX)
    page = asked(first.submit(status=303), f"d'{UN}", f"de {DEUX}")
    assert f"Vous avez commencé à créer {DEUX}" in text(page)
    person = resumed(page)
    assert person.html.select_one(".step-now h2").text == f"Saisir les informations de {DEUX}"
    assert [person.forms["formulaire"][name].value for name in FIELDS] == [""] * len(FIELDS)


def test_an_address_that_was_but_checked_does_not_lead_into_another_ones_step(app: TestApp) -> None:
    """The first tab goes on while the second has checked somebody else."""
    first = filled_in(to_person(app, UN))
    second = form_to(check(app, DEUX), 1, name="suivant")
    first.submit(status=303)
    for _ in range(2):
        answer = second.submit("suivant", status=303)  # type: ignore[attr-defined]
        page = asked(answer, f"de {DEUX}", f"d'{UN}")
    form = form_to(page, 1, name="adresse")
    checked = form.submit(status=303).follow()  # type: ignore[attr-defined]
    assert f"Vous avez commencé à créer {UN}" in text(checked), "it still waits"
    roles = resumed(checked)
    assert roles.request.path_qs == f"{NEW}?etape=3"
    assert "Noël" in app.get(f"{NEW}?etape=2").forms["formulaire"]["nom"].value


def test_of_two_addresses_that_were_but_checked_either_can_be_taken_up(app: TestApp) -> None:
    first = form_to(check(app, UN), 1, name="suivant")
    second = form_to(check(app, DEUX), 1, name="suivant")
    answer = first.submit("suivant", status=303)  # type: ignore[attr-defined]
    page = asked(answer, f"d'{UN}", f"de {DEUX}")
    assert resumed(page).html.find(id="resultat"), "as it was checked"
    second.submit("suivant", status=303)  # type: ignore[attr-defined]
    assert app.get(f"{NEW}?etape=2", status=200)


def test_of_what_goes_on_elsewhere_the_one_with_something_said_is_offered(app: TestApp) -> None:
    """Not the address that was but checked after it."""
    stale = filled_in(to_person(app))
    to_roles(app, UN)
    check(app, DEUX)
    page = asked(stale.submit(status=303), f"de {MAIL}", f"d'{UN}")
    assert resumed(page).request.path_qs == f"{NEW}?etape=3"


@pytest.mark.parametrize("button", ["", "abandonner"])
def test_a_recapitulation_that_was_left_behind_creates_and_ends_nothing(
    app: TestApp, services: Services, button: str
) -> None:
    stale = to_recap(app).forms["creer"]
    to_roles(app, DEUX)
    page = asked(stale.submit(button, status=303), f"de {MAIL}", f"de {DEUX}")
    assert accounts(services).isdisjoint({MAIL, DEUX})
    assert resumed(page).request.path_qs == f"{NEW}?etape=3"


def test_the_same_person_goes_on_where_the_other_tab_is(app: TestApp, services: Services) -> None:
    """Checked again, in another case; as far as the recapitulation, then created."""
    first = filled_in(to_person(app, UN))
    recap = to_recap(app, "bip:lire", mail=UN.upper()).forms["creer"]
    answer = first.submit(status=303)
    assert answer.location == f"{BASE}{NEW}?etape=4"
    page = answer.follow()
    assert SAME in told(page)
    assert "lire bip" in text(page)
    other = check(app, DEUX)
    assert f"commencé à créer {UN}" in text(other).casefold()
    assert first.submit(status=303).location == f"{BASE}{NEW}?etape=4", "even while it waits"
    recap.submit(status=303)
    answer = first.submit(status=303)
    assert answer.location == f"{BASE}{NEW}?etape=fin"
    assert "est créé" in text(answer.follow())
    assert UN in {mail.casefold() for mail in accounts(services)}


def test_what_is_over_and_nothing_else_goes_on_is_begun_again_from_its_address(
    app: TestApp, services: Services
) -> None:
    """Given up in another tab; then somebody else was created there."""
    first = filled_in(to_person(app, UN))
    to_recap(app, mail=UN).forms["creer"].submit("abandonner", status=303)
    again = "Pour la recommencer, vérifiez de nouveau l'adresse."
    for meanwhile in ("nothing", "pressed again", "another one is created"):
        if meanwhile.startswith("another"):
            to_recap(app, mail=DEUX).forms["creer"].submit(status=303)
        answer = first.submit(status=303)
        assert answer.location == f"{BASE}{NEW}?etape=1", meanwhile
        page = answer.follow()
        assert told(page) == f"La création d'{UN} {NOT_SAVED} {again}", meanwhile
        assert form_to(page, 1, name="adresse")["adresse"].value == UN  # type: ignore[index]
        assert "Reprendre" not in text(page), meanwhile
    assert DEUX in accounts(services)
    assert UN not in accounts(services)


def test_what_was_done_elsewhere_is_still_told_of(app: TestApp) -> None:
    """A form of one who is forgotten arrives after somebody else was created."""
    left = filled_in(to_person(app, UN))
    recap = to_recap(app, mail=DEUX).forms["creer"]
    recap.submit(status=303)
    page = left.submit(status=303).follow()
    assert f"La création d'{UN} {NOT_SAVED}" in told(page)
    assert "Reprendre" not in text(page)
    assert "Léa NOËL est créé" in text(app.get(f"{NEW}?etape=fin", status=200))
    assert recap.submit(status=303).location == f"{BASE}{NEW}?etape=fin", "pressed again"
    again = to_person(app, DEUX).forms["formulaire"]
    assert again["structure"].value == "", "nothing is taken over from what is done"


def test_a_recapitulation_that_another_tab_changed_is_read_before_it_is_done(
    app: TestApp, services: Services
) -> None:
    """Another name, another structure, another role: one that was never read records nothing."""
    stale = to_recap(app).forms["creer"]
    for step, name, value in ((2, "nom", "Autre"), (2, "structure", "a"), (3, "role-bip", True)):
        form = app.get(f"{NEW}?etape={step}").forms["formulaire"]
        form.fields[name][-1].value = value
        form.submit(status=303)
        answer = stale.submit(status=303)
        assert answer.location == f"{BASE}{NEW}?etape=4", name
        page = answer.follow()
        assert "La création a changé depuis que vous avez ouvert cette page" in told(page), name
        assert MAIL not in accounts(services), name
        stale = page.forms["creer"]
    for said in ("Autre", "Structure a", "lire bip"):
        assert said in text(page), said
    assert stale.submit(status=303).location == f"{BASE}{NEW}?etape=fin"
    assert MAIL in accounts(services)


def test_what_is_over_can_be_given_up_without_a_word(app: TestApp) -> None:
    """*Abandonner* in the second tab too."""
    left = to_recap(app).forms["creer"]
    for _ in range(2):
        answer = left.submit("abandonner", status=303)
        assert answer.location == BASE + NEW
        page = answer.follow()
        assert page.html.select_one("main [role=alert]") is None
        assert form_to(page, 1, name="adresse")["adresse"].value == ""  # type: ignore[index]


def test_of_a_form_that_does_not_say_whose_it_is_nothing_is_guessed(
    app: TestApp, token: str
) -> None:
    to_roles(app)
    forged = {"csrf_token": token, "dossier": "x"}
    answer = app.post(f"{NEW}?etape=3", forged, status=303)
    assert answer.location == BASE + NEW
    page = answer.follow()
    assert "plus à jour : ce que vous venez d'envoyer n'est pas enregistré." in told(page)
    assert f"Vous avez commencé à créer {MAIL}" in text(page), "it is offered, not entered"
    evil = "<script>x</script>" + "y" * 999
    page = app.post(f"{NEW}?etape=3", forged | {"pour": evil}, status=303).follow()
    assert evil[:18] not in page.text
    assert len(form_to(page, 1, name="adresse")["adresse"].value) == 254  # type: ignore[index]


def test_an_address_is_in_no_link(app: TestApp) -> None:
    first = filled_in(to_person(app, UN))
    to_person(app, DEUX)
    answer = first.submit(status=303)
    page = answer.follow()
    links = [tag.get("href") or tag.get("action") or "" for tag in page.html.select("[href], form")]
    assert not [link for link in (answer.location, *links) if "@ville" in unquote(link)]
