"""Every screen and state of the AIA, and what leads to each: an address, or steps in a browser."""

from collections.abc import Callable
from unittest.mock import patch

from directory.authorisation import OPERATOR
from directory.services.accounts import Person
from directory.services.assignments import Grant
from tests.browser.aia_world import World

USERS, STRUCTURES, ROLES = "/aia/utilisateurs", "/aia/structures", "/aia/applications"
WHO, SHARED, ME, TWO = (f"{USERS}/{{{name}}}" for name in ("who", "shared", "me", "two"))
LOCKED, PICTURED = f"{USERS}/{{locked}}", f"{USERS}/{{pictured}}"
ALL, TEN = f"{USERS}?charger=tous", f"{USERS}?charger=tous&taille=10"
NEW, ADD, MANY, BIN = (f"{USERS}/{end}" for end in ("nouveau", "ajouter", "actions", "corbeille"))
TOWN, DEPARTMENT = f"{STRUCTURES}/collectivite-a", f"{STRUCTURES}/a-rh"
SCHOOLS, BUDGET = f"{STRUCTURES}/a-education", f"{STRUCTURES}/a-budget"
ROLE = f"{ROLES}/bip/lecteur"
HOLDERS, HOLDER = f"{ROLE}?charger=oui", f"{ROLE}/{{end}}?membre={{holder_membership}}"
FRESH = "nouvelle.personne@demo.example"

Lead = str | Callable[[World], None]


def asked(path: str, end: str) -> Lead:
    """The dialog of the link on this page that ends so."""

    def lead(world: World) -> None:
        world.open(path)
        world.ask(end)

    return lead


def sent(path: str, button: str = "", **values: str | list[str]) -> Lead:
    """A form of this page, sent with these values."""

    def lead(world: World) -> None:
        world.open(path)
        world.send(button, **values)

    return lead


def pressed(lead: Lead, place: str) -> Lead:
    """What opens, or is ticked, where one presses on the page to which this leads."""

    def further(world: World) -> None:
        follow(world, lead)
        world.page.locator(place).first.evaluate("place => place.click()")

    return further


def chosen(action: str, *who: str) -> Callable[[World], None]:
    """People ticked for an action; its confirmation."""
    ids = [f"{{{each}}}" for each in who]

    def lead(world: World) -> None:
        world.open(f"{ALL}&taille=100")
        world.send(f"#selection [value={action}]", subject_id=ids)

    return lead


def overtaken_order(world: World) -> None:
    chosen("verrouiller", "who", "two")(world)
    world.directory.accounts.lock(OPERATOR, "sansdroit@demo.example")
    world.send("#confirmation .button:last-child")


def confirmed(action: str, *who: str) -> Callable[[World], None]:
    """The same, done."""

    def lead(world: World) -> None:
        chosen(action, *who)(world)
        world.send("#confirmation .actions button")
        world.directory.bulk.work()
        world.page.reload()

    return lead


def under_way(world: World) -> None:
    """The first account is done, and no worker does the next."""
    with patch("directory.services.bulk.LOCK_SECONDS", 0):
        chosen("verrouiller", "who", "two", "holder")(world)
        world.send("#confirmation .actions button")


def listed_orders(world: World) -> None:
    confirmed("verrouiller", "who")(world)
    world.open(MANY)


def step(number: int, mail: str = FRESH) -> Callable[[World], None]:
    """A step of the wizard."""

    def lead(world: World) -> None:
        world.open(NEW)
        world.send(adresse=mail)
        if number > 1:
            world.send("[name=suivant]")
        if number > 2:
            world.send(nom="Zidi", prenom="Julie", structure="a-budget")
        if number > 3:
            world.send(**{"role-bip": ["bip:lecteur"]})

    return lead


def then(lead: Lead, button: str = "", **values: str | list[str]) -> Lead:
    """A form of the page to which this leads."""

    def further(world: World) -> None:
        follow(world, lead)
        world.send(button, **values)

    return further


