"""What the sign-on path reads of the registry, and how seldom it asks the database."""

import logging
from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest

from idp.errors import UnknownServiceProvider
from idp.services import Core
from metadata.options import Choice
from metadata.registry import Registry, ServiceProviders
from tests.common.clock import FakeClock
from tests.unit.metadata import samples
from tests.unit.metadata.conftest import known, spoil
from tests.unit.metadata.samples import ACS, ENTITY_ID, SLO, complete_entity, der, entity, key

OTHER = "https://autre.exemple.fr"
NOTHING = Choice()
DATED = 'validUntil="2026-12-31T00:00:00Z"'


def test_the_sign_on_path_reads_what_the_metadata_says(
    registry: Registry, providers: ServiceProviders
) -> None:
    document = entity(
        samples.names({"fr": "BIP"}),
        key(der(), methods=("urn:alg",)),
        SLO,
        ACS,
        attributes='AuthnRequestsSigned="1" WantAssertionsSigned="1"',
    )
    registry.add(document, NOTHING, application="bip")
    provider = providers.get(ENTITY_ID)
    assert provider.display_name == "BIP"
    assert provider.assertion_consumer_services[0].location == samples.ACS_URL
    assert provider.single_logout_services
    assert provider.signing_certificates == provider.encryption_certificates == (der(),)
    assert provider.encryption_methods == ("urn:alg",)
    assert provider.authn_requests_signed
    assert provider.want_assertions_signed
    assert provider.enabled


def test_an_unknown_entity_is_unknown(providers: ServiceProviders) -> None:
    with pytest.raises(UnknownServiceProvider):
        providers.get(ENTITY_ID)
    assert list(providers.all()) == []


def test_a_change_is_seen_within_a_second_and_not_asked_for_sooner(
    registry: Registry, providers: ServiceProviders, monotonic: Callable[[float], None]
) -> None:
    assert not known(providers)
    registry.add(complete_entity(), NOTHING, application="")
    monotonic(0.9)
    assert not known(providers)
    monotonic(0.2)
    assert known(providers)


def test_in_the_normal_case_the_database_is_not_asked(
    registry: Registry,
    providers: ServiceProviders,
    core: Core,
    monotonic: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.add(complete_entity(), NOTHING, application="")
    first = providers.get(ENTITY_ID)
    asked: list[str] = []
    revision = core.db.revision

    def counted(name: str) -> int:
        asked.append(name)
        return revision(name)

    monkeypatch.setattr(core.db, "revision", counted)
    for _ in range(100):
        assert providers.get(ENTITY_ID) is first
    assert asked == []
    monotonic(1.5)
    for _ in range(100):
        assert providers.get(ENTITY_ID) is first  # asked, unchanged: parsed no second time
    assert asked == ["service_provider"]


@pytest.mark.parametrize(
    "columns",
    [
        {"xml": "<a"},
        {"xml": complete_entity(OTHER).decode()},
        {"rules": [{"name": "x"}]},
        {"sign": "nothing"},
        {"name_id_format": "x"},
    ],
)
def test_a_row_that_cannot_be_read_does_not_break_the_others(
    registry: Registry,
    providers: ServiceProviders,
    core: Core,
    columns: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry.add(complete_entity(), NOTHING, application="")
    registry.add(complete_entity("https://b.exemple.fr"), NOTHING, application="")
    spoil(core, **columns)
    with caplog.at_level(logging.ERROR):
        assert known(providers, "https://b.exemple.fr")
    assert not known(providers)
    assert ENTITY_ID in caplog.text
    problems = {each.entity_id: each.problem for each in registry.list()}
    assert problems["https://b.exemple.fr"] is None
    assert problems[ENTITY_ID]


def test_metadata_that_expires_is_not_used_any_more(
    registry: Registry, providers: ServiceProviders, clock: FakeClock
) -> None:
    registry.add(complete_entity(root_attributes=DATED), NOTHING, application="")
    assert known(providers)
    clock.advance(timedelta(days=60))
    with pytest.raises(UnknownServiceProvider, match="expired"):
        providers.get(ENTITY_ID)


def test_many_threads_read_while_one_writes(core: Core, registry: Registry) -> None:
    registry.add(complete_entity(), NOTHING, application="")
    providers = ServiceProviders(core.db, core.clock)
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(300):
                assert providers.get(ENTITY_ID).entity_id == ENTITY_ID
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            failures.append(error)

    threads = [Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    registry.add(complete_entity(OTHER), NOTHING, application="")
    for thread in threads:
        thread.join()
    assert failures == []
