"""The key ring: private keys in files of mode 0600, their states in the database.

A key is made *next* (published, so that SPs learn it), promoted to *active* (it signs), and the one
before becomes *retired* (published until a date, so that what it signed still verifies).
"""

import os
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from secrets import token_hex

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import String, Text, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Database
from idp.errors import ConfigurationError, NotFound
from idp.interfaces import IAuditLog, IClock
from idp.saml import names
from idp.saml.signature import self_test, sign_bytes, sign_canonical
from idp.snapshot import Snapshot

KEY_BITS = 3072
CERTIFICATE_YEARS = 10
RETIRED_FOR = timedelta(days=30)


class KeyState(StrEnum):
    """Where a key is in its life."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRED = "retired"


class SigningKey(Base):
    """A signing key: its certificate (PEM) and its state.

    The private key is the file ``<kid>.pem`` of the keys' folder; a node without the active key's
    file is not ready.
    """

    __tablename__ = "signing_key"

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    certificate: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    promoted_at: Mapped[datetime | None]
    published_until: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class ActiveKey:
    """The key that signs, ready for use."""

    kid: str
    private_key: rsa.RSAPrivateKey
    certificate: bytes
    certificate_base64: str


@dataclass(frozen=True, slots=True)
class Ring:
    """The snapshot: the active key and the DER certificates to publish, active first."""

    active: ActiveKey | None
    certificates: tuple[bytes, ...]


class KeyRing:
    """Signs with the active key (``ISigner``) and leads keys through their states."""

    def __init__(self, db: Database, clock: IClock, audit: IAuditLog, folder: Path) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._folder = folder
        self._snapshot = Snapshot(db, "signing_key", partial(_load, db, clock, folder))

    def sign_element(self, canonical: str, element_id: str) -> str:
        """See :class:`idp.interfaces.ISigner`.

        Raises:
            ConfigurationError: no active key on this node.
        """
        key = self._active()
        return sign_canonical(canonical, element_id, key.private_key, key.certificate_base64)

    def sign_octets(self, octets: bytes) -> tuple[str, bytes]:
        """See :class:`idp.interfaces.ISigner`.

        Raises:
            ConfigurationError: no active key on this node.
        """
        return names.RSA_SHA256, sign_bytes(octets, self._active().private_key)

    def certificates(self) -> tuple[bytes, ...]:
        """See :class:`idp.interfaces.ISigner`."""
        return self._snapshot.get().certificates

    def ready(self) -> None:
        """Check that this node can sign.

        Raises:
            ConfigurationError: no active key, or its file is missing here.
        """
        self._active()

    def list(self) -> list[SigningKey]:
        """Every key, oldest first."""
        with self._db.reading() as session:
            return list(session.scalars(select(SigningKey).order_by(SigningKey.created_at)))

    def generate(self) -> str:
        """Make a key and its self-signed certificate, state *next*; returns its kid."""
        now = self._clock.now()
        kid = f"{now:%Y%m%d}-{token_hex(4)}"
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        certificate = _self_signed(key, kid, now)
        self_test(key, certificate.public_bytes(Encoding.DER))
        self._write_file(kid, key)
        self._add(kid, certificate)
        return kid

    def adopt(self, kid: str, certificate_pem: str) -> None:
        """Register a key whose file is in the folder already, state *next*.

        Raises:
            ConfigurationError: no such file, or the certificate is not its own.
        """
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        self_test(_read_key(self._folder, kid), certificate.public_bytes(Encoding.DER))
        self._add(kid, certificate)

    def promote(self, kid: str) -> None:
        """Make this key the active one; the one before is retired, published for 30 days more.

        Raises:
            NotFound: no such key.
            ConfigurationError: its file is not on this node.
        """
        _read_key(self._folder, kid)
        now = self._clock.now()
        with self._db.unit_of_work() as session:
            key = self._get(kid)
            session.execute(
                update(SigningKey)
                .where(SigningKey.state == KeyState.ACTIVE, SigningKey.kid != kid)
                .values(state=KeyState.RETIRED, published_until=now + RETIRED_FOR)
            )
            key.state, key.promoted_at, key.published_until = KeyState.ACTIVE, now, None
            session.flush()
            self._changed("key.promoted", kid)

    def retire(self, kid: str, until: datetime | None = None) -> None:
        """Publish this key until ``until`` (now when None) and no longer.

        Raises:
            NotFound: no such key.
            ConfigurationError: it is the active key: promote another one first.
        """
        with self._db.unit_of_work() as session:
            key = self._get(kid)
            if key.state == KeyState.ACTIVE:
                raise ConfigurationError(f"{kid} is the active key: promote another one first")
            key.state, key.published_until = KeyState.RETIRED, until or self._clock.now()
            session.flush()
            self._changed("key.retired", kid)

    def _active(self) -> ActiveKey:
        active = self._snapshot.get().active
        if active is None:
            raise ConfigurationError("no active signing key on this node: see `keys generate`")
        return active

    def _get(self, kid: str) -> SigningKey:
        with self._db.unit_of_work() as session:
            key = session.get(SigningKey, kid)
            if key is None:
                raise NotFound(f"no key {kid}", public=f"Aucune clé « {kid} ».")
            return key

    def _add(self, kid: str, certificate: x509.Certificate) -> None:
        with self._db.unit_of_work() as session:
            session.add(
                SigningKey(
                    kid=kid,
                    state=KeyState.NEXT,
                    certificate=certificate.public_bytes(Encoding.PEM).decode(),
                    created_at=self._clock.now(),
                )
            )
            session.flush()
            self._changed("key.added", kid)

    def _changed(self, code: str, kid: str) -> None:
        self._db.bump("signing_key")
        self._audit.record(code, target=f"key:{kid}")
        self._snapshot.forget()

    def _write_file(self, kid: str, key: rsa.RSAPrivateKey) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        descriptor = os.open(
            self._folder / f"{kid}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
        )
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)


def _load(db: Database, clock: IClock, folder: Path) -> Ring:
    with db.reading() as session:
        rows = list(session.scalars(select(SigningKey).order_by(SigningKey.created_at)))
    now = clock.now()
    order = {KeyState.ACTIVE: 0, KeyState.NEXT: 1, KeyState.RETIRED: 2}
    published = sorted(
        (row for row in rows if row.published_until is None or row.published_until > now),
        key=lambda row: order[KeyState(row.state)],
    )
    active = next((row for row in rows if row.state == KeyState.ACTIVE), None)
    return Ring(
        active=None if active is None else _activate(active, folder),
        certificates=tuple(_der(row.certificate) for row in published),
    )


def _activate(row: SigningKey, folder: Path) -> ActiveKey:
    certificate = _der(row.certificate)
    key = _read_key(folder, row.kid)
    self_test(key, certificate)
    return ActiveKey(row.kid, key, certificate, b64encode(certificate).decode())


def _read_key(folder: Path, kid: str) -> rsa.RSAPrivateKey:
    path = folder / f"{kid}.pem"
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        raise ConfigurationError(f"the file of the signing key {kid} is not on this node") from None
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the file of the signing key {kid} is unreadable") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError(f"the signing key {kid} is not an RSA key")
    return key


def _der(certificate_pem: str) -> bytes:
    return x509.load_pem_x509_certificate(certificate_pem.encode()).public_bytes(Encoding.DER)


def _self_signed(key: rsa.RSAPrivateKey, kid: str, now: datetime) -> x509.Certificate:
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
