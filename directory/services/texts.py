"""Texts that people type: trimmed, bounded, without what could forge or break something."""

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

from directory.search import mail_key, search_key
from idp.errors import DirectoryError

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SIRET_DIGITS = 14
_INVISIBLE = "Cf"  # Unicode's category of signs that only format
# fmt: off
_GENERIC = frozenset({
    "accueil", "administration", "cig", "collectivite", "communication", "compta",
    "comptabilite", "contact", "direction", "dgs", "drh", "elections", "etatcivil", "finances",
    "formation", "info", "informatique", "mairie", "nepasrepondre", "noreply", "paie",
    "personnel", "rh", "secretariat", "service-rh", "servicerh", "support", "webmaster",
})
# fmt: on


def clean_text(text: str, field: str, maximum: int) -> str:
    """A line of text without spaces around or doubled.

    Invisible signs that come along with what is copied (soft hyphens, joiners, marks of direction)
    are left out: nobody sees what he would have to correct.

    Raises:
        DirectoryError: empty, longer than ``maximum`` characters, or with control characters;
            the sentence names the field.
    """
    visible = "".join(sign for sign in text if unicodedata.category(sign) != _INVISIBLE)
    clean = " ".join(visible.split())
    if not clean:
        raise DirectoryError(f"{field}: empty", public=f"{field} : ce champ est obligatoire.")
    if len(clean) > maximum:
        raise DirectoryError(
            f"{field}: too long", public=f"{field} : {maximum} caractères au plus."
        )
    if not clean.isprintable():
        raise DirectoryError(
            f"{field}: control characters", public=f"{field} : caractères non autorisés."
        )
    return clean


def clean_code(code: str) -> str:
    """A stable code. ``@`` and ``:`` never occur in it: ``role@structure`` stays unambiguous.

    Raises:
        DirectoryError: not letters, digits, ``.``, ``_`` and ``-`` only, or beyond 64 of them.
    """
    if not _CODE.fullmatch(code):
        raise DirectoryError(
            f"code {code!r}",
            public=f"Le code « {code} » n'est pas valable : lettres sans accent, chiffres, "
            "points et tirets, 64 au plus.",
        )
    return code


def clean_mail(mail: str) -> str:
    """An address as typed, but for its spaces.

    Raises:
        DirectoryError: not an e-mail address.
    """
    try:
        # Deliverability is the mail server's to find out; no network here.
        checked = validate_email(
            mail.strip(), check_deliverability=False, globally_deliverable=False
        )
    except EmailNotValidError as error:
        raise DirectoryError(
            f"mail {mail!r}: {error}", public=f"« {mail} » n'est pas une adresse e-mail."
        ) from error
    return checked.normalized


def is_generic(mail: str) -> bool:
    """Whether the address looks like a desk's rather than a person's (rh@, contact@, mairie@)."""
    local = search_key(mail_key(mail).partition("@")[0])
    return local.replace(" ", "-") in _GENERIC or local.partition(" ")[0] in {"mairie", "contact"}


def generic_warning(mail: str) -> str:
    """What is said of a generic address to whoever wants an account for it."""
    return (
        f"L'adresse {mail} semble partagée par plusieurs personnes : "
        "un compte est personnel, préférez une adresse nominative."
    )


def clean_siret(siret: str) -> str:
    """A SIRET of 14 digits.

    Raises:
        DirectoryError: not 14 digits, or its check digit is wrong.
    """
    digits = "".join(siret.split())
    well_formed = digits.isascii() and digits.isdigit() and len(digits) == _SIRET_DIGITS
    if not (well_formed and _luhn(digits)):
        raise DirectoryError(
            f"siret {siret!r}", public=f"« {siret} » n'est pas un numéro SIRET valable."
        )
    return digits


def _luhn(digits: str) -> bool:
    """The SIRET's check: Luhn's; for La Poste (SIREN 356000000) a plain sum of digits."""
    if digits.startswith("356000000") and sum(map(int, digits)) % 5 == 0:
        return True
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(int(digit) for digit in digits[::-2])) % 10 == 0
