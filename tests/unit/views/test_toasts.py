"""What was just done is told once, to the person who did it, and stands in no address."""

from datetime import timedelta

import pytest
from pyramid.request import Request as PyramidRequest
from pyramid.response import Response

from directory.services.removal.bin import Removal
from directory.services.rights.role_members import Assigned
from idp.request import Request
from idp.services import Services
from idp.types import SsoSession
from tests.common.clock import FakeClock
from views import toasts
from views.aia.bin import sentence
from views.aia.role_assign import sentences
from views.toasts import BRIEF, KEPT, LONGEST, MOST, Toast, toast

SECRET_NAME = "Léa NOËL"


class Registry:
    """All that a request asks of Pyramid here."""

    def __init__(self, services: Services) -> None:
        self.services = services


class Browser:
    """A cookie jar of one cookie."""

    def __init__(self, services: Services, key: str) -> None:
        self.services, self.key, self.cookie = services, key, ""

    def request(self) -> Request:
        headers = {"Cookie": f"message={self.cookie}"} if self.cookie else {}
        request: Request = Request.blank("/aia", headers=headers)
        request.registry = Registry(self.services)
        now = self.services.clock.now()
        session = SsoSession(self.key, "someone", now, "", now, now, now)
        request.__dict__["sso_session"] = session
        request.__dict__["subject"] = object()
        return request

    def answer(self, request: PyramidRequest) -> Response:
        response = Response()
        request._process_response_callbacks(response)
        for line in response.headers.getall("Set-Cookie"):
            assert SECRET_NAME not in line
            assert "HttpOnly" in line
            self.cookie = line.partition(";")[0].removeprefix("message=")
        return response

    def tell(self, *texts: str, wrong: bool = False) -> None:
        request = self.request()
        for text in texts:
            toast(request, text, wrong=wrong)
        self.answer(request)

    def read(self) -> tuple[Toast, ...]:
        request = self.request()
        told = toasts.shown(request)
        self.answer(request)
        return told


@pytest.fixture
def browser(services: Services) -> Browser:
    return Browser(services, "session one")


def test_it_is_told_on_the_next_page_and_not_again(browser: Browser) -> None:
    assert browser.read() == ()
    browser.tell(f"{SECRET_NAME} est supprimée.", wrong=True)
    assert SECRET_NAME not in browser.cookie
    assert browser.read() == (Toast(f"{SECRET_NAME} est supprimée.", wrong=True),)
    assert browser.read() == ()


def test_what_was_not_shown_yet_is_told_as_well(browser: Browser) -> None:
    browser.tell("un")
    browser.tell("deux", "trois")
    browser.tell("quatre")
    assert [each.text for each in browser.read()] == ["deux", "trois", "quatre"]
    assert MOST == 3


def test_a_page_that_tells_something_new_does_not_forget_it(browser: Browser) -> None:
    browser.tell("un")
    request = browser.request()
    assert toasts.shown(request) == (Toast("un"),)
    toast(request, "deux")
    browser.answer(request)
    assert Toast("deux") in browser.read()


def test_nobody_else_reads_or_writes_it(browser: Browser, services: Services) -> None:
    browser.tell(SECRET_NAME)
    other = Browser(services, "session two")
    other.cookie = browser.cookie
    assert other.read() == ()
    kept = browser.cookie
    for forged in ("x", "é", kept[:-4], kept[:20] + "AAAA" + kept[24:], "A" * 40):
        browser.cookie = forged
        assert browser.read() == ()


def test_it_is_told_soon_or_never(browser: Browser, clock: FakeClock) -> None:
    browser.tell("un")
    clock.advance(KEPT + timedelta(seconds=1))
    assert browser.read() == ()


def test_no_line_begins_with_a_sign(browser: Browser) -> None:
    browser.tell("Fait : « Lecteur » est donné ; et après ? Oui !")
    (told,) = browser.read()
    assert told.text == "Fait_: «_Lecteur_» est donné_; et après_? Oui_!".replace("_", "\u00a0")


def test_a_name_does_not_turn_the_sentence_around(browser: Browser) -> None:
    browser.tell("La structure a\u202eb est créée.")
    (told,) = browser.read()
    assert told.text == "La structure ab est créée."


def test_it_fits_a_cookie(browser: Browser) -> None:
    """In French three long ones do; where they do not, the latest is told whole."""
    for text, kept in (("é", 2), ("e", MOST), ("\N{GRINNING FACE}", 1), ("\ud800", MOST)):
        browser.tell(*[text * LONGEST] * MOST)
        assert len(browser.cookie) < 4000
        assert [len(each.text) for each in browser.read()] == [LONGEST] * kept


def test_the_end_of_a_long_one_is_read(browser: Browser) -> None:
    """What to do stands there: the page tells it whole, only what floats above it is brief."""
    path = " / ".join(["Direction de l'été"] * 20)
    browser.tell(f"Zoé est dans {path}. Lisez-le.", f"Zoé est dans {path * 2}. Lisez-le.")
    whole, cut = browser.read()
    assert whole.text == f"Zoé est dans {path}. Lisez-le."
    assert len(cut.text) <= LONGEST
    for text in (whole.brief, cut.brief, cut.text):
        assert len(text) <= LONGEST
        assert text.startswith("Zoé est dans Direction de l'été / ")
        assert " … " in text
        assert text.endswith("l'été. Lisez-le.")
    assert len(whole.brief) <= BRIEF


def test_an_assignment_of_many_is_told_whole() -> None:
    names = tuple(f"Prénom NOM-ASSEZ-LONG{each}" for each in range(12))
    waiting = tuple(f"{each} : son compte est verrouillé." for each in names)
    said = sentences(Assigned("BIP", "Gestionnaire", names, names[:4], waiting, oneself=False))
    assert [each.note for each in said] == [True, False], "what has no effect yet is no success"
    told = [each.text for each in said]
    assert told[-1].endswith("LONG0, Prénom NOM-ASSEZ-LONG1, Prénom NOM-ASSEZ-LONG2 et 9 autres.")
    assert "De même pour 9 autres" in told[0]
    assert told[0].endswith("LONG2 et 1 autre.")
    one = sentences(Assigned("BIP", "Gestionnaire", names[:2], (), (), oneself=False))
    assert one[0].text.endswith("LONG0 et Prénom NOM-ASSEZ-LONG1.")


def test_what_came_out_of_the_bin_is_told_with_what_has_no_effect_yet() -> None:
    later = "à sa prochaine connexion"
    alone = f"Il aura effet quand cette personne l'aura confirmé, {later}."
    alone_back = "Le rattachement est rétabli : A."
    closed = "Cette structure est fermée : la personne n'y ouvre rien."
    for removal, told in (
        (Removal(("A",), account=True), "Le compte est rétabli : A."),
        (
            Removal(("A", "B"), account=True, waiting=("B",)),
            f"Le compte est rétabli : A, B. À confirmer par cette personne, {later} : B.",
        ),
        (
            Removal(("A",), account=False, waiting=("A",)),
            f"{alone_back} {alone}",
        ),
        (
            Removal(("A", "B"), account=False, waiting=("A",)),
            f"Les rattachements sont rétablis : A, B. À confirmer par cette personne, {later} : A.",
        ),
        (
            Removal(("A",), account=False, waiting=("A",), closed=("A",)),
            f"{alone_back} {closed} À confirmer par cette personne, {later} : A.",
        ),
        (
            Removal(("A", "B"), account=True, closed=("B",)),
            "Le compte est rétabli : A, B. La personne n'ouvre rien dans une structure fermée : B.",
        ),
    ):
        assert sentence(removal) == told
