"""The commands of the demonstration: ``convergences demo`` and ``convergences run``."""

import os

import click

from idp.cli import Cli, outside_unit_of_work
from idp.errors import ConfigurationError
from views.demo import loading, supervisor
from views.demo.applications import APPLICATIONS

PORT = 6543
SP_PORT = 6544
HIGHEST_PORT = 65535


def register(group: click.Group) -> None:
    """Add the commands of the demonstration."""
    group.add_command(demo)
    group.add_command(run)


@click.command()
@click.pass_obj
@outside_unit_of_work
def demo(cli: Cli) -> None:
    """Charger les données de démonstration et ses quatre applications."""
    # Without SP_PORT, the applications of the running demonstration, not others beside them.
    served = supervisor.served_sp_port(cli.settings.var)
    sp_port = port_of("SP_PORT", served or SP_PORT)
    loading.load(cli.services, sp_port, cli.settings.var)
    text = f"Démonstration chargée. Mot de passe de tous les comptes : {loading.PASSWORD}"
    data = {
        "password": loading.PASSWORD,
        "accounts": [account.mail for account in loading.ACCOUNTS],
        "applications": {each.name: each.base(sp_port) for each in APPLICATIONS},
    }
    cli.say(text, data)


@click.command()
@click.pass_obj
@outside_unit_of_work
def run(cli: Cli) -> None:
    """Servir la démonstration au premier plan : portail, tâches de fond, applications."""
    supervisor.run_demonstration(cli.config, port_of("PORT", PORT), port_of("SP_PORT", SP_PORT))


def port_of(name: str, default: int) -> int:
    """The port that this environment variable gives.

    Raises:
        ConfigurationError: it is not a port.
    """
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= HIGHEST_PORT:
        raise _refused(f"{name} doit être un numéro de port, de 1 à {HIGHEST_PORT}.")
    return int(text)


def _refused(text: str) -> ConfigurationError:
    return ConfigurationError(text, public=text)
