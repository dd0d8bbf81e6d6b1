"""Batches are read one ahead, and no further."""

from collections.abc import Iterator
from threading import get_ident

import pytest

from directory.services.exports.read_ahead import read_ahead
from tests.common.threads import eventually


def test_all_come_in_order_read_by_another_thread() -> None:
    readers = set()

    def batches() -> Iterator[int]:
        for number in range(5):
            readers.add(get_ident())
            yield number

    assert list(read_ahead(batches())) == [0, 1, 2, 3, 4]
    assert len(readers) == 1
    assert get_ident() not in readers


def test_one_is_read_ahead_and_no_more() -> None:
    read: list[int] = []

    def batches() -> Iterator[int]:
        for number in range(9):
            read.append(number)
            yield number

    ahead = read_ahead(batches())
    assert next(ahead) == 0
    assert eventually(lambda: len(read) == 2)
    assert next(ahead) == 1
    assert eventually(lambda: len(read) == 3)
    ahead.close()  # type: ignore[attr-defined]
    assert read == [0, 1, 2]


def test_what_reading_raises_is_raised_in_its_place() -> None:
    def batches() -> Iterator[int]:
        yield 0
        raise ConnectionError("gone")

    ahead = read_ahead(batches())
    assert next(ahead) == 0
    with pytest.raises(ConnectionError):
        next(ahead)
