"""Every address of the AIA, by who asks and whose it is: what each gets, changes and reads of.

A view of the AIA without a row fails the suite. Three collectivités that share nothing but one
person; each has a référent who administers one application there.
"""

from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from secrets import token_hex

import pytest
from sqlalchemy import select
from webtest import TestApp, TestResponse

from directory.authorisation import OPERATOR
from directory.models import AccessRequest, Account, Application, Membership, Structure
from directory.services.accounts.changes import Person
from directory.services.rights.assignments import Grant
from tests.common.databases import Databases
from tests.common.routes import views_of
from tests.functional.aia_realm import Realm, post, realm_on
from tests.functional.aia_table import ACTORS, ELSEWHERE, HOMES, KINDS, SHARED, TABLE, Row

pytestmark = pytest.mark.uncovered

BASE = "http://localhost:6543"
TELLS = {"aia_user_new"}
"""Where the check of an address names the structure in which an account exists, as it must."""


class World:
    """Three collectivités, their people, and a browser of each actor."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self._targets: dict[str, dict[str, str]] = {}
        for home in HOMES:
            self._settle(home)
        self._share()
        directory = realm.directory
        for name in ("agent", "correspondant"):
            person = Person(f"{name}@demo.example", "Nom", "Prénom")
            directory.accounts.add(OPERATOR, person, "a", no_mail=True)
        directory.mandates.add_central(OPERATOR, "correspondant@demo.example")
        signing_in = [f"referent.{home.lower()}" for home in HOMES] + ["agent", "correspondant"]
        mails = [f"{name}@demo.example" for name in signing_in]
        realm.give_password(*mails)
        self.browsers = dict(
            zip((*HOMES, "agent", "correspondant"), map(realm.browser, mails), strict=True)
        )
        self.browsers["anonymous"] = realm.stranger()
        self.app = realm.app
        realm.keep("start")

    def target(self, actor: str, kind: str) -> dict[str, str]:
        """What the rows are filled with: whose it is, seen from this actor."""
        home = actor if actor in HOMES else "A"
        if kind == "foreign":
            home = ELSEWHERE[home]
        if kind == "shared":
            return self._targets[f"shared/{'C' if actor == 'C' else 'A'}"]
        return self._targets[home]

    def _settle(self, home: str) -> None:
        low, word, directory = home.lower(), HOMES[home], self.realm.directory
        directory.structures.add(OPERATOR, low, f"Ville de {word}")
        directory.structures.add(OPERATOR, f"{low}-rh", f"Personnel {word}", parent=low)
        directory.applications.add(OPERATOR, f"app-{low}", f"Logiciel {word}")
        for role in ("gest", "lect"):
            directory.applications.add_role(OPERATOR, f"app-{low}", role, f"{role} {word}")
        for name in ("referent", "own", "binned"):
            person = Person(f"{name}.{low}@demo.example", word, f"{name} {word}")
            directory.accounts.add(
                OPERATOR, person, f"{low}-rh" if name != "referent" else low, no_mail=True
            )
        directory.mandates.add(OPERATOR, f"referent.{low}@demo.example", low, (f"app-{low}",))
        directory.bin.delete(OPERATOR, f"binned.{low}@demo.example")
        self._targets[home] = self._names(f"own.{low}", f"binned.{low}", home, word)

    def _share(self) -> None:
        """One person in A's and in C's; another one was, too."""
        directory = self.realm.directory
        for name in ("shared", "gone"):
            mail = f"{name}@demo.example"
            for low in ("a", "c"):
                person = Person(mail, SHARED, f"{name} {SHARED}")
                directory.accounts.add(OPERATOR, person, f"{low}-rh", no_mail=True)
                directory.memberships.confirm(OPERATOR, mail, f"{low}-rh")
        directory.bin.delete(OPERATOR, "gone@demo.example")
        for home in ("A", "C"):
            self._targets[f"shared/{home}"] = self._names("shared", "gone", home, SHARED)

    def _names(self, who: str, binned: str, home: str, word: str) -> dict[str, str]:
        """Gives the role as well, and asks for the application."""
        low, mail = home.lower(), f"{who}@demo.example"
        grant = Grant(mail, f"{low}-rh", f"app-{low}", "gest")
        self.realm.directory.assignments.assign(OPERATOR, grant, no_mail=True)
        with self.realm.services.db.unit_of_work() as session:
            membership = session.scalars(
                select(Membership)
                .join(Membership.account)
                .join(Membership.structure)
                .where(Account.mail == mail, Structure.code == f"{low}-rh")
            ).one()
            application = session.scalars(
                select(Application).where(Application.code == f"app-{low}")
            ).one()
            request = AccessRequest(
                public_id=token_hex(16),
                membership=membership,
                application=application,
                reason=f"Pour {word}",
                state="pending",
                created_at=self.realm.services.clock.now(),
            )
            session.add(request)
            gone = session.scalars(
                select(Account.subject_id).where(Account.mail == f"{binned}@demo.example")
            ).one()
            return {
                "who": membership.account.subject_id,
                "mail": mail,
                "membership": membership.public_id,
                "structure": f"{low}-rh",
                "application": f"app-{low}",
                "request": request.public_id,
                "binned": gone,
                "binned_mail": f"{binned}@demo.example",
                "word": word,
            }


@pytest.fixture(scope="module")
def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Made once: what a request changed is put back."""
    with realm_on(databases, tmp_path_factory.mktemp("matrix")) as realm:
        yield World(realm)


