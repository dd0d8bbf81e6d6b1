"""Who acts, from where, in which request: ambient facts of the log and the journal.

Set once at the door (web tween, command line, worker) and read by :mod:`idp.audit` and the log.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Origin:
    """``actor`` is a subject id, or ``cli:<system user>``, ``worker``, or empty for a stranger."""

    actor: str = ""
    address: str = ""
    request_id: str = ""


_STRANGER = Origin()

_origin: ContextVar[Origin] = ContextVar("origin", default=_STRANGER)


def origin() -> Origin:
    """The origin of what is happening now."""
    return _origin.get()


@contextmanager
def acting(new: Origin) -> Iterator[None]:
    """Everything inside happens on behalf of ``new``."""
    token = _origin.set(new)
    try:
        yield
    finally:
        _origin.reset(token)


def act_as(actor: str) -> None:
    """The person behind the current request is known now."""
    _origin.set(replace(_origin.get(), actor=actor))
