"""mod_auth_mellon (on Lasso) in Debian's Apache: one protected path for each site.

It asks by POST when the IdP's metadata offers nothing else, and signs when its own metadata says
so; both are therefore said in the files that its operator writes.
"""

import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen
from xml.sax.saxutils import unescape

from lxml import etree

from tests.common import apache
from tests.common.apache import Apache, LogTail
from tests.common.fake_sp import DS, NS, SAMLP, key_pair
from tests.common.sp_sites import (
    BASIC_NAMES,
    POST,
    REDIRECT,
    SITES,
    SOAP,
    Names,
    RealSP,
    Session,
    Site,
    names_sent,
)

MD = NS["md"]

LOCATION = """\
<Location /{name}>
    MellonEnable info
    MellonEndpointPath /{name}/mellon
    MellonVariable {name}
    MellonSecureCookie On
    MellonSPentityId {entity_id}
    MellonSPPrivateKeyFile {folder}/mellon.key
    MellonSPCertFile {folder}/mellon.crt
    MellonIdPMetadataFile {idp}
    MellonSignatureMethod rsa-sha256
    MellonEnvVarsSetCount On
    MellonNoSuccessErrorPage {base}/{name}/open
    MellonDefaultLoginPath /{name}/open
    {own_metadata}
    {names}
</Location>
<Location /{name}/session>
    MellonEnable auth
    AuthType Mellon
    Require valid-user
</Location>
"""

METADATA = """\
<EntityDescriptor xmlns="{md}" entityID="{entity_id}">
  <SPSSODescriptor AuthnRequestsSigned="{signs}" WantAssertionsSigned="true"
      protocolSupportEnumeration="{samlp}">
    {keys}
    {logout}
    <NameIDFormat>{format}</NameIDFormat>
    <AssertionConsumerService index="0" isDefault="true" Binding="{post}" Location="{acs}"/>
  </SPSSODescriptor>
</EntityDescriptor>
"""
LOGOUT = '<SingleLogoutService Binding="{binding}" Location="{location}"/>'
KEY = """<KeyDescriptor use="{use}"><KeyInfo xmlns="{ds}"><X509Data><X509Certificate>{certificate}
</X509Certificate></X509Data></KeyInfo></KeyDescriptor>"""


class Mellon(RealSP):
    """The running program."""

    name = "mellon"

    def __init__(self, server: Apache) -> None:
        self.base = server.base
        self._server = server
        self._log = LogTail(server.error_log)

    def metadata(self, site: Site) -> bytes:
        """See :class:`RealSP`: its own writing, or the file that it was given."""
        if not _writes_its_own(site):
            return (self._server.folder / f"{site.name}.xml").read_bytes()
        with urlopen(f"{self.base}/{site.name}/mellon/metadata", timeout=30) as answer:  # noqa: S310 - http
            return bytes(answer.read())

    def login(self, site: Site, *, target: str, passive: bool = False) -> str:
        """See :class:`RealSP`."""
        query = {"ReturnTo": target, **({"IsPassive": "true"} if passive else {})}
        return f"{self.base}/{site.name}/mellon/login?{urlencode(query)}"

    def logout(self, site: Site, *, target: str) -> str:
        """See :class:`RealSP`: by Redirect, whatever the site."""
        return f"{self.slo(site)}?{urlencode({'ReturnTo': target})}"

    def slo(self, site: Site) -> str:
        """Where it is told of a logout, by whatever binding."""
        return f"{self.base}/{site.name}/mellon/logout"

    def acs(self, site: Site) -> str:
        """See :class:`RealSP`."""
        return f"{self.base}/{site.name}/mellon/postResponse"

    def read(self, site: Site, body: bytes) -> Session | None:
        """See :class:`RealSP`: ``MELLON_<name>_N`` counts the values ``MELLON_<name>_<i>``.

        It hands values on as the XML text that they came in (``&amp;`` for ``&``), whatever the
        IdP; an application behind it has to know that.
        """
        del site
        shown = apache.shown(body)
        if "MELLON_NAME_ID" not in shown:
            return None
        return Session(shown["MELLON_NAME_ID"], _values(shown))

    def complaints(self) -> list[str]:
        """See :class:`RealSP`."""
        return [line for line in self._log.lines() if not line.startswith(("notice ", "info "))]


