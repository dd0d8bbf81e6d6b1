"""saml2int 2.0: what an SP receives, with the defaults."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from lxml import etree, html
from structlog.testing import capture_logs

from idp.types import NameFormat, NameIDFormat
from metadata.options import Choice
from tests.common.fake_sp import NS, FakeSP, verify
from tests.functional.conftest import SSO
from tests.functional.saml2int.conftest import Federation

XENC = "http://www.w3.org/2001/04/xmlenc#"
GCM = {f"http://www.w3.org/2009/xmlenc11#aes{bits}-gcm" for bits in (128, 192, 256)}
OAEP = f"{XENC}rsa-oaep-mgf1p"


def test_response_by_post(federation: Federation, sp: FakeSP) -> None:
    _, page = federation.ask(sp)
    form = html.fromstring(page.text).forms[0]
    assert (form.method, form.action) == ("POST", sp.acs)
    assert set(dict(form.form_values())) == {"SAMLResponse"}


def test_response_is_signed(federation: Federation, sp: FakeSP, signing_sp: FakeSP) -> None:
    certificate = federation.world.services.signer.certificates()[0]
    for each in (sp, signing_sp):
        verify(federation.response(each), certificate)


def test_one_assertion(federation: Federation, sp: FakeSP, signing_sp: FakeSP) -> None:
    for each, encrypted in ((sp, 0), (signing_sp, 1)):
        response = federation.response(each)
        assert len(response.findall("saml:Assertion", NS)) == 1 - encrypted
        assert len(response.findall("saml:EncryptedAssertion", NS)) == encrypted


def test_one_authn_statement(federation: Federation, sp: FakeSP) -> None:
    assert len(federation.enter(sp).xml.findall("saml:AuthnStatement", NS)) == 1


def test_at_most_one_attribute_statement(federation: Federation, sp: FakeSP) -> None:
    assertion = federation.enter(sp).xml
    assert len(assertion.findall("saml:AttributeStatement", NS)) == 1
    assert len(list(assertion.iter(f"{{{NS['saml']}}}AttributeStatement"))) == 1


def test_assertion_is_encrypted_when_the_sp_has_a_key(
    federation: Federation, sp: FakeSP, signing_sp: FakeSP
) -> None:
    assert b'use="encryption"' in signing_sp.metadata()
    assert federation.response(signing_sp).find("saml:EncryptedAssertion", NS) is not None
    assert b'use="encryption"' not in sp.metadata()
    assert federation.response(sp).find("saml:EncryptedAssertion", NS) is None


def methods(federation: Federation, sp: FakeSP) -> list[str]:
    """The algorithms of the encrypted assertion: of its content, of its key."""
    found = federation.response(sp).iterfind(".//xenc:EncryptionMethod", NS)
    return [each.get("Algorithm") for each in found]


def test_aes_gcm(federation: Federation, signing_sp: FakeSP) -> None:
    assert methods(federation, signing_sp)[0] in GCM
    assert federation.enter(signing_sp)


def test_aes_gcm_even_where_the_sp_would_take_aes_cbc_first(federation: Federation) -> None:
    sp = FakeSP("les-deux", encrypts=True, idp_sso=SSO)
    told = f'<md:EncryptionMethod Algorithm="{XENC}aes128-cbc"/>'
    told += "".join(f'<md:EncryptionMethod Algorithm="{each}"/>' for each in sorted(GCM))
    document = sp.metadata().replace(b"</md:KeyDescriptor>", f"{told}</md:KeyDescriptor>".encode())
    federation.join(sp, document)
    assert methods(federation, sp)[0] in GCM


def test_rsa_oaep(federation: Federation, signing_sp: FakeSP) -> None:
    assert methods(federation, signing_sp)[1:] == [OAEP]


def test_transient_name_id(federation: Federation, sp: FakeSP) -> None:
    first, second = (federation.enter(sp) for _ in range(2))
    assert first.name_id_format == second.name_id_format == NameIDFormat.TRANSIENT
    assert first.name_id != second.name_id


def test_attribute_name_format_is_uri(federation: Federation) -> None:
    """With the rules ``uri``; the four applications of the house ask for others."""
    sp = FakeSP("uri", idp_sso=SSO)
    federation.join(sp, choice=Choice(rule_set="uri"))
    found = federation.enter(sp).xml.findall("saml:AttributeStatement/saml:Attribute", NS)
    assert len(found) == 7
    assert {each.get("NameFormat") for each in found} == {NameFormat.URI}
    assert all(each.get("Name").startswith("urn:oid:") for each in found)


def test_one_attribute_value_for_each_value(federation: Federation, sp: FakeSP) -> None:
    received = federation.enter(sp)
    assert received.attributes["role"] == ["gest", "lect"]
    for value in received.xml.iter(f"{{{NS['saml']}}}AttributeValue"):
        assert len(value) == 0
        assert value.text


def test_a_value_beyond_256_characters_is_told_in_the_log(
    federation: Federation, sp: FakeSP
) -> None:
    directory, membership = federation.world.directory, federation.world.memberships["agent/vitry"]
    code = sp.entity_id.split("/")[2]
    for length in (256, 257):
        directory.add_role(code, f"r{length}", "role", "x" * length)
        directory.assign(membership, code, f"r{length}")
        with capture_logs() as lines:
            assert "x" * length in federation.enter(sp).attributes["role"]
        told = [line for line in lines if line["event"] == "attribute.long"]
        assert [line["attribute"] for line in told] == ["role"] * (length - 256)


def test_sha256(federation: Federation, sp: FakeSP) -> None:
    response = federation.response(sp)
    ds = NS["ds"]
    signed = {each.get("Algorithm") for each in response.iter(f"{{{ds}}}SignatureMethod")}
    digested = {each.get("Algorithm") for each in response.iter(f"{{{ds}}}DigestMethod")}
    assert signed == {"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"}
    assert digested == {f"{XENC}sha256"}


def test_validity_leaves_room_for_the_skew_of_sps(federation: Federation, sp: FakeSP) -> None:
    """An SP whose clock is three minutes behind ours has not to tolerate anything."""
    assertion = federation.enter(sp).xml
    begin = datetime.fromisoformat(assertion.find("saml:Conditions", NS).get("NotBefore"))
    issued = datetime.fromisoformat(assertion.get("IssueInstant"))
    assert timedelta(minutes=3) <= issued - begin <= timedelta(minutes=5)


# --- subject identifiers -----------------------------------------------------------------------

NEED = "urn:oasis:names:tc:SAML:profiles:subject-id:req"
IDENTIFIER = "urn:oasis:names:tc:SAML:attribute:{}"


def needing(federation: Federation, need: str, name: str = "") -> FakeSP:
    """An SP whose metadata says which subject identifier it needs."""
    sp = FakeSP(name or f"besoin-{need}", idp_sso=SSO)
    said = (
        '<md:Extensions><mdattr:EntityAttributes xmlns:mdattr="urn:oasis:names:tc:SAML:metadata:'
        f'attribute"><saml:Attribute xmlns:saml="{NS["saml"]}" Name="{NEED}" NameFormat="'
        f'{NameFormat.URI}"><saml:AttributeValue>{need}</saml:AttributeValue></saml:Attribute>'
        "</mdattr:EntityAttributes></md:Extensions><md:SPSSODescriptor"
    )
    document = sp.metadata().replace(b"<md:SPSSODescriptor", said.encode(), 1)
    return federation.join(sp, document)


def identifiers(federation: Federation, sp: FakeSP) -> dict[str, str]:
    """The subject identifiers that the SP receives."""
    attributes = federation.enter(sp).attributes
    names = ("subject-id", "pairwise-id")
    found = {name: attributes.get(IDENTIFIER.format(name)) for name in names}
    assert all(values is None or len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items() if values}


@pytest.mark.parametrize(
    ("need", "sent"),
    [
        ("subject-id", {"subject-id"}),
        ("pairwise-id", {"pairwise-id"}),
        ("any", {"pairwise-id"}),
        ("none", set()),
    ],
)
def test_the_sp_signals_its_subject_identifier(
    need: str, sent: set[str], federation: Federation
) -> None:
    assert set(identifiers(federation, needing(federation, need))) == sent


def test_subject_id_is_the_same_for_all_sps_and_pairwise_id_for_one(
    federation: Federation,
) -> None:
    for need, shared in (("subject-id", True), ("pairwise-id", False)):
        one, other = (needing(federation, need, f"{name}-{need}") for name in ("un", "autre"))
        first = identifiers(federation, one)[need]
        assert first == identifiers(federation, one)[need], "it lasts"
        assert (first == identifiers(federation, other)[need]) is shared
        assert "agent" not in first


def test_subject_identifiers_are_in_the_scope_of_our_metadata(
    federation: Federation, described: Callable[[], etree._Element]
) -> None:
    scopes = described().findall(
        "md:IDPSSODescriptor/md:Extensions/shibmd:Scope",
        {**NS, "shibmd": "urn:mace:shibboleth:metadata:1.0"},
    )
    assert [each.get("regexp") for each in scopes] == ["false"]
    for need in ("subject-id", "pairwise-id"):
        value = identifiers(federation, needing(federation, need))[need]
        assert value.partition("@")[2] == scopes[0].text
