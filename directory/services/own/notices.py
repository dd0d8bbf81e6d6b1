"""Notices: what the centre tells people on the portal and, if it says so, before the sign-in."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from directory.authorisation import Actor, NoticeTarget, Permission, require
from directory.models import NoticeRow
from directory.services.dates import Dates
from directory.services.lookup import application_by_code
from directory.services.texts import clean_text
from directory.validity import APPLICATION, NOTICE, is_over
from idp.asking import Notice, NoticeLevel
from idp.context import origin
from idp.errors import NotFound
from idp.snapshot import Snapshot

if TYPE_CHECKING:
    from idp.services import Core

REVISION = "notice"
MOST = 20
"""Notices shown at once; who has more to say writes a letter."""

_ALL = (
    select(
        NOTICE.c.id,
        NOTICE.c.text,
        NOTICE.c.level,
        NOTICE.c.on_sign_in,
        NOTICE.c.valid_from,
        NOTICE.c.valid_until,
        APPLICATION.c.code.label("application_code"),
    )
    .select_from(NOTICE)
    .outerjoin(APPLICATION, APPLICATION.c.id == NOTICE.c.application_id)
    .order_by(NOTICE.c.level.desc(), NOTICE.c.id.desc())
)
"""Warnings first (the word comes after "info"), then the newest."""


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """A notice with its dates, in force or not."""

    notice: Notice
    valid_from: datetime | None
    valid_until: datetime | None

    def holds(self, now: datetime) -> bool:
        """Whether it is in force."""
        begun = self.valid_from is None or self.valid_from <= now
        return begun and not is_over(self.valid_until, now)


class Notices:
    """Publishes notices, and fulfils :class:`idp.self_service.INotices`."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        # The sign-in page asks for them too, and must cost a stranger no statement.
        self._snapshot = Snapshot(core.db, REVISION, self._lines)

    def current(self) -> tuple[Notice, ...]:
        """See :meth:`idp.self_service.INotices.current`."""
        now = self._core.clock.now()
        held = [line.notice for line in self._snapshot.get() if line.holds(now)]
        return tuple(held[:MOST])

    def list(self, actor: Actor) -> tuple[NoticeLine, ...]:
        """Every notice, those over and to come included.

        Raises:
            NotAllowed: not the correspondant.
        """
        require(actor, Permission.MANAGE_NOTICE, NoticeTarget())
        return self._lines()

    def add(
        self,
        actor: Actor,
        text: str,
        *,
        level: NoticeLevel = NoticeLevel.INFO,
        application: str | None = None,
        on_sign_in: bool = False,
        dates: Dates | None = None,
    ) -> int:
        """Publish a notice; returns its number.

        Raises:
            NotAllowed: not the correspondant.
            NotFound: no such application.
            DirectoryError: the text is empty, or longer than 1,000 characters.
        """
        require(actor, Permission.MANAGE_NOTICE, NoticeTarget())
        with self._core.db.unit_of_work() as session:
            about = None if application is None else application_by_code(session, application)
            row = NoticeRow(
                text=clean_text(text, "Texte", 1000),
                level=level.value,
                application_id=about.id if about else None,
                on_sign_in=on_sign_in,
                created_at=self._core.clock.now(),
                created_by=origin().actor,
            )
            (dates or Dates()).give(row)
            session.add(row)
            session.flush()
            self._record("notice.published", row, application, after=True)
            return row.id

    def remove(self, actor: Actor, number: int) -> None:
        """Delete a notice.

        Raises:
            NotAllowed: not the correspondant.
            NotFound: no notice has this number.
        """
        require(actor, Permission.MANAGE_NOTICE, NoticeTarget())
        with self._core.db.unit_of_work() as session:
            row = session.get(NoticeRow, number)
            if row is None:
                raise NotFound(f"notice {number}", public=f"Aucun avis n'a le numéro {number}.")
            application = row.application.code if row.application else None
            self._record("notice.removed", row, application, after=False)
            session.delete(row)

    def _lines(self) -> tuple[NoticeLine, ...]:
        return tuple(
            NoticeLine(
                Notice(
                    id=row.id,
                    text=row.text,
                    level=NoticeLevel(row.level),
                    application_code=row.application_code,
                    on_sign_in=row.on_sign_in,
                ),
                row.valid_from,
                row.valid_until,
            )
            for row in self._core.db.rows(_ALL, {})
        )

    def _record(self, code: str, row: NoticeRow, application: str | None, *, after: bool) -> None:
        told = {
            "text": row.text,
            "level": row.level,
            "application": application,
            "on_sign_in": row.on_sign_in,
            **Dates.of(row).told(),
        }
        self._core.audit.record(
            code,
            target=f"notice:{row.id}",
            parameters={"before": None if after else told, "after": told if after else None},
        )
        self._core.db.bump(REVISION)
