"""What a person does with his own account: ``idp.self_service = directory.self_service.build``."""

from directory.services.accounts.photos import Photos
from directory.services.memberships.confirmations import Confirmations
from directory.services.own.notices import Notices
from directory.services.own.passwords import OwnPasswords
from directory.services.own.problems import Problems
from directory.services.own.record import Record
from directory.services.rights.access_requests import AccessRequests
from idp.self_service import SelfService
from idp.services import Core


def build(core: Core) -> SelfService:
    """The plug-in."""
    return SelfService(
        passwords=OwnPasswords(core),
        photos=Photos(core),
        record=Record(core),
        access_requests=AccessRequests(core),
        confirmations=Confirmations(core),
        notices=Notices(core),
        problems=Problems(core),
    )
