"""Browsers, events of the journal and what applications receive, in words."""

import re

import pytest

from directory.services.telling.history import CHANGES, FOR_CENTRAL
from idp.types import NameIDFormat, Source
from tests.common.journalled import codes
from tests.common.processes import REPOSITORY
from views import journal
from views.aia.history_words import SENTENCES
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


@pytest.mark.parametrize("agent", AGENTS)
def test_a_browser_is_named_as_its_owner_calls_it(agent: str) -> None:
    assert browser_in_words(agent) == AGENTS[agent]


OF_NO_PERSON = (
    "application.",
    "audit.",
    "export.",
    "key.",
    "mail.",
    "notice.",
    "role.",
    "structure.",
)
READ_BY_ADMINISTRATORS = (
    "access-request.",
    "account.",
    "assignment.",
    "export.",
    "mandate.",
    "membership.",
    "structure.",
)


def test_each_event_of_a_person_has_words() -> None:
    mine = {code for code in codes() if not code.startswith(OF_NO_PERSON)}
    assert len(mine) > 20
    assert mine - journal.WORDS.keys() == set(), "an event of a person without words"
    assert journal.WORDS.keys() - mine == set(), "words for what never happens"
    assert journal.in_words("sign-in.success") == "Connexion"
    assert journal.in_words("of.tomorrow") == journal.OTHER
    assert "création" not in journal.in_words("account.address-checked"), "of a change as well"


def test_each_change_that_an_administrator_reads_has_a_sentence() -> None:
    written = {code for code in codes() if code.startswith(READ_BY_ADMINISTRATORS)}
    assert len(written) > 30
    assert set(SENTENCES) == FOR_CENTRAL
    assert FOR_CENTRAL - written == set(), "sentences for what never happens"
    assert written - FOR_CENTRAL == PRIVATE, "shown in Historique, or nobody's business there?"
    assert CHANGES < FOR_CENTRAL


PRIVATE = {
    # when somebody comes, and what he does with what is his
    *("account.data-exported", "account.password-refused", "account.password-set"),
    # that another structure looked for the address
    "account.address-checked",
    # nobody is left whose sheet it could stand on
    "account.purged",
}


def test_whatever_may_be_sent_has_a_name() -> None:
    assert set(WORDS) == set(Source)
    assert set(NAME_IDS) == set(NameIDFormat)


def test_what_leaves_the_bin_is_called_by_one_word() -> None:
    """*Rétablir*: on buttons and pages, in errors, mails and the guide."""
    texts = [
        path
        for room in ("directory", "views")
        for path in (REPOSITORY / room).rglob("*")
        if path.suffix in {".py", ".jinja2", ".pt"}
    ]
    assert len(texts) > 300
    other = re.compile("restaur", re.IGNORECASE)
    assert [path.name for path in texts if other.search(path.read_text("utf-8"))] == []
