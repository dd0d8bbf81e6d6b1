"""The organisation's logo: read once, for the pages and for the metadata. [MetaUI] 2.1.5."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pyramid.path import AssetResolver

from idp.errors import ConfigurationError
from idp.settings import Organization

LOGO_PATH = "/logo"
SUFFIXES = frozenset({".svg", ".png", ".jpg", ".webp"})

_SVG_TAG = re.compile(rb"<svg\b[^>]*>")
_NUMBER = rb"[0-9]+(?:\.[0-9]+)?"
_SVG_SIDE = {
    side: re.compile(rb"\s" + side + rb"""\s*=\s*["']\s*(""" + _NUMBER + rb""")(?:px)?\s*["']""")
    for side in (b"width", b"height")
}
_SVG_BOX = re.compile(
    rb"""\sviewBox\s*=\s*["']\s*-?[0-9.]+[\s,]+-?[0-9.]+[\s,]+("""
    + _NUMBER
    + rb")[\s,]+("
    + _NUMBER
    + rb")"
)
# [JPEG] B.1.1.3: frames begin with these markers; C4, C8 and CC mean something else.
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


@dataclass(frozen=True, slots=True)
class Size:
    """In pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Logo:
    """An image: the suffix of its name says of which kind."""

    content: bytes
    suffix: str
    size: Size


OWN_MARK_SIZE = Size(80, 80)
"""Of the product's own mark, which stands at the logo's address when the setting names none."""


@cache
def load(organization: Organization) -> Logo | None:
    """The image that the setting names; None when it names none.

    Raises:
        ConfigurationError: it cannot be read, is of no known kind, or does not say its size.
    """
    spec = organization.logo
    if not spec:
        return None
    suffix = Path(spec).suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigurationError("the setting organization.logo must name an svg, png, jpg or webp")
    try:
        content = Path(AssetResolver(None).resolve(spec).abspath()).read_bytes()
    except (OSError, ValueError, ImportError):
        raise ConfigurationError("the setting organization.logo names no readable file") from None
    size = size_of(content)
    if size is None:
        raise ConfigurationError("the setting organization.logo names an image without a size")
    return Logo(content, suffix, size)


def size_of(image: bytes) -> Size | None:
    """What an SVG, PNG, JPEG or WebP says of its size; None when it is none of them."""
    try:
        found = _size(image)
    except (struct.error, IndexError):  # it ends too soon
        return None
    return found if found and found.width > 0 and found.height > 0 else None


def _size(image: bytes) -> Size | None:
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return Size(*struct.unpack_from(">II", image, 16))
    if image.startswith(b"\xff\xd8"):
        return next(_jpeg_sizes(image), None)
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return _webp_size(image)
    return _svg_size(image)


def _jpeg_sizes(image: bytes) -> Iterator[Size]:
    """Of each frame; segments follow each other, each with its length."""
    at = 2
    while image[at] == 0xFF:  # noqa: PLR2004 - a marker
        length, _, height, width = struct.unpack_from(">HBHH", image, at + 2)
        if image[at + 1] in _JPEG_FRAMES:
            yield Size(width, height)
        at += 2 + length


def _webp_size(image: bytes) -> Size | None:
    kind = image[12:16]
    if kind == b"VP8X":  # the canvas, each side less one in 24 bits
        wide, wider, high, higher = struct.unpack_from("<HBHB", image, 24)
        return Size((wider << 16 | wide) + 1, (higher << 16 | high) + 1)
    if kind == b"VP8L":  # without loss, each side less one in 14 bits
        (bits,) = struct.unpack_from("<I", image, 21)
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 ":
        wide, high = struct.unpack_from("<HH", image, 26)
        return Size(wide & 0x3FFF, high & 0x3FFF)
    return None


def _svg_size(image: bytes) -> Size | None:
    """Its width and height, or those of its viewBox."""
    tag = _SVG_TAG.search(image)
    if tag is None:
        return None
    sides = [pattern.search(tag.group()) for pattern in _SVG_SIDE.values()]
    box = _SVG_BOX.search(tag.group())
    found = [float(side[1]) for side in sides if side] if all(sides) else []
    if not found and box:
        found = [float(box[1]), float(box[2])]
    return Size(round(found[0]), round(found[1])) if found else None
