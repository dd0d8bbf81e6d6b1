"""RequestedAuthnContext with its four Comparisons."""

import pytest

from idp.errors import NoAuthnContext
from idp.messages import RequestedAuthnContext
from idp.saml.authn_context import declared_class
from idp.types import AuthnContext

PPT = AuthnContext.PASSWORD_PROTECTED_TRANSPORT
PASSWORD = AuthnContext.PASSWORD
UNSPECIFIED = AuthnContext.UNSPECIFIED
X509 = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509"
UNKNOWN = "urn:example:unknown"


@pytest.mark.parametrize(
    ("comparison", "classes", "stated"),
    [
        ("exact", (PPT,), PPT),
        ("exact", (X509, PPT), PPT),
        ("exact", (PASSWORD,), PASSWORD),
        ("exact", (UNSPECIFIED,), UNSPECIFIED),
        ("minimum", (PASSWORD,), PPT),
        ("minimum", (X509, PASSWORD), PPT),
        ("maximum", (X509,), PPT),
        ("maximum", (PPT,), PPT),
        ("better", (PASSWORD,), PPT),
    ],
)
def test_what_can_be_met(comparison: str, classes: tuple[str, ...], stated: str) -> None:
    assert declared_class(PPT, RequestedAuthnContext(classes, comparison)) == stated


@pytest.mark.parametrize(
    ("comparison", "classes"),
    [
        ("exact", (X509,)),
        ("exact", (UNKNOWN,)),
        ("minimum", (X509,)),
        ("minimum", (UNKNOWN,)),
        ("maximum", (PASSWORD,)),
        ("maximum", (UNKNOWN,)),
        ("better", (PPT,)),
        ("better", (PASSWORD, X509)),
        ("better", (UNKNOWN,)),
    ],
)
def test_what_cannot_be_met(comparison: str, classes: tuple[str, ...]) -> None:
    with pytest.raises(NoAuthnContext):
        declared_class(PPT, RequestedAuthnContext(classes, comparison))


def test_nothing_asked_states_what_happened() -> None:
    assert declared_class(PPT, None) == PPT


def test_declaration_references_cannot_be_met() -> None:
    with pytest.raises(NoAuthnContext):
        declared_class(PPT, RequestedAuthnContext((), "exact", ("urn:example:declaration",)))
