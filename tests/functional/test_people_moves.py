"""*Changer d'adresse* and *Changer de structure*, through the whole application."""

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from directory import actors
from directory.authorisation import OPERATOR, Actor
from directory.models import Application, ApplicationEntity
from directory.services.accounts.address_change import AddressPlan
from directory.services.accounts.changes import Person
from directory.services.structures.closing import StructureClosing
from idp.mail import OutboxMail
from idp.request import Request
from tests.common.databases import Databases
from tests.functional.aia_scene import scene_on
from tests.functional.conftest import to_correct
from tests.functional.people_scene import BOTH, EVE, LEA, Scene, form_of, links, text_of
from views.aia import user_address

pytestmark = pytest.mark.sqlite_only


@pytest.fixture(scope="module")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Made once: each test starts from it."""
    with scene_on(Scene, databases, tmp_path_factory.mktemp("moves")) as made:
        yield made


@pytest.fixture
def scene(stage: Scene) -> Scene:
    return stage.anew()


# --- Changer d'adresse -----------------------------------------------------------------------


def refusal_path(scene: Scene) -> str:
    with scene.world.services.db.reading() as session:
        text = session.scalars(
            select(OutboxMail.text).where(OutboxMail.kind == "address-changed")
        ).one()
    found = re.search(r"/adresse-remplacee/\S+", text)
    assert found is not None
    return found[0]


def test_no_mail_is_promised_where_none_is_sent(scene: Scene) -> None:
    promised = "La nouvelle adresse reçoit un mail pour en choisir un autre."
    assert promised in text_of(scene.get(LEA, "/adresse"))
    scene.directory.accounts.lock(OPERATOR, LEA)
    page = scene.get(LEA, "/adresse")
    assert promised not in text_of(page)
    assert "aucun mail n'est envoyé à la nouvelle adresse" in text_of(page)
    form = form_of(page)
    form["adresse"] = "lea.martin@demo.example"
    shown = text_of(form.submit().follow())
    assert "est maintenant lea.martin@demo.example. Son compte ne peut pas servir" in shown
    assert "l'y attend" not in shown
    assert scene.mails() == [("address-changed", LEA)]
    with scene.world.services.db.reading() as session:
        assert "Un mail envoyé" not in session.scalars(select(OutboxMail.text)).one()


def test_an_address_is_changed_and_refused(scene: Scene) -> None:
    form = form_of(scene.get(LEA, "/adresse"))
    form["adresse"] = "lea.martin@demo.example"
    shown = form.submit().follow()
    assert "est maintenant lea.martin@demo.example. Un mail l'y attend." in text_of(shown)
    assert "C'était déjà fait." in text_of(form.submit(status=303).follow())
    assert scene.mails() == [
        ("address-changed", LEA),
        ("password-first-visit", "lea.martin@demo.example"),
    ]
    path = refusal_path(scene)
    scene.visitor.app.reset()
    page = scene.visitor.app.get(path)
    assert LEA in text_of(page)
    assert "lea.martin" not in text_of(page)
    assert not scene.sheet(LEA).locked, "a GET spends nothing"
    done = next(each for each in page.forms.values() if each.action == path).submit()
    assert "Le changement est refusé" in text_of(done)
    assert scene.sheet(LEA).locked
    assert "déjà refusé" in text_of(scene.visitor.app.get(path, status=410))
    scene.become("referent")
    page = scene.get(LEA)
    assert "a été refusé depuis l'ancienne" in text_of(page)
    assert not links(page) & {"Déverrouiller le compte", "Changer d'adresse"}
    for end in ("/deverrouiller", "/adresse"):
        answer = scene.post(scene.path(LEA, end), adresse="x@demo.example")
        assert answer.status_int in {404, 409}
    assert scene.sheet(LEA).locked


def test_the_screen_says_what_putting_an_address_back_does(scene: Scene) -> None:
    said = f"Si vous remettez {LEA}, le changement est annulé : personne ne peut le refuser."
    page = text_of(scene.get(LEA, "/adresse"))
    assert said not in page
    assert "L'ancienne adresse est prévenue : pendant 7 jours, elle peut refuser" in page
    form = form_of(scene.get(LEA, "/adresse"))
    form["adresse"] = "lea.martin@demo.example"
    form.submit(status=303)
    page = text_of(scene.get(LEA, "/adresse"))
    assert said in page
    assert f"personne n'y a choisi de mot de passe. L'adresse {LEA} est prévenue de nouveau" in page
    assert "L'ancienne adresse est prévenue" not in page
    scene.post(refusal_path(scene))
    scene.become("correspondant")
    page = text_of(scene.get(LEA, "/adresse"))
    assert said in page
    assert "elle ne peut pas refuser : vous décidez d'un changement qui a été refusé" in page
    assert "prévenue de nouveau" not in page


def test_the_screen_says_that_nobody_refuses_what_nobody_used(scene: Scene) -> None:
    mail = "faute@demo.example"
    julie = Person(mail, "Zidi", "Julie")
    added = scene.directory.accounts.add(OPERATOR, julie, "paie", no_mail=True)
    scene.people[mail] = added.subject_id
    page = text_of(scene.get(mail, "/adresse"))
    assert "ne peut pas refuser : personne ne s'est encore connecté à ce compte" in page
    assert "vous décidez d'un changement" not in page


def test_no_mail_is_promised_to_who_was_locked_meanwhile(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    form, plan = form_of(scene.get(LEA, "/adresse")), user_address._plan

    def then_locked(request: Request) -> AddressPlan:
        found = plan(request)
        scene.directory.accounts.lock(OPERATOR, LEA)
        return found

    monkeypatch.setattr(user_address, "_plan", then_locked)
    form["adresse"] = "lea.martin@demo.example"
    shown = text_of(form.submit().follow())
    assert "est maintenant lea.martin@demo.example. Son compte ne peut pas servir" in shown
    assert scene.mails() == [("address-changed", LEA)]


def test_the_correspondant_reads_which_offers_stay(scene: Scene) -> None:
    """The référent of one town never reads of another's."""
    said = "Un rattachement à confirmer reste aussi : Ivry."
    chief = scene.directory.accounts.add(
        OPERATOR, Person("chef@demo.example", "Fort", "Rémi"), "ivry", no_mail=True
    )
    scene.directory.mandates.add(OPERATOR, "chef@demo.example", "ivry", ("bip",))
    actor = actors.load(scene.world.services.core, chief.subject_id)
    assert actor is not None
    scene.directory.accounts.add(actor, Person(LEA, "Noël", "Léa"), "ivry", no_mail=True)
    page = scene.get(LEA, "/adresse")
    assert "à confirmer" not in text_of(page)
    assert "Ivry" not in text_of(page)
    scene.become("correspondant")
    assert said in text_of(scene.get(LEA, "/adresse"))
    closing = StructureClosing(scene.world.services.core)
    closing.close(OPERATOR, "ivry", closing.preview(OPERATOR, "ivry").version, people_ok=True)
    assert said in text_of(scene.get(LEA, "/adresse")), "it waits there for the day it opens"


