"""Servers that the tests start, and end with all their children."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

REPOSITORY = Path(__file__).resolve().parents[2]
ENDING_SECONDS = 15


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    log: Path,
    ready_url: str,
    environment: Mapping[str, str] | None = None,
    timeout: float = 90,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers 200 at ``ready_url``; see :func:`program`.

    Raises:
        AssertionError: it ended, or was not ready in ``timeout`` seconds; with its log.
    """
    with program(command, log=log, environment=environment) as process:
        _wait_until_ready(process, ready_url, log, timeout)
        yield process


@contextmanager
def program(
    command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own; what it prints goes to ``log``.

    It is asked to end with SIGTERM; whatever it left behind in its process group is killed.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=REPOSITORY,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _wait_until_ready(
    process: subprocess.Popen[bytes], url: str, log: Path, timeout: float
) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if answers(url):
            return
        time.sleep(0.1)
    raise AssertionError(f"not ready at {url}:\n{log.read_text(errors='replace')[-4000:]}")


def children(pid: int) -> list[int]:
    """The child processes of this one, the oldest first."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # ended meanwhile
            # The name in parentheses may hold anything; the parent is the second word behind it.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return sorted(found)


def answers(url: str) -> bool:
    """Whether a GET of this address is answered 200."""
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310 - our own http address
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
