"""Profile, photo, accesses, sessions and data, from the street: own and foreign, honest and not.

On the SQL directory: what a person changes of his own is the directory's.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, func, select, update
from webtest import TestApp, TestResponse

from directory.authorisation import OPERATOR
from directory.services import DirectoryServices, build
from directory.services.accounts.changes import Person
from directory.services.rights.assignments import Grant
from idp.audit import AuditEvent
from idp.context import Origin, acting
from idp.mail import OutboxMail
from idp.multipart import MAX_UPLOAD
from idp.services import Services
from idp.sessions.tables import NameIdRow
from idp.settings import Settings
from idp.types import NameIDFormat, Structures
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.clock import FakeClock
from tests.common.fake_sp import FakeSP
from tests.common.photos import bomb, halves, image, opened
from tests.functional.conftest import PASSWORD, Visitor, text_of

LEA, ALI, REFERENT, ELSEWHERE = "lea", "ali", "referent", "elsewhere"


@pytest.fixture
def directory_plugin() -> str:
    return "directory.plugin.build"


@dataclass
class Town:
    """Two collectivités; Léa works in both of them, Ali in the first, and each has a référent."""

    services: Services
    directory: DirectoryServices
    sps: dict[str, FakeSP]
    people: dict[str, str]

    def events(self, of: str) -> list[str]:
        with self.services.db.reading() as session:
            statement = select(AuditEvent.code).where(AuditEvent.subject_id == self.people[of])
            return list(session.scalars(statement.order_by(AuditEvent.id)))


@pytest.fixture
def town(services: Services) -> Town:
    directory = build(services.core)
    made = Town(services, directory, {}, {})
    for code, parent in (("cig", None), ("vitry", "cig"), ("ivry", "cig")):
        directory.structures.add(OPERATOR, code, code.capitalize(), parent=parent)
    for code, choice in (
        ("bip", Choice(name_id_format=NameIDFormat.PERSISTENT, structures=Structures.PARALLEL)),
        ("net-cap", Choice(structures=Structures.ASK)),
    ):
        directory.applications.add(OPERATOR, code, code.upper())
        directory.applications.add_role(OPERATOR, code, "gest", "Gestionnaire")
        made.sps[code] = FakeSP(code, idp_sso="http://localhost:6543/saml/sso")
        Registry(services.core).add(made.sps[code].metadata(), choice, application=code)
        services.directory.attach(made.sps[code].entity_id, code)
    for name, given, sn, *where in (
        (LEA, "Léa", "Noël", "vitry", "ivry"),
        (ALI, "Ali", "Ben", "vitry"),
        (REFERENT, "Rémi", "Fort", "vitry"),
        (ELSEWHERE, "Ève", "Loin", "ivry"),
    ):
        mail = f"{name}@demo.example"
        for place in where:
            added = directory.accounts.add(OPERATOR, Person(mail, sn, given), place, no_mail=True)
        made.people[name] = added.subject_id
        directory.accounts.set_password(OPERATOR, mail, PASSWORD)
    directory.mandates.add(OPERATOR, "referent@demo.example", "vitry", ("bip", "net-cap"))
    directory.mandates.add(OPERATOR, "elsewhere@demo.example", "ivry", ("bip",))
    with acting(Origin(actor=made.people[REFERENT])):
        for place in ("vitry", "ivry"):
            for code in made.sps:
                directory.assignments.assign(
                    OPERATOR, Grant("lea@demo.example", place, code, "gest")
                )
    return made


@pytest.fixture
def visitors(settings: Settings, app: TestApp, town: Town) -> Callable[[str], Visitor]:
    """Opens a browser of its own in which this person is signed in."""
    del settings, town

    def open_browser(name: str, user_agent: str = "") -> Visitor:
        environ = app.extra_environ | {"HTTP_USER_AGENT": user_agent}
        visitor = Visitor(TestApp(app.app, extra_environ=environ))
        visitor.sign_in(name)
        return visitor

    return open_browser


@pytest.fixture
def lea(visitors: Callable[[str], Visitor]) -> Visitor:
    return visitors(LEA)


def send(
    visitor: Visitor, upload: bytes | None, name: str = "p.jpg", **fields: str
) -> TestResponse:
    """Post the photo's form as a browser would."""
    token = {"csrf_token": visitor.app.cookies["convergences-csrf"]}
    files = [("photo", "", b"")] if upload is None else [("photo", name, upload)]
    return visitor.app.post("/profil/photo", token | fields, upload_files=files, status="*")


