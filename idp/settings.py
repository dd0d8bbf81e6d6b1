"""Settings: typed, frozen; a missing or wrong key refuses to start and names the key.

They come from an .ini file; ``VAR`` and ``DATABASE_URL`` of the environment replace theirs, and
``$VAR/local.ini``, written by ``make run``, replaces the public URL.
"""

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from configparser import ConfigParser
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from idp.errors import ConfigurationError

T = TypeVar("T")

SECRET_BYTES = 32
PARIS = ZoneInfo("Europe/Paris")

HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:]*:[0-9a-f:.]+")
"""A host as a URL holds it: a name in ASCII, or an address."""

_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_SCOPE = re.compile(rf"(?=.{{1,127}}\Z){_LABEL}(?:\.{_LABEL})*")
"""A domain, as the scope of a subject identifier is written. [SAMLSubj] 3.3."""

DEFAULT_PORTS = {"http": 80, "https": 443}

FIELDS = frozenset({"phone", "postal_address", "teleworking"})
"""What is recorded of a person in a structure and need not be."""

LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"}


@dataclass(frozen=True, slots=True)
class Organization:
    """Whose portal this is: nothing of it is hard-coded.

    ``texts`` is the folder of its own legal texts and accessibility audit, empty for none;
    ``logo``, ``logo_dark`` (on dark pages) and ``favicon`` are absolute paths or ``package:path``,
    empty for none; ``technical`` is the address of the technical contact, empty for none;
    ``time_zone`` the one in which people read times.
    """

    name: str
    portal_name: str
    url: str
    correspondant: str
    dpo: str
    logo: str
    color: str
    logo_dark: str = ""
    favicon: str = ""
    technical: str = ""
    texts: str = ""
    time_zone: ZoneInfo = PARIS


@dataclass(frozen=True, slots=True)
class Mail:
    """Where mails go: ``folder:<path>`` or ``smtp://[user:password@]host:port``."""

    transport: str
    sender: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the .ini says. Durations are timedeltas.

    ``scope`` is the domain after the @ of the identifiers that SPs receive. ``fields_off`` are the
    words of :data:`FIELDS` that the directory neither asks for nor shows.
    """

    public_url: str
    entity_id: str
    scope: str
    entity_attributes: tuple[tuple[str, str], ...]
    database_url: str
    var: Path
    keys: Path
    secret: bytes = field(repr=False)
    secret_file: Path
    directory: str
    self_service: str
    service_providers: str
    metadata: str
    mail_texts: str
    jobs: tuple[str, ...]
    models: tuple[str, ...]
    includes: tuple[str, ...]
    organization: Organization
    mail: Mail
    bcrypt_cost: int
    session_idle: timedelta
    session_lifetime: timedelta
    proxies: int
    metrics_token: str | None = field(repr=False)
    demonstration: bool
    durable: bool
    fields_off: frozenset[str] = frozenset()

    @property
    def secure(self) -> bool:
        """Whether the public URL is https: cookies then carry ``__Host-`` and Secure."""
        return self.public_url.startswith("https://")

    @property
    def on_loopback(self) -> bool:
        """Whether only browsers of this machine reach the public URL."""
        return urlsplit(self.public_url).hostname in LOOPBACK_HOSTS

    def url(self, path: str) -> str:
        """An absolute URL of ours, from the public URL, never from a Host header."""
        return self.public_url + path


def from_mapping(raw: Mapping[str, str], *, here: Path, local: bool = True) -> Settings:
    """Read settings; ``here`` is the folder of the .ini, against which paths are resolved.

    ``local`` takes the public URL that ``make run`` left in ``$VAR/local.ini``.

    Raises:
        ConfigurationError: a key is missing or wrong; the cause names it.
    """
    read = _Reader(raw)
    var = here / (os.environ.get("VAR") or read.text("convergences.var", "var"))
    public_url = _public_url(
        (_local_public_url(var) if local else None) or read.text("convergences.public_url")
    )
    secret_file = var / read.text("convergences.secret_file", "secret")
    settings = Settings(
        public_url=public_url,
        entity_id=read.text("idp.entity_id", f"{public_url}/saml/metadata"),
        scope=_scope(read, public_url),
        entity_attributes=read.pairs("idp.entity_attributes"),
        database_url=os.environ.get("DATABASE_URL")
        or read.text("convergences.database_url", f"sqlite:///{var / 'convergences.sqlite'}"),
        var=var,
        keys=here / read.text("idp.keys", str(var / "keys")),
        secret=_secret(secret_file),
        secret_file=secret_file,
        directory=read.text("idp.directory"),
        self_service=read.text("idp.self_service"),
        service_providers=read.text("idp.service_providers"),
        metadata=read.text("idp.metadata"),
        mail_texts=read.text("idp.mail_texts"),
        jobs=read.words("idp.jobs", ""),
        models=read.words("idp.models"),
        includes=read.words("convergences.includes"),
        organization=_organization(read, here),
        mail=Mail(
            transport=read.text("mail.transport", f"folder:{var / 'mails'}"),
            sender=read.text("mail.sender"),
        ),
        bcrypt_cost=read.number("passwords.bcrypt_cost", 12),
        session_idle=timedelta(minutes=read.number("sessions.idle_minutes", 60)),
        session_lifetime=timedelta(hours=read.number("sessions.lifetime_hours", 10)),
        proxies=read.number("convergences.proxies", 0),
        metrics_token=read.text("metrics.token", "") or None,
        demonstration=read.flag("convergences.demonstration", default=False),
        durable=read.flag("convergences.durable", default=True),
        fields_off=_fields_off(read),
    )
    if settings.demonstration and not settings.on_loopback:
        raise ConfigurationError(
            "the setting convergences.demonstration must be false: the public URL is no loopback"
        )
    return settings


def from_file(path: Path) -> Settings:
    """Read the settings of a Paste .ini file, as the command line does.

    Raises:
        ConfigurationError: no such file, no ``[app:main]``, or a key is missing or wrong.
    """
    parser = ConfigParser(defaults={"here": str(path.parent.resolve())}, interpolation=None)
    if not parser.read(path, encoding="utf-8"):
        raise ConfigurationError(f"no configuration file {path}")
    if not parser.has_section("app:main"):
        raise ConfigurationError(f"no section [app:main] in {path}")
    return from_mapping(dict(parser["app:main"]), here=path.parent.resolve())


class _Reader:
    """Reads one key at a time and names it when it is wrong."""

    def __init__(self, raw: Mapping[str, str]) -> None:
        self._raw = raw

    def text(self, key: str, default: str | None = None) -> str:
        value = self._raw.get(key, default)
        if value is None:
            raise ConfigurationError(f"the setting {key} is missing")
        return value.strip()

    def words(self, key: str, default: str | None = None) -> tuple[str, ...]:
        return tuple(self.text(key, default).split())

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """A name and a value a line, blanks between them."""
        lines = [line.split() for line in self.text(key, "").splitlines() if line.strip()]
        if any(len(line) != 2 for line in lines):  # noqa: PLR2004 - a pair
            raise ConfigurationError(f"the setting {key} has a line that is not a name and a value")
        return tuple((name, value) for name, value in lines)

    def number(self, key: str, default: int) -> int:
        return self._converted(key, str(default), int)

    def flag(self, key: str, *, default: bool) -> bool:
        return self._converted(key, str(default), _flag)

    def time_zone(self, key: str, default: str) -> ZoneInfo:
        return self._converted(key, default, _time_zone)

    def _converted(self, key: str, default: str, convert: Callable[[str], T]) -> T:
        try:
            return convert(self.text(key, default))
        except ValueError:
            raise ConfigurationError(f"the setting {key} has a wrong value") from None


def _organization(read: _Reader, here: Path) -> Organization:
    return Organization(
        name=read.text("organization.name"),
        portal_name=read.text("organization.portal_name"),
        url=read.text("organization.url"),
        correspondant=read.text("organization.correspondant"),
        dpo=read.text("organization.dpo"),
        logo=read.text("organization.logo", ""),
        color=read.text("organization.color", "#1d4f91"),
        logo_dark=read.text("organization.logo_dark", ""),
        favicon=read.text("organization.favicon", ""),
        technical=read.text("organization.technical", ""),
        texts=_folder(here, read.text("organization.texts", "")),
        time_zone=read.time_zone("organization.time_zone", PARIS.key),
    )


def _scope(read: _Reader, public_url: str) -> str:
    """The public URL's host unless the setting says otherwise; in lower case, as SPs compare it."""
    host = urlsplit(public_url).hostname
    scope = read.text("idp.scope", "localhost" if host in LOOPBACK_HOSTS else host).lower()
    if not _SCOPE.fullmatch(scope):
        raise ConfigurationError(
            "the setting idp.scope must be a domain, such as example.org "
            "(the default is the host of convergences.public_url)"
        )
    return scope


