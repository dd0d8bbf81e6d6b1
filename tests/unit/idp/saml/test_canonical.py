"""What is written as canonical text is what lxml's canonicaliser makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.saml.canonical import Canonical, Node, element, render
from idp.saml.xml import canonicalize, parse

XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r").filter(
        lambda character: character not in "\ufffe\uffff"
    ),
    max_size=30,
)
TAGS = st.sampled_from(["saml:Issuer", "samlp:Status", "md:Extensions", "ds:Object", "mdui:Logo"])
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["ID2", "Format", "Name", "xml:lang", "aB"]), st.none() | XML_TEXT
)
NODES = st.recursive(
    st.builds(element, TAGS, ATTRIBUTES),
    lambda inner: st.builds(
        lambda tag, attributes, children: element(tag, attributes, *children),
        TAGS,
        ATTRIBUTES,
        st.lists(inner | XML_TEXT, max_size=4),
    ),
    max_leaves=12,
)


@given(NODES)
def test_rendered_text_is_its_own_exclusive_canonical_form(node: Node) -> None:
    text = render(node)
    assert canonicalize(parse(text.encode())).decode() == text


def test_a_ready_piece_is_put_in_as_it_is() -> None:
    inner = render(element("saml:Assertion", {"ID": "a"}, "é"))
    text = render(element("samlp:Response", {"ID": "r"}, Canonical(inner)))
    assert inner in text
    assert canonicalize(parse(text.encode())).decode() == text


@pytest.mark.parametrize("character", ["\0", "\x0b", "\ud800", "\ufffe"])
def test_a_character_that_xml_cannot_carry_is_refused(character: str) -> None:
    with pytest.raises(ValueError, match="cannot carry"):
        render(element("saml:AttributeValue", None, f"a{character}b"))
