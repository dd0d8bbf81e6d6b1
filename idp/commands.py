"""The commands of this room: worker, journal, keys, database, and the check before a start."""

from collections.abc import Callable
from contextlib import suppress

import click

from idp import audit, log, make_app, migrations
from idp.cli import Cli, outside_unit_of_work
from idp.db import Database, DatabaseError
from idp.errors import ConfigurationError, ConvergencesError
from idp.installation import check_secret
from idp.keys.commands import STATES, USES, keys, remaining
from idp.keys.expiry import days_left, ending
from idp.keys.tables import KeyState
from idp.keys.using import KnownKey
from idp.mail_commands import mail_group
from idp.mail_transports import NotDelivered, transport_of
from idp.services import plugin
from idp.worker import Worker


def register(group: click.Group) -> None:
    """Add the commands of this room."""
    for command in (worker, mail_group, audit_group, keys, migrate, check):
        group.add_command(command)


@click.command()
@click.option("--once", is_flag=True, help="Faire chaque tâche une fois, puis s'arrêter.")
@click.pass_obj
@outside_unit_of_work
def worker(cli: Cli, once: bool) -> None:  # noqa: FBT001 - click
    """Envoyer les mails, sceller le journal, purger (jusqu'à SIGTERM)."""
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
        f"{'bon    ' if ok else 'MAUVAIS'} {name}" + (f" : {said}" if said else "")
        for name, ok, said in results
    )
    cli.say(text, [{"check": name, "ok": ok, "cause": said} for name, ok, said in results])
    wrong = [name for name, ok, _said in results if not ok]
    if wrong:
        raise ConfigurationError(
            ", ".join(wrong),
            public=f"La configuration {cli.config} ({settings.public_url}) n'est pas bonne.",
        )


def _judged(name: str, judge: Callable[[Cli], str | None], cli: Cli) -> tuple[str, bool, str]:
    """The check's name, whether it is good, and what there is to say of it either way."""
    try:
        remark = judge(cli)
    except ConvergencesError as error:
        return name, False, error.cause
    except (DatabaseError, NotDelivered, OSError) as error:
        return name, False, str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return name, True, remark or ""


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


def _check_keys(cli: Cli) -> str | None:
    """Refuse a certificate that ended; name the key that signs, and those that end soon."""
    ring, now = cli.services.keys, cli.services.clock.now()
    ring.ready()
    for path in sorted(cli.settings.keys.glob("*.pem")):
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"{path} can be read by others: chmod 600")
    lasting = ring.lasting()
    soon = ending(lasting, now)
    said = " ; ".join(
        _described(key) + (f" : {remaining(days_left(key, now))}" if key in soon else "")
        for key in lasting
        if key in soon or key.kid == ring.kid
    )
    if any(days_left(key, now) < 0 for key in soon):
        raise ConfigurationError(said)
    return said


def _described(key: KnownKey) -> str:
    kept = ", gardée pour une application" if key.state is KeyState.RETIRED else ""
    return f"{key.kid} ({USES[key.use]}, {STATES[key.state]}{kept})"


def _check_mail(cli: Cli) -> None:
    transport_of(cli.settings.mail.transport).check()


def _check_mail_texts(cli: Cli) -> None:
    plugin("idp.mail_texts", cli.settings.mail_texts)(cli.settings)


def _check_jobs(cli: Cli) -> None:
    for name in cli.settings.jobs:
        plugin("idp.jobs", name)


def _check_directory(cli: Cli) -> None:
    cli.services.directory.find_subject("")


def _check_pages(cli: Cli) -> None:
    """Build them as the server does: logo, colour, texts and audit are read then."""
    make_app(cli.settings, cli.services)


CHECKS: dict[str, Callable[[Cli], str | None]] = {
    "secret du serveur": _check_secret,
    "base de données": _check_database,
    "clé de signature": _check_keys,
    "mails": _check_mail,
    "textes des mails": _check_mail_texts,
    "annuaire": _check_directory,
    "tâches de fond": _check_jobs,
    "pages et identité visuelle": _check_pages,
}
