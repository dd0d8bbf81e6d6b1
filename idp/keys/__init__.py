"""The key ring: private keys in files of mode 0600, their states in the database."""

from idp.keys.ring import KeyRing
from idp.keys.tables import KeyState, KeyUse, SigningKey

__all__ = ["KeyRing", "KeyState", "KeyUse", "SigningKey"]
