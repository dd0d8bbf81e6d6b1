"""The yardstick: one RSA-2048 private operation, as ``openssl speed`` measures it here and now.

Processors with AVX-512 IFMA do it two to three times faster, by a code path of OpenSSL's own. A
second figure with this path switched off lets a reader compare with machines that lack it.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

SECONDS = 3
BITS = 2048
# Clears bit 21 of EBX of CPUID leaf 7. OPENSSL_ia32cap(3), "AVX512IFMA".
WITHOUT_IFMA = {"OPENSSL_ia32cap": ":~0x200000"}
# Noise alone does not make this difference.
NOTICEABLE = 1.25


class Unmeasurable(RuntimeError):
    """Something that a measurement needs is missing or broken; the text is for the reader."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Milliseconds of CPU for one RSA-2048 private operation."""

    plain: float
    without_ifma: float

    @property
    def has_ifma(self) -> bool:
        """Whether switching the fast path off made a difference."""
        return self.without_ifma > NOTICEABLE * self.plain


def take() -> Yardstick:
    """Measure now; some seven seconds.

    Raises:
        Unmeasurable: the program openssl is missing, or says something else than expected.
    """
    return Yardstick(milliseconds(), milliseconds(WITHOUT_IFMA))


def mean(*taken: Yardstick) -> Yardstick:
    """The mean of those taken before and after a measurement."""
    return Yardstick(
        fmean(each.plain for each in taken), fmean(each.without_ifma for each in taken)
    )


def milliseconds(environment: Mapping[str, str] | None = None) -> float:
    """CPU milliseconds for one signature.

    Raises:
        Unmeasurable: the program openssl is missing, or says something else than expected.
    """
    program = shutil.which("openssl")
    if program is None:
        raise Unmeasurable("the program openssl is missing: it measures the yardstick")
    with subprocess.Popen(
        [program, "speed", "-mr", "-seconds", str(SECONDS), f"rsa{BITS}"],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                found = parse(line)
                if found is not None:
                    return found
        finally:
            process.kill()  # verifying comes next, and is not asked for
    raise Unmeasurable("`openssl speed` did not say how long an RSA signature takes")


def parse(line: str) -> float | None:
    """Milliseconds for one of the signatures that this line counts: ``+R1:count:bits:seconds``."""
    kind, *fields = line.strip().split(":")
    if kind != "+R1" or fields[1] != str(BITS):
        return None
    return float(fields[2]) / int(fields[0]) * 1000
