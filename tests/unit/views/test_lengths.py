"""Whatever is too long is told in French: what people type or choose, what a page carries."""

from collections.abc import Iterator

import colander
import pytest

from idp.self_service import PasswordPolicy
from views.schemas import access, change_password, creation, passwords, people, roles, structures
from views.schemas.sign_in import SignInSchema

TOO_LONG = "x" * 9999
NO_FIELDS_OFF: frozenset[str] = frozenset()
PART = people.Part("1", "Ville", bounded=True)
PLACES = creation.Structures(())
POLICY = PasswordPolicy(12, 72)

SCHEMAS = {
    "access": access.access_schema(()),
    "answer": access.answer_schema((), single=True, name="Léa"),
    "problem": access.ProblemSchema(),
    "address": creation.address_schema(),
    "person": creation.person_schema((), named=True, off=NO_FIELDS_OFF, search=True),
    "one page": creation.one_page_schema((), off=NO_FIELDS_OFF, search=True, generic=True),
    "roles": creation.roles_schema(()),
    "edit": people.edit_schema(account=True, link=True, parts=(PART,), off=NO_FIELDS_OFF),
    "address change": people.address_change_schema(generic=True),
    "move": people.move_schema(PLACES, (), search=True),
    "member dates": roles.member_dates_schema(),
    "member": roles.member_schema(),
    "other role": roles.other_role_schema(()),
    "structure": structures.structure_schema(siret=True, twin=True),
    "new structure": structures.new_structure_schema(twin=True),
    "sign in": SignInSchema(),
    "ask": passwords.AskSchema(),
    "choose": passwords.choose_schema("lea@ville.example", POLICY),
    "change": change_password.change_schema("lea@ville.example", POLICY),
}


def refusals(schema: colander.MappingSchema) -> Iterator[tuple[str, str]]:
    """What each text of the schema says of one that is too long."""
    for node in schema:
        if not isinstance(node.typ, colander.String):
            continue
        try:
            node.deserialize(TOO_LONG)
        except colander.Invalid as error:
            yield node.name, " ".join(map(str, error.messages()))


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_too_long_is_told_in_french(name: str) -> None:
    said = dict(refusals(SCHEMAS[name]))
    assert said
    for node, text in said.items():
        assert "maximum length" not in text, node
        assert text.endswith((".", "ville.fr")), node


def test_a_bound_says_that_it_is_one() -> None:
    """Not how long the text is."""
    said = dict(refusals(SCHEMAS["person"]))
    assert said["nom"] == "Ce texte est trop long : 100 caractères au plus."
    assert said["structure"] == "Choisissez une structure de la liste."
    assert said["dossier"] == "Cette page n'est plus valable : ouvrez-la de nouveau."
    assert dict(refusals(SCHEMAS["answer"]))["message"].endswith(" : 500 caractères au plus.")
