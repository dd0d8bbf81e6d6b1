"""Folded texts: what is compared when people search or sort."""

from unicodedata import combining, normalize

# NFKD leaves these letters whole; people type them as two.
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "-": " ", "'": " ", "\u2019": " "})


def search_key(*texts: str) -> str:
    """The texts without accents, case, hyphens, apostrophes or needless spaces.

    ``search_key("Leïla", "D'Œuvre-Noël")`` is ``leila d oeuvre noel``.
    """
    decomposed = normalize("NFKD", " ".join(texts)).casefold()
    plain = "".join(letter for letter in decomposed if not combining(letter))
    return " ".join(plain.translate(_LIGATURES).split())
