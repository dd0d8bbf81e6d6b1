"""What the comparison with golden files overlooks, and that it overlooks nothing else."""

from pathlib import Path
from secrets import token_hex

import pytest
from lxml import etree

from tests.common import golden

PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
ONE, OTHER, THIRD = "0" * 32, "1" * 32, "2" * 32


def message(one: str = ONE, other: str = OTHER, value: str = "aGVsbG8=", name: str = THIRD) -> str:
    return (
        f'<p:R xmlns:p="urn:p" xmlns:saml="urn:s" ID="_{one}" InResponseTo="_{other}">'
        f'<saml:NameID Format="{PERSISTENT}">{name}</saml:NameID><ds:Reference '
        f'xmlns:ds="urn:d" URI="#_{one}"><ds:DigestValue>{value}</ds:DigestValue></ds:Reference>'
        f'<a:A xmlns:a="urn:a" X="1" Y="2">Agnès</a:A><a:B xmlns:a="urn:a"></a:B></p:R>'
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    monkeypatch.setenv(golden.VARIABLE, "1")
    with pytest.raises(pytest.fail.Exception):
        golden.compare({"one": message()})
    monkeypatch.delenv(golden.VARIABLE)
    return tmp_path


def test_what_is_new_each_time_is_no_difference() -> None:
    golden.compare({"one": message()})
    fresh = {"one": token_hex(16), "other": token_hex(8), "name": token_hex(32), "value": "QQ=="}
    golden.compare({"one": message(**fresh)})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('X="1" Y="2"', 'Y="2" X="1"'),
        ('X="1" Y="2"', 'X="1"  Y="2"'),
        ('xmlns:a="urn:a"', 'xmlns:a="urn:b"'),
        ("a:A", "b:A"),
        ("Agnès", "Agnes"),
        ("Agnès", "Agnès "),
        ("Agnès", "Agnès\n"),
        ("></a:B>", "/>"),
        ("></a:B>", "> </a:B>"),
        ("<a:A", "\n<a:A"),
        ("<a:A", "\n    <a:A"),
        (f"#_{ONE}", f"#_{OTHER}"),
        (f'InResponseTo="_{OTHER}"', f'InResponseTo="_{ONE}"'),
        (f' ID="_{ONE}"', ' ID="_agnes"'),
        (THIRD, "agnes@demo.example"),
        (PERSISTENT, "urn:x"),
        ("aGVsbG8=", "aGVs\nbG8="),
        ("aGVsbG8=", ""),
        ("DigestValue>", "Digest>"),
    ],
)
def test_every_other_difference_is_shown(old: str, new: str) -> None:
    assert old in message()
    changed = message().replace(old, new)
    with pytest.raises(pytest.fail.Exception) as failure:
        golden.compare({"one": changed})
    assert "--- data/golden/one.xml\n+++ what was sent\n@@" in str(failure.value)


def test_breaks_before_tags_are_all_that_is_added(folder: Path) -> None:
    text = (folder / "one.xml").read_text(encoding="utf-8")
    assert "\n    <ds:DigestValue>…</ds:DigestValue>\n" in text
    assert "".join(line.strip() for line in text.splitlines()) == golden.masked(message())
    etree.fromstring(text)


def test_a_renewal_writes_fails_and_then_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = message().replace("Agnès", "Inès")
    monkeypatch.setenv(golden.VARIABLE, "1")
    with pytest.raises(pytest.fail.Exception, match=r"(?s)renewed.*-.*Agnès.*\+.*Inès"):
        golden.compare({"one": changed})
    golden.compare({"one": changed})
    assert "Inès" in (folder / "one.xml").read_text(encoding="utf-8")
