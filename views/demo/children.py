"""Child processes that are restarted when they die, and die when their parent does."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
STEADY_AFTER = 60.0
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


class Child:
    """One program; ``label`` is its French name. Times are seconds of the monotonic clock."""

    def __init__(self, label: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.label = label
        self.failures = 0
        self._command = list(command)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._due_at = 0.0

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return None if self._process is None else self._process.pid

    def tend(self) -> int | None:
        """Start it when it is due; the exit code when it was found dead now, else None."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._due_at:
                self._start(now)
            return None
        code = self._process.poll()
        if code is None:
            return None
        self._sweep()
        self._process = None
        self.failures = 1 if now - self._started_at > STEADY_AFTER else self.failures + 1
        self._due_at = now + delay(self.failures)
        return code

    def ask_to_end(self) -> None:
        """SIGTERM: it ends its own children."""
        if self._process is not None:
            self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait until it ended; what is left of it then is killed."""
        if self._process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        self._sweep()
        self._process.wait()
        self._process = None

    def _start(self, now: float) -> None:
        self._started_at = now
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            # A group of its own: Ctrl+C reaches the parent alone, which ends everybody in turn.
            start_new_session=True,
            preexec_fn=end_with_parent(),  # noqa: PLW1509 - the parent has one thread
        )

    def _sweep(self) -> None:
        """Kill what its group still holds: a server whose master was killed leaves its workers."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def delay(failures: int) -> float:
    """Seconds before the next start: doubled at each failure in a row."""
    return float(min(LONGEST_DELAY, FIRST_DELAY * 2 ** (min(failures, 10) - 1)))


def end_with_parent() -> Callable[[], None] | None:
    """What a new child runs so that the kernel sends it SIGTERM when this process dies."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask_the_kernel() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)  # it died before the kernel was asked

    return ask_the_kernel
