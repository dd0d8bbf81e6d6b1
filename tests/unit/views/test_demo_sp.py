"""The demonstration SP against an identity provider that may misbehave."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from zlib import decompress

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509 import load_pem_x509_certificate
from lxml import etree
from webtest import TestApp

from tests.common.fake_idp import PORT, SAML, SAMLP, SSO, FakeIdp, Wish
from views.demo.applications import APPLICATIONS
from views.demo.credentials import credentials
from views.demo.federation import Federation
from views.demo.pages import Pages
from views.demo.sp import Program

BY_NAME = {application.name: application for application in APPLICATIONS}


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder: keys are slow to make."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def idp(var: Path) -> FakeIdp:
    provider = FakeIdp(var)
    (var / "idp.xml").write_text(provider.metadata(), encoding="utf-8")
    return provider


@pytest.fixture
def sp(idp: FakeIdp, monkeypatch: pytest.MonkeyPatch) -> TestApp:
    """A browser in front of a fresh program; no xmlsec1 program can be found."""
    monkeypatch.setenv("PATH", "")
    federation = Federation(str(idp.var / "idp.xml"), PORT, idp.var)
    program = Program(federation, Pages("https://idp.example"), idp.var)
    return TestApp(program, extra_environ={"HTTP_HOST": f"localhost:{PORT}"})


def post(sp: TestApp, idp: FakeIdp, wish: Wish, *, status: int, relay_state: str = "") -> object:
    form = {"SAMLResponse": idp.response(wish), "RelayState": relay_state}
    return sp.post(f"/{wish.application.name}/acs", form, status=status)


def whoami(sp: TestApp, name: str, *, status: int = 200) -> dict[str, object]:
    return sp.get(f"/{name}/whoami", status=status).json


def request_id(sp: TestApp, path: str) -> tuple[str, dict[str, list[str]]]:
    """Start sign-on there: the request's ID and the query that carries it."""
    location = sp.get(path, status=303).location
    assert location.startswith(f"{SSO}?")
    query = parse_qs(urlsplit(location).query)
    message = etree.fromstring(decompress(b64decode(query["SAMLRequest"][0]), -15))
    return message.get("ID"), query


@pytest.mark.parametrize("name", BY_NAME)
def test_a_page_without_session_sends_to_the_identity_provider(sp: TestApp, name: str) -> None:
    location = urlsplit(sp.get(f"/{name}/", status=303).location)
    query = parse_qs(location.query)
    message = etree.fromstring(decompress(b64decode(query["SAMLRequest"][0]), -15))
    assert message.findtext(f"{{{SAML}}}Issuer") == f"http://localhost:{PORT}/{name}/metadata"
    assert message.get("AssertionConsumerServiceURL") == f"http://localhost:{PORT}/{name}/acs"
    assert query["RelayState"] == [f"/{name}/"]
    assert ("Signature" in query) is (name == "bip")


def test_the_request_of_bip_is_signed_with_its_own_key(sp: TestApp, var: Path) -> None:
    query = urlsplit(sp.get("/bip/", status=303).location).query
    octets, _, signature = query.rpartition("&Signature=")
    assert parse_qs(octets)["SigAlg"] == ["http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"]
    certificate = load_pem_x509_certificate(credentials(var, "bip").certificate_file.read_bytes())
    value = b64decode(parse_qs(f"s={signature}")["s"][0])
    # Raises InvalidSignature when it is not.
    certificate.public_key().verify(value, octets.encode(), PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("name", BY_NAME)
def test_a_signed_response_opens_a_session(sp: TestApp, idp: FakeIdp, name: str) -> None:
    message_id, _ = request_id(sp, f"/{name}/")
    whoami(sp, name, status=401)
    answer = post(sp, idp, Wish(BY_NAME[name], message_id), status=303)
    assert answer.location == f"http://localhost:{PORT}/{name}/"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"demo-{name}=")
    assert {"HttpOnly", f"Path=/{name}/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert whoami(sp, name) == {
        "name_id": "agent@demo.example",
        "attributes": {"role": ["GEST"]},
    }


