"""Days as people write them, moments as the tables keep them: a last day is included."""

from datetime import UTC, date, datetime, timedelta, tzinfo


def begin(day: date, zone: tzinfo) -> datetime:
    """Midnight in ``zone`` at the beginning of a day, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def end(day: date, zone: tzinfo) -> datetime:
    """Midnight in ``zone`` at its end."""
    return begin(day + timedelta(days=1), zone)


def first_day(moment: datetime | None, zone: tzinfo) -> date | None:
    """The day in which a beginning lies."""
    return None if moment is None else moment.astimezone(zone).date()


def last_day(moment: datetime | None, zone: tzinfo) -> date | None:
    """The last day before an end, which is excluded."""
    return None if moment is None else (moment - timedelta(microseconds=1)).astimezone(zone).date()


def moved_begin(before: datetime | None, day: date | None, zone: tzinfo) -> datetime | None:
    """The beginning that this day means; the very moment stays where the day does."""
    if first_day(before, zone) == day:
        return before
    return None if day is None else begin(day, zone)


def moved_end(before: datetime | None, day: date | None, zone: tzinfo) -> datetime | None:
    """The end that this last day means; the very moment stays where the day does."""
    if last_day(before, zone) == day:
        return before
    return None if day is None else end(day, zone)
