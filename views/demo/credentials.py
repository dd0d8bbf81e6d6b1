"""The key and certificate of each demonstration application, made once, files of mode 0600."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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

KEY_BITS = 2048
VALIDITY = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The files of one key pair, PEM."""

    key_file: Path
    certificate_file: Path

    def certificate_base64(self) -> str:
        """The certificate as ``ds:X509Certificate`` holds it: base64 of its DER."""
        lines = self.certificate_file.read_text(encoding="ascii").splitlines()
        return "".join(line for line in lines if not line.startswith("-----"))


def credentials(var: Path, name: str) -> Credentials:
    """The key pair of this application, in ``var/demo/<name>/``; made at the first call."""
    folder = var / "demo" / name
    pair = Credentials(folder / "key.pem", folder / "certificate.pem")
    if not pair.certificate_file.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(pair, name)
    return pair


def _make(pair: Credentials, name: str) -> None:
    """Write the key first: a certificate that is there always has its key."""
    if pair.key_file.exists():
        key = load_pem_private_key(pair.key_file.read_bytes(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError(f"{pair.key_file} is not an RSA key")
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write(pair.key_file, pem)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"demonstration {name}")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALIDITY)
        .sign(key, hashes.SHA256())
    )
    _write(pair.certificate_file, certificate.public_bytes(Encoding.PEM))


def _write(path: Path, content: bytes) -> None:
    """Appear whole or not at all: a kill in between leaves no half a key."""
    half = path.with_suffix(".new")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    half.rename(path)