def test_the_screen_names_who_knows_him_by_the_address(scene: Scene) -> None:
    """BIP, once its SP gets the address; what gets a pseudonym alone is not named."""
    said = "reconnaissent Léa NOËL à son adresse"
    before = text_of(scene.get(LEA, "/adresse"))
    assert said not in before
    assert "BIP" not in before
    attach(scene, "net-cotisations")
    page = scene.get(LEA, "/adresse")
    assert said in text_of(page)
    assert "BIP" in text_of(page)
    assert "hors de votre périmètre peut aussi en dépendre" in text_of(page)


def attach(scene: Scene, code: str) -> None:
    """In the SQL directory, the application that Léa has a role of is this SP."""
    with scene.world.services.db.unit_of_work() as session:
        application = session.scalars(select(Application).where(Application.code == "bip")).one()
        entity_id = scene.world.sps[code].entity_id
        session.add(ApplicationEntity(entity_id=entity_id, application_id=application.id))


def test_addresses_that_do_not_do(scene: Scene) -> None:
    form = form_of(scene.get(LEA, "/adresse"))
    for mail, sentence in (
        (LEA, "C'est déjà son adresse mail."),
        (EVE, "est déjà celle d'un compte"),
        ("pas une adresse", "n'est pas une adresse"),
        ("", "Saisissez la nouvelle adresse mail."),
    ):
        form["adresse"] = mail
        assert sentence in text_of(form.submit(status=400)), mail
    assert scene.sheet(LEA).mail == LEA