def while_locked(path: str, name: str, **values: str | list[str]) -> Lead:
    """Somebody else locks this person while the form is filled in."""

    def lead(world: World) -> None:
        world.open(path)
        world.directory.accounts.lock(OPERATOR, f"{name}@demo.example")
        world.send(**values)

    return lead


def while_withdrawn(end: str, **values: str | list[str]) -> Lead:
    """Somebody else withdraws the role while the form is filled in."""

    def lead(world: World) -> None:
        world.open(HOLDER.replace("{end}", end))
        grant = Grant("agent@demo.example", "a-carrieres", "bip", "lecteur")
        world.directory.assignments.unassign(OPERATOR, grant)
        world.send(**values)

    return lead


def while_assigned(path: str, role: str, **values: str | list[str]) -> Lead:
    """Somebody else gives this role to Sylvain while the form is filled in."""

    def lead(world: World) -> None:
        world.open(path)
        grant = Grant("sansdroit@demo.example", "a-education", "bip", role)
        world.directory.assignments.assign(OPERATOR, grant, no_mail=True)
        world.send(**values)

    return lead


def unfinished(world: World) -> None:
    step(3)(world)
    world.open(NEW)


def taken_meanwhile(world: World) -> None:
    """Somebody else creates the person of whom he reads the recapitulation."""
    step(4)(world)
    person = Person(FRESH, "Zidi", "Julie")
    world.directory.accounts.add(OPERATOR, person, "a-budget", no_mail=True)
    world.send("#creer button")


def looked_for(world: World) -> None:
    """In the dialog of *Affecter*, one person found and ticked."""
    asked(HOLDERS, "/affecter")(world)
    field = world.page.locator("#affecter-recherche")
    field.fill("droue")
    world.page.locator("#affecter-resultats tbody input").check()


def follow(world: World, lead: Lead) -> None:
    """Go there."""
    if isinstance(lead, str):
        world.open(lead)
    else:
        lead(world)


