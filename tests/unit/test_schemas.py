"""That the schemas do refuse, wherever what is wrong stands; and that nothing leaves unseen."""

import zlib
from base64 import b64encode
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from types import SimpleNamespace
from urllib.parse import quote_plus

import pytest
from lxml import etree
from webtest import TestApp

from tests.common import schemas
from tests.common.fake_slo import envelope

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
HEAD = (
    f'xmlns:p="{SAMLP}" xmlns:s="{SAML}" ID="_1" Version="2.0" IssueInstant="2026-11-20T09:00:00Z"'
)
STATUS = f'<p:Status><p:StatusCode Value="{SAMLP}:x"/></p:Status>'
GOOD = f"<p:LogoutResponse {HEAD}>{STATUS}</p:LogoutResponse>"
BAD = GOOD.replace('<p:StatusCode Value="', '<p:StatusCode Code="')
DESCRIPTION = """<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"
 entityID="urn:x"><md:IDPSSODescriptor protocolSupportEnumeration="urn:x"><md:Extensions>{}
 </md:Extensions><md:SingleSignOnService Binding="urn:x" Location="urn:x"/></md:IDPSSODescriptor>
 </md:EntityDescriptor>"""
MDUI = "urn:oasis:names:tc:SAML:metadata:ui"
ALG = "urn:oasis:names:tc:SAML:metadata:algsupport"
SHIBMD = "urn:mace:shibboleth:metadata:1.0"


def enveloped(message: str) -> bytes:
    return envelope(etree.fromstring(message))


@pytest.mark.parametrize(
    "message",
    [
        BAD,
        GOOD.replace(' ID="_1"', ""),
        GOOD.replace('ID="_1"', 'ID="1"'),
        GOOD.replace("09:00:00Z", "9h"),
        GOOD.replace("<p:Status>", "<s:Issuer/><s:Issuer/><p:Status>"),
        f"<s:Assertion {HEAD}/>",
    ],
    ids=["attribute", "no ID", "ID", "date", "twice", "no Issuer"],
)
def test_a_wrong_message_is_refused_in_an_envelope_too(message: str) -> None:
    schemas.read(GOOD.encode())
    schemas.read(enveloped(GOOD))
    with pytest.raises(etree.DocumentInvalid):
        schemas.read(message.encode())
    with pytest.raises(etree.DocumentInvalid):
        schemas.read(enveloped(message))


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (
            f'<u:UIInfo xmlns:u="{MDUI}"><u:DisplayName xml:lang="fr">x</u:DisplayName></u:UIInfo>',
            f'<u:UIInfo xmlns:u="{MDUI}"><u:DisplayName>x</u:DisplayName></u:UIInfo>',
        ),
        (
            f'<u:UIInfo xmlns:u="{MDUI}"><u:Logo height="1" width="1">u:x</u:Logo></u:UIInfo>',
            f'<u:UIInfo xmlns:u="{MDUI}"><u:Logo height="1">u:x</u:Logo></u:UIInfo>',
        ),
        (
            f'<a:DigestMethod xmlns:a="{ALG}" Algorithm="u:x"/>',
            f'<a:DigestMethod xmlns:a="{ALG}"/>',
        ),
        (
            f'<i:Scope xmlns:i="{SHIBMD}" regexp="false">cig.example</i:Scope>',
            f'<i:Scope xmlns:i="{SHIBMD}" regexp="non">cig.example</i:Scope>',
        ),
    ],
    ids=["DisplayName", "Logo", "DigestMethod", "Scope"],
)
def test_wrong_metadata_extensions_are_refused(good: str, bad: str) -> None:
    schemas.read(DESCRIPTION.format(good).encode())
    with pytest.raises(etree.DocumentInvalid):
        schemas.read(DESCRIPTION.format(bad).encode())


def page(message: str) -> tuple[str, bytes]:
    value = b64encode(message.encode()).decode()
    form = f'<form action="x"><input type="hidden" name="SAMLResponse" value="{value}"></form>'
    return "text/html; charset=UTF-8", f"<!doctype html><form></form>{form}".encode()


def redirection(message: str) -> str:
    compressor = zlib.compressobj(wbits=-15)
    deflated = compressor.compress(message.encode()) + compressor.flush()
    return f"https://sp.example/slo?x=1&SAMLRequest={quote_plus(b64encode(deflated))}"


@pytest.mark.parametrize("way", ["page", "redirection", "envelope"])
def test_nothing_wrong_leaves_the_application(way: str) -> None:
    def sent(message: str) -> None:
        def app(environ: dict[str, object], start_response: object) -> Iterable[bytes]:
            del environ
            headers = {"Content-Type": "text/xml"}
            octets = enveloped(message)
            if way == "page":
                headers["Content-Type"], octets = page(message)
            elif way == "redirection":
                headers = {"Content-Type": "text/plain", "Location": redirection(message)}
                octets = b""
            start_response("200 OK", list(headers.items()))  # type: ignore[operator]
            return [octets]

        app.registry = SimpleNamespace()  # type: ignore[attr-defined]
        answer = TestApp(schemas.Watched(app)).get("/")
        assert answer.body or answer.location

    sent(GOOD)
    with pytest.raises(etree.DocumentInvalid):
        sent(BAD)


def test_threads_that_ask_at_once_build_one_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[int] = []
    make = etree.XMLSchema

    def slowly(*given: object) -> etree.XMLSchema:
        built.append(1)
        sleep(0.1)
        return make(*given)

    monkeypatch.setattr(schemas.etree, "XMLSchema", slowly)
    schemas._schema.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(schemas.read, [GOOD.encode()] * 8))) == 8
    assert len(built) == 1
