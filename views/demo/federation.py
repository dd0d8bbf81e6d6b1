"""The pysaml2 clients of the demonstration applications, built from the IdP's metadata.

pysaml2 loads metadata once; here it is read again when it is a minute old, or when a signature does
not verify (the IdP changed its key), and the last good copy is kept.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import monotonic
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.mdstore import MetadataStore
from saml2.sigver import import_rsa_key_from_file, pem_format
from saml2.xmldsig import SIG_RSA_SHA256

from views.demo.applications import DemoApplication
from views.demo.credentials import credentials
from views.demo.crypto import InProcess, OwnRedirectSigner, parse

log = logging.getLogger(__name__)

MAX_AGE = 60.0
RETRY_AFTER = 1.0
TIMEOUT = 3.0
MAX_METADATA = 1 << 20
SKEW = 60


class NotReady(Exception):
    """The identity provider's metadata could not be read yet."""


class Federation:
    """Gives each application its client; ``source`` is a URL or a file of the IdP's metadata."""

    def __init__(
        self, source: str, port: int, var: Path, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self.source = source
        self.port = port
        self._var = var
        self._clock = clock
        self._lock = Lock()
        self._document = b""
        self._tried_at: float | None = None
        self._clients: dict[str, Saml2Client] = {}

    def client(self, application: DemoApplication) -> Saml2Client:
        """The client of this application.

        Raises:
            NotReady: the IdP's metadata was never read, and still cannot be.
        """
        with self._lock:
            self._refresh(MAX_AGE if self._document else RETRY_AFTER)
            if not self._document:
                raise NotReady(self.source)
            client = self._clients.get(application.name)
            if client is None:
                client = build_client(application, self.port, self._var, self._document)
                self._clients[application.name] = client
            return client

    def read_again(self) -> None:
        """Read the IdP's metadata now, unless that was done a moment ago."""
        with self._lock:
            self._refresh(RETRY_AFTER)

    def _refresh(self, max_age: float) -> None:
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < max_age:
            return
        self._tried_at = now
        try:
            document = read_metadata(self.source)
            parse(document)
        except Exception as error:  # noqa: BLE001 - whatever is wrong, the last good copy serves
            level = logging.WARNING if self._document else logging.INFO
            log.log(level, "metadata of the identity provider: %s", error)
            return
        if document != self._document:
            self._document = document
            self._clients.clear()


@dataclass(frozen=True, slots=True)
class Certificate:
    """What pysaml2 takes for an open file: its back end is given ``name``. Here that is the PEM."""

    name: str


class PublishedCertificates:
    """The certificates of the metadata, without the temporary files that pysaml2 writes."""

    def __init__(self, metadata: MetadataStore) -> None:
        self._metadata = metadata

    def certs(
        self, entity_id: str, descriptor: str, use: str
    ) -> list[tuple[str | None, Certificate]]:
        """The certificates of this entity for this use.

        Raises:
            KeyError: the metadata does not know the entity.
        """
        published = self._metadata.certs(entity_id, descriptor, use)
        return [(name, Certificate(pem_format(text).decode())) for name, text in published]


def read_metadata(source: str) -> bytes:
    """The document at this URL, never through a proxy, or in this file.

    Raises:
        OSError: it cannot be read; URLError is one.
    """
    if not source.startswith(("http://", "https://")):
        return Path(source).read_bytes()
    with build_opener(ProxyHandler({})).open(source, timeout=TIMEOUT) as answer:
        document: bytes = answer.read(MAX_METADATA + 1)
    if len(document) > MAX_METADATA:
        raise URLError("the metadata is too large")
    return document


def build_client(
    application: DemoApplication, port: int, var: Path, idp_metadata: bytes
) -> Saml2Client:
    """A pysaml2 client that signs, verifies and decrypts in process."""
    pair = credentials(var, application.name)
    files = {"key_file": str(pair.key_file), "cert_file": str(pair.certificate_file)}
    config = SPConfig()
    config.load(
        {
            **files,
            "entityid": application.entity_id(port),
            "name": application.label,
            # pysaml2 only looks whether this file exists; its back end is replaced below.
            "xmlsec_binary": __file__,
            "encryption_keypairs": [files] if application.wants_encryption else [],
            "metadata": {"inline": [idp_metadata.decode()]},
            "only_use_keys_in_metadata": True,
            "allow_unknown_attributes": True,
            "accepted_time_diff": SKEW,
            "signing_algorithm": SIG_RSA_SHA256,
            "service": {"sp": _service(application, port)},
        }
    )
    client = Saml2Client(config=config)
    client.sec.crypto = InProcess()
    client.sec.metadata = PublishedCertificates(client.metadata)
    client.sec.sec_backend = OwnRedirectSigner(import_rsa_key_from_file(str(pair.key_file)))
    return client


def _service(application: DemoApplication, port: int) -> dict[str, object]:
    service: dict[str, object] = {
        "endpoints": {
            "assertion_consumer_service": [(application.acs(port), BINDING_HTTP_POST)],
        },
        "authn_requests_signed": application.signs_requests,
        "want_assertions_signed": True,
        "want_response_signed": True,
        # Tiles start a sign-on without a request; an InResponseTo is checked in `acceptance`.
        "allow_unsolicited": True,
        "name_id_format": [application.name_id_format],
        "name_id_format_allow_create": True,
    }
    if application.asks_name_id:
        service["name_id_policy_format"] = application.name_id_format
    return service


def authn_request(
    client: Saml2Client, application: DemoApplication, relay_state: str
) -> tuple[str, str]:
    """A new AuthnRequest: its ID, and the address that carries it by Redirect. [SAMLBind] 3.4."""
    message_id, info = client.prepare_for_authenticate(
        relay_state=relay_state,
        binding=BINDING_HTTP_REDIRECT,
        sign=application.signs_requests,
        sigalg=SIG_RSA_SHA256,
    )
    return message_id, dict(info["headers"])["Location"]
