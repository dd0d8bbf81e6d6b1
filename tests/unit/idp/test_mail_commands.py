"""``convergences mail …`` as an operator types it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from idp import cli, log
from idp.audit import AuditEvent
from idp.mail_sender import OutboxSender
from idp.mail_transports import Cause, NotDelivered, Outgoing
from idp.services import Services
from idp.settings import Settings
from tests.common.settings import write_ini

Run = Callable[..., Result]


@pytest.fixture
def run(
    services: Services, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    url = services.db.url.render_as_string(hide_password=False)
    path = write_ini(tmp_path / "essai.ini", settings, url)
    monkeypatch.setattr(log, "configure", lambda **_options: None)

    def call(*words: str) -> Result:
        return CliRunner().invoke(cli.convergences, ["--config", str(path), *words])

    return call


class Refusing:
    def send(self, mail: Outgoing) -> None:
        words = f"550 5.1.1 <{mail.recipient}>: unknown"
        raise NotDelivered(words, permanent=True, cause=Cause.UNKNOWN_ADDRESS)

    def check(self) -> None:
        raise AssertionError


PERSON = {"given_name": "Léa", "sn": "N", "mail": "lea@b.fr"}


@pytest.fixture
def dead(services: Services) -> list[int]:
    """Two mails that were given up; the second had a link."""
    services.core.mailer.send("lea@b.fr", "password-changed", PERSON)
    link = {"link": "https://x/SECRET", "invited": True}
    services.core.mailer.send("max@b.fr", "address-changed", PERSON | link)
    OutboxSender(services.db, services.clock, Refusing(), "x@cig.example").send_waiting()
    return [mail.id for mail in reversed(services.mails.page().mails)]


def states(services: Services) -> dict[str, str]:
    return {mail.recipient: str(mail.state) for mail in services.mails.page().mails}


def test_nothing_to_list(run: Run) -> None:
    assert run("mail", "list").stdout == "Aucun mail.\n"
    assert "rien" not in run("mail", "list", "--state", "dead").stderr
    assert run("mail", "list", "--state", "gone").exit_code == 2


def test_the_list_says_why_and_never_what(run: Run, dead: list[int]) -> None:
    said = run("mail", "list", "--state", "dead").stdout
    assert f"{dead[0]}  dead  20/11/2026  lea@b.fr  password-changed  unknown-address: 550" in said
    assert "SECRET" not in said
    (mail,) = json.loads(run("--json", "mail", "list", "--to", "max@b.fr").stdout)["mails"]
    assert (mail["id"], mail["state"], mail["resendable"]) == (dead[1], "dead", False)
    assert "text" not in mail


def test_pages_are_named(run: Run, services: Services) -> None:
    for number in range(51):
        services.core.mailer.send(f"{number}@b.fr", "password-changed", PERSON)
    first = json.loads(run("--json", "mail", "list").stdout)
    assert f"--before {first['older']}" in run("mail", "list").stdout
    second = run("--json", "mail", "list", "--before", str(first["older"]))
    assert [mail["recipient"] for mail in json.loads(second.stdout)["mails"]] == ["0@b.fr"]


def test_dead_mails_are_sent_again(run: Run, services: Services, dead: list[int]) -> None:
    result = run("mail", "retry", str(dead[0]))
    assert (result.exit_code, "part de nouveau" in result.stdout) == (0, True)
    assert states(services) == {"lea@b.fr": "waiting", "max@b.fr": "dead"}
    with services.db.reading() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.code == "mail.retried")).one()
    assert event.actor.startswith("cli:")

    refused = run("mail", "retry", str(dead[1]))
    assert (refused.exit_code, "lien personnel" in refused.stderr) == (1, True)
    assert run("mail", "retry", "999").exit_code == 1
    assert "donnez des numéros" in run("mail", "retry").stderr


def test_all_that_can_be_are_sent_again(run: Run, services: Services, dead: list[int]) -> None:
    assert json.loads(run("--json", "mail", "retry", "--dead").stdout) == {"retried": dead[:1]}
    assert states(services) == {"lea@b.fr": "waiting", "max@b.fr": "dead"}
    assert "Aucun mail à envoyer" in run("mail", "retry", "--dead").stdout


def test_one_number_that_is_wrong_changes_none(
    run: Run, services: Services, dead: list[int]
) -> None:
    assert run("mail", "abandon", str(dead[0]), "999").exit_code == 1
    assert set(states(services).values()) == {"dead"}
    assert "abandonné" in run("mail", "abandon", *map(str, dead)).stdout
    assert set(states(services).values()) == {"abandoned"}
