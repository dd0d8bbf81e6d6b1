"""What an AuthnRequest may hold, part by part; nothing is believed yet. [SAMLCore] 3.4.1.

Each function raises UnreadableMessage for what the schema does not have.
"""

from lxml import etree

from idp.errors import UnreadableMessage
from idp.messages import Conditions, NameIDPolicy, RequestedAuthnContext
from idp.saml.names import ENTITY_NAME_ID_FORMAT, q
from idp.saml.shape import (
    MANY,
    MAX_URI,
    boolean,
    check_attributes,
    check_count,
    check_empty,
    check_few,
    check_leaf,
    check_no_text,
    optional_instant,
    optional_string,
    sequence,
    string,
    uri,
    uri_text,
)
from idp.saml.xml import text_of
from idp.types import NameID

_NAME_ID = ("Format", "NameQualifier", "SPNameQualifier", "SPProvidedID")
_COMPARISONS = {"exact", "minimum", "maximum", "better"}
_IDENTIFIERS = {q("saml", name) for name in ("NameID", "BaseID", "EncryptedID")}
_CONFIRMATION = q("saml", "SubjectConfirmation")


def issuer(node: etree._Element | None) -> str:
    """The entityID that the message claims. [SAMLProf] 4.1.4.1."""
    if node is None:
        raise UnreadableMessage("a message without Issuer")
    check_leaf(node, _NAME_ID)
    if uri(node, "Format") not in {None, ENTITY_NAME_ID_FORMAT}:
        raise UnreadableMessage("the Issuer's Format is not entity")
    return string(text_of(node), "Issuer", MAX_URI)


def subject(node: etree._Element | None) -> tuple[NameID | None, bool]:
    """The person whom the SP wants, and whether it says how he is to be confirmed.

    [SAMLCore] 2.4.1. An identifier that we cannot read has no value: it matches nobody.
    """
    if node is None:
        return None, False
    check_attributes(node, ())
    identifier, confirmations = _identifier(node)
    if identifier is None:
        return None, True
    if identifier.tag != q("saml", "NameID"):
        return NameID(value="", format=""), bool(confirmations)
    return name_id(identifier), bool(confirmations)


def name_id(node: etree._Element) -> NameID:
    """An identifier that can be read. [SAMLCore] 2.2.3."""
    check_leaf(node, _NAME_ID)
    return NameID(
        value=string(text_of(node), "NameID", MAX_URI),
        format=uri(node, "Format") or "",
        name_qualifier=node.get("NameQualifier"),
        sp_name_qualifier=node.get("SPNameQualifier"),
    )


def name_id_policy(node: etree._Element | None) -> NameIDPolicy | None:
    """What the SP asks of the identifier. [SAMLCore] 3.4.1.1."""
    if node is None:
        return None
    check_empty(node, ("Format", "SPNameQualifier", "AllowCreate"))
    wanted = uri(node, "Format")
    return NameIDPolicy(
        format=None if wanted is None else string(wanted, "Format", MAX_URI),
        sp_name_qualifier=optional_string(node, "SPNameQualifier"),
        allow_create=boolean(node, "AllowCreate"),
    )


