"""Photos: what comes in from anywhere, and the one small square that comes out."""

import subprocess
import sys

import pytest
from PIL import Image

from directory import picture_maker, pictures
from directory.picture_maker import OUTSIDE, TOO_MANY_PIXELS, TOO_SMALL, UNREADABLE, Refused, make
from directory.pictures import square_photo
from idp.errors import Busy, DirectoryError
from idp.self_service import PHOTO_TOO_LARGE, Square
from tests.common.photos import bomb, encoded, halves, image, opened

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
WIDE_WEBP = image((16_000, 1300), "WEBP")


def near(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    """The colour at a place, rounded to whole channels: encoding loses a little."""
    found = picture.getpixel((x, y))
    assert isinstance(found, tuple)
    return tuple(255 if channel > 200 else 0 if channel < 55 else 128 for channel in found)


def refusal(upload: bytes, square: Square | None = None) -> str:
    with pytest.raises(DirectoryError) as caught:
        square_photo(upload, square)
    return caught.value.public


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_each_kind_becomes_a_small_square(kind: str) -> None:
    made = opened(square_photo(image((900, 600), kind)))
    assert (made.format, made.size, made.mode) == ("WEBP", (256, 256), "RGB")


def test_a_small_photo_is_not_made_larger() -> None:
    assert opened(make(image((100, 60)), None)).size == (60, 60)


def test_without_a_square_the_middle_is_kept() -> None:
    made = opened(make(halves((800, 400)), None))
    assert (near(made, 20, 128), near(made, 236, 128)) == (RED, BLUE)


@pytest.mark.parametrize(
    ("square", "color"), [((0, 0, 300), RED), ((500, 0, 300), BLUE), ((400, 100, 40), BLUE)]
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_chosen_square_is_kept(square: tuple[int, int, int], color: object, kind: str) -> None:
    made = opened(make(halves((800, 400), kind), square))
    assert {near(made, x, y) for x in (4, made.width - 5) for y in (4, made.height - 5)} == {color}


def test_a_large_jpeg_is_cut_where_it_was_chosen() -> None:
    """It is decoded at a fraction of its size, and the square with it."""
    made = opened(square_photo(halves((4000, 2000), "JPEG"), Square(2100, 10, 1900)))
    assert made.size == (256, 256)
    assert {near(made, x, 128) for x in (4, 251)} == {BLUE}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "square", "color"),
    [
        (3, (0, 0, 100), BLUE),  # upside down
        (6, (0, 0, 100), RED),  # a quarter to the right: the left is now above
        (6, (0, 300, 100), BLUE),
        (8, (0, 0, 100), BLUE),  # a quarter to the left
    ],
)
def test_the_photo_stands_as_it_was_taken(
    kind: str, orientation: int, square: tuple[int, int, int], color: object
) -> None:
    made = opened(make(halves((400, 200), kind, orientation), square))
    assert near(made, 50, 50) == color


def test_a_square_is_measured_in_the_upright_photo() -> None:
    with pytest.raises(Refused, match=str(OUTSIDE)):
        make(halves((400, 200), "JPEG", 6), (300, 0, 100))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_of_what_the_camera_notes_is_kept(kind: str) -> None:
    before = halves((400, 200), kind, 6)
    assert b"Camille" in before
    made = square_photo(before)
    assert b"Camille" not in made
    assert not opened(made).getexif()
    assert b"EXIF" not in made


def test_what_is_transparent_becomes_white() -> None:
    clear = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    assert near(opened(make(encoded(clear, "PNG"), None)), 50, 50) == WHITE
    indexed = Image.new("P", (100, 100), 0)
    indexed.putpalette([255, 0, 0])
    indexed.info["transparency"] = 0
    assert near(opened(make(encoded(indexed, "PNG"), None)), 50, 50) == WHITE


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_of_an_animation_the_first_picture_is_kept(kind: str) -> None:
    frames = [Image.new("RGB", (80, 80), color) for color in ("red", "blue")]
    moving = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    made = opened(make(moving, None))
    assert getattr(made, "n_frames", 1) == 1
    assert near(made, 40, 40) == RED


