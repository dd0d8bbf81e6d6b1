"""Lists of people: what they show, and how many statements that takes."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import product

import pytest

from directory.authorisation import OPERATOR, Actor
from directory.models import Account, Membership
from directory.people.lists import (
    Criteria,
    Page,
    People,
    PersonLine,
    SearchTooShort,
    Sort,
    StructureName,
)
from directory.search import search_key
from directory.services.accounts.changes import Person
from directory.services.exports.exports import Exports, Options
from directory.services.memberships.changes import MembershipFields
from directory.services.rights.assignments import Grant
from idp.context import Origin, acting
from idp.errors import DirectoryError, NotFound
from idp.mail import MailState, OutboxMail
from tests.common.clock import START, FakeClock
from tests.unit.directory.conftest import World
from tests.unit.directory.people_reading import bounded


@pytest.fixture
def people(world: World) -> People:
    return world.directory.people


@pytest.fixture
def much() -> Iterator[None]:
    """As if what is much began at some lines: as large directories are read."""
    with bounded(10, 2, ((1, 8), (2, 30))):
        yield


def add(
    world: World, sn: str, given_name: str, structure: str = "a-rh", identifier: str | None = None
) -> str:
    """A person at name@ville.fr; returns his subject id."""
    fields = MembershipFields(application_identifier=identifier)
    name = search_key(sn).replace(" ", "-")
    person = Person(f"{name}@ville.fr", sn, given_name, fields)
    added = world.directory.accounts.add(OPERATOR, person, structure, no_mail=True)
    return added.subject_id


def names(page: Page[PersonLine]) -> list[str]:
    return [line.sn for line in page.lines]


def test_a_referent_sees_his_structures_alone(
    world: World, people: People, referent: Actor, central: Actor
) -> None:
    add(world, "Ici", "A", "a-rh")
    add(world, "Ailleurs", "B", "b")
    assert names(people.page(referent, Criteria())) == ["Ici", "Nom"]
    assert people.count(referent, Criteria()).number == 2
    assert names(people.page(central, Criteria())) == ["Ailleurs", "Ici", "Nom", "Nom"]
    with pytest.raises(NotFound):
        people.page(referent, Criteria(structure="b"))
    with pytest.raises(NotFound):
        people.members(referent, "cig")
    with pytest.raises(NotFound):
        people.holders(referent, "cap", "r1")


def test_a_shared_person_shows_the_structures_within_the_scope_alone(
    world: World, people: People, referent: Actor, central: Actor
) -> None:
    add(world, "Deux", "D", "b")
    world.add("deux@ville.fr", "a-rh")
    (line,) = people.page(referent, Criteria(sn="deux")).lines
    assert line.structures == (
        StructureName("a-rh", "Structure a-rh", "Structure cig / Structure a / Structure a-rh"),
    )
    assert [
        each.code for each in people.page(central, Criteria(sn="deux")).lines[0].structures
    ] == [
        "a-rh",
        "b",
    ]


def test_what_is_in_the_bin_is_not_listed(world: World, people: People, referent: Actor) -> None:
    add(world, "Parti", "P")
    world.directory.bin.delete(OPERATOR, "parti@ville.fr")
    assert names(people.page(referent, Criteria())) == ["Nom"]


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        (Criteria(sn="ben ali"), ["Ben-Ali"]),
        (Criteria(sn="ALI"), ["Ben-Ali"]),
        (Criteria(given_name="leila"), ["Ben-Ali"]),
        (Criteria(mail="ben-ALI@"), ["Ben-Ali"]),
        (Criteria(mail="%"), []),
        (Criteria(identifier="x-4"), ["Ben-Ali"]),
        (Criteria(text="leila"), ["Ben-Ali"]),
        (Criteria(text="léi rh"), ["Ben-Ali"]),
        (Criteria(text="ali 42"), ["Ben-Ali"]),
        (Criteria(text="leila zoe"), []),
        (Criteria(text="structure"), ["Ben-Ali", "Nom", "Zoé"]),
        (Criteria(structure="a"), ["Ben-Ali", "Nom", "Zoé"]),
        (Criteria(structure="a", below=False), ["Nom", "Zoé"]),
    ],
)
def test_criteria(
    world: World, people: People, referent: Actor, criteria: Criteria, found: list[str]
) -> None:
    add(world, "Ben-Ali", "Leïla", "a-rh", "X-42")
    add(world, "Zoé", "Anne", "a")
    assert names(people.page(referent, criteria)) == found
    assert people.count(referent, criteria).number == len(found)


def test_names_that_change_are_found_by_the_new_one(
    world: World, people: People, referent: Actor
) -> None:
    subject_id = add(world, "Avant", "A")
    with world.core.db.unit_of_work() as session:
        session.query(Account).filter_by(subject_id=subject_id).one().sn = "Après"
    world.directory.structures.rename(OPERATOR, "a-rh", "Ressources humaines")
    assert names(people.page(referent, Criteria(text="apres ressources"))) == ["Après"]
    assert names(people.page(referent, Criteria(text="avant"))) == ["Après"]  # his address
    assert names(people.page(referent, Criteria(sn="avant"))) == []
    with world.core.db.unit_of_work() as session:
        session.query(Membership).filter(
            Membership.account.has(subject_id=subject_id)
        ).one().application_identifier = "Z 9"
    assert names(people.page(referent, Criteria(identifier="z 9"))) == ["Après"]


def test_states(world: World, people: People, referent: Actor) -> None:
    for name in ("Actif", "Ferme", "Demain", "Fini", "Suspendu"):
        add(world, name, "X")
    accounts, now = world.directory.accounts, START
    day = timedelta(days=1)
    accounts.lock(OPERATOR, "ferme@ville.fr")
    accounts.set_validity(OPERATOR, "demain@ville.fr", now + day, None)
    accounts.set_validity(OPERATOR, "fini@ville.fr", now - day, now)
    world.directory.memberships.suspend(OPERATOR, "suspendu@ville.fr", "a-rh")
    with world.core.db.unit_of_work() as session:
        for mail in ("actif@ville.fr", "referent@ville.fr"):
            session.query(Account).filter_by(mail=mail).one().last_sign_in_at = now

    def listed(state: str) -> list[str]:
        page = people.page(referent, Criteria(state=state))
        assert page.total.number == len(page.lines)
        return names(page)

    assert listed("actif") == ["Actif", "Nom", "Suspendu"]
    assert listed("verrouillé") == ["Ferme"]
    assert listed("à venir") == ["Demain"]
    assert listed("expiré") == ["Fini"]
    assert listed("suspendu") == ["Suspendu"]
    assert listed("jamais connecté") == ["Demain", "Ferme", "Fini", "Suspendu"]
    with pytest.raises(DirectoryError):
        listed("bleu")


def test_invitations(world: World, people: People, referent: Actor) -> None:
    add(world, "Recu", "R")
    add(world, "Perdu", "P")
    for name, state in (("recu", MailState.SENT), ("perdu", MailState.DEAD)):
        world.core.mailer.send(f"{name}@ville.fr", "account-created", MAIL)
        with world.core.db.unit_of_work() as session:
            mail = session.query(OutboxMail).filter_by(recipient=f"{name}@ville.fr").one()
            mail.state = state
    page = people.page(referent, Criteria())
    assert {line.sn: line.invitation for line in page.lines} == {
        "Nom": "jamais connecté",
        "Perdu": "mail non remis",
        "Recu": "jamais connecté",
    }


MAIL = {
    "given_name": "A",
    "sn": "B",
    "mail": "a@b.fr",
    "portal_url": "http://localhost/",
    "structure": "S",
    "confirmed": True,
}


def test_holders_and_candidates(
    world: World, people: People, referent: Actor, central: Actor, clock: FakeClock
) -> None:
    add(world, "Martin", "A", "a-rh")
    add(world, "Martinez", "B", "b")
    for mail, structure in (("martin@ville.fr", "a-rh"), ("martinez@ville.fr", "b")):
        world.directory.assignments.assign(OPERATOR, Grant(mail, structure, "bip", "r1"))
    (held,) = people.holders(referent, "bip", "r1").lines
    assert (held.sn, held.structure.code, held.granted_by) == (
        "Martin",
        "a-rh",
        "L'administration du service",
    )
    assert [line.sn for line in people.holders(central, "bip", "r1").lines] == [
        "Martin",
        "Martinez",
    ]
    assert [
        (line.sn, line.held) for line in people.candidates(referent, "bip", "r1", "mar").lines
    ] == [("Martin", True)]
    (candidate,) = people.candidates(referent, "bip", "r2", "mar").lines
    assert not candidate.held
    with pytest.raises(SearchTooShort):
        people.candidates(referent, "bip", "r1", " mé ")
    assert names(people.page(central, Criteria(application="bip"))) == ["Martin", "Martinez"]
    assert names(people.page(central, Criteria(application="bip", role="r2"))) == []
    assert names(people.page(referent, Criteria(application="bip", role="r1"))) == ["Martin"]
    until = clock.now() + timedelta(days=1)
    world.directory.assignments.assign(
        OPERATOR, Grant("martin@ville.fr", "a-rh", "bip", "r1"), valid_until=until
    )
    for is_over in (False, True):
        (candidate,) = people.candidates(referent, "bip", "r1", "mar").lines
        assert candidate.held is not is_over, "one that is over is given anew"
        clock.advance(timedelta(days=2))


def test_who_gave_a_role_is_named_to_his_own(
    world: World, people: People, referent: Actor, central: Actor
) -> None:
    """On the screen and in the file alike; in *Historique* by the same answer."""
    add(world, "Martin", "A", "a-rh")
    stranger = add(world, "Étrange", "E", "b")
    grant = Grant("martin@ville.fr", "a-rh", "bip", "r1")
    exports = Exports(world.core)
    for by, told in (
        (referent.subject_id, "Prénom NOM"),
        (central.subject_id, "Le correspondant"),
        (stranger, "Un administrateur d'une autre structure"),
        ("gone", "Une personne qui n'a plus de compte"),
        ("cli:root", "L'administration du service"),
    ):
        with acting(Origin(actor=by)):
            world.directory.assignments.assign(OPERATOR, grant)
        (line,) = people.holders(referent, "bip", "r1").lines
        export = exports.holders(referent, "bip", "r1", Options(contact=False, file_format="csv"))
        ((cells,),) = exports.batches(export)
        assert (line.granted_by, cells.granted_by) == (told, told)
        world.directory.assignments.unassign(OPERATOR, grant)
    with acting(Origin(actor=stranger)):
        world.directory.assignments.assign(OPERATOR, grant)
    assert people.holders(central, "bip", "r1").lines[0].granted_by == "E ÉTRANGE"


def test_cursors_of_another_list_or_forged_ones_lead_to_the_first_page(
    world: World, people: People, referent: Actor, central: Actor
) -> None:
    for number in range(12):
        add(world, f"N{number:02}", "X")
    first = people.page(referent, Criteria(), size=10)
    assert first.before is None
    assert first.after is not None
    second = people.page(referent, Criteria(), cursor=first.after, size=10)
    assert names(second) == ["N10", "N11", "Nom"][-len(second.lines) :]
    assert (second.first, second.after) == (11, None)
    for actor, criteria, cursor in (
        (central, Criteria(), first.after),
        (referent, Criteria(text="n"), first.after),
        (referent, Criteria(), first.after[:-2]),
        (referent, Criteria(), "é"),
        (referent, Criteria(), "A" * 5000),
    ):
        page = people.page(actor, criteria, cursor=cursor, size=10)
        assert (page.first, page.lines[0].sn) == (1, "N00")
    other_order = people.page(referent, Criteria(), cursor=first.after, size=10, descending=True)
    assert other_order.lines[0].sn == "Nom"
    with pytest.raises(DirectoryError):
        people.page(referent, Criteria(), size=7)


@pytest.mark.parametrize("sort", list(Sort))
def test_statements_do_not_grow_with_the_list(
    world: World, people: People, referent: Actor, sort: Sort
) -> None:
    for number in range(15):
        add(world, f"N{number:02}", "X")
        mail = f"n{number:02}@ville.fr"
        world.directory.assignments.assign(OPERATOR, Grant(mail, "a-rh", "bip", "r1"))
    more = 3 if sort is Sort.LAST else 0
    calls = (
        (5, lambda: people.page(referent, Criteria(), sort=sort)),
        (7, lambda: people.page(referent, Criteria(structure="a", application="bip"), sort=sort)),
        (4, lambda: people.members(referent, "a", sort=sort)),
        (5, lambda: people.holders(referent, "bip", "r1", sort=sort)),
        (4, lambda: people.candidates(referent, "bip", "r1", "n0 x", sort=sort)),
    )
    for most, call in calls:
        assert world.statements(call) <= most + more


@pytest.mark.usefixtures("much")
@pytest.mark.parametrize("descending", [False, True])
def test_those_who_are_not_read_stand_on_other_pages(
    world: World, people: People, referent: Actor, *, descending: bool
) -> None:
    several = product(("Le", "Le Gall", "Le-A", "Lea"), ("Zoé", "A B", "A", "Anne Z", "Anne", "É"))
    for number, (sn, given_name) in enumerate(several):
        world.directory.accounts.add(
            OPERATOR, Person(f"m{number}@ville.fr", sn, given_name), "a-rh", no_mail=True
        )
    read: list[PersonLine] = []
    cursor: str | None = ""
    while cursor is not None:
        page = people.page(
            referent, Criteria(text="le"), descending=descending, cursor=cursor, size=10
        )
        assert (page.total.number, page.total.exact) == (10, False)
        read += page.lines
        cursor = page.after
    keys = [(search_key(line.sn), search_key(line.given_name)) for line in read]
    assert keys == sorted(keys, reverse=descending)
    assert len(set(keys)) == len(keys) == 4 * 6 + 1  # the addresses of all are in ville.fr
