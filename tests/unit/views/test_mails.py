import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from directory.services.rights.role_news import RoleLine
from idp.errors import ConfigurationError
from idp.settings import Settings
from idp.types import Referent
from tests.common.processes import REPOSITORY
from views.mail_parameters import SAMPLES
from views.mails import SUBJECTS, build

PARAMETERS = {
    "given_name": "Zoé",
    "sn": "D'Été <b>",
    "mail": "zoe@ville.example",
    "structure": "cig-pc / Ville A",
    "confirmed": True,
    "application": "BIP",
    "role": "Lecteur",
    "kid": "20261120-0a1b2c3d",
    "use": "encryption",
    "ends_at": datetime(2027, 1, 20, tzinfo=UTC),
    "last_day": date(2027, 1, 19),
    "old_mail": "zoe.ete@ville.example",
    "changed_at": datetime(2027, 1, 20, tzinfo=UTC),
    "changed_by": "Rémi FORT",
    "url": "https://auth.example.org/aia/utilisateurs/0a1b",
    "link": "https://auth.example.org/lien/abc",
    "invited": True,
    "why": "Votre compte n'est pas encore ouvert.",
    "opens_at": datetime(2027, 1, 20, tzinfo=UTC),
    "hours": 24,
    "asked": "reset",
    "forgotten_url": "https://auth.example.org/mot-de-passe-oublie",
    "referents": (Referent("Rémi Fort", "remi@ville.example"),),
    "granted": [RoleLine("BIP", "Lecteur", "cig-pc / Ville A")],
    "withdrawn": [RoleLine("Net-CAP", "Gestionnaire", "cig-pc / Ville A")],
}
WITH_LINK = {"address-changed", "password-first-visit", "password-reset"}
OURS = sorted(set(SUBJECTS) - {kind for kind in SUBJECTS if kind.startswith(("access", "problem"))})


def of(kind: str, **more: object) -> dict[str, object]:
    """What a mail of this kind is given."""
    return {name: PARAMETERS[name] for name in SAMPLES[kind]} | more


@pytest.mark.parametrize("kind", OURS)
def test_every_mail_has_a_subject_a_text_and_a_page(settings: Settings, kind: str) -> None:
    mail = build(settings)(kind, of(kind))
    assert mail.subject.startswith("[Portail des applications du CIG] ")
    assert "\n" not in mail.subject
    assert mail.html is not None
    for body in (mail.text, mail.html):
        # Whom or what it is about.
        assert ("20261120-0a1b2c3d" if kind == "key-ending" else "zoe@ville.example") in body
        assert "Avis de confidentialité" in body
        assert ("https://auth.example.org/lien/abc" in body) == (kind in WITH_LINK)
    assert '<html lang="fr">' in mail.html
    assert "<b>" not in mail.html
    assert "&lt;" not in mail.text


def test_the_first_mail_says_what_the_guide_says(settings: Settings) -> None:
    mail = build(settings)("account-created", of("account-created"))
    assert mail.subject == (
        "[Portail des applications du CIG] Création de votre profil utilisateur"
    )
    assert "avec cet identifiant [zoe@ville.example]" in mail.text
    assert "http://localhost:6543" in mail.text
    assert mail.html is not None
    for body in (mail.text, mail.html.replace("&nbsp;", " ")):
        assert re.search("cliquer sur «.Première visite.» afin d'initialiser votre mot de", body)
        assert "adressez-vous à votre référent administrateur" in body
        assert "http" not in body.replace("http://localhost:6543", ""), "no secret link"
        assert settings.organization.correspondant in body
    assert "Bonjour Zoé D'ÉTÉ <B>," in mail.text


def test_the_structure_is_named(settings: Settings) -> None:
    for kind in ("membership-added", "membership-added-elsewhere"):
        assert "cig-pc / Ville A" in build(settings)(kind, of(kind)).text


def test_an_unknown_kind_or_a_missing_parameter_is_a_defect(settings: Settings) -> None:
    write = build(settings)
    with pytest.raises(KeyError):
        write("no-such-kind", PARAMETERS)
    with pytest.raises(TypeError, match="confirmed, mail, sn, structure"):
        write("account-created", {"given_name": "Zoé"})
    with pytest.raises(TypeError, match="link"):
        write("account-created", of("account-created", link="https://portail.example"))


