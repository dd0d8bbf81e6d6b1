"""What a password must be. Long, and more than what anybody tries first; no theatre beyond that.

One policy for every path: the page of a link, the profile, the command line. CNIL 2022-100,
ASVS 6.2.1 to 6.2.12. ``views/static/js/password.js`` says the same while one types, but for the
dictionary; this module is the judge.
"""

import re

from directory.common_passwords import is_common
from directory.search import search_key
from idp.errors import DirectoryError
from idp.self_service import PasswordPolicy

MINIMUM = 12  # characters, for every account
MINIMUM_PRIVILEGED = 15  # for référents and the correspondant
MAXIMUM = 1024  # characters; longer is not a phrase, it is an attack on the hash
CONTEXT = (
    "Convergences AIA annuaire portail application applications connexion",
    "mot de passe password motdepasse secret bienvenue welcome admin administrateur",
    "azertyuiop qwertyuiop azerty qwerty",
    "mairie ville commune collectivité",
)  # what whoever guesses here tries first; the organisation's names are added to it
_SHORTEST_WORD = 3  # characters; shorter words are found in any password
_ENOUGH_LEFT = 6  # letters that remain once names, words of the place and rows are taken out
_FEWEST = 5  # different characters; fewer are one key held down
_ROWS = (
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    *("azertyuiop", "qsdfghjklm", "wxcvbn", "qwertyuiop", "asdfghjkl", "zxcvbnm"),
    # the same keys column by column, downwards
    *("aqwzsxedcrfvtgbyhnujikolpm", "1aqw2zsx3edc4rfv5tgb6yhn7uj8ik9ol0pm"),
    *("qazwsxedcrfvtgbyhnujmikolp", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p"),
)
_RUN = 4  # neighbours in a row, forwards or backwards
_RUNS = frozenset(
    part
    for row in (*_ROWS, *(row[::-1] for row in _ROWS))
    for part in (row[start : start + _RUN] for start in range(len(row) - _RUN + 1))
)
_READ_AS = (str.maketrans("@431!05$7", "aaeiiosst"), str.maketrans("@431!05$7", "aaelloss7"))

# Anchored at the beginning and tried on both ends: at the end they would take cubic time.
_SIGNS = r"^[\W\d_]+"
_YEAR = r"^[\W_]*(?:(?:19|20)\d\d)?[\W_]*"
_YEAR_BACKWARDS = r"^[\W_]*(?:\d\d(?:91|02))?[\W_]*"
_LONGEST_REPEATED = 128  # characters looked at: what is longer is no word that people repeat


def policy(*, privileged: bool, personal: tuple[str, ...]) -> PasswordPolicy:
    """The policy of one person.

    ``personal``: his names, address, structures up to the root, and names of the organisation.
    """
    # The longest first: « azerty » must not leave the end of « azertyuiop » behind.
    words = set(re.split(r"\W+", search_key(*personal, *CONTEXT)))
    return PasswordPolicy(
        minimum=MINIMUM_PRIVILEGED if privileged else MINIMUM,
        maximum=MAXIMUM,
        words=tuple(
            sorted((word for word in words if len(word) >= _SHORTEST_WORD), key=_longest_first)
        ),
    )


def check(password: str, insisted: PasswordPolicy) -> None:
    """Insist on the policy.

    Raises:
        DirectoryError: too short, too long, hardly more than the policy's words or rows of the
            keyboard, or a common password.
    """
    if len(password) < insisted.minimum:
        raise DirectoryError(
            "password too short",
            public=f"Le mot de passe doit compter au moins {insisted.minimum} caractères.",
        )
    if len(password) > insisted.maximum:
        raise DirectoryError(
            "password too long",
            public=f"Le mot de passe doit compter au plus {insisted.maximum} caractères.",
        )
    folded = _once(search_key(password))
    if _is_row(folded):
        raise DirectoryError(
            "password made of rows or repetitions",
            public="Le mot de passe ne doit pas être une suite ou une répétition de caractères "
            "(« azertyuiop », « 12345678 », « abcabcabc »…).",
        )
    if _is_expected(folded, insisted.words):
        raise DirectoryError(
            "password made of expected words",
            public="Le mot de passe ne doit pas être fait de votre nom, de votre adresse mail "
            "ou de votre structure, ni de mots attendus ici "
            "(nom de l'organisme ou du portail, « mot de passe », « bienvenue »…).",
        )
    # Once more: « soleil2026soleil » repeats only without its year.
    if any(is_common(core) or is_common(_once(core)) for core in _cores(folded)):
        raise DirectoryError(
            "common password",
            public="Ce mot de passe est trop courant : c'est un mot, un prénom ou un mot de passe "
            "connu, avec quelques chiffres ou signes. Choisissez plutôt plusieurs mots.",
        )


def _longest_first(word: str) -> tuple[int, str]:
    return -len(word), word


def _is_expected(folded: str, words: tuple[str, ...]) -> bool:
    left = folded
    for word in words:
        left = left.replace(word, " ")
    return left != folded and _letters(left) < _ENOUGH_LEFT


def _is_row(folded: str) -> bool:
    """A row of the keyboard or of numbers, or a few characters over and over."""
    if len(set(folded)) < _FEWEST or len(folded) < _ENOUGH_LEFT:
        return True
    inside = [False] * len(folded)
    for start in range(len(folded) - _RUN + 1):
        part = folded[start : start + _RUN]
        if part in _RUNS or len(set(part)) == 1:
            inside[start : start + _RUN] = [True] * _RUN
    left = "".join(letter for letter, dropped in zip(folded, inside, strict=True) if not dropped)
    return any(inside) and _letters(left) < _ENOUGH_LEFT


def _letters(text: str) -> int:
    return len(re.sub(r"[\W\d_]+", "", text))


def _once(folded: str) -> str:
    """What is repeated, once: ``soleilsoleil`` says no more than ``soleil``."""
    repeated = re.fullmatch(r"(.+?)\1+", folded[:_LONGEST_REPEATED], re.DOTALL)
    return repeated[1] if repeated else folded


def _cores(folded: str) -> set[str]:
    """What may be a dictionary's word behind « P@ssw0rd-2026 ! »: itself, and without trimmings."""
    bare = folded.replace(" ", "")
    trimmed = _from_end(_SIGNS, re.sub(_SIGNS, "", bare))
    # A year and signs at an end: what remains may be « abc123 » or « 112233 ».
    begun = re.sub(_YEAR, "", bare)
    undated = {begun, _from_end(_YEAR_BACKWARDS, bare), _from_end(_YEAR_BACKWARDS, begun)}
    forms = {bare, trimmed, *undated}
    for table in _READ_AS:
        forms |= {form.translate(table) for form in (bare, trimmed)}
    return forms | {re.sub(r"[\W\d_]+", "", form) for form in forms}


def _from_end(pattern: str, text: str) -> str:
    return re.sub(pattern, "", text[::-1])[::-1]
