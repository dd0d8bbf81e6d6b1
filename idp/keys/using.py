"""The keys in use: a snapshot of the ring, and what signs, is published and decrypts from it."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from idp.db import Database
from idp.errors import ConfigurationError
from idp.interfaces import IClock
from idp.keys.files import pem_of, read_key
from idp.keys.tables import KeyAssignment, KeyState, KeyUse, SigningKey
from idp.saml import encrypted
from idp.saml.names import RSA_SHA1, RSA_SHA256
from idp.saml.signature import self_test, sign_bytes, sign_canonical
from idp.snapshot import Snapshot

if TYPE_CHECKING:
    from idp.saml.xml import Element

REVISION = "signing_key"
_ORDER = {KeyState.ACTIVE: 0, KeyState.NEXT: 1, KeyState.RETIRED: 2}


@dataclass(frozen=True, slots=True)
class ReadyKey:
    """A private key that is on this node; it signs as :class:`idp.interfaces.ISigner` says."""

    kid: str
    private_key: rsa.RSAPrivateKey = field(repr=False)
    certificate_base64: str = field(repr=False)
    sha1: bool = False

    @property
    def algorithm(self) -> str:
        """See :class:`idp.interfaces.ISigner`."""
        return RSA_SHA1 if self.sha1 else RSA_SHA256

    def sign_element(self, canonical: str, element_id: str) -> str:
        """See :class:`idp.interfaces.ISigner`."""
        return sign_canonical(
            canonical, element_id, self.private_key, self.certificate_base64, sha1=self.sha1
        )

    def sign_octets(self, octets: bytes) -> bytes:
        """See :class:`idp.interfaces.ISigner`."""
        return sign_bytes(octets, self.private_key, sha1=self.sha1)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as the database has it, whether or not its file is here."""

    kid: str
    use: KeyUse
    state: KeyState
    certificate: bytes = field(repr=False)
    ends_at: datetime
    until: datetime | None

    def in_time(self, now: datetime) -> bool:
        """Whether its publication (signing), or its use (encryption), is not over."""
        return self.until is None or self.until > now


@dataclass(frozen=True, slots=True)
class Ring:
    """The snapshot. ``known``: active keys first, then next, then retired ones.

    ``kept`` says which SP is answered with which key whatever is active; ``missing`` what this node
    lacks although others work on without it.
    """

    active: ReadyKey | None
    known: tuple[KnownKey, ...]
    kept: Mapping[str, str]
    ready: Mapping[str, ReadyKey]
    missing: tuple[str, ...]


