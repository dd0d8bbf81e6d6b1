"""Which SPs are to be told that sessions are over, written with what ended them.

An SP that does not answer keeps the others waiting as little as itself: the worker takes the tasks
of each SP in turn, and what is due to one that failed waits with the task that found it so.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Table, and_, func, insert, or_, select, update
from sqlalchemy.engine import RowMapping

from idp.db import Database
from idp.interfaces import IClock
from idp.messages import LogoutTask, TaskState
from idp.purge import delete_in_chunks
from idp.sessions.tables import TaskRow
from idp.types import NameID

FIRST_DELAY = timedelta(minutes=2)
LONGEST_DELAY = timedelta(hours=1)
SHARE = 25
"""How many tasks of one SP the worker takes at once."""
KEPT = timedelta(days=1)
MAX_ERROR = 500

_table = cast("Table", TaskRow.__table__)
_SAME_PERSON = ("entity_id", "name_id", "name_id_format", "name_qualifier", "sp_name_qualifier")


def queue(
    connection: Connection,
    ended: Sequence[RowMapping],
    now: datetime,
    *,
    logout_id: int | None = None,
    in_browser: bool = False,
    due: datetime | None = None,
) -> None:
    """Remember to tell the SPs of these ended SP sessions, from ``due`` (now when None) on.

    Sessions that one SP knows under one NameID are told in one LogoutRequest. [SAMLCore] 3.7.1.
    """
    values = [
        {
            **{name: group[0][name] for name in (*_SAME_PERSON, "subject_id")},
            "logout_id": logout_id,
            "session_indexes": [row["session_index"] for row in group],
            "in_browser": in_browser,
            "by_person": logout_id is not None,
            "state": TaskState.WAITING.value,
            "attempts": 0,
            "created_at": now,
            "next_try_at": due or now,
            "expires_at": max(row["expires_at"] for row in group),
        }
        for group in _grouped(ended)
    ]
    if values:
        connection.execute(insert(_table), values)


class Tasks:
    """Reads and settles what is to be told."""

    def __init__(self, db: Database, clock: IClock) -> None:
        self._db = db
        self._clock = clock

    def of_logout(self, logout_id: int) -> tuple[LogoutTask, ...]:
        """Those of one sign-out, in the order in which the sessions began."""
        return self._read(select(_table).where(_table.c.logout_id == logout_id))

    def due(self, limit: int) -> tuple[LogoutTask, ...]:
        """Those that the worker must see to now, each SP in its turn."""
        turn = func.row_number().over(
            partition_by=_table.c.entity_id, order_by=(_table.c.next_try_at, _table.c.id)
        )
        queues = select(_table.c.id, turn.label("turn")).where(*self._is_due()).subquery()
        return self._read(
            select(_table)
            .join(queues, queues.c.id == _table.c.id)
            .where(queues.c.turn <= SHARE)
            .order_by(queues.c.turn, _table.c.next_try_at)
            .limit(limit)
        )

    def find(self, request_id: str) -> LogoutTask | None:
        """The task that waits for the answer to this LogoutRequest; None when nothing does."""
        told = _table.c.state == TaskState.TOLD.value
        found = self._read(select(_table).where(_table.c.request_id == request_id, told))
        return found[0] if found else None

    def told(self, task: LogoutTask, request_id: str, *, within: timedelta) -> LogoutTask | None:
        """A LogoutRequest of this ID leaves now, and is answered within so long: the task as it is.

        None when somebody else (another tab, the worker) has it in hand.
        """
        attempts = task.attempts + 1
        changed = self._settle(
            task,
            state=TaskState.TOLD.value,
            request_id=request_id,
            attempts=attempts,
            next_try_at=self._clock.now() + within,
        )
        if not changed:
            return None
        return replace(task, state=TaskState.TOLD, request_id=request_id, attempts=attempts)

    def close(self, task: LogoutTask) -> TaskState | None:
        """The SP ended its session; None, as below, when somebody else settled it."""
        return self._settled(task, TaskState.CLOSED, last_error=None)

    def leave_open(self, task: LogoutTask) -> TaskState | None:
        """The SP cannot be told."""
        return self._settled(task, TaskState.OPEN)

    def fail(self, task: LogoutTask, cause: str, *, retry: bool) -> TaskState | None:
        """It did not end its session; ``retry``: the worker tries again while it lasts."""
        # What fails before it is even told (no key) was an attempt as well.
        attempts = task.attempts + (task.state is TaskState.WAITING)
        next_try_at = self._clock.now() + _delay(attempts)
        again = retry and next_try_at < task.expires_at
        return self._settled(
            task,
            TaskState.WAITING if again else TaskState.FAILED,
            attempts=attempts,
            last_error=cause[:MAX_ERROR],
            next_try_at=next_try_at,
        )

    def put_off(self, failed: LogoutTask, others: Sequence[LogoutTask], cause: str) -> None:
        """This SP does not answer: these others, and what else is due to it, are not even tried.

        They are back before ``failed`` (as it was read), which so cannot stand in their way.
        """
        mine = or_(_table.c.id.in_([task.id for task in others]), and_(*self._is_due()))
        self._try_later(
            _table.c.entity_id == failed.entity_id,
            mine,
            next_try_at=self._clock.now() + _delay(failed.attempts + 1) / 2,
            last_error=cause[:MAX_ERROR],
        )

    def hand_over(self, tasks: Sequence[LogoutTask], *, due: datetime) -> None:
        """Nobody waits for these any longer, be they told: the worker has them from ``due`` on."""
        self._try_later(_table.c.id.in_([task.id for task in tasks]), next_try_at=due)

    def _is_due(self) -> tuple[ColumnElement[bool], ...]:
        return _table.c.state.in_(_UNDER_WAY), _table.c.next_try_at <= self._clock.now()

    def _try_later(self, *which: ColumnElement[bool], **values: object) -> None:
        """An attempt more: who has one of them in hand settles it no longer."""
        statement = (
            update(_table)
            .where(_table.c.state.in_(_UNDER_WAY), *which)
            .values(state=TaskState.WAITING.value, attempts=_table.c.attempts + 1, **values)
        )
        with self._db.writing() as connection:
            connection.execute(statement)

    def _settled(self, task: LogoutTask, state: TaskState, **values: object) -> TaskState | None:
        return state if self._settle(task, state=state.value, **values) else None

    def _settle(self, task: LogoutTask, **values: object) -> bool:
        """Change a task that nobody changed since it was read."""
        unchanged = (
            _table.c.id == task.id,
            _table.c.state == task.state.value,
            _table.c.attempts == task.attempts,
        )
        with self._db.writing() as connection:
            changed = connection.execute(update(_table).where(*unchanged).values(**values))
        return changed.rowcount == 1

    def _read(self, statement: Any) -> tuple[LogoutTask, ...]:  # noqa: ANN401 - a SELECT of the table
        with self._db.reading() as reading:
            rows = reading.connection().execute(statement.order_by(_table.c.id)).mappings()
            return tuple(_task(row) for row in rows)


def purge(db: Database, now: datetime) -> int:
    """Delete the tasks a day after the sessions that they end; returns how many."""
    return delete_in_chunks(db, _table, _table.c.expires_at <= now - KEPT)


_UNDER_WAY = (TaskState.WAITING.value, TaskState.TOLD.value)


def _delay(attempts: int) -> timedelta:
    """The pause after so many attempts in vain: two minutes, four… an hour at most."""
    return min(LONGEST_DELAY, FIRST_DELAY * (1 << min(attempts - 1, 16)))


def _grouped(ended: Sequence[RowMapping]) -> list[list[RowMapping]]:
    def key(row: RowMapping) -> tuple[str, ...]:
        return tuple(row[name] or "" for name in _SAME_PERSON)

    return [list(group) for _, group in groupby(sorted(ended, key=key), key)]


def _task(row: RowMapping) -> LogoutTask:
    return LogoutTask(
        id=row["id"],
        entity_id=row["entity_id"],
        subject_id=row["subject_id"],
        name_id=NameID(
            row["name_id"], row["name_id_format"], row["name_qualifier"], row["sp_name_qualifier"]
        ),
        session_indexes=tuple(row["session_indexes"]),
        in_browser=row["in_browser"],
        state=TaskState(row["state"]),
        request_id=row["request_id"],
        attempts=row["attempts"],
        expires_at=row["expires_at"],
        by_person=row["by_person"],
    )
