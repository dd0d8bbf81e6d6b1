"""What a password must be. CNIL 2022-100; ASVS 6.2.1, 6.2.4, 6.2.5, 6.2.9, 6.2.11."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from directory import common_passwords, password_policy
from idp.errors import DirectoryError
from tests.common.processes import REPOSITORY

PERSONAL = ("Martin", "Jean-Pierre", "jp.martin", "Ville de Montrieux")

REFUSED = {
    "onze lettre": "too short",
    "martin-1234567": "expected words",
    "montrieuxville2026!": "expected words",
    "MARTIN martin Martin": "expected words",
    "Motdepasse2026!": "expected words",
    "Bienvenue-au-portail-94": "expected words",
    "Convergences2026": "expected words",
    "Mairie-2026-Mairie!": "expected words",
    "Ville de mairie 94": "expected words",
    "xxxxxxxxxxxx": "rows or repetitions",
    "abcabcabcabc": "rows or repetitions",
    "123456789012": "rows or repetitions",
    "lkjhgfdsq987": "rows or repetitions",
    "azertyuiop1234": "rows or repetitions",
    "aqwzsxedcrfv": "rows or repetitions",
    "mplokijunhyb": "rows or repetitions",
    "Soleil-2026 !": "common",
    "soleilsoleil": "common",
    "Soleil2026Soleil!": "common",
    "jetaimejetaime1": "common",
    "P@ssw0rd-2026": "common",
    "Chouchou 1975": "common",
    "S0leil202611": "common",
    "Marie-Christine": "common",
    "RessourcesHumaines1": "common",
    "Novembre2026!": "common",
    "1qaz2wsx3edc": "rows or repetitions",
    "international": "common",
}
TAKEN = (
    "douze lettre",
    "Martin préfère le thé vert",
    "Mon portail donne sur le jardin",
    "correct horse battery staple",
    "chat bleu 2026",
    "194837265019",
    "xK9#vwyz7Q!2",
    "é" * 3 + " trois accents, puis " + "un texte de cent caractères " * 3,
)


def check(password: str, *, privileged: bool = False) -> None:
    insisted = password_policy.policy(privileged=privileged, personal=PERSONAL)
    password_policy.check(password, insisted)


@pytest.mark.parametrize("password", REFUSED)
def test_refused_for_its_reason(password: str) -> None:
    with pytest.raises(DirectoryError, match=REFUSED[password]) as caught:
        check(password)
    assert password not in caught.value.public + caught.value.cause


@pytest.mark.parametrize("password", TAKEN)
def test_taken(password: str) -> None:
    check(password)


def test_length_is_counted_in_characters_up_to_a_thousand() -> None:
    phrase = "les trente-six façons d'écrire un mot de passe très long "
    longest = (phrase * 20)[: password_policy.MAXIMUM - 1] + "."
    check(longest)
    with pytest.raises(DirectoryError, match="too long"):
        check(longest + ".")


def test_longer_for_whoever_administers() -> None:
    check("quatorze lettr")
    with pytest.raises(DirectoryError, match="too short") as caught:
        check("quatorze lettr", privileged=True)
    assert "15 caractères" in caught.value.public
    check("quinze lettres.", privileged=True)


def trimmed_words() -> list[str]:
    """Each of the 3,000 that leaked most, made long enough in the ways in which people do it."""
    words = [word for word in common_passwords._frequency_lists()["passwords"] if len(word) >= 4]
    made = []
    for word in words[:3000]:
        missing = max(0, password_policy.MINIMUM - len(word))
        tail = f"2026{'!' * (missing - 4)}"
        doubled = word * (1 + -(-missing // len(word)))
        made += [word + tail, tail + word, word.capitalize() + tail, doubled]
    return made


def test_common_passwords_with_any_trimmings_are_refused() -> None:
    """ASVS 6.2.4 asks for 3,000 that meet the length: of those that leak most, few do as they are.

    So they are made long enough.
    """
    passed = []
    for made in trimmed_words():
        try:
            check(made)
        except DirectoryError:
            continue
        passed.append(made)
    assert passed == []


def test_every_leaked_password_that_is_long_enough_is_refused() -> None:
    long_enough = [
        word for word in common_passwords._frequency_lists()["passwords"] if len(word) >= 12
    ]
    assert len(long_enough) > 200
    for word in long_enough:
        with pytest.raises(DirectoryError):
            check(word)


def test_the_french_dictionary_is_clean() -> None:
    """Folded words, each once a family, none so short that it would say nothing."""
    text = common_passwords.FRENCH.read_text(encoding="utf-8")
    words = [
        word.strip()
        for line in text.splitlines()
        if not line.startswith("#")
        for word in line.split(",")
        if word.strip()
    ]
    assert len(words) > 1000
    assert [word for word in words if not word.isascii() or not word.isalnum()] == []
    assert common_passwords.is_common("chouchou")
    assert not common_passwords.is_common("")
    assert not common_passwords.is_common("agrafebatterie")


@pytest.mark.parametrize(
    "password",
    [
        "!?.,;:/*+(" * 101 + "bonjour à tous",
        "bonjour à tous" + "!?.,;:/*+(" * 101,
        "ab12-" * 204,
        "a1!b" * 255 + "c",
        " " * 1000 + "bonjour à tous",
    ],
)
def test_no_password_takes_long_to_judge(password: str) -> None:
    """Patterns over what strangers type: no step may be worse than the length times itself."""
    common_passwords.is_common("read once")
    begun = process_time()
    with suppress(DirectoryError):
        check(password[: password_policy.MAXIMUM])
    assert process_time() - begun < 2


PROBE = """
globalThis.document = { querySelectorAll: () => [] };
const source = require("fs").readFileSync(process.argv[1], "utf-8");
const judged = new Function(source + "; return judged;")();
const { passwords, policy } = JSON.parse(require("fs").readFileSync(0, "utf-8"));
console.log(JSON.stringify(passwords.map((each) => judged(each, policy))));
"""
CAUSES = {"too short": "length", "expected words": "words", "rows or repetitions": "rows"}


def judged(passwords: list[str]) -> list[dict[str, Any]]:
    """What the page's script says of each."""
    node = shutil.which("node", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert node, "the development set brings it"
    insisted = password_policy.policy(privileged=False, personal=PERSONAL)
    policy = {
        "minimum": insisted.minimum,
        "maximum": insisted.maximum,
        "words": list(insisted.words),
    }
    script = REPOSITORY / "views" / "static" / "js" / "password.js"
    done = subprocess.run(
        [node, "-e", PROBE, str(script)],
        input=json.dumps({"passwords": passwords, "policy": policy}),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said: list[dict[str, Any]] = json.loads(done.stdout)
    return said


def test_the_page_says_what_the_server_says() -> None:
    """But for the dictionary, which the page does not have."""
    passwords = [*REFUSED, *TAKEN]
    for password, verdict in zip(passwords, judged(passwords), strict=True):
        cause, holds = REFUSED.get(password), verdict["holds"]
        if cause in CAUSES:
            assert holds[CAUSES[cause]] is False, password
        else:
            assert holds == {"length": True, "words": True, "rows": True}, password


def test_the_page_calls_nothing_solid_that_the_server_refuses() -> None:
    leaked = common_passwords._frequency_lists()["passwords"]
    refused = [*REFUSED, "soleil123456789", *trimmed_words()]
    refused += [word for word in leaked if len(word) >= password_policy.MINIMUM]
    praised = [
        password
        for password, verdict in zip(refused, judged(refused), strict=True)
        if verdict["level"] == "strong" or "solide" in verdict["said"]
    ]
    assert praised == []
    [phrase] = judged(["le thé vert du jardin"])
    assert phrase["level"] == "strong"
    assert phrase["said"] == "Semble solide ; reste à vérifier qu'il n'est pas courant."
