import json
import stat
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from datetime import timedelta
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, update

from idp import cli as module
from idp import log
from idp.audit import AuditEvent, verify
from idp.cli import Cli, Commands, outside_unit_of_work
from idp.commands import CHECKS
from idp.errors import ConvergencesError, NotFound
from idp.services import Services
from idp.settings import Settings
from idp.worker import Job, Worker
from tests.common.settings import write_ini

Run = Callable[..., Result]


@click.command()
@click.argument("mail")
@click.option("--number", type=int)
@click.pass_obj
def greet(cli: Cli, mail: str, number: int | None) -> None:
    cli.services.audit.record("test.greeted", target=mail, parameters={"number": number})
    cli.say(f"Bonjour {mail}.", {"mail": mail})
    if mail == "personne":
        raise NotFound("no account personne", public="Aucun compte « personne ».")


@click.group()
def nested() -> None:
    pass


@nested.command(name="outside")
@click.pass_obj
@outside_unit_of_work
def outside(cli: Cli) -> None:
    cli.say("ouvert" if cli.services.db._current.get() else "aucune")


@nested.command(name="inside")
@click.pass_obj
def inside(cli: Cli) -> None:
    cli.say("ouvert" if cli.services.db._current.get() else "aucune")


@nested.command(name="defect")
@click.argument("kind")
@outside_unit_of_work
def defect(kind: str) -> None:
    if kind == "file":
        Path("/nulle/part").read_text()
    if kind == "abort":
        raise click.Abort
    if kind == "same":
        raise ConvergencesError("Une phrase.", public="Une phrase.")
    raise ZeroDivisionError


def register(group: click.Group) -> None:
    group.add_command(greet)
    group.add_command(nested)


def extra_jobs(services: Services) -> list[Job]:
    return [Job("extra", timedelta(hours=1), lambda: services.audit.record("test.job"))]


@pytest.fixture
def config(services: Services, settings: Settings, tmp_path: Path) -> Path:
    """The .ini of the settings of the test, on its migrated database."""
    url = services.db.url.render_as_string(hide_password=False)
    return write_ini(tmp_path / "essai.ini", settings, url)


@pytest.fixture
def run(config: Path, monkeypatch: pytest.MonkeyPatch, _quiet: None) -> Iterator[Run]:
    own = [
        EntryPoint("idp", "idp.commands:register", "convergences.commands"),
        EntryPoint("test", f"{__name__}:register", "convergences.commands"),
    ]
    monkeypatch.setattr(module, "entry_points", lambda **_group: own)
    group = Commands(params=module.convergences.params, callback=module.convergences.callback)

    def call(*words: str, json: bool = False) -> Result:
        options = ["--config", str(config), *(["--json"] if json else [])]
        return CliRunner().invoke(group, [*options, *words], prog_name="convergences")

    return call


