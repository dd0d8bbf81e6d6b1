"""The référents' guide, sentence by sentence: finding, changing, deleting and exporting people."""

from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.browser.guide_referent_people import (
    COUNT,
    EVERYBODY,
    REFERENT,
    clicks_users,
    loads_everybody,
)
from tests.browser.guide_scene import Chapter, Scene, Someone, picture, quoted

TRAINING = "Service formation"
SECOND = Someone("Irena", "Zanetti")
"""He too is deleted, from *Structures*."""

# --- Je recherche l'agent: three ways ------------------------------------------------------------


@picture("menu-utilisateurs")
def opens_users(scene: Scene) -> None:
    """Dans le menu « Utilisateurs »."""
    scene.enter("Utilisateurs")
    scene.heading("Utilisateurs")


@picture("recherche-par-criteres")
def searches_by_criteria(scene: Scene) -> None:
    """1. Soit par la recherche par critères."""
    scene.page.locator("summary", has_text=quoted("Recherche par critères")).click()
    for label in ("Prénom", "Adresse mail", "Identifiant applicatif", "Structure"):
        expect(scene.field(label)).to_be_visible()
    scene.field("Nom").fill(scene.who.sn)
    scene.press("Rechercher", scene.page.get_by_role("search", name="Recherche par critères"))
    expect(scene.row(scene.who.mail)).to_be_visible()


@picture("parcourir-la-liste")
def goes_through_the_list(scene: Scene) -> None:
    """2. Soit après avoir cliqué sur CHARGER TOUS LES UTILISATEURS en parcourant la liste."""
    scene.visit.open("/aia/utilisateurs")
    scene.press(EVERYBODY, more=COUNT)
    expect(scene.page.get_by_role("table")).to_be_visible()
    pages = scene.page.get_by_role("navigation", name="Pages")
    expect(pages).to_contain_text("Éléments par page")
    following = pages.get_by_role("link", name="Suivante")
    found = scene.page.get_by_role("link", name=scene.who.sn.upper())
    while not found.count():
        before = pages.locator("[data-said]").inner_text()
        following.click()
        expect(pages.locator("[data-said]")).not_to_have_text(before)


def filter_by(scene: Scene, who: Someone) -> None:
    """Type the name, and see this person alone."""
    field = scene.field("Filtrer")
    field.fill(who.sn)
    expect(scene.page.locator("[data-said]").first).to_contain_text("1 - 1 sur 1")
    expect(scene.row(who.mail)).to_be_visible()
    scene.show(field)


@picture("filtrer")
def filters_the_list(scene: Scene) -> None:
    """3. Soit par le filtre, une fois que la liste des utilisateurs a été chargée."""
    filter_by(scene, scene.who)


@picture("cliquer-sur-le-nom")
def clicks_on_the_name(scene: Scene) -> None:
    """4. Une fois trouvé, je clique sur le nom de l'agent."""
    scene.click(scene.row(scene.who.mail).get_by_role("link", name=scene.who.sn.upper()))


@picture("fiche")
def sees_the_sheet(scene: Scene) -> None:
    """5. La fiche de l'agent s'ouvre."""
    scene.heading(scene.who.name)
    scene.reads(scene.who.mail)
    scene.heading("Applications et Rôles")


FINDING = (opens_users, searches_by_criteria, goes_through_the_list, filters_the_list)

# --- Je modifie les informations d'un utilisateur ------------------------------------------------


@picture("editer")
def clicks_edit(scene: Scene) -> None:
    """6. Je peux modifier ses informations, en cliquant sur le bouton (le crayon)."""
    scene.press("Éditer l'utilisateur")


@picture("editer-l-utilisateur")
def sees_the_form(scene: Scene) -> None:
    """« Éditer l'utilisateur » : les champs, ANNULER et ENREGISTRER."""
    scene.heading("Éditer l'utilisateur")
    expect(scene.page.locator("main")).to_contain_text(
        "Les champs obligatoires sont indiqués avec *"
    )
    expect(scene.button("Ajouter une photo")).to_be_visible()
    expect(scene.page.locator("dt", has_text=quoted("Adresse mail"))).to_be_visible()
    for label in (
        "Service",
        "Date de début de validité du compte",
        "Verrouillage du compte",
        "Nom*",
        "Prénom*",
        "Identifiant applicatif",
        "Télétravail",
        "Réinitialisation mot de passe",
        "Fonction",
        "Adresse postale",
        "Numéro de téléphone",
    ):
        expect(scene.field(label)).to_be_visible()
    expect(scene.button("ANNULER")).to_be_visible()