def test_a_tile_may_start_the_sign_on(sp: TestApp, idp: FakeIdp) -> None:
    post(sp, idp, Wish(BY_NAME["net-cotisations"]), status=303)
    page = sp.get("/net-cotisations/")
    assert "agent@demo.example" in page.text
    assert "Connexion commencée depuis le portail" in page.text


def test_an_encrypted_assertion_is_read(sp: TestApp, idp: FakeIdp) -> None:
    message_id, _ = request_id(sp, "/net-cap/")
    post(sp, idp, Wish(BY_NAME["net-cap"], message_id, encrypt=True), status=303)
    assert whoami(sp, "net-cap")["attributes"] == {"role": ["GEST"]}
    assert "AES256-GCM" in sp.get("/net-cap/").text


def test_parallel_values_keep_order_and_duplicates(sp: TestApp, idp: FakeIdp) -> None:
    values = {"role": ["LECT", "LECT", "EDIT"], "structure": ["rh-a", "rh-b", "rh-b"]}
    post(sp, idp, Wish(BY_NAME["site"], attributes=values), status=303)
    assert whoami(sp, "site")["attributes"] == values


SITE = Wish(BY_NAME["site"])
WRONG: dict[str, Wish] = {
    "another audience": replace(SITE, audience=BY_NAME["bip"].entity_id(PORT)),
    "another recipient": replace(SITE, recipient=BY_NAME["bip"].acs(PORT)),
    "another destination": replace(SITE, destination=BY_NAME["bip"].acs(PORT)),
    "another issuer": replace(SITE, issuer="https://other.example"),
    "too old": replace(SITE, age=timedelta(minutes=10)),
    "from the future": replace(SITE, age=timedelta(minutes=-10)),
    "unsigned response": replace(SITE, sign_response=False),
    "unsigned assertion": replace(SITE, sign_assertion=False),
    "no assertion": replace(SITE, assertions=0),
    "an unknown request": replace(SITE, in_response_to="_never-asked"),
    "a confirmation for another request": replace(SITE, confirmation_in_response_to="_other"),
}


@pytest.mark.parametrize("wish", WRONG.values(), ids=WRONG)
def test_what_is_wrong_opens_no_session(sp: TestApp, idp: FakeIdp, wish: Wish) -> None:
    answer = post(sp, idp, wish, status=403)
    assert "n'a pas été acceptée" in answer.text.replace("&#39;", "'")
    whoami(sp, "site", status=401)


def _change_role(root: etree._Element) -> None:
    root.find(f".//{{{SAML}}}AttributeValue").text = "ADMIN"


def _change_inside_the_status(root: etree._Element) -> None:
    etree.SubElement(root.find(f"{{{SAMLP}}}Status"), f"{{{SAMLP}}}StatusMessage").text = "?"


def _second_signature(root: etree._Element) -> None:
    signature = root.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    signature.addnext(etree.fromstring(etree.tostring(signature)))


def _forged_assertion_before_the_genuine_one(root: etree._Element) -> None:
    genuine = root.find(f"{{{SAML}}}Assertion")
    forged = etree.fromstring(etree.tostring(genuine))
    _change_role(forged)
    genuine.addprevious(forged)


@pytest.mark.parametrize(
    "tamper",
    [
        _change_role,
        _change_inside_the_status,
        _second_signature,
        _forged_assertion_before_the_genuine_one,
    ],
)
def test_a_tampered_response_is_refused(
    sp: TestApp, idp: FakeIdp, tamper: Callable[[etree._Element], None]
) -> None:
    root = idp.document(SITE)
    tamper(root)
    form = {"SAMLResponse": b64encode(etree.tostring(root)).decode()}
    sp.post("/site/acs", form, status=403)
    whoami(sp, "site", status=401)


@pytest.mark.parametrize("garbage", ["", "%%%", b64encode(b"<a/>").decode(), "é"])
def test_garbage_is_refused(sp: TestApp, garbage: str) -> None:
    sp.post("/bip/acs", {"SAMLResponse": garbage}, status=403)


def test_a_dtd_is_refused(sp: TestApp, idp: FakeIdp) -> None:
    xml = b'<!DOCTYPE r [<!ENTITY e "x">]>' + etree.tostring(idp.document(SITE))
    sp.post("/site/acs", {"SAMLResponse": b64encode(xml).decode()}, status=403)


