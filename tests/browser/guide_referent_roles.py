"""The référents' guide, sentence by sentence: who holds a role of an application."""

from playwright.sync_api import Locator, expect

from tests.browser.guide_referent_people import EVERYBODY, REFERENT, door
from tests.browser.guide_scene import Chapter, Scene, Someone, picture, quoted

APPLICATION, ROLE, OTHER = "Net-Cotisations", "Consultation", "Déclarant"
OF_IT = f"de l'application {APPLICATION}"


def tree(scene: Scene) -> Locator:
    """Applications and their roles."""
    return scene.page.get_by_role("navigation", name="Applications et rôles")


# --- J'habilite un utilisateur sur une application ------------------------------------------------


@picture("applications")
def clicks_applications(scene: Scene) -> None:
    """Sur l'écran d'accueil de l'Annuaire, je clique sur le bouton APPLICATIONS."""
    scene.click(door(scene, "APPLICATIONS"))
    scene.heading("Applications")


@picture("mes-applications")
def sees_his_applications(scene: Scene) -> None:
    """1. Je visualise la ou les applications dont je suis référent."""
    expect(tree(scene).locator("details")).to_have_count(4)
    scene.show(tree(scene))


@picture("deplier-l-application")
def unfolds_the_application(scene: Scene) -> None:
    """2. Je déploie le menu de l'application avec la petite flèche près de son nom."""
    summary = tree(scene).locator("summary", has_text=APPLICATION)
    expect(summary.locator("svg").first).to_be_visible()
    scene.click(summary)


@picture("les-roles")
def sees_the_roles(scene: Scene) -> None:
    """3. Les différents rôles s'affichent."""
    roles = tree(scene).locator("details[open] ul")
    expect(roles.get_by_role("link")).to_have_count(3)
    scene.show(roles)


@picture("choisir-le-role")
def selects_the_role(scene: Scene) -> None:
    """4. Je sélectionne le rôle que je veux attribuer à l'agent."""
    scene.press(ROLE, tree(scene))
    scene.heading(ROLE)


@picture("charger-les-membres")
def loads_the_members(scene: Scene) -> None:
    """5. Après CHARGER TOUS LES UTILISATEURS, je vois les agents qui ont déjà ce rôle."""
    scene.press(EVERYBODY)
    expect(scene.page.locator("#membres tbody tr").first).to_be_visible()


@picture("affecter")
def clicks_assign(scene: Scene) -> None:
    """6. Je clique sur le bouton « Affecter »."""
    scene.press("Affecter")
    expect(scene.dialog()).to_contain_text(
        f"Affecter un ou plusieurs utilisateur(s) au rôle {ROLE} {OF_IT}"
    )
    for text in (
        "Rechercher par nom, prénom, identifiant ou structure",
        "Veuillez saisir au moins 3 caractères pour effectuer une recherche",
    ):
        expect(scene.dialog()).to_contain_text(text)
    expect(scene.button("ANNULER", scene.dialog())).to_be_visible()


@picture("rechercher-l-agent")
def searches_the_person(scene: Scene) -> None:
    """7. Je recherche l'agent en saisissant au moins 3 caractères."""
    field = scene.dialog().get_by_label("Rechercher", exact=True)
    field.fill(scene.who.sn[:4])
    expect(scene.dialog().get_by_text(quoted("Utilisateurs (1)"))).to_be_visible()
    for text in (
        "Filtrer",
        "Éléments par page",
        "1 - 1 sur 1",
        "Détails de la liste des membres",
    ):
        expect(scene.dialog()).to_contain_text(text)
    for column in ("Nom", "Prénom", "Email", "Structure"):
        head = scene.dialog().get_by_role("columnheader", name=quoted(column))
        expect(head).to_be_visible()
    scene.show(field)


@picture("selectionner-l-agent")
def selects_the_person(scene: Scene) -> None:
    """8. Je sélectionne l'agent."""
    box = scene.dialog().locator("tbody input")
    box.check()
    scene.show(scene.dialog().locator("tbody tr"))


@picture("confirmer-l-affectation")
def assigns(scene: Scene) -> None:
    """9. Je clique sur « AFFECTER »."""
    scene.press("AFFECTER", scene.dialog())


@picture("agent-affecte")
def is_told_of_the_assignment(scene: Scene) -> None:
    """L'agent est désormais habilité à accéder à l'application."""
    scene.told(f"L'utilisateur {scene.who.name} a été affecté au rôle {ROLE} {OF_IT}.")
    expect(scene.row(scene.who.mail)).to_be_visible()


# --- Je réaffecte ou je supprime une habilitation -------------------------------------------------


