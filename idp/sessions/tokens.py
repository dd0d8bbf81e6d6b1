"""Random tokens for browsers; the database keeps only their hash."""

from hashlib import sha256
from secrets import token_urlsafe

TOKEN_BYTES = 32


def new_token() -> str:
    """256 random bits, safe in a cookie or a URL."""
    return token_urlsafe(TOKEN_BYTES)


def hashed(token: str) -> str:
    """What the database knows a token by: SHA-256, hexadecimal."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def public_id(key: str) -> str:
    """By what a page names the row of this key: from it neither key nor token can be had."""
    return sha256(b"public\n" + key.encode()).hexdigest()[:32]
