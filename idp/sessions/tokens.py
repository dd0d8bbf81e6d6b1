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
