import re
from datetime import UTC, datetime

import pytest
from jinja2 import UndefinedError

from idp.settings import Settings
from views.mails import SUBJECTS, build

PARAMETERS = {
    "given_name": "Zoé",
    "sn": "D'Été <b>",
    "mail": "zoe@ville.example",
    "structure": "cig-pc / Ville A",
    "application": "BIP",
    "role": "Lecteur",
    "kid": "20261120-0a1b2c3d",
    "use": "encryption",
    "ends_at": datetime(2027, 1, 20, tzinfo=UTC),
}


@pytest.mark.parametrize("kind", sorted(SUBJECTS))
def test_every_mail_has_a_subject_a_text_and_a_page(settings: Settings, kind: str) -> None:
    mail = build(settings)(kind, PARAMETERS)
    assert mail.subject.startswith("[Portail des applications du CIG] ")
    assert "\n" not in mail.subject
    assert mail.html is not None
    for body in (mail.text, mail.html):
        # Whom or what it is about.
        assert ("20261120-0a1b2c3d" if kind == "key-ending" else "zoe@ville.example") in body
        assert "Avis de confidentialité" in body
        assert not re.search(r"[?&](token|jeton|lien)=", body)
    assert '<html lang="fr">' in mail.html
    assert "<b>" not in mail.html
    assert "&lt;" not in mail.text


def test_the_first_mail_says_what_the_guide_says(settings: Settings) -> None:
    mail = build(settings)("account-created", PARAMETERS)
    assert mail.subject == (
        "[Portail des applications du CIG] Création de votre profil utilisateur"
    )
    assert "avec cet identifiant [zoe@ville.example]" in mail.text
    assert "http://localhost:6543" in mail.text
    assert mail.html is not None
    for body in (mail.text, mail.html):
        assert "Première visite" not in body, "no page offers it yet"
        assert "adressez-vous à votre référent administrateur" in body
        assert settings.organization.correspondant in body
    assert "Bonjour Zoé D'ÉTÉ <B>," in mail.text


def test_the_structure_is_named(settings: Settings) -> None:
    for kind in ("membership-added", "membership-added-elsewhere"):
        assert "cig-pc / Ville A" in build(settings)(kind, PARAMETERS).text


def test_an_unknown_kind_or_a_missing_parameter_is_a_defect(settings: Settings) -> None:
    write = build(settings)
    with pytest.raises(KeyError):
        write("no-such-kind", PARAMETERS)
    with pytest.raises(UndefinedError):
        write("account-created", {"given_name": "Zoé"})
