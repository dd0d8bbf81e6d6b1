"""What the demonstration's people must be seen with at its service providers, from its own data."""

from directory.demonstration import ROLES
from directory.demonstration_people import ASSIGNMENTS

APPLICATIONS = ("bip", "net-cotisations", "net-cap", "site")

# The names of attributes; Net-CAP takes object identifiers.
ROLE = {"net-cap": "urn:oid:2.5.4.72"}
STRUCTURE = {"net-cap": "urn:oid:2.5.4.11"}

_LABELS = {(application, code): label for application, code, label in ROLES}


def held(mail: str, application: str) -> list[tuple[str, str]]:
    """Each role that this person holds on the application: its value, and where."""
    pairs = [
        (_LABELS[application, role.partition(":")[2]], structure)
        for person, structure, roles in ASSIGNMENTS
        for role in roles
        if person == mail and role.partition(":")[0] == application
    ]
    return sorted(pairs)


def expected_roles(mail: str, application: str, structure: str | None = None) -> list[str]:
    """The values of the role attribute, sorted; with ``structure`` only what is held there."""
    pairs = [pair for pair in held(mail, application) if structure in {None, pair[1]}]
    scoped = application == "net-cotisations"
    return sorted(f"{role}@{where}" if scoped else role for role, where in pairs)


def shown_roles(whoami: dict[str, object], application: str) -> list[str]:
    """The same, out of what ``…/whoami`` answers."""
    attributes = whoami["attributes"]
    assert isinstance(attributes, dict)
    return sorted(attributes[ROLE.get(application, "role")])


def shown_structures(whoami: dict[str, object], application: str) -> list[str]:
    """The structures that ``…/whoami`` names, sorted."""
    attributes = whoami["attributes"]
    assert isinstance(attributes, dict)
    return sorted(attributes[STRUCTURE.get(application, "structure")])
