"""Points in time: xs:dateTime, read and written in UTC. [SAMLCore] 1.3.3."""

import re
from datetime import UTC, datetime

from idp.errors import UnreadableMessage

_SHAPE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def instant(text: str | None) -> datetime:
    """Read an xs:dateTime with its zone.

    Raises:
        UnreadableMessage: absent, without a zone, or no date.
    """
    compact = (text or "").strip()
    match = _SHAPE.fullmatch(compact)
    if not match:
        raise UnreadableMessage(f"not a date and time in UTC: {compact[:40]!r}")
    fraction = match.group(1) or ""
    seconds = compact[:19]
    try:
        return datetime.fromisoformat(f"{seconds}{fraction[:7]}{match.group(2)}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UnreadableMessage(f"not a date: {compact[:40]!r}") from error


def write_instant(moment: datetime) -> str:
    """``2026-11-20T09:30:00Z``: whole seconds, UTC."""
    # Not strftime: it writes the years before 1000 with fewer than the four digits of xs:dateTime.
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
