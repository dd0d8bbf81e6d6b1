import pytest

from directory.search import mail_key, search_key
from directory.services.texts import clean_mail
from idp.throttle import folded_hash


@pytest.mark.parametrize(
    ("texts", "key"),
    [
        (("Leïla",), "leila"),
        (("LEÏLA", "Bénali"), "leila benali"),
        (("Cœur", "Lætitia"), "coeur laetitia"),
        (("Jean-Pierre", "d'Almeida"), "jean pierre d almeida"),
        (("Jean\u2010Pierre".replace("\u2010", "-"), "d\u2019Almeida"), "jean pierre d almeida"),
        (("  Le   Guen ", ""), "le guen"),
        (("Straße",), "strasse"),
        (("e\u0301",), "e"),
    ],
)
def test_search_key(texts: tuple[str, ...], key: str) -> None:
    assert search_key(*texts) == key


def test_an_address_is_the_same_with_invisible_signs() -> None:
    """What is copied from a mail or a document brings them along, wherever it is then pasted."""
    for sign in "\u200b\u00ad\u2060\ufeff\u200e\u3164":
        for pasted in (f"Léa@ville.fr {sign}", f"{sign} Léa@ville.fr", f"Lé{sign}a@vil{sign}le.fr"):
            assert mail_key(pasted) == mail_key("Léa@ville.fr")
            assert clean_mail(pasted) == "Léa@ville.fr"
            assert folded_hash(pasted) == folded_hash("Léa@ville.fr")
    for apart, whole in (
        ("rene\u200b\u0301@ville.fr", "rené@ville.fr"),
        ("x@colle\u00ad\u0301ge.fr", "x@collége.fr"),
    ):
        assert mail_key(apart) == mail_key(whole)
        assert folded_hash(apart) == folded_hash(whole), "one counter for one account"


@pytest.mark.parametrize("mail", [" Leila@Ville-A.fr", "leila@ville-a.fr ", "LEILA@VILLE-A.FR"])
def test_mail_key_folds_case_and_spaces(mail: str) -> None:
    assert mail_key(mail) == "leila@ville-a.fr"


def test_mail_key_keeps_accents_and_composes_them() -> None:
    assert mail_key("He\u0301le\u0300ne@ville.fr") == "hélène@ville.fr"
    assert mail_key("hélène@ville.fr") != mail_key("helene@ville.fr")


def test_mail_key_knows_both_spellings_of_a_domain() -> None:
    assert mail_key("Lea@xn--mairie-t-h1ab.fr") == mail_key("lea@Mairie-ÉTÉ.fr")
    for odd in ("lea@xn--\u00e9.fr", "xn--", "xn--99999999@x.fr", f"a@xn--{'9' * 70}.fr"):
        assert mail_key(odd) == odd
