"""*Historique*, through the whole application: changes in words, never when somebody came."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from webtest import TestResponse

from directory.authorisation import OPERATOR
from directory.models import Account
from directory.services import build
from directory.services.accounts.address_change import AddressChanges
from directory.services.accounts.address_refusal import AddressRefusals
from directory.services.accounts.changes import Person
from directory.services.accounts.invitations import Invitations
from directory.services.accounts.photos import Photos
from directory.services.accounts.sheets import Sheets
from directory.services.memberships.move import Move, Moves
from directory.services.rights.assignments import Grant
from directory.services.telling.history import SIZES
from idp.context import Origin, acting
from idp.mail import OutboxMail
from tests.common.databases import Databases
from tests.common.photos import image
from tests.functional import aia_scene
from tests.functional.aia_scene import scene_on
from tests.functional.conftest import Visitor, World, text_of
from views.aia.history_words import SENTENCES

pytestmark = pytest.mark.sqlite_only

LEA, HERS = "lea@demo.example", Grant("lea@demo.example", "paie", "bip", "gest")


class Scene(aia_scene.Scene):
    """Léa of Vitry's payroll, and Ève of Ivry."""

    def furnish(self) -> None:
        """Add them."""
        directory = self.directory
        directory.structures.add(OPERATOR, "paie", "Service paie", parent="vitry")
        directory.structures.add(OPERATOR, "ivry", "Ivry")
        added = directory.accounts.add(OPERATOR, Person(LEA, "Noël", "Léa"), "paie", no_mail=True)
        eve = Person("eve@demo.example", "É", "Ève")
        directory.accounts.add(OPERATOR, eve, "ivry", no_mail=True)
        self.people["lea"] = added.subject_id


