"""From / until of what is granted, and how a command changes them."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final, Protocol

from directory.validity import is_over
from idp.errors import DirectoryError


class Unchanged(Enum):
    """The one value of :data:`UNCHANGED`."""

    UNCHANGED = auto()


UNCHANGED: Final = Unchanged.UNCHANGED
"""A date that was not given stays; None removes it."""

Change = datetime | None | Unchanged


class Dated(Protocol):
    """What carries dates: an assignment, a mandate."""

    valid_from: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class Dates:
    """From (included) / until (excluded); None does not bound."""

    valid_from: datetime | None = None
    valid_until: datetime | None = None

    @classmethod
    def of(cls, dated: Dated) -> "Dates":
        """Those that something carries."""
        return cls(dated.valid_from, dated.valid_until)

    def over(self, now: datetime) -> bool:
        """Whether the end has passed."""
        return is_over(self.valid_until, now)

    def changed(self, valid_from: Change, valid_until: Change) -> "Dates":
        """The same with what was given.

        Raises:
            DirectoryError: the end does not follow the beginning.
        """
        new = Dates(
            self.valid_from if isinstance(valid_from, Unchanged) else valid_from,
            self.valid_until if isinstance(valid_until, Unchanged) else valid_until,
        )
        if new.valid_from and new.valid_until and new.valid_until <= new.valid_from:
            raise DirectoryError(
                "dates in the wrong order",
                public="La date de fin doit suivre la date de début.",
            )
        return new

    def give(self, dated: Dated) -> None:
        """Make something carry these."""
        dated.valid_from, dated.valid_until = self.valid_from, self.valid_until

    def told(self) -> dict[str, str | None]:
        """As the journal keeps them."""
        return {
            "from": self.valid_from.isoformat() if self.valid_from else None,
            "until": self.valid_until.isoformat() if self.valid_until else None,
        }
