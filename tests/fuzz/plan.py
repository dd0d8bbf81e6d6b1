"""How many inputs each target gets."""

TOTAL = 100_000

SHARES = {
    "redirect": 12,
    "form": 6,
    "authn-request": 16,
    "metadata": 10,
    "values": 6,
    "signed-post": 12,
    "signed-redirect": 10,
    "application": 28,
}
"""Parts of the whole: the application, where every promise meets, gets most."""


def split(total: int, targets: list[str]) -> dict[str, int]:
    """The inputs of each of these targets, by their shares; at least one each."""
    whole = sum(SHARES[name] for name in targets)
    return {name: max(1, round(total * SHARES[name] / whole)) for name in targets}
