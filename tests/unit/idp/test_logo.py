"""What an image says of its size."""

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from idp.errors import ConfigurationError
from idp.logo import Logo, Size, load, size_of
from idp.settings import Settings

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 300, 90)
JPEG_HEAD = b"\xff\xd8" + b"\xff\xe0" + struct.pack(">H", 16) + bytes(14)
JPEG_TABLE = b"\xff\xc4" + struct.pack(">H", 5) + bytes(3)
JPEG_FRAME = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, 90, 300, 3) + bytes(9)


def webp(kind: bytes, data: bytes) -> bytes:
    return b"RIFF" + bytes(4) + b"WEBP" + kind + struct.pack("<I", len(data)) + data


def svg(attributes: str) -> bytes:
    return f'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" {attributes}/>'.encode()


@pytest.mark.parametrize(
    "image",
    [
        PNG,
        JPEG_HEAD + JPEG_TABLE + JPEG_FRAME,
        webp(b"VP8X", bytes(4) + b"\x2b\x01\x00" + b"\x59\x00\x00"),
        webp(b"VP8L", b"\x2f" + struct.pack("<I", 299 | 89 << 14)),
        webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 300, 90)),
        svg('width="300" height="90"'),
        svg("width='300px' height='90px' viewBox='0 0 10 10'"),
        svg('viewBox="0 0 300 90"'),
        svg('viewBox="-1.5,0,299.6,90.2" stroke-width="2" width="100%" height="100%"'),
    ],
    ids=["png", "jpeg", "webp", "webp-lossless", "webp-lossy", "svg", "px", "box", "percent"],
)
def test_the_size_is_read(image: bytes) -> None:
    assert size_of(image) == Size(300, 90)


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"GIF89a",
        PNG[:18],
        b"\x89PNG\r\n\x1a\n" + bytes(20),
        JPEG_HEAD,
        JPEG_HEAD + JPEG_FRAME[:5],
        JPEG_HEAD + b"\0" + JPEG_FRAME,
        webp(b"VP8X", b""),
        webp(b"VP8L", b""),
        webp(b"VP9 ", bytes(20)),
        svg(""),
        svg('width="100%" height="100%"'),
        svg('width="0" height="0"'),
    ],
)
def test_what_says_no_size_has_none(image: bytes) -> None:
    assert size_of(image) is None


def test_a_logo_without_a_size_refuses_to_start(settings: Settings, tmp_path: Path) -> None:
    def loaded(content: bytes, name: str) -> Logo | None:
        file = tmp_path / name
        file.write_bytes(content)
        return load(replace(settings.organization, logo=str(file)))

    with pytest.raises(ConfigurationError, match="without a size"):
        loaded(b"\x89PNG", "a.png")
    assert loaded(PNG, "b.PNG") == Logo(PNG, ".png", Size(300, 90))
    assert load(settings.organization) is None
