"""The warnings of a registration."""

from dataclasses import replace
from datetime import timedelta

import pytest

from idp.errors import MetadataError
from idp.saml.subject_ids import RULES
from idp.types import Encrypt, NameIDFormat, ReleaseRule, Sign, Source
from metadata.lint import examine, notes
from metadata.options import Choice, complete
from metadata.parser import parse
from metadata.rule_sets import rule_set
from tests.common.clock import START
from tests.unit.metadata import samples
from tests.unit.metadata.samples import ACS, SLO, acs, der, entity, key, sha1_der

DAY = timedelta(days=1)


def warnings(
    *children: str,
    choice: Choice = Choice(),  # noqa: B008 - frozen
    **more: str,
) -> tuple[str, ...]:
    parsed = parse(entity(*children, **more), now=START)
    options = complete(choice, parsed, application="")
    return examine(parsed, options, now=START)


def only(found: tuple[str, ...]) -> str:
    assert len(found) == 1, found
    return found[0]


def test_there_is_nothing_to_say_of_good_metadata() -> None:
    assert warnings(key(der()), SLO, ACS) == ()


def test_the_parsers_warnings_come_first() -> None:
    found = warnings(SLO, key(der()), ACS)
    assert only(found).startswith("Ligne 4 : KeyDescriptor devrait venir avant")


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (START - DAY, "a expiré le 19/11/2026"),
        (START, "a expiré le 20/11/2026"),
        (START + DAY, "expire le 21/11/2026"),
        (START + 60 * DAY, "expire le 19/01/2027"),
        (START + 61 * DAY, None),
    ],
)
def test_a_certificate_that_ends(ends: object, expected: str | None) -> None:
    found = warnings(key(der("fin", ends=ends)), SLO, ACS)  # type: ignore[arg-type]
    if expected is None:
        assert found == ()
    else:
        assert expected in only(found)
        assert "« CN=fin »" in found[0]


def test_a_certificate_of_tomorrow() -> None:
    assert "à partir du 22/11/2026" in only(warnings(key(der(starts=START + 2 * DAY)), SLO, ACS))


def test_a_certificate_signed_with_sha_1() -> None:
    assert "SHA-1" in only(warnings(key(sha1_der()), SLO, ACS))


def test_a_short_rsa_key() -> None:
    assert "1024 bits" in only(warnings(key(der(bits=1024)), SLO, ACS))


def test_one_certificate_for_both_uses_is_named_once() -> None:
    old = sha1_der()
    assert len(warnings(key(old, use="signing"), key(old, use="encryption"), SLO, ACS)) == 1


def test_an_acs_without_https() -> None:
    found = warnings(key(der()), SLO, acs("http://bip.exemple.fr/acs"))
    assert "http://bip.exemple.fr/acs" in only(found)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_http_on_this_machine_is_fine(host: str) -> None:
    assert warnings(key(der()), SLO, acs(f"http://{host}:6544/acs")) == ()


def test_no_encryption_key() -> None:
    found = warnings(key(der(), use="signing"), SLO, ACS)
    assert 'use="encryption"' in only(found)
    silent = Choice(encrypt=Encrypt.NEVER)
    assert warnings(key(der(), use="signing"), SLO, ACS, choice=silent) == ()


def test_an_encryption_key_that_is_not_used() -> None:
    found = warnings(key(der()), SLO, ACS, choice=Choice(encrypt=Encrypt.NEVER))
    assert "désactivé" in only(found)


def test_encryption_demanded_without_a_key_is_an_error() -> None:
    with pytest.raises(MetadataError) as caught:
        warnings(key(der(), use="signing"), SLO, ACS, choice=Choice(encrypt=Encrypt.ALWAYS))
    assert "Le chiffrement est exigé" in caught.value.public


def test_signed_requests_without_a_signing_key_are_an_error() -> None:
    with pytest.raises(MetadataError) as caught:
        warnings(key(der(), use="encryption"), SLO, ACS, attributes='AuthnRequestsSigned="true"')
    assert "aucune clé de signature" in caught.value.public


