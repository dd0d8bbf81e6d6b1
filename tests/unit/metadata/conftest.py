"""A registry on its own: the database, the clock, and a journal that a test can read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from sqlalchemy import update

import idp.snapshot
from idp.db import Database
from idp.errors import UnknownServiceProvider
from idp.interfaces import IMailer, ISsoSessions
from idp.services import Core
from idp.settings import Settings
from metadata.registry import Registry, ServiceProviders, build
from metadata.tables import ServiceProviderRow
from tests.common.clock import FakeClock
from tests.unit.metadata.samples import ENTITY_ID


@dataclass
class Journal:
    """An ``IAuditLog`` that keeps what it is told."""

    events: list[tuple[str, str | None, dict[str, Any]]] = field(default_factory=list)

    def record(
        self,
        code: str,
        *,
        subject_id: str | None = None,
        entity_id: str | None = None,
        target: str | None = None,
        parameters: Mapping[str, object] | None = None,
    ) -> None:
        assert (subject_id, target) == (None, None)
        self.events.append((code, entity_id, dict(parameters or {})))

    @property
    def codes(self) -> list[str]:
        return [code for code, _, _ in self.events]


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def core(settings: Settings, database: Database, clock: FakeClock, journal: Journal) -> Core:
    # The registry neither mails nor ends sessions: what it must not touch is not there.
    mailer, sessions = cast("IMailer", None), cast("ISsoSessions", None)
    return Core(settings, database, clock, journal, mailer, sessions)


@pytest.fixture
def registry(core: Core) -> Registry:
    return Registry(core)


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The machine's seconds, moved by the test."""
    time = [1000.0]
    monkeypatch.setattr(idp.snapshot, "monotonic", lambda: time[0])

    def advance(seconds: float) -> None:
        time[0] += seconds

    return advance


@pytest.fixture
def providers(core: Core, monotonic: Callable[[float], None]) -> ServiceProviders:
    del monotonic
    built = build(core)
    assert isinstance(built, ServiceProviders)
    return built


def known(providers: ServiceProviders, entity_id: str = ENTITY_ID) -> bool:
    try:
        return providers.get(entity_id).entity_id == entity_id
    except UnknownServiceProvider:
        return False


def spoil(core: Core, entity_id: str = ENTITY_ID, **columns: Any) -> None:  # noqa: ANN401 - any column
    with core.db.unit_of_work() as session:
        session.execute(
            update(ServiceProviderRow)
            .where(ServiceProviderRow.entity_id == entity_id)
            .values(**columns)
        )
    core.db.bump("service_provider")
