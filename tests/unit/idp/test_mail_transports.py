import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

from idp.errors import ConfigurationError
from idp.mail_transports import (
    FolderTransport,
    Outgoing,
    SmtpTransport,
    Unreachable,
    transport_of,
)
from tests.common.ports import free_port


class Server:
    """What a real SMTP server received."""

    def __init__(self) -> None:
        self.received: list[Envelope] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: object, session: object, envelope: Envelope
    ) -> str:
        del server, session
        self.received.append(envelope)
        return "250 OK"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def controller(server: Server) -> Iterator[Controller]:
    controller = Controller(server, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


MAIL = Outgoing("nom", "de@b.fr", "a@b.fr", b"From: de@b.fr\r\n\r\nBonjour\r\n")


def test_a_folder_holds_whole_files_that_nobody_else_reads(tmp_path: Path) -> None:
    transport = FolderTransport(tmp_path / "a" / "b")
    transport.check()
    transport.send(MAIL)
    transport.send(MAIL)

    (file,) = (tmp_path / "a" / "b").iterdir()
    assert file.name == "nom.eml"
    assert file.read_bytes() == MAIL.octets
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_made_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "fichier").write_text("")
    transport = FolderTransport(tmp_path / "fichier" / "mails")

    with pytest.raises(Unreachable):
        transport.check()
    with pytest.raises(Unreachable):
        transport.send(MAIL)


def test_a_read_only_folder_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_args: False)  # root may write everywhere

    with pytest.raises(Unreachable, match="not writable"):
        FolderTransport(tmp_path).check()


def test_a_failed_write_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unreachable, match="No space"):
        FolderTransport(tmp_path).send(MAIL)

    assert list(tmp_path.iterdir()) == []


def test_a_reachable_server_passes_the_check(controller: Controller, server: Server) -> None:
    SmtpTransport("127.0.0.1", controller.port).check()

    assert server.received == []
    with pytest.raises(Unreachable):
        SmtpTransport("127.0.0.1", free_port()).check()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize(("password", "accepted"), [("juste", True), ("faux", False)])
def test_it_signs_in_to_the_server(server: Server, password: str, *, accepted: bool) -> None:
    def authenticate(*args: object) -> AuthResult:
        data = args[-1]
        right = data.password == b"juste"  # type: ignore[attr-defined]
        return AuthResult(success=right, handled=False)  # the server says so to the client

    controller = Controller(
        server,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=authenticate,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    transport = SmtpTransport("127.0.0.1", controller.port, user="u", password=password)
    if accepted:
        transport.send(MAIL)
    else:
        # A wrong password in the settings must not give up the mail.
        with pytest.raises(Unreachable):
            transport.send(MAIL)
    controller.stop()

    assert len(server.received) == accepted


def test_starttls_is_required_once_asked_for(controller: Controller, server: Server) -> None:
    with pytest.raises(Unreachable):
        SmtpTransport("127.0.0.1", controller.port, security="smtp+starttls").send(MAIL)

    assert server.received == []


@pytest.mark.parametrize("security", ["smtps", "smtp+starttls"])
@pytest.mark.parametrize("trusted", ["trusted", "stranger", "another-name"])
def test_tls_verifies_the_server(
    server: Server, security: str, trusted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = _certificate(tmp_path)
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate, key)
    if trusted != "stranger":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    wrapped = {"ssl_context": own} if security == "smtps" else {"tls_context": own}
    controller = Controller(server, hostname="127.0.0.1", port=free_port(), **wrapped)
    controller.start()
    host = "127.0.0.1" if trusted == "another-name" else "localhost"
    transport = SmtpTransport(host, controller.port, security=security)
    if trusted == "trusted":
        transport.send(MAIL)
    else:
        with pytest.raises(Unreachable):
            transport.send(MAIL)
    controller.stop()

    assert len(server.received) == (trusted == "trusted")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smtp://relais.example", SmtpTransport("relais.example", 25)),
        ("smtp://relais.example:2525", SmtpTransport("relais.example", 2525)),
        ("smtps://relais.example", SmtpTransport("relais.example", 465, "smtps")),
        (
            "smtp+starttls://u%40b:p%3Aq@relais.example",
            SmtpTransport("relais.example", 587, "smtp+starttls", "u@b", "p:q"),
        ),
    ],
)
def test_a_setting_names_a_server(text: str, expected: SmtpTransport) -> None:
    assert transport_of(text) == expected
    assert "p:q" not in repr(transport_of(text))


@pytest.mark.parametrize(
    "text", ["", "folder:", "relais.example", "http://relais.example", "smtp://", "smtp://a:b:c"]
)
def test_a_wrong_setting_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"mail\.transport"):
        transport_of(text)


def test_a_password_travels_in_clear_on_this_machine_only() -> None:
    transport_of("smtp://u:p@localhost")
    for secure in ("smtps", "smtp+starttls"):
        transport_of(f"{secure}://u:p@relais.example")
    with pytest.raises(ConfigurationError, match=r"mail\.transport .* clear"):
        transport_of("smtp://u:p@relais.example")


def test_a_setting_names_a_folder(tmp_path: Path) -> None:
    transport_of(f"folder:{tmp_path / 'x'}").send(MAIL)

    assert (tmp_path / "x" / "nom.eml").exists()


def _certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "c.pem", folder / "k.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
