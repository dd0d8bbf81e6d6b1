"""What leads to a state of the AIA: an address, or steps in a browser."""

from collections.abc import Callable
from unittest.mock import patch

from directory.authorisation import OPERATOR
from directory.services.accounts.changes import Person
from directory.services.rights.assignments import Grant
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
FRESH, INES, LEFT = "nouvelle.personne@demo.example", "ines.moreau@demo.example", "a-education"

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
    with patch("directory.services.bulk.orders.LOCK_SECONDS", 0):
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


def while_promoted(path: str, **values: str | list[str]) -> Lead:
    """Sylvain gets a mandate while the form is filled in."""

    def lead(world: World) -> None:
        world.open(path)
        world.directory.mandates.add(OPERATOR, "sansdroit@demo.example", "a-education", ("bip",))
        world.send(**values)

    return lead


def while_deleted(path: str, **values: str | list[str]) -> Lead:
    """Somebody else deletes Sylvain while the form is filled in."""

    def lead(world: World) -> None:
        world.open(path)
        world.directory.bin.delete(OPERATOR, "sansdroit@demo.example")
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


def removed(lead: Lead) -> Lead:
    """That, once Inès was removed from the first of her two structures."""
    return lambda world: follow(world.remove("two"), lead)


def unconfirmed(lead: Lead) -> Lead:
    """That, of somebody who has still to confirm that he belongs there."""
    return lambda world: follow(world.unconfirm("who"), lead)


def unfinished(world: World) -> None:
    step(3)(world)
    world.open(NEW)


def somebody_else(world: World) -> None:
    """One creation is left half done, and another person's address checked."""
    unfinished(world)
    world.send(adresse="autre.personne@demo.example")


def left_behind(world: World) -> None:
    """The second step of one person is sent after another tab went on with somebody else."""
    step(2)(world)
    tab = world.page.context.new_page()
    tab.goto(world.base + NEW)
    tab.get_by_label("Adresse mail").fill("autre.personne@demo.example")
    tab.get_by_role("button", name="Vérifier l'adresse mail").click()
    tab.get_by_role("button", name="Suivant").click()
    tab.get_by_label("Prénom").wait_for()
    tab.close()
    world.send(nom="Zidi", prenom="Julie", structure="a-budget")


def modified(world: World) -> None:
    """*Modifier* of the second step, in the recapitulation."""
    step(4)(world)
    world.open(f"{NEW}?etape=2")


def corrected(world: World) -> None:
    """*Modifier* of the address, in the recapitulation."""
    step(4)(world)
    world.open(f"{NEW}?etape=1")


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
