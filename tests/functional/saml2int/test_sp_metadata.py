"""saml2int 2.0: which metadata of SPs is taken."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from idp.errors import MetadataError
from metadata.options import Choice
from metadata.registry import Registry
from metadata.sources import read_source
from tests.common.fake_sp import FakeSP
from tests.functional.conftest import SSO
from tests.functional.saml2int.conftest import Federation
from tests.unit.metadata.samples import der, signed

UNTIL = 'validUntil="2027-01-31T00:00:00Z"'


@contextmanager
def published(document: bytes) -> Iterator[str]:
    """An address that gives this document."""

    class Handler(BaseHTTPRequestHandler):
        """Answers every GET alike."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/metadata"
        finally:
            server.shutdown()
            thread.join(5)


def add_from_url(federation: Federation, sp: FakeSP, document: bytes, signer: bytes | None) -> None:
    """What ``convergences sp add URL [--signer …]`` does, with a role for the person."""
    code = sp.entity_id.split("/")[2]
    with published(document) as url:
        registry = Registry(federation.world.services.core)
        content = read_source(url, loopback=True)
        registry.add(content, Choice(), application=code, source_url=url, signer=signer)
    directory = federation.world.directory
    directory.add_application(code, code, entity_id=sp.entity_id)
    directory.add_role(code, "gest", "gest")
    directory.assign(federation.world.memberships["agent/vitry"], code, "gest")


def with_attributes(sp: FakeSP, attributes: str) -> bytes:
    return sp.metadata().replace(b" entityID=", f" {attributes} entityID=".encode(), 1)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_sp_metadata_from_url_without_validuntil_needs_a_pin(federation: Federation) -> None:
    sp = FakeSP("adresse", idp_sso=SSO)
    document = signed(with_attributes(sp, 'ID="_1"'))
    with pytest.raises(MetadataError, match="validUntil"):
        add_from_url(federation, sp, document, None)
    with pytest.raises(MetadataError):
        add_from_url(federation, sp, document, der(number=1))
    assert federation.is_refused(sp)
    add_from_url(federation, sp, document, der())
    assert federation.enter(sp)


def test_sp_metadata_from_url_with_validuntil(federation: Federation) -> None:
    sp = FakeSP("adresse", idp_sso=SSO)
    add_from_url(federation, sp, with_attributes(sp, UNTIL), None)
    assert federation.enter(sp)


def expired(sp: FakeSP) -> bytes:
    """A certificate of the SP's key that ended years ago."""
    key = load_pem_private_key(sp.private_key, None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ancien")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2015, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2018, 1, 1, tzinfo=UTC))
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)  # type: ignore[arg-type]


def test_expiry_of_a_certificate_inside_metadata_is_a_warning(federation: Federation) -> None:
    """Signatures of its key verify, and assertions are encrypted to it."""
    sp = FakeSP("ancien", signs=True, encrypts=True, idp_sso=SSO)
    sp.certificate = expired(sp)
    federation.join(sp)
    assert federation.enter(sp)
    registered = Registry(federation.world.services.core).find(sp.entity_id)
    assert any("a expiré le 01/01/2018" in warning for warning in registered.warnings)
