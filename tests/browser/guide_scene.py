"""What following a guide takes: chapters, steps, one picture a step, and labels as it quotes them.

A step is a function that does what a sentence of the guide says; its docstring is that sentence, in
short. Pictures are left in ``var/guide`` (``make guide`` names another folder), called
``<guide>-<chapter>-<step>-<name>.png``; the guide pages of the product show some of them
(:mod:`views.guide_pictures`).
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Demonstration, Visit
from tests.common.processes import REPOSITORY

FOLDER = Path(os.environ.get("GUIDE_PICTURES") or REPOSITORY / "var" / "guide")

POINTED_AT = """(element, on) => {
  element.style.outline = on ? "4px solid #d9480f" : "";
  element.style.outlineOffset = on ? "3px" : "";
}"""


@dataclass(frozen=True)
class Someone:
    """A person whom a chapter adds before it begins: nobody else's test knows him."""

    given_name: str
    sn: str
    structure: str = "a-formation"
    roles: tuple[str, ...] = ()
    mandate: str = ""

    @property
    def mail(self) -> str:
        """His address."""
        return f"{self.given_name}.{self.sn}@demo.example".lower()

    @property
    def name(self) -> str:
        """As the pages write him."""
        return f"{self.given_name} {self.sn.upper()}"

    def arrive(self, demonstration: Demonstration) -> None:
        """Into the directory, without a mail."""
        command = demonstration.command
        named = ("--name", self.sn, "--first-name", self.given_name)
        command("account", "add", self.mail, *named, "--structure", self.structure, "--no-mail")
        for role in self.roles:
            command("assign", self.mail, "--structure", self.structure, "--role", role)
        if self.mandate:
            everything = ("bip", "net-cotisations", "net-cap", "site")
            command(
                "mandate", "add", self.mail, "--structure", self.mandate, "--application",
                *everything,
            )  # fmt: skip


class Scene:
    """One browser, the person in front of it, and whom the chapter is about."""

    def __init__(self, visit: Visit, who: Someone | None) -> None:
        self.visit = visit
        self.page: Page = visit.page
        self.demonstration = visit.demonstration
        self._who = who
        self._picture: Path | None = None

    @property
    def who(self) -> Someone:
        """Whom the chapter is about."""
        assert self._who is not None
        return self._who

    @contextmanager
    def step(self, picture: Path) -> Iterator[None]:
        """Inside, one picture is taken: of the first thing pointed at, else of the end."""
        self._picture = picture
        yield
        self.show()

    def show(self, what: Locator | None = None) -> None:
        """Take this step's picture, unless there is one; ``what`` is outlined in it."""
        if what is not None:
            expect(what).to_be_visible()
        if self._picture is None:
            return
        if what is not None:
            what.scroll_into_view_if_needed()
            what.evaluate(POINTED_AT, True)  # noqa: FBT003 - an argument of the script
        self.page.screenshot(path=self._picture)
        if what is not None:
            what.evaluate(POINTED_AT, False)  # noqa: FBT003 - an argument of the script
        self._picture = None

    def click(self, what: Locator) -> None:
        """Point at it, then click on it."""
        self.show(what)
        what.click()

    def press(self, label: str, inside: Locator | None = None, more: str = "") -> None:
        """Click on the button, or what looks like one, of this label."""
        self.click(self.button(label, inside, more))

    def button(self, label: str, inside: Locator | None = None, more: str = "") -> Locator:
        """The button or link that the guide quotes; ``more`` is what only some readers are told."""
        place = inside or self.page.locator("body")
        name = quoted(label, more)
        return (
            place.get_by_role("button", name=name).or_(place.get_by_role("link", name=name)).first
        )

    def field(self, label: str) -> Locator:
        """The field that the guide quotes; a star behind its name says that it is wanted."""
        return self.page.get_by_label(quoted(label.removesuffix("*"), r"(\s*\*)?"))

    def fill(self, label: str, text: str) -> None:
        """Fill a field in, and point at it."""
        field = self.field(label)
        field.fill(text)
        self.show(field)

    def reads(self, *labels: str) -> None:
        """Every one of these texts stands on the page, word for word."""
        for label in labels:
            expect(self.page.get_by_text(quoted(label)).first).to_be_visible()

    def heading(self, text: str) -> Locator:
        """The heading that the guide quotes, seen."""
        found = self.page.get_by_role("heading", name=quoted(text)).first
        expect(found).to_be_visible()
        return found

    def enter(self, entry: str) -> None:
        """*Utilisateurs*, *Structures*, *Applications*: by the menu at the left."""
        menu = self.page.get_by_role("navigation", name="Annuaire", exact=True)
        self.press(entry, menu)

    def row(self, text: str) -> Locator:
        """The one line of the list that says this."""
        found = self.page.locator("table.table-list tbody tr").filter(has_text=text)
        expect(found).to_have_count(1)
        return found

    def dialog(self) -> Locator:
        """The question that stands before the page."""
        found = self.page.locator("dialog#dialogue")
        expect(found).to_be_visible()
        return found

    def told(self, text: str) -> None:
        """A message appears at the bottom right, and on the page for who cannot see there."""
        toast = self.page.locator(".toast").last
        expect(toast).to_contain_text(text)
        box, window = toast.bounding_box(), self.page.viewport_size
        assert box is not None
        assert window is not None
        assert box["x"] > window["width"] / 2, "not at the right"
        assert box["y"] > window["height"] / 2, "not at the bottom"
        expect(self.page.get_by_role("status").first).to_contain_text(text)
        self.show(toast)


