"""Single logout of the demonstration SP, against a portal that may misbehave."""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import pytest
import xmlsec
from lxml import etree
from webtest import TestApp, TestResponse

from tests.common.fake_idp import IDP, PORT, SLO, FakeIdp, Wish, sign
from tests.common.fake_sp import NS, RSA_SHA256, SAML, SAMLP
from views.demo.applications import APPLICATIONS
from views.demo.credentials import credentials
from views.demo.federation import Federation
from views.demo.pages import Pages
from views.demo.sp import Program

BY_NAME = {application.name: application for application in APPLICATIONS}
STATUS = "urn:oasis:names:tc:SAML:2.0:status"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
AGENT = "agent@demo.example"

Browsers = Callable[[], TestApp]


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
def program(idp: FakeIdp) -> Program:
    federation = Federation(str(idp.var / "idp.xml"), PORT, idp.var)
    return Program(federation, Pages("https://idp.example"), idp.var)


@pytest.fixture
def browsers(program: Program) -> Browsers:
    """Opens browsers in front of one fresh program."""
    return lambda: TestApp(program, extra_environ={"HTTP_HOST": f"localhost:{PORT}"})


@pytest.fixture
def sp(browsers: Browsers) -> TestApp:
    return browsers()


def enter(browser: TestApp, idp: FakeIdp, name: str, index: str = "s1") -> None:
    """Open a session there."""
    wish = Wish(BY_NAME[name], session_index=index)
    browser.post(f"/{name}/acs", {"SAMLResponse": idp.response(wish)}, status=303)
    inside(browser, name, yes=True)


def inside(browser: TestApp, name: str, *, yes: bool) -> None:
    """Whether this browser has a session there."""
    browser.get(f"/{name}/whoami", status=200 if yes else 401)


@dataclass
class Say:
    """A message of the portal's; ``attributes`` replace, or with None remove, what is usual."""

    idp: FakeIdp
    name: str
    kind: str = "LogoutRequest"
    indexes: tuple[str, ...] = ("s1",)
    name_id: str = AGENT
    issuer: str = IDP
    statuses: tuple[str, ...] = ("Success",)
    key: str = "idp"
    attributes: dict[str, str | None] = field(default_factory=dict)
    soap: bool = False

    def root(self) -> etree._Element:
        now = datetime.now(UTC)
        path = "slo/soap" if self.soap else "slo"
        values: dict[str, str | None] = {
            "ID": f"_{uuid4().hex}",
            "Version": "2.0",
            "IssueInstant": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "Destination": f"http://localhost:{PORT}/{self.name}/{path}",
            **self.attributes,
        }
        node = etree.Element(f"{{{SAMLP}}}{self.kind}", nsmap={"samlp": SAMLP, "saml": SAML})
        for key, value in values.items():
            if value is not None:
                node.set(key, value)
        etree.SubElement(node, f"{{{SAML}}}Issuer").text = self.issuer
        if self.kind == "LogoutRequest":
            etree.SubElement(node, f"{{{SAML}}}NameID").text = self.name_id
            for index in self.indexes:
                etree.SubElement(node, f"{{{SAMLP}}}SessionIndex").text = index
        else:
            status = etree.SubElement(node, f"{{{SAMLP}}}Status")
            for code in self.statuses:
                status = etree.SubElement(
                    status, f"{{{SAMLP}}}StatusCode", Value=f"{STATUS}:{code}"
                )
        return node

    def signed(self) -> etree._Element:
        node = self.root()
        sign(node, credentials(self.idp.var, self.key))
        return node

    def form(self) -> dict[str, str]:
        parameter = "SAMLRequest" if self.kind == "LogoutRequest" else "SAMLResponse"
        return {parameter: b64encode(etree.tostring(self.signed())).decode()}

    def query(self, node: etree._Element | None = None) -> str:
        parameter = "SAMLRequest" if self.kind == "LogoutRequest" else "SAMLResponse"
        text = etree.tostring(self.root() if node is None else node)
        packed = b64encode(zlib.compress(text)[2:-4]).decode()
        # Lower-case escapes: who encodes anew before verifying refuses this.
        escaped = quote(packed, safe="").replace("%2B", "%2b").replace("%2F", "%2f")
        octets = f"{parameter}={escaped}&SigAlg={quote(RSA_SHA256, safe='')}"
        context = xmlsec.SignatureContext()
        key_file = credentials(self.idp.var, self.key).key_file
        context.key = xmlsec.Key.from_file(str(key_file), xmlsec.KeyFormat.PEM)
        value = context.sign_binary(octets.encode(), xmlsec.Transform.RSA_SHA256)
        return f"{octets}&Signature={quote(b64encode(value).decode(), safe='')}"

    def envelope(self) -> bytes:
        root = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap={"S": ENVELOPE})
        etree.SubElement(root, f"{{{ENVELOPE}}}Body").append(self.signed())
        return etree.tostring(root)


