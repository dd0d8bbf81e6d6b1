"""The street: whoever sends something to an address of ours, with a signed-in person's browser.

Attacks run where they would hurt most: in the browser of an agent who is signed in and entitled.
"""

import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from urllib.parse import quote_plus

import pytest
from lxml import etree
from sqlalchemy import func, select
from webtest import TestApp, TestResponse

from idp.audit import AuditEvent
from idp.sessions.tables import AuthnRequestRow, SpSessionRow
from tests.common.clock import START, FakeClock
from tests.common.databases import Databases
from tests.common.settings import make_settings
from tests.conftest import furnished, spoken_to
from tests.functional.conftest import Visitor, World, peopled

SUCCESS = b"urn:oasis:names:tc:SAML:2.0:status:Success"


def deflated(xml: bytes) -> str:
    """A SAMLRequest parameter of the Redirect binding."""
    compressor = zlib.compressobj(9, wbits=-15)
    return quote_plus(b64encode(compressor.compress(xml) + compressor.flush()))


def check_refusal(answer: TestResponse, *, status: int = 400) -> None:
    """A page here, in French, with the id that the log knows; nothing for any SP."""
    assert answer.status_int == status, answer.status
    assert answer.html.html["lang"] == "fr"
    assert answer.headers["X-Request-Id"] in answer.html.main.text
    assert "Location" not in answer.headers
    assert "SAMLResponse" not in answer.text
    assert SUCCESS not in answer.body
    assert not answer.html.find_all("form")


@dataclass
class Street:
    """Sends messages, by Redirect and by POST, and sees that nothing comes of them."""

    world: World
    app: TestApp

    def redirect(self, query: str, **options: int) -> TestResponse:
        """This query must be refused."""
        return self._refused(lambda: self.app.get(f"/saml/sso?{query}", status="*"), **options)

    def post(self, form: dict[str, str], **options: int) -> TestResponse:
        """This form must be refused."""
        return self._refused(lambda: self.app.post("/saml/sso", form, status="*"), **options)

    def both(self, xml: bytes | etree._Element) -> None:
        """This message must be refused whichever way it travels."""
        if not isinstance(xml, bytes):
            xml = etree.tostring(xml)
        self.redirect(f"SAMLRequest={deflated(xml)}")
        self.post({"SAMLRequest": b64encode(xml).decode()})

    def stranger(self) -> Visitor:
        """Another browser, in which nobody is signed in."""
        return Visitor(TestApp(self.app.app, extra_environ=self.app.extra_environ))

    def _refused(self, send: Callable[[], TestResponse], **options: int) -> TestResponse:
        before = self.traces()
        answer = send()
        check_refusal(answer, **options)
        # Strangers must not be able to fill the journal, or the store of pending requests.
        assert self.traces() == before
        return answer

    def traces(self) -> list[int]:
        tables = (AuthnRequestRow, SpSessionRow, AuditEvent)
        with self.world.services.db.reading() as session:
            return [
                session.scalar(select(func.count()).select_from(table)) or 0 for table in tables
            ]


@pytest.fixture(scope="module")
def installation(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Street]:
    """One installation for all the attacks of a module: what is refused leaves nothing behind."""
    folder, clock = tmp_path_factory.mktemp("street"), FakeClock()
    url = databases.fresh("sqlite", folder)
    settings = make_settings(folder, url, idp__directory="tests.common.memory_directory.build")
    with furnished(settings, clock) as services:
        visitor = Visitor(spoken_to(settings, services))
        made = Street(peopled(services, clock), visitor.app)
        visitor.sign_in("agent")
        yield made


@pytest.fixture
def street(installation: Street) -> Iterator[Street]:
    """The module's installation, an agent signed in; time and what SPs hold are put back after."""
    sps = installation.world.sps
    installation.world.sps = {code: copy(sp) for code, sp in sps.items()}
    yield installation
    installation.world.sps = sps
    installation.world.clock.advance(START - installation.world.now)


@pytest.fixture
def visitor(street: Street) -> Visitor:
    """A browser in which nobody is signed in."""
    return street.stranger()


@pytest.fixture
def another_visitor(street: Street) -> Callable[[], Visitor]:
    """As many of them as one wants."""
    return street.stranger