def test_a_generic_address_is_confirmed(scene: Scene) -> None:
    form = form_of(scene.get(LEA, "/adresse"))
    form["adresse"] = "rh@demo.example"
    page = form.submit(status=400)
    again = form_of(page)
    again["personnelle"] = True
    again.submit(status=303)
    assert scene.sheet(LEA).mail == "rh@demo.example"


def test_two_change_the_address_at_once(scene: Scene) -> None:
    first, second = (form_of(scene.get(LEA, "/adresse")) for _ in range(2))
    first["adresse"], second["adresse"] = "one@demo.example", "two@demo.example"
    first.submit(status=303)
    page = second.submit(status=409)
    assert "one@demo.example" in text_of(page)
    assert scene.sheet(LEA).mail == "one@demo.example"


def test_the_address_of_a_shared_person_is_the_correspondant_s(scene: Scene) -> None:
    scene.get(BOTH, "/adresse", status=404)
    path = scene.path(BOTH, "/adresse")
    answer = scene.post(path, adresse="x@demo.example", ancienne=BOTH)
    assert answer.status_int == 404
    scene.become("correspondant")
    form = form_of(scene.get(BOTH, "/adresse"))
    form["adresse"] = "ali@demo.example"
    form.submit(status=303)
    assert scene.sheet(BOTH).mail == "ali@demo.example"


# --- Changer de structure ------------------------------------------------------------------------


def test_a_person_changes_structure(scene: Scene) -> None:
    page = scene.get(LEA, "/structure")
    assert (
        "1 rôle hors de votre périmètre s'arrêtera avec ce changement. Pour le garder, il doit "
        "être fait par un référent de cette application, ou par le correspondant."
    ) in text_of(page)
    form = form_of(page)
    offered = {value for value, _, _ in form["structure"].options if value}
    assert offered == {"vitry", "ecoles"}
    form["structure"] = "ecoles"
    shown = form.submit().follow()
    assert "Léa NOËL est maintenant dans Vitry / Service des écoles." in text_of(shown)
    assert "C'était déjà fait." in text_of(form.submit(status=303).follow())
    form["checkbox"] = False
    form.submit(status=409)
    (membership,) = scene.sheet(LEA).memberships
    assert membership.structure == "ecoles"
    assert [role.application for role in membership.roles] == ["bip"]


def test_nobody_moves_to_where_something_of_his_waits_in_the_bin(scene: Scene) -> None:
    """Ali of the payroll, removed from the schools a moment ago."""
    directory = scene.directory
    for structure in ("ecoles", "vitry"):
        directory.accounts.add(OPERATOR, Person(BOTH, "Noël", "Ali"), structure, no_mail=True)
    directory.bin.delete(actor_of(scene), BOTH)
    directory.bin.restore_subject(OPERATOR, scene.people[BOTH], structure="paie")
    form = form_of(scene.get(BOTH, "/structure"))
    form["structure"] = "ecoles"
    page = form.submit(status=400)
    (said,) = to_correct(page)
    assert "à la structure « Vitry / Service des écoles » a été supprimé le" in said
    assert form_of(page)["structure"].value == "ecoles"
    assert {each.structure for each in scene.sheet(BOTH).memberships} == {"paie", "ivry"}
    (restoring,) = (each for each in page.forms.values() if "subject_id" in each.fields)
    back = restoring.submit("subject_id", status=303).follow()
    assert "Le rattachement est rétabli : Vitry / Service des écoles." in text_of(back)
    there = {each.structure for each in scene.sheet(BOTH).memberships}
    assert there == {"paie", "ivry", "ecoles"}, "that one alone"


def actor_of(scene: Scene) -> Actor:
    """The référent, as the decider knows him."""
    found = actors.load(scene.world.services.core, scene.people["referent@demo.example"])
    assert found is not None
    return found


def test_moves_are_forged_in_vain(scene: Scene) -> None:
    form = form_of(scene.get(LEA, "/structure"))
    fields = {name: form[name].value or "" for name in ("rattachement", "version")}
    path = scene.path(LEA, "/structure")
    for structure in ("ivry", "inconnue", ""):
        assert scene.post(path, **fields, structure=structure).status_int == 400
    foreign = scene.sheet(EVE).memberships[0].id
    forged = fields | {"rattachement": foreign}
    assert scene.post(path, **forged, structure="ecoles").status_int == 404
    stale = fields | {"version": "0"}
    assert scene.post(path, **stale, structure="ecoles").status_int == 409
    assert scene.sheet(LEA).memberships[0].structure == "paie"
