"""A program of its own: a foreign image on stdin, a small square WebP on stdout.

The only importer of Pillow. :mod:`directory.pictures` runs it as a process: whatever a hostile file
does to a decoder, it does it here, without our keys, our database or our memory, and within limits.

Nothing of the file itself is kept: its pixels are encoded again, so neither what a camera writes
beside them (place, date) nor what else a file may hold goes any further. ASVS 5.2.2, 5.2.6.
"""

import json
import os
import resource
import sys
import warnings
from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageFile, ImageOps

MAX_PIXELS = 20_000_000
SIDE = 256
"""Pixels of the square that is kept: twice the largest one shown."""
LEAST = 32
"""Pixels of the smallest square that still shows somebody."""

FORMATS = ("JPEG", "PNG", "WEBP")
TOO_MANY_PIXELS, TOO_SMALL, OUTSIDE, UNREADABLE = 10, 11, 12, 13
"""How the process ends when it makes no photo."""

MOST_SCANS = 100
"""Of a JPEG, which is worked through once for each; honest ones have some ten."""

NICENESS = 10
"""Whoever signs in meanwhile does not wait for our time slice."""

_QUALITY = 84
_JPEG, _SCAN = b"\xff\xd8", b"\xff\xda"
_ORIENTATION = 0x0112
_ON_ITS_SIDE = {5, 6, 7, 8}
_LIMITS = {
    resource.RLIMIT_AS: 1024**3,
    resource.RLIMIT_CPU: 2,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_CORE: 0,
}


class Refused(Exception):
    """No photo is made of this; ``status`` is one of the words above."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def make(upload: bytes, square: Sequence[int] | None) -> bytes:
    """The WebP of that square (x, y, side of the upright photo), or of the photo's middle.

    Raises:
        Refused: it is none we read, not whole, too large or too small, or the square is outside.
    """
    try:
        with _opened(upload) as image:
            part = _part(image, square)
        side = min(SIDE, part.width)
        small = _flat(part).resize((side, side), Image.Resampling.LANCZOS)
        made = BytesIO()
        small.save(made, "WEBP", quality=_QUALITY)
    except Refused:
        raise
    except Exception as error:  # decoders of strangers' files raise whatever they like
        raise Refused(UNREADABLE) from error
    return made.getvalue()


def _opened(upload: bytes) -> ImageFile.ImageFile:
    """Its header is read, and nothing is decoded yet."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    # Twice as many pixels are an error to Pillow, more than that many a warning.
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    try:
        image = Image.open(BytesIO(upload), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused(TOO_MANY_PIXELS) from error
    # A hundred kilobytes of empty scans would be a quarter of a minute of work.
    if upload.startswith(_JPEG) and upload.count(_SCAN) > MOST_SCANS:
        raise Refused(UNREADABLE)
    return image


def _part(image: ImageFile.ImageFile, square: Sequence[int] | None) -> Image.Image:
    stored = image.size
    # A JPEG is decoded at a fraction of its size, if what is kept allows it.
    side = square[2] if square and square[2] > 0 else min(stored)
    image.draft("RGB", (stored[0] * SIDE // side or 1, stored[1] * SIDE // side or 1))
    image.load()
    scale = image.width / stored[0]
    if image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE:
        stored = stored[1], stored[0]
    ImageOps.exif_transpose(image, in_place=True)
    x, y, side = _within(square, *stored)
    left, top, kept = round(x * scale), round(y * scale), round(side * scale)
    return image.crop((left, top, left + kept, top + kept))


def _within(square: Sequence[int] | None, width: int, height: int) -> Sequence[int]:
    """The square, or the largest in the middle."""
    least = min(width, height)
    if least < LEAST:
        raise Refused(TOO_SMALL)
    if square is None:
        return (width - least) // 2, (height - least) // 2, least
    x, y, side = square
    if x < 0 or y < 0 or side < LEAST or x + side > width or y + side > height:
        raise Refused(OUTSIDE)
    return square


def _flat(part: Image.Image) -> Image.Image:
    """In plain colours, on white where it is transparent, and with nothing else of the file."""
    ground = Image.new("RGB", part.size, "white")
    if part.has_transparency_data:
        seen = part.convert("RGBA")
        ground.paste(seen, mask=seen.getchannel("A"))
    else:
        ground.paste(part.convert("RGB"))
    return ground


def main() -> int:
    """Read ``null`` or ``[x, y, side]`` on the first line, then the file; write the photo."""
    for what, limit in _LIMITS.items():
        resource.setrlimit(what, (limit, limit))
    os.nice(NICENESS)
    square = json.loads(sys.stdin.buffer.readline())
    try:
        sys.stdout.buffer.write(make(sys.stdin.buffer.read(), square))
    except Refused as refused:
        return refused.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