def test_no_logout_address() -> None:
    assert "SingleLogoutService" in only(warnings(key(der()), ACS))


def test_two_defaults() -> None:
    other = acs("https://bip.exemple.fr/b", index="1", more='isDefault="true"')
    found = warnings(key(der()), SLO, acs(samples.ACS_URL, more='isDefault="true"'), other)
    assert "isDefault" in only(found)


def test_the_assertion_is_not_signed_though_the_sp_wants_it() -> None:
    want = 'WantAssertionsSigned="true"'
    choice = Choice(sign=Sign.RESPONSE)
    assert "seule la réponse" in only(
        warnings(key(der()), SLO, ACS, choice=choice, attributes=want)
    )
    assert warnings(key(der()), SLO, ACS, attributes=want) == ()


def test_an_identifier_that_the_sp_does_not_list() -> None:
    listed = f"<md:NameIDFormat>{NameIDFormat.PERSISTENT}</md:NameIDFormat>"
    choice = Choice(name_id_format=NameIDFormat.EMAIL_ADDRESS)
    found = warnings(key(der()), SLO, listed, ACS, choice=choice)
    assert f"Elle annonce : {NameIDFormat.PERSISTENT}" in only(found)
    assert warnings(key(der()), SLO, listed, ACS) == ()
    anything = f"<md:NameIDFormat>{NameIDFormat.UNSPECIFIED}</md:NameIDFormat>"
    assert warnings(key(der()), SLO, anything, ACS, choice=choice) == ()


BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
URI = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
UNSPECIFIED = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"


@pytest.mark.parametrize(
    ("attribute", "warned"),
    [
        (f'Name="mail" NameFormat="{BASIC}" isRequired="true"', False),
        ('Name="mail" isRequired="true"', False),
        (f'Name="mail" NameFormat="{UNSPECIFIED}" isRequired="1"', False),
        (f'Name="mail" NameFormat="{URI}" isRequired="true"', True),
        ('Name="phone" FriendlyName="téléphone" isRequired="true"', True),
        ('Name="phone" isRequired="false"', False),
        ('Name="phone"', False),
    ],
)
def test_a_required_attribute_that_no_rule_sends(attribute: str, warned: bool) -> None:  # noqa: FBT001 - a table of cases
    service = (
        f'<md:AttributeConsumingService index="0"><md:RequestedAttribute {attribute}/>'
        "</md:AttributeConsumingService>"
    )
    found = warnings(key(der()), SLO, ACS, service)
    assert bool(found) is warned
    if "téléphone" in attribute:
        assert "l'attribut téléphone (phone)" in only(found)


def test_a_required_attribute_of_any_service_that_no_rule_sends() -> None:
    service = (
        '<md:AttributeConsumingService index="{}" {}><md:RequestedAttribute Name="{}"'
        ' isRequired="true"/></md:AttributeConsumingService>'
    )
    services = service.format(0, 'isDefault="true"', "mail"), service.format(1, "", "phone")
    assert "l'attribut phone (phone)" in only(warnings(key(der()), SLO, ACS, *services))


@pytest.mark.parametrize("source", RULES)
def test_a_subject_identifier_is_required_by_its_signal(source: Source) -> None:
    name = RULES[source].name
    required = (
        f'<md:AttributeConsumingService index="0"><md:RequestedAttribute Name="{name}"'
        ' isRequired="true"/></md:AttributeConsumingService>'
    )
    text = only(warnings(key(der()), SLO, ACS, required))
    assert f"Faites-le signaler dans ses métadonnées ({REQ} : {source})." in text
    document = with_attributes((REQ, source.value)).replace(
        b"</md:SPSSODescriptor>", required.encode() + b"</md:SPSSODescriptor>"
    )
    parsed = parse(document, now=START)
    assert examine(parsed, complete(Choice(), parsed, application=""), now=START) == ()


