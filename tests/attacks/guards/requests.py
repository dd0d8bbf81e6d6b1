"""Guards of what makes a request believable: when, to whom, where to, and once."""

from datetime import timedelta
from functools import partial

from lxml import etree

from idp.saml.names import q
from idp.types import Binding, Endpoint
from metadata.registry import Registry
from tests.attacks.conftest import Street
from tests.attacks.guards.guard import (
    SUCCESS,
    Guard,
    asking,
    by_redirect,
    message,
    nothing,
    request,
)
from tests.common.fake_sp import FakeSP

REFUSED = "request-refused"
UNKNOWN_SP = "unknown-service-provider"
UNKNOWN_ENDPOINT = "unknown-endpoint"
ACCEPT = "idp.saml.authn_request"
CHECKS = "idp.saml.checks"
FOREVER = timedelta(days=36500)


def issued(ago: timedelta, street: Street) -> str:
    sp = street.world.sps["net-cap"]
    return message(street, sp.authn_request(now=street.world.now - ago))


def held(name: str, ago: timedelta, street: Street) -> str:
    """Fresh, and its own Conditions say that it holds no longer, or not yet."""
    until = (street.world.now - ago).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = etree.Element(q("saml", "Conditions"), {name: until})
    return message(street, request(street, "net-cap", conditions))


def to_nobody(street: Street) -> str:
    """What BIP signed, for whichever IdP it may be."""
    sp = street.world.sps["bip"]
    return by_redirect(street, sp.redirect_query(request(street, "bip", Destination=None)))


def replayed(street: Street) -> str:
    xml = etree.tostring(request(street, "net-cap"))
    assert message(street, xml) == SUCCESS
    return message(street, xml)


def stranger(street: Street) -> str:
    """A service provider that nobody registered, which registers itself by speaking."""
    return message(street, FakeSP("inconnu").authn_request(now=street.world.now))


def disabled_elsewhere(street: Street) -> str:
    """Another process disables the SP; this one learns it within a second."""
    registry = Registry(street.world.services.core)
    entity_id = street.world.sps["site"].entity_id
    snapshot = street.world.services.service_providers._snapshot
    snapshot.get()
    registry.disable(entity_id)
    snapshot._asked_at -= 2
    try:
        return message(street, request(street, "site"))
    finally:
        registry.enable(entity_id)
        snapshot.forget()
        snapshot.get()


def believed(service_provider: object, *, url: str | None = None, **others: object) -> Endpoint:
    """The endpoint that the message names."""
    del service_provider, others
    return Endpoint(Binding.POST, url or "https://net-cap.example/acs")


ANY_ENDPOINT = {f"{ACCEPT}.find_acs": believed}
ARTIFACT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"

GUARDS = (
    Guard(
        "an old IssueInstant",
        partial(issued, timedelta(minutes=8, seconds=1)),
        {f"{CHECKS}.LIFETIME": FOREVER},
        REFUSED,
    ),
    Guard(
        "an IssueInstant to come",
        partial(issued, -timedelta(seconds=181)),
        {f"{CHECKS}.SKEW": FOREVER},
        REFUSED,
    ),
    Guard(
        "a clock that is slow is no fault",
        partial(issued, timedelta(minutes=7, seconds=59)),
        {f"{CHECKS}.SKEW": timedelta()},
        SUCCESS,
        REFUSED,
    ),
    Guard(
        "a clock that is fast is no fault",
        partial(issued, -timedelta(seconds=179)),
        {f"{CHECKS}.SKEW": timedelta()},
        SUCCESS,
        REFUSED,
    ),
    Guard(
        "its Conditions are over",
        partial(held, "NotOnOrAfter", timedelta(seconds=180)),
        {f"{ACCEPT}.SKEW": FOREVER},
        REFUSED,
    ),
    Guard(
        "its Conditions are to come",
        partial(held, "NotBefore", -timedelta(seconds=181)),
        {f"{ACCEPT}.SKEW": FOREVER},
        REFUSED,
    ),
    Guard(
        "Version",
        asking("net-cap", Version="1.1"),
        {f"{ACCEPT}.check_version": nothing},
        REFUSED,
    ),
    Guard(
        "a signed request names its Destination",
        to_nobody,
        {f"{ACCEPT}.check_destination": nothing},
        REFUSED,
    ),
    Guard(
        "Destination",
        asking("net-cap", Destination="https://another-idp.example/saml/sso"),
        {f"{ACCEPT}.check_destination": nothing},
        REFUSED,
    ),
    Guard(
        "an ID is used once",
        replayed,
        {"idp.sessions.authn_requests.AuthnRequests.answer_at_once": nothing},
        "replayed-message",
    ),
    Guard(
        "metadata is looked at again",
        disabled_elsewhere,
        {"idp.snapshot.MAX_AGE": 1e9},
        UNKNOWN_SP,
    ),
    Guard(
        "a registered ACS, by URL",
        asking("net-cap", AssertionConsumerServiceURL="https://evil.example/acs"),
        ANY_ENDPOINT,
        UNKNOWN_ENDPOINT,
    ),
    Guard(
        "a registered ACS, by index",
        asking("net-cap", AssertionConsumerServiceURL=None, AssertionConsumerServiceIndex="7"),
        ANY_ENDPOINT,
        UNKNOWN_ENDPOINT,
    ),
    Guard(
        "a registered ACS, by binding",
        asking("net-cap", ProtocolBinding=ARTIFACT),
        ANY_ENDPOINT,
        UNKNOWN_ENDPOINT,
    ),
)
