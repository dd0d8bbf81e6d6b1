"""The four demonstration applications: who they are, and what each wants of an identity provider.

This module and those of the service-provider program (``sp``, ``crypto``, ``credentials``,
``description``, ``acceptance``, ``logout``, ``state``, ``pages``) import nothing of Convergences:
they play strangers.
"""

from dataclasses import dataclass

EMAIL_ADDRESS = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
SOAP = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"


@dataclass(frozen=True, slots=True)
class DemoApplication:
    """One demonstration application; ``name`` is its folder in addresses.

    ``asks_name_id``: its AuthnRequest carries a NameIDPolicy; otherwise the registration decides.
    ``logout``: the bindings of its SingleLogoutService.
    """

    name: str
    label: str
    description: str
    letters: str
    name_id_format: str
    signs_requests: bool = False
    wants_encryption: bool = False
    asks_name_id: bool = False
    logout: tuple[str, ...] = (REDIRECT,)

    def base(self, port: int) -> str:
        """The address of its first page, with the final slash."""
        return f"http://localhost:{port}/{self.name}/"

    def entity_id(self, port: int) -> str:
        """Its entityID, where its metadata document is found too. [SAMLMeta] 4.1.1."""
        return f"{self.base(port)}metadata"

    def acs(self, port: int) -> str:
        """Its AssertionConsumerService, by HTTP-POST. [SAMLProf] 4.1.4."""
        return f"{self.base(port)}acs"

    def slo(self, port: int) -> str:
        """Its SingleLogoutService, by HTTP-Redirect and HTTP-POST. [SAMLProf] 4.4."""
        return f"{self.base(port)}slo"

    def slo_soap(self, port: int) -> str:
        """Its SingleLogoutService, by SOAP."""
        return f"{self.base(port)}slo/soap"


APPLICATIONS = (
    DemoApplication(
        name="bip",
        label="BIP",
        description="Banque d'informations statutaires",
        letters="BIP",
        name_id_format=PERSISTENT,
        signs_requests=True,
        asks_name_id=True,
        logout=(REDIRECT, POST),
    ),
    DemoApplication(
        name="net-cotisations",
        label="Net-Cotisations",
        description="Déclaration des cotisations au centre de gestion",
        letters="NCo",
        name_id_format=EMAIL_ADDRESS,
        logout=(POST,),
    ),
    DemoApplication(
        name="net-cap",
        label="Net-CAP",
        description="Saisine des commissions administratives paritaires",
        letters="CAP",
        name_id_format=TRANSIENT,
        wants_encryption=True,
        asks_name_id=True,
        logout=(SOAP, REDIRECT),
    ),
    DemoApplication(
        name="site",
        label="Site internet",
        description="Contenus réservés aux collectivités affiliées",
        letters="www",
        name_id_format=EMAIL_ADDRESS,
    ),
)
