"""What the worker does for this room."""

from datetime import timedelta

from directory.services.accounts.address_change import AddressChanges
from directory.services.bulk.orders import Bulk
from directory.services.memberships.ends import Ends
from directory.services.own.ending_notices import EndingNotices
from directory.services.own.password_mails import PasswordMails
from directory.services.removal.bin import Bin
from directory.services.rights import access_requests
from directory.services.rights.role_news import RoleNews
from idp.services import Services
from idp.worker import Job


def jobs(services: Services) -> tuple[Job, ...]:
    """Emptying the bin; orders over many accounts; ending what is over by its date; mailing."""
    waste = Bin(services.core)
    links = PasswordMails(services.core)
    bulk = Bulk(services.core)

    def empty() -> None:
        while waste.purge():
            pass

    def forget() -> int:
        return access_requests.purge(services.db, services.clock.now())

    return (
        Job("bin", timedelta(hours=1), empty),
        Job("bulk", timedelta(seconds=1), bulk.work),
        Job("bulk-purge", timedelta(hours=1), bulk.purge),
        Job("password-mails", timedelta(seconds=1), links.deliver),
        Job("password-links", timedelta(hours=1), links.purge),
        Job("access-requests", timedelta(hours=1), forget),
        Job("address-changes", timedelta(hours=1), AddressChanges(services.core).purge),
        Job("ends", timedelta(minutes=1), Ends(services.core).sweep),
        Job("role-news", timedelta(minutes=1), RoleNews(services.core).tell),
        Job("ending-notices", timedelta(hours=1), EndingNotices(services.core).run),
    )
