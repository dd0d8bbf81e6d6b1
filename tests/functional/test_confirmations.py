"""*Une autre structure vous a ajouté*, from the référent who adds to the tile that opens."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from webtest import TestApp, TestResponse

from directory import actors
from directory.authorisation import OPERATOR
from directory.models import Account, Membership, Structure
from directory.services.accounts.changes import Person
from directory.services.accounts.creation import Creation
from directory.services.memberships.changes import MembershipFields
from directory.services.memberships.confirmations import Confirmations
from directory.services.memberships.move import Move, Moves
from directory.services.rights.administered import RoleRef
from idp.audit import AuditEvent
from idp.context import Origin, acting
from idp.mail import OutboxMail
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.databases import Databases
from tests.common.fake_sp import FakeSP
from tests.functional.aia_realm import Realm, post, realm_on
from tests.functional.conftest import IDP, PASSWORD, SSO, Visitor, text_of, tile_of

pytestmark = pytest.mark.sqlite_only

LEA, MAX, FIRST, SECOND = (f"{name}@demo.example" for name in ("lea", "max", "premier", "second"))
BASE = "http://localhost:6543"
PAGE, REFUSE = "/rattachements", "/rattachements/refuser"
NEW = "/aia/utilisateurs/nouveau"


class Towns:
    """Ville A with Léa and Max; Ville B, whose référent gives BIP, with a service provider."""

    def __init__(self, realm: Realm) -> None:
        self.realm, directory = realm, realm.directory
        self.services, core = realm.services, realm.services.core
        directory.structures.add(OPERATOR, "cig", "CIG")
        self.sp = FakeSP("bip", idp_sso=SSO)
        for code in ("a", "b", "c"):
            directory.structures.add(OPERATOR, code, f"Ville {code.upper()}", parent="cig")
        for code, label in (("bip", "BIP"), ("cap", "Net-CAP")):
            directory.applications.add(OPERATOR, code, label)
            directory.applications.add_role(OPERATOR, code, "lire", f"Lecteur {label}")
        Registry(core).add(self.sp.metadata(), Choice(), application="bip")
        self.services.directory.attach(self.sp.entity_id, "bip")
        people = ((LEA, "Noël", "Léa", "a"), (MAX, "Petit", "Max", "a"))
        heads = ((FIRST, "Un", "Anne", "a"), (SECOND, "Deux", "Rémi", "b"))
        for mail, sn, given_name, structure in (*people, *heads):
            directory.accounts.add(OPERATOR, Person(mail, sn, given_name), structure, no_mail=True)
        for mail, structure in ((FIRST, "a"), (SECOND, "b")):
            directory.mandates.add(OPERATOR, mail, structure, ("bip", "cap"))
        realm.give_password(LEA, MAX, FIRST, SECOND)
        realm.keep("start")
        self.add(LEA)
        realm.keep("added")

    def subject(self, mail: str) -> str:
        with self.services.db.reading() as session:
            return session.scalars(select(Account.subject_id).where(Account.mail == mail)).one()

    def add(self, mail: str) -> None:
        """B's référent adds somebody who is known, as a clerk of its payroll, with BIP."""
        subject_id = self.subject(SECOND)
        actor = actors.load(self.services.core, subject_id)
        assert actor is not None
        fields = MembershipFields(function="Chargée de paie")
        with acting(Origin(actor=subject_id)):
            Creation(self.services.core).add(
                actor, Person(mail, "", "", fields), "b", [RoleRef("bip", "lire")], known=True
            )

    def membership(self, mail: str, structure: str = "b") -> str:
        with self.services.db.reading() as session:
            return session.scalars(
                select(Membership.public_id)
                .join(Membership.account)
                .join(Membership.structure)
                .where(Account.mail == mail, Structure.code == structure)
            ).one()

    def state(self, mail: str) -> tuple[bool, bool]:
        """Whether the membership of B is confirmed, and whether it is in the bin."""
        with self.services.db.reading() as session:
            found = session.execute(
                select(Membership.confirmed_at, Membership.deleted_at).where(
                    Membership.public_id == self.membership(mail)
                )
            ).one()
        return found.confirmed_at is not None, found.deleted_at is not None

    def signs_in(
        self, mail: str, page: TestResponse | None = None, browser: TestApp | None = None
    ) -> tuple[TestApp, TestResponse]:
        """His browser, and where signing in leads."""
        browser = browser or self.realm.stranger()
        shown = page or browser.get("/connexion")
        form = next(one for one in shown.forms.values() if "password" in one.fields)
        form["login"], form["password"] = mail, PASSWORD
        return browser, form.submit(status=303)

    def events(self) -> list[tuple[str, str | None, str | None]]:
        """What happened to memberships: code, who did it, in which structure."""
        with self.services.db.reading() as session:
            rows = session.execute(
                select(AuditEvent.code, AuditEvent.actor, AuditEvent.structure)
                .where(AuditEvent.code.startswith("membership."))
                .order_by(AuditEvent.id)
            )
            return [(row.code, row.actor, row.structure) for row in rows]


