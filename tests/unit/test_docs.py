"""What the pages say exists: tests, files, modules, `make` targets, links, and the ASVS's rows."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from idp.db import Base
from tests.common.processes import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
ROOMS = ("idp", "directory", "metadata", "views")
FOLDERS = (*ROOMS, "tests", "docs", "deploy", "requirements")

FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
TEST = re.compile(r"\btests/[\w./-]+\.py(?:::\w+)+")
PATH = re.compile(rf"(?<![\w/.<-])(?:{'|'.join(FOLDERS)})/[\w./-]*")
DOTTED = re.compile(rf"(?<![\w/.-])(?:{'|'.join(ROOMS)})(?:\.\w+)+")
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(#[^)\s]*)?\)")

REQUIREMENT = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:\u2013(\d+))?")
STATUSES = ("operator", "n/a", "not yet")

# OWASP ASVS 5.0.0: how many requirements of level 1 and 2 each section has. They come first in
# their section, so the numbers are 1 to that.
SECTIONS = {
    "1": {1: 2, 2: 9, 3: 11, 4: 3, 5: 2},
    "2": {1: 3, 2: 3, 3: 4, 4: 1},
    "3": {2: 2, 3: 4, 4: 6, 5: 5, 7: 2},
    "4": {1: 3, 2: 1, 3: 2, 4: 4},
    "5": {1: 1, 2: 3, 3: 2, 4: 3},
    "6": {1: 3, 2: 12, 3: 4, 4: 4, 5: 5, 6: 3, 8: 4},
    "7": {1: 3, 2: 4, 3: 2, 4: 5, 5: 2, 6: 2},
    "8": {1: 2, 2: 3, 3: 1, 4: 1},
    "9": {1: 3, 2: 4},
    "10": {1: 2, 2: 2, 3: 4, 4: 11, 5: 5, 6: 2, 7: 3},
    "11": {1: 2, 2: 3, 3: 3, 4: 4, 5: 1, 6: 1},
    "12": {1: 3, 2: 2, 3: 4},
    "13": {1: 1, 2: 5, 3: 2, 4: 5},
    "14": {1: 2, 2: 4, 3: 3},
    "15": {1: 3, 2: 3, 3: 7},
    "16": {1: 1, 2: 5, 3: 4, 4: 3, 5: 3},
    "17": {1: 1, 2: 4, 3: 2},
}


def page_name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def code_of(text: str) -> str:
    """What stands in backquotes or fences, line by line."""
    return "\n".join([*FENCED.findall(text), *INLINE.findall(FENCED.sub("", text))])


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def defined(body: list[ast.stmt]) -> Iterator[tuple[str, list[ast.stmt]]]:
    """The names that a module or a class defines, each with what is inside of it."""
    for node in body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node.body
            case ast.Assign(targets=targets):
                yield from ((name.id, []) for name in targets if isinstance(name, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, []


def holds(path: Path, names: list[str]) -> bool:
    """Whether the file defines the first name, with the second inside of it, and so on."""
    body = tree(path).body
    for name in names:
        found = dict(defined(body))
        if name not in found:
            return False
        body = found[name]
    return True


def module_holds(dotted: str) -> bool:
    """Whether this is a module of ours, or something defined in one."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        base = REPOSITORY.joinpath(*parts[:cut])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.exists():
                return holds(path, parts[cut:])
    return False


def wrong_tests(text: str) -> list[str]:
    return [
        named
        for named in TEST.findall(text)
        if not (REPOSITORY / named.split("::")[0]).exists()
        or not holds(REPOSITORY / named.split("::")[0], named.split("::")[1:])
    ]


def wrong_paths(text: str) -> list[str]:
    named = {path.rstrip(".") for path in PATH.findall(code_of(text))}
    return sorted(path for path in named if not (REPOSITORY / path).exists())


def wrong_modules(text: str) -> list[str]:
    """Dotted names that are neither code of ours nor a setting."""
    settings = (REPOSITORY / "development.ini").read_text(encoding="utf-8")
    known = set(re.findall(r"^(?:# )?([a-z_]+\.[a-z_.]+) =", settings, re.MULTILINE))
    return sorted(
        dotted
        for dotted in set(DOTTED.findall(code_of(text)))
        if dotted not in known and not module_holds(dotted)
    )


