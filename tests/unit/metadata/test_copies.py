"""Copies of metadata: what is registered meanwhile stays, what says the same is taken quietly."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from idp.errors import MetadataError
from idp.services import Core
from metadata import registry as module
from metadata.options import Choice
from metadata.registry import Registry, ServiceProviders
from tests.common.clock import FakeClock
from tests.unit.metadata import samples
from tests.unit.metadata.conftest import Journal, known
from tests.unit.metadata.samples import ACS, ENTITY_ID, SLO, complete_entity, der, entity, key

NOTHING = Choice()
URL = "https://bip.exemple.fr/metadata"
DATED = 'validUntil="2026-12-31T00:00:00Z"'


# --- meanwhile ---------------------------------------------------------------------------------


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[], object], step: str = "choose"
) -> None:
    """Once, while a document is read, somebody else works."""
    todo, real = [work], getattr(module, step)

    def slow(*given: object, **named: object) -> object:
        if todo:
            todo.pop()()
        return real(*given, **named)

    monkeypatch.setattr(module, step, slow)


DATED_SP = complete_entity(root_attributes=f'ID="_1" {DATED}')
MOVED_SP = DATED_SP.replace(b"/acs", b"/acs2")


def test_what_is_replaced_while_a_copy_is_read_stays(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add(DATED_SP, NOTHING, application="", source_url=URL)
    meanwhile(monkeypatch, lambda: registry.replace(MOVED_SP, NOTHING))
    with pytest.raises(MetadataError, match="pendant la lecture"):
        registry.refresh(ENTITY_ID, DATED_SP, URL)
    found = registry.find(ENTITY_ID)
    assert found.source_url is None
    assert found.parsed is not None
    assert found.parsed.assertion_consumer_services[0].location.endswith("/acs2")


@pytest.mark.parametrize(
    ("step", "write"),
    [
        ("choose", lambda registry: registry.refresh(ENTITY_ID, MOVED_SP, URL)),
        ("check_followed", lambda registry: registry.replace(MOVED_SP, NOTHING, source_url=URL)),
    ],
    ids=["refresh", "replace"],
)
def test_a_signer_that_is_given_while_a_copy_is_read_stays(
    step: str,
    write: Callable[[Registry], object],
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.add(DATED_SP, NOTHING, application="", source_url=URL)
    pinned = samples.signed(DATED_SP)

    def pin() -> None:
        registry.replace(pinned, NOTHING, source_url=URL, signer=der())

    meanwhile(monkeypatch, pin, step)
    with pytest.raises(MetadataError, match="pendant la lecture"):
        write(registry)
    assert registry.find(ENTITY_ID).signer == der()


# --- copies that say the same ------------------------------------------------------------------


def test_a_copy_that_only_lasts_longer_is_taken_in_silence(
    registry: Registry,
    providers: ServiceProviders,
    core: Core,
    journal: Journal,
    clock: FakeClock,
) -> None:
    registry.add(DATED_SP, NOTHING, application="", source_url=URL)
    before, revision = providers.get(ENTITY_ID), core.db.revision("service_provider")
    later = DATED_SP.replace(b'ID="_1"', b'ID="_2"').replace(b"2026-12-31", b"2027-01-31")
    written = registry.refresh(ENTITY_ID, later, URL)
    assert written.changes == ()
    assert journal.codes == ["service-provider.added"]
    assert core.db.revision("service_provider") == revision
    parsed = registry.find(ENTITY_ID).parsed
    assert parsed is not None
    assert f"{parsed.valid_until:%d/%m/%Y}" == "31/01/2027"
    clock.advance(parsed.valid_until - clock.now() - timedelta(days=1))
    assert providers.get(ENTITY_ID) == before, "the snapshot had another end"
    clock.advance(timedelta(days=2))
    assert not known(providers)


@pytest.mark.parametrize("end", ["2026-12-01", None])
def test_an_end_that_comes_nearer_or_goes_is_told(
    end: str | None, registry: Registry, providers: ServiceProviders, journal: Journal
) -> None:
    registry.add(DATED_SP, NOTHING, application="")
    assert known(providers)
    copy = DATED_SP.replace(b"2026-12-31", end.encode()) if end else complete_entity()
    assert [each.field for each in registry.replace(copy, NOTHING).changes] == ["valid_until"]
    assert journal.codes[-1] == "service-provider.replaced"


def test_what_no_difference_in_words_tells_reaches_the_sign_on_path(
    registry: Registry, providers: ServiceProviders, monotonic: Callable[[float], None]
) -> None:
    service = (
        '<md:AttributeConsumingService index="1"><md:ServiceName xml:lang="fr">x</md:ServiceName>'
        '<md:RequestedAttribute Name="mail"{}/></md:AttributeConsumingService>'
    )
    registry.add(entity(key(der()), SLO, ACS, service.format("")), NOTHING, application="")
    (requested,) = providers.get(ENTITY_ID).attribute_consuming_services[0].requested
    assert requested.name_format is None
    registry.replace(entity(key(der()), SLO, ACS, service.format(' NameFormat="urn:x"')), NOTHING)
    monotonic(1.1)
    (requested,) = providers.get(ENTITY_ID).attribute_consuming_services[0].requested
    assert requested.name_format == "urn:x"
