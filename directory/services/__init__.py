"""What can be done to the directory: every rule, and the journal in the same transaction.

Plain classes over :class:`idp.services.Core`; none takes a request. Each method asks the one
decider first, and joins the unit of work in progress.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from directory.people.lists import People
from directory.services.accounts.changes import Accounts
from directory.services.accounts.deactivation import Deactivation
from directory.services.accounts.invitations import Invitations
from directory.services.bulk.orders import Bulk
from directory.services.bulk.prospects import Prospects
from directory.services.memberships.changes import Memberships
from directory.services.own.notices import Notices
from directory.services.own.password_mails import PasswordMails
from directory.services.removal.bin import Bin
from directory.services.removal.bin_list import BinList
from directory.services.rights.applications import Applications
from directory.services.rights.assignments import Assignments
from directory.services.rights.mandates import Mandates
from directory.services.rights.request_answers import RequestAnswers
from directory.services.structures.changes import Structures

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
