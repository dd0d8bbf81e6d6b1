"""The IdP's own EntityDescriptor: signed through ``IKeyRing``. [SAMLMeta], [MetaUI], [MetaAlgSup].

Only endpoints that work are advertised.
"""

from base64 import b64encode
from datetime import datetime, timedelta
from hashlib import sha256

from idp import logo
from idp.interfaces import IClock, IKeyRing, IMetadata
from idp.saml.canonical import Canonical, Node, element, render
from idp.saml.instants import write_instant
from idp.saml.names import AES128_GCM, AES256_GCM, RSA_OAEP_MGF1P, SAMLP
from idp.saml.signature import ALLOWED_DIGESTS, ALLOWED_SIGNATURES
from idp.settings import Organization, Settings
from idp.types import Binding, NameFormat, NameIDFormat

VALIDITY = timedelta(days=7)
CACHE_DURATION = "PT1H"
CONTENT_TYPE = "application/samlmetadata+xml"
SSO_PATH = "/saml/sso"
LOGOUT_SERVICES = (
    (Binding.SOAP, "/saml/slo/soap"),
    (Binding.REDIRECT, "/saml/slo"),
    (Binding.POST, "/saml/slo"),
)
PRIVACY_PATH = "/donnees-personnelles"
HELP_PATH = "/aide/erreur"
SECURITY_CONTACT = "http://refeds.org/metadata/contactType/security"
PUBLISHED_ENCRYPTION = (AES256_GCM, AES128_GCM, RSA_OAEP_MGF1P)

_Content = tuple[datetime, tuple[bytes, ...], tuple[bytes, ...]]
"""What a document depends on: its hour, and the certificates in it."""


class Publisher:
    """``IMetadata``: the document of the current hour, signed once.

    Every node makes the same bytes in the same hour, so an ETag holds whichever answers.
    """

    def __init__(self, settings: Settings, keys: IKeyRing, clock: IClock) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._held: tuple[_Content, bytes] | None = None

    def document(self) -> bytes:
        """See :class:`idp.interfaces.IMetadata`."""
        hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
        current = (
            hour,
            self._keys.certificates(),
            self._keys.encryption_certificates(),
        )
        if self._held is None or self._held[0] != current:
            self._held = (current, entity_descriptor(self._settings, self._keys, hour))
        return self._held[1]


def build(settings: Settings, keys: IKeyRing, clock: IClock) -> IMetadata:
    """The plug-in that the setting ``idp.metadata`` names."""
    return Publisher(settings, keys, clock)


