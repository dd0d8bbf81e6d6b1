"""The IdP's own EntityDescriptor: signed through ``ISigner``. [SAMLMeta], [MetaUI], [MetaAlgSup].

Only endpoints that work are advertised.
"""

from base64 import b64encode
from datetime import datetime, timedelta
from hashlib import sha256

from idp.interfaces import IClock, IMetadata, ISigner
from idp.saml.canonical import Canonical, Node, element, render
from idp.saml.instants import write_instant
from idp.saml.names import SAMLP
from idp.saml.signature import ALLOWED_DIGESTS, ALLOWED_SIGNATURES
from idp.settings import Organization, Settings
from idp.types import Binding, NameIDFormat

VALIDITY = timedelta(days=7)
CACHE_DURATION = "PT1H"
CONTENT_TYPE = "application/samlmetadata+xml"
SSO_PATH = "/saml/sso"
PRIVACY_PATH = "/donnees-personnelles"
# [MetaUI] 2.1.5 wants a size, by which one of several logos is chosen; there is only this one.
LOGO_SIZE = ("80", "80")


class Publisher:
    """``IMetadata``: the document of the current hour, signed once.

    Every node makes the same bytes in the same hour, so an ETag holds whichever answers.
    """

    def __init__(self, settings: Settings, signer: ISigner, clock: IClock) -> None:
        self._settings = settings
        self._signer = signer
        self._clock = clock
        self._held: tuple[tuple[datetime, tuple[bytes, ...]], bytes] | None = None

    def document(self) -> bytes:
        """See :class:`idp.interfaces.IMetadata`."""
        hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
        current = (hour, self._signer.certificates())
        if self._held is None or self._held[0] != current:
            self._held = (current, entity_descriptor(self._settings, self._signer, hour))
        return self._held[1]


def build(settings: Settings, signer: ISigner, clock: IClock) -> IMetadata:
    """The plug-in that the setting ``idp.metadata`` names."""
    return Publisher(settings, signer, clock)


def entity_descriptor(settings: Settings, signer: ISigner, now: datetime) -> bytes:
    """The signed EntityDescriptor (UTF-8), valid for 7 days from ``now``.

    Raises:
        ConfigurationError: there is no active key.
    """
    children = (
        _idp_descriptor(settings, signer.certificates()),
        _organization(settings.organization),
        _contact("technical", settings.organization),
        _contact("support", settings.organization),
    )
    attributes = {
        "ID": "",
        "cacheDuration": CACHE_DURATION,
        "entityID": settings.entity_id,
        "validUntil": write_instant(now + VALIDITY),
    }
    # The same content has the same ID: nothing here is random, so the ETag can be trusted.
    draft = render(element("md:EntityDescriptor", attributes, *children))
    attributes["ID"] = "_" + sha256(draft.encode()).hexdigest()
    canonical = render(element("md:EntityDescriptor", attributes, *children))
    signature = Canonical(signer.sign_element(canonical, attributes["ID"]))
    return render(element("md:EntityDescriptor", attributes, signature, *children)).encode()


def _idp_descriptor(settings: Settings, certificates: tuple[bytes, ...]) -> Node:
    attributes = {
        "WantAuthnRequestsSigned": "false",
        "errorURL": settings.url("/"),
        "protocolSupportEnumeration": SAMLP,
    }
    return element(
        "md:IDPSSODescriptor",
        attributes,
        element("md:Extensions", {}, *_algorithms(), _ui_info(settings)),
        *(_key_descriptor(certificate) for certificate in certificates),
        *(element("md:NameIDFormat", {}, each.value) for each in NameIDFormat),
        *(
            element(
                "md:SingleSignOnService",
                {"Binding": binding.value, "Location": settings.url(SSO_PATH)},
            )
            for binding in (Binding.REDIRECT, Binding.POST)
        ),
    )


def _algorithms() -> list[Node]:
    """Told, because a Shibboleth SP signs what it posts with SHA-1 unless it finds them here."""
    told = [("alg:DigestMethod", each) for each in sorted(ALLOWED_DIGESTS)]
    told += [("alg:SigningMethod", each) for each in ALLOWED_SIGNATURES]
    return [element(tag, {"Algorithm": algorithm}) for tag, algorithm in told]


def _ui_info(settings: Settings) -> Node:
    organization = settings.organization
    children = [
        _localized("mdui:DisplayName", "fr", organization.portal_name),
        _localized("mdui:DisplayName", "en", organization.portal_name),
        _localized("mdui:Description", "fr", f"Connexion aux applications de {organization.name}."),
        _localized(
            "mdui:Description", "en", f"Sign-in to the applications of {organization.name}."
        ),
        _localized("mdui:InformationURL", "fr", organization.url),
        _localized("mdui:PrivacyStatementURL", "fr", settings.url(PRIVACY_PATH)),
    ]
    # The setting may name a file as well, which has no address that lasts.
    if organization.logo.startswith("https://"):
        height, width = LOGO_SIZE
        logo = organization.logo
        children.append(element("mdui:Logo", {"height": height, "width": width}, logo))
    return element("mdui:UIInfo", {}, *children)


def _key_descriptor(certificate: bytes) -> Node:
    return element(
        "md:KeyDescriptor",
        {"use": "signing"},
        element(
            "ds:KeyInfo",
            {},
            element(
                "ds:X509Data",
                {},
                element("ds:X509Certificate", {}, b64encode(certificate).decode()),
            ),
        ),
    )


def _organization(organization: Organization) -> Node:
    return element(
        "md:Organization",
        {},
        _localized("md:OrganizationName", "fr", organization.name),
        _localized("md:OrganizationDisplayName", "fr", organization.name),
        _localized("md:OrganizationURL", "fr", organization.url),
    )


def _contact(kind: str, organization: Organization) -> Node:
    return element(
        "md:ContactPerson",
        {"contactType": kind},
        element("md:Company", {}, organization.name),
        element("md:EmailAddress", {}, f"mailto:{organization.correspondant}"),
    )


def _localized(tag: str, language: str, text: str) -> Node:
    return element(tag, {"xml:lang": language}, text)
