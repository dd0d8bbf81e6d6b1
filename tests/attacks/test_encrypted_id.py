"""What is encrypted to us: read when it is what SPs write, refused in one way otherwise."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shutil import copyfile

import pytest
import xmlsec
from lxml import etree

from idp.errors import UnreadableMessage
from idp.keys import KeyRing, KeyUse
from idp.saml import encrypted, signature, xml
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.encrypting import (
    AES128_CBC,
    AES128_GCM,
    AES256_CBC,
    AES256_GCM,
    DS,
    NAME_ID,
    OAEP,
    OAEP_MGF1P,
    RSA_1_5,
    SAML,
    XENC,
    XENC11,
    Encrypter,
)
from tests.common.fake_sp import key_pair

ONE_TEXT = "what is encrypted cannot be read"
Change = Callable[[Encrypter], str]


@pytest.fixture
def ring(services: Services, keys_folder: Path) -> KeyRing:
    copyfile(keys_folder / "idp-next.pem", services.settings.keys / "opens.pem")
    certificate = (keys_folder / "idp-next.crt").read_text()
    services.keys.adopt("opens", certificate, KeyUse.ENCRYPTION)
    services.keys.promote("opens")
    return services.keys


@pytest.fixture
def sp(ring: KeyRing) -> Encrypter:
    """It read our metadata."""
    return Encrypter(ring.encryption_certificates()[0])


def read(ring: KeyRing, text: str) -> str | None:
    return ring.decrypt(xml.parse(text.encode())).text


@pytest.mark.sqlite_only
@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("block", [AES128_GCM, AES256_GCM, AES128_CBC, AES256_CBC])
def test_what_sps_write_is_read(
    ring: KeyRing,
    sp: Encrypter,
    block: str,
    beside: bool,  # noqa: FBT001 - a parameter
) -> None:
    assert read(ring, replace(sp, block=block, beside=beside).encrypted_id()) == "Zoé"


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("transport", "digest", "mask"),
    [
        (OAEP_MGF1P, f"{DS}sha1", None),
        (OAEP_MGF1P, f"{XENC}sha256", None),
        (OAEP, f"{XENC}sha256", f"{XENC11}mgf1sha256"),
        (OAEP, f"{XENC}sha512", f"{XENC11}mgf1sha1"),
        (OAEP, None, None),
    ],
)
def test_every_oaep_is_read(
    ring: KeyRing, sp: Encrypter, transport: str, digest: str | None, mask: str | None
) -> None:
    written = replace(sp, transport=transport, digest=digest, mask=mask).encrypted_id()
    assert read(ring, written) == "Zoé"


def test_what_libxmlsec1_writes_is_read(ring: KeyRing) -> None:
    """As mod_auth_mellon and Shibboleth write it: prefixes may be declared outside."""
    outside = etree.fromstring(
        f'<saml:EncryptedID xmlns:saml="{SAML}"><saml:NameID>Zoé</saml:NameID></saml:EncryptedID>'
    )
    data = xmlsec.template.encrypted_data_create(
        outside, xmlsec.Transform.AES256_GCM, type=xmlsec.EncryptionType.ELEMENT, ns="xenc"
    )
    xmlsec.template.encrypted_data_ensure_cipher_value(data)
    info = xmlsec.template.encrypted_data_ensure_key_info(data, ns="ds")
    wrapped = xmlsec.template.add_encrypted_key(info, xmlsec.Transform.RSA_OAEP)
    xmlsec.template.encrypted_data_ensure_cipher_value(wrapped)
    manager = xmlsec.KeysManager()
    certificate = ring.encryption_certificates()[0]
    manager.add_key(xmlsec.Key.from_memory(certificate, xmlsec.KeyFormat.CERT_DER))
    context = xmlsec.EncryptionContext(manager)
    context.key = xmlsec.Key.generate(xmlsec.KeyData.AES, 256, xmlsec.KeyDataType.SESSION)
    context.encrypt_xml(data, outside[0])
    assert b"NameID" not in etree.tostring(outside)
    assert read(ring, etree.tostring(outside).decode()) == "Zoé"


def test_a_key_decrypts_until_its_end_and_is_published_only_while_active(
    ring: KeyRing, sp: Encrypter, clock: FakeClock
) -> None:
    old = sp.encrypted_id()
    kid = ring.generate(KeyUse.ENCRYPTION)
    assert ring.encryption_certificates() == (sp.certificate,), "not before it is promoted"
    ring.promote(kid)
    assert sp.certificate not in ring.encryption_certificates()
    assert len(ring.encryption_certificates()) == 1
    assert read(ring, old) == "Zoé"
    clock.advance(timedelta(days=31))
    with pytest.raises(UnreadableMessage):
        read(ring, old)


def test_without_an_encryption_key_nothing_is_read(services: Services) -> None:
    assert services.keys.encryption_certificates() == ()
    with pytest.raises(UnreadableMessage, match=ONE_TEXT):
        read(services.keys, Encrypter(services.keys.certificates()[0]).encrypted_id())


def changed(pattern: str, replacement: str) -> Change:
    def write(sp: Encrypter) -> str:
        text, count = re.subn(pattern, replacement, sp.encrypted_id(), flags=re.DOTALL)
        assert count, pattern
        return text

    return write


def holding(content: bytes) -> Change:
    return lambda sp: sp.encrypted_id(content)


def _flipped(sp: Encrypter) -> str:
    text = sp.encrypted_id()
    at = text.rindex("</xenc:CipherValue>") - 8
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def _wrapped_elsewhere(sp: Encrypter) -> str:
    """The key that the RetrievalMethod names stands where no SP puts one."""
    text = replace(sp, beside=True).encrypted_id()
    start, end = text.index("<xenc:EncryptedKey "), text.index("</saml:EncryptedID>")
    return f"{text[:start]}<x>{text[start:end]}</x></saml:EncryptedID>"


def _two_keys(sp: Encrypter) -> str:
    """Two EncryptedKeys of one Id."""
    other = Encrypter(key_pair("other")[1]).encrypted_id()
    again = other[other.index("<xenc:EncryptedKey ") : other.index("</ds:KeyInfo>")]
    return replace(sp, more_keys=again).encrypted_id()


HUGE = encrypted.MOST_CONTENT + 1000
"""Less than a message may have in all: it is this bound that refuses it."""

ATTACKS: dict[str, Change] = {
    "RSA 1.5": lambda sp: replace(sp, transport=RSA_1_5).encrypted_id(),
    "RSA 1.5 told as OAEP": lambda sp: replace(
        sp, transport=RSA_1_5, told_transport=OAEP_MGF1P
    ).encrypted_id(),
    "3DES": lambda sp: replace(sp, told_block=f"{XENC}tripledes-cbc").encrypted_id(),
    "no algorithm": changed(f' Algorithm="{re.escape(AES128_GCM)}"', ""),
    "a digest of no list": changed(
        f'(Algorithm="{re.escape(OAEP_MGF1P)}")>',
        r'\1><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#md5"/>',
    ),
    "OAEPparams": changed(
        f'(Algorithm="{re.escape(OAEP_MGF1P)}")>', r"\1><xenc:OAEPparams>AAAA</xenc:OAEPparams>"
    ),
    "another's key": lambda _sp: Encrypter(key_pair("other")[1]).encrypted_id(),
    "a session key of another size": lambda sp: replace(
        sp, session_key=b"k" * 32, told_block=AES128_GCM
    ).encrypted_id(),
    "a changed octet": _flipped,
    "the same Id twice": _two_keys,
    "the key is elsewhere": _wrapped_elsewhere,
    "no key": changed("<xenc:EncryptedKey.*</xenc:EncryptedKey>", ""),
    "a key to fetch": changed(
        "<xenc:EncryptedKey.*</xenc:EncryptedKey>",
        f'<ds:RetrievalMethod Type="{XENC}EncryptedKey" URI="http://127.0.0.1:9/key"/>',
    ),
    "octets to fetch": changed(
        "<xenc:CipherValue>[^<]*</xenc:CipherValue>(?=</xenc:CipherData></xenc:EncryptedData>)",
        '<xenc:CipherReference URI="http://127.0.0.1:9/octets"/>',
    ),
    "two EncryptedData": changed(
        "(<xenc:EncryptedData.*</xenc:EncryptedData>)",
        rf'<xenc:EncryptedData xmlns:xenc="{XENC}"/>\1',
    ),
    "many keys": lambda sp: replace(
        sp, more_keys="<xenc:EncryptedKey/>" * encrypted.MOST_KEYS
    ).encrypted_id(),
    "a huge wrapped key": changed(
        "<xenc:CipherValue>(?=[^<]*</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>)",
        "<xenc:CipherValue>" + "AAAA" * 400,
    ),
    "huge": holding(b"<a>" + b"x" * HUGE + b"</a>"),
    "no base64": changed("<xenc:CipherValue>", "<xenc:CipherValue>*"),
    "a DTD inside": holding(b'<!DOCTYPE a [<!ENTITY e "Zo">]>' + NAME_ID),
    "an entity inside": holding(b"<a>&e;</a>"),
    "the same ID twice inside": holding(b'<a ID="x"><b ID="x"/></a>'),
    "no XML inside": holding(b"Zo"),
    "two elements inside": holding(NAME_ID * 2),
    "nothing inside": holding(b""),
    "out of the wrapper": holding(b"</content><content>"),
    "an unknown prefix inside": holding(b"<none:NameID>Zo</none:NameID>"),
    "no UTF-8 inside": holding(b"<a>\xe9</a>"),
    "deep": holding(b"<a>" * 100 + b"</a>" * 100),
}


@pytest.mark.sqlite_only
@pytest.mark.parametrize("attack", ATTACKS)
def test_everything_else_is_refused_in_the_same_words(
    ring: KeyRing, sp: Encrypter, attack: str
) -> None:
    written = ATTACKS[attack](sp)
    with pytest.raises(UnreadableMessage) as refused:
        read(ring, written)
    if attack != "the same Id twice":  # our parser never lets it in
        assert refused.value.cause == ONE_TEXT
    assert refused.value.public == UnreadableMessage.public_text
    assert refused.value.__cause__ is None


@pytest.mark.sqlite_only
def test_rsa_1_5_would_go_through_were_it_on_the_list(
    ring: KeyRing, sp: Encrypter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The allow-list is what refuses it, not libxmlsec1."""
    monkeypatch.setitem(signature.KEY_TRANSPORTS, RSA_1_5, ())
    assert read(ring, ATTACKS["RSA 1.5"](sp)) == "Zoé"


@pytest.mark.sqlite_only
def test_a_huge_content_would_go_through_without_its_bound(
    ring: KeyRing, sp: Encrypter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encrypted, "MOST_CONTENT", 1_000_000)
    assert read(ring, ATTACKS["huge"](sp)) == "x" * HUGE


@pytest.mark.sqlite_only
def test_a_dtd_would_be_read_by_another_parser(
    ring: KeyRing, sp: Encrypter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encrypted, "_inside", lambda _data, octets: etree.fromstring(octets))
    assert read(ring, ATTACKS["a DTD inside"](sp)) == "Zoé"


@pytest.mark.sqlite_only
def test_a_signing_key_decrypts_nothing(ring: KeyRing) -> None:
    with pytest.raises(UnreadableMessage):
        read(ring, Encrypter(ring.certificates()[0]).encrypted_id())
