"""Private keys in files of mode 0600, and the certificates that belong to them."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from idp.errors import ConfigurationError, KeyRefused

KEY_BITS = 3072
LEAST_BITS = 2048
CERTIFICATE_YEARS = 10


def new_key() -> rsa.RSAPrivateKey:
    """A fresh RSA key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)


def self_signed(key: rsa.RSAPrivateKey, kid: str, now: datetime) -> x509.Certificate:
    """A certificate of this key, by itself, for ten years."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Convergences {kid}")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * CERTIFICATE_YEARS))
        .sign(key, hashes.SHA256())
    )


def pem_of(key: rsa.RSAPrivateKey) -> bytes:
    """The private key as it is kept: PKCS#8, PEM, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_key(folder: Path, kid: str, key: rsa.RSAPrivateKey) -> None:
    """Keep the private key in ``<kid>.pem``, readable by its owner alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / f"{kid}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem_of(key))


def read_key(folder: Path, kid: str) -> rsa.RSAPrivateKey:
    """The private key of ``<kid>.pem``.

    Raises:
        ConfigurationError: it is not there, unreadable, or no RSA key.
    """
    path = folder / f"{kid}.pem"
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        raise ConfigurationError(f"the file of the key {kid} is not on this node") from None
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the file of the key {kid} is unreadable") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError(f"the key {kid} is not an RSA key")
    return key


def open_pkcs12(
    data: bytes, password: bytes, now: datetime
) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """The key and its certificate of a PKCS#12 file, [RFC 7292]; other certificates are left.

    Raises:
        KeyRefused: not PKCS#12 or another password, no key or certificate of it, not RSA, under
            2048 bits, a certificate that is of another key, not valid yet or any more.
    """
    try:
        content = load_pkcs12(data, password)
    except ValueError as error:
        raise _refused(
            f"not readable: {error}",
            "Ce fichier n'est pas un PKCS#12, ou ce n'est pas son mot de passe.",
        ) from error
    if not isinstance(content.key, rsa.RSAPrivateKey):
        raise _refused("no RSA key in it", "Ce fichier ne contient pas de clé privée RSA.")
    if content.key.key_size < LEAST_BITS:
        raise _refused(
            f"{content.key.key_size} bits",
            f"Cette clé n'a que {content.key.key_size} bits ; il en faut {LEAST_BITS} au moins.",
        )
    if content.cert is None:
        raise _refused(
            "no certificate of the key in it",
            "Ce fichier ne contient pas le certificat de sa clé.",
        )
    certificate = content.cert.certificate
    _check_certificate(certificate, content.key, now)
    return content.key, certificate


def _check_certificate(
    certificate: x509.Certificate, key: rsa.RSAPrivateKey, now: datetime
) -> None:
    if certificate.public_key() != key.public_key():
        raise _refused(
            "the certificate is another key's",
            "Le certificat de ce fichier n'est pas celui de sa clé.",
        )
    if certificate.not_valid_after_utc <= now:
        raise _refused(
            f"it ended at {certificate.not_valid_after_utc}",
            f"Ce certificat a pris fin le {certificate.not_valid_after_utc:%d/%m/%Y}.",
        )
    if certificate.not_valid_before_utc > now:
        raise _refused(
            f"it begins at {certificate.not_valid_before_utc}",
            f"Ce certificat ne vaut qu'à partir du {certificate.not_valid_before_utc:%d/%m/%Y}.",
        )


def _refused(cause: str, public: str) -> KeyRefused:
    return KeyRefused(f"PKCS#12: {cause}", public=public)
