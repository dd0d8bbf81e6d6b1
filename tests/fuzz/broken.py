"""What a check says when the product broke a promise."""


class Broken(AssertionError):
    """The product broke a promise on this input."""


def demand(condition: object, promise: str) -> None:
    """See that it is kept.

    Raises:
        Broken: it is not; with the promise in words.
    """
    if not condition:
        raise Broken(promise)