def test_an_assertion_serves_once(sp: TestApp, idp: FakeIdp) -> None:
    form = {"SAMLResponse": idp.response(SITE)}
    sp.post("/site/acs", form, status=303)
    sp.post("/site/acs", form, status=403)


def test_a_request_is_answered_once(sp: TestApp, idp: FakeIdp) -> None:
    message_id, _ = request_id(sp, "/bip/")
    wish = Wish(BY_NAME["bip"], message_id)
    post(sp, idp, wish, status=303)
    post(sp, idp, wish, status=403)


def test_a_request_of_one_application_does_not_serve_another(sp: TestApp, idp: FakeIdp) -> None:
    message_id, _ = request_id(sp, "/bip/")
    post(sp, idp, replace(SITE, in_response_to=message_id), status=403)


@pytest.mark.parametrize(
    ("relay_state", "page"),
    [
        ("/bip/dossiers/42?vue=liste", "/bip/dossiers/42?vue=liste"),
        ("https://evil.example/", "/bip/"),
        ("//evil.example/", "/bip/"),
        ("/site/", "/bip/"),
        ("/bip/logout", "/bip/"),
        ("/bip/\\evil", "/bip/"),
        ("/bip/\r\nSet-Cookie: a=b", "/bip/"),
        ("", "/bip/"),
    ],
)
def test_relay_state_leads_to_a_page_of_this_application_only(
    sp: TestApp, idp: FakeIdp, relay_state: str, page: str
) -> None:
    answer = post(sp, idp, Wish(BY_NAME["bip"]), status=303, relay_state=relay_state)
    assert answer.location == f"http://localhost:{PORT}{page}"


def test_the_page_asked_for_travels_in_the_relay_state(sp: TestApp) -> None:
    _, query = request_id(sp, "/bip/dossiers/42?vue=liste")
    assert query["RelayState"] == ["/bip/dossiers/42?vue=liste"]


def test_a_status_is_shown_in_words(sp: TestApp, idp: FakeIdp) -> None:
    message_id, _ = request_id(sp, "/bip/")
    denied = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied"
    wish = Wish(BY_NAME["bip"], message_id, sub_status=denied)
    answer = post(sp, idp, wish, status=403)
    assert "aucun rôle dans cette application" in answer.text
    assert denied in answer.text
    whoami(sp, "bip", status=401)


def test_a_session_of_one_application_opens_no_other(sp: TestApp, idp: FakeIdp) -> None:
    post(sp, idp, SITE, status=303)
    sp.set_cookie("demo-bip", sp.cookies["demo-site"].strip('"'))
    whoami(sp, "bip", status=401)


def test_a_new_key_of_the_identity_provider_is_learnt(
    sp: TestApp, idp: FakeIdp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("views.demo.federation.RETRY_AFTER", 0.0)
    sp.get("/site/", status=303)
    other = FakeIdp(tmp_path)
    before = (idp.var / "idp.xml").read_text(encoding="utf-8")
    (idp.var / "idp.xml").write_text(other.metadata(), encoding="utf-8")
    try:
        post(sp, other, SITE, status=303)
    finally:
        (idp.var / "idp.xml").write_text(before, encoding="utf-8")


def test_without_metadata_the_pages_wait(var: Path, tmp_path: Path) -> None:
    federation = Federation(str(tmp_path / "none.xml"), PORT, var)
    sp = TestApp(Program(federation, Pages("https://idp.example"), var))
    assert "pas encore prêt" in sp.get("/bip/", status=503).text
    sp.get("/bip/metadata", status=200)


def test_every_answer_is_guarded(sp: TestApp) -> None:
    for path, status in (("/", 200), ("/bip/", 303), ("/bip/whoami", 401), ("/rien", 404)):
        headers = sp.get(path, status=status).headers
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in headers


def test_the_host_header_is_not_believed(sp: TestApp) -> None:
    answer = sp.get("/bip", status=303, headers={"Host": "evil.example"})
    assert answer.location == f"http://localhost:{PORT}/bip/"
