"""Tables of the directory: structures, people, rights."""

from directory.models.address import AddressChange
from directory.models.bulk import BulkAction, BulkItem
from directory.models.passwords import PasswordLinkRow, PasswordRequest
from directory.models.people import Account, AccountPhoto, Membership
from directory.models.requests import AccessRequest, NoticeRow
from directory.models.rights import (
    Application,
    ApplicationEntity,
    Assignment,
    Mandate,
    MandateApplication,
    Role,
)
from directory.models.search_keys import joined_key
from directory.models.structures import Structure
from directory.models.telling import AccountWarning, RoleChange

__all__ = [
    "AccessRequest",
    "Account",
    "AccountPhoto",
    "AccountWarning",
    "AddressChange",
    "Application",
    "ApplicationEntity",
    "Assignment",
    "BulkAction",
    "BulkItem",
    "Mandate",
    "MandateApplication",
    "Membership",
    "NoticeRow",
    "PasswordLinkRow",
    "PasswordRequest",
    "Role",
    "RoleChange",
    "Structure",
    "joined_key",
]