def sent(location: str, var: Path, name: str) -> etree._Element:
    """The message that the SP sends by Redirect, its signature verified."""
    assert location.startswith(f"{SLO}?")
    query = urlsplit(location).query
    values = {key: found[0] for key, found in parse_qs(query).items()}
    octets, _, _ = query.partition("&Signature=")
    context = xmlsec.SignatureContext()
    certificate = credentials(var, name).certificate_file
    context.key = xmlsec.Key.from_file(str(certificate), xmlsec.KeyFormat.CERT_PEM)
    signature = b64decode(values["Signature"])
    context.verify_binary(octets.encode(), xmlsec.Transform.RSA_SHA256, signature)
    packed = values.get("SAMLRequest") or values["SAMLResponse"]
    return etree.fromstring(zlib.decompress(b64decode(packed), -15))


def codes(message: etree._Element) -> list[str]:
    return [
        code.get("Value").rpartition(":")[2] for code in message.iterfind(".//samlp:StatusCode", NS)
    ]


@pytest.mark.parametrize("name", BY_NAME)
def test_its_metadata_has_the_endpoints_that_work(sp: TestApp, name: str) -> None:
    root = etree.fromstring(sp.get(f"/{name}/metadata").body)
    found = {
        each.get("Binding").rpartition(":")[2]: each.get("Location")
        for each in root.iter("{urn:oasis:names:tc:SAML:2.0:metadata}SingleLogoutService")
    }
    bindings = {
        "bip": {"HTTP-Redirect", "HTTP-POST"},
        "net-cotisations": {"HTTP-POST"},
        "net-cap": {"SOAP", "HTTP-Redirect"},
        "site": {"HTTP-Redirect"},
    }
    assert set(found) == bindings[name]
    for binding, location in found.items():
        path = urlsplit(location).path
        assert path == f"/{name}/slo" + ("/soap" if binding == "SOAP" else "")
        sp.get(path, status=405 if binding == "SOAP" else 403)


@pytest.mark.parametrize("name", BY_NAME)
def test_signing_out_ends_the_session_and_asks_the_portal(
    sp: TestApp, idp: FakeIdp, name: str
) -> None:
    enter(sp, idp, name, "s-7")
    cookie = sp.cookies[f"demo-{name}"]
    answer = sp.get(f"/{name}/logout", status=303)
    sp.set_cookie(f"demo-{name}", cookie)
    inside(sp, name, yes=False)
    request = sent(answer.location, idp.var, name)
    assert request.tag == f"{{{SAMLP}}}LogoutRequest"
    assert request.get("Destination") == SLO
    assert request.findtext(f"{{{SAML}}}NameID") == AGENT
    assert request.findtext(f"{{{SAMLP}}}SessionIndex") == "s-7"
    assert request.get("NotOnOrAfter")

    said = Say(idp, name, "LogoutResponse", attributes={"InResponseTo": request.get("ID")})
    page = sp.get(f"/{name}/slo?{said.query()}", status=303).follow()
    assert "Session fermée" in page.text
    assert "le portail confirme" in page.text.lower()
    assert page.request.path == f"/{name}/closed"


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        (("Success",), "sont aussi"),
        (("Success", "PartialLogout"), "au moins une autre application"),
        (("Requester", "UnknownPrincipal"), "ne connaissait plus"),
    ],
)
def test_the_page_says_what_the_portal_answered(
    sp: TestApp, idp: FakeIdp, statuses: tuple[str, ...], words: str
) -> None:
    enter(sp, idp, "net-cotisations")
    request = sent(sp.get("/net-cotisations/logout").location, idp.var, "net-cotisations")
    said = Say(idp, "net-cotisations", "LogoutResponse", statuses=statuses)
    said.attributes = {"InResponseTo": request.get("ID")}
    form = said.form()
    page = sp.post("/net-cotisations/slo", form, status=303).follow()
    assert words in " ".join(page.text.replace("&#39;", "'").split())
    sp.post("/net-cotisations/slo", form, status=403)


