"""What a password must be. Long, and more than the person's own names; no theatre beyond that."""

import re

from directory.search import search_key
from idp.errors import DirectoryError

MINIMUM = 12  # characters, for every account
MINIMUM_PRIVILEGED = 15  # for référents and the correspondant
MAXIMUM = 1024  # characters; longer is not a phrase, it is an attack on the hash
_SHORTEST_WORD = 3  # characters; shorter words are found in any password
_ENOUGH_LEFT = 6  # characters that remain once the person's own names are taken out


def check(password: str, *, privileged: bool, personal: tuple[str, ...]) -> None:
    """Insist on the policy. ``personal``: names, address and structures of the person.

    Raises:
        DirectoryError: too short, too long, or hardly more than the person's own names.
    """
    minimum = MINIMUM_PRIVILEGED if privileged else MINIMUM
    if len(password) < minimum:
        raise DirectoryError(
            "password too short",
            public=f"Le mot de passe doit compter au moins {minimum} caractères.",
        )
    if len(password) > MAXIMUM:
        raise DirectoryError(
            "password too long",
            public=f"Le mot de passe doit compter au plus {MAXIMUM} caractères.",
        )
    if _is_personal(password, personal):
        raise DirectoryError(
            "password made of personal words",
            public="Le mot de passe ne doit pas être fait du nom, de l'adresse e-mail "
            "ou de la structure de la personne.",
        )


def _is_personal(password: str, personal: tuple[str, ...]) -> bool:
    folded = search_key(password)
    left = folded
    for word in set(re.split(r"\W+", search_key(*personal))):
        if len(word) >= _SHORTEST_WORD:
            left = left.replace(word, " ")
    return left != folded and len(re.sub(r"[\W\d_]+", "", left)) < _ENOUGH_LEFT
