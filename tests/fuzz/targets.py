"""What is fuzzed: its seeds, how an input becomes the next, and the check that must hold on each.

A check returns whether the product accepted the input, and raises :class:`tests.fuzz.broken.Broken`
(or whatever the product raised against its word) when a promise was broken.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.common.fake_sp import FakeSP
from tests.fuzz import readers, seeds, whole
from tests.fuzz.mutators import Mutator
from tests.fuzz.world import OPEN, SIGNING, World, installed, sp

Check = Callable[[bytes], bool]
Mutate = Callable[[Mutator, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Target:
    """``check`` is a function, or for the whole application made from a world of ``codes``."""

    seeds: Callable[[], list[bytes]]
    mutate: Mutate
    check: Check | None = None
    of_world: Callable[[World], Check] | None = None
    codes: tuple[str, ...] = ()

    @contextmanager
    def checking(self, folder: Path) -> Iterator[Check]:
        """The check; a world for it is made in this folder."""
        if self.check is not None:
            yield self.check
            return
        assert self.of_world is not None
        with installed(folder, self.codes) as world:
            yield self.of_world(world)


def _sps() -> list[FakeSP]:
    return [sp(code) for code in (*SIGNING, *OPEN)]


def _signed_posts() -> list[bytes]:
    return [
        seed
        for code in SIGNING
        for seed in (*seeds.signed_posts(sp(code)), *seeds.wrapped_posts(sp(code)))
    ]


def _signed_queries() -> list[bytes]:
    return [
        seed
        for code in SIGNING
        for seed in (*seeds.signed_queries(sp(code)), *seeds.altered_queries(sp(code)))
    ]


TARGETS = {
    "redirect": Target(lambda: seeds.queries(_sps()[1:3]), Mutator.query, readers.redirect),
    "form": Target(lambda: seeds.forms(_sps()[1:3]), Mutator.form, readers.form),
    "authn-request": Target(lambda: seeds.documents(sp("bip")), Mutator.document, readers.request),
    "metadata": Target(lambda: seeds.entities(_sps()), Mutator.document, readers.metadata),
    "values": Target(seeds.values, lambda mutator, data: mutator.flip(data), readers.value),
    "signed-post": Target(
        _signed_posts, Mutator.document, of_world=whole.signed_post, codes=(*SIGNING,)
    ),
    "signed-redirect": Target(
        _signed_queries, Mutator.query, of_world=whole.signed_redirect, codes=(*SIGNING,)
    ),
    "application": Target(
        lambda: seeds.visits(_sps()),
        Mutator.visit,
        of_world=whole.Application,
        codes=(*SIGNING, *OPEN),
    ),
}
