"""The shapes of *Demander un accès*, of its answer, and of *Signaler un problème*."""

from collections.abc import Iterable

import colander
from deform.widget import CheckboxChoiceWidget, RadioChoiceWidget, TextAreaWidget

from views.schemas.fields import at_most, hidden_node, missing_if_unseen

MAX_TEXT = 500
MAX_PROBLEM = 1000
MAX_ID = 200

Option = tuple[str, str, str]
"""Value, title, and what it means (empty: nothing more)."""


class Options(RadioChoiceWidget):  # type: ignore[misc]
    """One of several, each with its description."""

    def __init__(self, options: Iterable[Option]) -> None:
        given = tuple(options)
        super().__init__(values=[(value, title) for value, title, _ in given])
        self.descriptions = {value: more for value, _, more in given}


class Ticks(CheckboxChoiceWidget):  # type: ignore[misc]
    """Any of several, each with its description."""

    def __init__(self, options: Iterable[Option]) -> None:
        given = tuple(options)
        super().__init__(values=[(value, title) for value, title, _ in given])
        self.descriptions = {value: more for value, _, more in given}


def access_schema(applications: Iterable[Option]) -> colander.MappingSchema:
    """Which application, for which structure, and why; the service knows what is on offer."""
    schema = colander.MappingSchema()
    schema.add(
        colander.SchemaNode(
            colander.String(),
            name="application",
            title="Application",
            missing_msg="Choisissez une application.",
            validator=at_most(MAX_ID, "Choisissez une application de la liste."),
            widget=Options(applications),
        )
    )
    schema.add(
        colander.SchemaNode(
            colander.String(),
            name="motif",
            title="Pourquoi en avez-vous besoin ?",
            description=f"Votre référent le lira pour décider. {MAX_TEXT} caractères au plus.",
            missing_msg="Dites pourquoi vous avez besoin de cette application.",
            preparer=missing_if_unseen,
            validator=at_most(MAX_TEXT),
            widget=TextAreaWidget(attributes={"maxlength": str(MAX_TEXT)}),
        )
    )
    schema.add(hidden_node("rattachement", MAX_ID))
    return schema


def answer_schema(roles: Iterable[Option], *, single: bool, name: str) -> colander.MappingSchema:
    """The roles to give (one where the application takes one alone), and a message."""
    schema = colander.MappingSchema()
    given = tuple(roles)
    schema.add(
        colander.SchemaNode(
            colander.String() if single else colander.Set(),
            name="roles",
            title="Rôle à donner" if single else "Rôles à donner",
            missing="" if single else (),
            widget=Options(given) if single else Ticks(given),
        )
    )
    schema.add(
        colander.SchemaNode(
            colander.String(),
            name="message",
            title=f"Message à {name}",
            description="Pour refuser, dites pourquoi.",
            missing="",
            when="obligatoire pour refuser",
            preparer=missing_if_unseen,
            validator=at_most(MAX_TEXT),
            widget=TextAreaWidget(rows=3, attributes={"maxlength": str(MAX_TEXT)}),
        )
    )
    return schema


class ProblemSchema(colander.MappingSchema):  # type: ignore[misc]
    """What the person says, and what the page that he comes from knew."""

    message = colander.SchemaNode(
        colander.String(),
        title="Que faisiez-vous, et qu'attendiez-vous ?",
        description=f"Quelques mots suffisent. {MAX_PROBLEM} caractères au plus.",
        missing="",
        validator=at_most(MAX_PROBLEM),
        widget=TextAreaWidget(attributes={"maxlength": str(MAX_PROBLEM)}),
    )
    incident = hidden_node("incident", MAX_ID)
    sp = hidden_node("sp", 1024)
