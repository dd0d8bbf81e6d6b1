"""A server of the bench: granian as ``convergences run`` starts it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.bench import proc
from tests.bench.yardstick import Unmeasurable
from tests.common.processes import REPOSITORY
from views.demo.children import end_with_parent
from views.demo.supervisor import ADDRESS

STARTING_SECONDS = 60
ENDING_SECONDS = 10
ASKING_INTERVAL = 0.02


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers; ``started_in`` is seconds from its spawning to its first answer."""

    pid: int
    port: int
    started_in: float

    def cpu_seconds(self) -> float:
        """CPU of the whole process tree so far."""
        return proc.cpu_seconds(self.pid)

    def memory(self) -> proc.Memory:
        """Resident memory of its worker."""
        return proc.memory(proc.largest(self.pid))


@contextmanager
def serving(
    command: Sequence[str],
    *,
    port: int,
    ready: str,
    log: Path,
    environment: Mapping[str, str],
) -> Iterator[Server]:
    """A server that answers 200 at the path ``ready``; it ends with all its children.

    Raises:
        Unmeasurable: it ended or is not ready in time; the text ends with its log.
    """
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent(),  # noqa: PLW1509 - the bench has one thread
        )
    try:
        _wait(process, port, ready, log)
        yield Server(process.pid, port, time.monotonic() - started)
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], port: int, ready: str, log: Path) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(port, ready):
            return
        time.sleep(ASKING_INTERVAL)
    text = log.read_text(errors="replace")[-2000:]
    raise Unmeasurable(f"a server does not start; its last words:\n{text}")


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection(ADDRESS, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(ENDING_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
