"""An authority of a test's own, and a server on the loopback with a certificate of it."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


class Authority:
    """``file`` is its certificate; the only server that has one of it is localhost."""

    def __init__(self, folder: Path) -> None:
        key, own = ec.generate_private_key(ec.SECP256R1()), _name("Authority of a test")
        root = _certificate(
            own, own, key.public_key(), key, x509.BasicConstraints(ca=True, path_length=None)
        )
        server_key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        server = _certificate(_name("localhost"), own, server_key.public_key(), key, names)
        self.file, chain = folder / "authority.pem", folder / "server.pem"
        self.file.write_bytes(root.public_bytes(Encoding.PEM))
        private = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain.write_bytes(private + server.public_bytes(Encoding.PEM))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(chain)

    def secure(self, server: ThreadingHTTPServer) -> None:
        """From now on it speaks TLS; hands are shaken in the thread of each connection."""
        server.socket = self._context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )


@contextmanager
def serving(authority: Authority, body: bytes) -> Iterator[int]:
    """A server that answers so; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Who does not trust us leaves in the middle of the handshake."""

    with Server(("127.0.0.1", 0), Handler) as server:
        authority.secure(server)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=False)
        .sign(signer, SHA256())
    )
