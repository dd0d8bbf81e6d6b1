"""Nobody learns from an outage that a certificate ended."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from idp.db import Database
from idp.keys import KeyRing, KeyUse
from idp.keys.expiry import ExpiryWatch, KeyDays
from idp.mail import OutboxMail
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.threads import all_at_once


@pytest.fixture
def ring(services: Services, clock: FakeClock) -> KeyRing:
    """One signing key, whose certificate ends in 100 days and an hour."""
    (der,) = services.keys.certificates()
    end = x509.load_der_x509_certificate(der).not_valid_after_utc
    clock.advance(end - clock.now() - timedelta(days=100, hours=1))
    return services.keys


@pytest.fixture
def watch(services: Services, ring: KeyRing) -> ExpiryWatch:
    core = services.core
    return ExpiryWatch(core.db, core.clock, ring, core.mailer, "technique@cig.example")


def mails(services: Services) -> list[tuple[str, str, str]]:
    with services.db.reading() as session:
        rows = session.scalars(select(OutboxMail).order_by(OutboxMail.id))
        return [(each.kind, each.recipient, each.text) for each in rows]


def test_a_mail_leaves_once_at_each_threshold(
    watch: ExpiryWatch, services: Services, clock: FakeClock
) -> None:
    left = []
    for day in range(105):
        assert watch.run() == (1 if 100 - day <= 60 else 0)
        if len(mails(services)) > len(left):
            left.append(100 - day)
        clock.advance(timedelta(days=1))
    assert left == [60, 30, 7]
    kind, recipient, text = mails(services)[0]
    assert (kind, recipient) == ("key-ending", "technique@cig.example")
    assert "idp (signature)" in text


def test_a_worker_that_was_away_sends_the_nearest_alone(
    watch: ExpiryWatch, services: Services, clock: FakeClock
) -> None:
    clock.advance(timedelta(days=80))
    watch.run()
    watch.run()
    assert len(mails(services)) == 1
    clock.advance(timedelta(days=15))
    watch.run()
    assert len(mails(services)) == 2


def test_of_several_workers_one_mails(
    watch: ExpiryWatch, services: Services, clock: FakeClock
) -> None:
    clock.advance(timedelta(days=50))
    all_at_once(watch.run, 4)
    assert len(mails(services)) == 1


def test_each_key_that_is_used_is_watched_and_no_other(
    watch: ExpiryWatch, ring: KeyRing, services: Services, clock: FakeClock
) -> None:
    clock.advance(timedelta(days=95))
    ring.promote(ring.generate(), force=True)
    assert watch.run() == 0, "the one that ends is retired"
    ring.assign("https://bip.example", "idp")
    assert watch.run() == 1, "and an SP is kept on it"
    assert len(mails(services)) == 1


def sample(services: Services, kid: str, use: str) -> float | None:
    registry = CollectorRegistry()
    registry.register(KeyDays(services.keys, services.clock))
    return registry.get_sample_value("convergences_key_days", {"kid": kid, "use": use})


def test_the_metric_counts_the_days(ring: KeyRing, services: Services, clock: FakeClock) -> None:
    assert sample(services, "idp", "signing") == 100
    clock.advance(timedelta(days=101))
    assert sample(services, "idp", "signing") == -1
    kid = ring.generate(KeyUse.ENCRYPTION)
    ring.promote(kid, force=True)
    assert sample(services, kid, "encryption") == 3650
    ring.promote(ring.generate(), force=True)
    assert sample(services, "idp", "signing") is None


def test_without_a_database_there_is_no_metric_and_no_error(
    services: Services, tmp_path: Path
) -> None:
    core = services.core
    nothing = Database(f"sqlite:///{tmp_path / 'nothing.sqlite'}")
    fresh = KeyRing(nothing, core.clock, core.audit, core.settings.keys)
    assert list(KeyDays(fresh, core.clock).collect()) == []
    nothing.dispose()
