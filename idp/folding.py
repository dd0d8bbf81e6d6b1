"""Folded texts: what is compared when people search, sort or sign in."""

from contextlib import suppress
from unicodedata import category, combining, normalize

_FOR_SERVERS = "xn--"  # [RFC5890] 2.3.1: how a label beyond ASCII begins when it is spelt in ASCII

_READ = frozenset("LN")  # Unicode's categories of letters and of digits begin so
_FORMAT = "Cf"  # Unicode's category of signs that only format
# Letters, marks and a Braille cell that Unicode counts as such, and that nobody sees.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")

# NFKD leaves these letters whole; people type them as two.
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "-": " ", "'": " ", "\u2019": " "})


def search_key(*texts: str) -> str:
    """The texts without accents, case, hyphens, apostrophes or needless spaces.

    ``search_key("Leïla", "D'Œuvre-Noël")`` is ``leila d oeuvre noel``.
    """
    decomposed = normalize("NFKD", " ".join(texts)).casefold()
    plain = "".join(letter for letter in decomposed if not combining(letter))
    return " ".join(plain.translate(_LIGATURES).split())


def visible(text: str) -> str:
    """The text without the invisible signs that come along with what is copied.

    Soft hyphens, joiners, marks of direction: nobody sees what he would have to correct.
    """
    return "".join(sign for sign in text if sign not in _BLANK and category(sign) != _FORMAT)


def legible(text: str) -> bool:
    """Whether a letter or a digit is seen in the text: something to call or to look for it by."""
    return any(category(sign)[0] in _READ for sign in visible(text))


def with_readable_domain(address: str) -> str:
    """The address with a domain beyond ASCII as people spell it.

    Some browsers send its spelling for servers instead.
    """
    local, at, domain = address.rpartition("@")
    if _FOR_SERVERS in domain:
        with suppress(UnicodeError):
            domain = domain.encode("ascii").decode("idna")
    return f"{local}{at}{domain}"
