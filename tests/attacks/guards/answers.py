"""Guards of what is answered: to whom, about whom, how it is signed, and for how long it holds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from jinja2 import Environment
from lxml import etree

from idp.interfaces import IKeyRing, ISigner
from idp.messages import AcceptedRequest
from idp.saml import names
from idp.saml.names import q
from idp.sessions.name_ids import NameIDs
from idp.types import AuthnContext, NameID, NameIDFormat, ServiceProvider
from metadata.publish import entity_descriptor
from tests.attacks.conftest import Street
from tests.attacks.guards.guard import (
    ASKED,
    SUCCESS,
    Guard,
    asking,
    message,
    nothing,
    request,
    response_of,
)
from tests.common.fake_sp import Refused
from tests.functional.conftest import PASSWORD
from views.templating import environment

SIGN_ON = "idp.sign_on"
ASSERTION = "idp.saml.assertion"
POLICY = "InvalidNameIDPolicy"
CONTEXT = "NoAuthnContext"
ELSEWHERE = "posted elsewhere"
SCRIPT = "a script of the attacker's"
ADVERTISED, NOT_ADVERTISED = "advertised", "not advertised"
SIGNED_IN, NOBODY = "signed in", "nobody"
X509 = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509"


# --- what the request asks ---------------------------------------------------------------------


def policy(**attributes: str) -> Callable[[], etree._Element]:
    return lambda: etree.Element(q("samlp", "NameIDPolicy"), attributes)


def context(comparison: str, class_ref: str) -> Callable[[], etree._Element]:
    def made() -> etree._Element:
        node = etree.Element(q("samlp", "RequestedAuthnContext"), {"Comparison": comparison})
        etree.SubElement(node, q("saml", "AuthnContextClassRef")).text = class_ref
        return node

    return made


def subject() -> etree._Element:
    node = etree.Element(q("saml", "Subject"))
    etree.SubElement(node, q("saml", "NameID")).text = "multi@demo.example"
    return node


def forcing(value: str, street: Street) -> str:
    """The password is wanted again; the session is a minute old."""
    street.world.clock.advance(timedelta(minutes=1))
    return message(street, request(street, "net-cap", ForceAuthn=value))


def passive_stranger(street: Street) -> str:
    """A page under IsPassive, in a frame that nobody sees."""
    nobody = street.stranger().app
    return message(street, request(street, "net-cap", IsPassive="true"), nobody)


def page_after_all(accepted: AcceptedRequest, error: Exception, outcome: object) -> object:
    del accepted, error
    return outcome


def own_format(accepted: AcceptedRequest, service_provider: ServiceProvider) -> NameIDFormat:
    del accepted
    return service_provider.name_id_format


def performed(happened: str, requested: object) -> str:
    del requested
    return happened


def made_anyway(self: NameIDs, subject_id: str, entity_id: str, *, create: bool) -> NameID | None:
    del create
    return persistent(self, subject_id, entity_id)


persistent = NameIDs.persistent
ANY_POLICY = {
    f"{SIGN_ON}.choose_format": own_format,
    "idp.saml.name_id.choose_format": own_format,
}
BOTH_LOOKS = "looked at when the request comes and when it is answered"
ANY_CONTEXT = {f"{SIGN_ON}.declared_class": performed}


# --- the page that hands over ------------------------------------------------------------------


def html_in_relay_state(street: Street) -> str:
    sp = street.world.sps["net-cap"]
    query = sp.redirect_query(request(street, "net-cap"), '"><script src="//evil"></script>')
    page = street.app.get(f"/saml/sso?{query}", status=200)
    return SUCCESS if page.text.count("<script") == 1 else SCRIPT


def entity_in_the_action(street: Street) -> str:
    """A registered address that reads otherwise where it is not escaped."""
    acs = "https://net-cap.example/acs?a=1&quot;=2&lt;b"
    registered = street.world.services.service_providers
    sp = registered.get(street.world.sps["net-cap"].entity_id)
    endpoint = replace(sp.assertion_consumer_services[0], location=acs)
    moved = replace(sp, assertion_consumer_services=(endpoint,))
    held = registered._snapshot.get()
    registered._snapshot._held = (
        registered._snapshot._held[0],
        replace(held, enabled={**held.enabled, sp.entity_id: moved}),
    )
    asked = request(street, "net-cap", AssertionConsumerServiceURL=acs)
    query = street.world.sps["net-cap"].redirect_query(asked)
    page = street.app.get(f"/saml/sso?{query}", status=200)
    registered._snapshot._held = (registered._snapshot._held[0], held)
    return SUCCESS if page.html.form["action"] == acs else ELSEWHERE


def not_escaping(request: object) -> Environment:
    return environment(request).overlay(autoescape=False)  # type: ignore[arg-type]


# --- what leaves -------------------------------------------------------------------------------


def consumed(code: str, street: Street) -> str:
    """What a careful SP says of the answer."""
    world = street.world
    sp = world.sps[code]
    asked = request(street, code)
    page = street.app.get(f"/saml/sso?{sp.redirect_query(asked)}", status=200)
    signed = {"response_signed": code != "net-cotisations", "assertion_signed": code != "site"}
    try:
        world.consume(sp, page, asked.get("ID"), **signed)
    except Refused as refused:
        return str(refused)
    return SUCCESS


def status_is_signed(street: Street) -> str:
    asked = request(street, "net-cap", subject())
    query = street.world.sps["net-cap"].redirect_query(asked)
    response = response_of(street.app.get(f"/saml/sso?{query}", status=200))
    assert response is not None
    return "signed" if response.find(q("ds", "Signature")) is not None else "not signed"


def algorithms(street: Street) -> str:
    sp = street.world.sps["net-cotisations"]
    page = street.app.get(f"/saml/sso?{sp.redirect_query(request(street, 'net-cotisations'))}")
    response = response_of(page)
    assert response is not None
    methods = {
        node.get("Algorithm")
        for name in ("SignatureMethod", "DigestMethod")
        for node in response.iter(q("ds", name))
    }
    return SUCCESS if methods == {names.RSA_SHA256, names.SHA256} else "weak"


def signing_with_sha1(service_provider: ServiceProvider, keys: IKeyRing) -> ISigner:
    return keys.towards(service_provider.entity_id, sha1=True)


def clock_of_the_sp(behind: timedelta, street: Street) -> str:
    """Whether an SP whose clock is this much behind takes the assertion as begun."""
    sp = street.world.sps["net-cotisations"]
    page = street.app.get(f"/saml/sso?{sp.redirect_query(request(street, 'net-cotisations'))}")
    response = response_of(page)
    assert response is not None
    begins = next(response.iter(q("saml", "Conditions"))).get("NotBefore")
    begun = datetime.fromisoformat(begins) <= street.world.now - behind
    return SUCCESS if begun else "not valid yet"


def weak_algorithms_in_our_metadata(street: Street) -> str:
    core = street.world.services.core
    document = entity_descriptor(core.settings, street.world.services.signer, street.world.now)
    told = {
        node.get("Algorithm").casefold()
        for node in etree.fromstring(document).iter("{*}DigestMethod", "{*}SigningMethod")
    }
    assert told
    weak = [one for one in told if "sha1" in one or "md5" in one]
    return ADVERTISED if weak else NOT_ADVERTISED


def unsigned(canonical: str, *rest: object) -> str:
    del rest
    return canonical


def login_csrf(street: Street) -> str:
    """A form of another site signs the victim in as the attacker."""
    victim = street.stranger().app
    form = {"login": "multi@demo.example", "password": PASSWORD}
    victim.post("/connexion", form, headers={"Origin": "https://evil.example"}, status="*")
    return SIGNED_IN if victim.get("/profil", status="*").status_int == 200 else NOBODY


SHA1 = f"{names.DS}sha1"
GUARDS = (
    Guard(
        "Subject: only that person answers",
        asking("net-cap", subject),
        {f"{SIGN_ON}.check_subject": nothing},
        "UnknownPrincipal",
    ),
    Guard(
        "SPNameQualifier is the SP's own",
        asking("net-cap", policy(SPNameQualifier="https://bip.example/metadata")),
        ANY_POLICY,
        POLICY,
        together=BOTH_LOOKS,
    ),
    Guard(
        "a NameID of a Format that this SP may not have",
        asking("net-cap", policy(Format=NameIDFormat.EMAIL_ADDRESS)),
        ANY_POLICY,
        POLICY,
        together=BOTH_LOOKS,
    ),
    Guard(
        "AllowCreate",
        asking("net-cap", policy(Format=NameIDFormat.PERSISTENT)),
        {"idp.sessions.name_ids.NameIDs.persistent": made_anyway},
        POLICY,
    ),
    *(
        Guard(
            f"RequestedAuthnContext, {comparison}",
            asking("net-cap", context(comparison, class_ref)),
            ANY_CONTEXT,
            CONTEXT,
        )
        for comparison, class_ref in (
            ("exact", X509),
            ("minimum", X509),
            ("maximum", AuthnContext.PASSWORD),
            ("better", AuthnContext.PASSWORD_PROTECTED_TRANSPORT),
        )
    ),
    Guard(
        'ForceAuthn="1" is true',
        partial(forcing, "1"),
        {"idp.saml.shape._BOOLEANS": {"true": True, "1": False, "false": False}},
        ASKED,
    ),
    Guard(
        "ForceAuthn asks for the password",
        partial(forcing, "true"),
        {f"{SIGN_ON}.must_authenticate": lambda session, accepted: False},  # noqa: ARG005
        ASKED,
    ),
    Guard(
        "IsPassive: never a page",
        passive_stranger,
        {f"{SIGN_ON}._passive_or": page_after_all},
        "NoPassive",
        ASKED,
    ),
    Guard(
        "RelayState is escaped",
        html_in_relay_state,
        {"views.saml.pages.environment": not_escaping},
        SUCCESS,
        SCRIPT,
    ),
    Guard(
        "the form's action is escaped",
        entity_in_the_action,
        {"views.saml.pages.environment": not_escaping},
        SUCCESS,
        ELSEWHERE,
    ),
    Guard(
        "a Response leaves signed",
        partial(consumed, "site"),
        {f"{ASSERTION}.signed": unsigned},
        SUCCESS,
        "Response is not signed",
    ),
    Guard(
        "an assertion leaves signed",
        partial(consumed, "net-cotisations"),
        {f"{ASSERTION}.signed": unsigned},
        SUCCESS,
        "Assertion is not signed",
    ),
    Guard(
        "a status leaves signed",
        status_is_signed,
        {f"{ASSERTION}.signed": unsigned},
        "signed",
        "not signed",
    ),
    Guard(
        "SHA-256 signs",
        algorithms,
        {"idp.sign_on.signer_towards": signing_with_sha1},
        SUCCESS,
        "weak",
    ),
    Guard(
        "an assertion holds for five minutes",
        partial(consumed, "site"),
        {f"{ASSERTION}.CONFIRMATION_LIFETIME": timedelta(hours=1)},
        SUCCESS,
        "confirmation's lifetime",
    ),
    Guard(
        "an SP's slow clock is no fault",
        partial(clock_of_the_sp, timedelta(seconds=180)),
        {f"{ASSERTION}.SKEW": timedelta()},
        SUCCESS,
        "not valid yet",
    ),
    Guard(
        "SHA-1 is not advertised",
        weak_algorithms_in_our_metadata,
        {"metadata.publish.ALLOWED_DIGESTS": {names.SHA256, SHA1}},
        NOT_ADVERTISED,
        ADVERTISED,
    ),
    Guard(
        "MD5 is not advertised",
        weak_algorithms_in_our_metadata,
        {"metadata.publish.ALLOWED_SIGNATURES": {"http://www.w3.org/2001/04/xmldsig-more#rsa-md5"}},
        NOT_ADVERTISED,
        ADVERTISED,
    ),
    Guard(
        "the sign-in form is posted from our own page",
        login_csrf,
        {"pyramid.csrf.CookieCSRFStoragePolicy.check_csrf_token": lambda *_: True},
        NOBODY,
        SIGNED_IN,
    ),
)
