"""When an address is read again. [SAMLMeta] 2.3.2: ``cacheDuration``, ``validUntil``."""

from datetime import datetime, timedelta

SOONEST = timedelta(minutes=10)
USUAL = timedelta(hours=1)
LONGEST = timedelta(hours=24)


def pause(
    now: datetime,
    cache_duration: timedelta | None,
    valid_until: datetime | None,
    *,
    failures: int = 0,
) -> timedelta:
    """How long to wait after a reading.

    An hour, or what the SP wishes up to a day; twice as long after each failure. Always in time
    before what is held ends: at half of what is left.
    """
    wait = min(max(cache_duration or USUAL, USUAL), LONGEST)
    if failures:
        wait = min(USUAL * 2 ** min(failures, 8), LONGEST)
    if valid_until is None:
        return wait
    left = valid_until - now
    return min(wait, max(left / 2, SOONEST) if left > timedelta(0) else USUAL)