@picture("enregistrer")
def saves_the_changes(scene: Scene) -> None:
    """7. Je clique sur le bouton « ENREGISTRER » dès que j'ai modifié les informations."""
    scene.field("Fonction").fill("Assistante de formation")
    scene.press("ENREGISTRER")
    scene.heading(scene.who.name)
    expect(scene.page.locator("main")).to_contain_text("Assistante de formation")


@picture("changer-d-adresse")
def changes_the_address(scene: Scene) -> None:
    """À noter : changer son adresse e-mail, en une étape qui garde fiche et habilitations."""
    new = scene.who.mail.replace("zimmer", "zimmermann")
    scene.page.locator(".page-actions summary").click()
    scene.press("Changer d'adresse", scene.page.locator(".page-actions"))
    scene.field("Nouvelle adresse mail").fill(new)
    scene.page.locator("main form button[type=submit]").click()
    expect(scene.page.get_by_role("status").first).to_contain_text(f"est maintenant {new}")
    expect(scene.page.locator("main")).to_contain_text("Lecteur")


# --- Je supprime le compte d'un agent utilisateur ------------------------------------------------


def select_line(scene: Scene, who: Someone) -> None:
    """Tick the line of this person."""
    box = scene.page.get_by_label(f"Sélectionner {who.name}")
    box.check()
    scene.show(box)
    expect(scene.button("Supprimer les utilisateurs sélectionnés")).to_be_enabled()


def open_dots(scene: Scene, who: Someone) -> Locator:
    """The three dots at the right of this person's line, opened."""
    line = scene.row(who.mail)
    dots = line.locator("summary")
    here, whole = dots.bounding_box(), line.bounding_box()
    assert here is not None
    assert whole is not None
    assert here["x"] > whole["x"] + whole["width"] / 2, "not at the right"
    scene.click(dots)
    return line


@picture("selectionner-la-ligne")
def selects_the_line(scene: Scene) -> None:
    """4. Une fois trouvé, je sélectionne la ligne du compte que je veux supprimer."""
    select_line(scene, scene.who)


@picture("trois-points")
def clicks_on_the_dots(scene: Scene) -> None:
    """5. Sur la droite de cette ligne, je clique sur les 3 points."""
    open_dots(scene, scene.who)


@picture("supprimer-l-utilisateur")
def clicks_delete(scene: Scene) -> None:
    """6. Je clique sur « Supprimer l'utilisateur »."""
    scene.press("Supprimer l'utilisateur", scene.row(scene.who.mail))


@picture("confirmer-la-suppression")
def confirms_the_deletion(scene: Scene) -> None:
    """7. Je confirme la suppression de l'utilisateur."""
    scene.press(f"Supprimer {scene.who.name}", scene.dialog())


@picture("utilisateur-supprime")
def is_told_of_the_deletion(scene: Scene) -> None:
    """8. Le pop-up informatif apparaît dans le coin inférieur droit."""
    scene.told(f"{scene.who.name} est supprimé.")


def choose_structure(scene: Scene) -> None:
    """Structures, and in the tree the training service."""
    scene.enter("Structures")
    scene.page.get_by_role("link", name="Tout déplier").click()
    scene.click(scene.page.locator("a.node-name", has_text=quoted(TRAINING)))
    scene.heading(TRAINING)


@picture("structure-charger-la-liste")
def loads_the_structure(scene: Scene) -> None:
    """Depuis « Structures » : 1. Je charge la liste des utilisateurs."""
    SECOND.arrive(scene.demonstration)
    scene.enter("Structures")
    scene.page.get_by_role("link", name="Tout déplier").click()
    scene.page.locator("a.node-name", has_text=quoted(TRAINING)).click()
    scene.press(EVERYBODY, more=COUNT)


@picture("structure-filtrer")
def filters_the_structure(scene: Scene) -> None:
    """2. Soit via le filtre de recherche."""
    filter_by(scene, SECOND)


@picture("structure-liste-des-membres")
def sees_the_members(scene: Scene) -> None:
    """3. Soit via le Détails de la liste des membres."""
    members = scene.page.get_by_role("table", name=quoted("Détails de la liste des membres"))
    scene.show(members)


@picture("structure-selectionner-la-ligne")
def selects_the_member(scene: Scene) -> None:
    """4. Une fois trouvé, je sélectionne la ligne du compte de l'agent."""
    select_line(scene, SECOND)


@picture("structure-trois-points")
def clicks_on_the_members_dots(scene: Scene) -> None:
    """5. Sur la droite de cette ligne, je clique sur les 3 points."""
    open_dots(scene, SECOND)


