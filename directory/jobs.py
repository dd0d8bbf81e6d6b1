"""What the worker does for this room."""

from datetime import timedelta

from directory.services.bin import Bin
from idp.services import Services
from idp.worker import Job


def jobs(services: Services) -> tuple[Job, ...]:
    """The jobs of the directory: emptying the bin of what nobody may restore any more."""
    waste = Bin(services.core)

    def empty() -> None:
        while waste.purge():
            pass

    return (Job("bin", timedelta(hours=1), empty),)
