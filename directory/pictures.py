"""Photos: a file from anywhere in, one small square photo out, made by a process of its own.

That process (:mod:`directory.picture_maker`) costs a tenth of a second and gives back the hundreds
of megabytes that a large photo takes while it is decoded.

One at a time in a server's process. Whoever waits holds one of a few places, and nobody two: files
made to be slow leave the threads to those who sign in.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from idp.context import origin
from idp.errors import Busy, DirectoryError
from idp.self_service import PHOTO_TOO_LARGE, Square

MAX_BYTES = 2 * 1024 * 1024
CONTENT_TYPE = "image/webp"

NO_FILE = "Choisissez une photo."
UNREADABLE = (
    "Ce fichier n'est pas une photo que nous savons lire. Choisissez une photo JPEG, PNG ou WebP."
)
BUSY = (
    "Votre photo n'a pas pu être préparée : le serveur est très occupé en ce moment. Patientez une "
    "dizaine de secondes, puis recommencez."
)
_REASONS = {
    10: (
        "Cette photo est trop grande : elle a plus de 20 millions de pixels. Choisissez-en une "
        "plus petite."
    ),
    11: "Cette photo est trop petite : il faut au moins 32 pixels de large et de haut.",
    12: "Le cadre choisi n'est pas dans la photo. Choisissez-le de nouveau.",
}
"""By the status with which the process ends (``directory.picture_maker``)."""

_PROGRAM = Path(__file__).with_name("picture_maker.py")
_SECONDS = 4
"""On the clock. A file that works longer than its limit ends before; this is a busy server."""

PLACES = 3
"""Photos under way at once in a process: one that is made, the others wait."""


class Desk:
    """The one slot of a process and its places."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken: list[str] = []
        self._list = Lock()
        self._slot = Lock()

    @contextmanager
    def turn(self, who: str) -> Iterator[None]:
        """Wait for the slot and hold it; ``who``: the person, or empty.

        Raises:
            Busy: every place is taken, or this person has one.
        """
        with self._list:
            if len(self._taken) >= self._places or (who and who in self._taken):
                raise _busy()
            self._taken.append(who)
        try:
            with self._slot:
                yield
        finally:
            with self._list:
                self._taken.remove(who)


def _busy() -> Busy:
    return Busy("every place before the photo maker is taken", public=BUSY)


_desk = Desk(PLACES)


def square_photo(upload: bytes, square: Square | None = None) -> bytes:
    """A WebP of at most 256 by 256 pixels: that square of the photo, or its middle.

    Raises:
        DirectoryError: empty, larger than 2 MB or 20 million pixels, not a whole JPEG, PNG or
            WebP, or the square is not inside.
        Busy: other photos are being made, one of this person's perhaps.
    """
    if not upload:
        raise DirectoryError("no file", public=NO_FILE)
    if len(upload) > MAX_BYTES:
        raise DirectoryError(f"a photo of {len(upload)} bytes", public=PHOTO_TOO_LARGE)
    asked = None if square is None else [square.x, square.y, square.side]
    try:
        with _desk.turn(origin().actor):
            done = subprocess.run(  # noqa: S603 - our own program, nothing of the file in its words
                [sys.executable, "-I", str(_PROGRAM)],
                input=json.dumps(asked).encode() + b"\n" + upload,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
                env={},  # no secret of ours
            )
    except subprocess.TimeoutExpired as error:
        raise _busy() from error
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()[-200:]
        public = _REASONS.get(done.returncode, UNREADABLE)
        raise DirectoryError(f"no photo: status {done.returncode} {said}", public=public)
    return done.stdout
