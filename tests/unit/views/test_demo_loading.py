"""The demonstration's data: loaded once, changed at will, loaded again without harm."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from idp.cli import convergences
from idp.errors import ConfigurationError
from idp.services import Services
from idp.types import Binding, Entitlement, NameIDFormat, Structures
from metadata.parser import parse
from metadata.registry import Registry
from tests.common.clock import START
from views.demo import loading
from views.demo.applications import APPLICATIONS, DemoApplication
from views.demo.commands import port_of
from views.demo.credentials import credentials
from views.demo.description import entity_descriptor

SP_PORT = 7654


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder: keys are slow to make."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture
def directory_plugin() -> str:
    return "directory.plugin.build"


@pytest.fixture
def loaded(services: Services, var: Path) -> Services:
    loading.load(services, SP_PORT, var)
    return services


def entitlements(services: Services, mail: str, name: str) -> tuple[Entitlement, ...]:
    subject = services.directory.authenticate(mail, loading.PASSWORD)
    entity_id = f"http://localhost:{SP_PORT}/{name}/metadata"
    found = services.directory.entitlements(subject.id, entity_id)
    return found if isinstance(found, tuple) else ()


@pytest.mark.parametrize("application", APPLICATIONS, ids=lambda each: each.name)
def test_metadata_says_what_the_application_wants(application: DemoApplication, var: Path) -> None:
    parsed = parse(entity_descriptor(application, SP_PORT, var), now=START)
    assert parsed.entity_id == application.entity_id(SP_PORT)
    (acs,) = parsed.assertion_consumer_services
    assert (acs.binding, acs.location) == (Binding.POST, application.acs(SP_PORT))
    assert parsed.authn_requests_signed is (application.name == "bip")
    assert bool(parsed.encryption_certificates) is (application.name == "net-cap")
    assert parsed.name_id_formats == (application.name_id_format,)


def test_keys_are_made_once_and_private(var: Path) -> None:
    first = credentials(var, "bip")
    content = first.key_file.read_bytes()
    assert credentials(var, "bip").key_file.read_bytes() == content
    assert first.key_file.stat().st_mode & 0o777 == 0o600
    assert credentials(var, "site").key_file.read_bytes() != content


def test_a_key_without_certificate_keeps_its_key(tmp_path: Path) -> None:
    pair = credentials(tmp_path, "bip")
    content = pair.key_file.read_bytes()
    pair.certificate_file.unlink()
    assert credentials(tmp_path, "bip").key_file.read_bytes() == content
    assert pair.certificate_file.exists()


def test_the_agent_has_roles_on_the_four_applications(loaded: Services) -> None:
    for application in APPLICATIONS:
        (entitlement,) = entitlements(loaded, "agent@demo.example", application.name)
        assert entitlement.roles


def test_the_others_show_what_they_are_for(loaded: Services) -> None:
    assert len(entitlements(loaded, "multi@demo.example", "bip")) == 2
    assert entitlements(loaded, "sansdroit@demo.example", "bip") == ()
    for account in loading.ACCOUNTS:
        loaded.directory.authenticate(account.mail, loading.PASSWORD)


def test_each_application_is_answered_its_own_way(loaded: Services) -> None:
    answered = {
        each.entity_id.split("/")[3]: (each.name_id_format, each.structures)
        for each in loaded.service_providers.all()
    }
    assert answered == {
        "bip": (NameIDFormat.PERSISTENT, Structures.ASK),
        "net-cotisations": (NameIDFormat.EMAIL_ADDRESS, Structures.SCOPED),
        "net-cap": (NameIDFormat.TRANSIENT, Structures.ASK),
        "site": (NameIDFormat.EMAIL_ADDRESS, Structures.PARALLEL),
    }


def test_loading_again_keeps_what_was_changed(loaded: Services, var: Path) -> None:
    entity_id = f"http://localhost:{SP_PORT}/bip/metadata"
    Registry(loaded.core).disable(entity_id)
    loading.load(loaded, SP_PORT, var)
    registrations = Registry(loaded.core).list()
    assert len(registrations) == len(APPLICATIONS)
    assert [each.entity_id for each in registrations if not each.enabled] == [entity_id]


def test_another_port_replaces_the_applications(loaded: Services, var: Path) -> None:
    loading.load(loaded, SP_PORT + 1, var)
    loading.load(loaded, SP_PORT, var)
    found = {each.entity_id for each in Registry(loaded.core).list()}
    assert found == {application.entity_id(SP_PORT) for application in APPLICATIONS}
    assert len(entitlements(loaded, "agent@demo.example", "bip")) == 1


@pytest.mark.parametrize("text", ["0", "65536", "six", "-1", "6543.0", "٣"])
def test_a_port_is_a_port(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PORT", text)
    with pytest.raises(ConfigurationError, match="PORT"):
        port_of("PORT", 6543)


def test_ports_have_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    assert port_of("PORT", 6543) == 6543
    monkeypatch.setenv("PORT", "7000")
    assert port_of("PORT", 6543) == 7000


def test_the_command_line_knows_both_commands() -> None:
    text = CliRunner().invoke(convergences, ["--help"]).output
    assert "demo " in text
    assert "run " in text
