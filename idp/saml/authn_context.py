"""Whether what happened at sign-in satisfies what the SP asks. [SAMLCore] 3.3.2.2.1."""

from idp.errors import NoAuthnContext
from idp.messages import RequestedAuthnContext
from idp.types import AuthnContext

# Weakest first. What comes after our own classes is known only to say that it is stronger.
_CLASSES = "urn:oasis:names:tc:SAML:2.0:ac:classes:"
STRENGTH = (
    AuthnContext.UNSPECIFIED,
    AuthnContext.PASSWORD,
    AuthnContext.PASSWORD_PROTECTED_TRANSPORT,
    f"{_CLASSES}MobileTwoFactorUnregistered",
    f"{_CLASSES}TimeSyncToken",
    f"{_CLASSES}MobileTwoFactorContract",
    f"{_CLASSES}SoftwarePKI",
    f"{_CLASSES}X509",
    f"{_CLASSES}Smartcard",
    f"{_CLASSES}SmartcardPKI",
)

_STATED = STRENGTH.index(AuthnContext.PASSWORD_PROTECTED_TRANSPORT)


def declared_class(performed: str, requested: RequestedAuthnContext | None) -> str:
    """The AuthnContextClassRef to state: true to ``performed``, and what was asked for.

    A weaker class that the SP names exactly is stated as such: it is true as well.

    Raises:
        NoAuthnContext: what happened does not satisfy the request.
    """
    if requested is None:
        return performed
    reached = STRENGTH.index(performed)
    known = [STRENGTH.index(name) for name in requested.class_refs if name in STRENGTH]
    match requested.comparison:
        case "exact":
            for position in known:
                if position <= min(reached, _STATED):
                    return STRENGTH[position]
        case "minimum" if known and reached >= min(known):
            return performed
        case "maximum" if known and reached <= max(known):
            return performed
        case "better" if known and reached > max(known):
            return performed
        case _:
            pass
    raise NoAuthnContext(
        f"{requested.comparison} {requested.class_refs or requested.declaration_refs}"
    )
