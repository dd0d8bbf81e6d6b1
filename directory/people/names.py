"""Where people of some names stand among the search keys.

A membership's search key begins with its person's name and first name, each ended by a sign that
sorts before all that a name may hold. So search keys sort as the names do, and nothing of an
account need be read to tell where its person stands.
"""

from collections.abc import Sequence
from typing import Any

from directory.models.search_keys import END_OF_NAME

_BEHIND = chr(ord(END_OF_NAME) + 1)


def first_key(key: Sequence[Any]) -> str:
    """At or behind which search keys stand all of a pair of folded names, and all behind them."""
    return _joined(key) + END_OF_NAME


def end_of_keys(key: Sequence[Any]) -> str:
    """Before which search keys stand all of a pair of folded names, and all before them."""
    return _joined(key) + _BEHIND


def _joined(key: Sequence[Any]) -> str:
    return END_OF_NAME.join(key[:2])