def _fields_off(read: _Reader) -> frozenset[str]:
    words = frozenset(read.words("directory.fields_off", ""))
    if not words <= FIELDS:
        raise ConfigurationError(
            f"the setting directory.fields_off knows {' '.join(sorted(FIELDS))} alone"
        )
    return words


def _folder(here: Path, text: str) -> str:
    return str(here / text) if text else ""


def _time_zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(text) from error


def _flag(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"


def _local_public_url(var: Path) -> str | None:
    local = ConfigParser(interpolation=None)
    local.read(var / "local.ini", encoding="utf-8")
    return local.get("app:main", "convergences.public_url", fallback=None)


def _public_url(text: str) -> str:
    """Written anew as ``scheme://host[:port]``, lower-cased: what is compared with it is exact."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _wrong_public_url() from None
    host = parts.hostname or ""
    more = parts.path not in {"", "/"} or "@" in parts.netloc or "?" in text or "#" in text
    if parts.scheme not in DEFAULT_PORTS or more or not HOST.fullmatch(host):
        raise _wrong_public_url()
    if parts.scheme == "http" and host not in LOOPBACK_HOSTS:
        raise _wrong_public_url()
    written = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{written}" + (
        "" if port in {None, DEFAULT_PORTS[parts.scheme]} else f":{port}"
    )


def _wrong_public_url() -> ConfigurationError:
    return ConfigurationError(
        "the setting convergences.public_url must be https://host[:port] (http on loopback only)"
    )


def _secret(path: Path) -> bytes:
    """The server's secret, from a file of mode 0600 made at the first start."""
    if not path.exists():
        _make_secret(path)
    secret = path.read_bytes()
    if len(secret) < SECRET_BYTES:
        raise ConfigurationError("the setting convergences.secret_file names a file under 32 bytes")
    return secret


def _make_secret(path: Path) -> None:
    """Written whole beside its place, then linked into it: nobody reads a file not yet filled.

    Of two processes that start at once, the first one's stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
