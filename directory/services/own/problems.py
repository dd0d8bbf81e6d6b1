"""*Signaler un problème*: what an error page showed, told to whoever can help."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from directory.referents import OF_PERSON, REFUSAL, ReferentRow, nearest_first, or_correspondant
from directory.services.own.people_now import lock_person
from directory.services.texts import optional_text
from idp.errors import TooMany
from idp.names import full_name
from idp.types import Referent

if TYPE_CHECKING:
    from idp.services import Core

DAY = timedelta(days=1)
PER_DAY = 10
"""Problems that a person may report within a day: each one is a mail to all of his référents."""

LONGEST = 1000
"""Characters of what he writes."""

REPORTED = "problem.reported"
_INCIDENT = re.compile(r"[0-9a-f]{16}")


class Problems:
    """Fulfils :class:`idp.self_service.IProblems`."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def report(
        self, subject_id: str, *, incident: str = "", entity_id: str = "", text: str = ""
    ) -> tuple[Referent, ...]:
        """See :meth:`idp.self_service.IProblems.report`."""
        said = optional_text(text, "Message", LONGEST) or ""
        known = incident if _INCIDENT.fullmatch(incident) else ""
        with self._core.db.unit_of_work() as session:
            # Locked, so that those who report at once are counted one after the other.
            person = lock_person(session, subject_id, self._core.clock.now())
            self._check_rate(subject_id)
            label, told = self._whom(subject_id, entity_id)
            for each in told:
                self._core.mailer.send(
                    each.mail,
                    "problem-reported",
                    {
                        "name": full_name(person.given_name, person.sn),
                        "mail": person.mail,
                        "incident": known,
                        "application": label,
                        "text": said,
                        "forward": each.mail != self._core.settings.organization.correspondant,
                        "portal_url": self._core.settings.url("/"),
                    },
                )
            self._core.audit.record(
                REPORTED,
                subject_id=subject_id,
                entity_id=entity_id if label else None,
                parameters={"incident": known, "told": len(told)},
            )
        return told

    def _check_rate(self, subject_id: str) -> None:
        since = self._core.clock.now() - DAY
        counts = self._core.audit.tally(REPORTED, subject_id, since=since)
        if sum(count for count, _ in counts.values()) >= PER_DAY:
            raise TooMany(
                f"{PER_DAY} problems a day",
                public=f"Vous avez déjà signalé {PER_DAY} problèmes depuis hier. Écrivez à "
                "votre référent administrateur.",
            )

    def _whom(self, subject_id: str, entity_id: str) -> tuple[str, tuple[Referent, ...]]:
        """The application's label, empty if none is known, and whom to tell."""
        values = {"subject_id": subject_id, "now": self._core.clock.now()}
        organization = self._core.settings.organization
        if entity_id:
            rows = self._core.db.rows(REFUSAL, {**values, "entity_id": entity_id})
            fields = len(ReferentRow._fields)
            found = nearest_first(ReferentRow._make(row[-fields:]) for row in rows)
            if rows:
                return str(rows[0].label), or_correspondant(found, organization)
        found = nearest_first(
            ReferentRow._make(row) for row in self._core.db.rows(OF_PERSON, values)
        )
        return "", or_correspondant(found, organization)
