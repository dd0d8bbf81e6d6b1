"""The IdP's own EntityDescriptor, held against the OASIS schemas and against libxmlsec1."""

from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from lxml import etree

from idp.errors import SignatureRefused
from idp.keys import KeyUse
from idp.saml import xml
from idp.saml.signature import sign_canonical, verify_element
from idp.services import Services
from idp.settings import Settings
from idp.types import NameIDFormat
from metadata.publish import entity_descriptor
from tests.common.clock import START
from tests.common.schemas import check

NS = {
    "md": "urn:oasis:names:tc:SAML:2.0:metadata",
    "mdui": "urn:oasis:names:tc:SAML:metadata:ui",
    "alg": "urn:oasis:names:tc:SAML:metadata:algsupport",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "mdattr": "urn:oasis:names:tc:SAML:metadata:attribute",
    "remd": "http://refeds.org/metadata",
    "shibmd": "urn:mace:shibboleth:metadata:1.0",
}
LANG = "{http://www.w3.org/XML/1998/namespace}lang"


class Signer:
    """An ``IKeyRing`` with the suite's key, which publishes the next one too."""

    def __init__(self, folder: Path) -> None:
        key = load_pem_private_key((folder / "idp.pem").read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self._key = key
        self._certificates = tuple(
            x509.load_pem_x509_certificate((folder / name).read_bytes())
            for name in ("idp.crt", "idp-next.crt")
        )

    def sign_element(self, canonical: str, element_id: str) -> str:
        own = self._certificates[0].public_bytes(Encoding.PEM).decode().splitlines()
        return sign_canonical(canonical, element_id, self._key, "".join(own[1:-1]))

    def certificates(self) -> tuple[bytes, ...]:
        return tuple(each.public_bytes(Encoding.DER) for each in self._certificates)

    def encryption_certificates(self) -> tuple[bytes, ...]:
        return ()


class Decrypter(Signer):
    """The same with a key for encryption."""

    def encryption_certificates(self) -> tuple[bytes, ...]:
        return self.certificates()[1:]


@pytest.fixture
def signer(keys_folder: Path) -> Signer:
    return Signer(keys_folder)


@pytest.fixture
def published(settings: Settings, signer: Signer) -> etree._Element:
    return xml.parse(entity_descriptor(settings, signer, START))


def test_it_validates_against_the_oasis_schemas(published: etree._Element) -> None:
    check(published)


def test_the_logo_is_told_with_its_address_and_its_size(
    settings: Settings, signer: Signer, tmp_path: Path
) -> None:
    file = tmp_path / "logo.svg"
    file.write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 60"/>')
    for logo, size in (("", ("80", "80")), (str(file), ("120", "60"))):
        own = replace(settings, organization=replace(settings.organization, logo=logo))
        root = xml.parse(entity_descriptor(own, signer, START))
        check(root)
        (found,) = root.findall(".//mdui:Logo", NS)
        assert found.text == settings.url("/logo")
        assert (found.get("width"), found.get("height")) == size


def test_the_schemas_do_refuse_what_is_wrong(published: etree._Element) -> None:
    published.insert(0, published[-1])
    with pytest.raises(etree.DocumentInvalid):
        check(published)


def test_the_user_interface_schema_does_refuse_what_is_wrong(published: etree._Element) -> None:
    info = published.find(".//mdui:UIInfo", NS)
    assert info is not None
    del info[0].attrib[LANG]
    with pytest.raises(etree.DocumentInvalid):
        check(published)


def test_the_scope_is_told_in_the_role_as_a_plain_domain(
    settings: Settings, signer: Signer
) -> None:
    own = replace(settings, scope="cig.example")
    root = xml.parse(entity_descriptor(own, signer, START))
    check(root)
    (scope,) = root.iter(f"{{{NS['shibmd']}}}Scope")
    assert (scope.text, scope.get("regexp")) == ("cig.example", "false")
    assert root.find("md:IDPSSODescriptor/md:Extensions/shibmd:Scope", NS) is scope
    scope.set("regexp", "perhaps")
    with pytest.raises(etree.DocumentInvalid):
        check(root)


def test_what_the_operator_states_of_this_idp_is_told_and_nothing_by_itself(
    published: etree._Element,
    settings: Settings,
    signer: Signer,
) -> None:
    assert published.find("md:Extensions", NS) is None
    stated = (("urn:support", "urn:a"), ("urn:assurance", "urn:sirtfi"), ("urn:support", "urn:b"))
    text = entity_descriptor(replace(settings, entity_attributes=stated), signer, START)
    root = xml.parse(text)
    check(root)
    assert xml.canonicalize(root) == text
    verify_element(root, signer.certificates()[:1])
    attributes = root.findall("md:Extensions/mdattr:EntityAttributes/saml:Attribute", NS)
    assert [(each.get("Name"), [value.text for value in each]) for each in attributes] == [
        ("urn:support", ["urn:a", "urn:b"]),
        ("urn:assurance", ["urn:sirtfi"]),
    ]
    uri = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
    assert {each.get("NameFormat") for each in attributes} == {uri}


def test_its_signature_verifies(published: etree._Element, signer: Signer) -> None:
    verify_element(published, signer.certificates()[:1])
    assert published[0].tag == f"{{{NS['ds']}}}Signature"
    reference = published.find("ds:Signature/ds:SignedInfo/ds:Reference", NS)
    assert reference is not None
    assert reference.get("URI") == f"#{published.get('ID')}"


def test_a_changed_endpoint_breaks_the_signature(settings: Settings, signer: Signer) -> None:
    changed = entity_descriptor(settings, signer, START).replace(b"/saml/sso", b"/saml/mine")
    with pytest.raises(SignatureRefused):
        verify_element(xml.parse(changed), signer.certificates())


def test_it_is_written_in_exclusive_canonical_form(settings: Settings, signer: Signer) -> None:
    text = entity_descriptor(settings, signer, START)
    assert xml.canonicalize(xml.parse(text)) == text


def test_it_lives_for_seven_days(published: etree._Element, settings: Settings) -> None:
    assert published.get("entityID") == settings.entity_id
    assert published.get("validUntil") == f"{START + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}"
    assert published.get("cacheDuration") == "PT1H"


def test_only_working_endpoints_are_told(published: etree._Element, settings: Settings) -> None:
    descriptor = published.find("md:IDPSSODescriptor", NS)
    assert descriptor is not None
    assert descriptor.get("WantAuthnRequestsSigned") == "false"
    assert descriptor.get("errorURL") == settings.url("/aide/erreur")
    told = [
        (etree.QName(each).localname, each.get("Binding", "").rpartition(":")[2])
        for each in published.iterfind(".//*[@Location]")
    ]
    assert told == [
        ("SingleLogoutService", "SOAP"),
        ("SingleLogoutService", "HTTP-Redirect"),
        ("SingleLogoutService", "HTTP-POST"),
        ("SingleSignOnService", "HTTP-Redirect"),
        ("SingleSignOnService", "HTTP-POST"),
    ]
    locations = [each.get("Location") for each in published.iterfind(".//*[@Location]")]
    paths = ["/saml/slo/soap", "/saml/slo", "/saml/slo", "/saml/sso", "/saml/sso"]
    assert locations == [settings.url(path) for path in paths]
    formats = [each.text for each in descriptor.iterfind("md:NameIDFormat", NS)]
    assert formats == [str(each) for each in NameIDFormat]


def test_the_algorithms_that_requests_may_be_signed_with_are_told(
    published: etree._Element,
) -> None:
    extensions = published.find("md:IDPSSODescriptor/md:Extensions", NS)
    assert extensions is not None

    def told(name: str) -> list[str]:
        found = extensions.iterfind(f"alg:{name}", NS)
        return [each.get("Algorithm", "").rpartition("#")[2] for each in found]

    # In the order of preference: SPs take the first that they can.
    assert told("SigningMethod") == ["rsa-sha256", "rsa-sha384", "rsa-sha512"]
    assert sorted(told("DigestMethod")) == ["sha256", "sha384", "sha512"]


def test_every_published_certificate_is_there(published: etree._Element, signer: Signer) -> None:
    keys = published.findall("md:IDPSSODescriptor/md:KeyDescriptor", NS)
    assert {each.get("use") for each in keys} == {"signing"}
    told = [b64decode(each.findtext(".//ds:X509Certificate", "", NS)) for each in keys]
    assert tuple(told) == signer.certificates()


def test_what_may_be_encrypted_to_us_is_told_with_the_algorithms(
    settings: Settings, keys_folder: Path
) -> None:
    keys = Decrypter(keys_folder)
    root = xml.parse(entity_descriptor(settings, keys, START))
    check(root)
    (told,) = root.findall("md:IDPSSODescriptor/md:KeyDescriptor[@use='encryption']", NS)
    certificate = b64decode(told.findtext(".//ds:X509Certificate", "", NS))
    assert (certificate,) == keys.encryption_certificates()
    methods = [each.get("Algorithm", "") for each in told.iterfind("md:EncryptionMethod", NS)]
    assert [each.rpartition("#")[2] for each in methods] == [
        "aes256-gcm",
        "aes128-gcm",
        "rsa-oaep-mgf1p",
    ]


def test_a_new_encryption_key_is_in_the_document_at_once(services: Services) -> None:
    path = "md:IDPSSODescriptor/md:KeyDescriptor[@use='encryption']"
    assert xml.parse(services.metadata.document()).findall(path, NS) == []
    services.keys.promote(services.keys.generate(KeyUse.ENCRYPTION))
    root = xml.parse(services.metadata.document())
    check(root)
    assert len(root.findall(path, NS)) == 1


def test_it_says_whose_it_is_in_french_and_english(
    published: etree._Element, settings: Settings
) -> None:
    info = published.find("md:IDPSSODescriptor/md:Extensions/mdui:UIInfo", NS)
    assert info is not None
    texts = {(etree.QName(each).localname, each.get(LANG)): each.text for each in info}
    assert texts["DisplayName", "fr"] == texts["DisplayName", "en"]
    assert texts["DisplayName", "fr"] == settings.organization.portal_name
    assert settings.organization.name in (texts["Description", "fr"] or "")
    assert texts["PrivacyStatementURL", "fr"] == settings.url("/donnees-personnelles")
    assert texts["InformationURL", "fr"] == settings.organization.url
    contacts = published.findall("md:ContactPerson", NS)
    assert [each.get("contactType") for each in contacts] == ["technical", "support", "other"]
    assert [each.get(f"{{{NS['remd']}}}contactType") for each in contacts] == [
        None,
        None,
        "http://refeds.org/metadata/contactType/security",
    ]
    for contact in contacts:
        mail = contact.findtext("md:EmailAddress", "", NS)
        assert mail == f"mailto:{settings.organization.correspondant}"


def test_the_same_moment_gives_the_same_bytes(settings: Settings, signer: Signer) -> None:
    first = entity_descriptor(settings, signer, START)
    assert entity_descriptor(settings, signer, START) == first
    later = entity_descriptor(settings, signer, START + timedelta(hours=1))
    assert xml.parse(later).get("ID") != xml.parse(first).get("ID")


def test_names_with_markup_are_written_safely(settings: Settings, signer: Signer) -> None:
    name = '<b>"CIG" & Cie</b>'
    own = replace(settings, organization=replace(settings.organization, name=name))
    root = xml.parse(entity_descriptor(own, signer, START))
    verify_element(root, signer.certificates())
    assert root.findtext("md:Organization/md:OrganizationName", namespaces=NS) == name
