"""The commands ``convergences sp exception …``."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import click

from idp.cli import Cli
from idp.types import Legacy
from metadata.exceptions import WHAT, checked
from metadata.granting import Exceptions

KINDS = click.Choice([each.value for each in Legacy])


class LastDay(click.ParamType[datetime]):
    """A day, ``2026-11-20`` or ``20/11/2026``: midnight (UTC) at its end, so it is included."""

    name = "date"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read a day.

        Raises:
            click.BadParameter: it is not one.
        """
        for form in ("%Y-%m-%d", "%d/%m/%Y"):
            with suppress(ValueError, OverflowError):
                return datetime.strptime(str(value), form).replace(tzinfo=UTC) + timedelta(days=1)
        raise click.BadParameter(
            f"« {value} » n'est pas une date (AAAA-MM-JJ ou JJ/MM/AAAA).", ctx, param
        )


@click.group()
def exception() -> None:
    """Exceptions accordées à une application ancienne, pour un temps."""


@exception.command()
@click.argument("entity_id", metavar="ENTITYID")
@click.argument("kind", metavar="GENRE", type=KINDS)
@click.option("--until", type=LastDay(), required=True, help="Dernier jour de l'exception.")
@click.option("--reason", required=True, metavar="TEXTE", help="Pourquoi ; reste au journal.")
@click.pass_obj
def add(cli: Cli, entity_id: str, kind: str, until: datetime, reason: str) -> None:
    """Accorder une exception, ou lui donner une autre fin."""
    granted = checked(Legacy(kind), until, reason, cli.services.clock.now())
    Exceptions(cli.services.core).grant(entity_id, granted)
    cli.say(
        f"{entity_id} : exception {kind} jusqu'au {granted.last_day()}. {_what(granted.kind)}",
        {"entity_id": entity_id, **granted.as_json()},
    )


@exception.command()
@click.argument("entity_id", metavar="ENTITYID")
@click.argument("kind", metavar="GENRE", type=KINDS)
@click.pass_obj
def remove(cli: Cli, entity_id: str, kind: str) -> None:
    """Retirer une exception : elle ne vaut plus."""
    Exceptions(cli.services.core).withdraw(entity_id, Legacy(kind))
    text = f"{entity_id} : l'exception {kind} est retirée."
    cli.say(text, {"entity_id": entity_id, "kind": kind, "removed": True})


def _what(kind: Legacy) -> str:
    text = WHAT[kind]
    return f"{text[0].upper()}{text[1:]}."