@pytest.mark.parametrize(
    "square",
    [(-1, 0, 100), (0, -1, 100), (301, 0, 100), (0, 201, 100), (0, 0, 31), (0, 0, 0), (0, 0, -9)],
)
def test_a_square_outside_is_refused(square: tuple[int, int, int]) -> None:
    with pytest.raises(Refused) as caught:
        make(image((400, 300)), square)
    assert caught.value.status == OUTSIDE


# --- what strangers send ---------------------------------------------------------------------

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HOSTILE = {
    "svg": SVG,
    "html": b"<!doctype html><script>alert(1)</script>",
    "gif": encoded(Image.new("P", (64, 64)), "GIF"),
    "bmp": encoded(Image.new("RGB", (64, 64)), "BMP"),
    "tiff": encoded(Image.new("RGB", (64, 64)), "TIFF"),
    "postscript": encoded(Image.new("RGB", (64, 64)), "EPS"),
    "pdf": b"%PDF-1.7\n%%EOF",
    "truncated jpeg": image()[:-200],
    "truncated png": halves((400, 300))[:400],
    "truncated webp": halves((400, 300), "WEBP")[:-60],
    "a jpeg's first bytes": b"\xff\xd8\xff\xe0",
    "a png's first bytes": b"\x89PNG\r\n\x1a\n",
    "noise": bytes(range(256)) * 40,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_whole_photo_is_refused(name: str) -> None:
    with pytest.raises(Refused) as caught:
        make(HOSTILE[name], None)
    assert caught.value.status == UNREADABLE


@pytest.mark.parametrize("tail", [SVG, b"PK\x03\x04 a jar", b"<?php system($_GET[0]);"])
def test_of_a_polyglot_the_picture_alone_is_kept(tail: bytes) -> None:
    for front in (image(), halves((400, 300))):
        made = square_photo(front + tail)
        assert opened(made).size == (256, 256)
        assert tail not in made
        assert tail[:8] not in made


@pytest.mark.parametrize(
    "upload", [bomb(), bomb(4480, 4480), WIDE_WEBP], ids=["bomb", "a few too many", "webp"]
)
def test_a_decompression_bomb_is_refused_by_its_header(upload: bytes) -> None:
    assert len(upload) < 100_000
    with pytest.raises(Refused) as caught:
        make(upload, None)
    assert caught.value.status == TOO_MANY_PIXELS


def test_each_refusal_says_what_to_do() -> None:
    assert refusal(b"") == pictures.NO_FILE
    assert refusal(b"\xff" * (pictures.MAX_BYTES + 1)) == PHOTO_TOO_LARGE
    assert "20 millions" in refusal(bomb())
    assert "32 pixels" in refusal(image((400, picture_maker.LEAST - 1)))
    assert "cadre" in refusal(image(), Square(0, 0, 301))
    assert "JPEG, PNG ou WebP" in refusal(SVG)
    statuses = {TOO_MANY_PIXELS, TOO_SMALL, OUTSIDE}
    assert set(pictures._REASONS) == statuses, "one number, two files"


def test_one_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own limit ends a slow file first: the server is what is slow here."""
    monkeypatch.setattr(pictures, "_SECONDS", 0.001)
    with pytest.raises(Busy) as caught:
        square_photo(image())
    assert caught.value.public == pictures.BUSY


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_largest_honest_photo_is_within_the_limits(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of memory and processor time; by the clock a busy machine may take longer."""
    monkeypatch.setattr(pictures, "_SECONDS", 60)
    assert opened(square_photo(halves((5477, 3651), kind), Square(1000, 0, 3600))).width == 256


PROGRAM = """
import io, json, resource, sys
sys.stdin = io.TextIOWrapper(io.BytesIO(b"null\\nx"))
from directory import picture_maker
status = picture_maker.main()
sizes = [resource.getrlimit(each)[1] for each in picture_maker._LIMITS]
print(json.dumps([status, sizes]))
"""


def test_the_program_has_limits_and_none_of_our_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[dict[str, object]] = []
    real = subprocess.run

    def watched(*words: object, **how: object) -> object:
        seen.append(how)
        return real(*words, **how)  # type: ignore[call-overload]

    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setattr(subprocess, "run", watched)
    square_photo(image())
    assert seen[0]["env"] == {}
    said = real(
        [
            sys.executable,
            "-c",
            PROGRAM,
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    assert said.stdout.strip() == f"[{UNREADABLE}, [1073741824, 2, 0, 0]]"
