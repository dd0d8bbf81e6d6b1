"""A day in a form: the browser's own field, or 20/11/2026 where one types it."""

from contextlib import suppress
from datetime import UTC, date, datetime

import colander
from deform.widget import TextInputWidget

FIRST_YEAR, LAST_YEAR = 2000, 2999
WRONG = "Écrivez la date ainsi : 20/11/2026."


class Day(colander.SchemaType):  # type: ignore[misc]
    """``2026-11-20`` as browsers send it, or ``20/11/2026``."""

    def serialize(self, node: colander.SchemaNode, appstruct: object) -> object:
        """As the browser's field takes it."""
        del node
        return appstruct.isoformat() if isinstance(appstruct, date) else colander.null

    def deserialize(self, node: colander.SchemaNode, cstruct: object) -> object:
        """Read a day.

        Raises:
            colander.Invalid: it is none.
        """
        if cstruct is colander.null or not str(cstruct).strip():
            return colander.null
        for form in ("%Y-%m-%d", "%d/%m/%Y"):
            with suppress(ValueError):
                day = datetime.strptime(str(cstruct).strip(), form).replace(tzinfo=UTC).date()
                if FIRST_YEAR <= day.year <= LAST_YEAR:
                    return day
        raise colander.Invalid(node, WRONG)


def day_node(name: str, title: str, description: str = "") -> colander.SchemaNode:
    """A day that may be left empty: None."""
    return colander.SchemaNode(
        Day(),
        name=name,
        title=title,
        description=description,
        missing=None,
        widget=TextInputWidget(attributes={"type": "date"}),
    )
