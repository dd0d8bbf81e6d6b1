"""What several commands take: days, roles, dates."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, tzinfo
from enum import Enum, auto
from typing import TYPE_CHECKING, TypeVar

import click

from directory.search import search_key
from directory.services import DirectoryServices, build
from directory.services.dates import UNCHANGED, Change, Unchanged
from directory.services.days import begin, end

if TYPE_CHECKING:
    from idp.cli import Cli

F = TypeVar("F", bound=Callable[..., None])


FIRST_YEAR, LAST_YEAR = 2000, 2999


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
                day = datetime.strptime(str(value), form).replace(tzinfo=UTC).date()
                if FIRST_YEAR <= day.year <= LAST_YEAR:
                    return day
        raise click.BadParameter(
            f"« {value} » n'est pas une date (AAAA-MM-JJ ou JJ/MM/AAAA, de {FIRST_YEAR} à "
            f"{LAST_YEAR}).",
            ctx,
            param,
        )


DAY = Day()


class NoEnd(Enum):
    """What ``--until sans-fin`` says."""

    NO_END = auto()


class End(click.ParamType[date | NoEnd]):
    """A day, or ``sans-fin`` (``none``): there is an end no more."""

    name = "date|sans-fin"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> date | NoEnd:
        """Read a day or the word.

        Raises:
            click.BadParameter: it is neither.
        """
        if search_key(str(value)) in {"sans fin", "none"}:
            return NoEnd.NO_END
        return DAY.convert(value, param, ctx)


def new_start(day: date | None, zone: tzinfo) -> datetime | Unchanged:
    """The beginning that ``--from`` gives; without the option it stays."""
    return UNCHANGED if day is None else begin(day, zone)


def new_end(last: date | NoEnd | None, zone: tzinfo) -> Change:
    """The end that ``--until`` gives or takes away; without the option it stays."""
    if isinstance(last, NoEnd):
        return None
    return UNCHANGED if last is None else end(last, zone)


def zone_of(cli: "Cli") -> tzinfo:
    """Where a day of the command line begins and ends: where people read it on the screens."""
    return cli.services.core.settings.organization.time_zone


def services_of(cli: "Cli") -> DirectoryServices:
    """The services of this room, on the database of `--config`."""
    return build(cli.services.core)


def dates(command: F) -> F:
    """``--from`` and ``--until`` of what is given; without them the dates stay."""
    until = click.option(
        "--until",
        type=End(),
        help="Dernier jour, inclus ; « sans-fin » retire la fin. Sans l'option, elle reste.",
    )
    from_ = click.option("--from", "from_", type=DAY, help="Premier jour ; sans lui, il reste.")
    return from_(until(command))


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
