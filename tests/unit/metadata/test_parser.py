"""What a service provider's metadata says, and what is refused of it."""

from base64 import b64encode
from datetime import UTC, datetime

import pytest

from idp.errors import MetadataError
from idp.types import Binding, Endpoint
from metadata.parser import ParsedEntity, parse
from tests.common.clock import START
from tests.unit.metadata import samples
from tests.unit.metadata.samples import ACS, DATA, SLO, acs, der, ed25519_der, entity, key, names


def read(*children: str, **more: str) -> ParsedEntity:
    return parse(entity(*children, **more), now=START)


def refusal(*children: str, **more: str) -> str:
    with pytest.raises(MetadataError) as caught:
        read(*children, **more)
    return caught.value.public


def test_a_complete_descriptor_is_read_whole() -> None:
    parsed = read(
        names({"de": "BID", "en": "Data bank", "fr": "Banque  statutaire"}),
        key(der("a"), use="signing"),
        key(der("b", number=1), use="encryption", methods=("urn:alg:one", "urn:alg:two")),
        SLO,
        "<md:NameIDFormat> urn:oasis:names:tc:SAML:2.0:nameid-format:persistent </md:NameIDFormat>",
        acs("https://bip.exemple.fr/art", binding=samples.ARTIFACT, index="7"),
        acs("https://bip.exemple.fr/acs", index="1", more='isDefault="1"'),
        '<md:AttributeConsumingService index="0"><md:ServiceName xml:lang="fr">B</md:ServiceName>'
        '<md:RequestedAttribute Name="mail" FriendlyName="courriel" isRequired="true"/>'
        '<md:RequestedAttribute Name="sn" NameFormat="urn:f"/></md:AttributeConsumingService>',
        attributes='AuthnRequestsSigned="true" WantAssertionsSigned=" 1 "',
        root_attributes='validUntil="2027-01-31T01:00:00+01:00"',
    )
    assert parsed.entity_id == samples.ENTITY_ID
    assert parsed.display_name == "Banque statutaire"
    assert parsed.assertion_consumer_services == (
        Endpoint(Binding.ARTIFACT, "https://bip.exemple.fr/art", 7),
        Endpoint(Binding.POST, "https://bip.exemple.fr/acs", 1, is_default=True),
    )
    assert parsed.single_logout_services == (
        Endpoint(Binding.REDIRECT, "https://bip.exemple.fr/saml/slo"),
    )
    assert parsed.signing_certificates == (der("a"),)
    assert parsed.encryption_certificates == (der("b", number=1),)
    assert parsed.encryption_methods == ("urn:alg:one", "urn:alg:two")
    assert parsed.authn_requests_signed is True
    assert parsed.want_assertions_signed is True
    assert parsed.name_id_formats == ("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",)
    assert [(each.name, each.required) for each in parsed.requested_attributes] == [
        ("mail", True),
        ("sn", False),
    ]
    assert parsed.valid_until == datetime(2027, 1, 31, tzinfo=UTC)
    assert parsed.warnings == ()


def test_what_is_absent_has_its_default() -> None:
    parsed = read(ACS)
    assert parsed.display_name == samples.ENTITY_ID
    assert (parsed.signing_certificates, parsed.encryption_certificates) == ((), ())
    assert (parsed.authn_requests_signed, parsed.want_assertions_signed) == (False, False)
    assert (parsed.valid_until, parsed.requested_attributes) == (None, ())


def test_a_key_without_use_counts_for_both() -> None:
    parsed = read(key(der()), ACS)
    assert parsed.signing_certificates == parsed.encryption_certificates == (der(),)


def test_several_signing_keys_are_kept_in_order_and_once() -> None:
    one, two = der("a"), der("b", number=1)
    parsed = read(key(one, use="signing"), key(two, use="signing"), key(one, use="signing"), ACS)
    assert parsed.signing_certificates == (one, two)


