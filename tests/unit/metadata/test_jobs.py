"""What the worker does for this room."""

from datetime import timedelta

from idp.services import Services
from idp.types import Legacy
from metadata.exceptions import Granted
from metadata.granting import Exceptions
from metadata.jobs import jobs
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.clock import FakeClock
from tests.unit.metadata.samples import ENTITY_ID, complete_entity

URL = "http://127.0.0.1:9/metadata"  # nobody listens there


def test_the_jobs_read_addresses_and_warn_of_ends(services: Services, clock: FakeClock) -> None:
    document = complete_entity(root_attributes='validUntil="2027-06-30T00:00:00Z"')
    registry = Registry(services.core)
    registry.add(document, Choice(), application="", source_url=URL)
    end = clock.now() + timedelta(days=1)
    granted = Granted(Legacy.UNENCRYPTED, end, "ancienne", clock.now())
    Exceptions(services.core).grant(ENTITY_ID, granted)
    clock.advance(timedelta(hours=2))
    reading, warning = jobs(services)
    assert reading.run() == 1
    assert "pas de réponse" in (registry.find(ENTITY_ID).last_error or "")
    assert warning.run() == 1
    assert registry.find(ENTITY_ID).exceptions[0].noticed == 7
