"""What is said of a person who is added to a structure: as a form, as a draft, as the directory."""

from directory.services.accounts.changes import Person
from directory.services.accounts.creation import Creation, StructureChoices
from directory.services.memberships.changes import MembershipFields
from idp.errors import NotAllowed
from idp.folding import visible
from idp.request import Request
from views.aia.actor import require_administrator
from views.forms import Values

SEARCHED = "recherche"
LONGEST_TYPED = 600
FIELDS = (
    "nom",
    "prenom",
    SEARCHED,
    "structure",
    "service",
    "fonction",
    "identifiant",
    "adresse_postale",
    "telephone",
)
TYPED = ("adresse", *FIELDS, "teletravail")
"""What is kept of a form whose session ended."""


def structure_choices(request: Request, said: dict[str, str]) -> tuple[StructureChoices, bool]:
    """What the list offers; and whether there are so many that one searches them."""
    actor, creation = require_administrator(request), Creation(request.services.core)
    everything = creation.structures(actor)
    if not everything.more:
        return everything, False
    wanted = said.get(SEARCHED, "")
    found = creation.structures(actor, wanted) if wanted else StructureChoices((), more=True)
    chosen = said.get("structure", "")
    if chosen and chosen not in {each.code for each in found.lines}:
        try:
            kept = creation.structure(actor, chosen)
        except NotAllowed:
            return found, True
        found = StructureChoices((kept, *found.lines), found.more)
    return found, True


def typed(said: dict[str, str]) -> Values:
    """The fields as a form takes them."""
    return {
        name: value == "oui" if name == "teletravail" else value for name, value in said.items()
    }


def as_text(value: object) -> str:
    """A field as the draft keeps it, and as it will be recorded: without invisible signs."""
    if isinstance(value, bool):
        return "oui" if value else ""
    return visible(str(value))


def as_typed(request: Request) -> dict[str, str]:
    """What the form holds, right or wrong."""
    said = {name: request.POST.get(name, "")[:LONGEST_TYPED] for name in FIELDS}
    return {**said, "teletravail": "oui" if request.POST.get("teletravail") else ""}


def person_of(mail: str, said: dict[str, str]) -> Person:
    """What the second step says of somebody."""
    return Person(
        mail,
        said.get("nom", ""),
        said.get("prenom", ""),
        MembershipFields(
            service=said.get("service") or None,
            function=said.get("fonction") or None,
            application_identifier=said.get("identifiant") or None,
            teleworking=said.get("teletravail") == "oui",
            postal_address=said.get("adresse_postale") or None,
            phone=said.get("telephone") or None,
        ),
    )
