"""The agents' guide, sentence by sentence; the référents' guide shares these steps."""

from playwright.sync_api import expect

from tests.browser.guide_scene import Chapter, Scene, Someone, picture, quoted
from tests.browser.test_password_journeys import PHRASE, mailed_link
from tests.common.photos import halves

AIA = "Annuaire des Identités et des Accès"
AGENT = Someone("Julie", "Zidi", roles=("bip:lecteur", "net-cap:gestionnaire"))

# --- Connexion / Déconnexion au portail de Convergences -----------------------------------------


@picture("adresse-du-portail")
def opens_the_portal(scene: Scene) -> None:
    """J'ouvre un navigateur internet, et je tape l'adresse du portail."""
    answer = scene.page.goto(scene.demonstration.url("/"))
    assert answer is not None
    assert answer.status == 200
    assert answer.header_value("WWW-Authenticate") is None, "a window before the page"
    scene.heading("Connexion")


@picture("premiere-visite")
def clicks_first_visit(scene: Scene) -> None:
    """Lors de ma première visite, je clique sur le bouton « Première visite ? »."""
    scene.press("Première visite ?")


@picture("recevoir-le-lien")
def gives_the_address(scene: Scene) -> None:
    """Je me laisse guider : l'identifiant demandé est mon adresse e-mail professionnelle."""
    scene.fill("Adresse mail", scene.who.mail)
    scene.press("Recevoir le lien")
    scene.heading("Consultez votre messagerie")


@picture("choisir-le-mot-de-passe")
def chooses_a_password(scene: Scene) -> None:
    """Je me laisse guider : le processus de création de mot de passe."""
    scene.page.goto(mailed_link(scene.demonstration, scene.who.mail))
    scene.page.get_by_role("textbox", name="Nouveau mot de passe").fill(PHRASE)
    scene.page.get_by_role("textbox", name="Le même").fill(PHRASE)
    scene.press("Enregistrer et me connecter")
    scene.heading("Applications")


@picture("saisir-l-adresse")
def types_the_address(scene: Scene) -> None:
    """Je saisis mon adresse e-mail si celle-ci n'est pas renseignée."""
    scene.visit.context.clear_cookies()  # he comes back another day
    scene.visit.open("/")
    scene.fill("Adresse mail", scene.who.mail)


@picture("saisir-le-mot-de-passe")
def types_the_password(scene: Scene) -> None:
    """Je saisis le mot de passe que j'ai créé."""
    field = scene.page.get_by_role("textbox", name="Mot de passe")
    field.fill(PHRASE)
    scene.show(field)


@picture("se-connecter")
def clicks_sign_in(scene: Scene) -> None:
    """Je clique sur le bouton « Se connecter »."""
    scene.press("Se connecter")


@picture("applications")
def sees_the_applications(scene: Scene) -> None:
    """J'accède aux différentes applications autorisées pour mon profil."""
    scene.heading("Applications")
    for role in scene.who.roles:
        label = {"bip": "BIP", "net-cap": "Net-CAP"}[role.partition(":")[0]]
        expect(scene.page.get_by_role("link", name=quoted(label))).to_be_visible()
    expect(scene.page.locator("li.tile")).to_have_count(len(scene.who.roles) + 1)
    guide = scene.page.get_by_role("contentinfo").get_by_role("link", name="Guide utilisateur")
    expect(guide).to_have_attribute("href", "/guide-utilisateur")


PORTAL = (
    opens_the_portal,
    clicks_first_visit,
    gives_the_address,
    chooses_a_password,
    types_the_address,
    types_the_password,
    clicks_sign_in,
    sees_the_applications,
)

# --- Connexion à l'Annuaire des identités et des accès -------------------------------------------


@picture("ouvrir-l-annuaire")
def clicks_the_tile(scene: Scene) -> None:
    """Je clique sur le carré Annuaire des Identités et des Accès depuis « Applications »."""
    scene.visit.open("/")
    scene.heading("Applications")
    scene.press(AIA)
    scene.heading(AIA)


# --- Je visualise mon profil ---------------------------------------------------------------------


