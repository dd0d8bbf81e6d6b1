"""The pieces of ``make bench``: what it reads, how it judges, what it prints; no figure."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from idp.saml.logout import logout_request
from idp.types import NameID
from tests.bench import plan, proc, report, single_logout, versus, yardstick
from tests.bench.meter import Watch
from tests.bench.proc import Memory, Process
from tests.bench.profiling import package
from tests.bench.report import Load, Row, Times
from tests.bench.server import serving
from tests.bench.yardstick import Unmeasurable, Yardstick
from tests.common.fake_slo import envelope, opened, status_of_logout
from tests.common.fake_sp import FakeSP, verify
from tests.common.ports import free_port
from tests.common.processes import REPOSITORY

YARDSTICK = Yardstick(plain=0.25, without_ifma=0.5)
LOAD = Load(sign_ons=2000, cpu=1.0, p50=1.5, p95=2.5, yardstick=YARDSTICK)


# --- /proc -----------------------------------------------------------------------------------


def put(
    folder: Path, pid: int, parent: int, *, name: str = "python", ticks: str = "1 2 3 4"
) -> None:
    (folder / str(pid)).mkdir()
    stat = f"{pid} ({name}) S {parent} 7 7 0 -1 4194304 100 200 0 0 {ticks} 20 0 17 0 99 1 1"
    (folder / str(pid) / "stat").write_text(stat)
    status = f"Name:\t{name}\nVmRSS:\t{pid * 1000} kB\nRssAnon:\t{pid * 100} kB\nThreads:\t17\n"
    (folder / str(pid) / "status").write_text(status)


@pytest.fixture
def fake_proc(tmp_path: Path) -> Path:
    put(tmp_path, 10, 1, name="granian")
    put(tmp_path, 12, 10, name="worker) S (x", ticks="100 50 30 20")
    put(tmp_path, 11, 12)
    put(tmp_path, 20, 1)
    (tmp_path / "30").mkdir()  # it ended between the listing and the reading
    (tmp_path / "meminfo").write_text("")
    return tmp_path


def test_a_process_is_read_whatever_its_name(fake_proc: Path) -> None:
    assert proc.processes(fake_proc) == {
        10: Process(10, 1, 10),
        11: Process(11, 12, 10),
        12: Process(12, 10, 200),
        20: Process(20, 1, 10),
    }


def test_cpu_is_that_of_the_whole_tree_and_of_nobody_else(fake_proc: Path) -> None:
    assert proc.cpu_seconds(10, fake_proc) == 220 / proc.TICKS_PER_SECOND
    assert proc.cpu_seconds(20, fake_proc) == 10 / proc.TICKS_PER_SECOND


def test_a_process_that_is_not_there_is_an_error(fake_proc: Path) -> None:
    with pytest.raises(ProcessLookupError):
        proc.cpu_seconds(99, fake_proc)


def test_memory_is_in_million_bytes(fake_proc: Path) -> None:
    assert proc.memory(12, fake_proc) == Memory(
        pytest.approx(12000 * 1024 / 1e6), pytest.approx(1200 * 1024 / 1e6)
    )


def test_the_worker_is_the_largest_descendant(fake_proc: Path) -> None:
    assert proc.largest(10, fake_proc) == 12
    with pytest.raises(ProcessLookupError):
        proc.largest(20, fake_proc)


def test_the_cpu_of_a_child_that_ended_is_counted() -> None:
    before = proc.cpu_seconds(os.getpid())
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    assert proc.cpu_seconds(os.getpid()) - before >= 0.28


# --- the yardstick ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "milliseconds"),
    [
        ("+R1:1859:2048:0.45\n", 0.45 / 1859 * 1000),
        ("+R1:1859:4096:0.45\n", None),
        ("+R2:30364:2048:0.50\n", None),
        ("+DTP:2048:private:rsa:1\n", None),
        ("\n", None),
    ],
)
def test_the_line_of_signatures_is_recognised(line: str, milliseconds: float | None) -> None:
    assert yardstick.parse(line) == milliseconds


def test_the_yardstick_of_a_row_is_the_mean_of_those_around_it() -> None:
    assert yardstick.mean(YARDSTICK, Yardstick(0.35, 0.7)) == Yardstick(
        pytest.approx(0.3), pytest.approx(0.6)
    )


def test_a_processor_without_the_fast_path_is_seen() -> None:
    assert Yardstick(0.25, 0.6).has_ifma
    assert not Yardstick(0.6, 0.62).has_ifma


def test_without_openssl_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unmeasurable, match="openssl is missing"):
        yardstick.milliseconds()


# --- the report ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 5), (95, 10), (90, 9), (100, 10), (1, 1), (0, 1)]
)
def test_percentiles(percent: float, expected: int) -> None:
    assert report.percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent) == expected


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        report.percentile([], 50)


@pytest.mark.parametrize(
    ("figure", "goal", "verdict"),
    [(3.99, 4.0, "met"), (4.0, 4.0, "met"), (4.01, 4.0, "missed"), (99.0, None, "")],
)
def test_a_figure_is_judged_honestly(figure: float, goal: float | None, verdict: str) -> None:
    assert Row("P1", "assertion signed", figure, "RSA", goal).verdict == verdict


def test_figures_are_in_units_of_both_yardsticks() -> None:
    assert LOAD.units == 4.0
    assert LOAD.units_without_ifma == 2.0


def test_the_table_is_aligned() -> None:
    rows = [
        Row("P1", "assertion signed", LOAD.units, "RSA", 4, LOAD),
        Row("P8", "start", 12.5, "s", 2),
    ]
    header, rule, first, second = report.table(rows).splitlines()
    assert first.split() == [
        *("P1", "assertion", "signed", "4.00", "RSA", "≤", "4", "RSA", "met"),
        *("1.00", "2.00", "1.50", "2.50", "0.250"),
    ]
    assert second.split() == ["P8", "start", "12.50", "s", "≤", "2", "s", "missed"]
    assert len(header) == len(rule) == len(first)
    for title, value in (("CPU ms", "1.00"), ("p95 ms", "2.50"), ("RSA ms", "0.250")):
        assert first[: header.index(title) + len(title)].endswith(value)


def test_a_row_of_times_alone_leaves_the_cpu_out() -> None:
    made = report.times([0.001 * number for number in range(1, 101)])
    assert made == Times(100, 50.0, pytest.approx(95.0))
    row = Row("P4", "in a storm", 2.5, "times", 5, times=made)
    assert row.cells()[-5:] == ["", "", "50.00", "95.00", ""]
    assert row.as_json()["times"] == {"count": 100, "p50": 50.0, "p95": pytest.approx(95.0)}


def test_numbered_rows_come_first() -> None:
    rows = [Row(number, "", 0, "") for number in ("", "P8", "P2a", "P1", "P2b")]
    assert [row.number for row in report.ordered(rows)] == ["P1", "P2a", "P2b", "P8", ""]


def test_the_document_holds_what_the_table_shows(tmp_path: Path) -> None:
    rows = [Row("", "stock", 8, "RSA"), Row("P1", "assertion signed", LOAD.units, "RSA", 4, LOAD)]
    made = report.document(rows, [YARDSTICK], load=0.5, seconds=120)
    report.write(tmp_path / "new" / "bench.json", made)
    read = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert read["rows"][0] == {
        "number": "P1",
        "what": "assertion signed",
        "figure": 4.0,
        "unit": "RSA",
        "goal": 4,
        "verdict": "met",
        "load": {
            "sign_ons": 2000,
            "cpu": 1.0,
            "p50": 1.5,
            "p95": 2.5,
            "yardstick": {"plain": 0.25, "without_ifma": 0.5},
            "units": 4.0,
            "units_without_ifma": 2.0,
        },
        "times": None,
    }
    assert read["rows"][1]["verdict"] is None
    assert read["yardsticks"] == [{"plain": 0.25, "without_ifma": 0.5}]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["bench.json"]
    shown = report.text(rows, [YARDSTICK], made)
    assert "0.250 to 0.250 ms" in shown
    assert "2,000 sign-ons" in shown


def test_the_processor_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Fast One: 9\n\n")
    assert report.processor(tmp_path / "cpuinfo") == "Fast One: 9"


# --- servers and what they are asked ---------------------------------------------------------


class FakeServer:
    """A server whose memory is what it was last told."""

    def __init__(self) -> None:
        self.reads = 0

    def memory(self) -> Memory:
        self.reads += 1
        return Memory(100.0 + self.reads, 50.0)


def test_memory_is_read_at_the_numbers_asked_for() -> None:
    server = FakeServer()
    watch = Watch(server, (3, 5))  # type: ignore[arg-type]
    assert watch.drain(iter([0.1, 0.2])) == [0.1, 0.2]
    assert watch.seen == {}
    watch.drain(iter([0.3] * 4))
    assert watch.served == 6
    assert watch.seen == {3: Memory(101.0, 50.0), 5: Memory(102.0, 50.0)}


SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_server_is_ended(tmp_path: Path) -> None:
    port = free_port()
    with serving(
        [sys.executable, "-c", SERVER, str(port)],
        port=port,
        ready="/readyz",
        log=tmp_path / "log",
        environment={},
    ) as server:
        assert server.pid in proc.processes()
        assert server.started_in > 0
        assert server.cpu_seconds() > 0
    assert server.pid not in proc.processes()


def test_a_server_that_ends_at_once_tells_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(Unmeasurable, match="no such database"),
        serving(
            [sys.executable, "-c", "raise SystemExit('no such database')"],
            port=free_port(),
            ready="/readyz",
            log=tmp_path / "log",
            environment={},
        ),
    ):
        pass


def test_stock_pysaml2_must_say_the_same_of_the_person() -> None:
    ours = {"mail": ["a@x.example"], "role": ["Lecteur", "Abonné"]}
    theirs = {
        "urn:mace:dir:attribute-def:mail": ["a@x.example"],
        "role": ["Abonné", "Lecteur"],
    }
    assert versus.facts(ours) == versus.facts(theirs)
    assert versus.facts(ours) != versus.facts({**theirs, "role": ["Lecteur"]})


def test_the_plan_of_stock_pysaml2_survives_its_file(tmp_path: Path) -> None:
    made = plan.Plan("idp", "http://x", "/bin/x", "key", "crt", "sp", {"sn": ["Noël"]})
    made.write(tmp_path / "plan.json")
    assert plan.read(tmp_path / "plan.json") == made


@pytest.mark.parametrize(
    ("file", "name", "expected"),
    [
        (str(REPOSITORY / "idp" / "saml" / "xml.py"), "parse", "idp (ours)"),
        ("/x/.venv/lib/python3.11/site-packages/sqlalchemy/engine/base.py", "f", "sqlalchemy"),
        ("/x/.venv/lib/python3.11/site-packages/typing_extensions.py", "f", "typing_extensions"),
        ("/usr/lib/python3.11/re/__init__.py", "compile", "python"),
        ("~", "<method 'commit' of 'sqlite3.Connection' objects>", "sqlite3"),
        ("~", "<built-in method zlib.compress>", "zlib"),
        ("~", "<built-in method builtins.sorted>", "python, in C"),
        ("~", "<method 'get' of 'dict' objects>", "python, in C"),
    ],
)
def test_time_is_put_down_to_whose_code_it_is(file: str, name: str, expected: str) -> None:
    assert package(file, name) == expected


# --- single logout ---------------------------------------------------------------------------


def test_the_rows_of_single_logout_judge_the_longest_with_a_dead_one() -> None:
    alive = single_logout.Measured(0.04, [0.05, 0.07])
    made = single_logout.rows(alive, single_logout.Measured(0.1, [5.0, 6.5]))
    assert [(row.number, round(row.figure, 6), row.unit, row.verdict) for row in made] == [
        ("SLO", 40.0, "ms", ""),
        ("SLO", 70.0, "ms", ""),
        ("SLO", 6.5, "s", "missed"),
    ]


def test_the_back_channel_of_the_bench_answers_as_the_sp_that_was_asked() -> None:
    sps = [FakeSP(name, signs=True, slo=("SOAP",)) for name in ("a", "b")]
    channel = single_logout.BackChannel(sps)
    request = etree.fromstring(
        logout_request(
            idp="https://idp.example",
            request_id="_1",
            now=datetime(2026, 11, 20, tzinfo=UTC),
            destination="https://b.example/slo",
            person=NameID("v", "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"),
            session_indexes=("_i",),
        )
    )
    answer = opened(channel.answer("/1", envelope(request)))
    verify(answer, sps[1].certificate)
    assert answer.get("InResponseTo") == "_1"
    assert status_of_logout(answer) == ["Success"]
    assert channel.told == ["_1"]
