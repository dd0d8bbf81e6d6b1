"""The clock of the tests: it stands still until a test moves it, or lets it run."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


class FakeClock:
    """An ``IClock`` that a test moves by hand."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._each = timedelta(0)

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        self._now += self._each
        return self._now

    def run(self) -> None:
        """Like a real one from now on: two looks at it never say the same."""
        self._each = timedelta(microseconds=1)

    def advance(self, by: timedelta) -> None:
        """Move the time; a negative duration moves it back."""
        self._now += by
