"""Applications and their roles: the correspondant's."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from directory.authorisation import Actor, ApplicationTarget, Permission, require
from directory.models import Application, Role
from directory.services.lookup import application_by_code
from directory.services.texts import clean_code, clean_text, optional_text
from idp.errors import AlreadyExists, DirectoryError

if TYPE_CHECKING:
    from idp.services import Core


class Applications:
    """Adds applications and roles."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def add(
        self,
        actor: Actor,
        code: str,
        label: str,
        *,
        url: str | None = None,
        description: str = "",
        icon: str = "",
        single_role: bool = False,
    ) -> Application:
        """Create an application; ``url`` is what its tile opens when no SP is attached to it.

        Raises:
            NotAllowed: not the correspondant.
            AlreadyExists: the code is taken.
            DirectoryError: a text is wrong, or the URL is not http(s).
        """
        require(actor, Permission.MANAGE_APPLICATION, ApplicationTarget(None))
        if url is not None and not url.startswith(("https://", "http://")):
            raise DirectoryError(
                f"url {url!r}", public="L'adresse doit commencer par https:// ou http://."
            )
        clean = clean_code(code)
        with self._core.db.unit_of_work() as session:
            if session.scalar(select(Application.id).where(Application.code == clean)) is not None:
                raise AlreadyExists(
                    f"application {clean}", public=f"Une application a déjà le code « {clean} »."
                )
            application = Application(
                code=clean,
                label=clean_text(label, "Libellé", 200),
                description=optional_text(description, "Description", 500) or "",
                icon=icon,
                start_url=url,
                single_role=single_role,
            )
            session.add(application)
            session.flush()
            self._core.audit.record(
                "application.created",
                target=f"application:{clean}",
                parameters={"label": application.label, "url": url},
            )
            return application

    def schedule(
        self,
        actor: Actor,
        code: str,
        *,
        opens_at: datetime | None = None,
        closes_at: datetime | None = None,
        message: str = "",
    ) -> None:
        """Open an application from / until; outside, its tile says ``message`` and sign-on is no.

        What is not given bounds no more.

        Raises:
            NotFound: no such application.
            NotAllowed: not the correspondant.
            DirectoryError: it would close before it opens, or the message is too long.
        """
        said = optional_text(message, "Message", 500)
        if opens_at is not None and closes_at is not None and closes_at <= opens_at:
            raise DirectoryError(
                "dates in the wrong order", public="La fermeture doit suivre l'ouverture."
            )
        with self._core.db.unit_of_work() as session:
            found = application_by_code(session, code)
            require(actor, Permission.MANAGE_APPLICATION, ApplicationTarget(found.id))
            before = _opening(found)
            found.opens_at, found.closes_at, found.closed_message = opens_at, closes_at, said
            if _opening(found) != before:
                self._core.audit.record(
                    "application.scheduled",
                    target=f"application:{found.code}",
                    parameters={"before": before, "after": _opening(found)},
                )

    def add_role(
        self, actor: Actor, application: str, code: str, label: str, *, value: str | None = None
    ) -> Role:
        """Create a role; ``value`` is what the SP receives, the code unless told otherwise.

        Raises:
            NotFound: no such application.
            NotAllowed: not the correspondant.
            AlreadyExists: the application has a role of this code.
            DirectoryError: a text is wrong.
        """
        clean = clean_code(code)
        with self._core.db.unit_of_work() as session:
            owner = application_by_code(session, application)
            require(actor, Permission.MANAGE_APPLICATION, ApplicationTarget(owner.id))
            taken = select(Role.id).where(Role.application_id == owner.id, Role.code == clean)
            if session.scalar(taken) is not None:
                raise AlreadyExists(
                    f"role {application}:{clean}",
                    public=f"L'application « {owner.label} » a déjà un rôle de code « {clean} ».",
                )
            role = Role(
                application_id=owner.id,
                code=clean,
                label=clean_text(label, "Libellé", 200),
                value=clean_text(value if value is not None else clean, "Valeur", 256),
            )
            session.add(role)
            session.flush()
            self._core.audit.record(
                "role.created",
                target=f"role:{owner.code}:{clean}",
                parameters={"label": role.label, "value": role.value},
            )
            return role


def _opening(application: Application) -> dict[str, str | None]:
    """As the journal keeps it."""
    opens_at, closes_at = application.opens_at, application.closes_at
    return {
        "opens": opens_at.isoformat() if opens_at else None,
        "closes": closes_at.isoformat() if closes_at else None,
        "message": application.closed_message,
    }
