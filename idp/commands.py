"""The commands of this room: worker, journal, keys, database, and the check before a start."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click

from idp import audit, log, migrations
from idp.cli import Cli, outside_unit_of_work
from idp.db import Database, DatabaseError
from idp.errors import ConfigurationError, ConvergencesError
from idp.installation import check_secret
from idp.keys import SigningKey
from idp.mail_transports import NotDelivered, transport_of
from idp.services import plugin
from idp.worker import Worker

STATES = {"next": "prochaine", "active": "active", "retired": "retirée"}


def register(group: click.Group) -> None:
    """Add the commands of this room."""
    for command in (worker, audit_group, keys, migrate, check):
        group.add_command(command)


@click.command()
@click.option("--once", is_flag=True, help="Faire chaque tâche une fois, puis s'arrêter.")
@click.pass_obj
@outside_unit_of_work
def worker(cli: Cli, once: bool) -> None:  # noqa: FBT001 - click
    """Envoyer les courriels, sceller le journal, purger (jusqu'à SIGTERM)."""
    log.configure(demonstration=cli.settings.demonstration)
    jobs = [job for name in cli.settings.jobs for job in plugin("idp.jobs", name)(cli.services)]
    Worker(cli.services, jobs).run(once=once)


@click.group(name="audit")
def audit_group() -> None:
    """Le journal."""


@audit_group.command(name="verify")
@click.pass_obj
@outside_unit_of_work
def audit_verify(cli: Cli) -> None:
    """Recalculer la chaîne de scellés du journal."""
    result = audit.verify(cli.services.db, cli.settings.secret)
    data = {
        "purged": result.purged,
        "sealed": result.sealed,
        "unsealed": result.unsealed,
        "broken_at": result.broken_at,
        "head": result.head,
    }
    if result.intact:
        text = (
            f"Journal intact : {result.sealed} événements scellés, "
            f"{result.unsealed} en attente de scellé, {result.purged} effacés après douze mois, "
            f"tête {result.head}."
        )
        cli.say(text, data)
        return
    if cli.as_json:
        cli.say("", data)
    raise ConvergencesError(
        f"seal {result.broken_at}",
        public=f"Le journal a été modifié : la chaîne se rompt au scellé {result.broken_at}.",
    )


@click.group()
def keys() -> None:
    """Les clés de signature."""


@keys.command(name="list")
@click.pass_obj
def keys_list(cli: Cli) -> None:
    """Lister les clés et leur état."""
    rows = cli.services.keys.list()
    text = "\n".join(_key_line(key) for key in rows) or "Aucune clé."
    cli.say(text, [_key_data(key) for key in rows])


@keys.command(name="generate")
@click.pass_obj
@outside_unit_of_work  # the arithmetic takes seconds, during which SQLite would take no other write
def keys_generate(cli: Cli) -> None:
    """Fabriquer une clé, publiée sans encore signer."""
    kid = cli.services.keys.generate()
    cli.say(
        f"Clé {kid} créée et publiée ; elle signera après « keys promote {kid} ».", {"kid": kid}
    )


@keys.command(name="promote")
@click.argument("kid")
@click.pass_obj
def keys_promote(cli: Cli, kid: str) -> None:
    """Signer désormais avec cette clé."""
    cli.services.keys.promote(kid)
    cli.say(f"La clé {kid} signe désormais.", {"kid": kid, "state": "active"})


@keys.command(name="retire")
@click.argument("kid")
@click.option(
    "--until",
    type=click.DateTime(formats=["%Y-%m-%d", "%d/%m/%Y"]),
    help="La publier jusqu'à cette date (par défaut : plus du tout).",
)
@click.pass_obj
def keys_retire(cli: Cli, kid: str, until: datetime | None) -> None:
    """Ne plus publier cette clé."""
    cli.services.keys.retire(kid, None if until is None else until.replace(tzinfo=UTC))
    cli.say(f"La clé {kid} est retirée.", {"kid": kid, "state": "retired"})


@click.command()
@click.pass_obj
@outside_unit_of_work
def migrate(cli: Cli) -> None:
    """Mettre la base de données au dernier schéma."""
    migrations.upgrade(cli.settings)
    _recognise(cli)
    cli.say("La base de données est à jour.")


@click.command()
@click.pass_obj
@outside_unit_of_work
def check(cli: Cli) -> None:
    """Juger une configuration avant de démarrer."""
    settings = cli.settings  # unreadable: one line, and nothing else can be judged
    results = [_judged(name, judge, cli) for name, judge in CHECKS.items()]
    text = "\n".join(
        f"{'bon    ' if cause is None else 'MAUVAIS'} {name}" + (f" : {cause}" if cause else "")
        for name, cause in results
    )
    cli.say(
        text,
        [{"check": name, "ok": cause is None, "cause": cause or ""} for name, cause in results],
    )
    wrong = [name for name, cause in results if cause is not None]
    if wrong:
        raise ConfigurationError(
            ", ".join(wrong),
            public=f"La configuration {cli.config} ({settings.public_url}) n'est pas bonne.",
        )


def _judged(name: str, judge: Callable[[Cli], None], cli: Cli) -> tuple[str, str | None]:
    try:
        judge(cli)
    except ConvergencesError as error:
        return name, error.cause
    except (DatabaseError, NotDelivered, OSError) as error:
        return name, str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return name, None


def _recognise(cli: Cli) -> None:
    """Refuse a database that is used with another secret."""
    database = Database(cli.settings.database_url, durable=cli.settings.durable)
    try:
        check_secret(database, cli.settings.secret)
    finally:
        database.dispose()


def _check_secret(cli: Cli) -> None:
    path = cli.settings.secret_file
    if path.stat().st_mode & 0o077:
        raise ConfigurationError(f"{path} can be read by others: chmod 600")
    with suppress(DatabaseError):  # the next line says so
        _recognise(cli)


def _check_database(cli: Cli) -> None:
    if not migrations.is_current(cli.settings):
        raise ConfigurationError("the schema is not the newest: run `convergences migrate`")


def _check_keys(cli: Cli) -> None:
    cli.services.keys.ready()
    for path in sorted(cli.settings.keys.glob("*.pem")):
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"{path} can be read by others: chmod 600")


def _check_mail(cli: Cli) -> None:
    transport_of(cli.settings.mail.transport).check()


def _check_jobs(cli: Cli) -> None:
    for name in cli.settings.jobs:
        plugin("idp.jobs", name)


def _check_directory(cli: Cli) -> None:
    cli.services.directory.find_subject("")


CHECKS: dict[str, Callable[[Cli], None]] = {
    "secret du serveur": _check_secret,
    "base de données": _check_database,
    "clé de signature": _check_keys,
    "courriels": _check_mail,
    "annuaire": _check_directory,
    "tâches de fond": _check_jobs,
}


def _key_line(key: SigningKey) -> str:
    until = f", publiée jusqu'au {key.published_until:%d/%m/%Y}" if key.published_until else ""
    return f"{key.kid} : {STATES[key.state]}, créée le {key.created_at:%d/%m/%Y}{until}"


def _key_data(key: SigningKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "state": str(key.state),
        "created_at": key.created_at.isoformat(),
        "promoted_at": key.promoted_at and key.promoted_at.isoformat(),
        "published_until": key.published_until and key.published_until.isoformat(),
    }