@pytest.fixture(scope="module")
def made(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Towns]:
    """Made once: what a test changed is put back."""
    with realm_on(databases, tmp_path_factory.mktemp("confirmations")) as realm:
        yield Towns(realm)


@pytest.fixture
def towns(made: Towns) -> Towns:
    made.realm.put_back("added")
    return made


def path_of(answer: TestResponse) -> str:
    return str(answer.location).removeprefix(BASE)


def confirm(page: TestResponse) -> TestResponse:
    """*Confirmer*, and the page that follows."""
    form = next(one for one in page.forms.values() if "rattachement" in one.fields)
    return form.submit("rattachement", status=303).follow(status=200)


def link(page: TestResponse, words: str) -> str:
    """Where the link of these words leads."""
    found = next(a for a in page.html.select("main a") if a.text.strip().startswith(words))
    return str(found["href"])


def the_wizard(browser: TestApp) -> None:
    """*Créer un utilisateur* with Léa's address: her account exists in another town."""

    def form(page: TestResponse, field: str) -> object:
        return next(one for one in page.forms.values() if field in one.fields)

    first = form(browser.get(NEW), "adresse")
    first["adresse"] = LEA  # type: ignore[index]
    told = first.submit(status=303).follow()  # type: ignore[attr-defined]
    assert "existe déjà dans la structure Ville A : CIG / Ville A" in text_of(told)
    person = told.forms["suite"].submit(status=303).follow().forms["formulaire"]
    person["structure"], person["fonction"] = "b", "Chargée de paie"
    roles = person.submit(status=303).follow().forms["formulaire"]
    for box in roles.fields["role-bip"]:
        box.checked = True
    recap = roles.submit(status=303).follow()
    done = recap.forms["creer"].submit(status=303).follow()
    assert "quand cette personne les aura confirmés" in text_of(done)


def test_from_the_wizard_to_an_open_tile(made: Towns) -> None:
    made.realm.put_back("start")
    the_wizard(made.realm.browser(SECOND))
    lea, answer = made.signs_in(LEA)
    assert path_of(answer) == PAGE, "once she has signed in she is asked"
    page = answer.follow(status=200)
    assert page.html.h1.text == "Une autre structure vous a ajouté"
    for said in ("CIG / Ville B", "Rémi DEUX, le 20/11/2026", "Chargée de paie", "Lecteur BIP"):
        assert said in text_of(page), said
    with pytest.raises(KeyError):
        tile_of(lea.get("/"), "BIP")
    done = confirm(page)
    assert "« Ville B » est confirmé. Vous pouvez y travailler avec BIP." in text_of(done)
    portal = lea.get(path_of_href(done), status=200)
    assert "autre structure" not in text_of(portal)
    tile = tile_of(portal, "BIP")
    assert tile is not None
    opened = Visitor(lea).follow(lea.get(tile))
    received = consume(made, opened, None)
    assert received.attributes["role"] == ["lire"]
    subject_id = made.subject(LEA)
    assert made.events()[-1] == ("membership.confirmed", subject_id, "b")
    history = made.realm.browser(SECOND).get("/aia/structures/b/historique")
    assert "Léa NOËL a confirmé son rattachement à une structure" in text_of(history)


def path_of_href(page: TestResponse) -> str:
    return link(page, "Aller aux applications").removeprefix(BASE)


def consume(towns: Towns, page: TestResponse, request_id: str | None) -> object:
    """What BIP makes of the hand-over page."""
    return towns.sp.consume(
        page.text,
        idp_certificate=towns.services.signer.certificates()[0],
        idp_entity_id=IDP,
        now=towns.services.clock.now(),
        request_id=request_id,
        response_signed=False,
    )


