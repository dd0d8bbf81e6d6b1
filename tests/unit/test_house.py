"""The house as a whole: arrows between the rooms, what a start loads, the lock files."""

import re
import shutil
import socket
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest

from idp.settings import from_mapping
from tests.common.network import NetworkRefused
from tests.common.processes import REPOSITORY
from tests.common.settings import make_settings

ROOMS = ("idp", "directory", "metadata", "views")

# What a server must not load: each costs memory and time in every worker.
SLOW = ("alembic", "openpyxl", "saml2.client", "webauthn", "playwright")

LONGEST = 400
"""Lines of a file of the product; the first schema is one migration, never touched again."""

PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)", re.MULTILINE)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_follow_the_arrows() -> None:
    result = lint_imports(REPOSITORY)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "offence", "contract"),
    [
        ("idp/types.py", "import directory", "idp imports no other room"),
        ("directory/models/people.py", "import metadata", "directory imports only idp"),
        ("metadata/tables.py", "import views", "metadata imports only idp"),
        ("views/portal/__init__.py", "import directory.models", "the public front"),
        ("views/person.py", "import directory.models", "the public front"),
        ("idp/worker.py", "import sqlalchemy", "queries stay"),
        ("views/login/__init__.py", "import views.demo", "does not know the demonstration"),
        ("directory/models/people.py", "import idp.saml.xml", "the directory knows no SAML"),
        ("metadata/tables.py", "import pyramid.config", "the cellars know neither"),
        ("idp/types.py", "import saml2", "one door: saml2"),
        ("metadata/tables.py", "import xmlsec", "one door: xmlsec"),
        ("views/__init__.py", "import lxml.etree", "one door: lxml"),
        ("directory/models/people.py", "import bcrypt", "one door: bcrypt"),
        ("idp/db.py", "import alembic.config", "one door: alembic"),
        ("idp/db.py", "import psycopg", "one door: psycopg"),
        ("views/portal/__init__.py", "import deform", "one door: deform"),
        ("views/__init__.py", "import sqlalchemy", "queries stay"),
    ],
)
def test_an_import_against_the_arrows_is_found(
    tmp_path: Path, module: str, offence: str, contract: str
) -> None:
    for room in ROOMS:
        shutil.copytree(REPOSITORY / room, tmp_path / room, ignore=only_python)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    with (tmp_path / module).open("a") as file:
        file.write(f"\n{offence}\n")
    result = lint_imports(tmp_path)
    broken = [line for line in result.stdout.splitlines() if " BROKEN" in line]
    assert any(contract in line for line in broken), result.stdout


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    files = [path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")]
    assert files
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in files}
    long = [path.name for path, lines in lengths.items() if lines > LONGEST]
    assert [name for name in long if name != "0001_first_schema.py"] == []


def contract(name: str) -> dict[str, Any]:
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (found,) = [one for one in contracts if one["name"] == name]
    return dict(found)


def test_whatever_is_not_behind_the_counter_is_the_public_front() -> None:
    modules = {
        f"views.{path.stem}"
        for path in (REPOSITORY / "views").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    front = contract("the public front sees idp's interfaces alone")["source_modules"]
    behind = {"views.__init__", "views.aia", "views.central", "views.demo"}
    assert set(front) == modules - behind


def only_python(folder: str, names: list[str]) -> list[str]:
    return [
        name
        for name in names
        if name == "__pycache__" or not (name.endswith(".py") or Path(folder, name).is_dir())
    ]


def test_a_server_starts_without_what_it_does_not_need(tmp_path: Path) -> None:
    program = (
        "import sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "from pathlib import Path\n"
        "from idp import make_app\n"
        "from tests.common.settings import make_settings\n"
        "make_app(make_settings(Path(sys.argv[1]), sys.argv[2]))\n"
        f"print([name for name in {SLOW!r} if name in sys.modules])\n"
    )
    database_url = make_settings(tmp_path, f"sqlite:///{tmp_path / 'empty.sqlite'}").database_url
    result = subprocess.run(
        [sys.executable, "-c", program, tmp_path, database_url],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.strip().splitlines()[-1:] == ["[]"], result.stdout + result.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.org"])
def test_no_test_leaves_the_machine(host: str) -> None:
    with pytest.raises(NetworkRefused, match=re.escape(host)):
        socket.create_connection((host, 443), timeout=1)


def settings_of(name: str) -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.read(REPOSITORY / name, encoding="utf-8")
    return dict(parser["app:main"])


def test_development_ini_names_every_setting() -> None:
    source = (REPOSITORY / "idp" / "settings.py").read_text()
    read = set(re.findall(r'read\.\w+\(\s*"([a-z_.]+)"', source))
    text = (REPOSITORY / "development.ini").read_text()
    assert "idp.directory" in read
    assert {key for key in read if f"{key} =" not in text} == set()


def test_the_example_of_production_is_complete(tmp_path: Path) -> None:
    example = settings_of("deploy/production.ini")
    settings = from_mapping(example | {"convergences.var": str(tmp_path)}, here=tmp_path)
    assert settings.secure
    assert not settings.demonstration
    rooms = {key for key in settings_of("development.ini") if key.startswith("idp.")}
    assert {key: example[key] for key in rooms} == {
        key: settings_of("development.ini")[key] for key in rooms
    }


def unit(name: str) -> dict[str, list[str]]:
    """What a systemd unit says, key by key."""
    text = (REPOSITORY / "deploy" / name).read_text().replace("\\\n", " ")
    said: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        said.setdefault(key, []).append(value)
    return said


def test_the_workers_of_production_count_together() -> None:
    service = unit("convergences.service")
    environment = dict(each.split("=", 1) for each in service["Environment"])
    folder = environment["PROMETHEUS_MULTIPROC_DIR"]
    assert [f"/run/{each}" for each in service["RuntimeDirectory"]] == [folder]
    assert service["ExecStartPre"][-1] == f"/usr/bin/find {folder} -mindepth 1 -delete"
    assert unit("convergences-worker.service").keys().isdisjoint({"RuntimeDirectory"})


def pins(name: str) -> set[tuple[str, str]]:
    text = (REPOSITORY / "requirements" / name).read_text()
    return {(match["name"], match["version"]) for match in PIN.finditer(text)}


def test_the_development_set_holds_the_runtime_set() -> None:
    assert pins("runtime.txt")
    assert pins("runtime.txt") < pins("development.txt")


@pytest.mark.parametrize("name", ["runtime.txt", "development.txt"])
def test_every_locked_package_has_hashes_and_no_address(name: str) -> None:
    text = (REPOSITORY / "requirements" / name).read_text()
    entries = [line for line in text.splitlines() if line and line[0] not in " #"]
    assert len(entries) == len(PIN.findall(text))
    without_hash = [
        match["name"]
        for match in PIN.finditer(text)
        if "--hash=sha256:" not in text[match.end() :].split("\n", 2)[1]
    ]
    assert without_hash == []
    assert "://" not in text


def test_the_npm_lock_records_a_hash_and_no_address() -> None:
    text = (REPOSITORY / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in text
    assert "://" not in text
