"""How often a server's process looks for garbage, and among what.

Most of what a request makes goes when nothing names it any more; Python's collector is for what
names itself in a circle. Left as it is, it looks through half a million lasting objects now and
then, which some request waits for, and spends a tenth of an export on rows that are all in use.
"""

import gc

SELDOM = 20_000
"""New objects between two looks, some megabytes of them; Python's own choice is 700, or 2,000."""


def settle() -> None:
    """Called when all that lives as long as the process is there: it is never garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])