@pytest.fixture
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of the command is not the log of the tests."""
    monkeypatch.setattr(log, "configure", lambda **_options: None)


def recorded(services: Services) -> list[AuditEvent]:
    with services.db.reading() as reading:
        return list(reading.scalars(select(AuditEvent).where(AuditEvent.code != "key.added")))


def test_a_command_acts_for_who_types_it_and_says_so_after_the_commit(
    run: Run, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.getpass, "getuser", lambda: "exploitant")
    result = run("greet", "léa@b.fr", "--number", "3")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "Bonjour léa@b.fr.\n", "")
    (row,) = recorded(services)
    assert (row.actor, row.target, row.parameters) == (
        "cli:exploitant",
        "léa@b.fr",
        {"number": 3},
    )
    assert len(row.request_id) == 16


def test_a_user_without_a_name_may_act_too(
    run: Run, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> str:
        raise KeyError

    monkeypatch.setattr(module.getpass, "getuser", unknown)
    run("greet", "a")

    assert recorded(services)[0].actor == "cli:?"


def test_json_is_for_scripts(run: Run) -> None:
    assert json.loads(run("greet", "léa", json=True).stdout) == {"mail": "léa"}
    assert json.loads(run("nested", "inside", json=True).stdout) == {"message": "ouvert"}


def test_common_options_may_follow_the_command(run: Run, config: Path, tmp_path: Path) -> None:
    assert json.loads(run("greet", "léa", "--json").stdout) == {"mail": "léa"}
    assert run("greet", "--json", "--", "--json").stdout == '{"mail": "--json"}\n'
    config.rename(tmp_path / "autre.ini")
    assert run("greet", "léa", "--config", str(tmp_path / "autre.ini")).exit_code == 0
    assert run("greet", "léa", f"--config={tmp_path / 'autre.ini'}").exit_code == 0
    assert run("greet", "léa", "--config").exit_code == 2


def test_an_error_is_one_line_and_undoes_the_command(run: Run, services: Services) -> None:
    result = run("greet", "personne")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "Erreur : Aucun compte « personne ».\n"
    assert recorded(services) == []


def test_a_command_may_stay_outside_the_unit_of_work(run: Run) -> None:
    assert run("nested", "inside").stdout == "ouvert\n"
    assert run("nested", "outside").stdout == "aucune\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["greet"], 2, "il manque 'MAIL'"),
        (["greet", "a", "--number", "x"], 2, "valeur refusée pour '--number'"),
        (["greet", "a", "--color"], 2, "option inconnue : --color"),
        (["nulle-part"], 2, "commande inconnue : nulle-part"),
        (["greet", "a", "b"], 2, "unexpected extra argument"),
        (["nested", "defect", "file"], 1, "/nulle/part : No such file or directory"),
        (["nested", "defect", "abort"], 1, "interrompu"),
        (["nested", "defect", "same"], 1, "Erreur : Une phrase.\n"),
    ],
)
def test_a_wrong_use_is_one_line_too(run: Run, words: list[str], code: int, text: str) -> None:
    result = run(*words)

    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("Erreur : ")
    assert result.stderr.count("\n") == 1
    assert text in result.stderr


def test_a_defect_of_ours_keeps_its_traceback(run: Run) -> None:
    assert isinstance(run("nested", "defect", "other").exception, ZeroDivisionError)


def test_help_reads_no_configuration(run: Run, config: Path) -> None:
    config.unlink()
    for words in (["--help"], ["greet", "--help"], ["nested", "--help"]):
        result = run(*words)
        assert (result.exit_code, result.stderr) == (0, "")
    assert "greet" in run("--help").stdout


def test_a_group_alone_shows_what_it_can_do(run: Run) -> None:
    result = run("nested")

    assert result.exit_code == 2
    assert "outside" in result.stdout


def test_a_missing_configuration_is_named(run: Run, config: Path) -> None:
    config.unlink()
    result = run("greet", "a")

    assert result.exit_code == 1
    assert f"no configuration file {config}" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_database_that_is_gone_is_one_line(run: Run, config: Path, tmp_path: Path) -> None:
    (tmp_path / "fichier").mkdir()
    _add(config, f"convergences.database_url = sqlite:///{tmp_path / 'fichier'}")
    result = run("greet", "a")

    assert result.exit_code == 1
    assert result.stderr == (
        "Erreur : la base de données a refusé ou ne répond pas (unable to open database file)\n"
    )


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite:///{folder}/absent.sqlite", "Il n'y a pas de base de données à l'adresse"),
        ("mysql://x/y", "doit commencer par sqlite:// ou postgresql://"),
        ("nothing at all", "doit commencer par sqlite:// ou postgresql://"),
    ],
)
def test_a_slip_in_the_database_s_address_makes_no_database(
    run: Run, config: Path, tmp_path: Path, url: str, text: str
) -> None:
    _add(config, f"convergences.database_url = {url.format(folder=tmp_path)}")
    result = run("greet", "a")

    assert result.exit_code == 1
    assert text in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "absent.sqlite").exists()


def test_a_room_that_cannot_be_loaded_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [EntryPoint("cave", "nulle.part:register", "convergences.commands")]
    monkeypatch.setattr(module, "entry_points", lambda **_group: broken)
    result = run("greet", "a")

    assert result.exit_code == 1
    assert "the commands of cave" in result.stderr


def test_a_caller_may_handle_errors_itself(run: Run) -> None:
    assert run("nested", "outside").exit_code == 0
    group = Commands(params=module.convergences.params, callback=module.convergences.callback)
    with pytest.raises(click.UsageError):
        group.main(["nulle-part"], standalone_mode=False)


# --- the commands of this room ---------------------------------------------------------------


def test_keys_go_through_their_states(run: Run, services: Services) -> None:
    kid = json.loads(run("keys", "generate", json=True).stdout)["kid"]
    assert f"{kid} : prochaine" in run("keys", "list").stdout
    assert run("keys", "promote", kid, "--force").exit_code == 0
    states = {one["kid"]: one["state"] for one in json.loads(run("keys", "list", json=True).stdout)}
    assert states == {"idp": "retired", kid: "active"}
    assert run("keys", "retire", "idp", "--until", "31/12/2026").exit_code == 0
    assert "publiée jusqu'au 31/12/2026" in run("keys", "list").stdout

    refused = run("keys", "retire", kid)
    assert refused.exit_code == 1
    assert "promouvez-en une autre d'abord" in refused.stderr
    unknown = run("keys", "promote", "inconnue")
    assert unknown.exit_code == 1
    assert unknown.stderr.count("\n") == 1
    with services.db.reading() as reading:
        events = reading.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
    assert [(one.code, one.actor[:4]) for one in events] == [
        ("key.added", "cli:"),
        ("key.promoted", "cli:"),
        ("key.retired", "cli:"),
    ]


def test_the_journal_is_verified(run: Run, services: Services) -> None:
    run("greet", "a")
    Worker(services).run(once=True)
    run("greet", "b")
    assert json.loads(run("audit", "verify", json=True).stdout) == {
        "purged": 0,
        "sealed": 1,
        "unsealed": 1,
        "broken_at": None,
        "head": verify(services.db, services.settings.secret).head,
    }
    assert run("audit", "verify").stdout.startswith("Journal intact : 1 événements scellés, 1 en")

    with services.db.unit_of_work() as work:
        work.execute(update(AuditEvent).values(target="c"))
    result = run("audit", "verify")
    assert result.exit_code == 1
    assert "la chaîne se rompt au scellé 1" in result.stderr
    assert json.loads(run("audit", "verify", json=True).stdout)["broken_at"] == 1


def test_the_worker_runs_once(run: Run, services: Services) -> None:
    run("greet", "a")
    assert run("worker", "--once").exit_code == 0

    assert verify(services.db, services.settings.secret).unsealed == 0


def test_the_worker_does_what_the_rooms_ask(run: Run, config: Path, services: Services) -> None:
    _add(config, f"idp.jobs = {__name__}.extra_jobs")
    assert run("worker", "--once").exit_code == 0
    assert [one.code for one in recorded(services)] == ["test.job"]

    _add(config, "idp.jobs = nulle.part")
    result = run("worker", "--once")
    assert result.exit_code == 1
    assert "idp.jobs" in result.stderr
    assert "idp.jobs" in run("check").stdout


def test_migrating_a_current_database_changes_nothing(run: Run) -> None:
    result = run("migrate")

    assert (result.exit_code, result.stdout) == (0, "La base de données est à jour.\n")


def test_a_lost_secret_is_named_before_anybody_notices(
    run: Run, settings: Settings, services: Services
) -> None:
    settings.secret_file.unlink()
    for words in (["migrate"], ["check"], ["greet", "a"], ["keys", "list"]):
        result = run(*words)
        assert result.exit_code == 1
        assert "convergences.secret_file" in result.stdout + result.stderr
    assert recorded(services) == []


def test_migrating_notes_the_secret(
    run: Run, config: Path, settings: Settings, tmp_path: Path
) -> None:
    _add(config, f"convergences.database_url = sqlite:///{tmp_path / 'neuve.sqlite'}")
    assert run("migrate").exit_code == 0
    settings.secret_file.unlink()
    assert run("migrate").exit_code == 1


def test_a_public_demonstration_does_not_start(run: Run, config: Path) -> None:
    _add(config, "convergences.demonstration = true")
    _add(config, "convergences.public_url = https://idp.example")
    result = run("check")

    assert result.exit_code == 1
    assert "convergences.demonstration" in result.stderr


def test_a_good_configuration_passes(run: Run) -> None:
    result = run("check")

    assert (result.exit_code, result.stderr) == (0, "")
    assert "MAUVAIS" not in result.stdout
    assert len(result.stdout.splitlines()) == len(CHECKS)
    assert all(one["ok"] for one in json.loads(run("check", json=True).stdout))


SERVICES = ("clé de signature", "annuaire", "pages et identité visuelle")
"""What is judged with all services built."""


def _empty_database(_settings: Settings, config: Path) -> None:
    _add(config, f"convergences.database_url = sqlite:///{config.parent / 'vide.sqlite'}")


def _no_mail(_settings: Settings, config: Path) -> None:
    _add(config, f"mail.transport = folder:{config}/mails")


def _wrong_text(_settings: Settings, config: Path) -> None:
    folder = config.parent / "textes" / "courriels"
    folder.mkdir(parents=True)
    (folder / "account-created.txt").write_text("Bonjour\n{{ prenom }}", encoding="utf-8")
    _add(config, f"organization.texts = {folder.parent}")


def _wrong_picture(_settings: Settings, config: Path) -> None:
    _add(config, "organization.favicon = icone.exe")


def _other_secret(settings: Settings, _config: Path) -> None:
    settings.secret_file.write_bytes(b"x" * 32)


def _add(config: Path, line: str) -> None:
    ini = ConfigParser(interpolation=None)
    ini.read(config, encoding="utf-8")
    key, _, value = line.partition(" = ")
    ini["app:main"][key] = value
    with config.open("w", encoding="utf-8") as file:
        ini.write(file)


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        (lambda settings, _: settings.secret_file.chmod(0o644), {"secret du serveur"}),
        (lambda settings, _: (settings.keys / "idp.pem").chmod(0o640), {"clé de signature"}),
        (lambda settings, _: (settings.keys / "idp.pem").unlink(), {"clé de signature"}),
        (_empty_database, {"base de données", "clé de signature", "annuaire"}),
        (_no_mail, {"mails"}),
        (_wrong_text, {"textes des mails", *SERVICES}),
        (_wrong_picture, {"pages et identité visuelle"}),
        (_other_secret, {"secret du serveur", *SERVICES}),
    ],
)
def test_a_bad_configuration_is_judged_line_by_line(
    run: Run,
    settings: Settings,
    config: Path,
    spoil: Callable[[Settings, Path], None],
    wrong: set[str],
) -> None:
    spoil(settings, config)
    result = run("check", json=True)

    assert result.exit_code == 1
    lines = json.loads(result.stdout)
    assert {one["check"] for one in lines if not one["ok"]} == wrong
    assert all(one["cause"] for one in lines if not one["ok"])
    assert result.stderr.count("\n") == 1


def test_a_plug_in_that_is_missing_is_judged_too(run: Run, config: Path) -> None:
    _add(config, "idp.directory = nulle.part")
    result = run("check")

    assert result.exit_code == 1
    assert "idp.directory" in result.stdout


def test_the_secret_is_made_unreadable_to_others(settings: Settings) -> None:
    assert stat.S_IMODE(settings.secret_file.stat().st_mode) == 0o600
