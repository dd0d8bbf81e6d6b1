"""Golden files: what a service provider received once, to the byte but for what is new each time.

``masked`` replaces what a run cannot repeat; ``shown`` only adds line breaks before tags, which
``RENEW_GOLDEN=1`` writes to the file. See docs/contributing.md.
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "data" / "golden"
VARIABLE = "RENEW_GOLDEN"

_IDENTIFIER = re.compile(r'(?<= )(ID|InResponseTo|SessionIndex|URI)="(#?)(_[0-9a-f]{16,32})"')
_BASE64 = re.compile(
    r"(?<=<)(ds:DigestValue|ds:SignatureValue|ds:X509Certificate)>[A-Za-z0-9+/]+=*</\1>"
)
_ENCRYPTED = re.compile(r"(?<=<xenc:CipherValue>)[A-Za-z0-9+/\n]+=*\n?(?=</xenc:CipherValue>)")
_PSEUDONYM = re.compile(
    r'(<saml:NameID Format="urn:oasis:names:tc:SAML:2\.0:nameid-format:(?:persistent|transient)"'
    r"[^>]*>)_?[0-9a-f]{32,64}(?=</saml:NameID>)"
)
_BREAK = "⏎"
_BETWEEN_TAGS = re.compile(f"(?<=[>{_BREAK}])(?=<)")


def masked(message: str) -> str:
    """The message without what is random or follows from it; all else stays to the byte.

    Identifiers are numbered as they appear, so that who refers to whom is still compared. Times
    stay: the clock of these tests stands still. A value of another shape than it should have stays.
    """
    known: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        name, sign, value = match.groups()
        return f'{name}="{sign}{known.setdefault(value, f"_{len(known) + 1}")}"'

    message = _IDENTIFIER.sub(number, message)
    message = _ENCRYPTED.sub("…", _BASE64.sub(r"\1>…</\1>", message))
    return _PSEUDONYM.sub(r"\1…", message)


def shown(message: str) -> str:
    """The same on several lines: a break and an indentation before tags, nothing taken away.

    Its own line breaks stand as ``⏎``, or nobody could tell them from ours.
    """
    assert _BREAK not in message
    message = message.replace("\n", _BREAK)
    text, depth, opened = "", 0, False
    for piece in _BETWEEN_TAGS.split(message):
        closes = piece.startswith("</")
        depth -= closes
        text += piece if closes and opened else f"\n{'  ' * depth}{piece}"
        opened = not closes and "</" not in piece and not piece.rstrip(_BREAK).endswith("/>")
        depth += opened
    return text.removeprefix("\n") + "\n"


def compare(messages: Mapping[str, str]) -> None:
    """See that the golden files of these names say the same; the failure shows the difference.

    With ``RENEW_GOLDEN=1`` a file that differs is written anew, and the test fails nevertheless:
    somebody has to read what changed, and to run it again.
    """
    differences = "".join(_difference(name, message) for name, message in messages.items())
    if differences:
        why = "renewed: read it, then run again" if _renews() else "an application gets other bytes"
        pytest.fail(f"{why}\n{differences}", pytrace=False)


def _difference(name: str, message: str) -> str:
    path = FOLDER / f"{name}.xml"
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    found = shown(masked(message))
    if _renews():
        path.write_text(found, encoding="utf-8")
    lines = [text.splitlines(keepends=True) for text in (expected, found)]
    return "".join(difflib.unified_diff(*lines, f"data/golden/{path.name}", "what was sent"))


def _renews() -> bool:
    return os.environ.get(VARIABLE) == "1"
