"""The clock of the tests: it stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class FakeClock:
    """An ``IClock`` that a test moves by hand."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move the time; a negative duration moves it back."""
        self._now += by
