"""How a sign-on (:mod:`idp.sign_on`) goes on: what the views make a page or a redirection of."""

from dataclasses import dataclass

from idp.types import Entitlement, NotEntitled


@dataclass(frozen=True, slots=True)
class HandOver:
    """What the browser must post to the SP."""

    display_name: str
    action: str
    saml_response: str
    relay_state: str | None


@dataclass(frozen=True, slots=True)
class SignInNeeded:
    """Nobody usable is signed in, or the SP wants the password again (ForceAuthn)."""


@dataclass(frozen=True, slots=True)
class ChoiceNeeded:
    """Several memberships hold a role there and the SP takes one: ask which."""

    entitlements: tuple[Entitlement, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """No role, no entry. ``told`` is what the person may take back to an SP that wants to know."""

    not_entitled: NotEntitled
    told: HandOver | None = None


Outcome = HandOver | SignInNeeded | ChoiceNeeded | Refused
