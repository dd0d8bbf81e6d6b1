"""Addresses read again by the worker: when, and what a bad answer does not change."""

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier

import pytest
from structlog.testing import capture_logs

from idp.errors import MetadataError, NotFound
from idp.metrics import metadata_refreshes
from idp.services import Core
from metadata import refresh as module
from metadata.options import Choice
from metadata.refresh import LEASE, Refresher
from metadata.registry import Registry, ServiceProviders
from metadata.schedule import pause
from tests.common.clock import START, FakeClock
from tests.unit.metadata.conftest import Journal, spoil
from tests.unit.metadata.samples import (
    ENTITY_ID,
    SLO,
    acs,
    aggregate,
    complete_entity,
    der,
    entity,
    key,
    signed,
)

URL = "https://bip.exemple.fr/metadata"
OTHER, OTHER_URL = "https://autre.exemple.fr", "https://autre.exemple.fr/metadata"
DATED = 'ID="_1" validUntil="2026-12-31T00:00:00Z"'
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
GOOD = complete_entity(root_attributes=DATED)
MOVED = entity(key(der()), SLO, acs("https://bip.exemple.fr/acs2"), root_attributes=DATED)
FOREIGN = complete_entity(OTHER, root_attributes=DATED)
EXPIRED = complete_entity(root_attributes='ID="_1" validUntil="2026-01-01T00:00:00Z"')
ENDLESS = complete_entity(root_attributes='ID="_1"')


