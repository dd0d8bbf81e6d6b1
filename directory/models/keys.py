"""The type of folded keys."""

from sqlalchemy import String
from sqlalchemy.types import TypeEngine


def folded(length: int) -> TypeEngine[str]:
    """Of a key of so many characters: compared by its bytes on both databases.

    PostgreSQL would take the order of the cluster's locale, of which some pass over spaces.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")
