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
from sqlalchemy import Index, String, Text, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Database
from idp.errors import ConfigurationError, KeyRefused, NotFound
from idp.interfaces import IAuditLog, IClock
from idp.saml.signature import self_test, sign_canonical
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
    __table_args__ = (
        Index(
            "uq_signing_key_active",
            "state",
            unique=True,
            sqlite_where=text("state = 'active'"),
            postgresql_where=text("state = 'active'"),
        ),
    )

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
    """The snapshot: the active key, and the DER certificates with the end of their publication.

    Active first, then next, then retired.
    """

    active: ActiveKey | None
    published: tuple[tuple[bytes, datetime | None], ...]


class KeyRing:
    """Signs with the active key (``ISigner``) and leads keys through their states."""

    def __init__(self, db: Database, clock: IClock, audit: IAuditLog, folder: Path) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._folder = folder
        self._snapshot = Snapshot(db, "signing_key", partial(_load, db, folder))

    def sign_element(self, canonical: str, element_id: str) -> str:
        """See :class:`idp.interfaces.ISigner`.

        Raises:
            ConfigurationError: no active key on this node.
        """
        key = self._active()
        return sign_canonical(canonical, element_id, key.private_key, key.certificate_base64)

    def certificates(self) -> tuple[bytes, ...]:
        """See :class:`idp.interfaces.ISigner`."""
        now = self._clock.now()
        published = self._snapshot.get().published
        return tuple(der for der, until in published if until is None or until > now)

    def ready(self) -> None:
        """Check that this node can sign, with the key that is active now.

        Raises:
            ConfigurationError: no active key, or its file is missing here.
        """
        self._active()
        if self._snapshot.problem is not None:
            raise ConfigurationError(f"the keys cannot be read again: {self._snapshot.problem}")

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
            KeyRefused: nobody knows it any more, because it is not published.
            ConfigurationError: its file is not on this node.
        """
        now = self._clock.now()
        with self._db.unit_of_work() as session:
            key = self._get(kid)
            if key.state == KeyState.ACTIVE:
                return
            if key.published_until is not None and key.published_until <= now:
                raise KeyRefused(
                    f"{kid} is not published",
                    public=f"La clé « {kid} » n'est plus publiée : les applications ne la "
                    "connaissent pas. Fabriquez-en une autre (keys generate).",
                )
            _read_key(self._folder, kid)
            session.execute(
                update(SigningKey)
                .where(SigningKey.state == KeyState.ACTIVE)
                .values(state=KeyState.RETIRED, published_until=now + RETIRED_FOR)
            )
            key.state, key.promoted_at, key.published_until = KeyState.ACTIVE, now, None
            session.flush()
            self._changed("key.promoted", kid)

    def retire(self, kid: str, until: datetime | None = None) -> None:
        """Publish this key until ``until`` (now when None) and no longer.

        Raises:
            NotFound: no such key.
            KeyRefused: it is the active key: promote another one first.
        """
        with self._db.unit_of_work() as session:
            key = self._get(kid)
            if key.state == KeyState.ACTIVE:
                raise KeyRefused(
                    f"{kid} is the active key",
                    public=f"La clé « {kid} » signe en ce moment : promouvez-en une autre d'abord.",
                )
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


def _load(db: Database, folder: Path) -> Ring:
    with db.reading() as session:
        rows = list(session.scalars(select(SigningKey).order_by(SigningKey.created_at)))
    order = {KeyState.ACTIVE: 0, KeyState.NEXT: 1, KeyState.RETIRED: 2}
    rows.sort(key=lambda row: order[KeyState(row.state)])
    active = next((row for row in rows if row.state == KeyState.ACTIVE), None)
    return Ring(
        active=None if active is None else _activate(active, folder),
        published=tuple((_der(row.certificate), row.published_until) for row in rows),
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
