"""The entity categories that SPs announce, in words: what one is promised or expects. [SAMLEntCat].

A category never releases anything by itself: an SP writes it into its own metadata.
"""

from collections.abc import Collection

from idp.types import Source

RESEARCH_AND_SCHOLARSHIP = "http://refeds.org/category/research-and-scholarship"
CODES_OF_CONDUCT = (
    "https://refeds.org/category/code-of-conduct/v2",
    "http://www.geant.net/uri/dataprotection-code-of-conduct/v1",
)
RESEARCH_SET = "research"
"""The ready-made rule set that holds what Research and Scholarship expects."""

_IDENTITY = {Source.EDU_PERSON_PRINCIPAL_NAME, Source.MAIL}
_NAMES = ({Source.DISPLAY_NAME}, {Source.GIVEN_NAME, Source.SN})


def sentence(category: str, sources: Collection[Source]) -> str:
    """What to know of this category, for an SP that receives these sources."""
    if category == RESEARCH_AND_SCHOLARSHIP:
        return f"Catégorie Research and Scholarship ({category}) : {_research(set(sources))}"
    if category in CODES_OF_CONDUCT:
        return (
            f"Catégorie Code of Conduct ({category}) : l'éditeur s'engage sur la protection des "
            "données. Aucun attribut ne part de ce seul fait."
        )
    return f"Catégorie annoncée : {category}. Aucun attribut ne part de ce seul fait."


def _research(sources: set[Source]) -> str:
    if sources >= _IDENTITY and any(sources >= names for names in _NAMES):
        return "les règles envoient ce qu'elle attend."
    return (
        "elle attend un identifiant (eduPersonPrincipalName), l'adresse et le nom. Rien ne part de "
        "ce seul fait ; si l'usage le justifie, choisissez le jeu d'attributs "
        f"« {RESEARCH_SET} » (--attributes {RESEARCH_SET})."
    )
