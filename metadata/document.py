"""From a document to the one EntityDescriptor that is registered of it. [SAMLMeta] 2.3.

A federation describes all its members in one EntitiesDescriptor, signed as a whole: the signature
is verified first, then one entity is taken out, with the end that the whole had.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree

from idp.errors import MetadataError, SignatureRefused, UnreadableMessage
from idp.saml import xml
from idp.saml.instants import write_instant
from idp.saml.names import q
from idp.saml.signature import verify_element
from metadata.reading import duration, instant, line_of, refuse, shortened

MOST_NAMES = 40
"""How many entityIDs an error lists."""

_GROUP = q("md", "EntitiesDescriptor")
_ENTITY = q("md", "EntityDescriptor")
_SIGNATURE = q("ds", "Signature")


@dataclass(frozen=True, slots=True)
class Chosen:
    """An EntityDescriptor to register: byte for byte as it came, unless it was one of several.

    ``first_line``: where it begins in the document that it was taken out of.
    """

    xml: bytes
    first_line: int | None = None


def choose(data: bytes, *, entity_id: str | None = None, signer: bytes | None = None) -> Chosen:
    """The entity of this entityID, or the only service provider that the document describes.

    ``signer``: the certificate (DER) whose key must have signed the whole document.

    Raises:
        MetadataError: unreadable, not signed by that key, no such entity, or several to choose
            from, which are listed.
    """
    root = _root(data)
    if signer is not None:
        _check_signer(root, signer)
    if root.tag == _GROUP:
        return _taken_out(_one_of(root, entity_id))
    if entity_id is not None and root.get("entityID") != entity_id:
        refuse(
            root,
            f"le document décrit {shortened(root.get('entityID', ''))}, et non {entity_id}. "
            "Vérifiez l'adresse ou l'entityID.",
        )
    return Chosen(data)


def unreadable(data: bytes, error: UnreadableMessage, most_bytes: int) -> MetadataError:
    """What to tell of a document that is not taken as XML, with the remedy."""
    cause = error.__cause__
    if len(data) > most_bytes:
        text = (
            f"Le fichier dépasse {most_bytes // 1024} Kio. "
            "Donnez les métadonnées de la seule application à enregistrer."
        )
    elif isinstance(cause, UnicodeDecodeError):
        line = data.count(b"\n", 0, cause.start) + 1
        text = f"Ligne {line} : le fichier n'est pas en UTF-8. Enregistrez-le dans ce codage."
    elif isinstance(cause, etree.XMLSyntaxError):
        text = (
            f"Ligne {cause.lineno or 1} : ce n'est pas du XML bien formé. "
            "Demandez de nouveau le fichier à l'éditeur, sans l'ouvrir dans un traitement de texte."
        )
    else:
        text = (
            "Le fichier n'est pas acceptable : il contient une DTD (DOCTYPE), deux fois le même "
            "identifiant (ID), trop d'éléments ou trop de niveaux, ou annonce un autre codage "
            "qu'UTF-8. Demandez à l'éditeur un fichier sans cela."
        )
    return MetadataError(error.cause, public=text)


def _root(data: bytes) -> etree._Element:
    try:
        return xml.parse(data, xml.AGGREGATE)
    except UnreadableMessage as error:
        raise unreadable(data, error, xml.AGGREGATE.octets) from error


def _check_signer(root: etree._Element, signer: bytes) -> None:
    try:
        verify_element(root, [signer])
    except SignatureRefused as error:
        raise MetadataError(
            f"not signed by the pinned key: {error.cause}", public=_why_unsigned(root)
        ) from error


def _why_unsigned(root: etree._Element) -> str:
    """What was found instead of one signature of the whole document by the key that was given."""
    found = len(list(root.iter(_SIGNATURE)))
    if root.find(_SIGNATURE) is None:
        why = (
            "Le document n'est pas signé en entier, comme le certificat donné (--signer) le "
            "demande. Demandez à l'éditeur de signer son premier élément."
        )
    elif found > 1:
        why = (
            f"Le document contient {found} signatures, une de l'ensemble et d'autres à "
            "l'intérieur : seul un document signé une fois, en entier, est accepté avec un "
            "certificat (--signer). Demandez à l'éditeur de retirer celles de l'intérieur."
        )
    else:
        why = (
            "La signature du document n'est pas celle du certificat donné (--signer), ou le "
            "document a été modifié depuis. Demandez à l'éditeur s'il a changé de clé, par un "
            "autre moyen que cette adresse."
        )
    return f"{why} Rien n'en a été lu."


def _one_of(root: etree._Element, entity_id: str | None) -> etree._Element:
    entities = [
        each for each in _entities(root) if each.find(q("md", "SPSSODescriptor")) is not None
    ]
    if entity_id is None:
        found = entities
    else:
        found = [each for each in entities if each.get("entityID") == entity_id]
    if len(found) != 1:
        refuse(root, _why_none(entities, entity_id, twice=len(found) > 1))
    return found[0]


def _why_none(entities: list[etree._Element], entity_id: str | None, *, twice: bool) -> str:
    if not entities:
        return (
            "cet agrégat (EntitiesDescriptor) ne décrit aucun fournisseur de service. "
            "Vérifiez le fichier ou l'adresse."
        )
    if entity_id is None:
        what = f"l'agrégat décrit {len(entities)} fournisseurs de service"
    elif twice:
        return f"l'agrégat décrit deux fois {shortened(entity_id)}. Signalez-le à son éditeur."
    else:
        what = f"l'agrégat ne décrit pas {shortened(entity_id)}"
    return f"{what}. Choisissez avec --entity parmi : {_listed(entities)}."


def _listed(entities: Iterable[etree._Element]) -> str:
    names = sorted(shortened(each.get("entityID", "")) for each in entities)
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f", et {more} autres" if more > 0 else "")


def _entities(group: etree._Element) -> Iterator[etree._Element]:
    """Those of the group and of the groups inside of it; never what an extension holds."""
    for child in group:
        if child.tag == _GROUP:
            yield from _entities(child)
        elif child.tag == _ENTITY:
            yield child


def _taken_out(entity: etree._Element) -> Chosen:
    """The entity alone. It ends when the first of what held it does. [SAMLMeta] 2.3.1."""
    around = [entity, *entity.iterancestors(_GROUP)]
    ends = [end for each in around if (end := instant(each, "validUntil"))]
    if ends:
        entity.set("validUntil", write_instant(min(ends)))
    durations = [kept for each in around if (kept := duration(each, "cacheDuration"))]
    if durations:
        entity.set("cacheDuration", f"PT{int(min(durations).total_seconds())}S")
    alone = etree.tostring(entity, encoding="unicode", with_tail=False)
    return Chosen(alone.encode(), line_of(entity))
