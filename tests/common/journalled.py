"""The codes that the product puts into the journal, read from its calls."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.common.processes import REPOSITORY

ROOMS = ("idp", "directory", "metadata", "views")
WRITES = {"record", "record_if_known", "_record", "_record_account", "_finish", "_changed"}
"""What the functions are called that write to the journal, or hand a code to one that does."""
CODE = re.compile(r"[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*")


@cache
def codes() -> frozenset[str]:
    """Those that stand in such a call, and in what is assigned to a name that it is given."""
    files = [path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")]
    return frozenset(
        code for path in files for code in _of(ast.parse(path.read_text(encoding="utf-8")))
    )


def _of(module: ast.Module) -> Iterator[str]:
    given: set[str] = set()
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in WRITES:
                for argument in node.args:
                    yield from _strings(argument)
                    given |= {each.id for each in ast.walk(argument) if isinstance(each, ast.Name)}
    for node in ast.walk(module):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in given:
                yield from _strings(value)


def _strings(expression: ast.expr) -> Iterator[str]:
    for node in ast.walk(expression):
        match node:
            case ast.Constant(value=str(text)) if CODE.fullmatch(text):
                yield text
