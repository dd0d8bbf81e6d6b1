"""Folded keys: what is compared when people search, sort or sign in."""

from contextlib import suppress
from unicodedata import normalize

from idp.folding import search_key

__all__ = ["mail_key", "search_key"]

_FOR_SERVERS = "xn--"  # [RFC5890] 2.3.1: how a label beyond ASCII begins when it is spelt in ASCII


def mail_key(mail: str) -> str:
    """The address as the directory compares it: no spaces around, composed letters, no case.

    A domain beyond ASCII is one with its spelling for servers, which some browsers send instead.
    """
    key = normalize("NFC", normalize("NFC", mail.strip()).casefold())
    local, at, domain = key.rpartition("@")
    if _FOR_SERVERS in domain:
        with suppress(UnicodeError):
            domain = domain.encode("ascii").decode("idna")
    return f"{local}{at}{domain}"
