"""How we answer a service provider: what the operator chose, completed with sensible defaults."""

from dataclasses import dataclass, fields

from idp.types import Encrypt, NameIDFormat, Refusals, ReleaseRule, Requests, Sign, Structures
from metadata.parser import ParsedEntity
from metadata.rule_sets import APPLICATION_SETS, DEFAULT, rule_set


@dataclass(frozen=True, slots=True)
class Options:
    """Our own choices about a service provider; ``rules`` came from the set ``rule_set``."""

    rule_set: str
    rules: tuple[ReleaseRule, ...]
    name_id_format: NameIDFormat
    sign: Sign
    encrypt: Encrypt
    structures: Structures
    requests: Requests
    refusals: Refusals


@dataclass(frozen=True, slots=True)
class Choice:
    """What was said explicitly; None leaves it to the default."""

    rule_set: str | None = None
    name_id_format: NameIDFormat | None = None
    sign: Sign | None = None
    encrypt: Encrypt | None = None
    structures: Structures | None = None
    requests: Requests | None = None
    refusals: Refusals | None = None


def complete(choice: Choice, parsed: ParsedEntity, *, application: str) -> Options:
    """The options of a new registration for this application's code.

    Raises:
        MetadataError: no such rule set.
    """
    default_set = application if application in APPLICATION_SETS else DEFAULT
    name = choice.rule_set or default_set
    return Options(
        rule_set=name,
        rules=rule_set(name),
        name_id_format=choice.name_id_format or default_name_id_format(parsed),
        sign=choice.sign or Sign.BOTH,
        encrypt=choice.encrypt or Encrypt.AUTO,
        structures=choice.structures or default_structures(name),
        requests=choice.requests or Requests.ANY,
        refusals=choice.refusals or Refusals.PAGE,
    )


def change(current: Options, choice: Choice) -> Options:
    """The options of a registration that is replaced: what is not said stays as it is.

    Raises:
        MetadataError: no such rule set.
    """
    name = choice.rule_set or current.rule_set
    return Options(
        rule_set=name,
        rules=rule_set(name) if choice.rule_set else current.rules,
        name_id_format=choice.name_id_format or current.name_id_format,
        sign=choice.sign or current.sign,
        encrypt=choice.encrypt or current.encrypt,
        structures=choice.structures or current.structures,
        requests=choice.requests or current.requests,
        refusals=choice.refusals or current.refusals,
    )


def default_name_id_format(parsed: ParsedEntity) -> NameIDFormat:
    """The first format that the metadata lists and we support; transient otherwise."""
    supported = {each.value: each for each in NameIDFormat}
    listed = (supported[each] for each in parsed.name_id_formats if each in supported)
    return next(listed, NameIDFormat.TRANSIENT)


def default_structures(rule_set_name: str) -> Structures:
    """``parallel`` for the website, ``ask`` for every other."""
    return Structures.PARALLEL if rule_set_name == "site" else Structures.ASK


def as_words(options: Options) -> dict[str, str]:
    """The options for the journal and for ``--json``, without the rules themselves."""
    return {
        each.name: str(getattr(options, each.name))
        for each in fields(options)
        if each.name != "rules"
    }
