"""The services behind the AIA's pages, as one may call them with any ids."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from random import Random

from directory.authorisation import Actor
from directory.services.accounts.changes import Person
from directory.services.memberships.move import Move, Moves
from directory.services.rights.administered import RoleRef
from directory.services.rights.assignments import Grant
from directory.services.rights.reassignment import Reassignment
from directory.services.rights.role_members import RoleMembers
from directory.services.structures.changes import Edit
from tests.functional.aia_realm import Realm


def calls(
    realm: Realm, actor: Actor, some: dict[str, str], dice: Random
) -> Iterator[Callable[[], object]]:
    """The services, on these ids."""
    core, directory, mail = realm.services.core, realm.directory, some["mail"]
    now, structure = realm.services.clock.now(), some["structure"]
    person = Person(dice.choice((mail, "autre@demo.example")), "Autre", "Autre")
    grant = Grant(mail, structure, some["application"], some["role"])
    ref = RoleRef(some["application"], some["role"])
    yield partial(directory.accounts.add, actor, person, structure)
    yield partial(directory.accounts.add, actor, person, structure, password="une autre phrase")
    yield partial(directory.accounts.lock, actor, mail)
    yield partial(directory.accounts.unlock, actor, mail)
    yield partial(directory.accounts.set_validity, actor, mail, now, now + timedelta(days=1))
    yield partial(directory.accounts.set_password, actor, mail, "une autre phrase de passe")
    yield partial(directory.bin.delete, actor, mail)
    yield partial(directory.bin.restore, actor, mail)
    yield partial(directory.deactivation.run, actor, some["subject"])
    yield partial(directory.invitations.send, actor, mail)
    yield partial(directory.invitations.reset, actor, mail)
    yield partial(directory.memberships.confirm, actor, mail, structure)
    yield partial(directory.memberships.suspend, actor, mail, structure)
    yield partial(directory.memberships.resume, actor, mail, structure)
    yield partial(directory.assignments.assign, actor, grant)
    yield partial(directory.assignments.unassign, actor, grant)
    yield partial(directory.mandates.add, actor, mail, structure, (some["application"],))
    yield partial(directory.mandates.add_central, actor, mail)
    yield partial(directory.structures.add, actor, "autre", "Autre", parent=structure)
    yield partial(directory.structures.edit, actor, structure, Edit("Autre", None, ""))
    yield partial(directory.applications.add, actor, "autre", "Autre")
    yield partial(directory.applications.add_role, actor, some["application"], "autre", "Autre")
    yield partial(directory.request_answers.grant, actor, some["request"], (some["role"],), "")
    yield partial(directory.request_answers.refuse, actor, some["request"], "Non.")
    yield partial(RoleMembers(core).assign, actor, ref, (some["membership"],))
    yield partial(RoleMembers(core).withdraw, actor, ref, some["membership"])
    yield partial(
        Reassignment(core).replace, actor, ref, some["membership"], some["role"], version=""
    )
    move = Move(structure, frozenset({f"{some['application']}:{some['role']}"}), "")
    yield partial(Moves(core).run, actor, some["subject"], some["membership"], move)
