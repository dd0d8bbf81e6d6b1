"""The product as a server runs it, on a clock that a test sets: a factory for ``granian``.

The file ``clock-offset`` in the var folder holds seconds; the product is that much ahead of the
machine, and so of everybody else. Without it this is ``idp.wsgi``.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyramid.router import Router

from idp import log, make_app
from idp.services import build, import_models
from idp.settings import from_file

OFFSET_FILE = "clock-offset"


class OffsetClock:
    """An ``IClock`` that reads its offset each time."""

    def __init__(self, var: Path) -> None:
        self._file = var / OFFSET_FILE

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        offset = float(self._file.read_text()) if self._file.exists() else 0.0
        return datetime.now(UTC) + timedelta(seconds=offset)


def from_environment() -> Router:
    """The WSGI application of the .ini file that ``CONVERGENCES_CONFIG`` names."""
    settings = from_file(Path(os.environ["CONVERGENCES_CONFIG"]))
    log.configure(demonstration=settings.demonstration)
    import_models(settings)
    return make_app(settings, build(settings, clock=OffsetClock(settings.var)))
