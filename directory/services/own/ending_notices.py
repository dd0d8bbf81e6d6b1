"""Tells people in time that their account ends: 30 and 7 days before, once each."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, and_, bindparam, case, exists, select
from sqlalchemy.exc import OperationalError

from directory import referents
from directory.models import AccountWarning
from directory.services.days import last_day
from directory.validity import ACCOUNT, NOW, account_usable, table
from idp.db import UtcDateTime
from idp.log import logger
from idp.purge import delete_in_chunks

if TYPE_CHECKING:
    from idp.services import Core

MONTH, WEEK = 30, 7
"""Days before the end."""

BATCH = 200

_WARNING = table(AccountWarning)
_IN_A_MONTH = bindparam("in_a_month", type_=UtcDateTime())
_IN_A_WEEK = bindparam("in_a_week", type_=UtcDateTime())
_THRESHOLD = case((ACCOUNT.c.valid_until <= _IN_A_WEEK, WEEK), else_=MONTH)
_TO_WARN = (
    select(
        ACCOUNT.c.id,
        ACCOUNT.c.subject_id,
        ACCOUNT.c.mail,
        ACCOUNT.c.given_name,
        ACCOUNT.c.sn,
        ACCOUNT.c.valid_from,
        ACCOUNT.c.valid_until,
        _THRESHOLD.label("days"),
    )
    .where(
        account_usable(),
        ACCOUNT.c.id > bindparam("after"),
        ACCOUNT.c.valid_until > NOW,
        ACCOUNT.c.valid_until <= _IN_A_MONTH,
        ~exists().where(
            and_(
                _WARNING.c.account_id == ACCOUNT.c.id,
                _WARNING.c.valid_until == ACCOUNT.c.valid_until,
                _WARNING.c.days <= _THRESHOLD,
            )
        ),
    )
    .order_by(ACCOUNT.c.id)
    .limit(BATCH)
)


class EndingNotices:
    """The worker's look at the accounts that end soon."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def run(self) -> int:
        """Mail everybody who is to be told now; how many mails."""
        now = self._core.clock.now()
        values: dict[str, object] = {
            "now": now,
            "after": 0,
            "in_a_week": now + timedelta(days=WEEK),
            "in_a_month": now + timedelta(days=MONTH),
        }
        told = 0
        while rows := self._core.db.rows(_TO_WARN, values):
            told += sum(self._warn_or_log(row, now) for row in rows)
            values["after"] = rows[-1].id
        delete_in_chunks(self._core.db, _WARNING, _WARNING.c.valid_until <= now)
        return told

    def _warn_or_log(self, row: Row[Any], now: datetime) -> bool:
        """One mail that cannot be written must not stop those behind it; it is tried every hour."""
        try:
            return self._warn(row, now)
        except OperationalError:
            raise  # the database, not this account: the worker comes back later
        except Exception:  # noqa: BLE001 - a mail of one person, not of those behind
            logger.exception("account-ending.mail-failed", account=row.id)
            return False

    def _warn(self, row: Row[Any], now: datetime) -> bool:
        """Remember it and mail it as one: of several workers that look at once, one finds it new.

        An account that was made for less than that is no surprise: its mail said nothing else.
        """
        values = {"account_id": row.id, "valid_until": row.valid_until, "days": row.days}
        statement = self._core.db.insert(_WARNING).values(**values).on_conflict_do_nothing()
        with self._core.db.unit_of_work() as session:
            new = session.connection().execute(statement.returning(_WARNING.c.days)).first()
            if new is None or row.valid_until - timedelta(days=row.days) < row.valid_from:
                return False
            organization = self._core.settings.organization
            asked = referents.of_person(session, row.subject_id, now)
            parameters = {
                "given_name": row.given_name,
                "sn": row.sn,
                "mail": row.mail,
                "portal_url": self._core.settings.url("/"),
                "last_day": last_day(row.valid_until, organization.time_zone),
                "referents": referents.or_correspondant(asked, organization),
            }
            self._core.mailer.send(row.mail, "account-ending", parameters)
            return True
