"""Shibboleth SP 3 in Debian's Apache, with a shibd of its own: one application for each site.

Only the schemas, templates and policies come from the system's installation; configuration, keys,
socket, caches and logs are in the fresh folder. Plain http is allowed in the configuration, because
everything is on the loopback.
"""

import re
import shutil
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from lxml import etree

from tests.common import apache
from tests.common.apache import Apache, LogTail
from tests.common.fake_sp import NS, key_pair
from tests.common.processes import running as process_running
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

PROGRAM = Path("/usr/sbin/shibd")
SYSTEM = Path("/etc/shibboleth")
FILES = (
    "attribute-policy.xml",
    "bindingTemplate.html",
    "globalLogout.html",
    "localLogout.html",
    "metadataError.html",
    "partialLogout.html",
    "postTemplate.html",
    "protocols.xml",
    "security-policy.xml",
    "sessionError.html",
    "sslError.html",
)
BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
MAX_SOCKET = 107  # bytes that a Unix socket's path holds

# What its operator writes: https nowhere, metadata fetched from the IdP and its signature checked.
CONFIGURATION = """\
<SPConfig xmlns="urn:mace:shibboleth:3.0:native:sp:config" clockSkew="180">
  <OutOfProcess logger="shibd.logger"/>
  <InProcess logger="native.logger"/>
  <UnixListener address="{socket}"/>
  <RequestMapper type="Native"><RequestMap/></RequestMapper>
  <ApplicationDefaults entityID="{base}/default" homeURL="{base}/plain/open"
      requireConfidentiality="false">
    {sessions}
    <Errors supportContact="root@localhost"/>
    <MetadataProvider type="XML" validate="true" url="{idp}" backingFilePath="idp.xml">
      <MetadataFilter type="RequireValidUntil" maxValidityInterval="2419200"/>
      <MetadataFilter type="Signature" certificate="idp.crt"/>
    </MetadataProvider>
    <AttributeExtractor type="XML" validate="true" reloadChanges="false" path="attribute-map.xml"/>
    <AttributeFilter type="XML" validate="true" path="attribute-policy.xml"/>
    <CredentialResolver type="File" use="signing" key="signing.key" certificate="signing.crt"/>
    <CredentialResolver type="File" use="encryption" key="encrypt.key" certificate="encrypt.crt"/>
    {applications}
  </ApplicationDefaults>
  <SecurityPolicyProvider type="XML" validate="true" path="security-policy.xml"/>
  <ProtocolProvider type="XML" validate="true" reloadChanges="false" path="protocols.xml"/>
</SPConfig>
"""
SESSIONS = """\
<Sessions handlerURL="{path}/Shibboleth.sso" lifetime="28800" timeout="3600" relayState="ss:mem"
    checkAddress="false" handlerSSL="false" cookieProps="; path={path}/; HttpOnly"
    redirectLimit="exact">
  <SSO entityID="{idp}" outgoingBindings="{binding}" ignoreNoPassive="true">SAML2</SSO>
  <Logout outgoingBindings="{logout}" signing="true">SAML2 Local</Logout>
  <Handler type="MetadataGenerator" Location="/Metadata" signing="false"/>
</Sessions>"""
APPLICATION = """\
<ApplicationOverride id="{name}" entityID="{entity_id}" signing="{signing}"
    encryption="{encryption}">
  {sessions}
</ApplicationOverride>
"""
LOCATION = """\
<Location /{name}>
    AuthType shibboleth
    ShibRequestSetting applicationId {name}
    Require shibboleth
</Location>
<Location /{name}/session>
    ShibRequestSetting requireSession true
    Require shib-session
</Location>
"""
MAP = """\
<Attributes xmlns="urn:mace:shibboleth:2.0:attribute-map"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
{lines}
</Attributes>
"""
NAME_ID = """\
<Attribute name="{urn}" id="{id}"><AttributeDecoder xsi:type="NameIDAttributeDecoder"
    formatter="{format}" defaultQualifiers="true"/></Attribute>"""
