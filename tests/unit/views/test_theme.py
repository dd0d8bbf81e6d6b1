from itertools import product

import pytest
from hypothesis import given, strategies

from idp.errors import ConfigurationError
from views.theme import (
    BLACK,
    DARK_SURFACE,
    LIGHT_SURFACE,
    TEXT_CONTRAST,
    WHITE,
    Color,
    contrast,
    parse,
    readable,
    style_sheet,
)

CHANNELS = strategies.integers(0, 255)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    assert contrast(parse("#777"), WHITE) == pytest.approx(4.48, abs=0.01)


@given(CHANNELS, CHANNELS, CHANNELS)
def test_any_colour_becomes_readable(red: int, green: int, blue: int) -> None:
    color = Color(red, green, blue)
    light = readable(color, LIGHT_SURFACE, towards=BLACK)
    dark = readable(color, DARK_SURFACE, towards=WHITE)
    # What is written in the sheet is rounded to whole channels.
    assert contrast(parse(str(light)), LIGHT_SURFACE) >= TEXT_CONTRAST - 0.1
    assert contrast(parse(str(dark)), DARK_SURFACE) >= TEXT_CONTRAST - 0.1


def test_a_readable_colour_stays_as_it_is() -> None:
    assert str(readable(parse("#1d4f91"), LIGHT_SURFACE, towards=BLACK)) == "#1d4f91"
    assert "--brand:#1d4f91;" in style_sheet("#1d4f91")


def test_short_and_long_notation_are_the_same_colour() -> None:
    for digits in product("0af", repeat=3):
        assert parse("#" + "".join(digits)) == parse("#" + "".join(2 * digit for digit in digits))


@pytest.mark.parametrize("wrong", ["", "blue", "#12345", "#1d4f91;}body{", "1d4f91", "#gggggg"])
def test_what_is_no_colour_refuses_to_start(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"organization\.color"):
        style_sheet(wrong)