def entity_descriptor(settings: Settings, keys: IKeyRing, now: datetime) -> bytes:
    """The signed EntityDescriptor (UTF-8), valid for 7 days from ``now``.

    Raises:
        ConfigurationError: there is no active key.
    """
    children = (
        *_entity_attributes(settings.entity_attributes),
        _idp_descriptor(settings, keys),
        _organization(settings.organization),
        _contact("technical", settings.organization),
        _contact("support", settings.organization),
        _contact("other", settings.organization, SECURITY_CONTACT),
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
    signature = Canonical(keys.sign_element(canonical, attributes["ID"]))
    return render(element("md:EntityDescriptor", attributes, signature, *children)).encode()


def _idp_descriptor(settings: Settings, keys: IKeyRing) -> Node:
    attributes = {
        "WantAuthnRequestsSigned": "false",
        "errorURL": settings.url(HELP_PATH),
        "protocolSupportEnumeration": SAMLP,
    }
    return element(
        "md:IDPSSODescriptor",
        attributes,
        element("md:Extensions", {}, _scope(settings), *_algorithms(), _ui_info(settings)),
        *(_key_descriptor("signing", each) for each in keys.certificates()),
        *(
            _key_descriptor("encryption", each, *_encryption_methods())
            for each in keys.encryption_certificates()
        ),
        *(
            element(
                "md:SingleLogoutService",
                {"Binding": binding.value, "Location": settings.url(path)},
            )
            for binding, path in LOGOUT_SERVICES
        ),
        *(element("md:NameIDFormat", {}, each.value) for each in NameIDFormat),
        *(
            element(
                "md:SingleSignOnService",
                {"Binding": binding.value, "Location": settings.url(SSO_PATH)},
            )
            for binding in (Binding.REDIRECT, Binding.POST)
        ),
    )


def _entity_attributes(stated: tuple[tuple[str, str], ...]) -> list[Node]:
    """What the operator states of this IdP, nothing by itself. [SAMLMetaAttr] 2.4."""
    if not stated:
        return []
    values: dict[str, list[str]] = {}
    for name, value in stated:
        values.setdefault(name, []).append(value)
    attributes = (
        element(
            "saml:Attribute",
            {"Name": name, "NameFormat": NameFormat.URI.value},
            *(element("saml:AttributeValue", {}, value) for value in held),
        )
        for name, held in values.items()
    )
    return [element("md:Extensions", {}, element("mdattr:EntityAttributes", {}, *attributes))]


def _scope(settings: Settings) -> Node:
    """The only domain after an @ that SPs should take from us. [saml2int] SDP-MD."""
    return element("shibmd:Scope", {"regexp": "false"}, settings.scope)


def _algorithms() -> list[Node]:
    """Told, because a Shibboleth SP signs what it posts with SHA-1 unless it finds them here."""
    told = [("alg:DigestMethod", each) for each in sorted(ALLOWED_DIGESTS)]
    told += [("alg:SigningMethod", each) for each in ALLOWED_SIGNATURES]
    return [element(tag, {"Algorithm": algorithm}) for tag, algorithm in told]


def _ui_info(settings: Settings) -> Node:
    organization = settings.organization
    image = logo.load(organization)
    size = logo.OWN_MARK_SIZE if image is None else image.size
    return element(
        "mdui:UIInfo",
        {},
        _localized("mdui:DisplayName", "fr", organization.portal_name),
        _localized("mdui:DisplayName", "en", organization.portal_name),
        _localized("mdui:Description", "fr", f"Connexion aux applications de {organization.name}."),
        _localized(
            "mdui:Description", "en", f"Sign-in to the applications of {organization.name}."
        ),
        _localized("mdui:InformationURL", "fr", organization.url),
        _localized("mdui:PrivacyStatementURL", "fr", settings.url(PRIVACY_PATH)),
        element(
            "mdui:Logo",
            {"height": str(size.height), "width": str(size.width)},
            settings.url(logo.LOGO_PATH),
        ),
    )


def _key_descriptor(use: str, certificate: bytes, *methods: Node) -> Node:
    text = b64encode(certificate).decode()
    data = element("ds:X509Data", {}, element("ds:X509Certificate", {}, text))
    return element("md:KeyDescriptor", {"use": use}, element("ds:KeyInfo", {}, data), *methods)


def _encryption_methods() -> list[Node]:
    """What is told is read by every SP of these years; more is understood. [SAMLMeta] 2.4.1.1."""
    return [element("md:EncryptionMethod", {"Algorithm": each}) for each in PUBLISHED_ENCRYPTION]


def _organization(organization: Organization) -> Node:
    return element(
        "md:Organization",
        {},
        _localized("md:OrganizationName", "fr", organization.name),
        _localized("md:OrganizationDisplayName", "fr", organization.name),
        _localized("md:OrganizationURL", "fr", organization.url),
    )


def _contact(kind: str, organization: Organization, meant: str | None = None) -> Node:
    """``meant``: what ``other`` stands for. [REFEDS] Security Contact Metadata Extension Schema."""
    return element(
        "md:ContactPerson",
        {"contactType": kind, "remd:contactType": meant},
        element("md:Company", {}, organization.name),
        element("md:GivenName", {}, "Correspondant"),
        element("md:EmailAddress", {}, f"mailto:{organization.correspondant}"),
    )


def _localized(tag: str, language: str, text: str) -> Node:
    return element(tag, {"xml:lang": language}, text)