class KeysInUse:
    """``IKeyRing`` and ``IDecrypter`` on a snapshot at most one second old."""

    def __init__(self, db: Database, clock: IClock, folder: Path) -> None:
        self._clock = clock
        self._snapshot = Snapshot(db, REVISION, partial(_load, db, folder))

    @property
    def kid(self) -> str:
        """See :class:`idp.interfaces.ISigner`: of the active key."""
        return self._active().kid

    @property
    def algorithm(self) -> str:
        """See :class:`idp.interfaces.ISigner`: of the active key."""
        return self._active().algorithm

    def sign_element(self, canonical: str, element_id: str) -> str:
        """See :class:`idp.interfaces.ISigner`: with the active key.

        Raises:
            ConfigurationError: no active key on this node.
        """
        return self._active().sign_element(canonical, element_id)

    def sign_octets(self, octets: bytes) -> bytes:
        """See :class:`idp.interfaces.ISigner`: with the active key.

        Raises:
            ConfigurationError: no active key on this node.
        """
        return self._active().sign_octets(octets)

    def towards(self, entity_id: str, *, sha1: bool = False) -> ReadyKey:
        """See :class:`idp.interfaces.IKeyRing`."""
        key = self._kept_or_active(entity_id)
        return replace(key, sha1=True) if sha1 else key

    def _kept_or_active(self, entity_id: str) -> ReadyKey:
        ring = self._snapshot.get()
        kid = ring.kept.get(entity_id)
        if kid is None:
            return self._active(ring)
        key = ring.ready.get(kid)
        if key is None:
            # Another key would be one that this SP does not know.
            raise ConfigurationError(f"the key {kid}, on which {entity_id} is kept, is not here")
        return key

    def certificates(self) -> tuple[bytes, ...]:
        """See :class:`idp.interfaces.IKeyRing`."""
        return tuple(key.certificate for key in self.published() if key.use is KeyUse.SIGNING)

    def encryption_certificates(self) -> tuple[bytes, ...]:
        """See :class:`idp.interfaces.IKeyRing`."""
        return tuple(key.certificate for key in self.published() if key.use is KeyUse.ENCRYPTION)

    def published(self) -> Sequence[KnownKey]:
        """The keys whose certificates others are told.

        A retired signing key is one until its end, and for as long as an SP is kept on it. Of
        encryption keys the active one only: what is not published yet, nobody encrypts to.
        """
        now, ring = self._clock.now(), self._snapshot.get()
        kept = set(ring.kept.values())
        return [
            key
            for key in ring.known
            if (
                key.in_time(now) or key.kid in kept
                if key.use is KeyUse.SIGNING
                else key.state is KeyState.ACTIVE
            )
        ]

    def lasting(self) -> Sequence[KnownKey]:
        """The published keys that go on being used: not retired, or an SP is kept on them."""
        kept = set(self._snapshot.get().kept.values())
        return [
            key for key in self.published() if key.state is not KeyState.RETIRED or key.kid in kept
        ]

    def decrypt(self, encrypted_id: "Element") -> "Element":
        """See :class:`idp.interfaces.IDecrypter`. A retired key still decrypts until its end."""
        now, ring = self._clock.now(), self._snapshot.get()
        keys = [
            pem_of(ring.ready[key.kid].private_key)
            for key in ring.known
            if key.use is KeyUse.ENCRYPTION and key.in_time(now) and key.kid in ring.ready
        ]
        return encrypted.decrypt(encrypted_id, keys)

    def ready(self) -> None:
        """Check that this node can do all that it must, with the keys as they are now.

        Raises:
            ConfigurationError: no active key, or the file of a key that is used is missing here.
        """
        self._active()
        if self._snapshot.problem is not None:
            raise ConfigurationError(f"the keys cannot be read again: {self._snapshot.problem}")
        missing = self._snapshot.get().missing
        if missing:
            raise ConfigurationError("; ".join(missing))

    def _active(self, ring: Ring | None = None) -> ReadyKey:
        active = (ring or self._snapshot.get()).active
        if active is None:
            raise ConfigurationError("no active signing key on this node: see `keys generate`")
        return active


def _load(db: Database, folder: Path) -> Ring:
    with db.reading() as session:
        rows = list(session.scalars(select(SigningKey).order_by(SigningKey.created_at)))
        kept = {row.entity_id: row.kid for row in session.scalars(select(KeyAssignment))}
    known = sorted((known_key(row) for row in rows), key=lambda key: _ORDER[key.state])
    signs = [key for key in known if key.use is KeyUse.SIGNING]
    active = next((key for key in signs if key.state is KeyState.ACTIVE), None)
    ready = {} if active is None else {active.kid: _made_ready(active, folder)}
    others = [key for key in known if key.use is KeyUse.ENCRYPTION or key.kid in kept.values()]
    missing = _add_others(ready, others, folder)
    return Ring(
        active=None if active is None else ready[active.kid],
        known=tuple(known),
        kept=kept,
        ready=ready,
        missing=missing,
    )


def _add_others(
    ready: dict[str, ReadyKey], others: Iterable[KnownKey], folder: Path
) -> tuple[str, ...]:
    """Add what is here; what is not keeps nobody from signing on elsewhere: it is returned."""
    missing = []
    for key in others:
        if key.kid in ready:
            continue
        try:
            ready[key.kid] = _made_ready(key, folder)
        except ConfigurationError as error:
            # A retired encryption key that is gone for good is missed by nobody but its messages.
            if key.use is KeyUse.SIGNING or key.state is not KeyState.RETIRED:
                missing.append(error.cause)
    return tuple(missing)


def known_key(row: SigningKey) -> KnownKey:
    """What the row says, its certificate read."""
    certificate = x509.load_pem_x509_certificate(row.certificate.encode())
    return KnownKey(
        kid=row.kid,
        use=KeyUse(row.use),
        state=KeyState(row.state),
        certificate=certificate.public_bytes(Encoding.DER),
        ends_at=certificate.not_valid_after_utc,
        until=row.published_until,
    )


def _made_ready(key: KnownKey, folder: Path) -> ReadyKey:
    private_key = read_key(folder, key.kid)
    self_test(private_key, key.certificate)
    return ReadyKey(key.kid, private_key, b64encode(key.certificate).decode())
