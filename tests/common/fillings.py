"""What a test's database may hold from the start: a module names it by ``database_filling``."""

from directory import demonstration
from idp.services import build
from idp.settings import Settings
from tests.common.clock import FakeClock


def demonstrated(settings: Settings) -> None:
    """The people, structures, applications and rights of the demonstration, loaded at ``START``."""
    services = build(settings, clock=FakeClock())
    assert demonstration.load(services.core)
    services.db.dispose()