def test_on_the_way_to_an_application_the_sign_on_waits(towns: Towns) -> None:
    for answered in ("confirmer", "plus tard"):
        towns.realm.put_back("added")
        lea = towns.realm.stranger()
        request = towns.sp.authn_request(now=towns.services.clock.now())
        query = towns.sp.redirect_query(request, "retour")
        asked = Visitor(lea).follow(lea.get(f"/saml/sso?{query}"))
        _, answer = towns.signs_in(LEA, asked, lea)
        assert re.fullmatch(rf"{PAGE}\?flow=[\w-]+", path_of(answer))
        page = answer.follow(status=200)
        if answered == "confirmer":
            done = confirm(page)
            assert "est confirmé" in text_of(done)
            opened = lea.get(link(done, "Continuer vers BIP").removeprefix(BASE), status=200)
            consume(towns, opened, request.get("ID"))
        else:
            later = lea.get(link(page, "Plus tard"), status=303)
            assert path_of(later).startswith("/saml/sso/suite?flow=")
            refused = later.follow(status="*")
            assert "BIP" in text_of(refused)
            assert towns.state(LEA) == (False, False)
            assert "Ce rattachement attend votre réponse" in text_of(lea.get("/"))


def test_the_password_asked_again_asks_nothing_else(towns: Towns) -> None:
    lea, answer = towns.signs_in(LEA)
    assert path_of(answer) == PAGE
    towns.services.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    request = towns.sp.authn_request(now=towns.services.clock.now(), ForceAuthn="true")
    asked = Visitor(lea).follow(lea.get(f"/saml/sso?{towns.sp.redirect_query(request)}"))
    _, answer = towns.signs_in(LEA, asked, lea)
    assert path_of(answer).startswith("/saml/sso/suite?flow="), "once for a session"


