"""Runs a target in a process of its own, and sees how it ended."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.common.processes import REPOSITORY

LINES = 60
"""Of what a process said that ended with a finding, the last ones are shown."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one target; ``figures`` are those of :class:`tests.fuzz.child.Figures`.

    ``finding`` is empty, or says where the failing input is.
    """

    target: str
    figures: dict[str, float]
    finding: str

    @property
    def inputs(self) -> int:
        """How many were checked to the end."""
        return int(self.figures.get("accepted", 0) + self.figures.get("refused", 0))


PROGRAM = ("-m", "tests.fuzz.child")
BETWEEN = ("timeout", "--foreground", "0")
"""Coreutils' ``timeout``, without one: it starts the target as a child of its own, whose peak of
memory is not ours then, as ``getrusage(2)`` hands it down from a process to what it starts. Of a
large process (a whole test run) every limit would be out of reach."""


def run(
    name: str, inputs: int, findings: Path, seed: int, program: tuple[str, ...] = PROGRAM
) -> Row:
    """Fuzz one target with so many inputs; what fails is left in ``findings``."""
    before = set(findings.iterdir())
    with TemporaryDirectory(prefix="fuzz-") as folder:
        words = [name, inputs, folder, findings, seed]
        process = subprocess.Popen(
            [*BETWEEN, sys.executable, *program, *(str(word) for word in words)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            said, _ = process.communicate()
        finally:
            process.terminate()  # and so the target
            process.wait()
        figures = Path(folder) / "figures.json"
        read = json.loads(figures.read_text()) if figures.exists() else {}
    if process.returncode == 0 and read.get("accepted", 0) + read.get("refused", 0) >= inputs:
        return Row(name, read, "")
    print("\n".join(said.decode(errors="replace").splitlines()[-LINES:]), file=sys.stderr)
    kept = sorted(str(path) for path in set(findings.iterdir()) - before)
    return Row(name, read, ", ".join(kept) or f"it ended with {process.returncode}, see above")
