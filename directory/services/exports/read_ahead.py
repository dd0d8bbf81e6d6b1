"""Reads the next batch while the one before is worked on: the database and we at the same time."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(batches: Iterator[T]) -> Iterator[T]:
    """The same batches, in order, each read in a thread that ends with them; one ahead, no more.

    What reading raises is raised where its batch would be. Whoever stops early waits for nothing:
    the thread ends with what it reads.
    """
    reader = ThreadPoolExecutor(1, "read-ahead")
    try:
        coming: Future[T | None] = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch
    finally:
        reader.shutdown(wait=False, cancel_futures=True)
