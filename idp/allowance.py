"""How many mails strangers may have us send: counted in the throttle's table, and never told.

Three counts, each over a fixed hour: of one address typed in one network, of one address typed
anywhere, and of one network address whatever was typed (generous: a whole town hall sits behind
one on its first day). What is beyond is dropped without a word. That keeps nobody out: the links
that were mailed before it live for a day.

The counts are taken whoever's the address is, by the same statements.
"""

from hashlib import sha256

from sqlalchemy import bindparam, case

from idp.db import Database
from idp.interfaces import IClock
from idp.throttle import WINDOW, address_bucket, folded_hash, network_bucket, table

PER_NETWORK = 3
"""Mails to one address, asked for in one network, within the window."""
PER_LOGIN = 12
"""Mails to one address within the window, wherever asked for."""
PER_ADDRESS = 300
"""Requests from one network address within the window."""


class MailAllowance:
    """Counts what is asked for. Joins the unit of work in progress."""

    def __init__(self, db: Database, clock: IClock) -> None:
        self._db = db
        self._clock = clock
        since = bindparam("since", type_=table.c.last_failed_at.type)
        begun = table.c.last_failed_at > since
        insert = db.insert(table).values(
            bucket=bindparam("of_bucket"),
            subject=bindparam("of_subject"),
            failures=1,
            settled=0,
            last_failed_at=bindparam("now", type_=table.c.last_failed_at.type),
        )
        self._count = insert.on_conflict_do_update(
            index_elements=[table.c.bucket, table.c.subject],
            set_={
                "failures": case((begun, table.c.failures + 1), else_=1),
                # The window stays where it began: asking on does not prolong it.
                "last_failed_at": case(
                    (begun, table.c.last_failed_at), else_=insert.excluded.last_failed_at
                ),
            },
        ).returning(table.c.failures)

    def take(self, login: str, address: str) -> bool:
        """Count a request for a mail to ``login`` from this network address; whether it may go."""
        login_hash = folded_hash(login)
        # The narrow ones first: those who share a town hall's address wait for each other last.
        counts = (
            (f"mail-{network_bucket(address)}", login_hash, PER_NETWORK),
            ("mail", login_hash, PER_LOGIN),
            (f"mail-{address_bucket(address)}", sha256(b"").hexdigest(), PER_ADDRESS),
        )
        now = self._clock.now()
        taken = True
        with self._db.writing() as connection:
            for bucket, subject, limit in counts:
                values = {
                    "of_bucket": bucket[:80],
                    "of_subject": subject,
                    "now": now,
                    "since": now - WINDOW,
                }
                taken &= connection.execute(self._count, values).scalar_one() <= limit
        return taken
