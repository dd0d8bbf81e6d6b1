"""The checks that every message from an SP must pass, whatever it asks. [SAMLBind] 3.4.5, 3.5.5."""

from datetime import datetime, timedelta

from lxml import etree

from idp.errors import RequestRefused, RequestTooOld, SignatureRefused
from idp.saml.bindings import Message
from idp.saml.names import q
from idp.saml.signature import verify_element, verify_octets
from idp.types import Binding, Legacy, ServiceProvider

SKEW = timedelta(seconds=180)
LIFETIME = timedelta(minutes=5)


def check_signature(
    root: etree._Element,
    message: Message,
    service_provider: ServiceProvider,
    *,
    demanded: str | None,
) -> None:
    """A signature that is there must verify with one of this SP's certificates.

    ``demanded`` says why one must be there; None when it need not. RSA-SHA1 is taken of an SP that
    has the exception for it.

    Raises:
        SignatureRefused: it does not, or is not.
    """
    certificates = service_provider.signing_certificates
    sha1 = Legacy.SHA1_SIGNATURE in service_provider.exceptions
    enveloped = any(True for _ in root.iter(q("ds", "Signature")))
    if message.binding is Binding.REDIRECT and enveloped:
        # Its sender had to remove it: where a message is signed is one place, which is looked at.
        raise SignatureRefused(
            "a Redirect message with a Signature element: [SAMLBind] 3.4.4.1 wants the signature "
            "in the query (SigAlg, Signature)"
        )
    if message.signature is not None:
        verify_octets(
            message.signature.octets,
            message.signature.algorithm,
            message.signature.value,
            certificates,
            sha1=sha1,
        )
    elif enveloped:
        verify_element(root, certificates, sha1=sha1)
    elif demanded is not None:
        raise SignatureRefused(f"not signed, and {demanded}")


def check_destination(given: str | None, expected: str, *, signed: bool) -> None:
    """A Destination must be ours, to the byte; a signed message must have one.

    Raises:
        RequestRefused: it is another's, or absent.
    """
    if given is None and signed:
        raise RequestRefused("a signed message without Destination")
    if given is not None and given != expected:
        raise RequestRefused(f"the Destination is {given!r:.256}")


def check_version(version: str) -> None:
    """SAML 2.0 only. [SAMLCore] 3.2.1.

    Raises:
        RequestRefused: another version.
    """
    if version != "2.0":
        raise RequestRefused(f"the Version is {version!r:.256}")


def check_age(issue_instant: datetime, now: datetime) -> None:
    """Issued in the last 5 minutes, with 180 s of skew on either side.

    Raises:
        RequestRefused: it was not; RequestTooOld where another one may be in time.
    """
    if issue_instant > now + SKEW:
        raise RequestRefused(f"issued in the future: {issue_instant.isoformat()}")
    if issue_instant < now - LIFETIME - SKEW:
        raise RequestTooOld(f"issued too long ago: {issue_instant.isoformat()}")
