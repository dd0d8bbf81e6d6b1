"""``notice``: what the centre tells people on the portal."""

from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from directory.authorisation import OPERATOR
from directory.commands.options import DAY, new_end, new_start, services_of, zone_of
from directory.services.dates import Dates
from directory.services.own.notices import NoticeLine
from idp.asking import NoticeLevel

if TYPE_CHECKING:
    from idp.cli import Cli


@click.group()
def notice() -> None:
    """Les avis affichés sur le portail."""


@notice.command("add")
@click.argument("text")
@click.option("--warning", is_flag=True, help="Un avertissement, plus visible.")
@click.option("--from", "from_", type=DAY, help="Premier jour ; sans lui, dès maintenant.")
@click.option("--until", type=DAY, help="Dernier jour, inclus ; sans lui, jusqu'à son retrait.")
@click.option("--application", metavar="CODE", help="Pour ceux qui peuvent ouvrir celle-là seule.")
@click.option("--sign-in", is_flag=True, help="Affiché aussi sur la page de connexion.")
@click.pass_obj
def notice_add(
    cli: "Cli",
    text: str,
    *,
    warning: bool,
    from_: date | None,
    until: date | None,
    application: str | None,
    sign_in: bool,
) -> None:
    """Publier un avis."""
    zone = zone_of(cli)
    number = services_of(cli).notices.add(
        OPERATOR,
        text,
        level=NoticeLevel.WARNING if warning else NoticeLevel.INFO,
        application=application,
        on_sign_in=sign_in,
        dates=Dates().changed(new_start(from_, zone), new_end(until, zone)),
    )
    cli.say(f"Avis {number} publié.", {"number": number})


@notice.command("list")
@click.pass_obj
def notice_list(cli: "Cli") -> None:
    """Lister les avis, ceux à venir et ceux qui sont terminés compris."""
    lines = services_of(cli).notices.list(OPERATOR)
    now = cli.services.clock.now()
    text = "\n".join(_line(line, now) for line in lines)
    cli.say(text or "Aucun avis.", [_data(line, now) for line in lines])


@notice.command("remove")
@click.argument("number", type=int)
@click.pass_obj
def notice_remove(cli: "Cli", number: int) -> None:
    """Retirer un avis."""
    services_of(cli).notices.remove(OPERATOR, number)
    cli.say(f"Avis {number} retiré.")


def _line(line: NoticeLine, now: datetime) -> str:
    notice = line.notice
    marks = [
        "avertissement" if notice.level is NoticeLevel.WARNING else "information",
        "affiché" if line.holds(now) else "pas affiché",
        *([notice.application_code] if notice.application_code else []),
        *(["connexion"] if notice.on_sign_in else []),
    ]
    return f"{notice.id}  {notice.text}  ({', '.join(marks)})"


def _data(line: NoticeLine, now: datetime) -> dict[str, object]:
    return {
        "number": line.notice.id,
        "text": line.notice.text,
        "level": line.notice.level.value,
        "application": line.notice.application_code,
        "sign_in": line.notice.on_sign_in,
        "from": line.valid_from,
        "until": line.valid_until,
        "shown": line.holds(now),
    }