@pytest.fixture(scope="module")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Made once: each test starts from it."""
    with scene_on(Scene, databases, tmp_path_factory.mktemp("history")) as made:
        yield made


@pytest.fixture
def world(stage: Scene) -> World:
    return stage.anew().world


@pytest.fixture
def visitor(stage: Scene, world: World) -> Visitor:
    """The référent of Vitry in front of the browser."""
    del world
    return stage.visitor


@pytest.fixture
def lea(stage: Scene) -> str:
    """Her page."""
    return f"/aia/utilisateurs/{stage.people['lea']}/historique"


def as_referent(world: World) -> Origin:
    return Origin(actor=world.people["referent"], address="10.9.8.7")


def sentences(page: TestResponse) -> list[str]:
    return [" ".join(each.text.split()) for each in page.html.select(".history-what")]


def test_no_sentence_says_de_before_a_vowel() -> None:
    assert [each for each in SENTENCES.values() if "de {" in each] == []


def test_a_change_is_told_in_a_sentence_with_its_date(
    world: World, visitor: Visitor, lea: str
) -> None:
    directory = build(world.services.core)
    with acting(as_referent(world)):
        directory.assignments.assign(OPERATOR, HERS)
    zone = world.services.settings.organization.time_zone
    now = world.now.astimezone(zone)
    page = visitor.app.get(lea)
    told = f"le {now:%d/%m/%Y} à {now.hour} h {now.minute:02}"
    assert sentences(page) == [
        f"Vous avez donné le rôle « Gestionnaire » de BIP à Léa NOËL, {told}",
        f"Le service a rattaché Léa NOËL à une structure, {told}",
        f"Le service a créé le compte de Léa NOËL, {told}",
    ]
    assert "Vitry / Service paie" in text_of(page)
    assert "10.9.8.7" not in page.text


def test_who_refused_a_change_of_his_address_is_named(
    world: World, visitor: Visitor, lea: str
) -> None:
    """By his link, where nobody is signed in."""
    core, subject_id = world.services.core, lea.split("/")[3]
    with core.db.unit_of_work() as session:
        account = session.scalars(select(Account).where(Account.subject_id == subject_id)).one()
        account.last_sign_in_at = world.now
    with acting(as_referent(world)):
        AddressChanges(core).change(OPERATOR, subject_id, "lea.noel@demo.example", shown=LEA)
    with core.db.reading() as session:
        text = session.scalars(select(OutboxMail.text).where(OutboxMail.recipient == LEA)).one()
    found = re.search(r"/adresse-remplacee/(\S+)", text)
    assert found is not None
    AddressRefusals(core).spend(found[1])
    day = f"le {world.now.astimezone(world.services.settings.organization.time_zone):%d/%m/%Y}"
    assert sentences(visitor.app.get(lea))[:2] == [
        f"Léa NOËL a verrouillé son compte en refusant un changement d'adresse, {day}",
        f"Léa NOËL a refusé depuis l'ancienne adresse que son adresse soit remplacée, {day}",
    ]


def test_what_was_before_stands_beside_what_is_since(
    world: World, visitor: Visitor, lea: str
) -> None:
    directory = build(world.services.core)
    until = world.now + timedelta(days=30)
    with acting(as_referent(world)):
        directory.assignments.assign(OPERATOR, HERS)
        directory.assignments.assign(OPERATOR, HERS, valid_until=until)
        directory.structures.rename(OPERATOR, "paie", "Paie et retraites")
    change = visitor.app.get(lea).html.select_one(".history-changes")
    assert (
        " ".join(change.text.split())
        == (f"Dates : avant : sans limite de date après : jusqu'au {until - timedelta(1):%d/%m/%Y}")
        or f"{until:%d/%m/%Y}" in change.text
    )
    page = visitor.app.get("/aia/structures/paie/historique")
    assert sentences(page)[0].startswith("Vous avez renommé une structure, le ")
    renamed = page.html.select_one(".history-changes").text.split()
    assert " ".join(renamed) == "Nom : avant : Service paie après : Paie et retraites"


def test_a_move_a_photo_and_a_password_mail_are_told(
    world: World, visitor: Visitor, lea: str
) -> None:
    core, subject_id = world.services.core, lea.split("/")[3]
    with acting(as_referent(world)):
        Photos(core).keep(subject_id, image())
        Invitations(core).reset(OPERATOR, LEA)
        plan = Sheets(core).read(OPERATOR, subject_id).sheet.memberships[0]
        version = Moves(core).plan(OPERATOR, subject_id, plan.id).version
        Moves(core).run(OPERATOR, subject_id, plan.id, Move("vitry", frozenset(), version))
    page = visitor.app.get(lea)
    assert [each.split(", le ")[0] for each in sentences(page)[:3]] == [
        "Vous avez changé Léa NOËL de structure",
        "Vous avez envoyé à Léa NOËL un mail pour choisir un nouveau mot de passe",
        "Vous avez ajouté la photo de Léa NOËL",
    ]
    moved = " ".join(page.html.select_one(".history-changes").text.split())
    assert moved == "Structure : avant : Vitry / Service paie après : Vitry"


def test_a_structure_with_and_without_those_below(world: World, visitor: Visitor, lea: str) -> None:
    del world, lea
    whole = visitor.app.get("/aia/structures/vitry/historique")
    alone = visitor.app.get("/aia/structures/vitry/historique?seule=1")
    assert any("Léa NOËL" in each for each in sentences(whole))
    assert not any("Léa NOËL" in each for each in sentences(alone))
    assert whole.click("Voir cette structure seule").request.path_qs.endswith("?seule=1")
    assert sentences(alone.click("Inclure les sous-structures")) == sentences(whole)


def test_pages_go_back_in_time(world: World, visitor: Visitor, lea: str) -> None:
    del lea
    directory = build(world.services.core)
    for number in range(SIZES[0]):
        world.clock.advance(timedelta(minutes=1))
        directory.structures.rename(OPERATOR, "paie", f"Paie {number}")
    path = "/aia/structures/paie/historique"
    first = visitor.app.get(path)
    second = first.click("Voir les plus anciens")
    assert len(sentences(first)) == SIZES[0]
    assert len(sentences(second)) == 2
    assert not set(sentences(first)) & set(sentences(second))
    assert sentences(second.click("Revenir aux plus récents")) == sentences(first)
    assert sentences(visitor.app.get(path + "?curseur=%27;--")) == sentences(first)


def test_what_is_out_of_scope_does_not_exist(world: World, visitor: Visitor, lea: str) -> None:
    del lea
    eve = build(world.services.core).accounts.show(OPERATOR, "eve@demo.example").subject_id
    for path in (
        f"/aia/utilisateurs/{eve}/historique",
        "/aia/utilisateurs/personne/historique",
        "/aia/structures/ivry/historique",
        "/aia/structures/inconnue/historique",
    ):
        visitor.app.get(path, status=404)
