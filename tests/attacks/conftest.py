"""The street: whoever sends something to an address of ours, with a signed-in person's browser.

Attacks run where they would hurt most: in the browser of an agent who is signed in and entitled.
"""

import zlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote_plus

import pytest
from lxml import etree
from sqlalchemy import func, select
from webtest import TestApp, TestResponse

from idp.audit import AuditEvent
from idp.sessions.tables import AuthnRequestRow, SpSessionRow
from tests.functional.conftest import (
    Visitor,
    World,
    another_visitor,
    directory_plugin,
    visitor,
    world,
)

__all__ = ["another_visitor", "directory_plugin", "street", "visitor", "world"]

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

    def _refused(self, send: Callable[[], TestResponse], **options: int) -> TestResponse:
        before = self._traces()
        answer = send()
        check_refusal(answer, **options)
        # Strangers must not be able to fill the journal, or the store of pending requests.
        assert self._traces() == before
        return answer

    def _traces(self) -> list[int]:
        tables = (AuthnRequestRow, SpSessionRow, AuditEvent)
        with self.world.services.db.reading() as session:
            return [
                session.scalar(select(func.count()).select_from(table)) or 0 for table in tables
            ]


@pytest.fixture
def street(world: World, visitor: Visitor) -> Street:
    """An agent of this world is signed in."""
    visitor.sign_in("agent")
    return Street(world, visitor.app)
