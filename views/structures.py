"""Structures between which a person chooses: he knows them by his town, not by its services."""

from collections.abc import Sequence
from itertools import takewhile

from idp.names import SEPARATOR


def told_apart(paths: Sequence[str]) -> dict[str, str]:
    """By path, the label at which they part: the towns, or in one town its departments."""
    split = [path.split(SEPARATOR) for path in paths]
    levels = zip(*split, strict=False)
    shared = sum(1 for _ in takewhile(lambda labels: len(set(labels)) == 1, levels))
    return {SEPARATOR.join(labels): labels[min(shared, len(labels) - 1)] for labels in split}
