"""saml2int 2.0: each test is a requirement of the profile, met for an SP with the defaults.

The *SAML V2.0 Deployment Profile for Federation Interoperability* (Kantara Initiative).
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from lxml import etree
from webtest import TestResponse

import idp.snapshot
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.fake_sp import FakeSP, Received
from tests.functional.conftest import SSO, Visitor, World


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry is asked at each request."""
    monkeypatch.setattr(idp.snapshot, "MAX_AGE", 0)


@dataclass
class Federation:
    """The IdP, one signed-in person with two roles, and the SPs that join."""

    world: World
    visitor: Visitor

    def join(
        self, sp: FakeSP, metadata: bytes | None = None, choice: Choice | None = None
    ) -> FakeSP:
        """Register the SP as its metadata describes it; what is not chosen is the default."""
        world, code = self.world, sp.entity_id.split("/")[2]
        registry = Registry(world.services.core)
        registry.add(metadata or sp.metadata(), choice or Choice(), application=code)
        world.directory.add_application(code, code, entity_id=sp.entity_id)
        for role in ("gest", "lect"):
            world.directory.add_role(code, role, role)
            world.directory.assign(world.memberships["agent/vitry"], code, role)
        return sp

    def ask(self, sp: FakeSP, **attributes: str | None) -> tuple[str, TestResponse]:
        """An AuthnRequest by Redirect: its ID, and the page that it leads to."""
        request = sp.authn_request(now=self.world.now, **attributes)
        answer = self.visitor.app.get(f"/saml/sso?{sp.redirect_query(request)}", status="*")
        return str(request.get("ID")), self.visitor.follow(answer)

    def response(self, sp: FakeSP, **attributes: str | None) -> etree._Element:
        """The Response to an AuthnRequest by Redirect."""
        return sp.read_page(self.ask(sp, **attributes)[1].text)[1]

    def enter(self, sp: FakeSP, **attributes: str | None) -> Received:
        """The person opens the SP, which accepts the Response."""
        request_id, page = self.ask(sp, **attributes)
        return self.world.consume(sp, page, request_id)

    def is_refused(self, sp: FakeSP, **attributes: str | None) -> bool:
        """Whether a request of this SP gets our page with an error, and no Response."""
        _, page = self.ask(sp, **attributes)
        refused = page.status_int == 400
        assert refused == ("SAMLResponse" not in page.text)
        return refused


@pytest.fixture
def federation(world: World, visitor: Visitor) -> Federation:
    visitor.sign_in("agent")
    return Federation(world, visitor)


@pytest.fixture
def sp(federation: Federation) -> FakeSP:
    """An SP without a key."""
    return federation.join(FakeSP("moderne", idp_sso=SSO))


@pytest.fixture
def signing_sp(federation: Federation) -> FakeSP:
    """An SP that signs, encrypts and signs out by each front channel."""
    slo = ("HTTP-Redirect", "HTTP-POST")
    return federation.join(FakeSP("signe", signs=True, encrypts=True, idp_sso=SSO, slo=slo))


@pytest.fixture
def described(federation: Federation) -> Callable[[], etree._Element]:
    """Our metadata, as an SP fetches it."""
    return lambda: etree.fromstring(federation.visitor.app.get("/saml/metadata").body)
