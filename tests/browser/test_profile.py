"""One's own pages in a real browser: the photo above all, with JavaScript and without."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Demonstration, Visit, Visitors
from tests.common.photos import halves, image

AGENT = "agent@demo.example"
PAGES = {
    "profil-acces": "/profil/acces",
    "profil-ce-que-recoit-bip": "/profil/acces/bip",
    "profil-mot-de-passe": "/profil/mot-de-passe",
    "profil-sessions": "/profil/sessions",
    "profil-donnees": "/profil/donnees",
    "profil-photo": "/profil/photo",
}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Left red, right blue."""
    path = tmp_path / "moi.jpg"
    path.write_bytes(halves((800, 400), "JPEG"))
    return path


def header_photo(visit: Visit) -> Locator:
    return visit.page.locator(".menu-toggle img.avatar")


def remove(visit: Visit) -> None:
    """Leave no photo behind: the demonstration is everybody's."""
    visit.open("/profil/photo")
    visit.page.get_by_role("link", name="Supprimer la photo").click()
    visit.look("profil-photo-supprimer")
    visit.page.get_by_role("button", name="Supprimer ma photo").click()
    expect(visit.page.get_by_role("status").first).to_contain_text("Votre photo est supprimée.")
    expect(header_photo(visit)).to_have_count(0)


@pytest.fixture(params=["desktop", "phone-dark"])
def looking(request: pytest.FixtureRequest, visitors: Visitors) -> Visit:
    return visitors(phone="phone" in request.param, dark="dark" in request.param)


def test_every_page_is_accessible(looking: Visit, visitors: Visitors, photo: Path) -> None:
    visitors(phone=True).sign_in(AGENT)
    looking.sign_in(AGENT)
    for name, path in PAGES.items():
        looking.open(path)
        looking.look(name)
    page = looking.page
    page.get_by_role("button", name="Voir l'aperçu").click()
    expect(page.get_by_role("alert")).to_contain_text("Choisissez une photo.")
    looking.look("profil-photo-manquante")
    page.get_by_label("Ajouter une photo").set_input_files(photo)
    expect(page.get_by_role("button", name="Enregistrer")).to_be_visible()
    looking.look("profil-photo-cadre")
    page.get_by_role("button", name="Enregistrer").click()
    expect(header_photo(looking)).to_be_visible()
    looking.look("profil-photo-enregistree")
    looking.open("/profil/mot-de-passe")
    page.get_by_role("button", name="Changer mon mot de passe").click()
    expect(page.get_by_role("alert")).to_be_visible()
    looking.look("profil-mot-de-passe-incomplet")
    looking.open("/")
    page.get_by_role("button", name="Annuaire").click()
    looking.look("annuaire-avec-photo")
    remove(looking)


def test_a_square_is_chosen_and_the_header_shows_it_at_once(visit: Visit, photo: Path) -> None:
    page = visit.page
    visit.sign_in(AGENT)
    visit.open("/profil")
    page.get_by_role("link", name="Éditer").click()
    page.get_by_label("Ajouter une photo").set_input_files(photo)
    expect(page.get_by_role("button", name="Enregistrer")).to_be_visible()
    across = page.get_by_label("De gauche à droite")
    across.focus()
    page.keyboard.press("End")
    assert page.locator("input[name=x]").input_value() == "400"
    assert page.locator("input[name=side]").input_value() == "400"
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("status").first).to_contain_text("Votre photo est enregistrée.")
    first = header_photo(visit).get_attribute("src")
    assert color(visit, header_photo(visit)) == "blue"

    page.get_by_role("link", name="Éditer").click()
    page.get_by_label("Modifier la photo").set_input_files(photo)
    expect(page.get_by_role("button", name="Enregistrer")).to_be_visible()
    view = page.locator("[data-view]")
    box = view.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 220, box["y"] + 100, steps=5)
    page.mouse.up()
    assert page.locator("input[name=x]").input_value() == "0", "pulled to the right"
    page.get_by_role("button", name="Enregistrer").click()
    expect(header_photo(visit)).not_to_have_attribute("src", str(first))
    assert color(visit, header_photo(visit)) == "red"
    remove(visit)


def color(visit: Visit, picture: Locator) -> str:
    """The colour in the middle of a picture."""
    expect(picture).to_be_visible()
    red, _, blue = picture.evaluate("""async (image) => {
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 8;
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0, 8, 8);
      return [...context.getImageData(4, 4, 1, 1).data].slice(0, 3);
    }""")
    assert visit.page.url
    return "red" if red > blue else "blue"