def test_a_logout_that_nobody_can_sign() -> None:
    found = only(warnings(key(der(), use="encryption"), SLO, ACS))
    assert found.startswith("Ligne ")
    assert "SingleLogoutService" in found
    assert 'KeyDescriptor use="signing"' in found
    alone = only(warnings(key(der(), use="encryption"), ACS))
    assert "KeyDescriptor" not in alone, "it signs nobody out"


def test_metadata_that_ends_soon() -> None:
    soon = warnings(key(der()), SLO, ACS, root_attributes='validUntil="2026-12-01T00:00:00Z"')
    assert "expirent le 01/12/2026" in only(soon)
    late = warnings(key(der()), SLO, ACS, root_attributes='validUntil="2027-12-01T00:00:00Z"')
    assert late == ()


# --- what is good to know ----------------------------------------------------------------------


def noted(
    *children: str,
    choice: Choice = Choice(),  # noqa: B008 - frozen
    document: bytes | None = None,
) -> str:
    parsed = parse(document or entity(*children), now=START)
    return "\n".join(notes(parsed, complete(choice, parsed, application="")))


def test_findings_name_their_line() -> None:
    found = warnings(
        key(der()),
        key(der(bits=1024, number=3), use="signing"),
        samples.acs("http://bip.exemple.fr/slo").replace("AssertionConsumer", "SingleLogout"),
        acs("http://bip.exemple.fr/acs"),
    )
    assert [text.partition(" : ")[0] for text in found[-3:]] == ["Ligne 4", "Ligne 6", "Ligne 5"]
    assert "1024 bits" in found[-3]
    assert "reçoit les réponses sans chiffrement" in found[-2]
    assert "reçoit les déconnexions sans chiffrement" in found[-1]


def test_an_sp_that_decrypts_cbc_alone() -> None:
    cbc = "http://www.w3.org/2001/04/xmlenc#aes256-cbc"
    gcm = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
    assert "AES-CBC" in only(warnings(key(der(), methods=(cbc,)), SLO, ACS))
    assert warnings(key(der(), methods=(cbc, gcm)), SLO, ACS) == ()
    assert warnings(key(der(), methods=("urn:other",)), SLO, ACS) == ()


def test_keys_of_2048_bits_are_noted_and_longer_ones_are_not() -> None:
    assert "Ligne 3 : le certificat « CN=sp » a une clé RSA de 2048 bits" in noted(
        key(der()), SLO, ACS
    )
    assert "bits" not in noted(key(der(bits=3072)), SLO, ACS)
    assert "bits" not in noted(key(der(bits=1024)), SLO, ACS), "that is a warning"


def test_several_signing_certificates_are_noted() -> None:
    assert "2 certificats de signature" in noted(key(der()), key(der(number=1)), SLO, ACS)
    assert "certificats de signature" not in noted(key(der()), SLO, ACS)


def test_a_logout_by_post_alone_is_noted() -> None:
    by_post = SLO.replace("HTTP-Redirect", "HTTP-POST")
    assert "Ligne 4 : la déconnexion n'est annoncée que par HTTP-POST" in noted(
        key(der()), by_post, ACS
    )
    assert "HTTP-POST" not in noted(key(der()), SLO, by_post, ACS)


def test_an_sp_without_a_name_is_noted() -> None:
    assert "mdui:DisplayName" in noted(key(der()), SLO, ACS)
    assert "mdui" not in noted(samples.names({"fr": "BIP"}), key(der()), SLO, ACS)


def test_what_departs_without_an_end_is_noted() -> None:
    assert "unsigned-response" in noted(ACS, choice=Choice(sign=Sign.ASSERTION))
    assert "unsigned-response" not in noted(ACS)


