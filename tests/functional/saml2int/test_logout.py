"""saml2int 2.0: single logout."""

from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import etree
from webtest import TestResponse

from tests.common.fake_slo import logout_request, read_redirect, status_of_logout
from tests.common.fake_sp import NS, FakeSP
from tests.functional.saml2int.conftest import Federation


@pytest.fixture
def certificate(federation: Federation) -> bytes:
    return federation.world.services.signer.certificates()[0]


def asked_by(federation: Federation, sp: FakeSP) -> TestResponse:
    """The SP asks for the logout of the person, who just opened it: our redirection back."""
    request = logout_request(sp, federation.enter(sp), now=federation.world.now)
    query = sp.redirect_query(request)
    return federation.visitor.app.get(f"/saml/slo?{query}", status=303).follow(status=303)


def told(federation: Federation, sp: FakeSP) -> TestResponse:
    """The person opens the SP and signs out here: our redirection to the SP."""
    federation.enter(sp)
    app = federation.visitor.app
    federation.visitor.follow(app.get("/deconnexion").forms["formulaire"].submit())
    return app.get("/deconnexion/application", status=303)


def test_logout_by_redirect(federation: Federation, signing_sp: FakeSP, certificate: bytes) -> None:
    back = asked_by(federation, signing_sp)
    assert back.location.startswith(f"{signing_sp.slo['HTTP-Redirect']}?SAMLResponse=")
    response = read_redirect(back.location, "SAMLResponse", certificate)
    assert status_of_logout(response) == ["Success"]
    federation.visitor.app.get("/profil", status=303)


def test_logout_request_by_redirect(federation: Federation, signing_sp: FakeSP) -> None:
    away = told(federation, signing_sp)
    assert away.location.startswith(f"{signing_sp.slo['HTTP-Redirect']}?SAMLRequest=")


@pytest.mark.parametrize("direction", [told, asked_by], ids=["LogoutRequest", "LogoutResponse"])
def test_logout_messages_of_ours_are_signed(
    direction: object, federation: Federation, signing_sp: FakeSP, certificate: bytes
) -> None:
    location = direction(federation, signing_sp).location  # type: ignore[operator]
    parameter = "SAMLRequest" if direction is told else "SAMLResponse"
    assert {"SigAlg", "Signature"} <= set(parse_qs(urlsplit(location).query))
    assert read_redirect(location, parameter, certificate) is not None


def test_logout_requests_of_sps_must_be_signed(federation: Federation, signing_sp: FakeSP) -> None:
    request = logout_request(signing_sp, federation.enter(signing_sp), now=federation.world.now)
    query = signing_sp.redirect_query(request, sign=False)
    federation.visitor.app.get(f"/saml/slo?{query}", status=400)
    federation.visitor.app.get("/profil", status=200)


def test_name_id_of_a_logout_request_is_not_encrypted(
    federation: Federation, signing_sp: FakeSP, certificate: bytes
) -> None:
    """Though the assertion was, and the SP has the key for it."""
    assert b'use="encryption"' in signing_sp.metadata()
    request = read_redirect(told(federation, signing_sp).location, "SAMLRequest", certificate)
    assert request.find("saml:NameID", NS) is not None
    assert request.find("saml:EncryptedID", NS) is None
    assert etree.QName(request).localname == "LogoutRequest"
