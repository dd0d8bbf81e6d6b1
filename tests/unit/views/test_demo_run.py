"""``make run``: its supervisor, and the whole of it once, from nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from configparser import ConfigParser
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from idp.errors import ConfigurationError
from idp.passwords import PLACES
from tests.common.ports import free_port, free_ports
from tests.common.processes import REPOSITORY, answers, running
from tests.common.threads import eventually
from views.demo.children import Child, delay
from views.demo.supervisor import (
    OTHER_THREADS,
    Stopping,
    Supervisor,
    granian,
    pid_file,
    refuse_taken,
    served_sp_port,
    write_local_ini,
)

PARENT = """
import os, sys, time
from views.demo.children import Child
child = Child("x", [sys.executable, "-c", "import time; time.sleep(60)"], dict(os.environ))
child.tend()
print(child.pid, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def sleeper(seconds: float = 60) -> Child:
    command = [sys.executable, "-c", f"import time; time.sleep({seconds})"]
    return Child("Le dormeur", command, dict(os.environ))


def test_the_delay_doubles_up_to_half_a_minute() -> None:
    assert [delay(failures) for failures in (1, 2, 3, 6, 7, 8, 1000)] == [
        0.5, 1.0, 2.0, 16.0, 30.0, 30.0, 30.0,
    ]  # fmt: skip


def test_threads_outnumber_those_who_wait_for_their_passwords_turn() -> None:
    for command in (
        granian("idp.wsgi:application", 1, workers=2),
        (REPOSITORY / "deploy" / "convergences.service").read_text("utf-8").split(),
    ):
        threads = int(command[command.index("--blocking-threads") + 1])
        assert threads == PLACES + OTHER_THREADS
    development = ConfigParser(interpolation=None)
    development.read(REPOSITORY / "development.ini", encoding="utf-8")
    assert development.getint("server:main", "threads") == PLACES + OTHER_THREADS
    assert OTHER_THREADS >= 16


def test_a_child_that_dies_is_started_again() -> None:
    child = sleeper()
    child.tend()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    codes: list[int | None] = []
    assert eventually(lambda: codes.append(child.tend()) or codes[-1] is not None)
    assert codes[-1] == -signal.SIGKILL
    assert child.pid is None
    assert eventually(lambda: child.tend() is None and child.pid is not None)
    second = child.pid
    child.ask_to_end()
    child.end(time.monotonic() + 5)
    assert second is not None
    assert second != first
    assert not alive(second)


def test_a_child_that_does_not_listen_is_killed() -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    child = Child("x", [sys.executable, "-c", f"{deaf}; time.sleep(60)"], dict(os.environ))
    child.tend()
    pid = child.pid
    assert pid is not None
    assert eventually(lambda: _ignores_term(pid))
    child.ask_to_end()
    child.end(time.monotonic() + 0.2)
    assert not alive(pid)


def _ignores_term(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_children_die_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
        parent.wait()
    assert eventually(lambda: not alive(pid))


def test_a_child_that_never_starts_ends_the_demonstration() -> None:
    supervisor = Supervisor([sleeper(0)], ["http://127.0.0.1:1/readyz"])
    with pytest.raises(ConfigurationError, match="ne démarre pas"):
        supervisor.run(Stopping(), lambda: pytest.fail("nothing is ready"))


def test_a_signal_ends_the_demonstration() -> None:
    child = sleeper()
    with Stopping() as stopping:
        supervisor = Supervisor([child], [])
        supervisor.run(stopping, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert stopping.asked
    assert child.pid is None


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=str(port)):
            refuse_taken(port)
    refuse_taken(free_port())


def test_one_server_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "server.pid"
    with pid_file(path):
        assert path.read_text() == f"{os.getpid()}\n"
        with pytest.raises(ConfigurationError, match="déjà"), pid_file(path):
            pass
        assert path.read_text() == f"{os.getpid()}\n"
    assert not path.exists()


def test_a_dead_servers_number_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "server.pid"
    path.write_text("123456789\n")
    with pid_file(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_the_public_url_is_written(tmp_path: Path) -> None:
    assert served_sp_port(tmp_path) is None
    write_local_ini(tmp_path, 7000, 7001)
    assert served_sp_port(tmp_path) == 7001
    text = (tmp_path / "local.ini").read_text()
    assert "[app:main]\nconvergences.public_url = http://localhost:7000\n" in text


def test_the_server_starts_without_what_it_does_not_need(tmp_path: Path) -> None:
    wanted = "{'saml2.client', 'alembic', 'views.demo.sp'}"
    program = f"import sys, idp.wsgi; print(sorted({wanted} & set(sys.modules)))"
    environment = {**os.environ, "VAR": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[]\n"


def test_run_serves_everything_and_leaves_nothing(tmp_path: Path) -> None:
    port, sp_port = free_ports(2)
    var = tmp_path / "var"
    environment = {"PORT": str(port), "SP_PORT": str(sp_port), "VAR": str(var)}
    log = tmp_path / "log"
    command = [sys.executable, "-c", "from idp.cli import main; main()", "run"]
    ready_url = f"http://localhost:{port}/readyz"
    with running(command, log=log, ready_url=ready_url, environment=environment) as process:
        assert (var / "server.pid").read_text().strip() == str(process.pid)
        assert eventually(lambda: "Convergences est prêt." in log.read_text(), 60)
        assert "Convergences-2026-demo" in log.read_text()
        assert answers(f"http://localhost:{port}/demo/courriels")
        for name in ("bip", "net-cotisations", "net-cap", "site"):
            assert answers(f"http://localhost:{sp_port}/{name}/metadata")
            with pytest.raises(HTTPError) as refused:
                urlopen(f"http://localhost:{sp_port}/{name}/whoami", timeout=5)
            with refused.value as answer:
                assert answer.code == 401
                assert json.load(answer) == {"error": "no session"}
        children = _children(process.pid)
        assert len(children) == 3
        grandchildren = [pid for child in children for pid in _children(child)]
        process.terminate()
        assert process.wait(20) == 0
    assert not (var / "server.pid").exists()
    assert eventually(lambda: not any(alive(pid) for pid in (*children, *grandchildren)))


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text(encoding="ascii").split()]
