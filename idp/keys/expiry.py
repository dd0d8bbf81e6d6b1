"""Says in time that a certificate of ours ends: in the log, by mail, as a metric, in commands."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import CursorResult, or_, update

from idp.db import Database, DatabaseError
from idp.errors import ConfigurationError
from idp.interfaces import IClock, IMailer
from idp.keys.ring import KeyRing
from idp.keys.tables import SigningKey
from idp.keys.using import KnownKey
from idp.log import logger

THRESHOLDS = (60, 30, 7)
"""Days before the end of a certificate; a mail leaves at each, once."""


def days_left(key: KnownKey, now: datetime) -> int:
    """Whole days until the key's certificate ends; negative when it did."""
    return (key.ends_at - now).days


def ending(keys: Sequence[KnownKey], now: datetime) -> list[KnownKey]:
    """Those whose certificate ends within 60 days."""
    return [key for key in keys if days_left(key, now) <= THRESHOLDS[0]]


class ExpiryWatch:
    """The worker's daily look at the certificates."""

    def __init__(
        self, db: Database, clock: IClock, keys: KeyRing, mailer: IMailer, recipient: str
    ) -> None:
        self._db = db
        self._clock = clock
        self._keys = keys
        self._mailer = mailer
        self._recipient = recipient

    def run(self) -> int:
        """Log each certificate that ends soon, and mail at each threshold; returns how many."""
        now = self._clock.now()
        soon = ending(self._keys.lasting(), now)
        for key in soon:
            days = days_left(key, now)
            logger.warning("key.ending", kid=key.kid, use=str(key.use), days=days)
            self._mail_once(key, days)
        return len(soon)

    def _mail_once(self, key: KnownKey, days: int) -> None:
        threshold = min(each for each in THRESHOLDS if days <= each)
        not_yet = or_(SigningKey.warned_days.is_(None), SigningKey.warned_days > threshold)
        statement = update(SigningKey).where(SigningKey.kid == key.kid, not_yet)
        with self._db.unit_of_work() as session:
            # Of several workers that look at once, one finds it unwarned.
            result = session.execute(statement.values(warned_days=threshold))
            if cast("CursorResult[tuple[()]]", result).rowcount:
                parameters = {"kid": key.kid, "use": str(key.use), "ends_at": key.ends_at}
                self._mailer.send(self._recipient, "key-ending", parameters)


class KeyDays(Collector):
    """The gauge ``convergences_key_days``, worked out when it is asked for.

    So every process says the same, and a key that is retired is no longer spoken of.
    """

    def __init__(self, keys: KeyRing, clock: IClock) -> None:
        self._keys = keys
        self._clock = clock

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One sample for each key that is used; none while the keys cannot be read."""
        gauge = GaugeMetricFamily(
            "convergences_key_days",
            "Days until the certificate of a key in use ends, by key and use",
            labels=["kid", "use"],
        )
        try:
            keys = self._keys.lasting()
        except (ConfigurationError, DatabaseError):
            return []
        for key in keys:
            gauge.add_metric([key.kid, str(key.use)], days_left(key, self._clock.now()))
        return [gauge]
