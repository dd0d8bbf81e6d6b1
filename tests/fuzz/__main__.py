"""``python -m tests.fuzz [TARGET…]``: fuzz, print one table; non-zero on a finding.

``FUZZ_N`` is the number of inputs in all, ``FUZZ_SEED`` the number that chance begins with.
``python -m tests.fuzz TARGET FILE…`` checks the inputs of these files alone.
"""

import argparse
import os
import signal
import sys
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from tests.fuzz.plan import SHARES, TOTAL, split

# The environment of whoever runs the fuzzer is not the installation's.
VAR = Path(os.environ.pop("VAR", "") or "var")
FOREIGN = ("DATABASE_URL", "PORT", "SP_PORT", "CONVERGENCES_CONFIG")
SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="TARGET or FILE", help=", ".join(SHARES))
    words = parser.parse_args().words
    files = [Path(word) for word in words if word not in SHARES]
    targets = [word for word in words if word in SHARES]
    for name in FOREIGN:
        os.environ.pop(name, None)
    for number in SIGNALS:
        signal.signal(number, _end)
    if not files:
        return _fuzz(targets or list(SHARES))
    if len(targets) != 1:
        parser.error("files are checked against one target")
    return _check(targets[0], files)


def _fuzz(targets: list[str]) -> int:
    if find_spec("atheris") is None:
        print(
            "fuzz: the fuzzer, atheris, is made for Linux on x86-64 with Python 3.11 to 3.14 only. "
            "Run `make fuzz` there; the suite has the same checks with fewer inputs everywhere.",
            file=sys.stderr,
        )
        return 1
    from tests.fuzz import report  # noqa: PLC0415
    from tests.fuzz.running import run  # noqa: PLC0415

    findings = (VAR / "fuzz").absolute()
    findings.mkdir(parents=True, exist_ok=True)
    seed = _number("FUZZ_SEED", int(time.time()))
    total = _number("FUZZ_N", TOTAL)
    rows = []
    for name, inputs in split(total, targets).items():
        print(f"fuzz: {name}, {inputs} inputs", file=sys.stderr, flush=True)
        rows.append(run(name, inputs, findings, seed))
    print(report.text(rows, seed))
    return 1 if any(row.finding for row in rows) else 0


def _check(target: str, files: list[Path]) -> int:
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    warnings.simplefilter("ignore")
    with (
        TemporaryDirectory(prefix="fuzz-") as folder,
        TARGETS[target].checking(Path(folder)) as check,
    ):
        for file in files:
            print(f"{file}: {'accepted' if check(file.read_bytes()) else 'refused'}")
    return 0


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        sys.exit(f"fuzz: {name} must be a number from 1")
    return int(text)


def _end(number: int, frame: FrameType | None) -> None:
    """Leave through every `finally`."""
    del frame
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