def _values(shown: Mapping[str, str]) -> dict[str, list[str]]:
    return {
        name: [unescape(shown[f"MELLON_{name}_{i}"]) for i in range(int(shown[f"MELLON_{name}_N"]))]
        for name in BASIC_NAMES
        if f"MELLON_{name}_N" in shown
    }


@contextmanager
def running(idp_metadata: bytes, host: str) -> Iterator[Mellon]:
    """The program with every site, for the IdP of this metadata."""
    with ExitStack() as stack:
        server = stack.enter_context(apache.prepared(host, "mellon-"))
        private_key, certificate = key_pair("mellon")
        (server.folder / "mellon.key").write_bytes(private_key)
        (server.folder / "mellon.crt").write_text(ssl.DER_cert_to_PEM_cert(certificate))
        _write_idp(server.folder, idp_metadata)
        program = Mellon(server)
        body = f'MellonLockFile "{server.folder}/mellon.lock"\n'
        for site in SITES.values():
            if not _writes_its_own(site):
                _write_metadata(server.folder, program, site, certificate)
            body += _location(server.folder, program, site)
        modules = {"auth_mellon_module": "mod_auth_mellon.so"}
        stack.enter_context(apache.serving(server, modules, body))
        yield program


def _writes_its_own(site: Site) -> bool:
    """What it writes by itself always signs requests and wants transient names."""
    return site.signs and site.names is Names.TRANSIENT


def _write_idp(folder: Path, metadata: bytes) -> None:
    """The IdP's metadata as published, a copy that offers POST only, and its certificate."""
    (folder / "idp.xml").write_bytes(metadata)
    root = etree.fromstring(metadata)
    certificate = root.findtext(f".//{{{DS}}}X509Certificate")
    pem = f"-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n"
    (folder / "idp.crt").write_text(pem, encoding="ascii")
    root.remove(root.find(f"{{{DS}}}Signature"))
    descriptor = root.find(f"{{{MD}}}IDPSSODescriptor")
    for service in descriptor.findall(f"{{{MD}}}SingleSignOnService"):
        if service.get("Binding") == REDIRECT:
            descriptor.remove(service)
    (folder / "idp-post.xml").write_bytes(etree.tostring(root))


def _write_metadata(folder: Path, program: Mellon, site: Site, certificate: bytes) -> None:
    text = b64encode(certificate).decode()
    (folder / f"{site.name}.xml").write_text(
        METADATA.format(
            md=MD,
            samlp=SAMLP,
            post=POST,
            entity_id=program.entity_id(site),
            signs=str(site.signs).lower(),
            keys="".join(
                KEY.format(use=use, ds=DS, certificate=text) for use in ("signing", "encryption")
            ),
            logout="".join(
                LOGOUT.format(binding=binding, location=program.slo(site))
                for binding in _logout_bindings(site)
            ),
            format=site.names.urn,
            acs=program.acs(site),
        ),
        encoding="utf-8",
    )


def _logout_bindings(site: Site) -> tuple[str, ...]:
    """It answers no POST by the browser; what its own metadata offers is SOAP and Redirect."""
    if site.logout is None:
        return ()
    return (SOAP, REDIRECT) if site.logout == SOAP else (REDIRECT,)


def _location(folder: Path, program: Mellon, site: Site) -> str:
    own = "" if _writes_its_own(site) else f"MellonSPMetadataFile {folder}/{site.name}.xml"
    return LOCATION.format(
        name=site.name,
        folder=folder,
        base=program.base,
        entity_id=program.entity_id(site),
        idp=f"{folder}/idp-post.xml"
        if site.binding == POST
        else f"{folder}/idp.xml {folder}/idp.crt",
        own_metadata=own,
        names="\n    ".join(
            f"MellonSetEnv {ours} {sent}" for ours, sent in names_sent(site).items()
        ),
    )
