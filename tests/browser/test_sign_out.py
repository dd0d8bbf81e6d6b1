"""Signing out of everything, in a real browser: what works, what is dead, what hangs."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SLOW as PATIENCE
from tests.browser.conftest import Demonstration, Visit, Visitors
from tests.browser.test_journeys import LABELS as DEMO_LABELS
from tests.browser.test_journeys import WAYS
from tests.common.difficult_sps import (
    BROKEN,
    DEAD,
    LABELS,
    MUTE,
    SILENT,
    SLOW,
    SLOW_POST,
    Difficult,
    difficult_sps,
)

AGENT = "agent@demo.example"
PERSON, STRUCTURE = "theo.bernard@demo.example", "collectivite-a"
CLOSED, UNCONFIRMED = "fermée", "n'a pas confirmé sa fermeture"
CANNOT = "ne peut pas être fermée à distance"
HOUR = re.compile(r"jusqu'(à|au \d\d/\d\d/\d{4} à)\s\d{1,2}\sh\s\d\d")


@pytest.fixture(scope="module")
def difficult(
    demonstration: Demonstration, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Difficult]:
    """Six more applications of one person, each with a difficulty of its own."""
    folder: Path = tmp_path_factory.mktemp("difficult")
    with difficult_sps() as made:
        lines: list[tuple[str, ...]] = []
        for code, sp in made.sps.items():
            (folder / f"{code}.xml").write_bytes(sp.metadata())
            lines += [
                ("application", "add", code, LABELS[code]),
                ("role", "add", code, "agent", "Agent"),
                ("sp", "add", str(folder / f"{code}.xml"), "--application", code),
                ("assign", PERSON, "--structure", STRUCTURE, "--role", f"{code}:agent"),
            ]
        demonstration.commands(*lines)
        yield made


@pytest.fixture(params=WAYS)
def anyhow(request: pytest.FixtureRequest, visitors: Visitors) -> Visit:
    """A wide and a narrow browser, with and without JavaScript."""
    return visitors(**WAYS[request.param])


def open_tile(visit: Visit, label: str) -> None:
    """From the portal."""
    visit.open("/")
    visit.page.get_by_role("link", name=label, exact=True).click()
    visit.hand_over()
    expect(visit.page).not_to_have_url(re.compile(re.escape(visit.demonstration.url("/"))))


def press_sign_out(visit: Visit) -> None:
    """The question, answered."""
    visit.open("/deconnexion")
    visit.page.get_by_role("button", name="Se déconnecter").click()


def states(page: Page) -> dict[str, str]:
    """What the page says of each application."""
    labels = page.locator(".told-label").all_inner_texts()
    return dict(zip(labels, page.locator(".told-state").all_inner_texts(), strict=True))


def at_the_end(visit: Visit) -> None:
    """The last page is there."""
    heading = visit.page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Vous êtes déconnecté du portail", timeout=4 * PATIENCE)
    expect(visit.page).to_have_url(visit.demonstration.url("/deconnexion/terminee"))


def walk(visit: Visit) -> None:
    """Without JavaScript each application has its button, and each hand-over too."""
    for _ in range(20):
        button = visit.page.locator("[data-next]")
        if visit.script or not button.count():
            return
        button.click()
        visit.hand_over()


def forget_complaints_of(visit: Visit, *wanted: str) -> None:
    """A dead application is the test's own doing; anything else stays a complaint."""
    visit.complaints[:] = [
        each for each in visit.complaints if not any(word in each for word in wanted)
    ]


