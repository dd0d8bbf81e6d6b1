"""Tables of the directory: structures, people, rights."""

from directory.models.people import Account, Membership
from directory.models.rights import (
    Application,
    ApplicationEntity,
    Assignment,
    Mandate,
    MandateApplication,
    Role,
)
from directory.models.structures import Structure

__all__ = [
    "Account",
    "Application",
    "ApplicationEntity",
    "Assignment",
    "Mandate",
    "MandateApplication",
    "Membership",
    "Role",
    "Structure",
]
