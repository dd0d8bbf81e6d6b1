"""The organisation's colour, made readable: a small style sheet of custom properties.

The setting gives one colour. From it come the shades of the light and of the dark page, moved until
the contrast that [WCAG] 1.4.3 asks for is reached, so that no operator can make a page unreadable.
"""

import re
from dataclasses import dataclass

from idp.errors import ConfigurationError

_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)

TEXT_CONTRAST = 5.5
"""Wanted between a shade with text and its ground: a little over the 4.5 of [WCAG] 1.4.3."""


@dataclass(frozen=True, slots=True)
class Color:
    """An sRGB colour; each channel from 0 to 255."""

    red: float
    green: float
    blue: float

    def __str__(self) -> str:
        """``#rrggbb``."""
        return f"#{round(self.red):02x}{round(self.green):02x}{round(self.blue):02x}"

    def mixed(self, other: "Color", share: float) -> "Color":
        """This colour with ``share`` (0 to 1) of the other."""
        return Color(
            self.red + (other.red - self.red) * share,
            self.green + (other.green - self.green) * share,
            self.blue + (other.blue - self.blue) * share,
        )

    @property
    def luminance(self) -> float:
        """Relative luminance, 0 to 1. [WCAG] 2.2, "relative luminance"."""
        red, green, blue = (_linear(channel / 255) for channel in (self.red, self.green, self.blue))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue


WHITE = Color(255, 255, 255)
BLACK = Color(0, 0, 0)
LIGHT_SURFACE = WHITE
DARK_SURFACE = Color(27, 33, 42)


def parse(text: str) -> Color:
    """Read ``#rgb`` or ``#rrggbb``.

    Raises:
        ConfigurationError: it is neither; the cause names the setting.
    """
    if not _HEX.fullmatch(text):
        raise ConfigurationError("the setting organization.color must be #rrggbb")
    digits = text[1:] if len(text) == 7 else "".join(digit * 2 for digit in text[1:])  # noqa: PLR2004
    return Color(*(int(digits[start : start + 2], 16) for start in (0, 2, 4)))


def contrast(one: Color, other: Color) -> float:
    """Contrast ratio, 1 to 21. [WCAG] 2.2, "contrast ratio"."""
    low, high = sorted((one.luminance, other.luminance))
    return (high + 0.05) / (low + 0.05)


def readable(color: Color, ground: Color, *, towards: Color) -> Color:
    """The colour itself, or the first shade towards ``towards`` that reads well on ``ground``."""
    for step in range(101):
        shade = color.mixed(towards, step / 100)
        if contrast(shade, ground) >= TEXT_CONTRAST:
            return shade
    return towards


def style_sheet(text: str) -> str:
    """The custom properties of this colour, for light and dark.

    Raises:
        ConfigurationError: not a colour.
    """
    color = parse(text)
    light = readable(color, LIGHT_SURFACE, towards=BLACK)
    dark = readable(color, DARK_SURFACE, towards=WHITE)
    return (
        ":root{"
        f"--brand:{light};--brand-strong:{light.mixed(BLACK, 0.22)};"
        f"--brand-deep:{light.mixed(BLACK, 0.42)};--on-brand:#fff;"
        f"--brand-soft:{light.mixed(WHITE, 0.92)};--brand-line:{light.mixed(WHITE, 0.72)};"
        f"--banner:{light};--banner-deep:{light.mixed(BLACK, 0.42)}"
        "}\n@media (prefers-color-scheme:dark){:root{"
        f"--brand:{dark};--brand-strong:{dark.mixed(WHITE, 0.25)};"
        f"--brand-deep:{dark.mixed(WHITE, 0.4)};--on-brand:#10151c;"
        f"--brand-soft:{DARK_SURFACE.mixed(dark, 0.13)};"
        f"--brand-line:{DARK_SURFACE.mixed(dark, 0.38)};"
        f"--banner:{light.mixed(BLACK, 0.25)};--banner-deep:{light.mixed(BLACK, 0.6)}"
        "}}\n"
    )


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.03928 else ((channel + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
