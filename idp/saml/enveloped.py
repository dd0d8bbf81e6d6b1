"""Puts an enveloped signature where the schemas want it: after the Issuer. [SAMLCore] 3.2.1."""

from idp.interfaces import IKeyRing, ISigner
from idp.types import Legacy, ServiceProvider

_END_OF_ISSUER = "</saml:Issuer>"


def signed(canonical: str, element_id: str, signer: ISigner) -> str:
    """The canonical element with its Signature; its first Issuer is its own."""
    signature = signer.sign_element(canonical, element_id)
    return canonical.replace(_END_OF_ISSUER, _END_OF_ISSUER + signature, 1)


def signer_towards(service_provider: ServiceProvider, keys: IKeyRing) -> ISigner:
    """The key that signs for this SP; with RSA-SHA1 where it has that exception."""
    sha1 = Legacy.SHA1_SIGNING in service_provider.exceptions
    return keys.towards(service_provider.entity_id, sha1=sha1)
