"""Certificates of service providers: read, and judged by what they can be used for."""

import warnings
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning

OLD_HASHES = {"md5", "sha1"}
MIN_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is needed of a certificate. ``rsa_bits`` is None for another kind of key."""

    der: bytes
    name: str
    public_key: bytes
    not_before: datetime
    not_after: datetime
    rsa_bits: int | None
    old_hash: bool

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hexadecimal."""
        return sha256(self.der).hexdigest()


def decode(text: str) -> bytes:
    """The DER of an X509Certificate's text; white space and PEM lines are dropped.

    Raises:
        ValueError: not base64.
    """
    lines = (line for line in text.splitlines() if not line.strip().startswith("-----"))
    return b64decode("".join("".join(lines).split()), validate=True)


def read(der: bytes) -> Certificate:
    """Read a DER certificate.

    Raises:
        ValueError: not a certificate, or a key that is neither RSA nor EC.
    """
    try:
        certificate = _load(der)
        key = certificate.public_key()
        name = certificate.subject.rfc4514_string()
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        old_hash = _old_hash(certificate)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ValueError(f"a key of kind {type(key).__name__}")  # noqa: TRY004 - the data is wrong
    return Certificate(
        der=der,
        name=name or "sans nom",
        public_key=key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        not_before=not_before,
        not_after=not_after,
        rsa_bits=key.key_size if isinstance(key, rsa.RSAPublicKey) else None,
        old_hash=old_hash,
    )


def _load(der: bytes) -> x509.Certificate:
    """Serial numbers that are not positive are wrong ([RFC5280] 4.1.2.2) and old SPs have them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return x509.load_der_x509_certificate(der)


def _old_hash(certificate: x509.Certificate) -> bool:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return False  # a newer algorithm than we know: its age is no reason for a warning
    return algorithm is not None and algorithm.name in OLD_HASHES
