"""A key that comes in a PKCS#12 file."""

import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PKCS12PrivateKeyTypes,
    serialize_key_and_certificates,
)

from idp.errors import KeyRefused
from idp.keys import KeyRing, KeyUse
from idp.saml.canonical import element, render
from idp.saml.signature import verify_element
from idp.saml.xml import parse
from idp.services import Services
from tests.common.clock import START

SECRET = "une phrase é".encode()
YEAR = timedelta(days=365)


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    del number
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate(
    key: PKCS12PrivateKeyTypes, begins: datetime = START - YEAR, ends: datetime = START + YEAR
) -> x509.Certificate:
    issuer = rsa_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CIG")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(7)  # type: ignore[arg-type]
    return builder.not_valid_before(begins).not_valid_after(ends).sign(issuer, hashes.SHA256())


def file(
    key: PKCS12PrivateKeyTypes | None, own: x509.Certificate | None, secret: bytes = SECRET
) -> bytes:
    how = BestAvailableEncryption(secret) if secret else NoEncryption()
    others = [certificate(rsa_key(number=9))]
    return serialize_key_and_certificates(b"idp", key, own, others, how)


@pytest.fixture
def ring(services: Services) -> KeyRing:
    return services.keys


@pytest.mark.parametrize("secret", [SECRET, b""])
def test_it_signs_with_its_own_certificate_once_promoted(
    ring: KeyRing, services: Services, secret: bytes
) -> None:
    key = rsa_key()
    kid = ring.import_pkcs12(file(key, certificate(key), secret), secret)
    path = services.settings.keys / f"{kid}.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ring.kid == "idp"
    ring.promote(kid, force=True)
    message = render(element("samlp:Response", {"ID": "x"}, "x"))
    signed = message.replace("</samlp", f"{ring.sign_element(message, 'x')}</samlp")
    verify_element(parse(signed.encode()), [ring.certificates()[0]])
    told = x509.load_der_x509_certificate(ring.certificates()[0])
    assert told.serial_number == 7


def test_it_may_be_for_encryption(ring: KeyRing) -> None:
    key = rsa_key()
    kid = ring.import_pkcs12(file(key, certificate(key)), SECRET, KeyUse.ENCRYPTION)
    ring.promote(kid, force=True)
    assert len(ring.encryption_certificates()) == 1
    assert ring.kid == "idp"


@pytest.mark.parametrize("use", KeyUse)
def test_a_key_that_is_there_already_is_refused_by_its_name(
    ring: KeyRing, services: Services, use: KeyUse
) -> None:
    """Retired under one name, it would go on under the other, even with a renewed certificate."""
    key = rsa_key()
    kid = ring.import_pkcs12(file(key, certificate(key)), SECRET)
    before = sorted(services.settings.keys.iterdir())
    renewed = file(key, certificate(key, ends=START + 2 * YEAR))
    for state in ("next", "retired"):
        with pytest.raises(KeyRefused) as refused:
            ring.import_pkcs12(renewed, SECRET, use)
        assert f"« {kid} »" in refused.value.public, state
        ring.retire(kid, force=True)
    assert sorted(services.settings.keys.iterdir()) == before
    assert len(ring.list()) == 2


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "no PKCS#12": (lambda: b"-----BEGIN PRIVATE KEY-----", "n'est pas un PKCS#12"),
    "another password": (
        lambda: file(rsa_key(), certificate(rsa_key()), b"other"),
        "n'est pas un PKCS#12, ou ce n'est pas son mot de passe",
    ),
    "no key": (lambda: file(None, certificate(rsa_key())), "pas de clé privée RSA"),
    "no RSA": (
        lambda: file(_curve(), certificate(_curve())),
        "pas de clé privée RSA",
    ),
    "too small": (lambda: file(rsa_key(1024), certificate(rsa_key(1024))), "1024 bits"),
    "no certificate": (lambda: file(rsa_key(), None), "pas le certificat de sa clé"),
    "ended": (
        lambda: file(rsa_key(), certificate(rsa_key(), ends=START)),
        "a pris fin le 20/11/2026",
    ),
    "not begun": (
        lambda: file(rsa_key(), certificate(rsa_key(), begins=START + timedelta(days=1))),
        "qu'à partir du 21/11/2026",
    ),
}


@cache
def _curve() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.mark.sqlite_only
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_in_words(
    ring: KeyRing, services: Services, case: str
) -> None:
    made, words = REFUSED[case]
    before: list[Path] = sorted(services.settings.keys.iterdir())
    with pytest.raises(KeyRefused) as refused:
        ring.import_pkcs12(made(), SECRET)
    assert words in refused.value.public
    assert sorted(services.settings.keys.iterdir()) == before
    assert len(ring.list()) == 1
