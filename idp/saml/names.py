"""Namespaces and algorithm identifiers, under the names that the standards give them."""

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
MDUI = "urn:oasis:names:tc:SAML:metadata:ui"
ALG = "urn:oasis:names:tc:SAML:metadata:algsupport"
MDATTR = "urn:oasis:names:tc:SAML:metadata:attribute"
REMD = "http://refeds.org/metadata"
SHIBMD = "urn:mace:shibboleth:metadata:1.0"
DS = "http://www.w3.org/2000/09/xmldsig#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XML = "http://www.w3.org/XML/1998/namespace"

PREFIXES = {
    "saml": SAML,
    "samlp": SAMLP,
    "md": MD,
    "mdui": MDUI,
    "alg": ALG,
    "mdattr": MDATTR,
    "shibmd": SHIBMD,
    "remd": REMD,
    "ds": DS,
    "soap": SOAP,
    "xenc": XENC,
    "xenc11": XENC11,
}

EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
EXCLUSIVE_C14N_WITH_COMMENTS = f"{EXCLUSIVE_C14N}WithComments"
ENVELOPED_SIGNATURE = f"{DS}enveloped-signature"

RSA_SHA1 = f"{DS}rsa-sha1"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
RSA_SHA512 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
SHA1 = f"{DS}sha1"
SHA256 = f"{XENC}sha256"
SHA384 = "http://www.w3.org/2001/04/xmldsig-more#sha384"
SHA512 = f"{XENC}sha512"

AES128_GCM = f"{XENC11}aes128-gcm"
AES256_GCM = f"{XENC11}aes256-gcm"
AES128_CBC = f"{XENC}aes128-cbc"
AES256_CBC = f"{XENC}aes256-cbc"
RSA_OAEP_MGF1P = f"{XENC}rsa-oaep-mgf1p"
RSA_OAEP = f"{XENC11}rsa-oaep"
MGF1_SHA1 = f"{XENC11}mgf1sha1"
MGF1_SHA256 = f"{XENC11}mgf1sha256"
MGF1_SHA384 = f"{XENC11}mgf1sha384"
MGF1_SHA512 = f"{XENC11}mgf1sha512"

SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
PARTIAL_LOGOUT = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout"
REQUESTER = "urn:oasis:names:tc:SAML:2.0:status:Requester"
RESPONDER = "urn:oasis:names:tc:SAML:2.0:status:Responder"
UNKNOWN_PRINCIPAL = "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal"
USER_LOGOUT = "urn:oasis:names:tc:SAML:2.0:logout:user"
ADMIN_LOGOUT = "urn:oasis:names:tc:SAML:2.0:logout:admin"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
ENTITY_NAME_ID_FORMAT = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"


def q(prefix: str, local_name: str) -> str:
    """A qualified name as lxml writes it: ``{namespace}local``."""
    return f"{{{PREFIXES[prefix]}}}{local_name}"
