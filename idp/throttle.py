"""Failures of sign-in, counted in the database: a growing delay, never a lock-out for good.

Four buckets:

- *network*: a login, tried from browsers of one network (/24 or /64) that never signed in with it:
  2 s after five failures, up to 60 s;
- *account*: the same login, tried from such browsers of all networks: a stranger elsewhere must not
  keep its owner out of a new browser, yet whoever owns many networks must not guess at leisure.
  1 s after a hundred failures, never more than 5 s;
- *device*: a login on a browser that did sign in with it (it carries a signed token): whatever
  strangers do, wherever they sit, its owner is not kept out there;
- *address*: the distinct logins that failed from one network address, generous because a whole
  town hall sits behind one, and never refusing a known device.

What remains: somebody of the same network can make a person wait up to a minute, somebody with very
many networks a few seconds at each try, in browsers that never signed in with the login.

Nothing here knows whether a login exists, so nothing can differ for those that do not. Logins are
stored hashed.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from secrets import token_urlsafe
from typing import cast
from unicodedata import normalize

from sqlalchemy import (
    Connection,
    Delete,
    String,
    Table,
    Update,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Database
from idp.errors import Throttled
from idp.folding import visible, with_readable_domain
from idp.interfaces import IClock
from idp.purge import delete_in_chunks

ACCOUNT = "account"
"""The bucket of all networks together."""

FREE_FAILURES = 5
"""Failures without a delay, in one network or on one device."""

LONGEST_DELAY = timedelta(seconds=60)

UNDER_WAY = 64
"""Attempts that may be under way at once before any was found wrong: nobody has failed yet."""

FREE_FAILURES_IN_ALL = 100
"""Failures of one login without a delay over all networks; each further hundred adds a second."""

LONGEST_DELAY_IN_ALL = timedelta(seconds=5)

LOGINS_PER_ADDRESS = 100
"""Distinct logins that may fail from one address within the window."""

WINDOW = timedelta(hours=1)
"""After this long without a failure, the failures are forgotten."""


class ThrottleRow(Base):
    """Failures of one subject (a login's hash) in one bucket.

    An attempt counts as a failure while its password is checked; ``settled`` are those found wrong.
    """

    __tablename__ = "throttle"

    bucket: Mapped[str] = mapped_column(String(80), primary_key=True)
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    settled: Mapped[int]
    last_failed_at: Mapped[datetime] = mapped_column(index=True)


table = cast("Table", ThrottleRow.__table__)
_ROW = (
    table.c.bucket == bindparam("of_bucket"),
    table.c.subject == bindparam("of_subject"),
)
_SET = (
    update(table)
    .where(*_ROW)
    .values(
        failures=bindparam("count"),
        settled=bindparam("found_wrong"),
        last_failed_at=bindparam("failed_at"),
    )
)
_SETTLE = (
    update(table)
    .where(*_ROW)
    .values(settled=table.c.settled + 1, last_failed_at=bindparam("failed_at"))
)
_CLEAR = delete(table).where(*_ROW)
_TAKE_BACK = update(table).where(*_ROW, table.c.failures > 0).values(failures=table.c.failures - 1)
_AT_ADDRESS = select(func.count(), func.min(table.c.last_failed_at)).where(
    table.c.bucket == bindparam("of_bucket"),
    table.c.failures > 0,
    table.c.last_failed_at > bindparam("since"),
)


class Throttle:
    """Counts an attempt as a failure before the password is checked, and takes it back after."""

    def __init__(self, db: Database, clock: IClock) -> None:
        self._db = db
        self._clock = clock
        insert = db.insert(table).values(
            bucket=bindparam("of_bucket"),
            subject=bindparam("of_subject"),
            failures=0,
            settled=0,
            last_failed_at=bindparam("failed_at"),
        )
        # Changes nothing, but locks the row until the commit: attempts of one login are counted
        # one after the other, however many arrive at once.
        self._lock = insert.on_conflict_do_update(
            index_elements=[table.c.bucket, table.c.subject],
            set_={"failures": literal_column("throttle.failures")},
        ).returning(table.c.failures, table.c.settled, table.c.last_failed_at)

    def attempt(self, login: str, address: str, device: str | None = None) -> None:
        """Count an attempt on this login as a failure, and commit that.

        ``device`` is what :func:`known_device` returned. Must not be called inside a unit of work,
        which would hold its transaction while the password is checked.

        Raises:
            Throttled: too many failures; nothing was counted, ``retry_after`` is in seconds.
        """
        subject = folded_hash(login)
        with self._db.writing() as connection:
            if device is not None:
                self._count(connection, _device_bucket(device), subject, _delay)
                return
            self._count(connection, network_bucket(address), subject, _delay)
            self._count(connection, ACCOUNT, subject, _delay_in_all)
            bucket = address_bucket(address)
            self._refuse_address(connection, bucket)
            self._count(connection, bucket, subject, _no_delay)

    def failed(self, login: str, address: str, device: str | None = None) -> None:
        """The password was wrong: the delay runs from now, not from before the check."""
        buckets = [network_bucket(address), ACCOUNT] if device is None else [_device_bucket(device)]
        subject, now = folded_hash(login), self._clock.now()
        with self._db.writing() as connection:
            for bucket in buckets:
                values = {"of_bucket": bucket, "of_subject": subject, "failed_at": now}
                connection.execute(_SETTLE, values)

    def succeeded(self, login: str, address: str, device: str | None = None) -> None:
        """The password was right: forget the failures of this login here.

        On this device or in this network only: a person who signs in on his own browser does not
        give a stranger new attempts elsewhere. Over all networks, his own attempt is taken back.
        """
        steps: list[tuple[Update | Delete, str]]
        if device is not None:
            steps = [(_CLEAR, _device_bucket(device))]
        else:
            # In the order of `attempt`: two that lock the same rows must not wait for each other.
            steps = [
                (_CLEAR, network_bucket(address)),
                (_TAKE_BACK, ACCOUNT),
                (_CLEAR, address_bucket(address)),
            ]
        subject = folded_hash(login)
        with self._db.writing() as connection:
            for statement, bucket in steps:
                connection.execute(statement, {"of_bucket": bucket, "of_subject": subject})

    def _count(
        self,
        connection: Connection,
        bucket: str,
        subject: str,
        delay: Callable[[int], timedelta],
    ) -> None:
        now = self._clock.now()
        row = {"of_bucket": bucket, "of_subject": subject, "failed_at": now}
        failures, settled, last_failed_at = connection.execute(self._lock, row).one()
        if last_failed_at <= now - WINDOW:
            failures = settled = 0
        # A clock that was set back, or another server's that is ahead, makes nobody wait longer.
        begin = min(last_failed_at, now)
        if settled or failures >= UNDER_WAY:
            _refuse(begin + delay(failures) - now, f"{failures} failures of this login")
        connection.execute(_SET, {**row, "count": failures + 1, "found_wrong": settled})

    def _refuse_address(self, connection: Connection, bucket: str) -> None:
        now = self._clock.now()
        logins, oldest = connection.execute(
            _AT_ADDRESS, {"of_bucket": bucket, "since": now - WINDOW}
        ).one()
        if logins >= LOGINS_PER_ADDRESS:
            _refuse(oldest + WINDOW - now, f"{logins} logins failed from this address")


def purge(db: Database, now: datetime) -> int:
    """Delete the failures that no longer count; returns how many rows."""
    return delete_in_chunks(db, table, table.c.last_failed_at <= now - WINDOW)


def device_token(secret: bytes, login: str) -> str:
    """The token of a browser that signed in with this login, for a long-lived cookie."""
    device = token_urlsafe(16)
    return f"{device}.{_signature(secret, login, device)}"


def known_device(secret: bytes, login: str, token: str | None) -> str | None:
    """The device of this token; None when there is no token, or it is not of this login."""
    device, _, signature = (token or "").partition(".")
    expected = _signature(secret, login, device)
    return device if hmac.compare_digest(signature.encode(), expected.encode()) else None


def _signature(secret: bytes, login: str, device: str) -> str:
    key = hmac.digest(secret, b"convergences devices", "sha256")
    signed = hmac.digest(key, f"{device}\n{folded_hash(login)}".encode(), "sha256")
    return urlsafe_b64encode(signed).rstrip(b"=").decode()


def folded_hash(login: str) -> str:
    """What the table knows a login by, however it is spelled.

    What a directory takes for one address is one here: letters are composed once nothing invisible
    stands between them, and again once their case is gone.
    """
    plain = normalize("NFKC", visible(login).strip()).casefold()
    folded = with_readable_domain(normalize("NFKC", plain))
    return sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()


def _device_bucket(device: str) -> str:
    return f"device:{device}"[:80]


def network_bucket(address: str) -> str:
    """The network (/24, /64) of an address, as a bucket."""
    return _prefixed("network", address, 24)


def address_bucket(address: str) -> str:
    """A network address as a bucket."""
    return _prefixed("address", address, 32)


def _prefixed(kind: str, address: str, bits: int) -> str:
    """One bucket for an IPv6 network of 64 bits: whoever has one address there has them all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return f"{kind}:{address}"[:80]
    if isinstance(parsed, IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    prefix = 64 if isinstance(parsed, IPv6Address) else bits
    return f"{kind}:{ip_network((int(parsed), prefix), strict=False)}"


def _delay(failures: int) -> timedelta:
    """2 s after five failures, then 4, 8… up to 60 s."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    return min(LONGEST_DELAY, timedelta(seconds=2 ** min(failures - FREE_FAILURES + 1, 16)))


def _delay_in_all(failures: int) -> timedelta:
    """1 s after a hundred failures, then one more for each hundred, up to 5 s."""
    return min(LONGEST_DELAY_IN_ALL, timedelta(seconds=failures // FREE_FAILURES_IN_ALL))


def _no_delay(failures: int) -> timedelta:
    del failures
    return timedelta(0)


def _refuse(remaining: timedelta, cause: str) -> None:
    if remaining > timedelta(0):
        raise Throttled(cause, retry_after=ceil(remaining.total_seconds()))