def wrong_targets(text: str) -> list[str]:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    return sorted(set(TARGET.findall(code_of(text))) - targets)


def anchors(text: str) -> set[str]:
    """What a forge calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {
        "#" + re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in headings
    }


def wrong_links(page: Path, text: str) -> list[str]:
    wrong = []
    for path, anchor in LINK.findall(FENCED.sub("", text)):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            wrong.append(path + anchor)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert wrong_tests(text) == []
    assert wrong_paths(text) == []
    assert wrong_modules(text) == []
    assert wrong_targets(text) == []
    assert wrong_links(page, text) == []


def test_what_does_not_exist_is_found() -> None:
    here = "tests/unit/test_docs.py"
    assert wrong_tests(f"`{here}::test_nothing` {here}::page_name tests/nowhere.py::test_x") == [
        f"{here}::test_nothing",
        "tests/nowhere.py::test_x",
    ]
    text = (
        "`idp/nothing.py`, `idp.keys`, `idp.db.Database.unit_of_work`, `idp.db.Database.nothing`\n"
        "`make nothing`, make sure, `make test`, `views.nothing` `tests/unit/idp`\n"
        "```\nmetadata/absent/\nmake bench\n```\n"
    )
    assert wrong_paths(text) == ["idp/nothing.py", "metadata/absent/"]
    assert wrong_modules(text) == ["idp.db.Database.nothing", "views.nothing"]
    assert wrong_targets(text) == ["nothing"]
    links = "[a](docs/operations.md#keys) [b](docs/operations.md#locks) [c](gone.md) [d](https://x)"
    assert wrong_links(REPOSITORY / "README.md", links) == ["docs/operations.md#locks", "gone.md"]


# --- the checklist of the ASVS -----------------------------------------------------------------


def rows() -> Iterator[tuple[str, list[str]]]:
    """The requirements of the checklist, each with the cells of its row."""
    for line in (REPOSITORY / "docs" / "asvs.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or not REQUIREMENT.match(cells[0]):
            continue
        for chapter, section, first, last in REQUIREMENT.findall(cells[0]):
            for number in range(int(first), int(last or first) + 1):
                yield f"{chapter}.{section}.{number}", cells


def status(cells: list[str]) -> str:
    """Met, unless the row says otherwise in bold."""
    said = re.match(r"\*\*([a-z/ ]+)\*\*", cells[2])
    return said[1] if said else "met"


def test_every_requirement_of_level_2_has_one_row() -> None:
    wanted = [
        f"{chapter}.{section}.{number}"
        for chapter, sections in SECTIONS.items()
        for section, count in sections.items()
        for number in range(1, count + 1)
    ]
    assert len(wanted) == 253
    assert [requirement for requirement, _ in rows()] == wanted


def test_what_is_met_says_where_and_what_shows_it() -> None:
    for requirement, cells in rows():
        assert len(cells) == 4, requirement
        assert status(cells) in {"met", *STATUSES}, requirement
        assert cells[1], requirement
        assert cells[2], requirement
        if status(cells) == "met":
            assert TEST.search(cells[3]) or cells[3].startswith("reading"), requirement


def test_the_architecture_names_every_table() -> None:
    for package in ("directory.models", "metadata.tables", "idp.services"):
        import_module(package)
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\| `(?:idp|directory|metadata)` \| (`.+`) \|$", text, re.MULTILINE)
    named = Counter(re.findall(r"`(\w+)`", " ".join(rooms)))
    assert named == Counter(name for name in Base.metadata.tables if name != "alembic_version")


def test_the_counts_are_true() -> None:
    text = (REPOSITORY / "docs" / "asvs.md").read_text(encoding="utf-8")
    told = {name: int(count) for count, name in re.findall(r"(\d+) \*\*([a-z/ ]+)\*\*", text)}
    assert told == Counter(status(cells) for _, cells in rows())
