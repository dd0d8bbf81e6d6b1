"""The pieces of ``make fuzz``: what they check holds on the seeds, and they find planted faults."""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

from idp.errors import UnreadableMessage
from idp.saml import authn_request, checks, xml
from metadata import parser
from tests.fuzz import __main__ as program
from tests.fuzz import plan, report
from tests.fuzz.broken import Broken
from tests.fuzz.mutators import LARGEST, Mutator, plain_flip
from tests.fuzz.running import Row, run
from tests.fuzz.targets import TARGETS, Check
from tests.fuzz.world import Answer, Browser

pytestmark = pytest.mark.uncovered

needs_atheris = pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris is made for Linux on x86-64 only"
)


def search(name: str, check: Check, inputs: int) -> int:
    """Change seeds as the fuzzer does, but blindly; how many inputs were accepted."""
    rng = Random(1)  # noqa: S311 - the same in every run
    mutator = Mutator(rng, plain_flip(rng))
    target = TARGETS[name]
    pool = target.seeds()
    return sum(check(target.mutate(mutator, rng.choice(pool))) for _ in range(inputs))


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_promised_holds_on_the_seeds_and_near_them(name: str, tmp_path: Path) -> None:
    with TARGETS[name].checking(tmp_path) as check:
        seeds = TARGETS[name].seeds()
        accepted = [check(seed) for seed in seeds]
        assert any(accepted)
        assert not all(accepted) or name == "form"
        assert all(len(seed) <= LARGEST for seed in seeds)
        assert TARGETS[name].seeds() == seeds, "a finding must be found again"
        assert search(name, check, 100) > 0


@pytest.mark.parametrize("name", ["signed-post", "signed-redirect", "application"])
def test_the_replay_guard_hides_nothing(name: str, tmp_path: Path) -> None:
    with TARGETS[name].checking(tmp_path) as check:
        genuine = next(seed for seed in TARGETS[name].seeds() if check(seed))
        assert check(genuine)
        assert check(genuine)


# --- planted faults ------------------------------------------------------------------------------


def raising(error: Exception) -> Callable[..., object]:
    def raises(*_: object, **__: object) -> object:
        raise error

    return raises


def nothing(*_: object, **__: object) -> None:
    """A check that checks nothing."""


def test_a_parser_that_raises_what_it_does_not_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "_check_elements", raising(KeyError("planted")))
    with TARGETS["authn-request"].checking(Path()) as check, pytest.raises(KeyError):
        search("authn-request", check, 50)
    with TARGETS["metadata"].checking(Path()) as check, pytest.raises(KeyError):
        search("metadata", check, 50)


def test_a_reader_that_takes_what_it_should_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "absolute_url", lambda element, name: element.get(name, ""))
    with TARGETS["metadata"].checking(Path()) as check, pytest.raises(Broken, match="web address"):
        search("metadata", check, 3000)