def with_attributes(*attributes: tuple[str, str]) -> bytes:
    inside = "".join(
        f'<saml:Attribute Name="{name}"><saml:AttributeValue> {value} </saml:AttributeValue>'
        "</saml:Attribute>"
        for name, value in attributes
    )
    extensions = (
        '<md:Extensions xmlns:mdattr="urn:oasis:names:tc:SAML:metadata:attribute"'
        ' xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">'
        f"<mdattr:EntityAttributes>{inside}</mdattr:EntityAttributes></md:Extensions>"
    )
    return entity(key(der()), SLO, ACS).replace(
        b"<md:SPSSODescriptor", extensions.encode() + b"<md:SPSSODescriptor", 1
    )


REQ = "urn:oasis:names:tc:SAML:profiles:subject-id:req"
CATEGORY = "http://macedir.org/entity-category"


@pytest.mark.parametrize("value", ["subject-id", "pairwise-id", "any", "none"])
def test_the_subject_identifier_that_is_asked_for_is_understood(value: str) -> None:
    document = with_attributes((REQ, value))
    assert parse(document, now=START).subject_id_req == value
    assert f"« {value} »" in noted(document=document)


@pytest.mark.parametrize("values", [(), ("other",), ("any", "none"), ("any", "other")])
def test_a_subject_identifier_that_is_unclear_is_none(values: tuple[str, ...]) -> None:
    document = with_attributes(*((REQ, value) for value in values))
    assert parse(document, now=START).subject_id_req is None


SUBJECT_ID, PAIRWISE_ID = RULES.values()


@pytest.mark.parametrize(
    ("value", "rules", "expected"),
    [
        ("subject-id", (), "subject-id part, en plus des règles enregistrées"),
        ("any", (), "pairwise-id part, en plus des règles enregistrées"),
        ("any", (SUBJECT_ID,), "les règles enregistrées l'envoient"),
        ("none", (), "aucun ne part"),
        ("none", (PAIRWISE_ID,), "celui que les règles enregistrées envoient est retenu"),
    ],
)
def test_what_becomes_of_the_signal_is_said(
    value: str, rules: tuple[ReleaseRule, ...], expected: str
) -> None:
    parsed = parse(with_attributes((REQ, value)), now=START)
    options = complete(Choice(), parsed, application="")
    options = replace(options, rules=(*options.rules, *rules))
    (text,) = (note for note in notes(parsed, options) if REQ in note)
    assert text.endswith(f" : {expected}.")


def test_a_category_says_what_it_expects_and_sends_nothing() -> None:
    research = "http://refeds.org/category/research-and-scholarship"
    document = with_attributes((CATEGORY, research))
    assert "Rien ne part de ce seul fait" in noted(document=document)
    assert "--attributes research" in noted(document=document)
    chosen = noted(document=document, choice=Choice(rule_set="research"))
    assert "les règles envoient ce qu'elle attend" in chosen
    assert "--attributes" not in chosen
    conduct = with_attributes((CATEGORY, "https://refeds.org/category/code-of-conduct/v2"))
    assert "l'éditeur s'engage sur la protection des données" in noted(document=conduct)
    parsed = parse(document, now=START)
    assert complete(Choice(), parsed, application="").rules == rule_set("basic")


def test_entity_categories_are_understood() -> None:
    document = with_attributes((CATEGORY, "urn:a"), (CATEGORY, "urn:b"), ("other", "urn:c"))
    assert parse(document, now=START).entity_categories == ("urn:a", "urn:b")
    assert "Catégorie annoncée : urn:b." in noted(document=document)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("PT1H", 1), ("P1D", 24), ("P1Y", 8760), ("P1M", 720), ("PT90M", 1.5), ("PT3600.5S", 1)],
)
def test_a_cache_duration_is_read(text: str, hours: float) -> None:
    document = entity(ACS, root_attributes=f'cacheDuration="{text}"')
    assert parse(document, now=START).cache_duration == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "P", "PT", "1H", "-PT1H", "soon"])
def test_a_cache_duration_that_is_unreadable_is_no_reason_to_refuse(text: str) -> None:
    document = entity(ACS, root_attributes=f'cacheDuration="{text}"')
    assert parse(document, now=START).cache_duration is None
