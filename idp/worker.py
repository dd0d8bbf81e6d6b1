"""The worker: sends mails, tells SPs that sessions are over, seals the journal, purges.

Each job runs in a thread of its own, so that a mail server that does not answer delays no seal. An
error is logged and the job tried again, later each time; nothing but a signal ends the worker. A
database that is gone is asked every few seconds: what it keeps waiting are seals and mails.
"""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event, Thread, current_thread, main_thread
from types import FrameType

from idp import mail, throttle
from idp.audit import BATCH, AuditLog, Sealer
from idp.audit_purge import AuditPurge
from idp.context import Origin, acting
from idp.db import GONE, Database
from idp.interfaces import IClock
from idp.keys.expiry import ExpiryWatch
from idp.log import logger
from idp.mail_sender import OutboxSender
from idp.mail_transports import transport_of
from idp.services import Services
from idp.sessions import authn_requests, drafts, logouts, sso, tasks

LONGEST_BACK_OFF = timedelta(seconds=60)
LONGEST_WHILE_GONE = timedelta(seconds=4)
"""The longest pause while it is the database that does not answer."""
LAST_WORDS = timedelta(seconds=10)
"""How long a stopping worker waits for the jobs in progress."""

PURGES: dict[str, Callable[[Database, datetime], int]] = {
    "authn_request": authn_requests.purge,
    "sso_session": sso.purge,
    "logout": logouts.purge,
    "task": tasks.purge,
    "draft": drafts.purge,
    "throttle": throttle.purge,
    "outbox": mail.purge,
}
"""Each store says what nothing needs any more; the journal, which is a chain, has its own job."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do again and again; ``every`` is the pause after a run that succeeded."""

    name: str
    every: timedelta
    run: Callable[[], object]


class Worker:
    """Runs the jobs of this room and those that other rooms bring."""

    def __init__(self, services: Services, jobs: Sequence[Job] = ()) -> None:
        self._stopping = Event()
        self.jobs = (*self._own_jobs(services), *jobs)

    def run(self, *, once: bool = False) -> None:
        """Work until SIGTERM, SIGINT or :meth:`stop`; ``once``: each job once, then return.

        Raises:
            Exception: ``once`` only: the first error, after every job had its turn.
        """
        if once:
            self._run_once()
            return
        self._listen_to_signals()
        threads = [Thread(target=self._repeat, args=(job,), daemon=True) for job in self.jobs]
        for thread in threads:
            thread.start()
        logger.info("worker.started", jobs=[job.name for job in self.jobs])
        self._stopping.wait()
        for thread in threads:
            thread.join(LAST_WORDS.total_seconds())
        logger.info("worker.stopped")

    def stop(self) -> None:
        """Begin no further run; :meth:`run` returns once those in progress are over."""
        self._stopping.set()

    def _own_jobs(self, services: Services) -> tuple[Job, ...]:
        settings, db, clock = services.settings, services.db, services.clock
        sender = OutboxSender(
            db, clock, transport_of(settings.mail.transport), settings.mail.sender
        )
        sealer = Sealer(db, clock, demonstration=settings.demonstration)
        journal = AuditPurge(db, clock, AuditLog(db, clock), sealer, settings.secret)
        certificates = ExpiryWatch(
            db,
            clock,
            services.keys,
            services.core.mailer,
            settings.organization.correspondant,
        )
        second = timedelta(seconds=1)
        return (
            Job("mails", second, lambda: sender.send_waiting(self._stopping.is_set)),
            Job("logouts", second, services.teller.tell_due),
            Job("seal", second, lambda: self._seal_all(sealer)),
            Job("purge", timedelta(minutes=1), lambda: purge(db, clock)),
            Job("journal", timedelta(days=1), journal.run),
            Job("keys", timedelta(days=1), certificates.run),
        )

    def _seal_all(self, sealer: Sealer) -> None:
        while sealer.seal() >= BATCH and not self._stopping.is_set():
            pass

    def _run_once(self) -> None:
        first: Exception | None = None
        for job in self.jobs:
            try:
                with acting(Origin(actor="worker")):
                    job.run()
            except Exception as error:  # noqa: BLE001 - the jobs behind it have their turn
                logger.exception("worker.job-failed", job=job.name)
                first = first or error
        if first is not None:
            raise first

    def _repeat(self, job: Job) -> None:
        failures = 0
        pause = timedelta(0)
        while not self._stopping.wait(pause.total_seconds()):
            try:
                with acting(Origin(actor="worker")):
                    job.run()
            except Exception as error:  # noqa: BLE001 - an error never ends the worker
                failures += 1
                pause = self._failed(job, error, failures)
            else:
                if failures:
                    logger.info("worker.job-recovered", job=job.name)
                failures, pause = 0, job.every

    def _failed(self, job: Job, error: Exception, failures: int) -> timedelta:
        """Log it, without the traceback when nothing is wrong with us; returns the pause."""
        pause = back_off(failures)
        gone = isinstance(error, GONE)
        if gone:
            pause = min(pause, LONGEST_WHILE_GONE)
        logger.error(
            "worker.job-failed",
            job=job.name,
            cause=" ".join(str(getattr(error, "orig", None) or error).split()),
            again_in=pause.total_seconds(),
            exc_info=None if gone else error,
        )
        return pause

    def _listen_to_signals(self) -> None:
        if current_thread() is not main_thread():
            return  # somebody else's process: its main thread calls stop()

        def stop(number: int, frame: FrameType | None) -> None:
            del number, frame
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)


def back_off(failures: int) -> timedelta:
    """The pause after this many failures in a row: 1 s, 2, 4… at most a minute."""
    return min(LONGEST_BACK_OFF, timedelta(seconds=2 ** min(failures - 1, 16)))


def purge(db: Database, clock: IClock) -> dict[str, int]:
    """Delete what nothing needs any more; returns how many rows of which table."""
    now = clock.now()
    removed = {table: old(db, now) for table, old in PURGES.items()}
    if any(removed.values()):
        logger.info("worker.purged", **removed)
    return removed
