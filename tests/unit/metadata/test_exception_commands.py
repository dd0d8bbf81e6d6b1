"""``sp exception …``, and what ``sp`` shows of signers, addresses, aggregates and exceptions."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner

from idp.services import Core
from metadata import commands
from metadata.document import Chosen, choose
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.clock import FakeClock
from tests.unit.metadata.conftest import Journal
from tests.unit.metadata.samples import (
    ENTITY_ID,
    aggregate,
    complete_entity,
    der,
    pem,
    signed,
)
from tests.unit.metadata.test_commands import URL, Terminal, file, refusal, sp, web

__all__ = ["file", "sp", "web"]

OTHER = "https://autre.exemple.fr/saml"
REASON = ("--reason", "version 2 en attente")


@pytest.fixture
def registered(sp: Terminal, file: Callable[[bytes], str]) -> Terminal:
    sp("add", file(complete_entity()), "--application", "bip")
    return sp


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    path = tmp_path / "cert.pem"
    path.write_text(pem(der()))
    return str(path)


def test_an_exception_is_granted_and_shown(registered: Terminal, journal: Journal) -> None:
    granting = ("exception", "add", ENTITY_ID, "sha1-signature", "--until", "20/12/2026", *REASON)
    assert registered(*granting) == (
        f"{ENTITY_ID} : exception sha1-signature jusqu'au 20/12/2026. "
        "Ses signatures RSA-SHA1 sont acceptées."
    )
    assert registered.data[0]["until"] == "2026-12-21T00:00:00+00:00"
    assert registered("list").endswith(", exceptions sha1-signature")
    shown = registered("show", ENTITY_ID)
    assert "Exception sha1-signature (ses signatures RSA-SHA1 sont acceptées)" in shown
    assert "jusqu'au 20/12/2026 : version 2 en attente" in shown
    assert registered.data[0]["exceptions"][0]["kind"] == "sha1-signature"
    assert journal.codes[-1] == "service-provider.exception-granted"


def test_its_end_is_warned_of_by_check(registered: Terminal, clock: FakeClock) -> None:
    registered("exception", "add", ENTITY_ID, "unencrypted", "--until", "2026-12-25", *REASON)
    assert "prend fin" not in registered("check", ENTITY_ID)
    clock.advance(timedelta(days=10))
    assert "L'exception unencrypted" in registered("check", ENTITY_ID)
    clock.advance(timedelta(days=30))
    assert "a pris fin le 25/12/2026 et ne vaut plus" in registered("check", ENTITY_ID)
    assert "finie le 25/12/2026" in registered("show", ENTITY_ID)


def test_an_exception_is_removed(registered: Terminal) -> None:
    registered("exception", "add", ENTITY_ID, "delimited-roles", "--until", "2026-12-25", *REASON)
    assert "est retirée" in registered("exception", "remove", ENTITY_ID, "delimited-roles")
    assert "exceptions" not in registered("list")
    again = ("exception", "remove", ENTITY_ID, "delimited-roles")
    assert "n'a pas d'exception" in refusal(registered, *again)


@pytest.mark.parametrize(
    "words",
    [
        ("sha0", "--until", "2026-12-25", *REASON),
        ("unencrypted", "--until", "demain", *REASON),
        ("unencrypted", *REASON),
        ("unencrypted", "--until", "2026-12-25"),
    ],
)
def test_an_exception_without_kind_end_or_reason_is_no_command(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(commands.sp, ["exception", "add", ENTITY_ID, *words])
    assert result.exit_code == 2


def test_an_end_that_is_past_is_refused(registered: Terminal) -> None:
    words = ("exception", "add", ENTITY_ID, "unencrypted", "--until", "2026-01-01", *REASON)
    assert "est passée" in refusal(registered, *words)


def test_an_address_is_pinned_to_its_signer(
    sp: Terminal,
    web: dict[str, bytes],
    certificate: str,
) -> None:
    document = complete_entity(root_attributes='ID="_1"')
    web[URL] = document
    add = ("add", URL, "--application", "bip", "--signer", certificate)
    assert "n'est pas signé en entier" in refusal(sp, *add)
    web[URL] = signed(document)
    sp(*add)
    assert "Signées par : CN=sp, SHA-256" in sp("show", ENTITY_ID)
    assert "Dernière lecture : 20/11/2026 09:00 UTC ; prochaine : 20/11/2026 10:00 UTC" in sp(
        "show", ENTITY_ID
    )
    web[URL] = signed(document, number=1)
    assert "Non actualisé" in refusal(sp, "refresh")
    assert "dernière lecture en échec" in sp("list")
    assert "Attention : La lecture du 20/11/2026 à 09:00 UTC n'a rien changé" in sp(
        "show", ENTITY_ID
    )
    assert sp.data[0]["last_error"]


def test_a_signer_that_is_no_certificate(
    sp: Terminal,
    file: Callable[[bytes], str],
    tmp_path: Path,
) -> None:
    words = ("add", file(complete_entity()), "--application", "bip", "--signer")
    assert "certificat lisible" in refusal(sp, *words, str(tmp_path / "absent.pem"))
    assert "certificat lisible" in refusal(sp, *words, file(b"\xff"))


def test_one_of_an_aggregate_is_registered_and_checked(
    sp: Terminal,
    file: Callable[[bytes], str],
) -> None:
    path = file(aggregate(complete_entity(OTHER), complete_entity()))
    assert f"parmi : {OTHER}, {ENTITY_ID}" in refusal(sp, "check", path)
    said = sp("check", path, "--entity", ENTITY_ID)
    assert "peut être enregistré" in said
    assert "comptées depuis la ligne 9 de l'agrégat" in said
    assert f"parmi : {OTHER}, {ENTITY_ID}" in refusal(sp, "add", path, "--application", "bip")
    assert "la ligne 9" in sp("add", path, "--application", "bip", "--entity", ENTITY_ID)
    assert [each.entity_id for each in Registry(sp.core).list()] == [ENTITY_ID]


def test_check_tells_what_is_good_to_know(
    sp: Terminal,
    file: Callable[[bytes], str],
) -> None:
    said = sp("check", file(complete_entity()))
    assert "À noter : Ligne 3 : le certificat « CN=sp » a une clé RSA de 2048 bits" in said
    assert sp.data[0]["warnings"] == []
    assert any("mdui:DisplayName" in note for note in sp.data[0]["notes"])


def test_a_document_is_read_before_the_database_is_locked(
    sp: Terminal, core: Core, file: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An aggregate of 20 MiB takes seconds, in which SQLite would take no other write."""
    written: list[str] = []

    def disable() -> None:
        Registry(core).disable(OTHER)
        written.append(OTHER)

    def apart(*given: Any, **named: Any) -> Chosen:  # noqa: ANN401 - whatever it is given
        other = Thread(target=disable)
        other.start()
        other.join(5)
        return choose(*given, **named)

    Registry(core).add(complete_entity(OTHER), Choice(), application="autre")
    monkeypatch.setattr("metadata.registry.choose", apart)
    sp("add", file(complete_entity()), "--application", "bip")
    sp("add", file(complete_entity()), "--application", "bip", "--replace")
    assert written == [OTHER] * 2


def test_no_key_is_kept_for_an_sp_that_is_removed(
    sp: Terminal, file: Callable[[bytes], str]
) -> None:
    sp("add", file(complete_entity()), "--application", "bip")
    sp("remove", ENTITY_ID)
    assert sp.forgotten == [ENTITY_ID]