def test_without_a_session_there_is_nothing_to_ask(sp: TestApp) -> None:
    page = sp.get("/bip/logout", status=303).follow()
    assert page.request.path == "/bip/closed"
    assert "plus connecté à BIP" in page.text.replace("&#39;", "'")


def test_who_is_inside_is_not_told_that_he_is_out(sp: TestApp, idp: FakeIdp) -> None:
    enter(sp, idp, "bip")
    assert sp.get("/bip/closed", status=303).location == f"http://localhost:{PORT}/bip/"


def ask(browser: TestApp, say: Say, binding: str, **options: int) -> TestResponse:
    """The portal's request, by this binding."""
    if binding == "soap":
        say.soap = True
        return browser.post(f"/{say.name}/slo/soap", say.envelope(), **options)
    if binding == "post":
        return browser.post(f"/{say.name}/slo", say.form(), **options)
    return browser.get(f"/{say.name}/slo?{say.query()}", **options)


def response_of(answer: TestResponse, binding: str, var: Path, name: str) -> etree._Element:
    """What the SP answered, verified."""
    if binding != "soap":
        return sent(answer.location, var, name)
    assert answer.content_type == "text/xml"
    body = etree.fromstring(answer.body).find(f"{{{ENVELOPE}}}Body")
    message = etree.fromstring(etree.tostring(body[0]))
    xmlsec.tree.add_ids(message, ["ID"])
    context = xmlsec.SignatureContext()
    certificate = credentials(var, name).certificate_file
    context.key = xmlsec.Key.from_file(str(certificate), xmlsec.KeyFormat.CERT_PEM)
    context.verify(message.find("ds:Signature", NS))
    assert message.get("Destination") is None
    return message


@pytest.mark.parametrize("binding", ["redirect", "post", "soap"])
def test_the_portal_ends_the_session_that_it_names(
    browsers: Browsers, idp: FakeIdp, binding: str
) -> None:
    here, elsewhere, portal = browsers(), browsers(), browsers()
    enter(here, idp, "net-cap", "s-1")
    enter(elsewhere, idp, "net-cap", "s-2")
    say = Say(idp, "net-cap", indexes=("s-1",), attributes={"ID": "_asked"})
    # A cross-site post comes without the cookie; so does the back channel.
    answer = ask(portal, say, binding, status=200 if binding == "soap" else 303)
    response = response_of(answer, binding, idp.var, "net-cap")
    assert response.get("InResponseTo") == "_asked"
    assert codes(response) == ["Success"]
    inside(here, "net-cap", yes=False)
    inside(elsewhere, "net-cap", yes=True)

    again = Say(idp, "net-cap", indexes=("s-1",))
    answer = ask(portal, again, binding)
    response = response_of(answer, binding, idp.var, "net-cap")
    assert codes(response) == ["Requester", "UnknownPrincipal"]