@picture("choisir-l-application")
def selects_the_application(scene: Scene) -> None:
    """Dans le menu « APPLICATIONS », 1. je sélectionne l'application."""
    scene.enter("APPLICATIONS")
    scene.click(tree(scene).locator("summary", has_text=APPLICATION))


@picture("choisir-le-role-de-l-agent")
def selects_its_role(scene: Scene) -> None:
    """2. Je sélectionne le rôle dans l'application choisie."""
    scene.press(ROLE, tree(scene))


@picture("retrouver-l-agent")
def finds_the_person(scene: Scene) -> None:
    """4. Je retrouve l'agent via le filtre. 5. Ou je parcours la liste d'agents."""
    expect(scene.row(scene.who.mail)).to_be_visible()
    field = scene.page.get_by_label("Filtrer les membres")
    field.fill(scene.who.sn)
    expect(scene.page.locator("#membres tbody tr")).to_have_count(1)
    scene.show(field)


@picture("la-ligne-de-l-agent")
def sees_the_line(scene: Scene) -> None:
    """6. Je sélectionne la ligne de l'agent."""
    scene.show(scene.row(scene.who.mail))


@picture("trois-points")
def clicks_on_the_dots(scene: Scene) -> None:
    """7. Je clique sur les 3 points en bout de ligne."""
    line = scene.row(scene.who.mail)
    expect(line.locator("td").last.locator("summary")).to_be_visible()
    scene.click(line.locator("summary"))


@picture("reaffecter")
def chooses_reassign(scene: Scene) -> None:
    """9. Je sélectionne l'option « Réaffecter le membre à un autre rôle »."""
    scene.press("Réaffecter le membre à un autre rôle", scene.row(scene.who.mail))
    expect(scene.dialog()).to_contain_text(ROLE)


@picture("choisir-le-nouveau-role")
def selects_the_new_role(scene: Scene) -> None:
    """10. Je sélectionne le rôle que je veux attribuer à l'agent."""
    role = scene.dialog().get_by_label(OTHER)
    role.check()
    scene.show(scene.dialog().locator(".roles-after"))


@picture("confirmer-la-reaffectation")
def reassigns(scene: Scene) -> None:
    """11. Je clique sur REAFFECTER pour confirmer."""
    scene.press("RÉAFFECTER", scene.dialog())


@picture("agent-reaffecte")
def is_told_of_the_reassignment(scene: Scene) -> None:
    """Le pop-up informatif apparaît dans le coin inférieur droit."""
    scene.told(
        f"L'utilisateur {scene.who.name} a été réaffecté : {ROLE} → {OTHER}, dans "
        f"l'application {APPLICATION}."
    )


@picture("desaffecter")
def chooses_unassign(scene: Scene) -> None:
    """8. Je sélectionne l'option « désaffecter le membre sélectionné » dans le menu."""
    scene.press("désaffecter le membre sélectionné", scene.row(scene.who.mail))


@picture("confirmer-la-desaffectation")
def unassigns(scene: Scene) -> None:
    """Je clique sur DESAFFECTER pour confirmer."""
    scene.press("DÉSAFFECTER", scene.dialog())


@picture("agent-desaffecte")
def is_told_of_the_withdrawal(scene: Scene) -> None:
    """Le pop-up informatif apparaît dans le coin inférieur droit."""
    scene.told(f"L'utilisateur {scene.who.name} a été désaffecté du rôle {ROLE} {OF_IT}.")


ASSIGNING = (
    clicks_applications,
    sees_his_applications,
    unfolds_the_application,
    sees_the_roles,
    selects_the_role,
    loads_the_members,
    clicks_assign,
    searches_the_person,
    selects_the_person,
    assigns,
    is_told_of_the_assignment,
)
TO_THE_MEMBER = (
    selects_the_application,
    selects_its_role,
    loads_the_members,
    finds_the_person,
    sees_the_line,
    clicks_on_the_dots,
)
WITHDRAWING = (*TO_THE_MEMBER, chooses_unassign, unassigns, is_told_of_the_withdrawal)
REPLACING = (
    *TO_THE_MEMBER,
    chooses_reassign,
    selects_the_new_role,
    reassigns,
    is_told_of_the_reassignment,
)
HELD = ("net-cotisations:consultant",)
GILLES = Someone("Gilles", "Zaoui", roles=HELD)
NADIA = Someone("Nadia", "Zeroual", roles=HELD)

CHAPTERS = (
    Chapter("referent", 5, "habiliter", ASSIGNING, REFERENT, Someone("Farid", "Ziani")),
    Chapter("referent", 6, "desaffecter", WITHDRAWING, REFERENT, GILLES),
    Chapter("referent", 7, "reaffecter", REPLACING, REFERENT, NADIA),
)
