"""Legacy exceptions of a service provider: explicit, with a reason and an end.

They stand in the registration's row as JSON. One that is over stays there, to be seen, until it is
removed or granted anew; it simply no longer holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from idp.errors import MetadataError
from idp.types import Legacy

LONGEST = timedelta(days=366)
MAX_REASON = 300
NOTICES = (30, 7, 0)
"""Days before the end at which it is told; 0: it is over."""

WHAT: Mapping[Legacy, str] = {
    Legacy.SHA1_SIGNATURE: "ses signatures RSA-SHA1 sont acceptées",
    Legacy.SHA1_SIGNING: "nous signons pour elle avec RSA-SHA1",
    Legacy.UNENCRYPTED: "les assertions ne sont pas chiffrées",
    Legacy.UNSIGNED_RESPONSE: "l'assertion seule est signée",
    Legacy.DELIMITED_ROLES: "les rôles sont envoyés en une valeur, séparés par « ; »",
    Legacy.UNSPECIFIED_NAME_FORMAT: "les attributs sont envoyés avec le NameFormat unspecified",
    Legacy.LONG_RELAY_STATE: "un RelayState de 8 Kio est accepté",
}


@dataclass(frozen=True, slots=True)
class Granted:
    """One exception; ``until`` is not included.

    ``noticed``: the last of ``NOTICES`` that was given, None before the first.
    """

    kind: Legacy
    until: datetime
    reason: str
    since: datetime
    noticed: int | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is in force."""
        return now < self.until

    def last_day(self) -> str:
        """The last day on which it holds, as people write it."""
        return f"{self.until - timedelta(microseconds=1):%d/%m/%Y}"

    def notice(self, now: datetime) -> int | None:
        """Which of ``NOTICES`` its end is within now; None when it is far."""
        left = self.until - now
        within = [days for days in NOTICES if left <= timedelta(days=days)]
        return min(within, default=None)

    def sentence(self, now: datetime) -> str:
        """For people: what it is, until when, why."""
        end = f"jusqu'au {self.last_day()}" if self.holds(now) else f"finie le {self.last_day()}"
        return f"{self.kind} ({WHAT[self.kind]}), {end} : {self.reason}"

    def warning(self, now: datetime) -> str | None:
        """What to do about it when its end is near or past; None before."""
        days = self.notice(now)
        if days is None:
            return None
        name = f"L'exception {self.kind} ({WHAT[self.kind]})"
        if days == 0:
            return (
                f"{name} a pris fin le {self.last_day()} et ne vaut plus. Retirez-la "
                "(sp exception remove), ou accordez-la de nouveau avec une fin plus lointaine."
            )
        return (
            f"{name} prend fin le {self.last_day()}. Voyez d'ici là avec l'éditeur comment s'en "
            "passer."
        )

    def as_json(self) -> dict[str, Any]:
        """As the row keeps it, and for ``--json``."""
        return {
            "kind": self.kind.value,
            "until": self.until.isoformat(),
            "reason": self.reason,
            "since": self.since.isoformat(),
            "noticed": self.noticed,
        }


def checked(kind: Legacy, until: datetime, reason: str, now: datetime) -> Granted:
    """A new exception.

    Raises:
        MetadataError: its end is past or more than a year away, or nobody says why.
    """
    reason = " ".join(reason.split())
    text = None
    if until <= now:
        text = "La fin de l'exception est passée. Donnez une date à venir (--until)."
    elif until - now > LONGEST:
        text = "Une exception dure un an au plus. Donnez une date plus proche (--until)."
    elif not 1 <= len(reason) <= MAX_REASON:
        text = f"Dites pourquoi en 1 à {MAX_REASON} caractères (--reason)."
    if text:
        raise MetadataError(text, public=text)
    return Granted(kind, until, reason, now)


def from_json(stored: Sequence[Mapping[str, Any]]) -> tuple[Granted, ...]:
    """The exceptions that a row keeps.

    Raises:
        MetadataError: written by another version.
    """
    try:
        return tuple(
            Granted(
                kind=Legacy(each["kind"]),
                until=datetime.fromisoformat(each["until"]),
                reason=str(each["reason"]),
                since=datetime.fromisoformat(each["since"]),
                noticed=each.get("noticed"),
            )
            for each in stored
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MetadataError(
            f"a stored exception is unreadable: {error!r}",
            public="Les exceptions enregistrées sont illisibles. Enregistrez de nouveau "
            "l'application.",
        ) from error


def in_force(granted: Iterable[Granted], now: datetime) -> frozenset[Legacy]:
    """The kinds that hold now."""
    return frozenset(each.kind for each in granted if each.holds(now))