def test_a_certificate_with_pem_lines_and_spaces_is_read() -> None:
    text = b64encode(der()).decode()
    wrapped = (
        f"-----BEGIN CERTIFICATE-----\n  {text[:64]}\n\t{text[64:]}\n-----END CERTIFICATE-----"
    )
    pem = key(der()).replace(text, wrapped)
    assert read(pem, ACS).signing_certificates == (der(),)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"en": "English", "fr": "Français"}, "Français"),
        ({"de": "Deutsch", "en-GB": "English"}, "English"),
        ({"de": "Deutsch"}, "Deutsch"),
        ({"fr": "  "}, samples.ENTITY_ID),
    ],
)
def test_display_name_is_french_then_english_then_any(texts: dict[str, str], expected: str) -> None:
    assert read(names(texts), ACS).display_name == expected


def test_an_elliptic_key_signs_but_cannot_encrypt() -> None:
    curve = der("ec", elliptic=True)
    parsed = read(key(curve), ACS)
    assert parsed.signing_certificates == (curve,)
    assert parsed.encryption_certificates == ()
    assert "n'est pas une clé RSA" in parsed.warnings[0]


def test_every_attribute_service_is_read_with_its_index() -> None:
    service = (
        '<md:AttributeConsumingService index="{0}" {1}>'
        '<md:RequestedAttribute Name="{2}"/></md:AttributeConsumingService>'
    )
    first = service.format(0, "", "a")
    second = service.format(1, 'isDefault="true"', "b")
    nothing = '<md:AttributeConsumingService index="2"/>'
    parsed = read(ACS, first, second, nothing)
    services = parsed.attribute_consuming_services
    assert [(each.index, [one.name for one in each.requested]) for each in services] == [
        (0, ["a"]),
        (1, ["b"]),
    ]
    assert [each.name for each in parsed.requested_attributes] == ["a", "b"]
    assert "l'attribut index vaut « x »" in refusal(ACS, service.format("x", "", "a"))


def test_a_descriptor_for_saml_1_beside_ours_is_left_alone() -> None:
    other = (
        '<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol">'
        f"{acs('https://old.exemple.fr/acs')}</md:SPSSODescriptor>"
    )
    parsed = read(ACS, after=other)
    assert [each.location for each in parsed.assertion_consumer_services] == [samples.ACS_URL]


# --- taken with a warning ----------------------------------------------------------------------


def test_elements_out_of_the_schemas_order_are_taken_with_a_warning() -> None:
    parsed = read(ACS, key(der()), SLO)
    assert parsed.signing_certificates == (der(),)
    assert parsed.single_logout_services
    assert [warning.partition(" selon")[0] for warning in parsed.warnings] == [
        "Ligne 4 : KeyDescriptor devrait venir avant AssertionConsumerService",
        "Ligne 5 : SingleLogoutService devrait venir avant AssertionConsumerService",
    ]


def test_unknown_elements_are_ignored_with_a_warning() -> None:
    parsed = read('<x xmlns="urn:x"/>', ACS)
    assert parsed.warnings[0].startswith("Ligne 3 : l'élément x n'a pas sa place")


def test_an_acs_without_index_is_taken_with_a_warning() -> None:
    parsed = read(acs(samples.ACS_URL, index=None))
    assert parsed.assertion_consumer_services[0].index is None
    assert "n'a pas d'attribut index" in parsed.warnings[0]


def test_a_real_legacy_file_out_of_order_is_read() -> None:
    parsed = parse((DATA / "legacy-out-of-order.xml").read_bytes(), now=START)
    assert parsed.entity_id == "https://ancienne.exemple.fr/mellon/metadata"
    assert len(parsed.warnings) == 2
    assert parsed.authn_requests_signed