def ask(world: World, row: Row, actor: str, kind: str) -> TestResponse:
    """Send the row's request, whatever comes back."""
    target, browser = world.target(actor, kind), world.browsers[actor]
    path = row.path.format(**target)
    if row.method == "GET":
        return browser.get(path, expect_errors=True)
    shown = version_shown(browser, path) if "{shown}" in row.form.values() else ""
    form = {
        name: made.format(**target, shown=shown)
        if isinstance(made, str)
        else made(world.realm, target)
        for name, made in row.form.items()
    }
    if row.route == "aia_user_photo":
        token = {"csrf_token": browser.cookies["convergences-csrf"]}
        return browser.post(path, token, upload_files=[("photo", "", b"")], expect_errors=True)
    return post(browser, path, form.items())


def version_shown(browser: TestApp, path: str) -> str:
    """What the form of this page says of what was read; nothing if it is not shown."""
    page = browser.get(path, expect_errors=True)
    field = (
        page.html.select_one("input[name=version]") if page.status_int == HTTPStatus.OK else None
    )
    return str(field["value"]) if field else ""


def agrees(answer: TestResponse, expected: str) -> bool:
    """Whether it is this status, and leads there."""
    status, _, place = expected.partition(" ")
    led = answer.headers.get("Location", "").removeprefix(BASE)
    if place.endswith("…"):
        return answer.status_int == int(status) and led.startswith(place[:-1])
    return answer.status_int == int(status) and led == place


def forbidden(actor: str) -> set[str]:
    """Words that no answer to this actor may hold."""
    if actor == "correspondant":
        return set()
    known = {actor} if actor in HOMES else {"A"} if actor == "agent" else set()
    words = {HOMES[home] for home in HOMES if home not in known}
    return words if actor in {"A", "C"} else words | {SHARED}


def names(world: World, answer: TestResponse, actor: str, kind: str) -> list[str]:
    """Those of the forbidden words that stand there, or on the page where it leads.

    What the actor typed himself may be shown to him again.
    """
    text = answer.text
    if answer.status_int == HTTPStatus.SEE_OTHER and "/aia" in answer.location:
        text += world.browsers[actor].get(answer.location, expect_errors=True).text
    words = forbidden(actor) - {world.target(actor, kind)["word"]}
    return sorted(word for word in words if word.casefold() in text.casefold())


def row_id(row: Row) -> str:
    return f"{row.method} {row.route}"


def test_every_view_of_the_aia_has_a_row(world: World) -> None:
    views = Counter(view for view in views_of(world.app) if view[0].split("_")[0] == "aia")
    assert Counter((row.route, row.method) for row in TABLE) == views


@pytest.mark.parametrize("row", TABLE, ids=row_id)
def test_who_gets_what_of_whom(world: World, row: Row) -> None:
    """A page changes nothing; a form what its row says, and nothing where it is refused."""
    before, wrong = world.realm.rows(), []
    for actor in ACTORS:
        for kind in KINDS:
            expected = row.expected(actor, kind)
            answer = ask(world, row, actor, kind)
            if not agrees(answer, expected):
                got = f"{answer.status} {answer.headers.get('Location', '')}"
                wrong.append(f"{actor}, {kind}: {got}, not {expected}")
            if row.route not in TELLS:
                named = names(world, answer, actor, kind)
                wrong.extend(f"{actor}, {kind}: reads of {word}" for word in named)
            if row.method == "POST":
                done = row.changes and expected == row.own and expected.startswith("303")
                if (world.realm.rows() != before) != done:
                    wrong.append(f"{actor}, {kind}: changed {'nothing' if done else 'something'}")
                world.realm.put_back("start")
    assert wrong == []
    assert world.realm.rows() == before
