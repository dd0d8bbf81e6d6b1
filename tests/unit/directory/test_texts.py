import pytest

from directory.services.texts import (
    clean_code,
    clean_mail,
    clean_siret,
    clean_text,
    is_generic,
    optional_text,
    require_deliverable,
)
from idp.errors import DirectoryError

UNSEEN = ("\u3164", "\u115f", "\u1160", "\uffa0", "\u2800 \u00ad")


def test_clean_text() -> None:
    assert clean_text("  Le   Guen\n", "Nom", 100) == "Le Guen"
    assert clean_text("\ufeffla ges\u00adtion des ca\u202er\u200drières", "Motif", 100) == (
        "la gestion des carrières"
    )
    for wrong in ("", "  ", "\u00ad", "x" * 101, "a\x00b", *UNSEEN, "..", "- '"):
        with pytest.raises(DirectoryError) as caught:
            clean_text(wrong, "Nom", 100)
        assert caught.value.public.startswith("Nom : ")
    assert clean_text("N\u3164oël\u2800", "Nom", 100) == "Noël"
    assert clean_text("李", "Nom", 100) == "李"


def test_optional_text() -> None:
    assert optional_text(" Paie ", "Service", 100) == "Paie"
    assert [optional_text(each, "Service", 100) for each in (None, "", " ", *UNSEEN)] == [None] * 8
    with pytest.raises(DirectoryError, match="nothing to read"):
        optional_text("..", "Service", 100)


@pytest.mark.parametrize("code", ["", "é", "a b", "a@b", "a:b", "-a", "x" * 65, "a/b", "a\n"])
def test_codes_refused(code: str) -> None:
    with pytest.raises(DirectoryError, match="code"):
        clean_code(code)


@pytest.mark.parametrize("code", ["a", "collectivite-a", "A.1_b", "x" * 64])
def test_codes_taken(code: str) -> None:
    assert clean_code(code) == code


@pytest.mark.parametrize("mail", ["", "nobody", "a b@c.fr", "@c.fr", "a@", "a@b@c.fr", "a@b..fr"])
def test_mails_refused(mail: str) -> None:
    with pytest.raises(DirectoryError):
        clean_mail(mail)


def test_mail_taken_as_typed() -> None:
    assert clean_mail(" Agent.Un@demo.example ") == "Agent.Un@demo.example"


def test_addresses_where_mails_arrive() -> None:
    longest = "x" * 64 + "@ville.fr"
    spelt = "x@xn--mairie-t-h1ab.xn--p1ai"
    for mail in (longest, "lea.o'noel+rh@ville.fr", "x@mairie-été.fr", spelt):
        require_deliverable(mail)
    for mail, told in (
        ("x@y", "L'adresse x@y est incomplète"),
        ("x@ville.f", "est incomplète"),
        ("x@ville.93", "est incomplète"),
        (f"x{longest}", "au plus 64 caractères"),
        ("jérôme@ville.fr", "Vouliez-vous dire jerome@ville.fr ?"),
        ("\uff58@demo.example", "Vouliez-vous dire x@demo.example ?"),
        ("œuvre@demo.example", "Vouliez-vous dire oeuvre@demo.example ?"),
        ("дом@demo.example", "caractère particulier."),
    ):
        with pytest.raises(DirectoryError) as caught:
            require_deliverable(clean_mail(mail))
        assert told in caught.value.public, mail


@pytest.mark.parametrize(
    ("mail", "generic"),
    [
        ("rh@ville.fr", True),
        ("Contact@ville.fr", True),
        ("mairie@ville.fr", True),
        ("mairie-annexe@ville.fr", True),
        ("service-rh@ville.fr", True),
        ("marie.rh@ville.fr", False),
        ("agent@demo.example", False),
        ("correspondant@demo.example", False),
    ],
)
def test_generic_addresses(mail: str, generic: bool) -> None:  # noqa: FBT001
    assert is_generic(mail) == generic


def test_siret() -> None:
    assert clean_siret("219 300 001 00019") == "21930000100019"
    assert clean_siret("35600000000048") == "35600000000048"  # La Poste: Luhn holds
    assert clean_siret("35600000049837") == "35600000049837"  # La Poste: a sum of digits
    for wrong in ("21930000100018", "2193000010001", "2193000010001a", "²1930000100019", ""):
        with pytest.raises(DirectoryError):
            clean_siret(wrong)