def test_what_carries_a_link_says_so(settings: Settings) -> None:
    write = build(settings)
    assert write("address-changed", of("address-changed")).has_link
    assert not write("account-created", of("account-created")).has_link


def test_who_is_not_invited_reads_of_no_invitation(settings: Settings) -> None:
    write = build(settings)
    for invited in (True, False):
        mail = write("address-changed", of("address-changed", invited=invited))
        for body in (mail.text, mail.html or ""):
            assert ("Un mail envoyé à la nouvelle adresse" in body) == invited
            assert ("Vos accès restent les mêmes" in body) == invited
            assert "une autre l'a remplacée." in body


def test_an_address_left_by_mistake_reads_no_name(settings: Settings) -> None:
    mail = build(settings)("address-put-back", of("address-put-back"))
    assert not mail.has_link
    for body in (mail.text, mail.html or ""):
        assert "Bonjour," in body
        assert "ce compte en a une autre" in body, "not that of before, always"
        assert settings.organization.correspondant in body


def test_the_digest_names_what_came_and_what_went(settings: Settings) -> None:
    write = build(settings)
    text = write("roles-changed", of("roles-changed")).text
    assert "Rôles ajoutés :\n\n- BIP : Lecteur (cig-pc / Ville A)\n\nRôles retirés :" in text
    assert "Rôles retirés" not in write("roles-changed", of("roles-changed", withdrawn=[])).text
    assert "\n\n\n" not in text


def test_pages_are_made_for_every_reader(settings: Settings) -> None:
    """A language, a title, headings in order; nothing fetched, no table for the look."""
    for kind in OURS:
        html = build(settings)(kind, of(kind)).html or ""
        page = BeautifulSoup(html, "html.parser")
        assert page.html is not None
        assert page.html["lang"] == "fr"
        assert page.title is not None
        assert page.title.text.startswith("[Portail des applications du CIG] ")
        assert next(each.name for each in page.find_all(["h1", "h2", "h3"])) == "h1"
        assert len(page.find_all("h1")) == 1
        assert not page.find_all(["table", "img", "script", "link", "iframe"])
        assert "presentation" not in html
        assert "url(" not in html
        for link in page.find_all("a"):
            assert link["href"].removeprefix("mailto:") == link.text, "an address that one sees"


# --- the operator's own words ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "textes" / "courriels"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def own(settings: Settings, folder: Path) -> Settings:
    organization = replace(settings.organization, texts=str(folder.parent))
    return replace(settings, organization=organization)


def test_an_operator_words_a_mail_himself(own: Settings, folder: Path) -> None:
    (folder / "account-created.txt").write_text(
        "Objet : Bienvenue {{ given_name }}\n\nBonjour <vous>,\n\nAllez sur {{ portal_url }}\n"
        "avec {{ mail }}.\n"
    )
    mail = build(own)("account-created", of("account-created"))
    assert mail.subject == "[Portail des applications du CIG] Bienvenue Zoé"
    assert mail.text.startswith("Bonjour <vous>,\n\nAllez sur http://localhost:6543\navec zoe@")
    assert "Avis de confidentialité" in mail.text
    assert mail.html is not None
    assert "<p>Bonjour &lt;vous&gt;,</p>" in mail.html
    assert '<a href="http://localhost:6543"' in mail.html
    assert "<h1>Bienvenue Zoé</h1>" in mail.html
    assert "Avis de confidentialité" in mail.html


def test_a_subject_alone_leaves_our_text(own: Settings, folder: Path) -> None:
    (folder / "account-created.txt").write_text("Objet : Bienvenue\r\n")
    mail = build(own)("account-created", of("account-created"))
    assert mail.subject.endswith("] Bienvenue")
    assert "Première visite" in mail.text


