"""The life of a key: next, active, retired; and which service provider is kept on which key.

A signing key is made *next* (published, so that SPs learn it), promoted to *active* (it signs), and
the one before becomes *retired* (published until a date, so that what it signed still verifies). An
encryption key is published while it is active, and decrypts until its end.
"""

from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import delete, select, update

from idp.db import Database
from idp.errors import KeyRefused, NotFound
from idp.interfaces import IAuditLog, IClock
from idp.keys.files import new_key, open_pkcs12, read_key, self_signed, write_key
from idp.keys.tables import KeyAssignment, KeyState, KeyUse, SigningKey
from idp.keys.using import REVISION, KeysInUse
from idp.saml.signature import self_test
from idp.sessions.served import Served, forget_served, last_served

RETIRED_FOR = timedelta(days=30)
SERVED_LATELY = timedelta(days=30)
"""An SP answered within this time, and never since with another key, may know no other."""
READ_WITHIN = timedelta(days=1)
"""SPs are asked to read our metadata at least as often: what was published for less is unknown."""


class KeyRing(KeysInUse):
    """Leads keys through their states, and uses them as they are."""

    def __init__(self, db: Database, clock: IClock, audit: IAuditLog, folder: Path) -> None:
        super().__init__(db, clock, folder)
        self._db = db
        self._audit = audit
        self._folder = folder

    def list(self) -> list[SigningKey]:
        """Every key, oldest first."""
        with self._db.reading() as session:
            return list(session.scalars(select(SigningKey).order_by(SigningKey.created_at)))

    def assignments(self) -> dict[str, str]:
        """Which SP (entityID) is kept on which key."""
        with self._db.reading() as session:
            return {row.entity_id: row.kid for row in session.scalars(select(KeyAssignment))}

    def served(self) -> tuple[Served, ...]:
        """For each SP the key with which it was last answered, and when."""
        return last_served(self._db)

    def generate(self, use: KeyUse = KeyUse.SIGNING) -> str:
        """Make a key and its self-signed certificate, state *next*; returns its kid."""
        now = self._clock.now()
        kid, key = _new_kid(now), new_key()
        self._keep(kid, key, self_signed(key, kid, now), use)
        return kid

    def import_pkcs12(self, data: bytes, password: bytes, use: KeyUse = KeyUse.SIGNING) -> str:
        """Take a key and its certificate from a PKCS#12 file, state *next*; returns its kid.

        Raises:
            KeyRefused: the file cannot be used, or its key is in the ring already; ``public`` says
                why.
            ConfigurationError: libxmlsec1 cannot use the key.
        """
        now = self._clock.now()
        key, certificate = open_pkcs12(data, password, now)
        self._check_new(key.public_key())
        kid = _new_kid(now)
        self._keep(kid, key, certificate, use)
        return kid

    def adopt(self, kid: str, certificate_pem: str, use: KeyUse = KeyUse.SIGNING) -> None:
        """Register a key whose file is in the folder already, state *next*.

        Raises:
            ConfigurationError: no such file, or the certificate is not its own.
        """
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
        self_test(read_key(self._folder, kid), certificate.public_bytes(Encoding.DER))
        self._add(kid, certificate, use)

    def promote(self, kid: str, *, force: bool = False) -> KeyUse:
        """Make this key the active one of its use; the one before is retired, for 30 days more.

        Returns the use. ``force``: even if SPs cannot have read of it yet.

        Raises:
            NotFound: no such key.
            KeyRefused: nobody knows it any more, because it is not published; or it would take the
                place of another before a day has passed (:meth:`promotable_at`), and not ``force``.
            ConfigurationError: its file is not on this node.
        """
        now = self._clock.now()
        with self._db.unit_of_work() as session:
            key = self._get(kid)
            use = KeyUse(key.use)
            if key.state == KeyState.ACTIVE:
                return use
            self._check_published(key)
            if not force:
                self._check_read(key)
            read_key(self._folder, kid)
            session.execute(
                update(SigningKey)
                .where(SigningKey.state == KeyState.ACTIVE, SigningKey.use == key.use)
                .values(state=KeyState.RETIRED, published_until=now + RETIRED_FOR)
            )
            key.state, key.promoted_at, key.published_until = KeyState.ACTIVE, now, None
            session.flush()
            self._changed("key.promoted", kid)
            return use

    def promotable_at(self, key: SigningKey) -> datetime:
        """From when on every SP has had the time to read of this key in our metadata.

        At once: an encryption key, which is published by its promotion; one that has signed before;
        and the first key of all.
        """
        if key.use != KeyUse.SIGNING or key.promoted_at is not None:
            return key.created_at
        with self._db.reading() as session:
            active = session.scalar(
                select(SigningKey.kid).where(
                    SigningKey.state == KeyState.ACTIVE, SigningKey.use == KeyUse.SIGNING
                )
            )
        return key.created_at if active is None else key.created_at + READ_WITHIN

    def retire(self, kid: str, until: datetime | None = None, *, force: bool = False) -> None:
        """Publish this key until ``until`` (now when None) and no longer.

        An encryption key that is active has no successor then: nobody encrypts to us any more, and
        what was encrypted to it is read for 30 days unless ``until`` says otherwise. ``force``
        leaves no SP behind on the key: those that are kept on it go over to the active one.

        Raises:
            NotFound: no such key.
            KeyRefused: it is the active signing key: promote another one first; or SPs may know no
                other (:meth:`waiting`), and not ``force``.
        """
        now = self._clock.now()
        with self._db.unit_of_work() as session:
            key = self._get(kid)
            active = key.state == KeyState.ACTIVE
            if active and key.use == KeyUse.SIGNING:
                raise KeyRefused(
                    f"{kid} is the active key",
                    public=f"La clé « {kid} » signe en ce moment : promouvez-en une autre d'abord.",
                )
            if until is None and active:
                until = now + RETIRED_FOR
            if force:
                session.execute(delete(KeyAssignment).where(KeyAssignment.kid == kid))
            else:
                self._check_nobody_waits(kid, until or now)
            key.state, key.published_until = KeyState.RETIRED, until or now
            session.flush()
            self._changed("key.retired", kid)

    def waiting(self, kid: str, until: datetime) -> tuple[str, ...]:
        """The SPs (entityIDs) that may know no other key than this one after ``until``.

        Those kept on it; and those answered with it in the last 30 days and never since with
        another, unless it stays published long enough for them to read of another: a day.
        """
        now = self._clock.now()
        kept = {entity_id for entity_id, chosen in self.assignments().items() if chosen == kid}
        if until < now + READ_WITHIN:
            since = now - SERVED_LATELY
            kept |= {one.entity_id for one in self.served() if one.kid == kid and one.at > since}
        return tuple(sorted(kept))

    def assign(self, entity_id: str, kid: str | None, *, force: bool = False) -> None:
        """Answer this SP with that key whichever is active; None: with the active one again.

        ``force``: even if the SP cannot have read of it yet.

        Raises:
            NotFound: no such key.
            KeyRefused: it is no signing key, or not published; or it was for less than a day
                (:meth:`promotable_at`), and not ``force``.
            ConfigurationError: its file is not on this node.
        """
        now = self._clock.now()
        with self._db.unit_of_work() as session:
            if kid is not None:
                self._check_assignable(self._get(kid), force=force)
            session.execute(delete(KeyAssignment).where(KeyAssignment.entity_id == entity_id))
            if kid is not None:
                session.add(KeyAssignment(entity_id=entity_id, kid=kid, assigned_at=now))
            session.flush()
            self._changed("key.assigned", kid or "active", entity_id=entity_id)

    def forget(self, entity_id: str) -> None:
        """This SP is registered no more: no key is kept for it, none waits for it."""
        with self._db.unit_of_work() as session:
            kept = session.get(KeyAssignment, entity_id)
            if kept is not None:
                session.delete(kept)
                session.flush()
                self._changed("key.assigned", "active", entity_id=entity_id)
        forget_served(self._db, entity_id)

    def _get(self, kid: str) -> SigningKey:
        with self._db.unit_of_work() as session:
            key = session.get(SigningKey, kid)
            if key is None:
                raise NotFound(f"no key {kid}", public=f"Aucune clé « {kid} ».")
            return key

    def _check_new(self, public_key: rsa.RSAPublicKey) -> None:
        """That no key of the ring is this one: retired there, it would still be used here."""
        for each in self.list():
            if x509.load_pem_x509_certificate(each.certificate.encode()).public_key() == public_key:
                raise KeyRefused(
                    f"it is the key {each.kid}",
                    public=f"Cette clé est déjà là : c'est la clé « {each.kid} » (keys list). "
                    "Fabriquez-en ou importez-en une autre.",
                )

    def _check_assignable(self, key: SigningKey, *, force: bool) -> None:
        if key.use != KeyUse.SIGNING:
            raise KeyRefused(
                f"{key.kid} does not sign",
                public=f"La clé « {key.kid} » sert au chiffrement : elle ne signe rien.",
            )
        self._check_published(key)
        read_key(self._folder, key.kid)
        if not force:
            self._check_read(key)

    def _check_published(self, key: SigningKey) -> None:
        over = key.published_until is not None and key.published_until <= self._clock.now()
        if over and key.kid not in self.assignments().values():
            raise KeyRefused(
                f"{key.kid} is not published",
                public=f"La clé « {key.kid} » n'est plus publiée : les applications ne la "
                "connaissent pas. Fabriquez-en une autre (keys generate).",
            )

    def _check_read(self, key: SigningKey) -> None:
        """That SPs have had a day to read of the key: else all that it signs is refused by all."""
        at = self.promotable_at(key)
        if self._clock.now() < at:
            raise KeyRefused(
                f"{key.kid} may sign from {at} on",
                public=f"La clé « {key.kid} » est publiée depuis moins d'un jour : les "
                "applications qui n'ont pas relu les métadonnées refuseraient toute connexion. "
                f"Recommencez à partir du {at:%d/%m/%Y à %H:%M} UTC, ou avec --force.",
            )

    def _check_nobody_waits(self, kid: str, until: datetime) -> None:
        waiting = self.waiting(kid, until)
        if waiting:
            raise KeyRefused(
                f"{kid} is the last key of {', '.join(waiting)}",
                public=f"La clé « {kid} » sert encore : {', '.join(waiting)} n'ont reçu aucune "
                "réponse signée avec une autre clé depuis. Vérifiez que ces applications ont relu "
                "les métadonnées (keys list dit qui a reçu quoi), ou recommencez avec --force.",
            )

    def _keep(
        self, kid: str, key: rsa.RSAPrivateKey, certificate: x509.Certificate, use: KeyUse
    ) -> None:
        self_test(key, certificate.public_bytes(Encoding.DER))
        write_key(self._folder, kid, key)
        self._add(kid, certificate, use)

    def _add(self, kid: str, certificate: x509.Certificate, use: KeyUse) -> None:
        with self._db.unit_of_work() as session:
            session.add(
                SigningKey(
                    kid=kid,
                    use=use,
                    state=KeyState.NEXT,
                    certificate=certificate.public_bytes(Encoding.PEM).decode(),
                    created_at=self._clock.now(),
                )
            )
            session.flush()
            self._changed("key.added", kid)

    def _changed(self, code: str, kid: str, *, entity_id: str | None = None) -> None:
        self._db.bump(REVISION)
        self._audit.record(code, target=f"key:{kid}", entity_id=entity_id)
        self._snapshot.forget()


def _new_kid(now: datetime) -> str:
    return f"{now:%Y%m%d}-{token_hex(4)}"
