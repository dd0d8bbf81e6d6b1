"""Texts that people type: trimmed, bounded, without what could forge or break something."""

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

from directory.search import mail_key, search_key
from idp.errors import DirectoryError
from idp.folding import legible, visible

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SIRET_DIGITS = 14
_LONGEST_LOCAL = 64  # [RFC5321] 4.5.3.1.1: of what stands before the @
_TOP_LEVEL = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]", re.IGNORECASE)
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

    Invisible signs are left out (:func:`idp.folding.visible`).

    Raises:
        DirectoryError: empty, without a letter or a digit, longer than ``maximum`` characters, or
            with control characters; the sentence names the field.
    """
    clean = one_line(text)
    if not clean:
        raise DirectoryError(f"{field}: empty", public=f"{field} : ce champ est obligatoire.")
    if not legible(clean):
        raise DirectoryError(
            f"{field}: nothing to read",
            public=f"{field} : écrivez au moins une lettre ou un chiffre.",
        )
    if len(clean) > maximum:
        raise DirectoryError(
            f"{field}: too long", public=f"{field} : {maximum} caractères au plus."
        )
    if not clean.isprintable():
        raise DirectoryError(
            f"{field}: control characters", public=f"{field} : caractères non autorisés."
        )
    return clean


def optional_text(text: str | None, field: str, maximum: int) -> str | None:
    """As :func:`clean_text`; None where nothing was written.

    Raises:
        DirectoryError: as there, but for an empty one.
    """
    return clean_text(text, field, maximum) if text and one_line(text) else None


def one_line(text: str) -> str:
    """What :func:`clean_text` makes of a text, right or wrong; empty: nothing was written."""
    return " ".join(visible(text).split())


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
    """An address as typed, without spaces around or invisible signs.

    Raises:
        DirectoryError: not an e-mail address.
    """
    try:
        # Deliverability is the mail server's to find out; no network here.
        checked = validate_email(
            visible(mail).strip(), check_deliverability=False, globally_deliverable=False
        )
    except EmailNotValidError as error:
        raise DirectoryError(
            f"mail {mail!r}: {error}", public=f"« {mail} » n'est pas une adresse mail."
        ) from error
    return checked.normalized


def require_deliverable(mail: str) -> None:
    """Insist that mails to an address, cleaned already, can arrive: nobody is recorded by another.

    Few servers take a first part beyond ASCII (SMTPUTF8, [RFC6531]), and people type it by mistake;
    a domain beyond ASCII has another spelling for servers ([RFC5890]).

    Raises:
        DirectoryError: they cannot; the sentence offers another spelling where one is likely.
    """
    local, _, domain = mail.rpartition("@")
    try:
        *above, top_level = domain.encode("idna").decode("ascii").split(".")
    except UnicodeError:
        above, top_level = [], ""
    if not above or not _TOP_LEVEL.fullmatch(top_level):
        raise DirectoryError(
            f"mail {mail!r}: no domain of the network",
            public=f"L'adresse {mail} est incomplète : ce qui suit le signe @ finit par un point "
            "et au moins deux lettres, comme dans mairie.fr.",
        )
    if len(local) > _LONGEST_LOCAL:
        raise DirectoryError(
            f"mail {mail!r}: {len(local)} signs before the @",
            public=f"Aucun mail n'arriverait à {mail} : avant le signe @, une adresse a au plus "
            f"{_LONGEST_LOCAL} caractères.",
        )
    if not local.isascii():
        plain = _without_accents(local)
        meant = f" Vouliez-vous dire {plain}@{domain} ?" if plain.isascii() else ""
        raise DirectoryError(
            f"mail {mail!r}: beyond ASCII",
            public=f"Aucun mail n'arriverait à {mail} : avant le signe @, une adresse n'a ni "
            f"lettre accentuée ni caractère particulier.{meant}",
        )


def _without_accents(text: str) -> str:
    """As one would type it on a keyboard that has none."""
    single = text.replace("œ", "oe").replace("æ", "ae")
    return "".join(
        sign for sign in unicodedata.normalize("NFKD", single) if not unicodedata.combining(sign)
    )


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
