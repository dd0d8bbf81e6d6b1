from views.structures import told_apart

A, B = "cig / villes / Ville A", "cig / villes / Ville B"


def test_two_towns_are_told_apart_by_the_town() -> None:
    paths = [f"{A} / DRH / Service paie", f"{B} / Direction du personnel"]
    assert list(told_apart(paths).values()) == ["Ville A", "Ville B"]


def test_in_one_town_the_first_department_that_differs_tells() -> None:
    paths = [f"{A} / DRH / Paie", f"{A} / DRH / Formation", f"{A} / DRH"]
    assert list(told_apart(paths).values()) == ["Paie", "Formation", "DRH"]


def test_one_alone_bears_its_own_name_and_none_is_nothing() -> None:
    assert told_apart([A]) == {A: "Ville A"}
    assert told_apart([]) == {}
