"""What can be done to the directory: every rule, and the journal in the same transaction.

Plain classes over :class:`idp.services.Core`; none takes a request. Each method asks the one
decider first, and joins the unit of work in progress.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from directory.services.accounts import Accounts
from directory.services.applications import Applications
from directory.services.assignments import Assignments
from directory.services.bin import Bin
from directory.services.bin_list import BinList
from directory.services.bulk import Bulk
from directory.services.deactivation import Deactivation
from directory.services.invitations import Invitations
from directory.services.mandates import Mandates
from directory.services.memberships import Memberships
from directory.services.notices import Notices
from directory.services.password_mails import PasswordMails
from directory.services.people import People
from directory.services.prospects import Prospects
from directory.services.request_answers import RequestAnswers
from directory.services.structures import Structures

if TYPE_CHECKING:
    from idp.services import Core

__all__ = ["DirectoryServices", "build"]


@dataclass(frozen=True, slots=True)
class DirectoryServices:
    """The directory's own services, for its front desk and its commands."""

    structures: Structures
    accounts: Accounts
    bin: Bin
    bin_list: BinList
    bulk: Bulk
    deactivation: Deactivation
    invitations: Invitations
    memberships: Memberships
    applications: Applications
    assignments: Assignments
    mandates: Mandates
    password_mails: PasswordMails
    prospects: Prospects
    people: People
    request_answers: RequestAnswers
    notices: Notices


def build(core: "Core") -> DirectoryServices:
    """The services on this core; cheap, they keep no state."""
    return DirectoryServices(
        structures=Structures(core),
        accounts=Accounts(core),
        bin=Bin(core),
        bin_list=BinList(core),
        bulk=Bulk(core),
        deactivation=Deactivation(core),
        invitations=Invitations(core),
        memberships=Memberships(core),
        applications=Applications(core),
        assignments=Assignments(core),
        mandates=Mandates(core),
        password_mails=PasswordMails(core),
        prospects=Prospects(core),
        people=People(core),
        request_answers=RequestAnswers(core),
        notices=Notices(core),
    )
