"""saml2int 2.0: what our metadata tells, as an SP fetches it."""

from base64 import b64decode
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from lxml import etree, html

from idp.errors import KeyRefused
from idp.keys.files import self_signed
from idp.logo import size_of
from tests.common.fake_sp import BINDINGS, NS, FakeSP, verify
from tests.common.settings import PUBLIC_URL
from tests.functional.saml2int.conftest import Federation

IDP = "md:IDPSSODescriptor"
UI = f"{IDP}/md:Extensions/mdui:UIInfo"
NAMES = {**NS, "mdui": "urn:oasis:names:tc:SAML:metadata:ui"}
LANG = "{http://www.w3.org/XML/1998/namespace}lang"

Described = Callable[[], etree._Element]


def locations(root: etree._Element, service: str) -> dict[str, str]:
    """Of each binding, the address."""
    found = root.iterfind(f"{IDP}/md:{service}", NS)
    return {
        each.get("Binding").removeprefix(f"{BINDINGS}:"): each.get("Location") for each in found
    }


def signing_keys(root: etree._Element) -> list[bytes]:
    """The certificates, DER, in the document's order."""
    path = f"{IDP}/md:KeyDescriptor[@use='signing']//ds:X509Certificate"
    return [b64decode(each.text) for each in root.iterfind(path, NS)]


def test_metadata_is_signed(federation: Federation, described: Described) -> None:
    verify(described(), federation.world.services.signer.certificates()[0])


def test_sso_by_redirect(federation: Federation, described: Described, sp: FakeSP) -> None:
    told = locations(described(), "SingleSignOnService")
    assert set(told) == {"HTTP-Redirect", "HTTP-POST"}
    sp.idp_sso = told["HTTP-Redirect"]
    assert federation.enter(sp)
    assert told["HTTP-Redirect"] == f"{PUBLIC_URL}/saml/sso"


def test_slo_by_redirect(federation: Federation, described: Described) -> None:
    address = locations(described(), "SingleLogoutService")["HTTP-Redirect"]
    assert address.startswith(PUBLIC_URL)
    answer = federation.visitor.app.get(f"{urlsplit(address).path}?SAMLRequest=x", status=400)
    assert answer.status_int != 404


def test_signing_key(federation: Federation, described: Described, sp: FakeSP) -> None:
    """An SP that knows nothing but our metadata accepts our Responses."""
    (certificate,) = signing_keys(described())
    verify(federation.response(sp), certificate)


def test_next_signing_key_is_there_before_it_signs(
    federation: Federation, described: Described, sp: FakeSP
) -> None:
    keys = federation.world.services.keys
    kid = keys.generate()
    old, new = signing_keys(described())
    verify(federation.response(sp), old)
    keys.promote(kid, force=True)
    verify(federation.response(sp), new)
    assert set(signing_keys(described())) == {old, new}


def test_error_url(federation: Federation, described: Described) -> None:
    """A page of ours that says who can help, to a stranger too."""
    address = described().find(IDP, NS).get("errorURL")
    assert address.startswith(PUBLIC_URL)
    app = federation.visitor.app
    helper = federation.world.services.core.settings.organization.correspondant
    for _ in range(2):
        page = app.get(urlsplit(address).path, status=200)
        assert page.content_type == "text/html"
        assert f"mailto:{helper}" in html.fromstring(page.text).xpath("//main//a/@href")
        app.reset()


def test_ui_info_display_name(described: Described) -> None:
    names = {
        each.get(LANG): each.text for each in described().iterfind(f"{UI}/mdui:DisplayName", NAMES)
    }
    assert set(names) == {"fr", "en"}
    assert all(names.values())


def test_ui_info_logo(federation: Federation, described: Described) -> None:
    """An image of this size, for a stranger."""
    federation.visitor.app.reset()
    (logo,) = described().iterfind(f"{UI}/mdui:Logo", NAMES)
    assert logo.text.startswith(PUBLIC_URL)
    image = federation.visitor.app.get(urlsplit(logo.text).path, status=200)
    assert image.content_type.startswith("image/")
    size = size_of(image.body)
    assert size is not None
    assert (logo.get("width"), logo.get("height")) == (str(size.width), str(size.height))


def test_security_contact(federation: Federation, described: Described) -> None:
    kind = "{http://refeds.org/metadata}contactType"
    (contact,) = described().iterfind("md:ContactPerson[@contactType='other']", NS)
    assert contact.get(kind) == "http://refeds.org/metadata/contactType/security"
    organization = federation.world.services.core.settings.organization
    assert contact.findtext("md:EmailAddress", "", NS) == f"mailto:{organization.correspondant}"


def test_technical_contact(federation: Federation, described: Described) -> None:
    mail = described().findtext(
        "md:ContactPerson[@contactType='technical']/md:EmailAddress", "", NS
    )
    organization = federation.world.services.core.settings.organization
    assert mail == f"mailto:{organization.correspondant}"


def bits(certificate: bytes) -> int:
    """The size of its RSA key."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    assert isinstance(key, RSAPublicKey)
    return key.key_size


def test_rsa_of_2048_bits_at_least(federation: Federation, described: Described) -> None:
    assert bits(signing_keys(described())[0]) >= 2048
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    certificate = self_signed(short, "short", federation.world.now)
    sealed = BestAvailableEncryption(b"secret")
    data = pkcs12.serialize_key_and_certificates(b"short", short, certificate, None, sealed)
    with pytest.raises(KeyRefused, match="1024"):
        federation.world.services.keys.import_pkcs12(data, b"secret")
    assert len(signing_keys(described())) == 1


def test_new_keys_have_3072_bits(federation: Federation, described: Described) -> None:
    federation.world.services.keys.generate()
    assert bits(signing_keys(described())[1]) == 3072
