"""Pages of a person that are sent too late, or twice: nothing is lost, and each says what it is."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from webtest import TestResponse, Upload

from directory.authorisation import OPERATOR
from directory.models import Membership
from directory.services.accounts.changes import Person
from directory.services.memberships.move import Move, Moves
from idp.mail import OUTBOX, MailState, OutboxMail
from tests.common.databases import Databases
from tests.common.photos import image
from tests.functional.aia_scene import scene_on
from tests.functional.people_scene import BOTH, EVE, LEA, USERS, Scene, form_of, links, text_of

pytestmark = pytest.mark.sqlite_only

SHARED = "Ce compte appartient aussi à une structure que vous n'administrez pas"
PRIVILEGED = "Cette personne a un mandat de référent"
PASSWORD = "/mot-de-passe"
ACTIONS = ("/verrouiller", "/deverrouiller", "/renvoyer")


@pytest.fixture(scope="module")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Made once: each test starts from it."""
    with scene_on(Scene, databases, tmp_path_factory.mktemp("late")) as made:
        yield made


@pytest.fixture
def scene(stage: Scene) -> Scene:
    return stage.anew()


def share(scene: Scene) -> None:
    """Léa confirms that she belongs to Ivry, too."""
    scene.directory.accounts.add(OPERATOR, Person(LEA, "Noël", "Léa"), "ivry", no_mail=True)
    scene.directory.memberships.confirm(OPERATOR, LEA, "ivry")


def promote(scene: Scene) -> None:
    scene.directory.mandates.add(OPERATOR, LEA, "paie", ("bip",))


def remove(scene: Scene, mail: str, structure: str) -> None:
    """Somebody who administers this one alone deletes the person there."""
    (gone,) = (each for each in scene.sheet(mail).memberships if each.structure == structure)
    now = scene.world.services.clock.now()
    with scene.world.services.db.unit_of_work() as session:
        theirs = update(Membership).where(Membership.public_id == gone.id)
        session.execute(theirs.values(deleted_at=now))


def move(scene: Scene, mail: str, here: str, there: str) -> None:
    """Whoever administers both moves the person, with no role."""
    moves, subject_id = Moves(scene.world.services.core), scene.people[mail]
    (one,) = (each for each in scene.sheet(mail).memberships if each.structure == here)
    plan = moves.plan(OPERATOR, subject_id, one.id)
    moves.run(OPERATOR, subject_id, one.id, Move(there, frozenset(), plan.version))


