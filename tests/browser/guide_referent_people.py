"""The référents' guide, sentence by sentence: the directory, and the accounts of people."""

import time

from playwright.sync_api import Locator, expect

from tests.browser import guide_agent as agent
from tests.browser.conftest import SLOW
from tests.browser.guide_scene import Chapter, Scene, Someone, picture, quoted

REFERENT = "referent@demo.example"
EVERYBODY = "CHARGER TOUS LES UTILISATEURS"
COUNT = r"( \(.+\))?"
TOWN = "Ville de Montrieux-sur-Seine"

# --- Annuaire des identités et des accès (AIA) ---------------------------------------------------


@picture("accueil")
def sees_the_home_page(scene: Scene) -> None:
    """L'écran d'accueil de l'annuaire, avec ses quatre boutons et son menu."""
    menu = scene.page.get_by_role("navigation", name="Annuaire", exact=True)
    for label in ("Créer un utilisateur", "Utilisateurs", "Structures", "Applications"):
        expect(scene.page.locator("a.door .door-name", has_text=quoted(label))).to_be_visible()
        expect(menu.get_by_role("link", name=quoted(label))).to_be_visible()
    expect(scene.page.locator("header")).to_contain_text("Bienvenue,")
    foot = scene.page.get_by_role("contentinfo")
    guide = foot.get_by_role("link", name=quoted("Guide utilisateur"))
    expect(guide).to_have_attribute("href", "/guide-referent")
    expect(foot.get_by_role("link", name="Accessibilité")).to_be_visible()


def door(scene: Scene, label: str) -> Locator:
    """One of the four large buttons of the home page."""
    scene.visit.open("/aia")
    return scene.page.locator("a.door").filter(
        has=scene.page.locator(".door-name", has_text=quoted(label))
    )


# --- Je référence un utilisateur -----------------------------------------------------------------


@picture("creer-un-utilisateur")
def clicks_create(scene: Scene) -> None:
    """Sur l'écran d'accueil, je clique sur le bouton CRÉER UN UTILISATEUR."""
    scene.click(door(scene, "CRÉER UN UTILISATEUR"))
    scene.heading("Créer un utilisateur")


@picture("saisir-l-adresse")
def types_an_address(scene: Scene) -> None:
    """Je saisis l'adresse e-mail de l'utilisateur."""
    expect(
        scene.page.get_by_role("heading", name="Saisir l'email de l'utilisateur")
    ).to_be_visible()
    scene.reads("Champ obligatoire *")
    scene.fill("Adresse mail*", NEW.mail)


@picture("verifier-l-adresse")
def checks_the_address(scene: Scene) -> None:
    """Je clique sur Vérifier l'adresse mail."""
    scene.press("Vérifier l'adresse mail")


@picture("adresse-inconnue")
def sees_that_nobody_has_it(scene: Scene) -> None:
    """2 a. Aucun compte utilisateur n'existe avec cette adresse mail."""
    said = scene.page.get_by_text(
        quoted("Aucun compte utilisateur n'existe avec cette adresse email")
    )
    scene.show(said)


@picture("adresse-connue")
def sees_that_somebody_has_it(scene: Scene) -> None:
    """2 b. Adresse mail déjà existante dans AIA (cas des utilisateurs multi-structure)."""
    scene.field("Adresse mail*").fill("multi@demo.example")
    scene.button("Vérifier l'adresse mail").click()
    said = scene.page.get_by_text("multi@demo.example existe déjà dans la structure").first
    expect(said).to_contain_text("collectivites / ")
    scene.show(said)
    expect(scene.button("SUIVANT")).to_be_visible()
    scene.field("Adresse mail*").fill(NEW.mail)
    scene.button("Vérifier l'adresse mail").click()


@picture("adresse-suivant")
def goes_on_from_the_address(scene: Scene) -> None:
    """3. Je clique sur SUIVANT."""
    expect(scene.page.get_by_text("Aucun compte utilisateur n'existe")).to_be_visible()
    scene.press("SUIVANT")


