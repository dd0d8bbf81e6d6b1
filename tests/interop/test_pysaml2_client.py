"""pysaml2's client, as the demonstration's service providers use it, in front of the whole IdP.

Two WSGI programs and one browser between them; no server, the SQL directory, the real time.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from lxml import etree
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.client import Saml2Client
from saml2.response import StatusError
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256
from webtest import TestApp, TestResponse

from directory.demonstration import PASSWORD
from idp.errors import AuthnFailed, RequestDenied
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.databases import Filling
from tests.common.demonstration import (
    APPLICATIONS,
    expected_roles,
    held,
    shown_roles,
    shown_structures,
)
from tests.common.fillings import demonstrated
from views.demo import loading
from views.demo.applications import APPLICATIONS as PROGRAMS
from views.demo.federation import Federation
from views.demo.pages import Pages
from views.demo.sp import Program

SP_PORT = 6544
IDP = "http://localhost:6543"
BY_NAME = {application.name: application for application in PROGRAMS}
AGENT = "agent@demo.example"
NS = {
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}


@pytest.fixture
def clock() -> FakeClock:
    """pysaml2 asks the machine for the time."""
    return FakeClock(datetime.now(UTC))


@pytest.fixture(scope="module")
def sp_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of the four, made once."""
    return tmp_path_factory.mktemp("sp-keys")


@dataclass
class Browser:
    """One browser, two sites. It reads hand-over forms as a browser without JavaScript does."""

    idp: TestApp
    sp: TestApp
    federation: Federation
    clock: FakeClock

    def get(self, url: str) -> TestResponse:
        """Open this address, and follow wherever it redirects."""
        answer = self._of(url).get(_path(url), status="*")
        while answer.status_int in {302, 303}:
            url = answer.location
            answer = self._of(url).get(_path(url), status="*")
        return answer

    def sign_in(self, page: TestResponse, mail: str = AGENT) -> TestResponse:
        """Fill the sign-in page in."""
        form = page.forms["formulaire"]
        form["login"], form["password"] = mail, PASSWORD
        return self.get(form.submit(status=303).location)

    def hand_over(self, page: TestResponse) -> TestResponse:
        """Press *Continuer*: the form goes to the SP, and the browser on from there."""
        form = page.forms["remise"]
        answer = self.post(form.action, dict(form.submit_fields()))
        return self.get(answer.location) if answer.status_int == 303 else answer

    def post(self, url: str, fields: dict[str, str]) -> TestResponse:
        """Send a form to an SP."""
        return self.sp.post(_path(url), fields, status="*")

    def whoami(self, name: str, status: int = 200) -> dict[str, object]:
        """What the SP knows."""
        answer: dict[str, object] = self.sp.get(f"/{name}/whoami", status=status).json
        return answer

    def client(self, name: str) -> Saml2Client:
        """pysaml2 itself."""
        return self.federation.client(BY_NAME[name])

    def _of(self, url: str) -> TestApp:
        return self.sp if urlsplit(url).port == SP_PORT else self.idp


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


@pytest.fixture
def database_filling() -> Filling:
    """The demonstration's people."""
    return demonstrated


@pytest.fixture
def browser_of_two(
    app: TestApp, services: Services, clock: FakeClock, sp_keys: Path, tmp_path: Path
) -> Browser:
    """The demonstration, loaded, with the four SPs that read our metadata."""
    loading.load(services, SP_PORT, sp_keys)
    metadata = tmp_path / "idp.xml"
    metadata.write_bytes(services.metadata.document())
    federation = Federation(str(metadata), SP_PORT, sp_keys)
    program = Program(federation, Pages(IDP), sp_keys)
    sp = TestApp(program, extra_environ={"HTTP_HOST": f"localhost:{SP_PORT}"})
    return Browser(app, sp, federation, clock)


def response_of(page: TestResponse) -> etree._Element:
    return etree.fromstring(b64decode(page.forms["remise"]["SAMLResponse"].value))


