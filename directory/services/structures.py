"""The tree of structures."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import or_, select, true
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, StructureTarget, require
from directory.models import Structure
from directory.search import search_key
from directory.services.lookup import structure_by_code
from directory.services.texts import clean_code, clean_siret, clean_text
from idp.errors import AlreadyExists, DirectoryError

if TYPE_CHECKING:
    from idp.services import Core

SEPARATOR = " / "
MAXIMUM_PATH = 400  # characters, as the columns hold
MAXIMUM_LABEL_PATH = 2000


@dataclass(frozen=True, slots=True)
class StructureLine:
    """A structure in a list; ``depth`` is 0 for a root; ``siret`` its own, not an ancestor's."""

    code: str
    label: str
    label_path: str
    depth: int
    siret: str | None
    closed: bool


class Structures:
    """Adds, lists and changes structures."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def add(
        self,
        actor: Actor,
        code: str,
        label: str,
        *,
        parent: str | None = None,
        siret: str | None = None,
    ) -> Structure:
        """Create a structure below the one of code ``parent``; without: a root.

        Raises:
            NotAllowed: outside his subtrees, or a SIRET by other than the correspondant.
            NotFound: no such parent.
            AlreadyExists: the code is taken.
            DirectoryError: a text is wrong, or the parent is closed.
        """
        with self._core.db.unit_of_work() as session:
            above = structure_by_code(session, parent) if parent else None
            require(
                actor, Permission.CREATE_STRUCTURE, StructureTarget(above.path if above else "")
            )
            if siret is not None:
                require(actor, Permission.SET_SIRET, StructureTarget(above.path if above else ""))
            if above and above.closed_at and above.closed_at <= self._core.clock.now():
                raise DirectoryError(
                    f"{parent} is closed", public=f"La structure « {above.label} » est fermée."
                )
            structure = Structure(
                code=self._free_code(session, code),
                label=clean_label(label),
                siret=clean_siret(siret) if siret else None,
                parent_id=above.id if above else None,
                path="",
                label_path="",
                search_key="",
            )
            session.add(structure)
            refresh_subtree(session, structure)
            self._core.audit.record(
                "structure.created",
                target=f"structure:{structure.code}",
                parameters={"label": structure.label, "parent": parent, "siret": structure.siret},
            )
            return structure

    def list(self, actor: Actor) -> tuple[StructureLine, ...]:
        """The structures that he may see, each after its parent, siblings by label."""
        bounds = [Structure.path.startswith(scope.root) for scope in actor.scopes]
        visible = true() if actor.everywhere else or_(*bounds) if bounds else None
        if visible is None:
            return ()
        now = self._core.clock.now()
        with self._core.db.reading() as session:
            found = session.scalars(select(Structure).where(visible)).all()
        return tuple(
            StructureLine(
                code=structure.code,
                label=structure.label,
                label_path=structure.label_path,
                depth=structure.path.count("/") - 2,
                siret=structure.siret,
                closed=structure.closed_at is not None and structure.closed_at <= now,
            )
            for structure in sorted(found, key=_by_tree)
        )

    def rename(self, actor: Actor, code: str, label: str) -> None:
        """Change a structure's label, and with it the label path of what is below.

        Raises:
            NotFound: no such structure.
            NotAllowed: outside his subtrees, or the root of his mandate.
            DirectoryError: the label is wrong.
        """
        with self._core.db.unit_of_work() as session:
            structure = structure_by_code(session, code)
            require(actor, Permission.RENAME_STRUCTURE, StructureTarget(structure.path))
            before, structure.label = structure.label, clean_label(label)
            self._changed(session, structure, "structure.renamed", before, structure.label)

    def set_siret(self, actor: Actor, code: str, siret: str | None) -> None:
        """Change a structure's SIRET; None: its ancestors' is in force.

        Raises:
            NotFound: no such structure.
            NotAllowed: not the correspondant's.
            DirectoryError: not a SIRET.
        """
        with self._core.db.unit_of_work() as session:
            structure = structure_by_code(session, code)
            require(actor, Permission.SET_SIRET, StructureTarget(structure.path))
            before, structure.siret = structure.siret, clean_siret(siret) if siret else None
            self._changed(session, structure, "structure.siret-changed", before, structure.siret)

    def _changed(
        self,
        session: Session,
        structure: Structure,
        code: str,
        before: str | None,
        after: str | None,
    ) -> None:
        """Refresh what depends on it and journal, unless nothing changed."""
        if before == after:
            return
        refresh_subtree(session, structure)
        self._core.audit.record(
            code,
            target=f"structure:{structure.code}",
            parameters={"before": before, "after": after},
        )

    @staticmethod
    def _free_code(session: Session, code: str) -> str:
        clean = clean_code(code)
        if session.scalar(select(Structure.id).where(Structure.code == clean)) is not None:
            raise AlreadyExists(
                f"structure {clean}", public=f"Une structure a déjà le code « {clean} »."
            )
        return clean


def refresh_subtree(session: Session, structure: Structure) -> None:
    """Write what is derived (paths, SIRET in force, search key) of a structure and all below it.

    The only writer of these columns; to be called after any change of label, SIRET or parent.

    Raises:
        DirectoryError: the structure was moved below itself, or its path is too long.
    """
    session.flush()
    below = (
        session.scalars(
            select(Structure).where(
                Structure.path.startswith(structure.path), Structure.id != structure.id
            )
        ).all()
        if structure.path
        else ()
    )
    known = {structure.id: structure, **{each.id: each for each in below}}
    parent = session.get(Structure, structure.parent_id) if structure.parent_id else None
    if parent is not None and parent.id in known:
        raise DirectoryError(
            f"{structure.code} below itself",
            public="Une structure ne peut pas être placée sous elle-même.",
        )
    _refresh(structure, parent)
    # By their old paths: a parent always comes before its children.
    for each in sorted(below, key=lambda one: one.path.count("/")):
        _refresh(each, known[each.parent_id] if each.parent_id else None)
    session.flush()


def _refresh(structure: Structure, parent: Structure | None) -> None:
    above = parent.path if parent else "/"
    structure.path = f"{above}{structure.id}/"
    structure.label_path = (
        parent.label_path + SEPARATOR + structure.label if parent else structure.label
    )
    if len(structure.path) > MAXIMUM_PATH or len(structure.label_path) > MAXIMUM_LABEL_PATH:
        raise DirectoryError(
            f"{structure.code}: path too long", public="L'arborescence est trop profonde ici."
        )
    inherited = parent.siret_in_force if parent else None
    structure.siret_in_force = structure.siret or inherited
    structure.search_key = search_key(structure.label)


def clean_label(label: str) -> str:
    """A structure's label. It can't hold the separator of paths: it would forge another path.

    Raises:
        DirectoryError: empty, too long, or with the separator.
    """
    clean = clean_text(label, "Libellé", 200)
    if SEPARATOR in clean:
        raise DirectoryError(
            f"label {clean!r} holds the separator",
            public="Le libellé d'une structure ne peut pas contenir une barre « / » isolée.",
        )
    return clean


def _by_tree(structure: Structure) -> list[tuple[str, int]]:
    """Labels from the root down; the ids keep the children of namesakes apart."""
    labels = structure.label_path.split(SEPARATOR)
    ids = structure.path.strip("/").split("/")
    return [(search_key(label), int(one)) for label, one in zip(labels, ids, strict=True)]
