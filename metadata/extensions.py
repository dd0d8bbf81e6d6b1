"""What SPs say in Extensions: their name for people, and what they belong to or ask for.

[MetaUI] 2.1, [SAMLMetaAttr] 2, [SAMLEntCat] 2, [SAMLSubj] 4.
"""

from collections.abc import Iterator

from lxml import etree

from idp.saml.names import MDATTR, MDUI, SAML, q
from idp.saml.xml import text_of
from idp.types import SubjectIdReq
from metadata.reading import XML_LANG

MAX_NAME = 200
_LANGUAGES = ("fr", "en")

ENTITY_CATEGORY = "http://macedir.org/entity-category"
SUBJECT_ID_REQ = "urn:oasis:names:tc:SAML:profiles:subject-id:req"


def display_name(descriptor: etree._Element) -> str | None:
    """The SP's mdui:DisplayName: the French one, else the English one, else the first."""
    path = f"{q('md', 'Extensions')}/{{{MDUI}}}UIInfo/{{{MDUI}}}DisplayName"
    names: dict[str, str] = {}
    for element in descriptor.findall(path):
        text = " ".join(text_of(element).split())[:MAX_NAME]
        if text:
            language = element.get(XML_LANG, "").partition("-")[0].lower()
            names.setdefault(language, text)
    for language in _LANGUAGES:
        if language in names:
            return names[language]
    return next(iter(names.values()), None)


def subject_id_req(root: etree._Element) -> SubjectIdReq | None:
    """Which subject identifier the entity asks for; None when it does not say, or says several."""
    values = set(_entity_attribute(root, SUBJECT_ID_REQ))
    known = [each for each in SubjectIdReq if each in values]
    return known[0] if len(values) == len(known) == 1 else None


def entity_categories(root: etree._Element) -> tuple[str, ...]:
    """The categories that the entity belongs to, in its order."""
    return tuple(dict.fromkeys(_entity_attribute(root, ENTITY_CATEGORY)))


def _entity_attribute(root: etree._Element, name: str) -> Iterator[str]:
    path = f"{q('md', 'Extensions')}/{{{MDATTR}}}EntityAttributes/{{{SAML}}}Attribute"
    for attribute in root.findall(path):
        if attribute.get("Name") == name:
            for value in attribute.findall(f"{{{SAML}}}AttributeValue"):
                text = text_of(value)
                if text:
                    yield text
