"""Every guard, shown by removing it: what it refuses goes through without it.

The tables are in ``guards/``. A row names the guard, the attack, what is neutralised, and what
becomes of the attack with and without: so no guard here is one that nothing needs, and no attack
one that could not succeed. Where two guards back each other up the row removes both and says so.
"""

import re
from pathlib import Path

import pytest

from tests.attacks.conftest import Street
from tests.attacks.guards import (
    answers,
    logout,
    logout_answers,
    messages,
    requests,
    signatures,
)
from tests.attacks.guards.guard import Guard

GUARDS = [
    *signatures.GUARDS,
    *messages.GUARDS,
    *requests.GUARDS,
    *answers.GUARDS,
    *logout.GUARDS,
    *logout_answers.GUARDS,
]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_guard(guard: Guard, street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    assert guard.attack(street) == guard.stands, "with the guard in place"
    for name, replacement in guard.removed.items():
        monkeypatch.setattr(name, replacement)
    assert guard.attack(street) == guard.falls, "with what the row names removed"


def test_a_row_that_removes_several_guards_says_why() -> None:
    for guard in GUARDS:
        assert guard.removed
        assert bool(guard.together) == (len(guard.removed) > 1), guard.name
        assert guard.stands != guard.falls, guard.name
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


def test_docs_security_names_every_guard_and_no_other() -> None:
    page = Path("docs/security.md").read_text(encoding="utf-8")
    headings = set(re.findall(r"^## (.+)$", page, re.MULTILINE))
    named = set(re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", page)) - headings - {"guard"}
    assert named == {guard.name for guard in GUARDS}
