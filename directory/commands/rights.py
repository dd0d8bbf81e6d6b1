"""``application``, ``role``, ``assign``, ``unassign`` and ``mandate``."""

from datetime import date
from typing import TYPE_CHECKING

import click

from directory.authorisation import OPERATOR
from directory.commands.options import (
    DAY,
    F,
    NoEnd,
    RoleName,
    dates,
    new_end,
    new_start,
    services_of,
    zone_of,
)
from directory.services.days import begin, end
from directory.services.rights.assignments import Grant

if TYPE_CHECKING:
    from idp.cli import Cli


@click.group()
def application() -> None:
    """Les applications."""


@application.command("add")
@click.argument("code")
@click.argument("label")
@click.option("--url", help="Ce que la tuile ouvre tant qu'aucun fournisseur n'est raccordé.")
@click.pass_obj
def application_add(cli: "Cli", code: str, label: str, url: str | None) -> None:
    """Créer une application."""
    made = services_of(cli).applications.add(OPERATOR, code, label, url=url)
    cli.say(f"Application « {made.label} » créée.", {"code": made.code, "label": made.label})


@application.command("schedule")
@click.argument("code")
@click.option("--from", "from_", type=DAY, help="Premier jour où elle est ouverte.")
@click.option("--until", type=DAY, help="Dernier jour où elle est ouverte, inclus.")
@click.option("--message", default="", help="Ce que dit sa tuile quand elle est fermée.")
@click.pass_obj
def application_schedule(
    cli: "Cli", code: str, from_: date | None, until: date | None, message: str
) -> None:
    """Dire quand une application est ouverte ; sans dates, toujours."""
    zone = zone_of(cli)
    services_of(cli).applications.schedule(
        OPERATOR,
        code,
        opens_at=begin(from_, zone) if from_ else None,
        closes_at=end(until, zone) if until else None,
        message=message,
    )
    cli.say(f"Ouverture de l'application « {code} » enregistrée.")


@click.group()
def role() -> None:
    """Les rôles des applications."""


@role.command("add")
@click.argument("application", metavar="APP")
@click.argument("code")
@click.argument("label")
@click.option("--value", help="Ce que l'application reçoit ; sans cela, le code.")
@click.pass_obj
def role_add(cli: "Cli", application: str, code: str, label: str, value: str | None) -> None:
    """Créer un rôle d'une application."""
    made = services_of(cli).applications.add_role(OPERATOR, application, code, label, value=value)
    cli.say(
        f"Rôle « {made.label} » créé.",
        {"application": application, "code": made.code, "value": made.value},
    )


def _grant(command: F) -> F:
    """What ``assign`` and ``unassign`` speak of."""
    named = click.option("--role", required=True, type=RoleName(), metavar="APP:RÔLE")(command)
    where = click.option("--structure", required=True, metavar="CODE")(named)
    return click.argument("email")(where)


@click.command()
@_grant
@dates
@click.pass_obj
def assign(
    cli: "Cli",
    email: str,
    structure: str,
    role: tuple[str, str],
    from_: date | None,
    until: date | NoEnd | None,
) -> None:
    """Affecter un rôle à une personne, dans une structure."""
    zone = zone_of(cli)
    services_of(cli).assignments.assign(
        OPERATOR,
        Grant(email, structure, *role),
        valid_from=new_start(from_, zone),
        valid_until=new_end(until, zone),
    )
    cli.say(f"Rôle {':'.join(role)} affecté à {email}.", _told(email, structure, role))


@click.command()
@_grant
@click.option("--from", "from_", type=DAY, help="Premier jour sans le rôle.")
@click.option("--until", type=DAY, help="Dernier jour avec le rôle.")
@click.pass_obj
def unassign(
    cli: "Cli",
    email: str,
    structure: str,
    role: tuple[str, str],
    from_: date | None,
    until: date | None,
) -> None:
    """Retirer un rôle : aussitôt, à partir d'un jour (--from), ou après un jour (--until)."""
    if from_ and until:
        raise click.UsageError("Indiquez --from ou --until, pas les deux.")
    zone = zone_of(cli)
    at = begin(from_, zone) if from_ else end(until, zone) if until else None
    services_of(cli).assignments.unassign(OPERATOR, Grant(email, structure, *role), at=at)
    cli.say(f"Rôle {':'.join(role)} retiré à {email}.", _told(email, structure, role))


def _told(email: str, structure: str, role: tuple[str, str]) -> dict[str, str]:
    return {"mail": email, "structure": structure, "role": ":".join(role)}


@click.group()
def mandate() -> None:
    """Les mandats des référents et du correspondant."""


def _mandate_options(command: F) -> F:
    """What ``mandate add`` and ``mandate remove`` speak of."""
    central = click.option("--central", is_flag=True, help="Le mandat de correspondant.")(command)
    named = click.option(
        "--application", "applications", multiple=True, metavar="APP", help="Peut se répéter."
    )(central)
    where = click.option("--structure", metavar="CODE")(named)
    more = click.argument("more", nargs=-1, metavar="[APP]...")(where)
    return click.argument("email")(more)


def _root(structure: str | None, *, central: bool, applications: tuple[str, ...]) -> str | None:
    """The structure's code; None for the correspondant's mandate.

    Raises:
        click.UsageError: neither, or both.
    """
    if central and (structure or applications):
        raise click.UsageError("--central va seul : il vaut partout.")
    if not central and not structure:
        raise click.UsageError("Indiquez --structure, ou --central.")
    return structure


@mandate.command("add")
@_mandate_options
@dates
@click.pass_obj
def mandate_add(  # noqa: PLR0913, PLR0917 - one parameter for each option
    cli: "Cli",
    email: str,
    more: tuple[str, ...],
    structure: str | None,
    applications: tuple[str, ...],
    central: bool,  # noqa: FBT001 - click calls by name
    from_: date | None,
    until: date | NoEnd | None,
) -> None:
    """Donner un mandat : --structure CODE --application APP…, ou --central."""
    codes = applications + more
    root = _root(structure, central=central, applications=codes)
    mandates = services_of(cli).mandates
    if root is None:
        if from_ or until:
            raise click.UsageError("Un mandat de correspondant n'a pas de dates.")
        mandates.add_central(OPERATOR, email)
    else:
        zone = zone_of(cli)
        mandates.add(
            OPERATOR,
            email,
            root,
            codes,
            valid_from=new_start(from_, zone),
            valid_until=new_end(until, zone),
        )
    cli.say(f"Mandat donné à {email}.", _mandate_told(email, root, codes))


@mandate.command("remove")
@_mandate_options
@click.pass_obj
def mandate_remove(
    cli: "Cli",
    email: str,
    more: tuple[str, ...],
    structure: str | None,
    applications: tuple[str, ...],
    central: bool,  # noqa: FBT001 - click calls by name
) -> None:
    """Retirer un mandat, ou certaines de ses applications."""
    codes = applications + more
    root = _root(structure, central=central, applications=codes)
    mandates = services_of(cli).mandates
    if root is None:
        mandates.remove_central(OPERATOR, email)
    else:
        mandates.remove(OPERATOR, email, root, codes)
    cli.say(f"Mandat retiré à {email}.", _mandate_told(email, root, codes))


def _mandate_told(email: str, root: str | None, codes: tuple[str, ...]) -> dict[str, object]:
    return {"mail": email, "structure": root, "applications": codes, "central": root is None}
