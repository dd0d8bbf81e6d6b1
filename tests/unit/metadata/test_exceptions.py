"""Legacy exceptions: granted, shown, warned of, over; what they change is in tests/functional."""

from datetime import datetime, timedelta

import pytest
from structlog.testing import capture_logs

from idp.errors import MetadataError, NotFound
from idp.services import Core
from idp.types import Legacy
from metadata.exceptions import MAX_REASON, Granted, checked
from metadata.granting import Exceptions
from metadata.options import Choice
from metadata.registry import Registry, ServiceProviders
from tests.common.clock import START, FakeClock
from tests.unit.metadata.conftest import Journal, known, spoil
from tests.unit.metadata.samples import ENTITY_ID, complete_entity

OTHER = "https://autre.exemple.fr"
DAY = timedelta(days=1)
SHA1 = Legacy.SHA1_SIGNATURE


@pytest.fixture
def exceptions(core: Core, registry: Registry) -> Exceptions:
    for entity_id in (ENTITY_ID, OTHER):
        registry.add(complete_entity(entity_id), Choice(), application="")
    return Exceptions(core)


def until(end: datetime, kind: Legacy = SHA1) -> Granted:
    return Granted(kind, end, "version 2 en attente", START)


def warnings(registry: Registry) -> tuple[str, ...]:
    return registry.find(ENTITY_ID).warnings


def test_it_holds_for_that_sp_and_until_its_end(
    exceptions: Exceptions, providers: ServiceProviders, clock: FakeClock
) -> None:
    exceptions.grant(ENTITY_ID, until(START + DAY))
    assert providers.get(ENTITY_ID).exceptions == {SHA1}
    assert providers.get(OTHER).exceptions == frozenset()
    assert [each.exceptions for each in providers.all()] == [frozenset(), {SHA1}]
    clock.advance(DAY - timedelta(seconds=1))
    assert providers.get(ENTITY_ID).exceptions == {SHA1}
    clock.advance(timedelta(seconds=1))
    assert providers.get(ENTITY_ID).exceptions == frozenset()


def test_granting_anew_gives_another_end(
    exceptions: Exceptions, registry: Registry, journal: Journal
) -> None:
    exceptions.grant(ENTITY_ID, until(START + DAY))
    exceptions.grant(ENTITY_ID, until(START + DAY, Legacy.UNENCRYPTED))
    exceptions.grant(ENTITY_ID, until(START + 2 * DAY))
    assert [(each.kind, each.until) for each in registry.find(ENTITY_ID).exceptions] == [
        (SHA1, START + 2 * DAY),
        (Legacy.UNENCRYPTED, START + DAY),
    ]
    code, entity_id, parameters = journal.events[-1]
    assert (code, entity_id) == ("service-provider.exception-granted", ENTITY_ID)
    assert parameters == {
        "kind": "sha1-signature",
        "until": (START + 2 * DAY).isoformat(),
        "reason": "version 2 en attente",
    }


def test_it_is_withdrawn(
    exceptions: Exceptions, providers: ServiceProviders, registry: Registry, journal: Journal
) -> None:
    exceptions.grant(ENTITY_ID, until(START + DAY))
    exceptions.withdraw(ENTITY_ID, SHA1)
    assert registry.find(ENTITY_ID).exceptions == ()
    assert providers.get(ENTITY_ID).exceptions == frozenset()
    assert journal.codes[-1] == "service-provider.exception-withdrawn"
    with pytest.raises(NotFound, match="n'a pas d'exception"):
        exceptions.withdraw(ENTITY_ID, SHA1)
    for call in (
        lambda: exceptions.withdraw("autre", SHA1),
        lambda: exceptions.grant("autre", until(START + DAY)),
    ):
        with pytest.raises(NotFound, match="n'est enregistré"):
            call()


def test_its_end_is_told_30_and_7_days_before_and_when_it_is_over(
    exceptions: Exceptions, registry: Registry, journal: Journal, clock: FakeClock
) -> None:
    exceptions.grant(ENTITY_ID, until(START + 40 * DAY))
    told = []
    for day in range(45):
        with capture_logs() as lines:
            exceptions.give_notice()
            exceptions.give_notice()
        told += [(day, line["kind"]) for line in lines]
        clock.advance(DAY)
    assert told == [(10, "sha1-signature"), (33, "sha1-signature"), (40, "sha1-signature")]
    assert journal.codes[3:] == [
        "service-provider.exception-ending",
        "service-provider.exception-ending",
        "service-provider.exception-ended",
    ]
    assert "a pris fin le 30/12/2026 et ne vaut plus" in warnings(registry)[-1]


def test_its_end_is_a_warning_of_the_registration(
    exceptions: Exceptions, registry: Registry, clock: FakeClock
) -> None:
    exceptions.grant(ENTITY_ID, until(START + 31 * DAY))
    assert warnings(registry) == ()
    clock.advance(DAY)
    assert "prend fin le 21/12/2026" in warnings(registry)[-1]


def test_a_replacement_of_the_metadata_leaves_it(
    exceptions: Exceptions, registry: Registry
) -> None:
    exceptions.grant(ENTITY_ID, until(START + DAY))
    registry.replace(complete_entity().replace(b"/acs", b"/acs2"), Choice())
    assert [each.kind for each in registry.find(ENTITY_ID).exceptions] == [SHA1]


def test_what_another_version_wrote_is_told_and_opens_nothing(
    core: Core, exceptions: Exceptions, registry: Registry, providers: ServiceProviders
) -> None:
    spoil(core, exceptions=[{"kind": "sha0", "until": "x", "reason": "", "since": ""}])
    assert "exceptions enregistrées sont illisibles" in (registry.find(ENTITY_ID).problem or "")
    assert not known(providers)
    assert exceptions.give_notice() == 0


@pytest.mark.parametrize(
    ("end", "reason", "expected"),
    [
        (START, "r", "est passée"),
        (START + 367 * DAY, "r", "un an au plus"),
        (START + DAY, "  ", "Dites pourquoi"),
        (START + DAY, "x" * (MAX_REASON + 1), "Dites pourquoi"),
    ],
)
def test_an_exception_has_an_end_within_a_year_and_a_reason(
    end: datetime, reason: str, expected: str
) -> None:
    with pytest.raises(MetadataError, match=expected):
        checked(SHA1, end, reason, START)
    assert checked(SHA1, START + 366 * DAY, " deux\n mots ", START).reason == "deux mots"
