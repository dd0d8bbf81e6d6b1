"""What the rows of :mod:`tests.functional.test_permissions` send, and whom they concern."""

from collections.abc import Callable
from contextlib import suppress
from secrets import token_hex

from lxml import etree
from sqlalchemy import func, select, update

from directory.authorisation import OPERATOR
from directory.models import Account, Membership
from directory.services import build
from directory.services.accounts.changes import Person
from directory.services.bulk.sheets import Action
from directory.services.rights.access_requests import AccessRequests
from directory.services.rights.administered import RoleRef
from directory.services.rights.assignments import Grant
from directory.services.rights.role_members import RoleMembers
from directory.services.structures.closing import StructureClosing
from directory.services.structures.tree import StructureTree
from idp.errors import AlreadyExists
from idp.mail import MailState, OutboxMail
from idp.messages import AcceptedRequest
from tests.common.fake_slo import envelope, logout_request
from tests.common.fake_sp import SAML, Received
from tests.functional.conftest import PASSWORD, World

BASE = "http://localhost:6543"

Filler = Callable[[World], str]


def a_flow(world: World) -> str:
    """A sign-on at Net-CAP that waits."""
    sp = world.sps["net-cap"]
    return world.services.authn_requests.hold(
        AcceptedRequest(sp.entity_id, sp.acs, world.now, message_id=f"_{token_hex(8)}")
    )


def a_query(world: World) -> str:
    """An AuthnRequest of Net-CAP by Redirect."""
    sp = world.sps["net-cap"]
    return sp.redirect_query(sp.authn_request(now=world.now))


def a_message(world: World) -> str:
    """An AuthnRequest of Net-CAP by POST."""
    sp = world.sps["net-cap"]
    return sp.post_form(sp.authn_request(now=world.now))["SAMLRequest"]


def a_logout_request(world: World, path: str = "/saml/slo") -> etree._Element:
    """A LogoutRequest of BIP's, which signs, for a session that nobody has."""
    nobody = Received("nobody", "", {}, "_0", "", world.now, None, None, etree.Element("x"))
    request = logout_request(
        world.sps["bip"], nobody, now=world.now, indexes=(), Destination=BASE + path
    )
    del request.find(f"{{{SAML}}}NameID").attrib["Format"]
    return request


def a_logout(world: World) -> str:
    """That by Redirect."""
    return world.sps["bip"].redirect_query(a_logout_request(world))


def a_logout_message(world: World) -> str:
    """That by POST."""
    return world.sps["bip"].post_form(a_logout_request(world))["SAMLRequest"]


def a_soap_logout(world: World) -> str:
    """That by SOAP."""
    request = a_logout_request(world, "/saml/slo/soap")
    world.sps["bip"].sign(request)
    return envelope(request).decode()


def a_membership(world: World) -> str:
    """The agent's own."""
    return world.memberships["agent/vitry"]


def a_colleague(world: World) -> str:
    """Somebody of Vitry who never signed in, as addresses name her."""
    return world.people["sansdroit"]


def an_access_request(world: World) -> str:
    """What the person without a role asks of her référent: BIP."""
    requests = AccessRequests(world.services.core)
    asker = world.people["sansdroit"]
    if not requests.own(asker):
        (place,) = requests.workplaces(asker)
        requests.ask(asker, place.membership_id, "bip", "Je reprends les écoles.")
    return requests.own(asker)[0].id


def a_dead_mail(world: World) -> str:
    """A mail that was given up."""
    mail = {"given_name": "Léa", "sn": "Noël", "mail": "lea@demo.example"}
    world.services.core.mailer.send("lea@demo.example", "password-changed", mail)
    with world.services.db.unit_of_work() as session:
        session.execute(update(OutboxMail).values(state=MailState.DEAD))
        return str(session.scalars(select(func.max(OutboxMail.id))).one())


def a_structure(world: World) -> str:
    """The HR department of Vitry, where nobody is yet."""
    structures = build(world.services.core).structures
    if "rh" not in {line.code for line in structures.list(OPERATOR)}:
        structures.add(OPERATOR, "rh", "Ressources humaines", parent="vitry")
    return "rh"


def as_recorded(world: World) -> str:
    """The version of that department that an edit of it starts from."""
    return StructureTree(world.services.core).read(OPERATOR, a_structure(world)).version


def as_announced(world: World) -> str:
    """The version of what closing it would do."""
    return StructureClosing(world.services.core).preview(OPERATOR, a_structure(world)).version


def as_doomed(world: World) -> str:
    """The version of what deleting that colleague would do."""
    prospects = build(world.services.core).prospects
    return prospects.one(OPERATOR, Action.DELETE, a_colleague(world)).prospect.announced


def a_candidate(world: World) -> str:
    """The membership of that colleague, who holds no role yet."""
    with world.services.db.reading() as session:
        statement = select(Membership.public_id).join(Membership.account)
        of_her = statement.where(Account.subject_id == a_colleague(world))
        return session.scalars(of_her).one()


def a_holder(world: World) -> str:
    """The same once she holds BIP's first role; there is a second."""
    services = build(world.services.core)
    with suppress(AlreadyExists):
        services.applications.add_role(OPERATOR, "bip", "lect", "Lecteur")
    services.assignments.assign(OPERATOR, Grant("sansdroit@demo.example", "vitry", "bip", "gest"))
    return a_candidate(world)


def as_held(world: World) -> str:
    """The version of that from which an edit starts."""
    members = RoleMembers(world.services.core)
    return members.read(OPERATOR, RoleRef("bip", "gest"), a_holder(world)).version


def add_administrators(world: World) -> None:
    """A correspondant, and everybody of Vitry in the SQL directory under the same subject id.

    What a person does with his own account and what is done in the AIA are the SQL directory's.
    """
    directory = world.directory
    subject = directory.add_account(
        "correspondant@demo.example", "Céline", "Huet", password=PASSWORD
    )
    world.people["correspondant"] = subject
    directory.add_membership(subject, "vitry")
    services = build(world.services.core)
    services.structures.add(OPERATOR, "vitry", "Vitry")
    services.applications.add(OPERATOR, "bip", "BIP")
    services.applications.add_role(OPERATOR, "bip", "gest", "Gestionnaire")
    for name in ("agent", "sansdroit", "referent", "correspondant"):
        mail = f"{name}@demo.example"
        services.accounts.add(OPERATOR, Person(mail, "Nom", "Prénom"), "vitry", no_mail=True)
        with world.services.db.unit_of_work() as session:
            known = update(Account).where(Account.mail == mail)
            session.execute(known.values(subject_id=world.people[name]))
    services.mandates.add(OPERATOR, "referent@demo.example", "vitry", ("bip",))
    services.mandates.add_central(OPERATOR, "correspondant@demo.example")
