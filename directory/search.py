"""Folded keys: what is compared when people search, sort or sign in."""

from unicodedata import normalize

from idp.folding import search_key, visible, with_readable_domain

__all__ = ["mail_key", "search_key"]


def mail_key(mail: str) -> str:
    """The address as the directory compares it: no spaces around, composed letters, no case.

    Invisible signs are left out; a domain beyond ASCII is one with its spelling for servers.
    """
    plain = normalize("NFC", visible(mail).strip())
    return with_readable_domain(normalize("NFC", plain.casefold()))