@picture("structure-supprimer")
def deletes_the_member(scene: Scene) -> None:
    """6. Je clique sur Supprimer l'utilisateur sélectionné."""
    scene.press("Supprimer l'utilisateur sélectionné", scene.row(SECOND.mail))
    scene.button(f"Supprimer {SECOND.name}", scene.dialog()).click()
    scene.told(f"{SECOND.name} est supprimé.")


# --- Je réalise une extraction sous format Excel -------------------------------------------------


def open_menu(scene: Scene) -> None:
    """Je clique sur l'icône."""
    scene.click(scene.page.locator(".page-actions .row-menu summary"))


def export(scene: Scene, *columns: str) -> None:
    """Choose *Exporter*, and look into the file that comes."""
    scene.press("Exporter", scene.page.locator(".page-actions"))
    with scene.page.expect_download() as fetched:
        scene.page.locator("form#export button[type=submit]").click()
    assert fetched.value.suggested_filename.endswith(".csv")
    content = Path(fetched.value.path()).read_text(encoding="utf-8")
    first, *lines = content.splitlines()
    assert first.startswith("\N{ZERO WIDTH NO-BREAK SPACE}"), "Excel takes it for another alphabet"
    for column in ("Nom", "Prénom", "Adresse mail", "Structure", *columns):
        assert column in first
    assert lines, "nobody"


@picture("utilisateurs-icone")
def opens_the_users_menu(scene: Scene) -> None:
    """Dans le menu « Utilisateurs », 1. je clique sur l'icône."""
    scene.enter("Utilisateurs")
    open_menu(scene)


@picture("utilisateurs-exporter")
def exports_everybody(scene: Scene) -> None:
    """2. Je sélectionne « Exporter ». 3. Un fichier est enregistré sous format .CSV."""
    export(scene, "État du compte")


@picture("structure-choisir")
def selects_a_structure(scene: Scene) -> None:
    """Dans le menu « Structures », 1. je sélectionne la structure."""
    choose_structure(scene)


@picture("structure-icone")
def opens_the_structures_menu(scene: Scene) -> None:
    """2. Je clique sur l'icône."""
    open_menu(scene)


@picture("structure-exporter")
def exports_a_structure(scene: Scene) -> None:
    """3. Je sélectionne « Exporter ». 4. Un fichier est enregistré sous format .CSV."""
    export(scene, "État du rattachement")


@picture("role-choisir")
def selects_a_role(scene: Scene) -> None:
    """Dans le menu « Applications », 1. je sélectionne le rôle de l'application."""
    scene.enter("Applications")
    tree = scene.page.get_by_role("navigation", name="Applications et rôles")
    tree.locator("summary", has_text="BIP").click()
    scene.press("Lecteur", tree)
    scene.heading("Lecteur")


@picture("role-icone")
def opens_the_roles_menu(scene: Scene) -> None:
    """2. Je clique sur l'icône."""
    open_menu(scene)


@picture("role-exporter")
def exports_a_role(scene: Scene) -> None:
    """3. Je sélectionne « Exporter ». 4. Un fichier est enregistré sous format .CSV."""
    export(scene, "Rôle donné le")


OPENING = (clicks_on_the_name, sees_the_sheet)
CHANGING = (*OPENING, clicks_edit, sees_the_form, saves_the_changes, changes_the_address)
DELETING = (
    selects_the_line,
    clicks_on_the_dots,
    clicks_delete,
    confirms_the_deletion,
    is_told_of_the_deletion,
    loads_the_structure,
    filters_the_structure,
    sees_the_members,
    selects_the_member,
    clicks_on_the_members_dots,
    deletes_the_member,
)
EXPORTING = (
    opens_the_users_menu,
    exports_everybody,
    selects_a_structure,
    opens_the_structures_menu,
    exports_a_structure,
    selects_a_role,
    opens_the_roles_menu,
    exports_a_role,
)

ELISE = Someone("Elise", "Zimmer", roles=("bip:lecteur",))
HUGO = Someone("Hugo", "Zamora")

CHAPTERS = (
    Chapter("referent", 4, "modifier", (*FINDING, *CHANGING), REFERENT, ELISE),
    Chapter("referent", 8, "supprimer", (*FINDING, *DELETING), REFERENT, HUGO),
    Chapter("referent", 9, "exporter", EXPORTING, REFERENT),
    Chapter(
        "referent",
        10,
        "fiches",
        (clicks_users, loads_everybody, filters_the_list, searches_by_criteria, *OPENING),
        REFERENT,
        Someone("Maud", "Zuccarelli"),
    ),
)
