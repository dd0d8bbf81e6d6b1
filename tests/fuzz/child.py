"""One target under libFuzzer: ``python -m tests.fuzz.child TARGET RUNS FOLDER FINDINGS SEED``.

It runs in a process of its own, because libFuzzer ends the process on a finding, and because what a
check takes of memory is then its own. ``FOLDER`` takes what is written on the way; the figures go
to ``FOLDER/figures.json``.
"""

import atexit
import json
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["idp", "metadata"]):
    # The rooms that read what strangers send; what they import of ours comes along, no more.
    import idp.saml.assertion
    import idp.saml.authn_request
    import idp.saml.bindings
    import metadata.parser

from tests.common.network import refuse_network
from tests.fuzz.mutators import LARGEST, Mutator
from tests.fuzz.targets import TARGETS, Check, Target

SECONDS = 5
"""How long one input may take."""
MEGABYTES = 200
"""How much memory one input may take above what the process had before."""
DEPTH = 1
"""How often an input is changed before the next is taken: of many changes nothing is accepted."""

__all__ = ["idp", "metadata"]


@dataclass
class Figures:
    """What happened. ``slowest`` and ``seconds`` in seconds, ``growth`` in bytes."""

    accepted: int = 0
    refused: int = 0
    slowest: float = 0.0
    seconds: float = 0.0
    growth: int = 0

    def watching(self, check: Check) -> Callable[[bytes], None]:
        """The check, counted and timed."""

        def watched(data: bytes) -> None:
            started = time.perf_counter()
            if check(data):
                self.accepted += 1
            else:
                self.refused += 1
            self.slowest = max(self.slowest, time.perf_counter() - started)

        return watched


def peak_memory() -> int:
    """Bytes: the most that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def mutator(target: Target) -> Callable[[bytes, int, int], bytes]:
    """Libfuzzer's custom mutator for a target."""

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        def flip(part: bytes) -> bytes:
            return bytes(atheris.Mutate(part, max_size))

        made = target.mutate(Mutator(Random(seed), flip), data)  # noqa: S311 - reproducible
        return made if len(made) <= max_size else flip(data)

    return mutated


def main(words: list[str]) -> None:
    """Fuzz; never returns."""
    name, runs, folder, findings, seed = words
    fuzz(name, int(runs), Path(folder), Path(findings), int(seed))


def fuzz(name: str, runs: int, folder: Path, findings: Path, seed: int) -> None:
    """Set the target up and give it to libFuzzer, which ends the process."""
    refuse_network()
    warnings.simplefilter("ignore")  # what packages have to say to their authors
    target = TARGETS[name]
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, data in enumerate(target.seeds()):
        (corpus / f"{number:03}").write_bytes(data)
    with target.checking(folder) as check:
        figures = Figures()
        before, started = peak_memory(), time.monotonic()

        @atexit.register
        def told() -> None:
            signal.setitimer(signal.ITIMER_REAL, 0)  # libFuzzer's, whose handler is gone by now
            figures.seconds = time.monotonic() - started
            figures.growth = peak_memory() - before
            (folder / "figures.json").write_text(json.dumps(asdict(figures)))

        options = {
            "atheris_runs": runs,
            # A seed that reaches no new line of ours may well reach one of libxml2 or libxmlsec1.
            "keep_seed": 1,
            "artifact_prefix": f"{findings}/{name}-",
            "max_len": LARGEST,
            "mutate_depth": DEPTH,
            "rss_limit_mb": before // 1024**2 + MEGABYTES,
            "seed": seed,
            "timeout": SECONDS,
            "verbosity": 0,
        }
        words = [f"-{option}={value}" for option, value in options.items()]
        atheris.Setup(
            [sys.argv[0], *words, str(corpus)],
            figures.watching(check),
            custom_mutator=mutator(target),
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