@pytest.mark.parametrize(
    ("name", "guard"),
    [
        ("signed-post", "verify_element"),
        ("signed-redirect", "verify_octets"),
        ("application", "verify_element"),
        ("application", "verify_octets"),
    ],
)
def test_a_signature_that_nobody_checks(
    name: str, guard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TARGETS[name].checking(tmp_path) as check:
        monkeypatch.setattr(checks, guard, nothing)
        with pytest.raises(Broken, match="signed"):
            search(name, check, 3000)


def test_a_signature_that_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TARGETS["signed-post"].checking(tmp_path) as check:
        monkeypatch.setattr(authn_request, "check_signature", nothing)
        with pytest.raises(Broken, match="signed"):
            search("signed-post", check, 3000)


def test_an_application_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TARGETS["application"].checking(tmp_path) as check:
        monkeypatch.setattr(authn_request, "parse", raising(LookupError("planted")))
        with pytest.raises(Broken, match="no 5xx"):
            search("application", check, 50)
        monkeypatch.setattr(authn_request, "parse", raising(UnreadableMessage("honest")))
        search("application", check, 50)


PAGE = b'<html lang="fr">42</html>'
FORM = '<form action="%s"><input type="hidden" name="SAMLResponse" value="PGEvPg==">'


ANSWERS = (
    (Answer(404, {}, PAGE), "number"),
    (Answer(400, {"X-Request-Id": "42"}, b"<html>42"), "French"),
    (Answer(400, {"X-Request-Id": "42", "Location": "/"}, PAGE), "leads nowhere"),
    (Answer(400, {"X-Request-Id": "42"}, PAGE), "log"),
    (Answer(400, {"X-Request-Id": "42"}, PAGE + b"SAMLResponse"), "hands nothing over"),
    (Answer(303, {"Location": "https://evil.example/"}, b""), "only on to us"),
    (Answer(204, {}, b""), "4xx"),
    (Answer(200, {}, b"bonjour"), "hands over"),
    (Answer(200, {}, (FORM % "https://evil.example/").encode()), "registered address"),
    (Answer(200, {}, (FORM % "https://bip.example/acs").encode()), "registered address"),
)


def test_an_answer_that_breaks_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TARGETS["application"].checking(tmp_path) as check:
        for answer, promise in ANSWERS:
            monkeypatch.setattr(Browser, "send", lambda *_, answer=answer, **__: answer)
            with pytest.raises(Broken, match=promise):
                check(b"R")


# --- under libFuzzer -----------------------------------------------------------------------------

PLANTED = """
import sys
from idp.saml import {module}
from tests.fuzz import child

def planted(*args, **kw):
    {body}

{module}.{name} = planted
child.main(sys.argv[1:])
"""


@needs_atheris
def test_a_bounded_run_that_finds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FUZZ_N", "400")
    monkeypatch.setattr(program, "VAR", tmp_path)
    monkeypatch.setattr(sys, "argv", ["fuzz", "authn-request", "values"])
    assert program.main() == 0
    assert "nothing found" in capsys.readouterr().out
    assert list((tmp_path / "fuzz").iterdir()) == []


@needs_atheris
@pytest.mark.parametrize(
    ("target", "module", "name", "body", "said"),
    [
        (
            "authn-request",
            "xml",
            "_check_elements",
            "raise KeyError('planted')",
            "KeyError: 'planted'",
        ),
        ("signed-post", "checks", "verify_element", "return None", "SP signed"),
        ("values", "instants", "instant", "import time; time.sleep(60)", "timeout"),
        (
            "values",
            "instants",
            "instant",
            "x = bytearray(b'x' * 4 * 10**8); import time; time.sleep(5)",
            "out-of-memory",
        ),
    ],
)
def test_a_planted_fault_is_found_and_kept(
    target: str,
    module: str,
    name: str,
    body: str,
    said: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    planted = PLANTED.format(module=module, name=name, body=body)
    row = run(target, 5000, tmp_path, 1, ("-c", planted))
    assert said in capfd.readouterr().err
    (kept,) = tmp_path.iterdir()
    assert row.finding == str(kept)
    assert kept.name.startswith(f"{target}-")
    assert "FINDING" in report.text([row], 1)


# --- the words around it -------------------------------------------------------------------------


def test_the_inputs_are_split_by_the_shares() -> None:
    assert set(plan.SHARES) == set(TARGETS)
    assert sum(plan.SHARES.values()) == 100
    everything = plan.split(plan.TOTAL, list(plan.SHARES))
    assert sum(everything.values()) == 100_000
    assert everything["application"] >= 20_000
    assert plan.split(10, ["values"]) == {"values": 10}
    assert plan.split(1, ["values", "application"]) == {"values": 1, "application": 1}


def test_the_table_tells_of_each_target_and_of_all() -> None:
    figures = {"accepted": 2, "refused": 1998, "slowest": 0.25, "seconds": 3, "growth": 5 * 1024**2}
    lines = report.text([Row("a", figures, ""), Row("b", {}, "it ended with 1")], 7).splitlines()
    assert lines[1].split() == ["a", "2,000", "2", "1,998", "250", "ms", "3.0", "5", "MB"]
    assert lines[3].split()[:4] == ["all", "2,000", "2", "1,998"]
    assert lines[4:] == ["FUZZ_SEED=7", "FINDING in b: it ended with 1"]


def test_without_atheris_one_line_says_where_it_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "find_spec", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["fuzz"])
    assert program.main() == 1
    assert "Linux on x86-64" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_a_number_that_is_none(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUZZ_N", number)
    monkeypatch.setattr(sys, "argv", ["fuzz", "values"])
    monkeypatch.setattr(program, "find_spec", lambda name: name)
    with pytest.raises(SystemExit, match="FUZZ_N"):
        program.main()


def test_a_kept_input_is_checked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept").write_bytes(b"d2026-11-20T09:00:00Z")
    monkeypatch.setattr(sys, "argv", ["fuzz", "values", str(tmp_path / "kept")])
    assert program.main() == 0
    assert capsys.readouterr().out.endswith("kept: accepted\n")
