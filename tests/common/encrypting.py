"""Encrypts to the IdP as SPs do, and as SPs never would. [XMLEnc], [SAMLCore] 2.2.4."""

import os
from base64 import b64encode
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
DS = "http://www.w3.org/2000/09/xmldsig#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
AES128_GCM, AES256_GCM = f"{XENC11}aes128-gcm", f"{XENC11}aes256-gcm"
AES128_CBC, AES256_CBC = f"{XENC}aes128-cbc", f"{XENC}aes256-cbc"
OAEP_MGF1P, OAEP = f"{XENC}rsa-oaep-mgf1p", f"{XENC11}rsa-oaep"
RSA_1_5 = f"{XENC}rsa-1_5"

NAME_ID = f'<saml:NameID xmlns:saml="{SAML}">Zoé</saml:NameID>'.encode()


@dataclass(frozen=True)
class Encrypter:
    """One way of encrypting; what is not said is what a Shibboleth SP does."""

    certificate: bytes
    block: str = AES128_GCM
    transport: str = OAEP_MGF1P
    digest: str | None = None
    mask: str | None = None
    beside: bool = False
    session_key: bytes | None = None
    told_transport: str | None = None
    told_block: str | None = None
    more_keys: str = ""
    more_info: str = ""

    def encrypted_id(self, content: bytes = NAME_ID) -> str:
        """The ``saml:EncryptedID``."""
        key = self.session_key or os.urandom(16 if "128" in self.block else 32)
        wrapped = self._encrypted_key(key)
        reference = f'<ds:RetrievalMethod Type="{XENC}EncryptedKey" URI="#_k"/>'
        inside = reference if self.beside else wrapped
        return (
            f'<saml:EncryptedID xmlns:saml="{SAML}" xmlns:xenc="{XENC}" xmlns:ds="{DS}">'
            f'<xenc:EncryptedData Id="_d" Type="{XENC}Element">'
            f'<xenc:EncryptionMethod Algorithm="{self.told_block or self.block}"/>'
            f"<ds:KeyInfo>{self.more_info}{inside}</ds:KeyInfo>"
            f"{_cipher_data(self._encrypted(key, content))}</xenc:EncryptedData>"
            f"{wrapped if self.beside else ''}{self.more_keys}</saml:EncryptedID>"
        )

    def _encrypted_key(self, key: bytes) -> str:
        inner = "" if self.digest is None else f'<ds:DigestMethod Algorithm="{self.digest}"/>'
        if self.mask is not None:
            inner += f'<m:MGF xmlns:m="{XENC11}" Algorithm="{self.mask}"/>'
        return (
            '<xenc:EncryptedKey Id="_k">'
            f'<xenc:EncryptionMethod Algorithm="{self.told_transport or self.transport}">{inner}'
            f"</xenc:EncryptionMethod>{_cipher_data(self._wrapped(key))}</xenc:EncryptedKey>"
        )

    def _wrapped(self, key: bytes) -> bytes:
        public = x509.load_der_x509_certificate(self.certificate).public_key()
        assert isinstance(public, RSAPublicKey)
        if self.transport == RSA_1_5:
            return public.encrypt(key, padding.PKCS1v15())
        digest, mask = _hash(self.digest), _hash(self.mask)
        return public.encrypt(key, padding.OAEP(padding.MGF1(mask), digest, None))

    def _encrypted(self, key: bytes, content: bytes) -> bytes:
        if self.block in {AES128_GCM, AES256_GCM}:
            nonce = os.urandom(12)
            return nonce + AESGCM(key).encrypt(nonce, content, None)
        iv, missing = os.urandom(16), 16 - len(content) % 16
        padded = content + bytes(missing - 1) + bytes([missing])
        encryptor = Cipher(AES(key), CBC(iv)).encryptor()
        return iv + encryptor.update(padded) + encryptor.finalize()


def _hash(algorithm: str | None) -> hashes.HashAlgorithm:
    name = (algorithm or "sha1").rpartition("#")[2].removeprefix("mgf1")
    sha1 = hashes.SHA1()  # noqa: S303 - what the standard's default is
    return {"sha1": sha1, "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}[name]


def _cipher_data(octets: bytes) -> str:
    value = b64encode(octets).decode()
    return f"<xenc:CipherData><xenc:CipherValue>{value}</xenc:CipherValue></xenc:CipherData>"
