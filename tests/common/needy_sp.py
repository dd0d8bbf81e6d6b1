"""A service provider whose metadata say what it needs: a subject identifier, sets of attributes."""

from collections.abc import Mapping, Sequence

from idp.types import SubjectIdReq
from tests.common.fake_sp import SAML, FakeSP

SUBJECT_ID = "urn:oasis:names:tc:SAML:attribute:subject-id"
PAIRWISE_ID = "urn:oasis:names:tc:SAML:attribute:pairwise-id"
_REQ = "urn:oasis:names:tc:SAML:profiles:subject-id:req"
_MDATTR = "urn:oasis:names:tc:SAML:metadata:attribute"
_URI = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"


class NeedySP(FakeSP):
    """``needs`` is its ``subject-id:req``; ``requests`` the attributes' names under each index."""

    def __init__(
        self,
        name: str,
        *,
        needs: SubjectIdReq | None = None,
        requests: Mapping[int, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(name)
        self.needs = needs
        self.requests = requests or {}

    def metadata(self) -> bytes:
        """The SP's EntityDescriptor."""
        text = super().metadata().decode()
        if self.needs is not None:
            extensions = (
                f'<md:Extensions><mdattr:EntityAttributes xmlns:mdattr="{_MDATTR}">'
                f'<saml:Attribute xmlns:saml="{SAML}" Name="{_REQ}" NameFormat="{_URI}">'
                f"<saml:AttributeValue>{self.needs}</saml:AttributeValue></saml:Attribute>"
                "</mdattr:EntityAttributes></md:Extensions>"
            )
            text = text.replace("<md:SPSSODescriptor", f"{extensions}<md:SPSSODescriptor", 1)
        services = "".join(
            f'<md:AttributeConsumingService index="{index}">'
            f'<md:ServiceName xml:lang="fr">{index}</md:ServiceName>'
            + "".join(f'<md:RequestedAttribute Name="{name}"/>' for name in names)
            + "</md:AttributeConsumingService>"
            for index, names in self.requests.items()
        )
        return text.replace("</md:SPSSODescriptor>", f"{services}</md:SPSSODescriptor>").encode()