LOGGER = """\
log4j.rootCategory={level}, file
log4j.appender.file=org.apache.log4j.FileAppender
log4j.appender.file.fileName={file}
log4j.appender.file.layout=org.apache.log4j.PatternLayout
log4j.appender.file.layout.ConversionPattern=%p %c: %m%n
"""
SEVERE = re.compile(r"(WARN|ERROR|CRIT|ALERT|EMERG|FATAL) ")
# Said of our configuration, by each new process: it is for the loopback, and writes its metadata.
ABOUT_ITSELF = re.compile(
    r"handlerSSL should be enabled|custom cookieProps setting should include|MetadataGenerator"
)


class Shibboleth(RealSP):
    """The running program."""

    name = "shibboleth"

    def __init__(self, server: Apache) -> None:
        self.base = server.base
        self._logs = [LogTail(_own(server) / name) for name in ("shibd.log", "native.log")]
        self._apache_log = LogTail(server.error_log)

    def metadata(self, site: Site) -> bytes:
        """See :class:`RealSP`: what its generator writes, less the ways of logout not wanted."""
        with urlopen(self._handler(site, "Metadata"), timeout=30) as answer:  # noqa: S310 - http
            root = etree.fromstring(answer.read())
        wanted = (SOAP, REDIRECT, POST) if site.logout == SOAP else (site.logout,)
        for service in list(root.iter(f"{{{NS['md']}}}SingleLogoutService")):
            if service.get("Binding") not in wanted:
                service.getparent().remove(service)
        return etree.tostring(root)

    def login(self, site: Site, *, target: str, passive: bool = False, force: bool = False) -> str:
        """See :class:`RealSP`; ``force`` asks for the password again."""
        query = {"target": target}
        query |= {"isPassive": "true"} if passive else {}
        query |= {"forceAuthn": "true"} if force else {}
        return f"{self._handler(site, 'Login')}?{urlencode(query)}"

    def logout(self, site: Site, *, target: str) -> str:
        """See :class:`RealSP`."""
        return f"{self._handler(site, 'Logout')}?{urlencode({'return': target})}"

    def acs(self, site: Site) -> str:
        """See :class:`RealSP`."""
        return self._handler(site, "SAML2/POST")

    def read(self, site: Site, body: bytes) -> Session | None:
        """See :class:`RealSP`: values are joined by semicolons, those inside are escaped."""
        shown = apache.shown(body)
        if "Shib_Session_ID" not in shown:
            return None
        attributes = {name: _split(shown[name]) for name in BASIC_NAMES if name in shown}
        if site.names is not Names.PERSISTENT:
            return Session(shown[f"nameid_{site.names}"], attributes)
        idp, own, name_id = shown["persistent_id"].split("!")
        assert (idp, own) == (shown["Shib_Identity_Provider"], self.entity_id(site))
        return Session(name_id, attributes)

    def complaints(self) -> list[str]:
        """See :class:`RealSP`."""
        own = [line for log in self._logs for line in log.lines() if SEVERE.match(line)]
        lines = [line for line in own if not ABOUT_ITSELF.search(line)]
        usual = ("notice ", "info ")
        return lines + [line for line in self._apache_log.lines() if not line.startswith(usual)]

    def _handler(self, site: Site, name: str) -> str:
        return f"{self.base}/{site.name}/Shibboleth.sso/{name}"


def _split(joined: str) -> list[str]:
    return [value.replace("\\;", ";") for value in re.split(r"(?<!\\);", joined)]