def keep(visitor: Visitor, upload: bytes) -> str:
    """Keep a photo; returns the address under which the header shows it."""
    answer = send(visitor, upload, x="0", y="0", side="200")
    assert answer.status_int == 303, answer.text
    return shown(visitor.follow(answer))


def shown(page: TestResponse) -> str:
    """The address of the header's picture; empty: the initials."""
    picture = page.html.select_one(".menu-toggle img.avatar")
    return "" if picture is None else str(picture["src"])


# --- the photo ---------------------------------------------------------------------------------


def test_the_header_shows_the_photo_at_once(lea: Visitor, town: Town) -> None:
    page = lea.app.get("/profil/photo")
    assert "Ajouter une photo" in text_of(page)
    assert shown(page) == ""
    assert page.html.select_one(".menu-toggle .avatar").text == "LN"
    first = keep(lea, image())
    assert "Modifier la photo" in text_of(lea.app.get("/profil/photo"))
    second = keep(lea, halves((400, 300)))
    assert first != second
    assert opened(lea.app.get(second).body).size == (200, 200)
    lea.app.get(first, status=404)
    assert town.events(LEA)[-2:] == ["account.photo-added", "account.photo-changed"]


def test_without_javascript_it_is_shown_before_it_is_kept(lea: Visitor) -> None:
    preview = send(lea, halves((800, 400)))
    assert preview.status_int == 200
    picture = preview.html.select_one("main img")["src"]
    assert picture.startswith("data:image/webp;base64,")
    assert shown(lea.app.get("/profil")) == "", "not kept yet"
    form = next(one for one in preview.forms.values() if "image" in one.fields)
    page = lea.follow(form.submit())
    assert "Votre photo est enregistrée." in text_of(page)
    assert opened(lea.app.get(shown(page)).body).size == (256, 256)


def test_a_removal_asks_first(lea: Visitor, town: Town) -> None:
    assert lea.app.get("/profil/photo/supprimer", status=303).location.endswith("/profil/photo")
    keep(lea, image())
    page = lea.app.get("/profil/photo").click("Supprimer la photo")
    assert shown(page), "still there"
    form = next(one for one in page.forms.values() if one.action == "/profil/photo/supprimer")
    page = lea.follow(form.submit())
    assert shown(page) == ""
    assert "Votre photo est supprimée." in text_of(page)
    assert town.events(LEA)[-1] == "account.photo-removed"


def test_how_a_photo_is_served(lea: Visitor) -> None:
    address = keep(lea, image())
    answer = lea.app.get(address)
    assert answer.content_type == "image/webp"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    again = lea.app.get(address, headers={"If-None-Match": answer.headers["ETag"]}, status=304)
    assert again.body == b""
    assert again.headers["ETag"] == answer.headers["ETag"]
    lea.app.get(address, headers={"If-None-Match": '"other"'}, status=200)
    token = {"csrf_token": lea.app.cookies["convergences-csrf"]}
    lea.app.post("/deconnexion", token, status=303)
    lea.app.get(address, headers={"If-None-Match": answer.headers["ETag"]}, status=303)


def test_only_the_person_and_his_referents_see_it(
    lea: Visitor, visitors: Callable[[str], Visitor], app: TestApp
) -> None:
    address = keep(lea, image())
    assert visitors(REFERENT).app.get(address).content_type == "image/webp"
    elsewhere = visitors(ELSEWHERE).app.get(address)
    assert elsewhere.content_type == "image/webp", "a référent of her other structure"
    refused = visitors(ALI).app.get(address, status=404)
    absent = lea.app.get("/photos/" + "0" * 40, status=404)
    assert refused.html.h1.text == absent.html.h1.text, "as if it did not exist"
    assert (
        TestApp(app.app)
        .get(address, status=303)
        .location.startswith("http://localhost:6543/connexion")
    )