@pytest.mark.parametrize("name", APPLICATIONS)
def test_from_the_sp(browser_of_two: Browser, name: str) -> None:
    browser = browser_of_two
    browser.whoami(name, 401)
    page = browser.get(f"http://localhost:{SP_PORT}/{name}/")
    assert page.request.path == "/connexion"
    landed = browser.hand_over(browser.sign_in(page))
    assert landed.request.path == f"/{name}/"
    whoami = browser.whoami(name)
    assert shown_roles(whoami, name) == expected_roles(AGENT, name)
    assert set(shown_structures(whoami, name)) == {"a-carrieres"}
    for other in set(APPLICATIONS) - {name}:
        browser.whoami(other, 401)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_from_the_tile(browser_of_two: Browser, name: str) -> None:
    browser = browser_of_two
    portal = browser.sign_in(browser.get(f"{IDP}/connexion"))
    entity_id = quote(BY_NAME[name].entity_id(SP_PORT), safe="")
    landed = browser.hand_over(portal.click(href=entity_id))
    assert landed.request.path == f"/{name}/"
    assert "Connexion commencée depuis le portail" in landed.text
    assert shown_roles(browser.whoami(name), name) == expected_roles(AGENT, name)


def test_every_person_of_the_demonstration_is_seen_with_his_own_roles(
    browser_of_two: Browser, app: TestApp
) -> None:
    browser = browser_of_two
    for mail in ("referent@demo.example", "aicha.diallo@demo.example", "karim.haddad@demo.example"):
        app.reset()
        browser.sp.reset()
        browser.sign_in(browser.get(f"{IDP}/connexion"), mail)
        for name in APPLICATIONS:
            page = browser.get(f"http://localhost:{SP_PORT}/{name}/")
            roles = expected_roles(mail, name)
            assert page.status_int == (200 if roles else 403)
            if roles:
                browser.hand_over(page)
                assert shown_roles(browser.whoami(name), name) == roles
            else:
                browser.whoami(name, 401)


def test_what_is_signed_and_what_is_encrypted(browser_of_two: Browser) -> None:
    browser = browser_of_two
    browser.sign_in(browser.get(f"{IDP}/connexion"))
    for name in APPLICATIONS:
        page = browser.get(f"http://localhost:{SP_PORT}/{name}/")
        response = response_of(page)
        assert response.find("ds:Signature", NS) is not None
        encrypted = response.find("saml:EncryptedAssertion", NS) is not None
        assert encrypted is (name == "net-cap")
        assert (response.find("saml:Assertion", NS) is None) is encrypted
        methods = {node.get("Algorithm") for node in response.iterfind(".//ds:SignatureMethod", NS)}
        assert methods == {SIG_RSA_SHA256}
        browser.hand_over(page)
        browser.whoami(name)


def test_name_ids_are_what_each_sp_asked_for(browser_of_two: Browser) -> None:
    browser = browser_of_two
    browser.sign_in(browser.get(f"{IDP}/connexion"))
    seen: dict[str, set[object]] = {name: set() for name in APPLICATIONS}
    for _ in range(2):
        browser.sp.reset()
        for name in APPLICATIONS:
            browser.hand_over(browser.get(f"http://localhost:{SP_PORT}/{name}/"))
            seen[name].add(browser.whoami(name)["name_id"])
    assert seen["net-cotisations"] == seen["site"] == {AGENT}
    assert len(seen["bip"]) == 1, "persistent"
    assert len(seen["net-cap"]) == 2, "transient"
    assert AGENT not in seen["bip"] | seen["net-cap"]


def test_a_deep_link_is_found_again(browser_of_two: Browser) -> None:
    browser = browser_of_two
    wanted = "/bip/fiches/12?mot=cong%C3%A9&page=2"
    page = browser.get(f"http://localhost:{SP_PORT}{wanted}")
    landed = browser.hand_over(browser.sign_in(page))
    assert landed.request.path_qs == wanted