class Web:
    """What addresses give, and how often they were asked."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.asked: list[str] = []

    def fetch(self, url: str, *, loopback: bool) -> bytes:
        assert loopback, "the public URL of the tests is on the loopback"
        self.asked.append(url)
        if url not in self.documents:
            raise MetadataError(f"{url}: refused", public=f"{url} ne répond pas.")
        return self.documents[url]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    made = Web()
    monkeypatch.setattr(module, "fetch", made.fetch)
    return made


@pytest.fixture
def refresher(core: Core) -> Refresher:
    return Refresher(core)


def add(registry: Registry, document: bytes = GOOD, *, signer: bytes | None = None) -> None:
    registry.add(document, Choice(), application="", source_url=URL, signer=signer)


def count(outcome: str) -> float:
    return metadata_refreshes.labels(entity_id=ENTITY_ID, outcome=outcome)._value.get()


# --- when --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cache", "left", "failures", "expected"),
    [
        (None, None, 0, HOUR),
        (timedelta(minutes=5), None, 0, HOUR),
        (6 * HOUR, None, 0, 6 * HOUR),
        (timedelta(days=30), None, 0, 24 * HOUR),
        (6 * HOUR, 4 * HOUR, 0, 2 * HOUR),
        (None, HOUR, 0, HOUR / 2),
        (None, timedelta(minutes=2), 0, timedelta(minutes=10)),
        (6 * HOUR, None, 1, 2 * HOUR),
        (None, None, 3, 8 * HOUR),
        (None, None, 99, 24 * HOUR),
        (None, 6 * HOUR, 99, 3 * HOUR),
        (None, -HOUR, 99, HOUR),
    ],
)
def test_when_an_address_is_read_again(
    cache: timedelta | None, left: timedelta | None, failures: int, expected: timedelta
) -> None:
    valid_until = None if left is None else START + left
    assert pause(START, cache, valid_until, failures=failures) == expected


def test_an_address_is_read_every_hour_and_not_sooner(
    registry: Registry, refresher: Refresher, web: Web, clock: FakeClock
) -> None:
    web.documents[URL] = GOOD
    add(registry)
    assert refresher.refresh_due() == 0
    clock.advance(HOUR - MINUTE)
    assert refresher.refresh_due() == 0
    clock.advance(MINUTE)
    assert refresher.refresh_due() == 1
    assert refresher.refresh_due() == 0
    assert web.asked == [URL]


def test_the_cache_duration_is_respected(
    registry: Registry, refresher: Refresher, web: Web, clock: FakeClock
) -> None:
    web.documents[URL] = GOOD.replace(b"validUntil", b'cacheDuration="PT3H" validUntil')
    add(registry, web.documents[URL])
    clock.advance(3 * HOUR - MINUTE)
    assert refresher.refresh_due() == 0
    clock.advance(MINUTE)
    assert refresher.refresh_due() == 1


def test_what_came_from_a_file_is_not_read(
    registry: Registry, refresher: Refresher, web: Web, clock: FakeClock
) -> None:
    registry.add(GOOD, Choice(), application="")
    clock.advance(48 * HOUR)
    assert refresher.refresh_due() == 0
    assert web.asked == []


def test_of_two_workers_one_reads(
    core: Core,
    registry: Registry,
    refresher: Refresher,
    web: Web,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    web.documents[URL] = GOOD
    add(registry)
    clock.advance(HOUR)
    another = Refresher(core)
    found: list[int] = []

    def meanwhile(url: str, **_: bool) -> bytes:
        found.append(another.refresh_due())
        return web.fetch(url, loopback=True)

    monkeypatch.setattr(module, "fetch", meanwhile)
    assert refresher.refresh_due() == 1
    assert found == [0]
    assert web.asked == [URL]


def test_what_a_killed_worker_took_is_taken_up_again(
    registry: Registry,
    refresher: Refresher,
    web: Web,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(registry)
    clock.advance(HOUR)

    def killed(url: str, **_: bool) -> bytes:
        raise KeyboardInterrupt(url)

    monkeypatch.setattr(module, "fetch", killed)
    with pytest.raises(KeyboardInterrupt):
        refresher.refresh_due()
    monkeypatch.setattr(module, "fetch", web.fetch)
    assert refresher.refresh_due() == 0
    clock.advance(LEASE)
    assert refresher.refresh_due() == 1


# --- what it does ------------------------------------------------------------------------------


def test_a_change_is_taken_journalled_and_counted(
    registry: Registry, refresher: Refresher, web: Web, clock: FakeClock, journal: Journal
) -> None:
    add(registry)
    web.documents[URL] = MOVED
    clock.advance(HOUR)
    changed, same = count("changed"), count("same")
    with capture_logs() as lines:
        refresher.refresh_due()
    assert [line["event"] for line in lines] == ["service-provider.changed"]
    assert "https://bip.exemple.fr/acs2" in lines[0]["change"]
    code, entity_id, parameters = journal.events[-1]
    assert (code, entity_id) == ("service-provider.refreshed", ENTITY_ID)
    assert parameters["changes"][0]["field"] == "assertion_consumer_services"
    assert count("changed") == changed + 1
    clock.advance(HOUR)
    refresher.refresh_due()
    assert (count("changed"), count("same")) == (changed + 1, same + 1)
    assert len(journal.events) == 2, "nothing changed, nothing is journalled"


BAD: dict[str, Callable[[], bytes]] = {
    "gone": lambda: b"",
    "poisoned": lambda: b"<html>",
    "foreign": lambda: FOREIGN,
    "expired": lambda: EXPIRED,
    "endless": lambda: ENDLESS,
    "too large": lambda: GOOD + b" " * (2 * 1024 * 1024),
}
BAD_IF_PINNED: dict[str, Callable[[], bytes]] = {
    "unsigned": lambda: MOVED,
    "another's signature": lambda: signed(MOVED, number=1),
    "changed since": lambda: signed(GOOD).replace(b"/acs", b"/mal"),
    "signed inside": lambda: aggregate(signed(GOOD)),
    "expired, signed": lambda: signed(EXPIRED),
    "foreign, signed": lambda: signed(FOREIGN),
}


@pytest.mark.parametrize("what", [*BAD, *BAD_IF_PINNED])
def test_a_bad_answer_changes_nothing_and_is_told(
    what: str,
    registry: Registry,
    providers: ServiceProviders,
    refresher: Refresher,
    web: Web,
    clock: FakeClock,
    journal: Journal,
) -> None:
    pinned = what in BAD_IF_PINNED
    add(registry, signed(GOOD) if pinned else GOOD, signer=der() if pinned else None)
    provider, before = providers.get(ENTITY_ID), registry.find(ENTITY_ID)
    web.documents[URL] = (BAD | BAD_IF_PINNED)[what]()
    clock.advance(HOUR)
    failed = count("failed")
    with capture_logs() as lines:
        assert refresher.refresh_due() == 1
    assert [line["event"] for line in lines] == ["service-provider.refresh-failed"]
    assert lines[0]["entity_id"] == ENTITY_ID
    assert count("failed") == failed + 1
    after = registry.find(ENTITY_ID)
    assert (after.parsed, after.updated_at, after.problem) == (
        before.parsed,
        before.updated_at,
        None,
    )
    assert after.last_tried_at == clock.now()
    assert after.last_error
    assert any(after.last_error in text for text in after.warnings)
    assert providers.get(ENTITY_ID) == provider
    assert len(journal.events) == 1
    web.documents[URL] = signed(GOOD) if pinned else GOOD
    clock.advance(2 * HOUR)
    assert refresher.refresh_due() == 1
    assert registry.find(ENTITY_ID).last_error is None


def test_a_failing_address_is_asked_less_and_less(
    registry: Registry, refresher: Refresher, web: Web, clock: FakeClock
) -> None:
    add(registry)
    clock.advance(HOUR)
    waits = []
    for _ in range(5):
        assert refresher.refresh_due() == 1
        next_try_at = registry.find(ENTITY_ID).next_try_at
        assert next_try_at is not None
        waits.append(next_try_at - clock.now())
        clock.advance(waits[-1])
    assert waits == [2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, 24 * HOUR]
    web.documents[URL] = GOOD
    refresher.refresh_due()
    next_try_at = registry.find(ENTITY_ID).next_try_at
    assert next_try_at == clock.now() + HOUR


def test_one_that_is_slow_keeps_no_other_waiting(
    registry: Registry,
    refresher: Refresher,
    web: Web,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(registry)
    registry.add(FOREIGN, Choice(), application="", source_url=OTHER_URL)
    web.documents = {URL: GOOD, OTHER_URL: FOREIGN}
    clock.advance(HOUR)
    both = Barrier(2, timeout=10)

    def fetch(url: str, *, loopback: bool) -> bytes:
        both.wait()  # each is still reading while the other one is
        return web.fetch(url, loopback=loopback)

    monkeypatch.setattr(module, "fetch", fetch)
    assert refresher.refresh_due() == 2
    assert sorted(web.asked) == [OTHER_URL, URL]


def test_one_that_fails_keeps_no_other_from_being_read(
    registry: Registry, refresher: Refresher, web: Web, clock: FakeClock
) -> None:
    add(registry)
    registry.add(FOREIGN, Choice(), application="", source_url=OTHER_URL)
    web.documents[OTHER_URL] = FOREIGN
    clock.advance(HOUR)
    assert refresher.refresh_due() == 2
    assert registry.find(ENTITY_ID).last_error
    assert registry.find(OTHER).last_error is None


def test_an_expired_copy_comes_back_by_itself(
    registry: Registry,
    providers: ServiceProviders,
    refresher: Refresher,
    web: Web,
    clock: FakeClock,
) -> None:
    add(registry)
    clock.advance(timedelta(days=60))
    assert registry.find(ENTITY_ID).problem
    refresher.refresh_due()
    assert registry.find(ENTITY_ID).next_try_at == clock.now() + HOUR + HOUR
    web.documents[URL] = GOOD.replace(b"2026", b"2027")
    clock.advance(2 * HOUR)
    refresher.refresh_due()
    assert providers.get(ENTITY_ID).entity_id == ENTITY_ID


def test_a_pinned_address_needs_no_end(
    registry: Registry, refresher: Refresher, web: Web, clock: FakeClock
) -> None:
    add(registry, signed(ENDLESS), signer=der())
    web.documents[URL] = signed(MOVED)
    clock.advance(HOUR)
    refresher.refresh_due()
    parsed = registry.find(ENTITY_ID).parsed
    assert parsed is not None
    assert parsed.assertion_consumer_services[0].location == "https://bip.exemple.fr/acs2"


def test_the_pin_outlives_a_replacement_from_an_address(registry: Registry) -> None:
    add(registry, signed(GOOD), signer=der())
    with pytest.raises(MetadataError, match="not signed by the pinned key"):
        registry.replace(MOVED, Choice(), source_url=URL)
    registry.replace(signed(MOVED), Choice(), source_url=URL)
    assert registry.find(ENTITY_ID).signer == der()
    new = der("neuf", number=1)
    written = registry.replace(signed(GOOD, number=1), Choice(), source_url=URL, signer=new)
    assert "signer" in {change.field for change in written.changes}
    registry.replace(GOOD, Choice())
    found = registry.find(ENTITY_ID)
    assert (found.signer, found.source_url, found.next_try_at) == (None, None, None)


def test_one_of_an_aggregate_is_found_again(
    registry: Registry, refresher: Refresher, web: Web, clock: FakeClock
) -> None:
    ends = 'validUntil="2027-01-01T00:00:00Z"'
    group = aggregate(complete_entity(), complete_entity(OTHER), attributes=ends)
    registry.add(group, Choice(), application="", source_url=URL, entity_id=OTHER)
    web.documents[URL] = group.replace(b"2027-01", b"2027-02")
    clock.advance(HOUR)
    refresher.refresh_due()
    parsed = registry.find(OTHER).parsed
    assert parsed is not None
    assert parsed.valid_until is not None
    assert parsed.valid_until.month == 2
    web.documents[URL] = aggregate(complete_entity(), attributes=ends)
    clock.advance(HOUR)
    refresher.refresh_due()
    assert "ne décrit pas" in (registry.find(OTHER).last_error or "")


def test_a_removed_one_is_not_read(
    core: Core, registry: Registry, refresher: Refresher, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(registry)
    spoil(core, next_try_at=None)

    def removed(url: str, **_: bool) -> bytes:
        registry.remove(ENTITY_ID)
        raise MetadataError(url)

    monkeypatch.setattr(module, "fetch", removed)
    assert refresher.refresh_due() == 1
    with pytest.raises(NotFound):
        refresher.refresh(ENTITY_ID)
    assert web.asked == []


def test_what_the_operator_registers_meanwhile_is_not_overwritten(
    registry: Registry, refresher: Refresher, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(registry)
    clock.advance(HOUR)

    def slow(url: str, **_: bool) -> bytes:
        registry.replace(MOVED, Choice())
        return GOOD if url == URL else b""

    monkeypatch.setattr(module, "fetch", slow)
    with pytest.raises(MetadataError, match="pendant la lecture"):
        refresher.refresh(ENTITY_ID)
    found = registry.find(ENTITY_ID)
    assert found.parsed is not None
    assert found.parsed.assertion_consumer_services[0].location.endswith("/acs2")
    assert (found.source_url, found.last_error) == (None, None)
