"""Debian's Apache, on a loopback host and in a folder of its own, as an unprivileged user.

Debian's modules and programs are used as they are; nothing of ``/etc/apache2`` is read.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.common.ports import free_port
from tests.common.processes import running

PROGRAM = Path("/usr/sbin/apache2")
MODULES = Path("/usr/lib/apache2/modules")
STARTING_SECONDS = 30
SYSTEM_USER = "www-data"
USUAL_MODULES = ("mpm_prefork", "authn_core", "authz_core", "authz_user", "alias", "cgi", "env")

# Every address ending in /session or /open prints its environment, byte for byte.
SHOW = """\
#!/bin/sh
printf 'Content-Type: text/plain; charset=utf-8\\r\\nX-Content-Type-Options: nosniff\\r\\n\\r\\n'
exec env -0
"""

CONFIGURATION = """\
ServerRoot "{folder}"
ServerName {base}
Listen {host}:{port}
PidFile "{folder}/httpd.pid"
DefaultRuntimeDir "{folder}"
Mutex file:{folder} default
ErrorLog "{folder}/error.log"
ErrorLogFormat "%l %m: %M"
LogLevel warn
{modules}
UseCanonicalName On
KeepAlive Off
Timeout 30
StartServers 2
MinSpareServers 2
MaxRequestWorkers 8
DocumentRoot "{folder}/pages"
<Directory />
    AllowOverride None
    Require all granted
</Directory>
Alias /ready "{folder}/pages/ready"
ScriptAliasMatch "^/[^/]+/(session|open)$" "{folder}/show"
{body}
"""


@dataclass(frozen=True)
class Apache:
    """A server to be: ``base`` is its origin, ``folder`` holds all that it reads and writes."""

    folder: Path
    host: str
    port: int

    @property
    def base(self) -> str:
        """``http://host:port``."""
        return f"http://{self.host}:{self.port}"

    @property
    def error_log(self) -> Path:
        """Where it complains: level, module, text."""
        return self.folder / "error.log"


@contextmanager
def prepared(host: str, prefix: str) -> Iterator[Apache]:
    """A fresh short folder (a socket's path holds 107 bytes) and a free port; removed at the end.

    Raises:
        RuntimeError: Apache is not installed.
    """
    if not PROGRAM.exists():
        raise RuntimeError("Apache is not installed; `make test` says how to get it")
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))
    try:
        (folder / "pages").mkdir()
        (folder / "pages" / "ready").write_text("ready\n", encoding="ascii")
        (folder / "show").write_text(SHOW, encoding="ascii")
        (folder / "show").chmod(0o755)
        yield Apache(folder, host, free_port(host))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def serving(
    apache: Apache,
    modules: Mapping[str, str],
    body: str,
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Apache running with these further modules (name → file) and this configuration.

    Raises:
        AssertionError: it does not start; with its log.
    """
    lines = [f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in USUAL_MODULES]
    lines += [f"LoadModule {name} {MODULES / file}" for name, file in modules.items()]
    configuration = apache.folder / "httpd.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=apache.folder,
            base=apache.base,
            host=apache.host,
            port=apache.port,
            modules="\n".join(lines),
            body=body,
        ),
        encoding="utf-8",
    )
    give_away(apache.folder)
    with running(
        [*unprivileged(), PROGRAM, "-D", "FOREGROUND", "-f", configuration],
        log=apache.folder / "output.log",
        ready_url=f"{apache.base}/ready",
        environment=environment,
        timeout=STARTING_SECONDS,
    ):
        yield


def unprivileged() -> list[str]:
    """What goes before a command so that root starts it as an ordinary user; else nothing."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={SYSTEM_USER}", f"--regid={SYSTEM_USER}", "--clear-groups", "--"]


def give_away(folder: Path) -> None:
    """Let the ordinary user of :func:`unprivileged` own this folder and all that is in it."""
    if os.geteuid() != 0:
        return
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, SYSTEM_USER, SYSTEM_USER)


class LogTail:
    """What has been written to a log since it was asked last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def lines(self) -> list[str]:
        """The new lines that are not blank; none when there is no such file yet."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        return [line for line in new.decode("utf-8", errors="replace").splitlines() if line]


def shown(body: bytes) -> dict[str, str]:
    """The environment that a page printed; values must be UTF-8.

    Raises:
        UnicodeDecodeError: one is not.
    """
    pairs = (each.partition(b"=") for each in body.split(b"\0") if each)
    return {name.decode("ascii"): value.decode("utf-8") for name, _, value in pairs}