@picture("ouvrir-le-menu")
def clicks_on_the_photo(scene: Scene) -> None:
    """Je clique sur ma photo (l'image) en haut à droite de la fenêtre."""
    image = scene.page.locator("header .menu-toggle")
    expect(image).to_contain_text("Bienvenue,")
    box, window = image.bounding_box(), scene.page.viewport_size
    assert box is not None
    assert window is not None
    assert box["x"] > window["width"] / 2, "not at the right"
    scene.click(image)


@picture("choisir-profil")
def chooses_profile(scene: Scene) -> None:
    """Je sélectionne « Profil » dans le menu qui s'affiche."""
    scene.press("Profil", scene.page.locator("header"))


@picture("mon-profil")
def sees_the_profile(scene: Scene) -> None:
    """La fenêtre reprend les données enregistrées et les droits sur les applications."""
    for label in ("Nom complet", "Nom", "Prénom", "Identifiant", "Adresse mail"):
        term = scene.page.locator("dt").filter(has_text=quoted(label))
        expect(term.locator("xpath=following-sibling::dd").first).not_to_be_empty()
    belongs = scene.page.locator("dt", has_text="Structure d'appartenance")
    expect(belongs.locator("xpath=following-sibling::dd").first).to_contain_text("cig-pc / ")
    scene.heading("Applications et Rôles")
    for column in ("Applications", "Rôles"):
        expect(scene.page.get_by_role("columnheader", name=quoted(column))).to_be_visible()


# --- Je change ma photo de profil ----------------------------------------------------------------


@picture("editer-la-photo")
def clicks_edit_photo(scene: Scene) -> None:
    """Sur la fenêtre de mon profil, je clique sur le bouton ÉDITER."""
    scene.press("ÉDITER", more="( ma photo)?")


@picture("ajouter-une-photo")
def clicks_add_photo(scene: Scene) -> None:
    """Je clique sur « Ajouter une photo », et sélectionne la photo sur mon ordinateur."""
    field = scene.field("Ajouter une photo")
    scene.show(field)
    photo = {"name": "moi.jpg", "mimeType": "image/jpeg", "buffer": halves((400, 400), "JPEG")}
    with scene.page.expect_file_chooser() as chooser:
        field.click()
    chooser.value.set_files(photo)  # type: ignore[arg-type]


@picture("enregistrer-la-photo")
def saves_the_photo(scene: Scene) -> None:
    """La photo s'est mise à jour, je clique sur le bouton « Enregistrer »."""
    expect(scene.page.locator("[data-crop]")).to_be_visible()
    scene.press("Enregistrer")


@picture("la-photo-est-changee")
def sees_the_new_photo(scene: Scene) -> None:
    """En haut à droite, ma photo s'est mise à jour à côté de mon nom et prénom."""
    expect(scene.page.locator("header .menu-greeting")).to_contain_text(scene.who.name)
    image = scene.page.locator("header .menu-toggle img.avatar")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    scene.show(scene.page.locator("header .menu-toggle"))


# --- Je me déconnecte de l'AIA -------------------------------------------------------------------


@picture("choisir-deconnexion")
def chooses_sign_out(scene: Scene) -> None:
    """Je sélectionne « Déconnexion »."""
    scene.press("Déconnexion", scene.page.locator("header"))


@picture("confirmer-la-deconnexion")
def confirms_sign_out(scene: Scene) -> None:
    """Je confirme mon souhait de me déconnecter."""
    scene.press("Se déconnecter de l'annuaire")


@picture("retour-au-portail")
def is_back_on_the_portal(scene: Scene) -> None:
    """Je suis de retour sur le portail des applications."""
    expect(scene.page).to_have_url(scene.demonstration.url("/"))
    scene.heading("Applications")


PROFILE = (clicks_on_the_photo, chooses_profile, sees_the_profile)
PHOTO = (clicks_edit_photo, clicks_add_photo, saves_the_photo, sees_the_new_photo)
LEAVING = (clicks_on_the_photo, chooses_sign_out, confirms_sign_out, is_back_on_the_portal)

CHAPTERS = (
    Chapter(
        "agent",
        1,
        "convergences",
        (*PORTAL, clicks_the_tile, *PROFILE, *PHOTO, *LEAVING),
        who=AGENT,
    ),
)
