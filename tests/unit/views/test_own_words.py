"""Browsers, events of the journal and what applications receive, in words."""

import re
from pathlib import Path

import pytest

from idp.types import NameIDFormat, Source
from tests.common.processes import REPOSITORY
from views import journal
from views.profile.accesses import NAME_IDS, WORDS
from views.profile.browsers import browser_in_words

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
AGENTS = {
    f"{WINDOWS} Chrome/140.0.0.0 Safari/537.36": "Chrome sur Windows",
    f"{WINDOWS} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0": "Edge sur Windows",
    f"{WINDOWS} Chrome/140.0.0.0 Safari/537.36 OPR/120.0": "Opera sur Windows",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox sur Linux",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Safari/605.1.15": "Safari sur un Mac",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1": "Chrome sur un iPhone",
    "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) "
    "SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36": "Samsung Internet sur Android",
    "curl/8.5 (Linux)": "Navigateur inconnu sur Linux",
    "": "Navigateur inconnu",
    "<script>alert(1)</script>": "Navigateur inconnu",
}
RECORDED = re.compile(r'\b(?:record|record_if_known|_record)\(\s*"([a-z-]+\.[a-z-]+)"')


@pytest.mark.parametrize("agent", AGENTS)
def test_a_browser_is_named_as_its_owner_calls_it(agent: str) -> None:
    assert browser_in_words(agent) == AGENTS[agent]


def test_each_event_of_a_person_has_words() -> None:
    folders = (REPOSITORY / "idp", REPOSITORY / "directory")
    files = (path for folder in folders for path in folder.rglob("*.py"))
    codes = {code for path in files for code in RECORDED.findall(Path(path).read_text("utf-8"))}
    of_no_person = ("application.", "audit.", "key.", "mail.", "notice.", "role.", "structure.")
    mine = {code for code in codes if not code.startswith(of_no_person)}
    assert len(mine) > 20
    assert mine <= journal.WORDS.keys()
    every = "".join(path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py"))
    journalled = {code for code in journal.WORDS if f'"{code}"' in every}
    assert journalled == journal.WORDS.keys(), "words for what never happens"
    assert journal.in_words("sign-in.success") == "Connexion"
    assert journal.in_words("of.tomorrow") == journal.OTHER


def test_whatever_may_be_sent_has_a_name() -> None:
    assert set(WORDS) == set(Source)
    assert set(NAME_IDS) == set(NameIDFormat)