def conditions(node: etree._Element | None) -> Conditions:
    """What the SP asks of the assertion's validity. [SAMLCore] 2.5.1.

    OneTimeUse and ProxyRestriction are read and need nothing of us: a bearer's assertion is taken
    once as it is ([SAMLProf] 4.1.4.5), and the SP is free to bind itself.
    """
    if node is None:
        return Conditions()
    check_attributes(node, ("NotBefore", "NotOnOrAfter"))
    check_no_text(node)
    check_few(node)
    not_before = optional_instant(node, "NotBefore")
    not_on_or_after = optional_instant(node, "NotOnOrAfter")
    if not_before and not_on_or_after and not_before >= not_on_or_after:
        raise UnreadableMessage("the Conditions end before they begin")
    audiences: list[tuple[str, ...]] = []
    counts = dict.fromkeys(("OneTimeUse", "ProxyRestriction", "Condition"), 0)
    for child in node:
        name = etree.QName(child).localname
        if child.tag == q("saml", "AudienceRestriction"):
            check_attributes(child, ())
            audiences.append(_audiences(child))
        elif child.tag == q("saml", name) and name in counts:
            counts[name] += 1
            _check_condition(child, name)
        else:
            raise UnreadableMessage(f"{node.tag} has no child {child.tag!r:.200}")
    if counts["OneTimeUse"] > 1 or counts["ProxyRestriction"] > 1:
        raise UnreadableMessage("a condition that may be there once is repeated")
    unknown = bool(counts["Condition"])
    return Conditions(not_before, not_on_or_after, tuple(audiences), unknown=unknown)


def requested_authn_context(node: etree._Element | None) -> RequestedAuthnContext | None:
    """How the SP wants the person to have signed in. [SAMLCore] 3.3.2.2.1."""
    if node is None:
        return None
    check_attributes(node, ("Comparison",))
    check_no_text(node)
    check_few(node)
    comparison = node.get("Comparison", "exact")
    if comparison not in _COMPARISONS:
        raise UnreadableMessage("an unknown Comparison")
    texts: dict[str, list[str]] = {"AuthnContextClassRef": [], "AuthnContextDeclRef": []}
    for child in node:
        name = etree.QName(child).localname
        if name not in texts or child.tag != q("saml", name):
            raise UnreadableMessage(f"{node.tag} has no child {child.tag!r:.200}")
        texts[name].append(uri_text(child))
    classes, declarations = (tuple(each) for each in texts.values())
    if bool(classes) == bool(declarations):
        raise UnreadableMessage("a RequestedAuthnContext holds class or declaration references")
    return RequestedAuthnContext(classes, comparison, declarations)


def check_scoping(node: etree._Element | None) -> None:
    """See that a Scoping is one; it says nothing to an IdP that asks no other. [SAMLCore] 3.4.1.2.

    So ProxyCount, 0 as well, always holds.
    """
    if node is None:
        return
    check_attributes(node, ("ProxyCount",))
    check_count(node, "ProxyCount")
    lists, requesters = sequence(
        node, (q("samlp", "IDPList"), 0, 1), (q("samlp", "RequesterID"), 0, MANY)
    )
    for requester in requesters:
        uri_text(requester)
    for each in lists:
        _check_idp_list(each)


def _check_idp_list(node: etree._Element) -> None:
    check_attributes(node, ())
    entries, complete = sequence(
        node, (q("samlp", "IDPEntry"), 1, MANY), (q("samlp", "GetComplete"), 0, 1)
    )
    for entry in entries:
        check_empty(entry, ("ProviderID", "Name", "Loc"))
        string(entry.get("ProviderID", ""), "ProviderID", MAX_URI)
    for each in complete:
        uri_text(each)


def _identifier(
    node: etree._Element,
) -> tuple[etree._Element | None, tuple[etree._Element, ...]]:
    """The one identifier of a Subject, if there is one, and the confirmations after it."""
    kind = node[0].tag if len(node) else None
    parts = [(kind, 1, 1)] if kind in _IDENTIFIERS else []
    *found, confirmations = sequence(node, *parts, (_CONFIRMATION, 0 if parts else 1, MANY))
    return (found[0][0] if found else None), confirmations


def _audiences(node: etree._Element, *, least: int = 1) -> tuple[str, ...]:
    (audiences,) = sequence(node, (q("saml", "Audience"), least, MANY))
    return tuple(uri_text(each) for each in audiences)


def _check_condition(node: etree._Element, name: str) -> None:
    if name == "OneTimeUse":
        check_empty(node)
    elif name == "ProxyRestriction":
        check_attributes(node, ("Count",))
        check_count(node, "Count")
        _audiences(node, least=0)
