"""Names within French sentences: of people, and of what people name."""

from idp.folding import search_key, visible

SEPARATOR = " / "
"""Between the names of the structures that lead to one; no name holds it."""
ISOLATED_BAR = "Le nom d'une structure ne peut pas contenir une barre « / » isolée."

# fmt: off
_SILENT_H = frozenset({
    "hector", "helena", "helene", "heloise", "henri", "henriette", "hermance", "hermine", "herve",
    "hilaire", "hippolyte", "honore", "honorine", "horace", "hortense", "hubert", "hugo", "hugues",
    "huguette", "hyacinthe",
})
# fmt: on
"""First names before which one says ``d'``; before any other h ``de`` (``de Hassan``)."""


def full_name(given_name: str, sn: str) -> str:
    """``Prénom NOM``, as the guides write a person."""
    return f"{given_name} {sn.upper()}"


def of(name: str) -> str:
    """``de Léa NOËL``, ``d'Agnès MARTIN``, ``d'Hélène PETIT``, ``de Yann``, ``d'Emploi``."""
    key = search_key(name)
    vowel = key.startswith(tuple("aeiou")) or (key[:1] == "y" and key[1:2] not in set("aeiou"))
    return f"d'{name}" if vowel or key.partition(" ")[0] in _SILENT_H else f"de {name}"


def parts_paths(name: str) -> bool:
    """Whether this name of a structure would read as two within a path."""
    return SEPARATOR in " ".join(visible(name).split())
