"""The collector of a server's process."""

import subprocess
import sys

from tests.common.processes import REPOSITORY

TOLD = """
import gc
from idp import garbage
lasting = [[] for _ in range(1000)]
garbage.settle()
print(gc.get_freeze_count() >= 1000, gc.get_threshold()[0] == garbage.SELDOM, gc.isenabled())
circle = []
circle.append(circle)
del circle
print(gc.collect() > 0)
"""


def test_it_looks_seldom_and_not_among_what_lasts() -> None:
    command = [sys.executable, "-c", TOLD]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert told.stdout.split() == ["True"] * 4