def test_the_four_applications_close_without_a_click(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    visit.sign_in(AGENT)
    for name in DEMO_LABELS:
        visit.open_sp(name)
        expect(page).to_have_url(visit.demonstration.sp(f"{name}/"))
    visit.open("/deconnexion")
    expect(page.get_by_role("heading", level=1)).to_have_text("Voulez-vous vous déconnecter ?")
    assert page.locator("main li").all_inner_texts() == sorted(DEMO_LABELS.values())
    visit.look("deconnexion")
    page.get_by_role("button", name="Se déconnecter").click()
    walk(visit)
    at_the_end(visit)
    assert states(page) == dict.fromkeys(sorted(DEMO_LABELS.values()), CLOSED)
    page.reload()
    assert states(page) == dict.fromkeys(sorted(DEMO_LABELS.values()), CLOSED)
    visit.look("deconnecte")
    for name in DEMO_LABELS:
        assert visit.whoami(name) is None, "really gone there"
    visit.open("/profil")
    expect(page).to_have_url(re.compile(re.escape(visit.demonstration.url("/connexion?suite="))))


@pytest.mark.parametrize(
    ("way", "name"),
    [
        *(("desktop", name) for name in DEMO_LABELS),
        ("phone", "net-cap"),
        ("phone-without-script", "site"),
    ],
)
def test_an_application_signs_out_everywhere(visitors: Visitors, way: str, name: str) -> None:
    visit = visitors(**WAYS[way])
    page = visit.page
    visit.sign_in(AGENT)
    others = [other for other in DEMO_LABELS if other != name]
    for each in (*others, name):
        visit.open_sp(each)
        expect(page).to_have_url(visit.demonstration.sp(f"{each}/"))
    page.get_by_role("link", name="Se déconnecter").click()
    walk(visit)
    visit.hand_over()
    expect(page.get_by_role("heading", level=1)).to_have_text("Session fermée")
    expect(page.get_by_text("Le portail confirme")).to_be_visible()
    visit.look("application-session-fermee")
    for each in DEMO_LABELS:
        assert visit.whoami(each) is None
    visit.open("/profil")
    expect(page).to_have_url(re.compile(re.escape(visit.demonstration.url("/connexion?suite="))))


@pytest.mark.usefixtures("difficult")
@pytest.mark.parametrize("phone", [False, True])
def test_the_question_names_what_it_cannot_close(visitors: Visitors, *, phone: bool) -> None:
    visit = visitors(phone=phone)
    visit.sign_in(PERSON)
    open_tile(visit, LABELS[MUTE])
    visit.open("/deconnexion")
    expect(visit.page.get_by_text("Cette application, que vous avez ouverte,")).to_be_visible()
    visit.look("deconnexion-impossible")
    open_tile(visit, DEMO_LABELS["site"])
    visit.open("/deconnexion")
    expect(visit.page.get_by_text("Cette autre application, que vous avez")).to_be_visible()
    visit.look("deconnexion-en-partie")


@pytest.mark.usefixtures("difficult")
def test_dead_silent_and_slow_applications_hold_nobody_up(visitors: Visitors) -> None:
    visit = visitors(phone=True)
    page = visit.page
    visit.sign_in(PERSON)
    for code in (DEAD, SILENT, SLOW, SLOW_POST, MUTE):
        open_tile(visit, LABELS[code])
    for label in (DEMO_LABELS["site"], DEMO_LABELS["net-cap"]):
        open_tile(visit, label)
    press_sign_out(visit)
    started = time.monotonic()
    at_the_end(visit)
    assert time.monotonic() - started < 30, "three that hang, five seconds each"
    unconfirmed = (DEAD, SILENT, SLOW, SLOW_POST)
    assert states(page) == {
        **{LABELS[code]: UNCONFIRMED for code in unconfirmed},
        LABELS[MUTE]: CANNOT,
        DEMO_LABELS["site"]: CLOSED,
        DEMO_LABELS["net-cap"]: CLOSED,
    }
    for code in (*unconfirmed, MUTE):
        line = page.locator("li", has_text=LABELS[code])
        expect(line.locator(".told-more")).to_have_text(HOUR)
        again = line.get_by_role("link", name=f"Fermer {LABELS[code]}")
        assert again.count() == (0 if code == MUTE else 1)
    visit.look("deconnecte-incomplet")
    forget_complaints_of(visit, "ERR_CONNECTION_REFUSED", "ERR_ABORTED", "Failed to load")


@pytest.mark.usefixtures("difficult")
def test_dark_and_by_keyboard(visitors: Visitors) -> None:
    """The page in between, kept still without its script; then its buttons by the keyboard."""
    visit = visitors(dark=True)
    visit.context.route("**/js/sign_out.js", lambda route: route.fulfill(body=""))
    visit.context.route("**/js/hand_over.js", lambda route: route.fulfill(body=""))
    page = visit.page
    visit.script = False
    visit.sign_in(PERSON)
    for code in (SILENT, MUTE):
        open_tile(visit, LABELS[code])
    open_tile(visit, DEMO_LABELS["net-cap"])
    open_tile(visit, DEMO_LABELS["site"])
    press_sign_out(visit)
    visit.script = True
    visit.look("deconnexion-suite")
    assert states(page)[DEMO_LABELS["net-cap"]] == CLOSED, "told by the back channel already"
    expect(page.locator("[aria-current=step]")).to_have_count(1)

    for _ in range(2):
        current = page.locator("[aria-current=step] .told-label").inner_text()
        following = page.get_by_role("link", name=f"Fermer {current}")
        following.focus()
        page.keyboard.press("Tab")
        skip = page.get_by_role("button", name=f"Continuer sans fermer {current}")
        expect(skip).to_be_focused()
        if current == LABELS[SILENT]:
            page.keyboard.press("Enter")
        else:
            following.press("Enter")
    at_the_end(visit)
    assert states(page) == {
        LABELS[SILENT]: UNCONFIRMED,
        LABELS[MUTE]: CANNOT,
        DEMO_LABELS["net-cap"]: CLOSED,
        DEMO_LABELS["site"]: CLOSED,
    }
    visit.look("deconnecte-incomplet")


@pytest.mark.usefixtures("difficult")
def test_stranded_on_an_error_page_the_back_button_goes_on(visit: Visit) -> None:
    page = visit.page
    visit.sign_in(PERSON)
    open_tile(visit, LABELS[BROKEN])
    open_tile(visit, DEMO_LABELS["site"])
    press_sign_out(visit)
    expect(page.get_by_role("heading", name="error")).to_be_visible()
    page.go_back()
    at_the_end(visit)
    assert states(page) == {LABELS[BROKEN]: UNCONFIRMED, DEMO_LABELS["site"]: CLOSED}

    page.get_by_role("link", name=f"Fermer {LABELS[BROKEN]}").click()
    expect(page.get_by_role("heading", name="error")).to_be_visible()
    page.go_back()
    at_the_end(visit)
    forget_complaints_of(visit, "500")


@pytest.mark.usefixtures("difficult")
def test_stranded_any_page_of_the_portal_offers_to_finish(anyhow: Visit) -> None:
    visit, page = anyhow, anyhow.page
    visit.sign_in(PERSON)
    open_tile(visit, LABELS[BROKEN])
    open_tile(visit, DEMO_LABELS["site"])
    press_sign_out(visit)
    if not visit.script:
        page.locator("[data-next]").click()
    expect(page.get_by_role("heading", name="error")).to_be_visible()
    for path in ("/", "/accessibilite", "/nulle-part"):
        visit.open(path)
        expect(page.get_by_role("complementary", name="Déconnexion en cours")).to_be_visible()
        visit.look(f"deconnexion-a-terminer{'-' + path[1:] if path[1:] else ''}")
    page.get_by_role("link", name="Terminer la déconnexion").click()
    walk(visit)
    at_the_end(visit)
    assert states(page) == {LABELS[BROKEN]: UNCONFIRMED, DEMO_LABELS["site"]: CLOSED}
    visit.open("/connexion")
    expect(page.get_by_role("complementary")).to_have_count(0)
    forget_complaints_of(visit, "500")


def test_an_application_that_did_not_confirm_may_be_closed_afterwards(
    visit: Visit,
) -> None:
    """Skipped by the person, who then thinks better of it."""
    page = visit.page
    visit.context.route("**/js/sign_out.js", lambda route: route.fulfill(body=""))
    visit.sign_in(AGENT)
    visit.open_sp("site")
    expect(page).to_have_url(visit.demonstration.sp("site/"))
    press_sign_out(visit)
    page.get_by_role("button", name="Continuer sans fermer").click()
    at_the_end(visit)
    assert states(page) == {DEMO_LABELS["site"]: UNCONFIRMED}
    assert visit.whoami("site") is not None, "as the page says"
    page.get_by_role("link", name=f"Fermer {DEMO_LABELS['site']}").click()
    at_the_end(visit)
    assert states(page) == {DEMO_LABELS["site"]: CLOSED}
    assert visit.whoami("site") is None


def test_two_tabs_sign_out_together(visit: Visit) -> None:
    page, other = visit.page, visit.context.new_page()
    visit.sign_in(AGENT)
    for name in ("bip", "net-cotisations", "site"):
        visit.open_sp(name)
        expect(page).to_have_url(visit.demonstration.sp(f"{name}/"))
    other.goto(visit.demonstration.url("/deconnexion"))
    press_sign_out(visit)
    other.goto(visit.demonstration.url("/deconnexion/suite"))
    at_the_end(visit)
    expect(other).to_have_url(visit.demonstration.url("/deconnexion/terminee"))
    page.reload()
    labels = (DEMO_LABELS[name] for name in ("bip", "net-cotisations", "site"))
    assert states(page) == dict.fromkeys(sorted(labels), CLOSED)


def test_a_screen_reader_hears_what_goes_on(visitors: Visitors) -> None:
    visit = visitors()
    page = visit.page
    visit.sign_in(AGENT)
    visit.open_sp("site")
    expect(page).to_have_url(visit.demonstration.sp("site/"))
    visit.context.route(visit.demonstration.sp(""), lambda _: None)  # never answers
    press_sign_out(visit)
    status = page.get_by_role("status")
    expect(status).to_have_text(f"Fermeture de {DEMO_LABELS['site']} en cours…")
    visit.look("deconnexion-en-cours")
    at_the_end(visit)
    assert states(page) == {DEMO_LABELS["site"]: UNCONFIRMED}
    forget_complaints_of(visit, "ERR_")


@pytest.mark.parametrize("elsewhere", ["http://localhost:1/", "/bip/"])
def test_an_application_whose_front_page_redirects_answers_all_the_same(
    visit: Visit, elsewhere: str
) -> None:
    page = visit.page
    visit.sign_in(AGENT)
    visit.open_sp("site")
    expect(page).to_have_url(visit.demonstration.sp("site/"))
    headers = {"Location": elsewhere}
    visit.context.route(
        visit.demonstration.sp(""), lambda route: route.fulfill(status=302, headers=headers)
    )
    press_sign_out(visit)
    at_the_end(visit)
    assert states(page) == {DEMO_LABELS["site"]: CLOSED}
    forget_complaints_of(visit, "Content Security Policy", "http://localhost:1/")
