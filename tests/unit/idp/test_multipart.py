"""A form in parts: what a browser sends is read, what it never sends is refused."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.multipart import MAX_FIELD, MAX_PARTS, Upload, parse

TYPE = "multipart/form-data; boundary=xyz"
FILE = b'Content-Disposition: form-data; name="photo"; filename="a.png"\r\nContent-Type: image/png'


def part(content: bytes = b"1", headers: bytes | None = None, name: str = "a") -> bytes:
    head = headers or b'Content-Disposition: form-data; name="%b"' % name.encode()
    return b"--xyz\r\n" + head + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xyz--\r\n"


def test_fields_and_one_file_are_read() -> None:
    body = form(part(b"\xc3\xa9t\xc3\xa9"), part(b"\x89PNG\r\n\0--xy", FILE))
    assert parse(TYPE, body) == {"a": "été", "photo": Upload("a.png", b"\x89PNG\r\n\0--xy")}


def test_the_boundary_may_be_quoted_and_the_end_without_a_line() -> None:
    assert parse('multipart/form-data; boundary="xyz"', form(part())[:-2]) == {"a": "1"}


def test_a_file_that_was_not_chosen_is_absent() -> None:
    none = b'Content-Disposition: form-data; name="photo"; filename=""'
    assert parse(TYPE, form(part(b"", none))) == {}


REFUSED: dict[str, tuple[str, bytes]] = {
    "no boundary": ("multipart/form-data", form(part())),
    "an endless boundary": (f"multipart/form-data; boundary={'x' * 71}", form(part())),
    "another type": ("multipart/mixed; boundary=xyz", form(part())),
    "a form of another kind": ("application/x-www-form-urlencoded", b"a=1"),
    "nothing": (TYPE, b""),
    "not ended": (TYPE, part()),
    "cut in the file": (TYPE, form(part(b"x" * 99, FILE))[:-60]),
    "words before": (TYPE, b"hello\r\n" + form(part())),
    "words after": (TYPE, form(part()) + b"--xyz\r\n"),
    "twice the same name": (TYPE, form(part(), part())),
    "two files": (TYPE, form(part(b"1", FILE), part(b"2", FILE.replace(b"photo", b"other")))),
    "two files of one name": (TYPE, form(part(b"1", FILE), part(b"2", FILE))),
    "too many parts": (TYPE, form(*(part(name=f"a{n}") for n in range(MAX_PARTS + 1)))),
    "a field too long": (TYPE, form(part(b"x" * (MAX_FIELD + 1)))),
    "no name": (TYPE, form(part(b"", b"Content-Disposition: form-data"))),
    "no headers": (TYPE, b"--xyz\r\n\r\n1\r\n--xyz--\r\n"),
    "long headers": (TYPE, form(part(b"", FILE + b"\r\nX: " + b"y" * 1024))),
    "another header": (TYPE, form(part(b"", b'Content-Disposition: form-data; name="a"\r\nX: y'))),
    "an encoding": (
        TYPE,
        form(part(b"MQ==", FILE + b"\r\nContent-Transfer-Encoding: base64")),
    ),
    "parts within a part": (
        TYPE,
        form(part(b"", FILE.replace(b"image/png", b"multipart/mixed; boundary=y"))),
    ),
    "not UTF-8": (TYPE, form(part(b"\xff"))),
    "a name that is not": (TYPE, form(part(b"", b'Content-Disposition: form-data; name="\xff"'))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_browser_sends_is_refused(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the door says one thing for them all
        parse(*REFUSED[name])


LARGE = 2 * 1024 * 1024
COSTLY: dict[str, Callable[[], bytes]] = {
    "parts": lambda: part() * (LARGE // 60),
    "headers": lambda: b"--xyz\r\n" + b"a: b\r\n" * (LARGE // 6),
    "boundaries": lambda: b"--xyz" * (LARGE // 5),
    "lines": lambda: b"\r\n" * (LARGE // 2),
    "spaces": lambda: form(part(b"", b"Content-Disposition:" + b" " * LARGE)),
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_would_cost_much_to_read_costs_nothing(name: str) -> None:
    body = COSTLY[name]()
    started = time.process_time()
    with pytest.raises(ValueError):  # noqa: PT011
        parse(TYPE, body)
    assert time.process_time() - started < 0.2


@given(st.binary(max_size=300))
def test_noise_is_refused_or_read_and_nothing_else(noise: bytes) -> None:
    for body in (noise, form(part(noise)), form(part(noise, FILE)), b"--xyz" + noise):
        try:
            parse(TYPE, body)
        except ValueError:
            continue