STATES: dict[str, tuple[Lead, str]] = {
    "accueil": ("/aia", "Que voulez-vous faire"),
    "demandes": ("/aia/demandes", "Benali"),
    "demande": ("/aia/demandes/{request}", "François Noël"),
    # --- Utilisateurs
    "utilisateurs": (USERS, "Aucun utilisateur n'est affiché"),
    "utilisateurs-liste": (TEN, "Éléments par page"),
    "utilisateurs-criteres": (f"{USERS}?nom=e&etat=actif", "Effacer les critères"),
    "utilisateurs-rien": (f"{USERS}?nom=zzz", "Aucun utilisateur ne correspond"),
    "utilisateurs-menu": (pressed(TEN, "tbody summary"), "Verrouiller"),
    "utilisateurs-menu-page": (pressed(TEN, ".page-actions summary"), "Corbeille"),
    "utilisateurs-choisis": (pressed(TEN, "[data-select-all]"), "10 utilisateurs sélectionnés"),
    "utilisateurs-export": (f"{USERS}/export", "Type de fichier"),
    "utilisateurs-export-refuse": (sent(f"{USERS}/export", format="rien"), "Type de fichier"),
    "corbeille": (BIN, "Restaurer"),
    "corbeille-rien": (f"{BIN}?filtre=zzz", "Personne ne correspond"),
    "corbeille-vide": (sent(BIN, "[name=subject_id]"), "restauré"),
    "groupe-aucune": (MANY, "Aucune action groupée"),
    "groupe-liste": (listed_orders, "Ce que vous avez fait"),
    "groupe-supprimer": (chosen("supprimer", "who", "shared", "me"), "Absence ou départ incertain"),
    "groupe-verrouiller": (chosen("verrouiller", "who", "me"), "compte sera verrouillé"),
    "groupe-rien": (chosen("verrouiller", "me"), "Rien à faire"),
    "groupe-perime": (overtaken_order, "La situation a changé"),
    "groupe-en-cours": (under_way, "Travail en cours"),
    "groupe-resultat": (confirmed("supprimer", "who", "shared"), "C'est terminé"),
    # --- a person
    "fiche": (WHO, "Droüet"),
    "fiche-partagee": (SHARED, "Haddad"),
    "fiche-menu": (pressed(WHO, ".row-menu summary"), "Supprimer l'utilisateur"),
    "fiche-verrouillee": (LOCKED, "verrouillé"),
    "fiche-historique": (f"{USERS}/{{locked}}/historique", "conservé 12 mois"),
    "fiche-historique-vide": (f"{WHO}/historique", "conservé 12 mois"),
    "editer": (f"{WHO}/editer", "Enregistrer"),
    "editer-partagee": (f"{SHARED}/editer", "Écrire au correspondant"),
    "editer-refuse": (sent(f"{WHO}/editer", nom=""), "À corriger"),
    "editer-deux-versions": (
        while_locked(f"{WHO}/editer", "sansdroit", nom="Drouet"),
        "Votre saisie",
    ),
    "adresse": (f"{WHO}/adresse", "Ce qui va se passer"),
    "adresse-refusee": (sent(f"{WHO}/adresse", adresse=""), "Saisissez la nouvelle adresse"),
    "adresse-prise": (sent(f"{WHO}/adresse", adresse="agent@demo.example"), "À corriger"),
    "adresse-commune": (sent(f"{WHO}/adresse", adresse="accueil@demo.example"), "cochez la case"),
    "adresse-depassee": (
        sent(f"{WHO}/adresse", adresse="s.d@demo.example", ancienne="autre@demo.example"),
        "Quelqu'un d'autre a changé l'adresse",
    ),
    "adresse-changee": (sent(f"{WHO}/adresse", adresse="s.d@demo.example"), "Un mail l'y attend"),
    "structure-de": (f"{WHO}/structure", "Nouvelle structure"),
    "structure-de-laquelle": (f"{TWO}/structure", "Quelle structure quitte"),
    "structure-de-refusee": (sent(f"{WHO}/structure", structure=""), "Choisissez la nouvelle"),
    "structure-de-depassee": (
        while_assigned(f"{WHO}/structure", "lecteur", structure="a-budget"),
        "pendant votre saisie",
    ),
    "photo": (f"{WHO}/photo", "Pas encore de photo"),
    "photo-supprimer": (f"{PICTURED}/photo?supprimer=1", "ne peut pas être rétablie"),
    "photo-presente": (f"{PICTURED}/photo", "Modifier la photo"),
    "photo-supprimer-question": (asked(f"{PICTURED}/photo", "/photo"), "ne peut pas être rétablie"),
    "photo-refusee": (sent(f"{WHO}/photo", "[data-send]"), "Choisissez"),
    "mot-de-passe": (f"{WHO}/mot-de-passe", "Envoyer le mail"),
    "mot-de-passe-question": (asked(WHO, "/mot-de-passe"), "Envoyer le mail"),
    "mot-de-passe-refuse": (f"{ME}/mot-de-passe", "Correspondant"),
    "verrouiller": (f"{WHO}/verrouiller", "Verrouiller"),
    "verrouiller-question": (asked(f"{USERS}?nom=drou", "/verrouiller"), "Verrouiller"),
    "verrouiller-refuse": (f"{ME}/verrouiller", "Correspondant"),
    "deverrouiller": (f"{LOCKED}/deverrouiller", "Déverrouiller"),
    "renvoyer": (f"{WHO}/renvoyer", "Renvoyer"),
    "supprimer": (f"{WHO}/supprimer", "Voici ce qui est perdu"),
    "supprimer-question": (asked(WHO, "/supprimer"), "Voici ce qui est perdu"),
    "supprimer-partagee": (f"{SHARED}/supprimer", "reste"),
    "supprimer-refuse": (f"{ME}/supprimer", "Correspondant"),
    "supprimer-perime": (
        while_assigned(f"{WHO}/supprimer", "lecteur", version="lu hier"),
        "Voici ce qui est perdu",
    ),
    "supprime": (sent(f"{WHO}/supprimer", "#suppression .actions button"), "est supprimé"),
    # --- Créer un utilisateur
    "creer-1": (NEW, "Vérifier l'adresse mail"),
    "creer-1-refusee": (sent(NEW, adresse="sans arobase"), "À corriger"),
    "creer-1-libre": (step(1), "Aucun compte utilisateur n'existe"),
    "creer-1-existe": (step(1, "zoe.lemaitre@demo.example"), "existe déjà dans la structure"),
    "creer-1-la-sienne": (step(1, "referent@demo.example"), "votre propre adresse"),
    "creer-1-corbeille": (step(1, "oceane.petit@demo.example"), "est dans la corbeille"),
    "creer-1-commune": (step(1, "accueil@demo.example"), "semble partagée"),
    "creer-1-sans-confirmer": (step(2, "accueil@demo.example"), "Cochez la case"),
    "creer-1-inachevee": (unfinished, "Reprendre"),
    "creer-2": (step(2), "Saisir les informations"),
    "creer-2-refusee": (then(step(2), nom="", prenom="", structure=""), "Saisissez le nom"),
    "creer-2-connue": (step(2, "zoe.lemaitre@demo.example"), "a déjà un compte"),
    "creer-3": (pressed(step(3), ".unfold summary"), "Dépliez une application"),
    "creer-4": (step(4), "Récapitulatif"),
    "creer-4-depassee": (taken_meanwhile, "est déjà rattaché à la structure"),
    "creer-fin": (then(step(4), "#creer button"), "Ajouter un autre utilisateur"),
    "ajouter": (ADD, "Ajout d'un nouvel utilisateur"),
    "ajouter-refuse": (sent(ADD, adresse="", nom=""), "À corriger"),
    "ajouter-existe": (
        sent(ADD, adresse="zoe.lemaitre@demo.example", nom="L", prenom="Z", structure="a-budget"),
        "existe déjà",
    ),
    "ajouter-corbeille": (
        sent(ADD, adresse="oceane.petit@demo.example", nom="P", prenom="O", structure="a-budget"),
        "Ouvrir la corbeille",
    ),
    "ajouter-commune": (
        sent(ADD, adresse="accueil@demo.example", nom="A", prenom="B", structure="a-budget"),
        "semble partagée",
    ),
    # --- Structures
    "structures": (STRUCTURES, "Aucune structure n'est choisie"),
    "structures-depliees": (f"{STRUCTURES}?tout=1", "Tout replier"),
    "structures-trouvees": (f"{STRUCTURES}?recherche=direction", "structures trouvées"),
    "structures-rien": (f"{STRUCTURES}?recherche=zzz", "Aucune structure ne porte ce nom"),
    "structure": (DEPARTMENT, "Charger tous les utilisateurs"),
    "structure-racine": (TOWN, "tenu par le correspondant"),
    "structure-membres": (f"{TOWN}?membres=1&sous=1&taille=10", "Éléments par page"),
    "structure-rien": (f"{TOWN}?membres=1&filtre=zzz", "Aucun utilisateur ne correspond"),
    "structure-sans-membre": (f"{STRUCTURES}/a-formation?membres=1", "Éléments par page"),
    "structure-menu": (pressed(DEPARTMENT, ".page-actions summary"), "Fermer la structure"),
    "structure-historique": (f"{TOWN}/historique?sous=1", "conservé 12 mois"),
    "structure-export": (f"{TOWN}/export", "Inclure les sous-structures"),
    "structure-editer": (f"{DEPARTMENT}/editer", "Enregistrer"),
    "structure-editer-refusee": (sent(f"{DEPARTMENT}/editer", libelle=""), "À corriger"),
    "structure-editer-deux-versions": (
        sent(f"{DEPARTMENT}/editer", libelle="Personnel", version="0"),
        "Ce que vous avez saisi",
    ),
    "structure-creer": (f"{TOWN}/creer", "Créer une sous-structure"),
    "structure-creer-refusee": (sent(f"{TOWN}/creer", libelle=""), "À corriger"),
    "structure-creer-homonyme": (
        sent(f"{TOWN}/creer", libelle="Direction des finances"),
        "Si c'est voulu",
    ),
    "structure-fermer": (asked(SCHOOLS, "/fermer"), "J'ai compris"),
    "structure-fermer-sans-accord": (
        sent(f"{SCHOOLS}/fermer", "#fermeture .button-danger"),
        "J'ai",
    ),
    "structure-fermer-perime": (
        sent(f"{SCHOOLS}/fermer", version="0", lu="9-9", accord=["1"]),
        "Vous aviez lu",
    ),
    "structure-fermer-refus": (f"{DEPARTMENT}/fermer", "ne peut pas être fermée"),
    "structure-fermee": (
        sent(f"{SCHOOLS}/fermer", accord=["1"]),
        "Cette structure est fermée depuis",
    ),
    # --- Applications
    "applications": (ROLES, "Choisissez un rôle"),
    "role": (ROLE, "Charger tous les utilisateurs"),
    "role-membres": (HOLDERS, "Éléments par page"),
    "role-rien": (f"{HOLDERS}&filtre=zzz", "Aucun membre ne correspond"),
    "role-sans-membre": (f"{ROLES}/bip/redacteur?charger=oui", "Personne n'a ce rôle"),
    "role-application-a-venir": (f"{ROLES}/site/adherent?charger=oui", "à l'ouverture"),
    "role-menu": (pressed(HOLDERS, "tbody summary"), "Modifier les dates"),
    "role-export": (f"{ROLE}/export", "Type de fichier"),
    "affecter": (f"{ROLE}/affecter", "Veuillez saisir au moins 3 caractères"),
    "affecter-question": (asked(HOLDERS, "/affecter"), "Veuillez saisir au moins 3 caractères"),
    "affecter-trouves": (looked_for, "1 sélectionné"),
    "affecter-rien": (
        sent(f"{ROLE}/affecter", "[name=chercher]", recherche="zzz"),
        "ne correspond",
    ),
    "affecter-personne": (
        sent(f"{ROLE}/affecter", "[name=affecter]"),
        "Cochez au moins une personne",
    ),
    "affecter-refuse": (
        then(looked_for, "#dialogue [name=affecter]", fin="2020-01-01"),
        "déjà passée",
    ),
    "desaffecter": (HOLDER.replace("{end}", "desaffecter"), "Désaffecter"),
    "desaffecter-question": (asked(HOLDERS, "/desaffecter"), "Désaffecter"),
    "desaffecte": (then(HOLDER.replace("{end}", "desaffecter"), ".button-danger"), "désaffecté"),
    "reaffecter": (HOLDER.replace("{end}", "reaffecter"), "Nouveau rôle"),
    "reaffecter-question": (asked(HOLDERS, "/reaffecter"), "Nouveau rôle"),
    "reaffecter-refuse": (
        then(HOLDER.replace("{end}", "reaffecter"), "#reaffecter .actions button"),
        "Choisissez le nouveau rôle",
    ),
    "reaffecter-depasse": (
        while_withdrawn("reaffecter", nouveau=["redacteur"]),
        "Quelqu'un d'autre a été plus rapide",
    ),
    "dates": (HOLDER.replace("{end}", "dates"), "Jusqu'au"),
    "dates-question": (asked(HOLDERS, "/dates"), "Jusqu'au"),
    "dates-refusees": (
        then(HOLDER.replace("{end}", "dates"), fin="2020-01-01"),
        "déjà passée",
    ),
    "dates-depassees": (
        then(HOLDER.replace("{end}", "dates"), version="0", fin="2027-01-31"),
        "pendant que vous les modifiiez",
    ),
    # --- the link that an old address gets
    "adresse-remplacee": ("{refusal}", "Refuser le changement d'adresse"),
    "adresse-remplacee-refusee": (then("{refusal}", ".button-danger"), "Le changement est refusé"),
    "adresse-remplacee-inconnue": ("/adresse-remplacee/x", "Ce lien n'est pas reconnu"),
}
DARK = (
    *("accueil", "utilisateurs-choisis", "utilisateurs-menu", "groupe-supprimer", "editer-refuse"),
    *("creer-3", "structure-membres", "supprimer-question", "affecter-trouves", "dates-refusees"),
)
"""Those that are looked at on a dark page as well: between them, every colour."""
