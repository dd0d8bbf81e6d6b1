"""Who is ticked in a list of which one page is shown.

Where scripts run, js/selection.js keeps that. Without them the form of the selection takes the
ticks along from page to page: it is sent to the address of the page that one goes to.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from directory.services.bulk.orders import MOST
from idp.request import Request

PERSON = "subject_id"
LONGEST = 64
"""Characters of an id; what is longer is nobody."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """``all`` are the ids that were sent, ``elsewhere`` those of them that this page lacks."""

    all: frozenset[str]
    elsewhere: tuple[str, ...]


def ticks(request: Request, shown: Iterable[str]) -> Ticks:
    """What the form says, as it is: whose ids they are is found out when they are acted upon.

    ``shown``: whom this page lists. One more than may be chosen is kept, at most.
    """
    sent = (each for each in request.POST.getall(PERSON) if 0 < len(each) <= LONGEST)
    named = dict.fromkeys(sent)
    here = set(shown)
    elsewhere = tuple(each for each in named if each not in here)[: MOST + 1]
    return Ticks(frozenset(named), elsewhere)