# --- refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        "javascript:alert(1)",
        "JaVaScRiPt://bip.exemple.fr/%0aalert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://bip.exemple.fr/acs",
        "//bip.exemple.fr/acs",
        "/acs",
        "acs",
        "https:///acs",
        "https://",
        "https:bip.exemple.fr/acs",
        "https://user:secret@bip.exemple.fr/acs",
        "https://bip.exemple.fr@evil.example/acs",
        "https://bip.exemple.fr:99999/acs",
        "https://bip.exemple.fr:0/acs",
        "https://bip.exemple.fr:x/acs",
        "https://[::1/acs",
        "https://bip.exemple.fr/a b",
        "https://bip.exemple.fr\\@evil.example/acs",
        "https://bip.exemple.fr/&quot;onload=x",
        "java&#9;script:alert(1)",
        "https://bip.exemple.fr/\u202eacs",
    ],
)
def test_an_acs_that_is_no_absolute_http_address_is_refused(location: str) -> None:
    assert refusal(acs(location)).startswith("Ligne 3 : l'adresse Location")


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:6544/acs", "https://é.exemple.fr/acs?a=1", "https://[::1]/a"]
)
def test_honest_addresses_are_taken(location: str) -> None:
    assert read(acs(location)).assertion_consumer_services[0].location == location


def test_a_bad_address_is_refused_wherever_it_stands() -> None:
    slo = f'<md:SingleLogoutService Binding="{samples.POST}" Location="javascript:x"/>'
    assert "SingleLogoutService" in refusal(slo, ACS)
    response = acs(samples.ACS_URL, more='ResponseLocation="data:x"')
    assert "ResponseLocation" in refusal(response)


def test_an_sp_that_cannot_receive_a_post_is_refused() -> None:
    assert "HTTP-POST" in refusal(acs(samples.ACS_URL, binding=samples.ARTIFACT))
    assert "Ligne 2" in refusal(SLO)


def test_two_acs_with_the_same_index_are_refused() -> None:
    text = refusal(ACS, acs("https://bip.exemple.fr/autre", index="00"))
    assert text.startswith("Ligne 4 : deux AssertionConsumerService portent l'index 0")


@pytest.mark.parametrize("index", ["", "-1", "65536", "x", "1.0", "٣", "9" * 5000, "1 2"])
def test_an_index_that_is_no_short_number_is_refused(index: str) -> None:
    assert "l'attribut index" in refusal(acs(samples.ACS_URL, index=index))


@pytest.mark.parametrize(("text", "number"), [("65535", 65535), (" 007 ", 7), ("0", 0)])
def test_an_index_is_read_as_the_schema_says(text: str, number: int) -> None:
    endpoints = read(acs(samples.ACS_URL, index=text)).assertion_consumer_services
    assert endpoints[0].index == number


@pytest.mark.parametrize(
    ("entity_id", "expected"),
    [
        ("", "entityID"),
        ("   ", "entityID"),
        ("https://" + "a" * 1017, "1024"),
        ("https://" + "é" * 600, "1024"),
        ("https://a b", "espace"),
        ("https://a\u200bb", "invisible"),
    ],
)
def test_an_entity_id_that_cannot_serve_is_refused(entity_id: str, expected: str) -> None:
    text = refusal(ACS, entity_id=entity_id)
    assert text.startswith("Ligne 1")
    assert expected in text


def test_an_entity_id_of_1024_characters_is_taken() -> None:
    longest = "https://" + "a" * 1016
    assert read(ACS, entity_id=longest).entity_id == longest


def test_without_entity_id_at_all() -> None:
    with pytest.raises(MetadataError, match="entityID"):
        parse(entity(ACS).replace(b"entityID=", b"other="), now=START)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b"<a/>", "commence par"),
        (b"<EntityDescriptor entityID='x'/>", "commence par"),
        (
            b"<EntitiesDescriptor xmlns='urn:oasis:names:tc:SAML:2.0:metadata'/>",
            "EntitiesDescriptor",
        ),
        (
            b"<a:EntityDescriptor xmlns:a='urn:oasis:names:tc:SAML:2.0:metadata' entityID='x'/>",
            "pas de SPSSODescriptor",
        ),
    ],
)
def test_other_documents_are_refused(document: bytes, expected: str) -> None:
    with pytest.raises(MetadataError) as caught:
        parse(document, now=START)
    assert expected in caught.value.public
    assert caught.value.public.startswith("Ligne 1 : ")


