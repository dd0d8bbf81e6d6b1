"""The command ``convergences``. Each room adds its commands through ``convergences.commands``.

Every command runs in one unit of work, on behalf of the system user who typed it; what it says is
printed once that is committed. A command that must not (a server, a worker) says so with
:func:`outside_unit_of_work`. Errors are one line on stderr.
"""

import getpass
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, wraps
from importlib.metadata import entry_points
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import Any, NoReturn

import click

from idp import log
from idp.context import Origin, acting
from idp.db import DatabaseError
from idp.errors import ConfigurationError, ConvergencesError, DirectoryError
from idp.installation import check_there_is_one
from idp.services import Services, build, import_models
from idp.settings import Settings, from_file

ENTRY_POINTS = "convergences.commands"

Callback = Callable[..., Any]

_held: ContextVar[list[str] | None] = ContextVar("held", default=None)


@dataclass(frozen=True)
class Cli:
    """What a command receives (``@click.pass_obj``); the services are built at the first use."""

    config: Path
    as_json: bool

    @cached_property
    def settings(self) -> Settings:
        """The settings of ``--config``.

        Raises:
            ConfigurationError: no such file, or a key is missing or wrong.
        """
        return from_file(self.config)

    @cached_property
    def services(self) -> Services:
        """Every service, on the database of a running server.

        Raises:
            ConfigurationError: a setting or a plug-in is missing or wrong.
        """
        import_models(self.settings)
        check_there_is_one(self.settings.database_url)
        return build(self.settings)

    def say(self, text: str, data: object = None) -> None:
        """Print ``text``, or with ``--json`` the ``data`` (``{"message": text}`` without any).

        Inside a unit of work the line is printed after the commit.
        """
        line = text
        if self.as_json:
            line = json.dumps(
                {"message": text} if data is None else data, ensure_ascii=False, default=str
            )
        held = _held.get()
        if held is None:
            click.echo(line)
        else:
            held.append(line)

    def close(self) -> None:
        """Let go of the database, if it was ever opened."""
        if "services" in self.__dict__:
            self.services.db.dispose()


def outside_unit_of_work(callback: Callback) -> Callback:
    """Mark a command that opens its own transactions, or none."""
    callback.outside_unit_of_work = True  # type: ignore[attr-defined]
    return callback


class Commands(click.Group):
    """The root: loads the rooms' commands at the first use, words every error in French."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands of every room."""
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, None when no room has it."""
        self._load()
        return super().get_command(ctx, cmd_name)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - click's own signature
        **extra: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Run, and end the process: 0, 1 for an error, 2 for a wrong use."""
        try:
            given = _common_first(sys.argv[1:] if args is None else args)
            result = super().main(given, prog_name, complete_var, standalone_mode=False, **extra)
        except Exception as error:
            if not standalone_mode:
                raise
            _end(error)
        if not standalone_mode:
            return result
        sys.exit(result if isinstance(result, int) else 0)

    def _load(self) -> None:
        if "loaded" in self.__dict__:
            return
        self.loaded = True
        for entry_point in sorted(entry_points(group=ENTRY_POINTS), key=lambda one: one.name):
            try:
                register = entry_point.load()
            except (ImportError, AttributeError) as error:
                raise ConfigurationError(f"the commands of {entry_point.name}: {error}") from error
            register(self)
        _wrap(self)


@click.group(cls=Commands, context_settings={"help_option_names": ["--help", "-h"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("development.ini"),
    show_default=True,
    help="Le fichier de configuration.",
)
@click.option("--json", "as_json", is_flag=True, help="Répondre en JSON, pour les scripts.")
@click.pass_context
def convergences(ctx: click.Context, config: Path, as_json: bool) -> None:  # noqa: FBT001 - click
    """Exploiter Convergences en ligne de commande."""
    log.configure(demonstration=True)
    ctx.obj = Cli(config, as_json)
    ctx.call_on_close(ctx.obj.close)


def main() -> None:
    """Entry point of ``convergences``."""
    convergences.main()


def _common_first(words: Sequence[str]) -> list[str]:
    """Take ``--json`` and ``--config FILE`` wherever they are typed, even after the command."""
    common: list[str] = []
    rest: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if word == "--":
            rest += [word, *remaining]
        elif word == "--json" or word.startswith("--config="):
            common.append(word)
        elif word == "--config":
            common += [word, *islice(remaining, 1)]
        else:
            rest.append(word)
    return common + rest


def _wrap(group: click.Group) -> None:
    """Every command below acts for who typed it, and in one unit of work unless it says no."""
    for command in group.commands.values():
        if isinstance(command, click.Group):
            _wrap(command)
        elif command.callback and not hasattr(command.callback, "wrapped"):
            command.callback = _wrapped(command.callback)


def _wrapped(callback: Callback) -> Callback:
    @wraps(callback)
    def run(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the command takes
        with acting(Origin(actor=f"cli:{system_user()}", request_id=token_hex(8))):
            if getattr(callback, "outside_unit_of_work", False):
                return callback(*args, **options)
            cli: Cli = click.get_current_context().obj
            with _holding_back(), cli.services.db.unit_of_work():
                return callback(*args, **options)

    run.wrapped = True  # type: ignore[attr-defined]
    return run


@contextmanager
def _holding_back() -> Iterator[None]:
    """Keep what is said until the block ends well."""
    lines: list[str] = []
    token = _held.set(lines)
    try:
        yield
    finally:
        _held.reset(token)
    for line in lines:
        click.echo(line)


def system_user() -> str:
    """Who types; the user's number when the system knows no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "?"


def _end(error: Exception) -> NoReturn:
    """One line on stderr and the exit code; a defect of ours keeps its traceback."""
    code = 1
    match error:
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message())
            sys.exit(error.exit_code)
        case click.ClickException():
            message, code = _in_french(error), error.exit_code
        case click.Abort():
            message = "interrompu"
        case ConvergencesError():
            message = _words(error)
        case DatabaseError():
            message = f"la base de données a refusé ou ne répond pas ({_first_line(error)})"
        case OSError():
            message = f"{error.filename or 'système'} : {error.strerror or error}"
        case _:
            raise error
    click.echo(f"Erreur : {' '.join(message.split())}", err=True)
    sys.exit(code)


def _words(error: ConvergencesError) -> str:
    """The public text, and the cause where it says more than rules in plain words do."""
    if isinstance(error, DirectoryError) or error.cause in {error.code, error.public, ""}:
        return error.public
    return f"{error.public} ({error.cause})"


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def _in_french(error: click.ClickException) -> str:
    """What is wrong with the command line."""
    match error:
        case click.NoSuchOption():
            return f"option inconnue : {error.option_name}"
        case click.MissingParameter():
            return f"il manque {_parameter(error)}"
        case click.BadParameter():
            return f"valeur refusée pour {_parameter(error)} ({error.message})"
        case click.exceptions.NoSuchCommand():
            return f"commande inconnue : {error.command_name}"
        case _:
            return error.format_message()


def _parameter(error: click.BadParameter) -> str:
    hint: str | Sequence[str] | None = error.param_hint
    if hint is None and error.param is not None and error.ctx is not None:
        hint = error.param.get_error_hint(error.ctx)
    if hint is None:
        return "un paramètre"
    return hint if isinstance(hint, str) else " / ".join(hint)
