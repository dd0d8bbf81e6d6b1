"""The commands of this room: people, structures, applications, rights.

Each runs in one unit of work, opened by :mod:`idp.cli`, as the actor ``OPERATOR``.
"""

import click

from directory.commands.notices import notice
from directory.commands.people import account, structure
from directory.commands.rights import application, assign, mandate, role, unassign

__all__ = ["register"]


def register(group: click.Group) -> None:
    """Add this room's commands to ``convergences``."""
    for command in (structure, account, application, role, assign, unassign, mandate, notice):
        group.add_command(command)