def test_an_sp_that_does_not_speak_saml_2_is_refused() -> None:
    text = refusal(ACS, protocols="urn:oasis:names:tc:SAML:1.1:protocol")
    assert "protocolSupportEnumeration" in text
    assert "protocolSupportEnumeration" in refusal(ACS, protocols="")


def test_two_descriptors_for_saml_2_are_refused() -> None:
    other = f'<md:SPSSODescriptor protocolSupportEnumeration="{samples.SAML2}"/>'
    assert refusal(ACS, after=other).startswith("Ligne 5 : il y a deux SPSSODescriptor")


@pytest.mark.parametrize("text", ["!!!", "", "AAAA", b64encode(b"\x30\x03\x02\x01\x01").decode()])
def test_an_unreadable_certificate_is_refused(text: str) -> None:
    broken = key(der()).replace(b64encode(der()).decode(), text)
    assert refusal(broken, ACS).startswith("Ligne 3 : le certificat est illisible")


def test_a_key_of_another_kind_is_refused() -> None:
    assert "le certificat est illisible" in refusal(key(ed25519_der()), ACS)


def test_a_key_without_certificate_is_refused() -> None:
    assert "ne contient pas de certificat" in refusal(key(), ACS)


def test_a_chain_in_one_key_descriptor_is_refused() -> None:
    text = refusal(key(der("leaf"), der("authority", number=1)), ACS)
    assert "plusieurs clés" in text


def test_two_certificates_of_one_key_are_one_key() -> None:
    parsed = read(key(der("old"), der("new")), ACS)
    assert parsed.signing_certificates == (der("old"),)


def test_an_unknown_use_is_refused() -> None:
    assert "« both »" in refusal(key(der(), use="both"), ACS)


@pytest.mark.parametrize("name", ["AuthnRequestsSigned", "WantAssertionsSigned"])
def test_a_boolean_that_is_none_is_refused(name: str) -> None:
    assert "Écrivez « true » ou « false »" in refusal(ACS, attributes=f'{name}="TRUE"')


@pytest.mark.parametrize("where", ["attributes", "root_attributes"])
def test_expired_metadata_is_refused(where: str) -> None:
    text = refusal(ACS, **{where: 'validUntil="2026-11-20T08:57:00Z"'})
    assert "ont expiré le 20/11/2026" in text
    assert read(ACS, **{where: 'validUntil="2026-11-20T08:57:01Z"'}).valid_until is not None


def test_the_nearest_end_counts() -> None:
    parsed = read(
        ACS,
        root_attributes='validUntil="2028-01-01T00:00:00Z"',
        attributes='validUntil="2027-01-01T00:00:00.123456789Z"',
    )
    assert parsed.valid_until is not None
    assert parsed.valid_until.year == 2027


@pytest.mark.parametrize(
    "date", ["", "demain", "2027-13-01T00:00:00Z", "2027-01-01", "0001-01-01T00:00:00+14:00"]
)
def test_a_date_that_is_none_is_refused(date: str) -> None:
    assert "validUntil" in refusal(ACS, root_attributes=f'validUntil="{date}"')


def test_endpoints_need_a_binding_and_an_address() -> None:
    assert "Binding" in refusal(ACS.replace("Binding", "Other"))
    assert "Location" in refusal(ACS.replace("Location", "Other"))


def test_a_requested_attribute_needs_a_name() -> None:
    service = (
        '<md:AttributeConsumingService index="0"><md:RequestedAttribute/>'
        "</md:AttributeConsumingService>"
    )
    assert refusal(ACS, service).startswith("Ligne 4 : l'attribut Name de RequestedAttribute")
