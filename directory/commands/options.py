"""What several commands take: days, roles, dates."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import click

from directory.services import DirectoryServices, build

if TYPE_CHECKING:
    from idp.cli import Cli

F = TypeVar("F", bound=Callable[..., None])


class Day(click.ParamType[date]):
    """A day, ``2026-11-20`` or ``20/11/2026``."""

    name = "date"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date:
        """Read a day.

        Raises:
            click.BadParameter: it is not one.
        """
        for form in ("%Y-%m-%d", "%d/%m/%Y"):
            with suppress(ValueError):
                return datetime.strptime(str(value), form).replace(tzinfo=UTC).date()
        raise click.BadParameter(
            f"« {value} » n'est pas une date (AAAA-MM-JJ ou JJ/MM/AAAA).", ctx, param
        )


DAY = Day()


def start_of(day: date | None) -> datetime | None:
    """Midnight, UTC, at the beginning of a day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


def end_of(day: date | None) -> datetime | None:
    """Midnight, UTC, at the end of a day, which is thus included."""
    return start_of(day + timedelta(days=1)) if day else None


def services_of(cli: "Cli") -> DirectoryServices:
    """The services of this room, on the database of `--config`."""
    return build(cli.services.core)


def dates(command: F) -> F:
    """``--from`` and ``--until``."""
    until = click.option("--until", type=DAY, help="Dernier jour, inclus.")
    return click.option("--from", "from_", type=DAY, help="Premier jour.")(until(command))


class RoleName(click.ParamType[tuple[str, str]]):
    """A role, ``application:role``."""

    name = "app:role"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split the two codes.

        Raises:
            click.BadParameter: there are not two of them.
        """
        owner, _, code = str(value).partition(":")
        if not owner or not code:
            self.fail(f"« {value} » n'a pas la forme APPLICATION:RÔLE.", param, ctx)
        return owner, code
