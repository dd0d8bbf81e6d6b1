"""The operator's own words for the mails: files in the folder ``courriels`` of his texts.

``<kind>.txt`` replaces the words of a mail, ``avis.txt`` what closes every mail. A first line
``Objet : …`` replaces the subject; with nothing behind it, the text stays ours. The page is made
from the text. The words are Jinja2's, in its sandbox, and may use what ours use.
"""

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from idp.errors import ConfigurationError
from idp.settings import Settings

FOLDER = "courriels"
CLOSING = "avis"
GLOBALS = ("organization", "portal_url")

_SUBJECT = re.compile(r"objet\s*:[ \t]*(?P<words>[^\n]*)\n?", re.IGNORECASE)
_REFERENCES = (nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)


@dataclass(frozen=True, slots=True)
class OwnText:
    """An operator's subject and text; None where ours stays."""

    subject: Template | None
    text: Template | None


def read(
    settings: Settings, ours: Environment, kinds: Mapping[str, Mapping[str, object]]
) -> dict[str, OwnText]:
    """The operator's texts by kind, ``avis`` among them; empty when he has none.

    ``kinds`` has a value for each parameter of each kind: the texts are tried with them.

    Raises:
        ConfigurationError: a file is no kind of mail, cannot be read, or uses what that mail does
            not know; the cause names file and line.
    """
    folder = Path(settings.organization.texts or ".") / FOLDER
    if not settings.organization.texts or not folder.is_dir():
        return {}
    sandbox = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # Those two alone: Jinja2's own ``range`` has no bound outside of the sandbox.
    sandbox.globals |= {name: ours.globals[name] for name in GLOBALS}
    sandbox.filters = {**sandbox.filters, "french_date": ours.filters["french_date"]}
    found: dict[str, OwnText] = {}
    for path in sorted(folder.glob("*.txt")):
        if path.stem not in kinds and path.stem != CLOSING:
            raise _wrong(path, 1, f"no mail is called « {path.stem} »")
        given = {} if path.stem == CLOSING else kinds[path.stem]
        found[path.stem] = _read_one(path, sandbox, given)
    return found


def _read_one(path: Path, sandbox: Environment, given: Mapping[str, object]) -> OwnText:
    known = {*given, *GLOBALS}
    try:
        source = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeError) as error:
        raise _wrong(path, 1, "it cannot be read as UTF-8") from error
    try:
        tree = sandbox.parse(source)
        sandbox.compile(source)
    except TemplateSyntaxError as error:
        raise _wrong(path, error.lineno, str(error.message)) from error
    for node in tree.find_all(_REFERENCES):
        raise _wrong(path, node.lineno, "it may not use another file")
    unknown = meta.find_undeclared_variables(tree) - known
    for name in tree.find_all(nodes.Name):
        if name.name in unknown:
            raise _wrong(
                path,
                name.lineno,
                f"unknown parameter « {name.name} » (known: {', '.join(sorted(known))})",
            )
    found = _SUBJECT.match(source)
    subject, text = (found["words"], source[found.end() :]) if found else ("", source)
    # Blank, so that an error's line is the file's; every use strips it.
    before = "\n" * source[: source.find(text.strip())].count("\n")
    own = OwnText(
        subject=sandbox.from_string(subject) if subject.strip() else None,
        text=sandbox.from_string(before + text.strip()) if text.strip() else None,
    )
    _try(path, own, given)
    return own


def _try(path: Path, own: OwnText, given: Mapping[str, object]) -> None:
    """Render it once.

    Raises:
        ConfigurationError: it fails, whatever a template may raise.
    """
    for template in (own.subject, own.text):
        try:
            if template is not None:
                template.render(given)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            lines = [each.lineno or 1 for each in frames if each.filename == "<template>"]
            raise _wrong(path, max(lines[-1:], default=1), str(error)) from error


def _wrong(path: Path, line: int, words: str) -> ConfigurationError:
    return ConfigurationError(f"organization.texts: {path}, line {line}: {words}")
