"""``python -m tests.bench``: measure, print the table, write ``$VAR/bench.json``.

``BENCH_N`` is the number of sign-ons of each row. Figures are told, not enforced: the exit code is
non-zero only when something could not be measured.
"""

import argparse
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

# The environment of whoever runs the bench is not the measured server's.
VAR = Path(os.environ.pop("VAR", "") or "var")
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
FOREIGN = ("DATABASE_URL", "PORT", "SP_PORT", "CONVERGENCES_CONFIG", "OPENSSL_ia32cap")


def main() -> int:
    """Run; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--profile",
        nargs="?",
        const="P1",
        choices=("P1", "P2a", "P2b"),
        help="tell in which functions the time of this row goes (P1 when none is named)",
    )
    arguments = parser.parse_args()
    for name in FOREIGN:
        os.environ.pop(name, None)
    for number in SIGNALS:
        signal.signal(number, _end)
    warnings.simplefilter("ignore")  # what packages have to say to their authors
    with TemporaryDirectory(prefix="bench-") as folder:
        return _run(Path(folder), profile=arguments.profile)


def _run(folder: Path, *, profile: str | None) -> int:
    # Read when prometheus_client is imported, which the rooms do.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    from tests.bench import measures, profiling, report  # noqa: PLC0415
    from tests.bench.yardstick import Unmeasurable  # noqa: PLC0415

    load, started = os.getloadavg()[0], time.monotonic()
    try:
        sign_ons = _sign_ons(measures.SIGN_ONS)
        if profile:
            print(profiling.profile(folder / "profile", profile, sign_ons))
            return 0
        bench = measures.Bench(folder, sign_ons, _say)
        bench.run()
        made = report.document(
            bench.rows, bench.meter.yardsticks, load=load, seconds=time.monotonic() - started
        )
        report.write(VAR / "bench.json", made)
        print(report.text(bench.rows, bench.meter.yardsticks, made))
    except Unmeasurable as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


def _sign_ons(default: int) -> int:
    text = os.environ.get("BENCH_N") or str(default)
    if not text.isdecimal() or int(text) < 1:
        sys.exit("bench: BENCH_N must be a number of sign-ons")
    return int(text)


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


def _end(number: int, frame: FrameType | None) -> None:
    """Leave through every `finally`, once."""
    del frame
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
