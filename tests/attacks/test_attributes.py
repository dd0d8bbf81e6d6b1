"""A curious service provider: whatever it asks, it receives what its registration says, no more."""

import pytest
from lxml import etree

from idp.saml.subject_ids import RULES
from idp.types import Source
from metadata.options import Choice
from metadata.registry import Registry
from metadata.rule_sets import RULE_SETS
from tests.attacks.conftest import Street
from tests.common.fake_sp import SAMLP
from tests.common.needy_sp import NeedySP
from tests.functional.conftest import IDP

REQUEST_ATTRIBUTES = "urn:oasis:names:tc:SAML:protocol:ext:req-attr"
MD = "urn:oasis:names:tc:SAML:2.0:metadata"
EVERY_NAME = sorted(
    {rule.name for rules in RULE_SETS.values() for rule in rules}
    | {rule.name for rule in RULES.values()}
    | {source.value for source in Source}
)
GIVEN = {rule.name for rule in RULE_SETS["site"]}


@pytest.fixture
def curious(street: Street) -> NeedySP:
    """Its metadata request everything that there is, under two indexes."""
    sp = NeedySP("curieux", requests={0: EVERY_NAME, 1: sorted(set(EVERY_NAME) - GIVEN)})
    registry, directory = Registry(street.world.services.core), street.world.directory
    if not registry.exists(sp.entity_id):
        registry.add(sp.metadata(), Choice(rule_set="site"), application="curieux")
        street.world.services.service_providers._snapshot.forget()
        directory.add_application("curieux", "Curieux", entity_id=sp.entity_id)
        directory.add_role("curieux", "gest", "Gestionnaire")
        directory.assign(street.world.memberships["agent/vitry"], "curieux", "gest")
    return sp


def received(street: Street, sp: NeedySP, *children: etree._Element, **attributes: str) -> set[str]:
    """The names of the attributes that the SP gets for this request."""
    request = sp.authn_request(*children, now=street.world.now, **attributes)
    answer = street.app.get(f"/saml/sso?{sp.redirect_query(request)}", status=200)
    told = sp.consume(
        answer.text,
        idp_certificate=street.world.services.signer.certificates()[0],
        idp_entity_id=IDP,
        now=street.world.now,
        request_id=request.get("ID"),
    )
    return set(told.attributes)


@pytest.mark.parametrize(
    ("index", "expected"), [("0", GIVEN), ("1", set()), ("2", GIVEN), ("65535", GIVEN)]
)
def test_an_index_widens_nothing(
    index: str, expected: set[str], street: Street, curious: NeedySP
) -> None:
    assert received(street, curious, AttributeConsumingServiceIndex=index) == expected


def test_attributes_that_the_request_itself_lists_widen_nothing(
    street: Street, curious: NeedySP
) -> None:
    extensions = etree.Element(f"{{{SAMLP}}}Extensions")
    listed = etree.SubElement(extensions, f"{{{REQUEST_ATTRIBUTES}}}RequestedAttributes")
    for name in EVERY_NAME:
        etree.SubElement(listed, f"{{{MD}}}RequestedAttribute", Name=name, isRequired="true")
    assert received(street, curious, extensions) == GIVEN