def test_nobody_else_is_asked_and_a_sign_on_never_looks(
    towns: Towns, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, answer = towns.signs_in(MAX)
    assert path_of(answer) == "/"
    assert PAGE not in answer.follow().text
    assert "Aucun rattachement n'attend votre réponse" in text_of(browser.get(PAGE))
    lea, _ = towns.signs_in(LEA)
    confirm(lea.get(PAGE))

    def never(*args: object) -> None:
        raise AssertionError(args)

    monkeypatch.setattr(Confirmations, "waiting", never)
    opened = lea.get(f"/saml/sso/init?sp={towns.sp.entity_id}", status=200)
    assert "SAMLResponse" in opened.text


def test_refusing_asks_ends_it_and_tells_the_referent(towns: Towns) -> None:
    lea, answer = towns.signs_in(LEA)
    question = lea.get(link(answer.follow(), "Refuser"), status=200)
    assert "CIG / Ville B" in text_of(question)
    assert "Son référent administrateur en est prévenu par mail" in text_of(question)
    assert link(question, "Annuler") == PAGE
    assert towns.state(LEA) == (False, False), "a question changes nothing"
    form = next(one for one in question.forms.values() if "rattachement" in one.fields)
    done = form.submit("rattachement", status=303).follow(status=200)
    assert "« Ville B » est refusé" in text_of(done)
    assert towns.state(LEA) == (False, True)
    assert towns.events()[-1] == ("membership.refused", towns.subject(LEA), "b")
    with towns.services.db.reading() as session:
        last = session.scalars(select(OutboxMail).order_by(OutboxMail.id.desc())).first()
    assert last is not None
    assert (last.kind, last.recipient) == ("membership-refused", SECOND)
    second = towns.realm.browser(SECOND)
    told = text_of(second.get("/aia/structures/b/historique"))
    assert "Léa NOËL a refusé son rattachement à une structure" in told
    removed = text_of(second.get("/aia/utilisateurs/corbeille"))
    assert LEA in removed
    assert "CIG / Ville B (refusé par cette personne)" in removed
    asked = second.get("/aia/utilisateurs/nouveau").forms["formulaire"]
    asked["adresse"] = LEA
    offered = text_of(asked.submit(status=303).follow(status=200))
    assert f"Le rattachement de {LEA} à la structure CIG / Ville B a été refusé par" in offered
    assert "Si vous le rétablissez, la question lui sera posée de nouveau." in offered
    assert "refusé" not in text_of(towns.realm.browser(FIRST).get("/aia/structures/a/historique"))
    again = form.submit("rattachement", status=303).follow(status=200)
    assert "n'attend plus votre réponse" in text_of(again)


def test_what_is_posted_twice_too_late_or_is_anothers_changes_nothing(towns: Towns) -> None:
    realm = towns.realm
    towns.add(MAX)
    foreign = towns.membership(MAX)
    realm.keep("two")
    gone = "Ce rattachement n'attend plus votre réponse"
    for path in (PAGE, REFUSE):
        lea, _ = towns.signs_in(LEA)
        own = towns.membership(LEA)
        before = realm.rows()
        for wrong in (foreign, "", "x" * 5000, towns.membership(LEA, "a")):
            answer = post(lea, path, [("rattachement", wrong)])
            assert path_of(answer) == PAGE
            assert (
                lea.get(f"{REFUSE}?rattachement={wrong[:200]}", status=303).location == BASE + PAGE
            )
            expected = "déjà confirmé" if wrong == towns.membership(LEA, "a") else gone
            assert expected in text_of(answer.follow()), wrong
            assert realm.rows() == before, wrong
        assert post(realm.stranger(), path, [("rattachement", own)]).location.startswith(
            f"{BASE}/connexion?"
        )
        assert realm.rows() == before

        withdrawn, _ = towns.signs_in(LEA)
        page = withdrawn.get(PAGE)
        actor = actors.load(towns.services.core, towns.subject(SECOND))
        assert actor is not None
        realm.directory.bin.delete(actor, LEA)
        after = realm.rows()
        answer = post(withdrawn, path, [("rattachement", own)])
        assert "la structure l'a retiré entre-temps" in text_of(answer.follow())
        assert "Confirmer" in text_of(page)
        assert realm.rows() == after
        realm.put_back("two")

    lea, _ = towns.signs_in(LEA)
    (waiting,) = Confirmations(towns.services.core).waiting(towns.subject(LEA))
    own = [("rattachement", waiting.id), ("version", waiting.version)]
    assert "est confirmé" in text_of(post(lea, PAGE, own).follow())
    after = realm.rows()
    for path in (PAGE, REFUSE):
        assert "Vous avez déjà confirmé" in text_of(post(lea, path, own).follow())
        assert realm.rows() == after
    assert [code for code, *_ in towns.events()].count("membership.confirmed") == 1


def test_what_was_moved_meanwhile_is_shown_as_it_is_now_and_asked_again(towns: Towns) -> None:
    lea, answer = towns.signs_in(LEA)
    page = answer.follow()
    question = lea.get(link(page, "Refuser"))
    moves, subject_id, one = Moves(towns.services.core), towns.subject(LEA), towns.membership(LEA)
    version = moves.plan(OPERATOR, subject_id, one).version
    moves.run(OPERATOR, subject_id, one, Move("c", frozenset(), version))
    for stale in (page, question):
        before = towns.realm.rows()
        told = confirm(stale)
        assert "ou a été renommée entre-temps : c'est maintenant « CIG / Ville C »" in text_of(told)
        assert towns.realm.rows() == before
    assert "« Ville C » est confirmé" in text_of(confirm(told))


def test_the_link_of_the_mail_and_the_notices_lead_there_and_opening_changes_nothing(
    towns: Towns,
) -> None:
    with towns.services.db.reading() as session:
        mail = session.scalars(
            select(OutboxMail).where(OutboxMail.kind == "membership-added")
        ).one()
    (address,) = set(re.findall(rf"{BASE}/\S+tt\S+(?=\s)", mail.text))
    before = towns.realm.rows()
    scanner = towns.realm.stranger()
    asked = scanner.get(address.removeprefix(BASE), status=303)
    assert path_of(asked).startswith("/connexion?suite=")
    lea, answer = towns.signs_in(LEA, asked.follow(), scanner)
    assert path_of(answer) == PAGE, "straight, not twice"
    assert "CIG / Ville B" in text_of(answer.follow())
    lea.head(PAGE, status=200)
    for path in ("/", "/profil/acces"):
        assert link(lea.get(path), "Répondre") == PAGE
        assert "Ville B" in text_of(lea.get(path))
    assert {**towns.realm.rows(), "account": 0} == {**before, "account": 0}


def test_several_are_answered_one_by_one_and_a_page_that_waits_is_reached(towns: Towns) -> None:
    with towns.services.db.unit_of_work() as session:
        towns.realm.directory.accounts.add(OPERATOR, Person(LEA, "", ""), "c", no_mail=True)
        session.execute(
            update(Membership)
            .where(Membership.public_id == towns.membership(LEA, "c"))
            .values(confirmed_at=None)
        )
    lea = towns.realm.stranger()
    asked = lea.get("/profil", status=303).follow()
    _, answer = towns.signs_in(LEA, asked, lea)
    page = answer.follow(status=200)
    assert page.html.h1.text == "D'autres structures vous ont ajouté"
    assert [each.text for each in page.html.select("main h2")] == ["Ville B", "Ville C"]
    assert "2 autres structures vous ont ajouté" in text_of(lea.get("/"))
    rest = lea.get(link(page, "Plus tard"), status=200)
    assert [each.text for each in rest.html.select("main h2")] == ["Ville C"]
    done = confirm(rest)
    assert towns.state(LEA) == (False, False)
    assert "Ville B" not in text_of(done), "that one was left for later"
    assert link(done, "Continuer") == f"{BASE}/profil"
    forged = f"{PAGE}?suite=/profil/mot-de-passe&plus-tard={towns.membership(LEA)}"
    assert path_of(lea.get(forged, status=303)) == "/", "an address that we did not sign"