@picture("saisir-les-informations")
def fills_in_what_is_wanted(scene: Scene) -> None:
    """4. Dans la section « Saisir les informations », les champs obligatoires."""
    expect(scene.page.get_by_role("heading", name="Saisir les informations")).to_be_visible()
    scene.field("Nom*").fill(NEW.sn)
    scene.field("Prénom*").fill(NEW.given_name)
    scene.field("Structure d'appartenance*").select_option(index=1)
    scene.show(scene.page.locator(".step-now .step-body"))


@picture("informations-suivant")
def goes_on_from_the_information(scene: Scene) -> None:
    """5. Je clique sur Suivant."""
    scene.press("Suivant")


@picture("mes-applications")
def sees_his_applications(scene: Scene) -> None:
    """1. Je visualise la ou les applications dont je suis administrateur."""
    expect(scene.page.get_by_role("heading", name="Affecter des rôles")).to_be_visible()
    expect(scene.page.locator(".step-now")).to_contain_text("Optionnelle")
    expect(scene.page.locator("details.unfold")).to_have_count(4)


@picture("deplier-l-application")
def unfolds_an_application(scene: Scene) -> None:
    """2. Je déploie le menu de l'application avec la petite flèche près de son nom."""
    summary = scene.page.locator("details.unfold summary", has_text="BIP")
    expect(summary.locator("svg").first).to_be_visible()
    scene.click(summary)


@picture("les-roles")
def sees_the_roles(scene: Scene) -> None:
    """3. Les différents rôles s'affichent."""
    roles = scene.page.locator("details.unfold[open] fieldset")
    expect(roles.get_by_role("checkbox")).to_have_count(3)
    scene.show(roles)


@picture("choisir-un-role")
def selects_a_role(scene: Scene) -> None:
    """4. Je sélectionne le rôle que je veux attribuer à l'agent."""
    role = scene.page.get_by_label(quoted("Lecteur"))
    role.check()
    scene.show(role)


@picture("roles-suivant")
def goes_on_from_the_roles(scene: Scene) -> None:
    """5. Je clique sur suivant."""
    scene.press("suivant")


@picture("recapitulatif")
def sees_the_recapitulation(scene: Scene) -> None:
    """6. Je visualise le récapitulatif des informations."""
    title = scene.page.get_by_role("heading", name="Récapitulatif des informations")
    expect(title).to_be_visible()
    recap = scene.page.locator(".step-now .step-body")
    for text in (NEW.mail, NEW.sn, NEW.given_name, TOWN, "BIP", "Lecteur"):
        expect(recap).to_contain_text(text)
    scene.show(recap)


@picture("ajouter")
def clicks_add(scene: Scene) -> None:
    """7. Je clique sur Ajouter."""
    scene.press("Ajouter")


@picture("utilisateur-cree")
def sees_that_it_is_created(scene: Scene) -> None:
    """8. L'utilisateur est créé dans l'AIA."""
    scene.heading("Création de l'utilisateur")
    said = scene.page.get_by_role("status").first
    expect(said).to_contain_text(f"L'utilisateur {NEW.name} est créé")
    scene.show(said)


@picture("roles-attribues")
def sees_the_given_roles(scene: Scene) -> None:
    """9. Je visualise les rôles applicatifs qui lui ont été attribués."""
    table = scene.page.get_by_role("table", name="Rôles dans chaque application")
    expect(table).to_contain_text("BIP")
    expect(table).to_contain_text("Lecteur")
    scene.show(table)


@picture("ajouter-un-autre")
def may_add_another(scene: Scene) -> None:
    """10. Je peux déclencher l'ajout d'un nouvel utilisateur."""
    scene.press("Ajouter un autre utilisateur")
    scene.heading("Créer un utilisateur")


@picture("mail-de-creation")
def the_mail_arrives(scene: Scene) -> None:
    """Dès lors envoi automatique d'un mail : adresse, identifiant, portail, mot de passe."""
    mail = scene.page.get_by_role("article").filter(has_text=NEW.mail).first
    end = time.monotonic() + SLOW / 1000
    scene.visit.open("/demo/courriels")
    while not mail.count() and time.monotonic() < end:
        scene.page.wait_for_timeout(300)
        scene.page.reload()
    for text in (
        "[Portail des applications du CIG] Création de votre profil utilisateur",
        "ne-pas-repondre@",
        "Un compte permettant d'accéder à CONVERGENCES",
        f"avec cette adresse mél [{NEW.mail}] et avec cet identifiant [{NEW.mail}]",
        scene.demonstration.url(""),
        "« Première visite »",
        "initialiser votre mot de passe",
        "Merci de ne pas y répondre",
    ):
        expect(mail).to_contain_text(text, ignore_case=True)
    scene.show(mail)


