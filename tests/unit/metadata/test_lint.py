"""The warnings of a registration."""

from datetime import timedelta

import pytest

from idp.errors import MetadataError
from idp.types import Encrypt, NameIDFormat, Sign
from metadata.lint import examine
from metadata.options import Choice, complete
from metadata.parser import parse
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


def test_metadata_that_ends_soon() -> None:
    soon = warnings(key(der()), SLO, ACS, root_attributes='validUntil="2026-12-01T00:00:00Z"')
    assert "expirent le 01/12/2026" in only(soon)
    late = warnings(key(der()), SLO, ACS, root_attributes='validUntil="2027-12-01T00:00:00Z"')
    assert late == ()
