"""What a password must be. Long, and more than names that anybody knows; no theatre beyond that."""

import re

from directory.search import search_key
from idp.errors import DirectoryError

MINIMUM = 12  # characters, for every account
MINIMUM_PRIVILEGED = 15  # for référents and the correspondant
MAXIMUM = 1024  # characters; longer is not a phrase, it is an attack on the hash
CONTEXT = (
    "Convergences AIA annuaire portail application applications connexion",
    "mot de passe password motdepasse secret bienvenue welcome admin administrateur",
    "azertyuiop qwertyuiop azerty qwerty",
)  # what whoever guesses here tries first; the organisation's names are added to it
_SHORTEST_WORD = 3  # characters; shorter words are found in any password
_ENOUGH_LEFT = 6  # characters that remain once the person's own names are taken out


def check(password: str, *, privileged: bool, personal: tuple[str, ...]) -> None:
    """Insist on the policy.

    ``personal``: names, address and structures of the person, and names of the organisation.

    Raises:
        DirectoryError: too short, too long, or hardly more than those names and :data:`CONTEXT`.
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
    if _is_guessed(password, (*personal, *CONTEXT)):
        raise DirectoryError(
            "password made of expected words",
            public="Le mot de passe ne doit pas être fait du nom, de l'adresse e-mail "
            "ou de la structure de la personne, ni de mots attendus ici "
            "(nom de l'organisme ou du portail, « mot de passe », « bienvenue »…).",
        )


def _is_guessed(password: str, words: tuple[str, ...]) -> bool:
    folded = search_key(password)
    left = folded
    # The longest first: « azerty » must not leave the end of « azertyuiop » behind.
    for word in sorted(set(re.split(r"\W+", search_key(*words))), key=len, reverse=True):
        if len(word) >= _SHORTEST_WORD:
            left = left.replace(word, " ")
    return left != folded and len(re.sub(r"[\W\d_]+", "", left)) < _ENOUGH_LEFT