def test_what_a_telephone_takes_is_made_lighter(visit: Visit, tmp_path: Path) -> None:
    heavy = tmp_path / "telephone.jpg"
    heavy.write_bytes(halves((4000, 3000), "JPEG", 6) + b"\0" * (3 * 1024 * 1024))
    visit.sign_in(AGENT)
    visit.open("/profil/photo")
    visit.page.get_by_label("Ajouter une photo").set_input_files(heavy)
    expect(visit.page.get_by_role("button", name="Enregistrer")).to_be_visible()
    visit.page.get_by_role("button", name="Enregistrer").click()
    expect(header_photo(visit)).to_be_visible()
    remove(visit)


def test_a_file_that_is_no_photo_is_said_at_once(visit: Visit, tmp_path: Path) -> None:
    wrong = tmp_path / "lettre.jpg"
    wrong.write_bytes(b"Madame, Monsieur,")
    visit.sign_in(AGENT)
    visit.open("/profil/photo")
    visit.page.get_by_label("Ajouter une photo").set_input_files(wrong)
    expect(visit.page.locator("[data-said]")).to_contain_text("JPEG, PNG ou WebP")
    visit.page.get_by_role("button", name="Voir l'aperçu").click()
    expect(visit.page.get_by_role("alert")).to_contain_text("JPEG, PNG ou WebP")


def test_without_javascript(visitors: Visitors, photo: Path) -> None:
    visit = visitors(script=False)
    visit.sign_in(AGENT)
    visit.open("/profil/photo")
    visit.page.get_by_label("Ajouter une photo").set_input_files(photo)
    visit.page.get_by_role("button", name="Voir l'aperçu").click()
    expect(visit.page.get_by_role("img", name="Votre nouvelle photo")).to_be_visible()
    visit.page.get_by_role("button", name="Enregistrer").click()
    expect(header_photo(visit)).to_be_visible()
    remove(visit)


def test_the_preview_page_is_accessible(looking: Visit, photo: Path) -> None:
    """It is for browsers without scripts, which axe needs: the button is pressed as it is there."""
    looking.context.route("**/js/photo.js", lambda route: route.fulfill(body=""))
    looking.sign_in(AGENT)
    looking.open("/profil/photo")
    looking.page.get_by_label("Ajouter une photo").set_input_files(photo)
    looking.page.get_by_role("button", name="Voir l'aperçu").click()
    expect(looking.page.get_by_role("img", name="Votre nouvelle photo")).to_be_visible()
    looking.look("profil-photo-apercu")


@pytest.mark.parametrize("script", [True, False])
def test_another_browser_is_signed_out_with_its_applications(
    visitors: Visitors, demonstration: Demonstration, *, script: bool
) -> None:
    other, mine = visitors(), visitors(script=script)
    other.sign_in("multi@demo.example")
    mine.sign_in("multi@demo.example")
    mine.open("/profil/sessions")
    mine.page.get_by_role("button", name="Fermer toutes les autres").click()
    expect(mine.page.get_by_role("status").first).to_contain_text("sont fermées")
    other.open("/profil")
    expect(other.page.get_by_role("heading", name="Connexion")).to_be_visible()
    mine.open("/profil")
    expect(mine.page).to_have_url(demonstration.url("/profil"))


def test_the_file_is_downloaded(visit: Visit) -> None:
    visit.sign_in(AGENT)
    visit.open("/profil/donnees")
    with visit.page.expect_download() as download:
        visit.page.get_by_role("link", name="Télécharger mes données").click()
    assert download.value.suggested_filename.startswith("mes-donnees-")
    assert AGENT in Path(download.value.path()).read_text(encoding="utf-8")


def test_the_photo_leads_back_to_the_directory(visit: Visit, demonstration: Demonstration) -> None:
    visit.sign_in(AGENT)
    visit.page.get_by_role("button", name="Annuaire").click()
    visit.page.get_by_role("link", name="Éditer").click()
    visit.page.get_by_label("Ajouter une photo").set_input_files(
        {"name": "p.png", "mimeType": "image/png", "buffer": image((64, 64), "PNG")}
    )
    visit.page.get_by_role("button", name="Enregistrer").click()
    expect(visit.page).to_have_url(demonstration.url("/aia/profil?avis=photo-enregistree"))
    expect(header_photo(visit)).to_be_visible()
    remove(visit)
