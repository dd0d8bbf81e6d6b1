"""Both public guides, followed sentence by sentence on the demonstration; pictures are left.

It fails where a step of theirs cannot be done or a label that they quote is another.
"""

import pytest
from PIL import Image

from tests.browser import (
    guide_agent,
    guide_referent_lists,
    guide_referent_people,
    guide_referent_roles,
)
from tests.browser.conftest import Visitors
from tests.browser.guide_scene import Chapter
from views import guide_pictures

CHAPTERS: tuple[Chapter, ...] = (
    *guide_agent.CHAPTERS,
    *guide_referent_people.CHAPTERS,
    *guide_referent_lists.CHAPTERS,
    *guide_referent_roles.CHAPTERS,
)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.label)
def test_the_guide_can_be_followed(visitors: Visitors, chapter: Chapter) -> None:
    chapter.follow(visitors())
    size = guide_pictures.WIDTH, guide_pictures.HEIGHT
    for path in chapter.pictures():
        with Image.open(path) as image:
            assert image.size == size, path.name


def test_each_picture_of_the_pages_is_of_a_step() -> None:
    taken = [
        guide_pictures.shown_name(path.name) for chapter in CHAPTERS for path in chapter.pictures()
    ]
    assert all(taken), "a file that no page could show"
    assert set(guide_pictures.AGENT + guide_pictures.REFERENT) <= set(taken)