# --- …par l'écran Utilisateurs -------------------------------------------------------------------


@picture("utilisateurs")
def clicks_users(scene: Scene) -> None:
    """Sur l'écran d'accueil, je clique sur le bouton UTILISATEURS."""
    scene.click(door(scene, "UTILISATEURS"))
    scene.heading("Utilisateurs")


@picture("personne-n-est-affiche")
def sees_nobody_yet(scene: Scene) -> None:
    """1. Par défaut, les utilisateurs déjà enregistrés ne sont pas affichés."""
    expect(scene.page.get_by_role("table")).to_have_count(0)


@picture("charger-tous")
def loads_everybody(scene: Scene) -> None:
    """2. Si je souhaite les visualiser, je clique sur Charger tous les utilisateurs."""
    scene.press(EVERYBODY, more=COUNT)
    expect(scene.page.get_by_role("table")).to_be_visible()


@picture("ajouter-un-utilisateur")
def clicks_add_user(scene: Scene) -> None:
    """3. Pour créer un nouveau compte, je clique sur Ajouter."""
    scene.press("Ajouter")


@picture("ajout-formulaire")
def fills_in_the_one_page(scene: Scene) -> None:
    """Dans « Ajout d'un nouvel utilisateur », je renseigne les champs obligatoires."""
    scene.heading("Ajout d'un nouvel utilisateur")
    scene.reads("Les champs obligatoires sont indiqués avec *un astérisque")
    scene.field("Nom*").fill(ADDED.sn)
    scene.field("Prénom*").fill(ADDED.given_name)
    scene.field("Adresse mail*").fill(ADDED.mail)
    scene.field("Structure d'appartenance*").select_option("a-finances")
    scene.show(scene.page.locator("section.step-body"))


@picture("ajout-ajouter")
def clicks_add_on_the_one_page(scene: Scene) -> None:
    """Je clique sur « Ajouter »."""
    scene.press("Ajouter", scene.page.locator("section.step-body"))


@picture("ajout-fait")
def sees_him_in_his_structure(scene: Scene) -> None:
    """Le nouvel utilisateur est ajouté dans la Structure (Direction / Service) souhaitée."""
    scene.heading(ADDED.name)
    scene.heading("cig-pc / collectivites / " + TOWN + " / Direction des finances")
    scene.told(f"{ADDED.mail} fait partie de la structure")


NEW = Someone("Claire", "Zeller")
ADDED = Someone("Damien", "Zola")

CREATING = (
    clicks_create,
    types_an_address,
    checks_the_address,
    sees_that_nobody_has_it,
    sees_that_somebody_has_it,
    goes_on_from_the_address,
    fills_in_what_is_wanted,
    goes_on_from_the_information,
    sees_his_applications,
    unfolds_an_application,
    sees_the_roles,
    selects_a_role,
    goes_on_from_the_roles,
    sees_the_recapitulation,
    clicks_add,
    sees_that_it_is_created,
    sees_the_given_roles,
    may_add_another,
    the_mail_arrives,
)
ADDING = (
    clicks_users,
    sees_nobody_yet,
    loads_everybody,
    clicks_add_user,
    fills_in_the_one_page,
    clicks_add_on_the_one_page,
    sees_him_in_his_structure,
)

CHAPTERS = (
    Chapter(
        "referent",
        1,
        "connexion",
        (
            *agent.PORTAL,
            agent.clicks_the_tile,
            sees_the_home_page,
            *agent.PROFILE,
            *agent.PHOTO,
            *agent.LEAVING,
        ),
        who=Someone("Laure", "Zerbib", roles=("bip:lecteur",), mandate="collectivite-a"),
    ),
    Chapter("referent", 2, "creer", CREATING, REFERENT),
    Chapter("referent", 3, "ajouter", ADDING, REFERENT),
)
