"""Times as people read them, in the organisation's zone."""

from datetime import datetime
from zoneinfo import ZoneInfo


def in_words(moment: datetime, now: datetime, zone: ZoneInfo) -> str:
    """``à 18 h 30`` of today, else ``au 22/11/2026 à 2 h 30``; the spaces do not break."""
    local = moment.astimezone(zone)
    hour = f"à {local.hour} h {local.minute:02}".replace(" ", "\N{NO-BREAK SPACE}")
    same_day = local.date() == now.astimezone(zone).date()
    return hour if same_day else f"au {local:%d/%m/%Y} {hour}"