def test_the_person_of_two_structures(browser_of_two: Browser) -> None:
    browser, mail = browser_of_two, "multi@demo.example"
    browser.sign_in(browser.get(f"{IDP}/connexion"), mail)
    asked = browser.get(f"http://localhost:{SP_PORT}/net-cap/")
    assert "Pour quelle structure travaillez-vous" in asked.text
    form = next(form for form in asked.forms.values() if form.action == "/saml/sso/structure")
    choices = {
        button["value"]: button.text
        for button in asked.html.find_all("button", attrs={"name": "membership"})
    }
    chosen = next(value for value, text in choices.items() if "Direction du personnel" in text)
    browser.hand_over(browser.get(form.submit("membership", value=chosen).location))
    whoami = browser.whoami("net-cap")
    assert shown_roles(whoami, "net-cap") == expected_roles(mail, "net-cap", "b-rh")
    assert "a-formation" not in str(whoami)
    browser.hand_over(browser.get(f"http://localhost:{SP_PORT}/site/"))
    attributes = browser.whoami("site")["attributes"]
    assert isinstance(attributes, dict)
    pairs = zip(attributes["role"], attributes["structure"], strict=True)
    assert sorted(pairs) == held(mail, "site")


def test_backing_out_is_told_to_the_sp_in_words_it_understands(browser_of_two: Browser) -> None:
    browser = browser_of_two
    page = browser.get(f"http://localhost:{SP_PORT}/net-cap/")
    cancel = next(form for form in page.forms.values() if form.action.endswith("/annuler"))
    told = browser.hand_over(cancel.submit())
    assert told.status_int == 403
    assert "AuthnFailed" in told.text
    assert AuthnFailed.status_message in told.text
    browser.whoami("net-cap", 401)


def test_a_person_without_a_role_may_take_the_answer_to_the_sp(browser_of_two: Browser) -> None:
    browser = browser_of_two
    browser.sign_in(browser.get(f"{IDP}/connexion"), "sansdroit@demo.example")
    refused = browser.get(f"http://localhost:{SP_PORT}/net-cap/")
    assert refused.status_int == 403
    form = next(each for each in refused.forms.values() if "SAMLResponse" in each.fields)
    told = browser.post(form.action, dict(form.submit_fields()))
    assert told.status_int == 403
    assert RequestDenied.status_message in told.text
    browser.whoami("net-cap", 401)


# --- what an SP must not accept from us or from anybody ------------------------------------------


def tampered(encoded: str, change: Callable[[str], str]) -> str:
    return b64encode(change(b64decode(encoded).decode()).encode()).decode()


def test_a_changed_a_replayed_and_a_misdirected_response(browser_of_two: Browser) -> None:
    browser = browser_of_two
    browser.sign_in(browser.get(f"{IDP}/connexion"))
    form = browser.get(f"http://localhost:{SP_PORT}/bip/").forms["remise"]
    fields = dict(form.submit_fields())
    raised = tampered(fields["SAMLResponse"], lambda xml: xml.replace("Lecteur", "Rédacteur"))
    assert raised != fields["SAMLResponse"]
    assert browser.post(form.action, {**fields, "SAMLResponse": raised}).status_int == 403
    for other in ("site", "net-cotisations", "net-cap"):
        assert browser.post(form.action.replace("/bip/", f"/{other}/"), fields).status_int == 403
        browser.whoami(other, 401)
    browser.whoami("bip", 401)
    assert browser.post(form.action, fields).status_int == 303
    browser.whoami("bip")
    browser.sp.reset()
    assert browser.post(form.action, fields).status_int == 403, "once"
    browser.whoami("bip", 401)


def test_a_new_key_of_ours_breaks_no_sp(browser_of_two: Browser, services: Services) -> None:
    browser = browser_of_two
    metadata = Path(browser.federation.source)
    browser.sign_in(browser.get(f"{IDP}/connexion"))
    before = services.signer.certificates()[0]
    kid = services.keys.generate()
    metadata.write_bytes(services.metadata.document())
    services.keys.promote(kid, force=True)
    assert services.signer.certificates()[0] != before
    for name in APPLICATIONS:
        browser.hand_over(browser.get(f"http://localhost:{SP_PORT}/{name}/"))
        browser.whoami(name)


# --- what pysaml2 itself reads and asks ----------------------------------------------------------


def test_pysaml2_reads_our_metadata(browser_of_two: Browser) -> None:
    client = browser_of_two.client("bip")
    (idp,) = client.metadata.with_descriptor("idpsso")
    assert idp == f"{IDP}/saml/metadata"
    for binding in (BINDING_HTTP_REDIRECT, BINDING_HTTP_POST):
        services = client.metadata.single_sign_on_service(idp, binding)
        assert [service["location"] for service in services] == [f"{IDP}/saml/sso"]
    assert client.metadata.certs(idp, "idpsso", "signing")
    assert client.metadata.name(idp, "fr") == "CIG petite couronne"


