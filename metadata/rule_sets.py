"""The ready-made sets of release rules, and rules to and from JSON."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from idp.errors import MetadataError
from idp.types import NameFormat, ReleaseRule, Source
from metadata.categories import RESEARCH_SET

DEFAULT = "basic"

# The object identifiers of each source. X.520, RFC 4519, RFC 2798, eduPerson.
_OIDS = {
    Source.UID: "0.9.2342.19200300.100.1.1",
    Source.MAIL: "0.9.2342.19200300.100.1.3",
    Source.GIVEN_NAME: "2.5.4.42",
    Source.SN: "2.5.4.4",
    Source.DISPLAY_NAME: "2.16.840.1.113730.3.1.241",
    Source.ROLE: "2.5.4.72",
    Source.STRUCTURE: "2.5.4.11",
    Source.EDU_PERSON_PRINCIPAL_NAME: "1.3.6.1.4.1.5923.1.1.1.6",
}
_MULTI_VALUED = {Source.ROLE, Source.STRUCTURE, Source.STRUCTURE_PATH, Source.SIRET}


def _basic(*sources: Source) -> tuple[ReleaseRule, ...]:
    return tuple(
        ReleaseRule(source.value, source, multi_valued=source in _MULTI_VALUED)
        for source in sources
    )


def _uri(*sources: Source) -> tuple[ReleaseRule, ...]:
    return tuple(
        ReleaseRule(
            f"urn:oid:{_OIDS[source]}",
            source,
            NameFormat.URI,
            friendly_name=source.value,
            multi_valued=source in _MULTI_VALUED,
        )
        for source in sources
    )


_USUAL = (
    Source.UID,
    Source.MAIL,
    Source.GIVEN_NAME,
    Source.SN,
    Source.DISPLAY_NAME,
    Source.ROLE,
    Source.STRUCTURE,
)
_BASIC, _URI = _basic(*_USUAL), _uri(*_USUAL)

RULE_SETS: Mapping[str, tuple[ReleaseRule, ...]] = MappingProxyType(
    {
        "basic": _BASIC,
        "uri": _URI,
        "bip": _BASIC,
        "net-cotisations": (*_BASIC, *_basic(Source.SIRET, Source.APPLICATION_ID)),
        # structurePath has no object identifier: it keeps its basic name.
        "net-cap": (*_URI, *_basic(Source.STRUCTURE_PATH)),
        "site": _basic(Source.MAIL, Source.DISPLAY_NAME, Source.ROLE, Source.STRUCTURE),
        # What REFEDS Research and Scholarship 1.3 expects, and no more.
        RESEARCH_SET: _uri(
            Source.EDU_PERSON_PRINCIPAL_NAME,
            Source.MAIL,
            Source.GIVEN_NAME,
            Source.SN,
            Source.DISPLAY_NAME,
        ),
    }
)
APPLICATION_SETS = ("bip", "net-cotisations", "net-cap", "site")


def rule_set(name: str) -> tuple[ReleaseRule, ...]:
    """The rules of this set.

    Raises:
        MetadataError: no such set.
    """
    try:
        return RULE_SETS[name]
    except KeyError:
        text = f"Le jeu d'attributs {name} n'existe pas. Choisissez parmi {', '.join(RULE_SETS)}."
        raise MetadataError(text, public=text) from None


def to_json(rules: Iterable[ReleaseRule]) -> list[dict[str, Any]]:
    """The rules as the registry's table keeps them."""
    return [
        {
            "name": rule.name,
            "source": rule.source.value,
            "name_format": rule.name_format.value,
            "friendly_name": rule.friendly_name,
            "multi_valued": rule.multi_valued,
            "required": rule.required,
            "argument": rule.argument,
        }
        for rule in rules
    ]


def from_json(stored: Sequence[Mapping[str, Any]]) -> tuple[ReleaseRule, ...]:
    """The rules that :func:`to_json` wrote.

    Raises:
        MetadataError: a key is missing or has a value of another version.
    """
    try:
        return tuple(_rule(each) for each in stored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MetadataError(
            f"a stored release rule is unreadable: {error!r}",
            public="Les règles d'attributs enregistrées sont illisibles. Enregistrez de nouveau "
            "l'application.",
        ) from error


def _rule(stored: Mapping[str, Any]) -> ReleaseRule:
    friendly_name = stored.get("friendly_name")
    return ReleaseRule(
        name=str(stored["name"]),
        source=Source(stored["source"]),
        name_format=NameFormat(stored["name_format"]),
        friendly_name=None if friendly_name is None else str(friendly_name),
        multi_valued=bool(stored.get("multi_valued", False)),
        required=bool(stored.get("required", False)),
        argument=str(stored.get("argument", "")),
    )
