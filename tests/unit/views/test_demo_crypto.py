"""pysaml2's cryptography in process."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree
from saml2.saml import Assertion, Issuer
from saml2.samlp import Response
from saml2.sigver import (
    DecryptError,
    EncryptError,
    SignatureError,
    pre_encryption_part,
    pre_signature_part,
)
from saml2.xmldsig import DIGEST_SHA1, DIGEST_SHA256, SIG_RSA_SHA1, SIG_RSA_SHA256

from tests.common.processes import REPOSITORY
from views.demo.credentials import Credentials, credentials
from views.demo.crypto import InProcess, OwnRedirectSigner, encryption_methods

NODE = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"
AES256_GCM = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
RSA_1_5 = "http://www.w3.org/2001/04/xmlenc#rsa-1_5"

backend = InProcess()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return credentials(tmp_path_factory.mktemp("keys"), "bip")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return credentials(tmp_path_factory.mktemp("keys"), "site")


def assertion(*, sign: str = SIG_RSA_SHA256, digest: str = DIGEST_SHA256) -> Assertion:
    made = Assertion(id="_a", version="2.0", issue_instant="2026-11-20T08:00:00Z")
    made.issuer = Issuer(text="https://idp.example")
    made.signature = pre_signature_part("_a", sign_alg=sign, digest_alg=digest)
    return made


def signed(pair: Credentials) -> str:
    return backend.sign_statement(assertion(), NODE, str(pair.key_file), "_a")


def verify(text: str, pair: Credentials, node_name: str = NODE, node_id: str = "_a") -> bool:
    certificate = pair.certificate_file.read_text(encoding="ascii")
    return backend.validate_signature(text, certificate, "pem", node_name, node_id)


def test_what_is_signed_verifies(pair: Credentials) -> None:
    assert verify(signed(pair), pair)


def test_another_key_does_not_verify(pair: Credentials, other: Credentials) -> None:
    with pytest.raises(SignatureError, match="does not verify"):
        verify(signed(pair), other)


CHANGES: dict[str, tuple[Callable[[str], str], str]] = {
    "changed text": (lambda text: text.replace("idp.example", "evil.example"), "does not verify"),
    "an ID twice": (lambda text: f'<x ID="_a">{text}</x>', "used twice"),
    "another kind of element": (
        lambda text: text.replace(":Assertion", ":Advice"),
        "another kind",
    ),
    "no such ID": (lambda text: text.replace('ID="_a"', 'ID="_b"'), "no element"),
    "another reference": (lambda text: text.replace('URI="#_a"', 'URI=""'), "something else"),
    "SHA-1": (lambda text: text.replace(DIGEST_SHA256, DIGEST_SHA1), "not accepted"),
    "RSA-SHA1": (lambda text: text.replace(SIG_RSA_SHA256, SIG_RSA_SHA1), "not accepted"),
    "one transform less": (
        lambda text: text.replace("xmldsig#enveloped-signature", "xmldsig#base64"),
        "other transforms",
    ),
    "a DTD": (lambda text: f"<!DOCTYPE x>{text}", "DTD"),
    "not XML": (lambda text: text[:-1], "not XML"),
}


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_what_is_changed_is_refused(
    pair: Credentials, change: Callable[[str], str], words: str
) -> None:
    with pytest.raises(SignatureError, match=words):
        verify(change(signed(pair)), pair)


def test_an_object_in_the_signature_is_refused(pair: Credentials) -> None:
    root = etree.fromstring(signed(pair))
    signature = root.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    etree.SubElement(signature, "{http://www.w3.org/2000/09/xmldsig#}Object")
    with pytest.raises(SignatureError, match="Object"):
        verify(etree.tostring(root, encoding="unicode"), pair)


def test_nothing_to_sign_is_an_error(pair: Credentials) -> None:
    plain = assertion()
    plain.signature = None
    with pytest.raises(SignatureError, match="cannot be signed"):
        backend.sign_statement(plain, NODE, str(pair.key_file), "_a")


def encrypted(pair: Credentials) -> str:
    response = Response(id="_r", version="2.0", issue_instant="2026-11-20T08:00:00Z")
    response.assertion = assertion()
    template = pre_encryption_part(msg_enc=AES256_GCM)
    return backend.encrypt_assertion(response, str(pair.certificate_file), template, "aes-256")


def test_what_is_encrypted_is_read_with_the_key(pair: Credentials) -> None:
    text = encrypted(pair)
    assert "idp.example" not in text
    assert "idp.example" in backend.decrypt(text, str(pair.key_file))
    assert encryption_methods(text) == (
        AES256_GCM,
        "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p",
    )


def test_another_key_reads_nothing(pair: Credentials, other: Credentials) -> None:
    with pytest.raises(DecryptError, match="not for this key"):
        backend.decrypt(encrypted(pair), str(other.key_file))


def test_a_weak_key_transport_is_refused(pair: Credentials) -> None:
    text = encrypted(pair).replace("http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", RSA_1_5)
    with pytest.raises(DecryptError, match="not accepted"):
        backend.decrypt(text, str(pair.key_file))


def test_changed_content_is_refused(pair: Credentials) -> None:
    root = etree.fromstring(encrypted(pair))
    value = root.findall(".//{http://www.w3.org/2001/04/xmlenc#}CipherValue")[-1]
    value.text = ("B" if value.text[0] == "A" else "A") + value.text[1:]
    with pytest.raises(DecryptError, match="cannot be decrypted"):
        backend.decrypt(etree.tostring(root), str(pair.key_file))


def test_nothing_encrypted_is_an_error(pair: Credentials) -> None:
    with pytest.raises(DecryptError, match="nothing"):
        backend.decrypt("<a/>", str(pair.key_file))
    assert encryption_methods("<a/>") is None


def test_no_assertion_to_encrypt_is_an_error(pair: Credentials) -> None:
    with pytest.raises(EncryptError, match="one assertion"):
        backend.encrypt_assertion("<a/>", str(pair.certificate_file), "<b/>")


def test_any_document_is_encrypted_with_a_template(pair: Credentials, tmp_path: Path) -> None:
    template = tmp_path / "template.xml"
    template.write_text(str(pre_encryption_part(msg_enc=AES256_GCM)), encoding="utf-8")
    certificate = str(pair.certificate_file)
    text = backend.encrypt("<a>secret</a>", certificate, str(template), "aes-256")
    assert b"secret" not in text
    assert "<a>secret</a>" in backend.decrypt(text, str(pair.key_file))


def test_redirects_are_not_signed_with_sha1() -> None:
    assert OwnRedirectSigner(None).get_signer(SIG_RSA_SHA1) is None


def test_the_version_is_the_librarys() -> None:
    assert backend.version_nums >= (1, 3)


def test_the_program_knows_nothing_of_ours() -> None:
    ours = "{'idp', 'directory', 'metadata'}"
    program = f"import sys, views.demo.sp; print(sorted({ours} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[]\n"