def rows(page: TestResponse) -> list[tuple[str, ...]]:
    """A field, what is recorded now, and what was typed."""
    return [
        tuple(cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"]))
        for row in page.html.select(".both tbody tr")
    ]


# --- Éditer l'utilisateur ------------------------------------------------------------------------


def test_a_lock_of_what_is_no_more_his_is_refused_and_never_called_done(stage: Scene) -> None:
    for meanwhile, why in ((share, SHARED), (promote, PRIVILEGED)):
        scene = stage.anew()
        page = scene.get(LEA, "/editer")
        alone, both = form_of(page), form_of(scene.get(LEA, "/editer"))
        (membership,) = scene.sheet(LEA).memberships
        service = f"service-{membership.id}"
        alone["verrouille"], alone["fin"] = True, "2030-12-31"
        both["nom"], both[service] = "Martin", "Paie"
        meanwhile(scene)
        refused = alone.submit(status=409)
        assert "Rien n'a été enregistré" in text_of(refused)
        assert rows(refused) == [
            ("Date de fin de validité du compte", "Non renseigné", "31/12/2030"),
            ("Verrouillage du compte", "Non", "Oui"),
        ]
        alert = " ".join(refused.html.select_one("[role=alert]").get_text(" ").split())
        assert f"Verrouillage du compte : votre saisie n'est pas reprise. {why}" in alert
        refused = both.submit(status=409)
        assert rows(refused) == [("Nom", "Noël", "Martin"), ("Service", "Non renseigné", "Paie")]
        now = scene.sheet(LEA)
        assert (now.sn, now.locked, now.valid_until) == ("Noël", False, None)
        assert now.memberships[-1].service is None
        assert "nom" not in form_of(refused).fields
        assert form_of(refused)[service].value == "Paie", "what is still his is kept"
        form_of(refused).submit(status=303)
        assert "Paie" in {each.service for each in scene.sheet(LEA).memberships}


def test_what_is_in_force_is_called_done_whoever_did_it(scene: Scene) -> None:
    form = form_of(scene.get(LEA, "/editer"))
    form["verrouille"] = True
    share(scene)
    scene.directory.accounts.lock(OPERATOR, LEA)
    assert "C'était déjà fait." in text_of(form.submit(status=303).follow())


def test_what_a_form_did_not_show_is_not_changed_by_it(scene: Scene) -> None:
    share(scene)
    scene.directory.accounts.lock(OPERATOR, LEA)
    form = form_of(scene.get(LEA, "/editer"))
    assert "nom" not in form.fields, "the account is shared"
    (paie,) = (each for each in scene.sheet(LEA).memberships if each.structure == "paie")
    form[f"service-{paie.id}"] = "Bourses"
    remove(scene, LEA, "ivry")
    refused = form.submit(status=409)
    assert rows(refused) == [("Service", "Non renseigné", "Bourses")]
    shown = form_of(refused)
    assert shown["verrouille"].checked, "now it is, as it is recorded"
    shown.submit(status=303)
    assert scene.sheet(LEA).locked
    assert scene.sheet(LEA).memberships[0].service == "Bourses"


def test_what_was_typed_of_a_membership_that_went_is_shown(scene: Scene) -> None:
    directory = scene.directory
    directory.accounts.add(OPERATOR, Person(LEA, "Noël", "Léa"), "ecoles", no_mail=True)
    directory.memberships.confirm(OPERATOR, LEA, "ecoles")
    form = form_of(scene.get(LEA, "/editer"))
    (schools,) = (each for each in scene.sheet(LEA).memberships if each.structure == "ecoles")
    form[f"service-{schools.id}"] = "Cantine"
    remove(scene, LEA, "ecoles")
    refused = form.submit(status=409)
    assert rows(refused) == [
        ("Service", "Ce rattachement n'est plus dans vos structures", "Cantine")
    ]
    form["nom"] = ""
    assert "Saisissez le nom." in text_of(form.submit(status=400)), "read as it was shown"


# --- somebody who is gone ------------------------------------------------------------------------


def test_whoever_presses_late_is_led_to_the_bin(scene: Scene) -> None:
    forms = scene.get(LEA, "/photo").forms
    photo = next(each for each in forms.values() if "photo" in each.fields)
    photo["photo"] = Upload("moi.jpg", image((300, 200), "JPEG"), "image/jpeg")
    scene.directory.bin.delete(OPERATOR, LEA)
    for end in ("/editer", "/adresse", "/structure", "/photo", PASSWORD, *ACTIONS):
        asked = scene.get(LEA, end, status=404)
        fields = {"nom": "X", "prenom": "X", "adresse": "x@y.fr"}
        sent = (
            photo.submit(status=404)
            if end == "/photo"
            else scene.post(scene.path(LEA, end), **fields)
        )
        assert sent.status_int == 404, end
        for page in (asked, sent):
            assert page.html.h1.text == "Léa NOËL est dans la corbeille", end
            assert "Ouvrir la corbeille" in links(page), end
        assert "Rien n'a été enregistré. Ce compte a été supprimé." in text_of(sent), end
        assert "Rien n'a été enregistré" not in text_of(asked), end
    late = scene.post(scene.path(LEA, "/supprimer"), desactiver="1")
    assert late.html.h1.text == "Léa NOËL est dans la corbeille"
    assert scene.mails() == []


def test_who_left_his_structures_is_in_the_bin_though_his_account_is_not(scene: Scene) -> None:
    remove(scene, BOTH, "paie")
    for end in ("", "/editer", "/structure", "/historique", *ACTIONS):
        page = scene.get(BOTH, end, status=404)
        assert page.html.h1.text == "Ali NOËL n'est plus dans vos structures", end
        assert "Ouvrir la corbeille" in links(page), end
        assert "Ivry" not in page.text


def test_who_was_moved_out_of_his_structures_is_said_to_be_elsewhere(scene: Scene) -> None:
    photo = next(each for each in scene.get(LEA, "/photo").forms.values() if "photo" in each.fields)
    photo["photo"] = Upload("moi.jpg", image((300, 200), "JPEG"), "image/jpeg")
    edited, moving = form_of(scene.get(LEA, "/editer")), form_of(scene.get(LEA, "/structure"))
    edited["nom"], moving["structure"] = "Martin", "ecoles"
    move(scene, LEA, "paie", "ivry")
    late = [photo.submit(status=404), edited.submit(status=404), moving.submit(status=404)]
    late += [scene.post(scene.path(LEA, end)) for end in ("/supprimer", PASSWORD, *ACTIONS)]
    for sent in late:
        assert sent.status_int == 404, sent.request.path
        assert sent.html.h1.text == "Léa NOËL n'est plus dans vos structures", sent.request.path
        assert "Rien n'a été enregistré. Cette personne a été déplacée" in text_of(sent)
        assert "correspondantCIG@cig929394.fr" in text_of(sent)
        assert "Ivry" not in sent.text, "where she is now is not his to know"
    assert scene.sheet(LEA).sn == "Noël"
    asked = scene.get(LEA, status=404)
    assert asked.html.h1.text == "Léa NOËL n'est plus dans vos structures"
    assert "Rien n'a été enregistré" not in text_of(asked)
    assert "fait quitter une structure à Léa NOËL" in text_of(
        scene.visitor.app.get("/aia/structures/paie/historique")
    ), "all that is told is read there"


def test_a_move_is_told_to_nobody_who_did_not_see_the_person(scene: Scene) -> None:
    """Nor for longer than the bin would tell of him."""
    bare = text_of(scene.visitor.app.get(f"{USERS}/nobody", status=404))
    scene.directory.structures.add(OPERATOR, "melun", "Melun", parent=None)
    move(scene, EVE, "ivry", "melun")
    move(scene, LEA, "paie", "ivry")
    scene.realm.clock.advance(timedelta(days=19))
    scene.become("referent")
    assert "a été déplacée" in text_of(scene.get(LEA, status=404))
    scene.realm.clock.advance(timedelta(days=1))
    scene.become("referent")
    for who in (EVE, LEA):
        told = scene.get(who, status=404)
        assert told.html.h1.text in bare, who
        assert "NOËL" not in told.text, who


def test_a_membership_that_went_says_so(scene: Scene) -> None:
    directory = scene.directory
    directory.accounts.add(OPERATOR, Person(LEA, "Noël", "Léa"), "ecoles", no_mail=True)
    directory.memberships.confirm(OPERATOR, LEA, "ecoles")
    (schools,) = (each for each in scene.sheet(LEA).memberships if each.structure == "ecoles")
    gone = scene.get(LEA, "/structure?rattachement=inconnu", status=404)
    assert gone.html.h1.text == "Ce rattachement de Léa NOËL n'est plus dans vos structures"
    assert "Correspondant" not in gone.html.main.text
    form = form_of(scene.get(LEA, f"/structure?rattachement={schools.id}"))
    remove(scene, LEA, "ecoles")
    late = form.submit(status=404)
    assert late.html.h1.text == "Un rattachement de Léa NOËL a été supprimé"
    assert "Rien n'a été enregistré. Pendant 20 jours" in text_of(late)


def test_why_it_is_not_his_to_change_is_said_on_every_page(scene: Scene) -> None:
    own = "referent@demo.example"
    for who, end, why in (
        (BOTH, "/adresse", SHARED),
        (BOTH, "/photo", SHARED),
        *((own, end, "propre compte") for end in ("/adresse", "/editer", "/structure", "/photo")),
    ):
        page = scene.get(who, end, status=404)
        assert "par vous" in page.html.h1.text, end
        assert why in text_of(page), (who, end)
        assert "correspondantCIG@cig929394.fr" in text_of(page)
    sent = scene.post(scene.path(BOTH, "/adresse"), adresse="x@y.fr", ancienne=BOTH)
    assert f"Rien n'a été enregistré. {SHARED}" in text_of(sent)


# --- twice ---------------------------------------------------------------------------------------


def test_a_second_press_mails_no_second_link(scene: Scene) -> None:
    """It would kill the link of the first, which the person may be about to open."""
    question = scene.get(LEA, PASSWORD).forms["mot-de-passe"]
    assert "Un mail est envoyé à" in text_of(question.submit(status=303).follow())
    for form in (question, question):
        assert "Ce mail vient déjà de partir à Léa NOËL" in text_of(form.submit().follow())
    edited = form_of(scene.get(LEA, "/editer"))
    edited["reinitialisation"] = True
    assert "Ce mail vient déjà de partir à Léa NOËL" in text_of(edited.submit().follow())
    edited["nom"] = "Martin"
    told = text_of(edited.submit().follow())
    assert (
        "Les informations de Léa MARTIN sont enregistrées. Un mail pour son mot de passe vient "
        "déjà de partir : aucun second n'est envoyé." in told
    )
    assert scene.sheet(LEA).sn == "Martin", "that a mail left undoes nothing"
    assert "C'était déjà fait." in text_of(edited.submit(status=303).follow())
    assert scene.mails() == [("password-first-visit", LEA)]
    assert len(scene.events("account.reset-asked")) == 1
    scene.realm.clock.advance(timedelta(minutes=2))
    question.submit(status=303)
    assert len(scene.mails()) == 2


def test_a_link_that_arrives_nowhere_or_that_she_asked_for_stops_no_reset(scene: Scene) -> None:
    question = scene.get(LEA, PASSWORD).forms["mot-de-passe"]
    scene.directory.password_mails.send(OPERATOR, LEA)
    question.submit(status=303)
    assert len(scene.events("account.reset-asked")) == 1, "her own link ended no session"
    with scene.world.services.db.writing() as connection:
        connection.execute(update(OUTBOX).values(state=MailState.DEAD))
    question.submit(status=303)
    assert len(scene.mails()) == 3


def test_the_link_of_a_change_that_was_undone_refuses_nothing(scene: Scene) -> None:
    wrong = "lea.noel@demo.example"
    for new in (wrong, LEA):
        form = form_of(scene.get(LEA, "/adresse"))
        form["adresse"] = new
        form.submit(status=303)
    with scene.world.services.db.reading() as session:
        notices = select(OutboxMail.text).where(OutboxMail.kind == "address-changed")
        text = session.scalars(notices.order_by(OutboxMail.id)).first()
    found = re.search(r"/adresse-remplacee/\S+", text or "")
    assert found is not None
    told = scene.visitor.app.get(found[0], status=410)
    assert told.html.h1.text == "Ce changement a déjà été annulé"
    assert f"l'adresse de votre compte est de nouveau {LEA}" in text_of(told)
    assert "Refuser et verrouiller" not in told.text
    assert scene.post(found[0]).status_int == 410
    assert not scene.sheet(LEA).locked
    assert scene.events("account.address-refused") == []
