from idp.names import full_name, of


def test_full_name() -> None:
    assert full_name("Léa", "Noël") == "Léa NOËL"


def test_of() -> None:
    for name in ("Agnès", "Élodie", "Océane PETIT", "Hélène", "Hugo", "Yves", "Emploi", "Œuvres"):
        assert of(name) == f"d'{name}"
    for name in ("Léa", "Hassan", "Yann", "Youssef", "Net-CAP", "2 rues", ""):
        assert of(name) == f"de {name}"
