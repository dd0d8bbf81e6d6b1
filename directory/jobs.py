"""What the worker does for this room."""

from datetime import timedelta

from directory.services.bin import Bin
from directory.services.ends import Ends
from idp.services import Services
from idp.worker import Job


def jobs(services: Services) -> tuple[Job, ...]:
    """Emptying the bin of what nobody may restore any more; ending what is over by its date."""
    waste = Bin(services.core)

    def empty() -> None:
        while waste.purge():
            pass

    return (
        Job("bin", timedelta(hours=1), empty),
        Job("ends", timedelta(minutes=1), Ends(services.core).sweep),
    )