@contextmanager
def running(idp: str, idp_certificate: bytes, host: str) -> Iterator[Shibboleth]:
    """The program with every site, for the IdP of this entityID, which is its metadata's address.

    ``idp_certificate`` (DER) is the one that signs that metadata.
    """
    with ExitStack() as stack:
        server = stack.enter_context(apache.prepared(host, "shib-"))
        _write_files(server, idp, idp_certificate)
        environment = _environment(server)
        modules = {"mod_shib": "mod_shib.so"}
        body = f"ShibConfig {_own(server)}/shibboleth2.xml\nShibCompatValidUser Off\n"
        body += "".join(LOCATION.format(name=site) for site in SITES)
        stack.enter_context(apache.serving(server, modules, body, environment))
        program = Shibboleth(server)
        first = next(iter(SITES.values()))
        stack.enter_context(
            process_running(
                [*apache.unprivileged(), PROGRAM, "-F", "-f", "-p", server.folder / "shibd.pid"],
                log=server.folder / "shibd-output.log",
                ready_url=program._handler(first, "Metadata"),
                environment=environment,
            )
        )
        program.complaints()
        yield program


def _own(server: Apache) -> Path:
    """Where it reads and writes: it adds its own name to each folder that it is told."""
    return server.folder / "shibboleth"


def _environment(server: Apache) -> Mapping[str, str]:
    places = ("CFGDIR", "LOGDIR", "RUNDIR", "CACHEDIR")
    environment = {f"SHIBSP_{name}": str(server.folder) for name in places}
    return environment | {"SHIBSP_CONFIG": str(_own(server) / "shibboleth2.xml")}


def _write_files(server: Apache, idp: str, idp_certificate: bytes) -> None:
    folder = _own(server)
    folder.mkdir()
    for name in FILES:
        shutil.copyfile(SYSTEM / name, folder / name)
    for use in ("signing", "encrypt"):
        private_key, certificate = key_pair(f"shibboleth-{use}")
        (folder / f"{use}.key").write_bytes(private_key)
        (folder / f"{use}.crt").write_text(ssl.DER_cert_to_PEM_cert(certificate))
    (folder / "idp.crt").write_text(ssl.DER_cert_to_PEM_cert(idp_certificate))
    for name, level in (("shibd", "INFO"), ("native", "WARN")):
        text = LOGGER.format(level=level, file=folder / f"{name}.log")
        (folder / f"{name}.logger").write_text(text, encoding="ascii")
    (folder / "attribute-map.xml").write_text(_attribute_map(), encoding="utf-8")
    (folder / "shibboleth2.xml").write_text(_configuration(server, idp), encoding="utf-8")


def _attribute_map() -> str:
    """Names that do not come in the NameFormat of the rule set would be left out."""
    sent = {name for site in SITES.values() for name in names_sent(site).items()}
    lines = [f'<Attribute name="{name}" nameFormat="{BASIC}" id="{name}"/>' for name in BASIC_NAMES]
    lines += [f'<Attribute name="{urn}" id="{name}"/>' for name, urn in sorted(sent)]
    plain = [each for each in Names if each is not Names.PERSISTENT]
    lines += [NAME_ID.format(urn=each.urn, id=f"nameid-{each}", format="$Name") for each in plain]
    # As the package's own map has it, with which its policy wants both qualifiers to be right.
    whole = "$NameQualifier!$SPNameQualifier!$Name"
    lines.append(NAME_ID.format(urn=Names.PERSISTENT.urn, id="persistent-id", format=whole))
    return MAP.format(lines="\n".join(lines))


def _configuration(server: Apache, idp: str) -> str:
    program = Shibboleth(server)
    socket = _own(server) / "shibd.sock"
    assert len(str(socket)) <= MAX_SOCKET
    applications = "".join(
        APPLICATION.format(
            name=site.name,
            entity_id=program.entity_id(site),
            # "back" is for what it asks by SOAP; <Logout> says it for the browser.
            signing="true" if site.signs else "back",
            # What it encrypts of a LogoutRequest is the NameID.
            encryption="true" if site.encrypt == "always" else "false",
            sessions=_sessions(site, idp),
        )
        for site in SITES.values()
    )
    default = _sessions(replace(SITES["plain"], name="default"), idp)
    return CONFIGURATION.format(
        socket=socket, base=server.base, idp=idp, sessions=default, applications=applications
    )


def _sessions(site: Site, idp: str) -> str:
    asked = SOAP if site.asks_by_soap else site.binding
    return SESSIONS.format(path=f"/{site.name}", idp=idp, binding=site.binding, logout=asked)
