"""The contract of ``IDirectory``, for the memory one and for the SQL one on both databases."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from idp.passwords import Passwords
from idp.services import Services
from tests.common.clock import FakeClock
from tests.common.memory_directory import MemoryDirectory
from tests.contract.directory_contract import Cost, DirectoryContract
from tests.contract.sql_directory import FilledSqlDirectory


class TestMemoryDirectory(DirectoryContract):
    @pytest.fixture
    def empty(self, clock: FakeClock) -> MemoryDirectory:
        return MemoryDirectory(clock, correspondant="aide@cig.example", organization="CIG")

    @pytest.fixture
    def cost(self, empty: MemoryDirectory) -> Cost:
        return lambda: (0, empty.hash_calls)


class TestSqlDirectory(DirectoryContract):
    @pytest.fixture
    def empty(self, services: Services) -> FilledSqlDirectory:
        return FilledSqlDirectory(services.core)

    @pytest.fixture
    def cost(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> Cost:
        counted = {"statements": 0, "hashes": 0}

        def statement(*args: object) -> None:
            del args
            counted["statements"] += 1

        def counting(method: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: object) -> object:
                counted["hashes"] += 1
                return method(*args)

            return call

        event.listen(services.db.engine, "before_cursor_execute", statement)
        monkeypatch.setattr(Passwords, "verify", counting(Passwords.verify))
        monkeypatch.setattr(Passwords, "hash", counting(Passwords.hash))
        return lambda: (counted["statements"], counted["hashes"])