def test_the_closing_of_every_mail_may_be_replaced(own: Settings, folder: Path) -> None:
    (folder / "avis.txt").write_text("{{ organization.name }} vous remercie.\n")
    (folder / "password-changed.txt").write_text("Mot de passe changé.\n")
    for kind in ("account-created", "password-changed"):
        mail = build(own)(kind, of(kind))
        for body in (mail.text, mail.html or ""):
            assert "CIG petite couronne vous remercie." in body
            assert "Avis de confidentialité" not in body


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("account-created", "Objet : x\n\n{{ given_name }}\n{{ prenom }}", 4, "« prenom »"),
        ("account-created", "{{ link }}", 1, "« link »"),
        ("account-created", "a\n{% if %}", 2, "Expected an expression"),
        ("account-created", "a\n\n{{ sn | nothing }}", 3, "nothing"),
        ("account-created", "{% include 'base.html.jinja2' %}", 1, "another file"),
        ("account-created", "{% import '/etc/passwd' as x %}", 1, "another file"),
        ("compte-cree", "Bonjour", 1, "« compte-cree »"),
        ("avis", "{{ mail }}", 1, "« mail »"),
    ],
)
def test_a_wrong_text_is_named_with_its_line_at_the_start(
    own: Settings, folder: Path, name: str, text: str, line: int, words: str
) -> None:
    (folder / f"{name}.txt").write_text(text)
    with pytest.raises(ConfigurationError) as wrong:
        build(own)
    assert f"{name}.txt, line {line}: " in wrong.value.cause
    assert words in wrong.value.cause


def test_a_text_that_is_no_utf8_is_named(own: Settings, folder: Path) -> None:
    (folder / "account-created.txt").write_bytes("été".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"account-created\.txt, line 1: .*UTF-8"):
        build(own)


FAILING = [
    "{{ mail.__class__.__mro__ }}",
    "{{ organization.__init__.__globals__ }}",
    "{{ (1).__class__.__base__.__subclasses__() }}",
    "{{ given_name.nothing }}",
    "{{ organization.nope }}",
    "{{ 1 / 0 }}",
    "{{ range(10 ** 9) | list }}",
    "{{ '{0.nope}'.format(mail) }}",
]


@pytest.mark.parametrize("text", FAILING)
def test_a_text_that_fails_or_breaks_out_is_refused_at_the_start(
    own: Settings, folder: Path, text: str
) -> None:
    (folder / "account-created.txt").write_text(f"Objet : x\n\nBonjour,\n{text}\n")
    with pytest.raises(ConfigurationError, match=r"account-created\.txt, line 4: "):
        build(own)


@pytest.mark.parametrize("text", FAILING)
def test_one_that_fails_for_some_people_gives_way_to_ours(
    own: Settings, folder: Path, text: str
) -> None:
    """It never fails the act that it tells of."""
    (folder / "account-created.txt").write_text(f"{{% if sn != 'Nom' %}}{text}{{% endif %}}")
    mail = build(own)("account-created", of("account-created"))
    assert "Première visite" in mail.text
    assert "object" not in mail.text


def test_a_closing_that_fails_is_refused_at_the_start(own: Settings, folder: Path) -> None:
    (folder / "avis.txt").write_text("Merci.\n\n{{ organization.nope }}\n")
    with pytest.raises(ConfigurationError, match=r"avis\.txt, line 3: .*nope"):
        build(own)


def test_no_date_is_no_word(own: Settings, folder: Path) -> None:
    (folder / "password-refused.txt").write_text("{{ why }} ({{ opens_at | french_date }})")
    write = build(own)
    assert "(20/01/2027)" in write("password-refused", of("password-refused")).text
    assert "ouvert. ()" in write("password-refused", of("password-refused", opens_at=None)).text


def test_every_mail_is_in_one_table_and_in_the_manual() -> None:
    manual = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    assert set(SAMPLES) == set(SUBJECTS)
    for kind in SUBJECTS:
        row = f"| `{kind}` | {' '.join(f'`{name}`' for name in sorted(SAMPLES[kind]))} |"
        assert row in manual, row


@pytest.mark.parametrize("kind", SUBJECTS)
def test_our_texts_need_nothing_but_what_they_are_given(settings: Settings, kind: str) -> None:
    assert build(settings)(kind, SAMPLES[kind]).html