def test_nobody_changes_another_persons_photo(
    lea: Visitor, visitors: Callable[[str], Visitor], town: Town
) -> None:
    address = keep(lea, image())
    ali = visitors(ALI)
    hers = {"subject_id": town.people[LEA], "account": "lea@demo.example", "id": "1"}
    answer = send(ali, halves((300, 300)), x="0", y="0", side="300", **hers)
    assert answer.status_int == 303
    assert shown(lea.app.get("/profil")) == address
    token = {"csrf_token": ali.app.cookies["convergences-csrf"]}
    ali.app.post("/profil/photo/supprimer", token | hers, status=303)
    assert lea.app.get(address).status_int == 200


HOSTILE: dict[str, tuple[bytes | None, dict[str, str], str]] = {
    "no file": (None, {}, "Choisissez une photo."),
    "an empty file": (b"", {}, "Choisissez une photo."),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', {}, "JPEG, PNG"),
    "html called jpeg": (b"<script>alert(1)</script>", {}, "JPEG, PNG"),
    "truncated": (image()[:-300], {}, "JPEG, PNG"),
    "a bomb": (bomb(), {}, "20 millions"),
    "too heavy": (b"\xff\xd8" + b"x" * (2 * 1024 * 1024), {}, "2 Mo"),
    "a square outside": (image(), {"x": "300", "y": "0", "side": "200"}, "cadre"),
    "a square below zero": (image(), {"x": "-1", "y": "0", "side": "200"}, "cadre"),
    "a square of words": (image(), {"x": "a", "y": "b", "side": "c"}, "cadre"),
    "half a square": (image(), {"x": "1"}, "cadre"),
    "a square of many digits": (image(), {"x": "9" * 4000, "y": "0", "side": "9"}, "cadre"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_photo_is_refused_in_words(name: str, lea: Visitor) -> None:
    upload, fields, words = HOSTILE[name]
    answer = send(lea, upload, "../../etc/p.jpg", **fields)
    assert answer.status_int == 400
    assert words in answer.html.select_one("#erreurs").text
    assert answer.html.select_one("#photo")["aria-invalid"] == "true"
    assert shown(lea.app.get("/profil")) == ""


def test_a_polyglot_is_kept_as_a_picture_alone(lea: Visitor) -> None:
    address = keep(lea, image() + b"<?php echo 1; ?><script>alert(1)</script>")
    body = lea.app.get(address).body
    assert b"script" not in body
    assert opened(body).format == "WEBP"


def test_two_files_or_two_fields_of_one_name_are_refused_at_the_door(lea: Visitor) -> None:
    token = {"csrf_token": lea.app.cookies["convergences-csrf"]}
    two = [("photo", "a.jpg", image()), ("photo", "b.jpg", image())]
    lea.app.post("/profil/photo", token, upload_files=two, status=400)
    two = [("photo", "a.jpg", image()), ("autre", "b.jpg", image())]
    lea.app.post("/profil/photo", token, upload_files=two, status=400)


def test_a_body_that_is_too_large_is_not_read(lea: Visitor) -> None:
    answer = send(lea, b"x" * MAX_UPLOAD, x="0", y="0", side="100")
    assert answer.status_int == 303
    form = lea.follow(answer)
    assert "2 Mo" in form.html.select_one("#erreurs").text
    assert form.html.select_one("#photo")["aria-invalid"] == "true"
    assert shown(form) == "", "nothing is kept"


def test_the_token_is_asked_before_the_person_and_the_file(lea: Visitor) -> None:
    answer = lea.app.post(
        "/profil/photo",
        {"csrf_token": "x", "x": "0", "y": "0", "side": "200"},
        upload_files=[("photo", "a.jpg", image())],
        status=400,
    )
    assert "Ce formulaire n'est plus valable" in answer.html.h1.text
    assert shown(lea.app.get("/profil")) == ""


def test_a_photo_in_a_form_of_another_kind_is_refused(lea: Visitor) -> None:
    token = {"csrf_token": lea.app.cookies["convergences-csrf"]}
    lea.app.post("/profil/photo", token | {"photo": "x", "x": "0"}, status=400)
    for path in ("/profil/photo/enregistrer", "/profil/photo/supprimer", "/profil/mot-de-passe"):
        lea.app.post(path, token, upload_files=[("photo", "a.jpg", image())], status=400)


@pytest.mark.parametrize("kept", ["", "not base64", b64encode(b"<svg/>").decode(), "é"])
def test_what_comes_back_from_the_preview_is_a_file_like_any(kept: str, lea: Visitor) -> None:
    token = {"csrf_token": lea.app.cookies["convergences-csrf"]}
    answer = lea.app.post("/profil/photo/enregistrer", token | {"image": kept}, status=400)
    assert answer.html.select_one("#erreurs")
    assert shown(lea.app.get("/profil")) == ""


# --- what an application receives --------------------------------------------------------------


def test_each_access_says_who_gave_it(lea: Visitor) -> None:
    text = text_of(lea.app.get("/profil/acces"))
    assert text.count("Rémi FORT") == 4
    assert "Cig / Vitry" in text


def test_the_last_day_of_an_access_is_the_one_that_was_given(lea: Visitor, town: Town) -> None:
    """Its end is midnight in Paris; in the tables, and in UTC, that is another day."""
    after_the_last = datetime(2027, 1, 1, tzinfo=ZoneInfo("Europe/Paris"))
    grant = Grant("lea@demo.example", "vitry", "bip", "gest")
    town.directory.assignments.assign(OPERATOR, grant, valid_until=after_the_last)
    (told,) = {
        each.text.strip()
        for each in lea.app.get("/profil/acces").html.select('td[data-label="Jusqu\'au"]')
    } - {"sans date de fin"}
    assert told == "31/12/2026"


def test_what_an_application_receives_is_what_sign_on_sends(
    lea: Visitor, town: Town, clock: FakeClock
) -> None:
    sp = town.sps["bip"]
    before = lea.app.get("/profil/acces").click(href="/profil/acces/bip")
    assert "créé à votre première ouverture" in text_of(before)
    with town.services.db.reading() as session:
        assert session.scalars(select(NameIdRow)).all() == [], "looking makes none"
    request_id, page = lea.open(sp, now=clock.now())
    received = sp.consume(
        page.text,
        idp_certificate=town.services.signer.certificates()[0],
        idp_entity_id=town.services.settings.entity_id,
        now=clock.now(),
        request_id=request_id,
    )
    after = lea.app.get("/profil/acces/bip")
    lines = {}
    for line in after.html.select(".sent > div"):
        name = line.select_one(".technical code").text
        lines[name] = [value.text for value in line.select(".sent-value")]
    lines.pop("NameID")
    assert lines == received.attributes
    assert received.name_id in text_of(after)


def test_where_the_structure_is_asked_each_is_shown_apart(lea: Visitor) -> None:
    page = lea.app.get("/profil/acces/net-cap")
    assert [each.text for each in page.html.select(".own-part section h2")] == [
        "Cig / Ivry",
        "Cig / Vitry",
    ]
    assert "différent à chaque ouverture" in text_of(page)


def test_nobody_looks_at_an_application_that_is_not_open_to_him(
    visitors: Callable[[str], Visitor],
) -> None:
    ali = visitors(ALI)
    for code in ("bip", "inconnue", "%F0%9F%98%80", "x" * 500):
        ali.app.get(f"/profil/acces/{code}", status=404)


def test_a_closed_or_suspended_application_receives_nothing(lea: Visitor, town: Town) -> None:
    Registry(town.services.core).disable(town.sps["bip"].entity_id)
    town.services.service_providers._snapshot.forget()  # type: ignore[attr-defined]
    assert "elle ne reçoit rien" in text_of(lea.app.get("/profil/acces/bip"))


# --- sessions ----------------------------------------------------------------------------------

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_a_session_is_closed_from_another_browser(
    lea: Visitor, visitors: Callable[..., Visitor], town: Town, clock: FakeClock
) -> None:
    other = visitors(LEA, FIREFOX)
    other.open(town.sps["bip"], now=clock.now())
    page = lea.app.get("/profil/sessions")
    assert "Firefox sur Windows" in text_of(page)
    assert "Ce navigateur" in page.html.select_one(".sessions li").text
    form = next(one for one in page.forms.values() if one.action == "/profil/sessions/fermer")
    page = lea.follow(form.submit("session"))
    assert "La session est fermée." in text_of(page)
    assert "Firefox" not in text_of(page)
    assert other.app.get("/profil", status=303).location.startswith(
        "http://localhost:6543/connexion"
    )
    lea.app.get("/profil", status=200)
    assert town.events(LEA)[-1] == "session.ended"


def test_all_the_others_are_closed(lea: Visitor, visitors: Callable[..., Visitor]) -> None:
    others = [visitors(LEA, FIREFOX) for _ in range(2)]
    stranger = visitors(ALI)
    page = lea.app.get("/profil/sessions")
    form = next(
        one for one in page.forms.values() if one.action == "/profil/sessions/fermer-les-autres"
    )
    page = lea.follow(form.submit())
    assert len(page.html.select(".sessions li")) == 1
    assert "Fermer toutes les autres" not in text_of(page)
    for other in others:
        other.app.get("/profil", status=303)
    stranger.app.get("/profil", status=200)


def test_a_foreign_session_cannot_be_closed(
    lea: Visitor, visitors: Callable[..., Visitor], town: Town
) -> None:
    ali = visitors(ALI)
    (his,) = town.services.sessions.of_subject(town.people[ALI])
    (own,) = town.services.sessions.of_subject(town.people[LEA])
    token = {"csrf_token": lea.app.cookies["convergences-csrf"]}
    for public in (his.public_id, own.public_id, "", "é" * 300):
        lea.app.post("/profil/sessions/fermer", token | {"session": public}, status=404)
    ali.app.get("/profil", status=200)
    lea.app.get("/profil", status=200)


# --- the password ------------------------------------------------------------------------------


def change(visitor: Visitor, old: str, new: str, again: str | None = None) -> TestResponse:
    form = visitor.app.get("/profil/mot-de-passe").forms["formulaire"]
    form["old"], form["new"], form["confirm"] = old, new, new if again is None else again
    return form.submit(expect_errors=True)


def test_a_password_is_changed_and_the_other_sessions_end(
    lea: Visitor, visitors: Callable[..., Visitor], town: Town, clock: FakeClock
) -> None:
    other = visitors(LEA)
    clock.advance(timedelta(minutes=1))
    clock.run()
    before = lea.app.cookies["convergences"]
    page = lea.follow(change(lea, PASSWORD, "les tilleuls de la cour 73"))
    assert "Votre mot de passe est modifié." in text_of(page)
    assert lea.app.cookies["convergences"] != before
    lea.app.get("/profil", status=200)
    other.app.get("/profil", status=303)
    assert "account.password-set" in town.events(LEA)


@pytest.mark.parametrize(
    ("old", "new", "again", "field"),
    [
        ("faux", "les tilleuls de la cour 73", None, "old"),
        (PASSWORD, "court", None, "new"),
        (PASSWORD, PASSWORD, None, "new"),
        (PASSWORD, "les tilleuls de la cour 73", "autre chose", "confirm"),
        ("", "les tilleuls de la cour 73", None, "old"),
    ],
)
def test_a_wrong_change_says_what_is_wrong(
    lea: Visitor, old: str, new: str, again: str | None, field: str
) -> None:
    answer = change(lea, old, new, again)
    assert answer.status_int == 400
    wrong = [each["name"] for each in answer.html.select("[aria-invalid=true]")]
    assert wrong == [field]
    for typed in answer.html.select("input[type=password]"):
        assert not typed.get("value")
    lea.app.get("/profil", status=200)


# --- my data -----------------------------------------------------------------------------------


def test_the_file_holds_what_is_known_of_the_person(lea: Visitor, town: Town) -> None:
    keep(lea, image())
    assert lea.app.get("/profil/donnees").html.select_one("a[download]")
    answer = lea.app.get("/profil/donnees/fichier")
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith('attachment; filename="mes-donnees-')
    held = json.loads(answer.body)
    assert held["compte"]["nom"] == "Noël"
    assert len(held["habilitations"]) == 4
    assert held["photo"]["format"] == "image/webp"
    assert held["sessions"][0]["terminée le"] is None
    assert held["journal"][0]["événement"] == "Copie de vos données téléchargée"
    assert held["journal"][0]["par"] == "vous"
    assert {"Connexion", "Photo ajoutée", "Rôle donné"} <= {
        each["événement"] for each in held["journal"]
    }
    for secret in (PASSWORD, "$2b$", lea.app.cookies["convergences"]):
        assert secret not in answer.text
    assert "Rémi" not in json.dumps(held["journal"]), "others have a right to their names"
    assert town.events(LEA)[-1] == "account.data-exported"


def test_the_mails_of_the_file_are_the_persons_and_bounded(
    lea: Visitor, services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mails(marker: str) -> tuple[list[str], object]:
        held = json.loads(lea.app.get("/profil/donnees/fichier").body)
        return [each["objet"] for each in held["mails"]], held["à propos"][marker]

    about = {"given_name": "Léa", "sn": "Noël", "mail": LEA}
    for _ in range(3):
        services.core.mailer.send("lea@demo.example", "password-changed", about)
    with services.db.unit_of_work() as session:
        oldest = select(func.min(OutboxMail.id)).where(OutboxMail.kind == "password-changed")
        session.execute(
            update(OutboxMail)
            .where(OutboxMail.id == oldest.scalar_subquery())
            .values(created_at=clock.now() - timedelta(days=20), subject="D'une autre")
        )
    found, cut = mails("mails incomplets")
    assert "D'une autre" not in found, "of whoever had the address before her account was made"
    assert len(found) >= 2
    assert cut is None
    monkeypatch.setattr("views.profile.data.MOST_MAILS", 1)
    found, cut = mails("mails incomplets")
    assert len(found) == 1
    assert "1 éléments les plus récents" in str(cut)
    monkeypatch.setattr("views.profile.data.MOST_SESSIONS", 1)
    assert mails("sessions incomplètes")[1] is not None


def test_the_file_holds_nobody_else(lea: Visitor, visitors: Callable[..., Visitor]) -> None:
    keep(visitors(ALI), image())
    text = lea.app.get("/profil/donnees/fichier").text
    for foreign in ("ali@demo.example", "Ben", "elsewhere@"):
        assert foreign not in text


# --- what the pages cost -----------------------------------------------------------------------


@pytest.fixture
def counted(services: Services) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(*args: object) -> None:
        seen.append(str(args[2]))

    event.listen(services.db.engine, "before_cursor_execute", note)
    yield seen
    event.remove(services.db.engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/profil", 6),
        ("/profil/photo", 3),
        ("/profil/acces", 4),
        ("/profil/acces/bip", 7),
        ("/profil/mot-de-passe", 6),
        ("/profil/sessions", 4),
        ("/profil/donnees", 3),
        ("/profil/donnees/fichier", 22),
    ],
)
def test_the_statements_of_each_page_are_bounded(
    lea: Visitor, counted: list[str], path: str, most: int
) -> None:
    lea.app.get(path)
    counted.clear()
    lea.app.get(path)
    assert len(counted) <= most, "\n".join(counted)