def test_without_an_index_all_sessions_of_the_name_end(browsers: Browsers, idp: FakeIdp) -> None:
    here, elsewhere = browsers(), browsers()
    enter(here, idp, "bip", "s-1")
    enter(elsewhere, idp, "bip", "s-2")
    ask(browsers(), Say(idp, "bip", indexes=()), "post", status=303)
    inside(here, "bip", yes=False)
    inside(elsewhere, "bip", yes=False)


PAST = f"{datetime.now(UTC) - timedelta(minutes=20):%Y-%m-%dT%H:%M:%SZ}"
WRONG: dict[str, dict[str, Any]] = {
    "another's key": {"key": "stranger"},
    "another issuer": {"issuer": "https://other.example"},
    "another address": {"attributes": {"Destination": f"http://localhost:{PORT}/site/slo"}},
    "no address": {"attributes": {"Destination": None}},
    "too old": {"attributes": {"IssueInstant": PAST}},
    "over": {"attributes": {"NotOnOrAfter": PAST}},
    "not a date": {"attributes": {"IssueInstant": "hier"}},
    "another version": {"attributes": {"Version": "1.1"}},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("binding", ["redirect", "post", "soap"])
def test_what_is_wrong_ends_nothing(
    sp: TestApp, idp: FakeIdp, binding: str, wrong: dict[str, Any]
) -> None:
    enter(sp, idp, "net-cap")
    answer = ask(
        sp, Say(idp, "net-cap", **wrong), binding, status=500 if binding == "soap" else 403
    )
    assert ("Fault" in answer.text) is (binding == "soap")
    inside(sp, "net-cap", yes=True)


def test_unsigned_tampered_and_replayed_requests_end_nothing(sp: TestApp, idp: FakeIdp) -> None:
    enter(sp, idp, "bip")
    say = Say(idp, "bip", indexes=("another",))
    query = say.query()
    sp.get(f"/bip/slo?{query.partition('&SigAlg')[0]}", status=403)
    sp.get(f"/bip/slo?{query.replace('rsa-sha256', 'rsa-sha384')}", status=403)
    sp.post("/bip/slo", {"SAMLRequest": b64encode(etree.tostring(say.root())).decode()}, status=403)
    node = say.signed()
    node.find(f"{{{SAMLP}}}SessionIndex").text = "s1"
    sp.post("/bip/slo", {"SAMLRequest": b64encode(etree.tostring(node)).decode()}, status=403)
    sp.get(f"/bip/slo?{query}", status=303)
    sp.get(f"/bip/slo?{query}", status=403)
    inside(sp, "bip", yes=True)


@pytest.mark.parametrize("garbage", ["", "SAMLRequest=%%%", "SAMLRequest=AAAA", "SAMLResponse=x"])
def test_garbage_is_refused(sp: TestApp, garbage: str) -> None:
    sp.get(f"/bip/slo?{garbage}", status=403)
    sp.post("/bip/slo", garbage, status=403)
    sp.post("/bip/slo/soap", garbage.encode(), status=500)


def test_an_answer_that_nobody_waits_for_is_refused(sp: TestApp, idp: FakeIdp) -> None:
    said = Say(idp, "bip", "LogoutResponse", attributes={"InResponseTo": "_never"})
    sp.get(f"/bip/slo?{said.query()}", status=403)


def test_a_portal_without_single_logout_is_not_asked(tmp_path: Path, var: Path) -> None:
    idp = FakeIdp(var)
    metadata = etree.fromstring(idp.metadata().encode())
    for node in metadata.iter("{urn:oasis:names:tc:SAML:2.0:metadata}SingleLogoutService"):
        node.getparent().remove(node)
    (tmp_path / "idp.xml").write_bytes(etree.tostring(metadata))
    program = Program(Federation(str(tmp_path / "idp.xml"), PORT, var), Pages("x"), var)
    sp = TestApp(program, extra_environ={"HTTP_HOST": f"localhost:{PORT}"})
    enter(sp, idp, "site")
    assert sp.get("/site/logout", status=303).location.endswith("/site/closed")
    inside(sp, "site", yes=False)