def quoted(label: str, more: str = "") -> re.Pattern[str]:
    """This label and nothing else; capitals and the kind of spaces are the screen's affair."""
    words = r"\s+".join(re.escape(word).replace("/", r"\/") for word in label.split())
    return re.compile(rf"^\s*{words}{more}\s*$", re.IGNORECASE)


Step = Callable[[Scene], None]


def picture(name: str) -> Callable[[Step], Step]:
    """Call the step's picture so; the name is French, as those who read the guide."""

    def named(step: Step) -> Step:
        step.picture = name  # type: ignore[attr-defined]
        return step

    return named


def picture_of(step: Step) -> str:
    """The name of the step's picture."""
    name: str = step.picture  # type: ignore[attr-defined]
    return name


@dataclass(frozen=True)
class Chapter:
    """A part of a guide: who follows it, about whom, step by step.

    ``reader`` signs in before and enters the directory; empty: the first step does all of it.
    """

    guide: str
    number: int
    name: str
    steps: tuple[Step, ...]
    reader: str = ""
    who: Someone | None = None

    @property
    def label(self) -> str:
        """The beginning of its pictures' names."""
        return f"{self.guide}-{self.number:02}-{self.name}"

    def pictures(self, folder: Path = FOLDER) -> list[Path]:
        """Where the picture of each step is left."""
        return [
            folder / f"{self.label}-{number:02}-{picture_of(step)}.png"
            for number, step in enumerate(self.steps, 1)
        ]

    def follow(self, visit: Visit) -> None:
        """Do every step, and leave a picture of each.

        Raises:
            AssertionError: a step cannot be done, or a label is another; it says which sentence.
        """
        FOLDER.mkdir(parents=True, exist_ok=True)
        for old in FOLDER.glob(f"{self.guide}-{self.number:02}-*.png"):
            old.unlink()
        if self.who is not None:
            self.who.arrive(visit.demonstration)
        scene = Scene(visit, self.who)
        if self.reader:
            visit.sign_in(self.reader)
            scene.page.get_by_role("button", name="Annuaire").click()
            expect(scene.page.get_by_role("heading", level=1)).to_contain_text("Annuaire")
        for step, path in zip(self.steps, self.pictures(), strict=True):
            try:
                with scene.step(path):
                    step(scene)
            except Exception as error:
                sentence = f"{path.name}: {step.__doc__}"
                raise AssertionError(sentence) from error
