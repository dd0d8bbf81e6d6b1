"""The order of elements that the metadata schema demands: a warning, never a refusal."""

from lxml import etree

from idp.saml.names import DS, MD
from metadata.reading import line_of, local_name, shortened

_SIGNATURE = f"{{{DS}}}Signature"
_ROLES = (
    "RoleDescriptor",
    "IDPSSODescriptor",
    "SPSSODescriptor",
    "AuthnAuthorityDescriptor",
    "AttributeAuthorityDescriptor",
    "PDPDescriptor",
    "AffiliationDescriptor",
)


def _ranks(*groups: str | tuple[str, ...]) -> dict[str, int]:
    ranks = {_SIGNATURE: 0}
    for rank, group in enumerate(groups, start=1):
        for name in (group,) if isinstance(group, str) else group:
            ranks[f"{{{MD}}}{name}"] = rank
    return ranks


# [SAMLMeta] 2.3.2
_ENTITY = _ranks(
    "Extensions", _ROLES, "Organization", "ContactPerson", "AdditionalMetadataLocation"
)
# [SAMLMeta] 2.4.1, 2.4.2, 2.4.4
_SP = _ranks(
    "Extensions",
    "KeyDescriptor",
    "Organization",
    "ContactPerson",
    "ArtifactResolutionService",
    "SingleLogoutService",
    "ManageNameIDService",
    "NameIDFormat",
    "AssertionConsumerService",
    "AttributeConsumingService",
)


def order_warnings(root: etree._Element, descriptor: etree._Element) -> tuple[str, ...]:
    """What stands in the wrong place in an EntityDescriptor and its SPSSODescriptor."""
    return (*_misplaced(root, _ENTITY), *_misplaced(descriptor, _SP))


def _misplaced(parent: etree._Element, ranks: dict[str, int]) -> list[str]:
    warnings = []
    highest, before = -1, ""
    for child in parent:
        name = shortened(local_name(child))
        rank = ranks.get(str(child.tag))
        if rank is None:
            warnings.append(
                f"Ligne {line_of(child)} : l'élément {name} n'a pas sa place dans "
                f"{local_name(parent)}, il est ignoré. Faites-le retirer par l'éditeur."
            )
        elif rank < highest:
            warnings.append(
                f"Ligne {line_of(child)} : {name} devrait venir avant {before} selon la norme. "
                "Le fichier est accepté ; signalez-le à l'éditeur."
            )
        else:
            highest, before = rank, name
    return warnings
