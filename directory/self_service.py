"""What a person does with his own account: ``idp.self_service = directory.self_service.build``."""

from directory.services.access_requests import AccessRequests
from directory.services.confirmations import Confirmations
from directory.services.notices import Notices
from directory.services.passwords import OwnPasswords
from directory.services.photos import Photos
from directory.services.problems import Problems
from directory.services.record import Record
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
