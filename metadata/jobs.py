"""What the worker does for this room."""

from datetime import timedelta

from idp.services import Services
from idp.worker import Job
from metadata.granting import Exceptions
from metadata.refresh import Refresher


def jobs(services: Services) -> tuple[Job, ...]:
    """Reading again the addresses that are due; warning of exceptions that end."""
    return (
        Job("metadata", timedelta(minutes=1), Refresher(services.core).refresh_due),
        Job("exceptions", timedelta(hours=1), Exceptions(services.core).give_notice),
    )
