"""``convergences keys …`` as an operator types it."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from idp import cli, log
from idp.services import Services, SystemClock
from idp.settings import Settings
from idp.types import AuthnContext, NameID, SpSession, Subject
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.clock import FakeClock
from tests.common.fake_sp import FakeSP
from tests.common.processes import REPOSITORY
from tests.common.settings import write_ini

Run = Callable[..., Result]
COMMAND = (sys.executable, "-c", "from idp.cli import main; main()")


@pytest.fixture
def run(
    services: Services, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    url = services.db.url.render_as_string(hide_password=False)
    path = write_ini(tmp_path / "essai.ini", settings, url)
    # The log of the command is not the log of the tests.
    monkeypatch.setattr(log, "configure", lambda **_options: None)

    def call(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(cli.convergences, ["--config", str(path), *words], input=stdin)

    return call


@pytest.fixture
def sp(services: Services) -> FakeSP:
    made = FakeSP("bip")
    Registry(services.core).add(made.metadata(), Choice(rule_set="basic"), application="bip")
    return made


def listed(run: Run) -> dict[str, dict[str, object]]:
    return {each["kid"]: each for each in json.loads(run("--json", "keys", "list").stdout)}


def serve(services: Services, entity_id: str, kid: str) -> None:
    now = services.clock.now()
    subject = Subject("s1", "lea@ville.example", "Léa", "Noël", now)
    _token, session = services.sessions.start(
        subject, AuthnContext.PASSWORD_PROTECTED_TRANSPORT, user_agent=""
    )
    opened = SpSession(entity_id, NameID("x", "urn:x"), "_1", now, session.expires_at, kid)
    services.sessions.record(session, opened)


def test_the_list_says_who_was_last_served_with_which_key(
    run: Run, services: Services, sp: FakeSP
) -> None:
    serve(services, sp.entity_id, "idp")
    assert "dernière réponse à https://bip.example/metadata : 20/11/2026 à 09:00 UTC" in (
        run("keys", "list").stdout
    )
    kid = json.loads(run("--json", "keys", "generate").stdout)["kid"]
    keys = listed(run)
    at = services.clock.now().isoformat()
    assert keys["idp"]["served"] == [{"entity_id": sp.entity_id, "at": at}]
    assert keys[kid]["served"] == []
    assert keys[kid]["days_left"] > 3600  # type: ignore[operator]


def test_an_encryption_key_says_what_it_is(run: Run) -> None:
    made = run("keys", "generate", "--use", "encryption")
    assert "elle sera publiée après" in made.stdout
    kid = next(kid for kid, key in listed(run).items() if key["use"] == "encryption")
    assert f"{kid} : prochaine, chiffrement" in run("keys", "list").stdout
    assert "est publiée pour le chiffrement" in run("keys", "promote", kid).stdout
    assert run("keys", "retire", kid).exit_code == 0
    assert "retirée, chiffrement" in run("keys", "list").stdout
    assert ", déchiffre jusqu'au " in run("keys", "list").stdout


def test_an_sp_is_assigned_and_let_go(run: Run, services: Services, sp: FakeSP) -> None:
    assert run("keys", "assign", sp.entity_id, "idp").exit_code == 0
    assert "gardée pour https://bip.example/metadata" in run("keys", "list").stdout
    assert listed(run)["idp"]["assigned"] == [sp.entity_id]
    assert run("keys", "assign", sp.entity_id, "--default").exit_code == 0
    assert listed(run)["idp"]["assigned"] == []
    unknown = run("keys", "assign", "https://inconnu.example", "idp")
    assert (unknown.exit_code, "Aucun fournisseur de service" in unknown.stderr) == (1, True)
    for words in ([], ["idp", "--default"]):
        assert run("keys", "assign", sp.entity_id, *words).exit_code == 2
    assert services.keys.assignments() == {}


def test_an_sp_that_was_removed_can_be_let_go(run: Run, services: Services, sp: FakeSP) -> None:
    services.keys.assign(sp.entity_id, "idp")
    Registry(services.core).remove(sp.entity_id)
    assert run("keys", "assign", sp.entity_id, "--default").exit_code == 0
    assert services.keys.assignments() == {}


def test_a_key_that_still_serves_is_retired_by_force_only(
    run: Run, services: Services, sp: FakeSP, clock: FakeClock
) -> None:
    services.keys.promote(services.keys.generate(), force=True)
    clock.advance(SystemClock().now() - clock.now())  # the command lives in real time
    serve(services, sp.entity_id, "idp")
    refused = run("keys", "retire", "idp")
    assert refused.exit_code == 1
    assert "https://bip.example/metadata" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert run("keys", "retire", "idp", "--force").exit_code == 0
    assert listed(run)["idp"]["state"] == "retired"


def test_a_pkcs12_file_is_imported(run: Run, keys_folder: Path, tmp_path: Path) -> None:
    key = load_pem_private_key((keys_folder / "idp-next.pem").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate((keys_folder / "idp-next.crt").read_bytes())
    file = tmp_path / "cle.p12"
    how = BestAvailableEncryption(b"secret")
    file.write_bytes(serialize_key_and_certificates(b"x", key, certificate, None, how))  # type: ignore[arg-type]
    wrong = run("keys", "import", str(file), "--password-stdin", stdin="autre\n")
    assert (wrong.exit_code, "mot de passe" in wrong.stderr) == (1, True)
    made = run("keys", "import", str(file), "--password-stdin", stdin="secret\n")
    assert made.exit_code == 0, made.output
    assert len(listed(run)) == 2
    (kid,) = listed(run).keys() - {"idp"}
    again = run("keys", "import", str(file), "--password-stdin", stdin="secret\n")
    assert again.exit_code == 1
    assert f"Cette clé est déjà là : c'est la clé « {kid} »" in again.stderr
    assert len(listed(run)) == 2


def test_the_password_of_the_file_is_asked_on_the_terminal(
    run: Run, keys_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cle.p12"
    key = load_pem_private_key((keys_folder / "idp-next.pem").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate((keys_folder / "idp-next.crt").read_bytes())
    how = BestAvailableEncryption(b"secret")
    file.write_bytes(serialize_key_and_certificates(b"x", key, certificate, None, how))  # type: ignore[arg-type]
    monkeypatch.setattr("idp.keys.commands.getpass.getpass", lambda _prompt: "secret")
    asked = run("keys", "import", str(file), "--use", "encryption")
    assert asked.exit_code == 0, asked.output
    assert [key["use"] for key in listed(run).values()].count("encryption") == 1


@pytest.mark.usefixtures("run")  # which writes the configuration
def test_without_a_terminal_the_password_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "cle.p12"
    file.write_bytes(b"x")
    alone = subprocess.run(
        [*COMMAND, "--config", tmp_path / "essai.ini", "keys", "import", file],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        start_new_session=True,
    )
    assert alone.returncode == 2
    assert "--password-stdin" in alone.stderr
    assert alone.stderr.count("\n") == 1, alone.stderr
    assert "Warning" not in alone.stderr


def test_an_sp_is_given_a_key_of_today_by_force_only(run: Run, sp: FakeSP) -> None:
    kid = json.loads(run("--json", "keys", "generate").stdout)["kid"]
    refused = run("keys", "assign", sp.entity_id, kid)
    assert refused.exit_code == 1
    assert "est publiée depuis moins d'un jour" in refused.stderr
    assert listed(run)[kid]["assigned"] == []
    assert run("keys", "assign", sp.entity_id, kid, "--force").exit_code == 0
    assert listed(run)[kid]["assigned"] == [sp.entity_id]


def test_an_end_that_is_near_is_told_by_the_list_and_the_check(
    run: Run, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    (der,) = services.keys.certificates()
    end = x509.load_der_x509_certificate(der).not_valid_after_utc

    def at(before: timedelta) -> None:
        monkeypatch.setattr("idp.services.SystemClock.now", lambda _self: end - before)

    at(timedelta(days=61, hours=1))
    assert "ATTENTION" not in run("keys", "list").stdout
    assert "bon     clé de signature : idp (signature, active)\n" in run("check").stdout
    at(timedelta(days=20, hours=1))
    assert "ATTENTION, il reste 20 jours" in run("keys", "list").stdout
    good = run("check")
    assert good.exit_code == 0
    assert "bon     clé de signature : idp (signature, active) : il reste 20 jours" in good.stdout
    at(-timedelta(hours=1))
    ended = run("check")
    assert ended.exit_code == 1
    assert "MAUVAIS clé de signature : idp (signature, active) : il a pris fin" in ended.stdout


def test_the_check_names_the_active_key_besides_one_that_ends(
    run: Run, services: Services, sp: FakeSP, monkeypatch: pytest.MonkeyPatch
) -> None:
    (der,) = services.keys.certificates()
    end = x509.load_der_x509_certificate(der).not_valid_after_utc
    services.keys.assign(sp.entity_id, "idp")
    kid = services.keys.generate()
    services.keys.promote(kid, force=True)
    # Later than that, the key made now would end as well.
    when = end - timedelta(days=20, hours=1)
    monkeypatch.setattr("idp.services.SystemClock.now", lambda _self: when)
    monkeypatch.setattr("idp.commands.ending", lambda keys, _now: [k for k in keys if k.kid != kid])
    assert (
        f"bon     clé de signature : {kid} (signature, active) ; "
        "idp (signature, retirée, gardée pour une application) : il reste 20 jours\n"
    ) in run("check").stdout


def test_a_new_key_says_from_when_on_it_may_sign(run: Run, services: Services) -> None:
    made = run("keys", "generate")
    assert made.exit_code == 0, made.output
    (kid,) = listed(run).keys() - {"idp"}
    shown = listed(run)[kid]
    wait = datetime.fromisoformat(shown["promotable_at"]) - datetime.fromisoformat(
        shown["created_at"]
    )
    assert wait == timedelta(days=1)
    assert "à promouvoir à partir du" in run("keys", "list").stdout
    refused = run("keys", "promote", kid)
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert run("keys", "promote", kid, "--force").exit_code == 0
    assert listed(run)[kid]["promotable_at"] is None
    assert services.keys.kid == kid
