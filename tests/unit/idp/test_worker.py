import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy.exc import OperationalError

from idp import worker as module
from idp.audit import verify
from idp.context import origin
from idp.services import Services
from idp.worker import Job, Worker, back_off
from tests.common.clock import FakeClock

SECOND = timedelta(seconds=1)
REPOSITORY = Path(__file__).parents[3]


def test_each_job_runs_once(services: Services) -> None:
    services.audit.record("x")
    services.core.mailer.send(
        "lea@b.fr",
        "account-created",
        {
            "given_name": "Léa",
            "sn": "Martin",
            "mail": "lea@b.fr",
            "structure": "a",
            "confirmed": True,
        },
    )
    actors: list[str] = []
    Worker(services, [Job("more", SECOND, lambda: actors.append(origin().actor))]).run(once=True)

    assert verify(services.db, services.settings.secret).unsealed == 0
    assert len(list((services.settings.var / "mails").glob("*.eml"))) == 1
    assert actors == ["worker"]


def test_once_tells_of_the_first_error_after_every_job_had_its_turn(services: Services) -> None:
    ran: list[str] = []

    def fail() -> None:
        raise ValueError("première")

    jobs = [Job("fails", SECOND, fail), Job("runs", SECOND, lambda: ran.append("ran"))]
    with pytest.raises(ValueError, match="première"):
        Worker(services, jobs).run(once=True)

    assert ran == ["ran"]


def test_an_error_never_ends_the_worker(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "back_off", lambda _failures: timedelta(0))
    recovered, attempts = Event(), []

    def gone_then_back() -> None:
        attempts.append(1)
        if len(attempts) < 4:
            raise OperationalError("SELECT 1", {}, RuntimeError("gone"))
        recovered.set()

    worker = Worker(services, [Job("gone", timedelta(hours=1), gone_then_back)])
    thread = Thread(target=worker.run)
    thread.start()
    assert recovered.wait(20)
    worker.stop()
    thread.join(20)

    assert not thread.is_alive()
    assert len(attempts) == 4


def test_a_database_that_is_gone_is_asked_every_few_seconds(services: Services) -> None:
    worker, job = Worker(services), Job("seals", SECOND, lambda: None)
    gone = OperationalError("SELECT 1", {}, RuntimeError("gone"))
    assert worker._failed(job, gone, 2) == 2 * SECOND
    assert worker._failed(job, gone, 500) == module.LONGEST_WHILE_GONE
    assert worker._failed(job, ValueError("ours"), 500) == module.LONGEST_BACK_OFF


def test_a_slow_job_delays_no_other(services: Services) -> None:
    release, sealed = Event(), Event()
    jobs = [
        Job("slow", SECOND, lambda: release.wait(20)),
        Job("quick", timedelta(milliseconds=10), sealed.set),
    ]
    worker = Worker(services, jobs)
    thread = Thread(target=worker.run)
    thread.start()
    assert sealed.wait(20)
    release.set()
    worker.stop()
    thread.join(20)

    assert not thread.is_alive()


def test_the_journal_is_purged_each_day(services: Services, clock: FakeClock) -> None:
    services.audit.record("x")
    worker = Worker(services)
    assert {job.name: job.every for job in worker.jobs}["journal"] == timedelta(days=1)
    worker.run(once=True)
    clock.advance(timedelta(days=365))
    worker.run(once=True)

    result = verify(services.db, services.settings.secret)
    assert (result.purged, result.sealed, result.intact) == (1, 1, True)


def test_the_pause_after_errors_grows_to_a_minute() -> None:
    assert [back_off(n).total_seconds() for n in (1, 2, 3, 7, 500)] == [1, 2, 4, 60, 60]


PROGRAM = """
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from idp.db import Database
from idp.services import SystemClock
from idp.worker import Job, Worker
folder = Path(sys.argv[2])
services = SimpleNamespace(
    settings=SimpleNamespace(
        mail=SimpleNamespace(transport=f"folder:{folder}", sender="x@cig.example"),
        secret=b"s" * 32,
        demonstration=False,
        organization=SimpleNamespace(correspondant="cig@cig.example"),
    ),
    core=SimpleNamespace(mailer=None),
    keys=SimpleNamespace(lasting=lambda: []),
    teller=SimpleNamespace(tell_due=lambda: 0),
    db=Database(sys.argv[1]),
    clock=SystemClock(),
)
Worker(services, [Job("ready", timedelta(hours=1), (folder / "ready").touch)]).run()
(folder / "ended").touch()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(
    services: Services, tmp_path: Path, number: signal.Signals
) -> None:
    services.audit.record("x")
    url = services.db.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url, str(tmp_path)], cwd=REPOSITORY, env=dict(os.environ)
    )
    for _ in range(200):
        if (tmp_path / "ready").exists() and verify(
            services.db, services.settings.secret
        ).unsealed == 0:
            break
        time.sleep(0.1)
    process.send_signal(number)

    assert process.wait(20) == 0
    assert (tmp_path / "ended").exists()
    assert verify(services.db, services.settings.secret).sealed == 1
