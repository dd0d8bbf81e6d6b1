"""What the demonstration's applications receive, to the byte: an upgrade must not change it.

The golden files are in tests/data/golden; docs/contributing.md says how they are renewed.
"""

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from webtest import TestApp, TestResponse

import idp.snapshot
from directory.demonstration import PASSWORD, STRUCTURES
from idp.saml.names import q
from idp.services import Services
from idp.types import Legacy
from metadata.exceptions import Granted
from metadata.granting import Exceptions
from tests.common import golden
from tests.common.clock import FakeClock
from tests.common.databases import Filling
from tests.common.fake_sp import FakeSP
from tests.common.fillings import demonstrated
from views.demo import loading
from views.demo.applications import APPLICATIONS, DemoApplication
from views.demo.credentials import credentials

SP_PORT = 6544
IDP = "http://localhost:6543"
BY_NAME = {application.name: application for application in APPLICATIONS}


class DemoSP(FakeSP):
    """One of the demonstration's applications, with its own addresses and key."""

    def __init__(self, application: DemoApplication, keys: Path) -> None:
        super().__init__(
            application.name,
            signs=application.signs_requests,
            encrypts=application.wants_encryption,
            idp_sso=f"{IDP}/saml/sso",
        )
        self.application = application
        self.entity_id, self.acs = application.entity_id(SP_PORT), application.acs(SP_PORT)
        pair = credentials(keys, application.name)
        self.private_key = pair.key_file.read_bytes()
        certificate = x509.load_pem_x509_certificate(pair.certificate_file.read_bytes())
        self.certificate = certificate.public_bytes(Encoding.DER)

    def policy(self) -> list[etree._Element]:
        """The NameIDPolicy of its requests, if it sends one."""
        if not self.application.asks_name_id:
            return []
        wanted = {"Format": self.application.name_id_format, "AllowCreate": "true"}
        return [etree.Element(q("samlp", "NameIDPolicy"), wanted)]


@dataclass(frozen=True)
class Opened:
    """The octets that an application received."""

    sp: DemoSP
    response: bytes

    def assertion(self) -> bytes:
        """What was encrypted, to the byte: read as octets, not as an element."""
        data = etree.fromstring(self.response).find(f".//{q('xenc', 'EncryptedData')}")
        del data.attrib["Type"]
        manager = xmlsec.KeysManager()
        manager.add_key(xmlsec.Key.from_memory(self.sp.private_key, xmlsec.KeyFormat.PEM))
        return bytes(xmlsec.EncryptionContext(manager).decrypt(data))


@dataclass(frozen=True)
class Case:
    """A person who opens an application; ``structure`` is what he answers when he is asked."""

    application: str
    person: str = "agent"
    structure: str = ""
    exception: Legacy | None = None
    from_the_portal: bool = False

    @property
    def name(self) -> str:
        """The name of the golden file."""
        parts = [self.application, self.person, self.structure, self.exception or ""]
        return ".".join(filter(None, [*parts, "portail" if self.from_the_portal else ""]))


CASES = (
    *(Case(name) for name in BY_NAME),
    *(Case(name, "multi", structure="b-rh") for name in ("bip", "net-cap")),
    *(Case(name, "multi") for name in ("net-cotisations", "site")),
    *(
        Case("bip", exception=each)
        for each in Legacy
        if each in {Legacy.DELIMITED_ROLES, Legacy.UNSPECIFIED_NAME_FORMAT}
        or each in {Legacy.UNSIGNED_RESPONSE, Legacy.SHA1_SIGNING}
    ),
    Case("net-cap", exception=Legacy.UNENCRYPTED),
    Case("site", "multi", exception=Legacy.DELIMITED_ROLES),
    Case("net-cotisations", from_the_portal=True),
)
ENCRYPTED = [case for case in CASES if case.application == "net-cap" and not case.exception]
FILES = {case.name for case in CASES} | {f"{case.name}.assertion" for case in ENCRYPTED}


@pytest.fixture
def directory_plugin() -> str:
    """The directory of the product, with the demonstration in it."""
    return "directory.plugin.build"


@pytest.fixture
def clock() -> FakeClock:
    """The times in the golden files follow from this one, whatever other tests live in."""
    return FakeClock(datetime(2026, 11, 20, 9, 0, tzinfo=UTC))


@pytest.fixture
def database_filling() -> Filling:
    """The demonstration's people."""
    return demonstrated


@pytest.fixture(scope="module")
def sp_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The keys of the four, made once."""
    return tmp_path_factory.mktemp("sp-keys")


@pytest.fixture
def open_as(
    app: TestApp,
    services: Services,
    clock: FakeClock,
    sp_keys: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Case], Opened]:
    """The demonstration as ``make run`` loads it, and what an application receives in a case."""
    monkeypatch.setattr(idp.snapshot, "MAX_AGE", 0)
    loading.load(services, SP_PORT, sp_keys)

    def opened(case: Case) -> Opened:
        sp = DemoSP(BY_NAME[case.application], sp_keys)
        if case.exception:
            end = clock.now() + timedelta(days=1)
            granted = Granted(case.exception, end, "application ancienne", clock.now())
            Exceptions(services.core).grant(sp.entity_id, granted)
        sp.encrypts &= case.exception is not Legacy.UNENCRYPTED
        app.reset()
        sign_in(app, f"{case.person}@demo.example")
        clock.advance(timedelta(minutes=2))  # so that no time in the message looks like another
        request_id, page = reach(app, sp, case, clock.now())
        sp.consume(
            page.text,
            idp_certificate=services.signer.certificates()[0],
            idp_entity_id=f"{IDP}/saml/metadata",
            now=clock.now(),
            request_id=request_id,
            response_signed=case.exception is not Legacy.UNSIGNED_RESPONSE,
        )
        return Opened(sp, b64decode(page.forms["remise"]["SAMLResponse"].value))

    return opened


def sign_in(app: TestApp, mail: str) -> None:
    form = app.get("/connexion").forms["formulaire"]
    form["login"], form["password"] = mail, PASSWORD
    form.submit(status=303)


def reach(app: TestApp, sp: DemoSP, case: Case, now: datetime) -> tuple[str | None, TestResponse]:
    """The request's ID, if there is one, and the page that hands over."""
    if case.from_the_portal:
        return None, app.get(f"/saml/sso/init?sp={quote(sp.entity_id, safe='')}")
    request = sp.authn_request(*sp.policy(), now=now)
    page = app.get(f"/saml/sso?{sp.redirect_query(request, 'retour')}", status="*")
    while page.status_int == 303:
        page = page.follow(status="*")
    if case.structure:
        form = next(one for one in page.forms.values() if one.action == "/saml/sso/structure")
        label = next(label for code, label, *_ in STRUCTURES if code == case.structure)
        buttons = page.html.find_all("button", attrs={"name": "membership"})
        value = next(button["value"] for button in buttons if label in button.text)
        page = form.submit("membership", value=value, status=303).follow(status=200)
    return request.get("ID"), page


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_application_receives_what_it_always_received(
    case: Case, open_as: Callable[[Case], Opened]
) -> None:
    opened = open_as(case)
    messages = {case.name: opened.response.decode()}
    if case in ENCRYPTED:
        messages[f"{case.name}.assertion"] = opened.assertion().decode()
    golden.compare(messages)


def test_every_golden_file_is_compared() -> None:
    assert {path.name.removesuffix(".xml") for path in golden.FOLDER.iterdir()} == FILES


def test_golden_files_are_xml() -> None:
    for name in FILES:
        etree.parse(golden.FOLDER / f"{name}.xml")
