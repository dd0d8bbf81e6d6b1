"""The KeyDescriptors of a service provider. [SAMLMeta] 2.4.1.1, [MetaIOP] 2.5.1."""

from dataclasses import dataclass

from lxml import etree

from idp.errors import MetadataError
from idp.saml.names import q
from idp.saml.signature import check_certificate
from idp.saml.xml import text_of
from metadata.certificates import Certificate, decode, read
from metadata.reading import line_of, refuse, shortened

SIGNING = "signing"
ENCRYPTION = "encryption"


@dataclass(frozen=True, slots=True)
class Keys:
    """DER certificates by use; the algorithms that the SP lists for encryption, in its order.

    ``lines``: where each certificate stands first.
    """

    signing: tuple[bytes, ...]
    encryption: tuple[bytes, ...]
    encryption_methods: tuple[str, ...]
    warnings: tuple[str, ...]
    lines: dict[bytes | str, int]


def read_keys(descriptor: etree._Element) -> Keys:
    """Every key of an SPSSODescriptor; one without ``use`` counts for both uses.

    Raises:
        MetadataError: a KeyDescriptor without a readable certificate, or with an unknown use.
    """
    # Dictionaries, because they keep the order and drop what is said twice.
    signing: dict[bytes, None] = {}
    encryption: dict[bytes, None] = {}
    methods: dict[str, None] = {}
    warnings: list[str] = []
    lines: dict[bytes | str, int] = {}
    for element in descriptor.findall(q("md", "KeyDescriptor")):
        use = _use(element)
        certificate = _certificate(element)
        lines.setdefault(certificate.der, line_of(element) or 0)
        if use != ENCRYPTION:
            signing[certificate.der] = None
        if use == SIGNING:
            continue
        if certificate.rsa_bits is None:
            warnings.append(
                f"Ligne {line_of(element)} : la clé de chiffrement n'est pas une clé RSA, nous "
                "ne pouvons pas l'employer. Demandez à l'éditeur une clé RSA."
            )
            continue
        encryption[certificate.der] = None
        methods.update(dict.fromkeys(_methods(element)))
    return Keys(tuple(signing), tuple(encryption), tuple(methods), tuple(warnings), lines)


def _use(element: etree._Element) -> str | None:
    use = element.get("use")
    if use not in {None, SIGNING, ENCRYPTION}:
        refuse(
            element,
            f"KeyDescriptor a pour usage « {shortened(use or '')} ». "
            'Écrivez use="signing" ou use="encryption".',
        )
    return use


def _methods(element: etree._Element) -> list[str]:
    algorithms = (
        each.get("Algorithm", "") for each in element.findall(q("md", "EncryptionMethod"))
    )
    return [algorithm.strip() for algorithm in algorithms if algorithm.strip()]


def _certificate(element: etree._Element) -> Certificate:
    """The certificate of a KeyDescriptor; several must be of one key. [MetaIOP] 2.5.1.

    A chain is refused: trusting each of its certificates would let the authority sign for the SP.
    """
    path = f"{q('ds', 'KeyInfo')}/{q('ds', 'X509Data')}/{q('ds', 'X509Certificate')}"
    certificates = [_read(each) for each in element.findall(path)]
    if not certificates:
        refuse(
            element,
            "KeyDescriptor ne contient pas de certificat. Ajoutez-y KeyInfo, X509Data et "
            "X509Certificate.",
        )
    if len({certificate.public_key for certificate in certificates}) > 1:
        refuse(
            element,
            "KeyDescriptor contient les certificats de plusieurs clés. Faites un KeyDescriptor "
            "par clé, sans le certificat de l'autorité.",
        )
    return certificates[0]


def _read(element: etree._Element) -> Certificate:
    try:
        certificate = read(decode(text_of(element)))
        check_certificate(certificate.der)
    except (ValueError, MetadataError):
        refuse(
            element,
            "le certificat est illisible. Copiez-le en entier, en base64 (le texte entre "
            "BEGIN CERTIFICATE et END CERTIFICATE d'un fichier PEM).",
        )
    return certificate
