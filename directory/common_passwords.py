"""The dictionary of what is guessed first: passwords that leaked most, names, single words.

The package ``zxcvbn`` brings some 90,000 of them (English and international: leaked passwords,
names, words), and ``french_words.txt`` what French people and town halls add. Only 64 bits of each
word are kept, in one sorted array of less than a megabyte, read when a password is first chosen: a
server that only signs people in never pays for it. ASVS 6.2.4, 6.2.11.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

from directory.search import search_key

FRENCH = Path(__file__).parent / "french_words.txt"
_SHORTEST = 3  # characters; what is shorter is the whole of no password


def is_common(word: str) -> bool:
    """Whether this word, folded as by a search and without spaces, is in the dictionary."""
    known, key = _known(), _key(word)
    place = bisect_left(known, key)
    return place < len(known) and known[place] == key


@lru_cache(maxsize=1)
def _known() -> "array[int]":
    keys = {_key(word) for word in _words()}
    return array("Q", sorted(keys))


def _words() -> Iterator[str]:
    for line in FRENCH.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            yield from (_folded(word) for word in line.split(",") if word.strip())
    for words in _frequency_lists().values():
        yield from (_folded(word) for word in words if len(word) >= _SHORTEST)


def _frequency_lists() -> dict[str, list[str]]:
    """The package's lists, read without the package, which would keep them in memory.

    Raises:
        ImportError: the package is not installed as it should be.
    """
    package = find_spec("zxcvbn")
    if package is None or package.origin is None:
        raise ImportError("zxcvbn")
    path = Path(package.origin).with_name("frequency_lists.py")
    spec = spec_from_file_location("_frequency_lists", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    lists: dict[str, list[str]] = module.FREQUENCY_LISTS
    return lists


def _folded(word: str) -> str:
    return search_key(word).replace(" ", "")


def _key(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest())
