"""The whole application on the in-memory directory: if the protocol needs SQL, a wall has a hole.

``world`` is who and what exists; ``visitor`` is one browser.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from lxml import html
from webtest import TestApp, TestResponse

from idp.services import Services
from idp.settings import Settings
from idp.types import NameIDFormat, Refusals, Sign, Structures
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.clock import FakeClock
from tests.common.fake_sp import FakeSP, Received
from tests.common.memory_directory import MemoryDirectory

pytest.register_assert_rewrite("tests.functional.aia_play")

PASSWORD = "une phrase assez longue"
SSO = "http://localhost:6543/saml/sso"
IDP = "http://localhost:6543/saml/metadata"


@pytest.fixture
def directory_plugin() -> str:
    return "tests.common.memory_directory.build"


@dataclass
class World:
    """The service providers and the people of these tests."""

    services: Services
    clock: FakeClock
    sps: dict[str, FakeSP] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    memberships: dict[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> MemoryDirectory:
        directory = self.services.directory
        assert isinstance(directory, MemoryDirectory)
        return directory

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def add_sp(
        self,
        code: str,
        label: str,
        choice: Choice,
        *,
        signs: bool = False,
        encrypts: bool = False,
        slo: tuple[str, ...] = (),
    ) -> FakeSP:
        sp = FakeSP(code, signs=signs, encrypts=encrypts, idp_sso=SSO, slo=slo)
        Registry(self.services.core).add(sp.metadata(), choice, application=code)
        self.directory.add_application(code, label, entity_id=sp.entity_id)
        self.directory.add_role(code, "gest", "Gestionnaire")
        self.directory.add_role(code, "lect", "Lecteur é", value="lecteur é")
        self.sps[code] = sp
        return sp

    def consume(
        self, sp: FakeSP, page: TestResponse, request_id: str | None, **options: bool
    ) -> Received:
        """What the SP makes of a hand-over page."""
        return sp.consume(
            page.text,
            idp_certificate=self.services.signer.certificates()[0],
            idp_entity_id=IDP,
            now=self.now,
            request_id=request_id,
            **options,
        )


@pytest.fixture
def world(services: Services, clock: FakeClock) -> World:
    return peopled(services, clock)


def peopled(services: Services, clock: FakeClock) -> World:
    """Four service providers and four people, on the in-memory directory."""
    made = World(services, clock)
    directory = made.directory
    for code, label in (("vitry", "Vitry"), ("ivry", "Ivry")):
        directory.add_structure(code, label)
    made.add_sp(
        "bip", "BIP", Choice(name_id_format=NameIDFormat.PERSISTENT, sign=Sign.BOTH), signs=True
    )
    made.add_sp(
        "net-cap",
        "Net-CAP",
        Choice(structures=Structures.ASK, refusals=Refusals.STATUS),
        encrypts=True,
    )
    made.add_sp(
        "net-cotisations",
        "Net-Cotisations",
        Choice(
            name_id_format=NameIDFormat.EMAIL_ADDRESS,
            structures=Structures.SCOPED,
            sign=Sign.ASSERTION,
        ),
    )
    made.add_sp("site", "Site", Choice(structures=Structures.PARALLEL, sign=Sign.RESPONSE))

    def person(name: str, given_name: str, sn: str, *structures: str) -> None:
        mail = f"{name}@demo.example"
        subject = directory.add_account(mail, given_name, sn, password=PASSWORD)
        made.people[name] = subject
        for structure in structures:
            made.memberships[f"{name}/{structure}"] = directory.add_membership(subject, structure)

    person("agent", "Léa", "Noël", "vitry")
    person("multi", "Ali", "Ben", "vitry", "ivry")
    person("sansdroit", "Zoé", "Roy", "vitry")
    person("referent", "Rémi", "Fort", "vitry")
    directory.add_mandate(made.people["referent"], "vitry", tuple(made.sps))
    for code in made.sps:
        directory.assign(made.memberships["agent/vitry"], code, "gest")
        directory.assign(made.memberships["multi/vitry"], code, "gest")
        directory.assign(made.memberships["multi/ivry"], code, "lect")
    directory.assign(made.memberships["agent/vitry"], "bip", "lect")
    return made


class Visitor:
    """One browser: it keeps its cookies, and follows redirects like one."""

    def __init__(self, app: TestApp) -> None:
        self.app = app

    def sign_in(self, name: str, flow_page: TestResponse | None = None) -> TestResponse:
        """Fill the sign-in form in, and follow where it leads."""
        page = flow_page or self.app.get("/connexion")
        form = next(one for one in page.forms.values() if "password" in one.fields)
        form["login"] = f"{name}@demo.example"
        form["password"] = PASSWORD
        answer = form.submit()
        assert answer.status_int == 303, answer.text
        return self.follow(answer)

    def follow(self, answer: TestResponse) -> TestResponse:
        """Follow redirects of our own."""
        while answer.status_int in {302, 303}:
            answer = answer.follow(expect_errors=True)
        return answer

    def open(self, sp: FakeSP, *, now: datetime, **attributes: str) -> tuple[str, TestResponse]:
        """Reach an SP: it sends us here with an AuthnRequest; returns its ID and our page."""
        request = sp.authn_request(now=now, **attributes)
        answer = self.app.get(f"/saml/sso?{sp.redirect_query(request, 'retour')}", status="*")
        return request.get("ID"), self.follow(answer)


@pytest.fixture
def visitor(app: TestApp) -> Visitor:
    return Visitor(app)


@pytest.fixture
def another_visitor(settings: Settings, app: TestApp) -> Callable[[], Visitor]:
    """Further browsers of the same application."""
    del settings
    return lambda: Visitor(TestApp(app.app, extra_environ=app.extra_environ))


def check_lost(answer: TestResponse, page: str) -> None:
    """A sign-on that waits no longer is no error: this page of ours says it in a sentence."""
    assert answer.status_int == 303, answer.text
    assert answer.location == f"http://localhost:6543{page}?avis=connexion-perdue"
    shown = answer.follow(status=200)
    assert "connexion que vous aviez commencée n'" in shown.html.select_one(".note").text
    assert "SAMLResponse" not in shown.text


def to_correct(page: TestResponse) -> list[str]:
    """What the summary of a refused form links to: fields of the page that say so themselves."""
    links = page.html.select("#erreurs a")
    for link in links:
        assert page.html.select_one(link["href"]), link
    return [link.text for link in links]


def text_of(page: TestResponse) -> str:
    """What a person reads on a page, white space folded."""
    return " ".join(html.fromstring(page.body).text_content().split())


def tile_of(portal: TestResponse, label: str) -> str | None:
    """Where the tile of this label leads; None when it is closed.

    Raises:
        KeyError: there is no such tile.
    """
    tiles = {
        tile.select_one(".tile-name").text.strip(): tile for tile in portal.html.select(".tile")
    }
    link = tiles[label].find("a")
    return str(link["href"]) if link else None