def ask(browser: Browser, name: str, **options: object) -> tuple[str, TestResponse]:
    """Send an AuthnRequest as pysaml2 makes it, a second later; its ID and our page."""
    browser.clock.advance(timedelta(seconds=1))
    message_id, info = browser.client(name).prepare_for_authenticate(
        binding=options.pop("binding", BINDING_HTTP_REDIRECT),
        sign=name == "bip",
        sigalg=SIG_RSA_SHA256,
        **options,
    )
    return message_id, browser.get(dict(info["headers"])["Location"])


def answer(browser: Browser, name: str, message_id: str, page: TestResponse) -> object:
    """What pysaml2 makes of our answer."""
    fields = dict(page.forms["remise"].submit_fields())
    client = browser.client(name)
    return client.parse_authn_request_response(
        fields["SAMLResponse"],
        BINDING_HTTP_POST,
        outstanding={message_id: "/"},
        conv_info={"remote_addr": "127.0.0.1", "entity_id": client.config.entityid},
    )


@pytest.mark.parametrize("name", ["bip", "net-cotisations"])
def test_is_passive_is_answered_with_a_status_that_pysaml2_names(
    browser_of_two: Browser, name: str
) -> None:
    message_id, page = ask(browser_of_two, name, is_passive="true")
    with pytest.raises(StatusError) as raised:
        answer(browser_of_two, name, message_id, page)
    assert type(raised.value).__name__ == "StatusNoPassive"


def test_a_format_that_is_not_offered_and_a_context_that_cannot_be_met(
    browser_of_two: Browser,
) -> None:
    browser = browser_of_two
    browser.sign_in(browser.get(f"{IDP}/connexion"))
    kerberos = "urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos"
    message_id, page = ask(browser, "bip", nameid_format=kerberos)
    with pytest.raises(StatusError) as raised:
        answer(browser, "bip", message_id, page)
    assert type(raised.value).__name__ == "StatusInvalidNameidPolicy"
    context = {"authn_context_class_ref": ["urn:oasis:names:tc:SAML:2.0:ac:classes:X509"]}
    message_id, page = ask(browser, "bip", requested_authn_context=context)
    with pytest.raises(StatusError) as raised:
        answer(browser, "bip", message_id, page)
    assert type(raised.value).__name__ == "StatusNoAuthnContext"


def test_force_authn_as_pysaml2_writes_it(browser_of_two: Browser) -> None:
    browser = browser_of_two
    browser.sign_in(browser.get(f"{IDP}/connexion"))
    message_id, page = ask(browser, "bip", force_authn="true")
    assert page.request.path == "/connexion", "the password again"
    assert answer(browser, "bip", message_id, browser.sign_in(page)) is not None


def posted(browser: Browser, **options: str) -> tuple[str, dict[str, str]]:
    """An AuthnRequest by POST as pysaml2 writes it: its ID and the form's fields."""
    message_id, info = browser.client("bip").prepare_for_authenticate(
        binding=BINDING_HTTP_POST, relay_state="retour", sign=True, **options
    )
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', "".join(info["data"])))
    assert set(fields) == {"SAMLRequest", "RelayState"}
    return message_id, fields


def test_an_authn_request_by_post_as_pysaml2_writes_it(browser_of_two: Browser) -> None:
    browser = browser_of_two
    browser.sign_in(browser.get(f"{IDP}/connexion"))
    message_id, fields = posted(browser, sigalg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256)
    page = browser.get(browser.idp.post("/saml/sso", fields, status=303).location)
    assert page.forms["remise"]["RelayState"].value == "retour"
    received = answer(browser, "bip", message_id, page)
    assert received is not None
    assert received.ava["mail"] == [AGENT]


def test_what_pysaml2_signs_unless_told_is_refused(browser_of_two: Browser) -> None:
    _, fields = posted(browser_of_two)
    assert b"xmldsig#rsa-sha1" in b64decode(fields["SAMLRequest"])
    refused = browser_of_two.idp.post("/saml/sso", fields, status=400)
    assert "SAMLResponse" not in refused.text
