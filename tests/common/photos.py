"""Image files of the tests, honest and hostile, made on the spot."""

import struct
import zlib
from io import BytesIO

from PIL import Image

ORIENTATION = 0x0112


def image(size: tuple[int, int] = (400, 300), kind: str = "JPEG", color: str = "#336699") -> bytes:
    """One plain colour."""
    return encoded(Image.new("RGB", size, color), kind)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """The picture as a file."""
    made = BytesIO()
    picture.save(made, kind, **options)  # type: ignore[arg-type]
    return made.getvalue()


def halves(size: tuple[int, int], kind: str = "PNG", orientation: int = 1) -> bytes:
    """Left red, right blue, with a camera's notes: how it was held, and where."""
    picture = Image.new("RGB", size, "red")
    picture.paste("blue", (size[0] // 2, 0, size[0], size[1]))
    notes = Image.Exif()
    notes[ORIENTATION] = orientation
    notes[0x010E] = "Chez Camille"
    return encoded(picture, kind, exif=notes)


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of some bytes that says that it has thousands of millions of pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1_000_000, 9)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def scan_bomb(scans: int, side: int = 4472) -> bytes:
    """A progressive JPEG of a hundred kilobytes whose last scan comes again and again."""
    whole = encoded(Image.new("L", (side, side), 128), "JPEG", progressive=True, quality=1)
    scan = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[scan:-2] * scans + whole[-2:]


def opened(content: bytes) -> Image.Image:
    """What a browser would show."""
    return Image.open(BytesIO(content))
