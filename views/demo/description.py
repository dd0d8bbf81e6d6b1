"""The metadata document of a demonstration application, made without it running. [SAMLMeta] 2."""

from pathlib import Path

from lxml import etree
from lxml.builder import ElementMaker

from views.demo.applications import POST, SOAP, DemoApplication
from views.demo.credentials import credentials

MD = "urn:oasis:names:tc:SAML:2.0:metadata"
DS = "http://www.w3.org/2000/09/xmldsig#"
MDUI = "urn:oasis:names:tc:SAML:metadata:ui"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
AES256_GCM = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
AES128_GCM = "http://www.w3.org/2009/xmlenc11#aes128-gcm"
RSA_OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"

_md = ElementMaker(namespace=MD, nsmap={"md": MD, "ds": DS, "mdui": MDUI})
_ds = ElementMaker(namespace=DS)
_mdui = ElementMaker(namespace=MDUI)


def entity_descriptor(application: DemoApplication, port: int, var: Path) -> bytes:
    """The EntityDescriptor of this application on this port; its key is made when there is none."""
    certificate = credentials(var, application.name).certificate_base64()
    keys = [_key(certificate, "signing")]
    if application.wants_encryption:
        keys.append(_key(certificate, "encryption", AES256_GCM, AES128_GCM, RSA_OAEP))
    sso = _md.SPSSODescriptor(
        _md.Extensions(
            _mdui.UIInfo(
                _mdui.DisplayName(application.label, {XML_LANG: "fr"}),
                _mdui.Description(application.description, {XML_LANG: "fr"}),
            )
        ),
        *keys,
        *(
            _md.SingleLogoutService(
                Binding=binding,
                Location=application.slo_soap(port) if binding == SOAP else application.slo(port),
            )
            for binding in application.logout
        ),
        _md.NameIDFormat(application.name_id_format),
        _md.AssertionConsumerService(
            Binding=POST, Location=application.acs(port), index="0", isDefault="true"
        ),
        AuthnRequestsSigned=str(application.signs_requests).lower(),
        WantAssertionsSigned="true",
        protocolSupportEnumeration=SAMLP,
    )
    document = _md.EntityDescriptor(sso, entityID=application.entity_id(port))
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _key(certificate: str, use: str, *methods: str) -> etree._Element:
    return _md.KeyDescriptor(
        _ds.KeyInfo(_ds.X509Data(_ds.X509Certificate(certificate))),
        *(_md.EncryptionMethod(Algorithm=method) for method in methods),
        use=use,
    )
