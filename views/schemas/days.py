"""A day in a form: the browser's own field, or 20/11/2026 where one types it."""

import re
from datetime import date

import colander
from deform.widget import TextInputWidget

FIRST_YEAR, LAST_YEAR = 2000, 2999
WRONG = "Écrivez la date ainsi : 20/11/2026."
ABSENT = "Cette date n'existe pas."
FAR = f"Écrivez une date de {FIRST_YEAR} à {LAST_YEAR}."

_ISO = re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})", re.ASCII)
_FRENCH = re.compile(r"(?P<day>\d{1,2})/(?P<month>\d{1,2})/(?P<year>\d{4})", re.ASCII)


class Day(colander.SchemaType):  # type: ignore[misc]
    """``2026-11-20`` as browsers send it, or ``20/11/2026``."""

    def serialize(self, node: colander.SchemaNode, appstruct: object) -> object:
        """As the browser's field takes it."""
        del node
        return appstruct.isoformat() if isinstance(appstruct, date) else colander.null

    def deserialize(self, node: colander.SchemaNode, cstruct: object) -> object:
        """Read a day.

        Raises:
            colander.Invalid: it is written otherwise, is in no calendar, or is too far away.
        """
        if cstruct is colander.null or not str(cstruct).strip():
            return colander.null
        text = str(cstruct).strip()
        written = _ISO.fullmatch(text) or _FRENCH.fullmatch(text)
        if written is None:
            raise colander.Invalid(node, WRONG)
        try:
            day = date(*(int(written[part]) for part in ("year", "month", "day")))
        except ValueError as error:
            raise colander.Invalid(node, ABSENT) from error
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise colander.Invalid(node, FAR)
        return day


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
