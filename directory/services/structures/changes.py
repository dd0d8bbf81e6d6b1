"""The tree of structures, as it is changed; :mod:`directory.services.structures.tree` shows it."""

import re
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_hex
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import Session

from directory.authorisation import Actor, Permission, StructureTarget, require
from directory.models import Structure
from directory.scope import visible_to
from directory.search import search_key
from directory.services.lookup import structure_by_code, structure_in_scope
from directory.services.texts import clean_code, clean_siret, clean_text
from directory.validity import is_over
from idp.errors import AlreadyDone, AlreadyExists, DirectoryError, StaleEdit
from idp.names import ISOLATED_BAR, SEPARATOR, parts_paths

if TYPE_CHECKING:
    from idp.services import Core

MAXIMUM_PATH = 400  # characters, as the columns hold
MAXIMUM_LABEL_PATH = 2000
_READABLE = 40  # characters of a code that are made of the label
_END = 8  # and of its end


@dataclass(frozen=True, slots=True)
class StructureLine:
    """A structure in a list; ``depth`` is 0 for a root; ``siret`` its own, not an ancestor's."""

    code: str
    label: str
    label_path: str
    depth: int
    siret: str | None
    closed: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """What a structure is to be called, and its own SIRET; None: its ancestors' is in force.

    ``version``: :func:`version_of` what the person saw. ``twin_ok``: he wants this label although
    a sibling has it.
    """

    label: str
    siret: str | None
    version: str
    twin_ok: bool = False


class AlreadyCreated(AlreadyDone):
    """The very form made the structure of code ``structure`` before."""

    def __init__(self, structure: str) -> None:
        super().__init__(f"structure {structure} is what this form made")
        self.structure = structure


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
            if above:
                lock_tree(session, above)
            require(
                actor, Permission.CREATE_STRUCTURE, StructureTarget(above.path if above else "")
            )
            if siret is not None:
                require(actor, Permission.SET_SIRET, StructureTarget(above.path if above else ""))
            if above and is_over(above.closed_at, self._core.clock.now()):
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

    def create(
        self, actor: Actor, parent: str, label: str, *, form: str = "", twin_ok: bool = False
    ) -> str:
        """Create a structure below that one, with a code of our own; its code.

        ``form`` tells one form from another: the same one, sent again as it was, makes no second.
        Empty: nothing is known of it.

        Raises:
            NotAllowed: no such parent in his subtrees.
            AlreadyCreated: this form made it.
            AlreadyExists: a sibling has this label, and not ``twin_ok``.
            DirectoryError: the label is wrong, or the parent is closed.
        """
        with self._core.db.unit_of_work() as session:
            above = structure_in_scope(session, actor, parent)
            lock_tree(session, above)
            code = _new_code(actor, above, label, form or token_hex(8))
            made = select(Structure.id).where(
                Structure.code == code, Structure.parent_id == above.id
            )
            if session.scalar(made) is not None:
                raise AlreadyCreated(code)
            if not twin_ok:
                _refuse_twin(session, above.id, label)
            return self.add(actor, code, label, parent=parent).code

    def edit(self, actor: Actor, code: str, edit: Edit) -> None:
        """Change a structure's label and SIRET, if it is still as the person saw it.

        Raises:
            NotAllowed: no such structure in his subtrees, the root of his mandate, or a SIRET by
                other than the correspondant.
            AlreadyDone: it was changed meanwhile, to what he typed.
            StaleEdit: it was changed meanwhile, to something else.
            AlreadyExists: a sibling has this label, and not ``twin_ok``.
            DirectoryError: the label or the SIRET is wrong.
        """
        with self._core.db.unit_of_work() as session:
            structure = structure_in_scope(session, actor, code)
            require(actor, Permission.RENAME_STRUCTURE, StructureTarget(structure.path))
            lock_tree(session, structure)
            label, siret = clean_label(edit.label), clean_siret(edit.siret) if edit.siret else None
            if edit.version != version_of(structure):
                if (label, siret) == (structure.label, structure.siret):
                    raise AlreadyDone(f"structure {code} is as it was typed")
                raise StaleEdit(f"structure {code}")
            relabelled = label != structure.label
            if relabelled and not edit.twin_ok:
                _refuse_twin(session, structure.parent_id, label, besides=structure.id)
            if siret != structure.siret:
                self.set_siret(actor, code, siret)
            self.rename(actor, code, label)

    def list(self, actor: Actor) -> tuple[StructureLine, ...]:
        """The structures that he may see, each after its parent, siblings by label."""
        now = self._core.clock.now()
        with self._core.db.reading() as session:
            found = session.scalars(select(Structure).where(visible_to(actor))).all()
        return tuple(
            StructureLine(
                code=structure.code,
                label=structure.label,
                label_path=structure.label_path,
                depth=structure.path.count("/") - 2,
                siret=structure.siret,
                closed=is_over(structure.closed_at, now),
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
            lock_tree(session, structure)
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
            lock_tree(session, structure)
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


def version_of(structure: Structure) -> str:
    """What an edit of it starts from: its label, SIRET and end, in short."""
    parts = (structure.label, structure.siret or "", str(structure.closed_at or ""))
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def lock_tree(session: Session, structure: Structure) -> None:
    """Let changes of one tree wait for each other; what this transaction knew is read anew.

    A label path depends on what is above, a closing on what is below, a namesake on what is
    beside: so the lock is the root's. Memberships in it are still added meanwhile, but for a
    structure whose own name changes (:mod:`directory.models.search_keys`).
    """
    root = int(structure.path.split("/")[1])
    session.flush()
    session.execute(
        select(Structure.id).where(Structure.id == root).with_for_update(key_share=True)
    )
    session.expire_all()


def _refuse_twin(session: Session, parent_id: int | None, label: str, *, besides: int = 0) -> None:
    """Refuse a label that a sibling has, but for accents, case and hyphens."""
    twin = session.scalar(
        select(Structure.label)
        .where(
            Structure.parent_id == parent_id,
            Structure.search_key == search_key(clean_label(label)),
            Structure.id != besides,
        )
        .limit(1)
    )
    if twin is not None:
        raise AlreadyExists(
            f"label {label!r} twice",
            public=f"Une structure « {twin} » existe déjà au même endroit.",
        )


def _new_code(actor: Actor, above: Structure, label: str, form: str) -> str:
    """One code for what one form says; readable, with an end that hardly any other has.

    No number: it would tell of others elsewhere.
    """
    said = (actor.subject_id, str(above.id), clean_label(label), form)
    end = sha256("\n".join(said).encode()).hexdigest()[:_END]
    readable = re.sub(r"[^a-z0-9]+", "-", search_key(label))[:_READABLE].strip("-")
    return f"{readable or 'structure'}-{end}"


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
    clean = clean_text(label, "Nom de la structure", 200)
    if parts_paths(clean):
        raise DirectoryError(
            f"label {clean!r} holds the separator",
            public=ISOLATED_BAR,
        )
    return clean


def _by_tree(structure: Structure) -> list[tuple[str, int]]:
    """Labels from the root down; the ids keep the children of namesakes apart."""
    labels = structure.label_path.split(SEPARATOR)
    ids = structure.path.strip("/").split("/")
    return [(search_key(label), int(one)) for label, one in zip(labels, ids, strict=True)]
