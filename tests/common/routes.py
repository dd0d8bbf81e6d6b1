"""Which addresses an application answers, by its own account."""

from collections.abc import Iterator

from webtest import TestApp

EVERY_METHOD = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}


def views_of(app: TestApp) -> Iterator[tuple[str, str]]:
    """Every route with every method that a view of it answers; GET includes HEAD."""
    for view in app.app.registry.introspector.get_category("views"):
        introspectable = view["introspectable"]
        name, said = introspectable["route_name"], introspectable["request_methods"]
        if name is not None and not _of_an_error(introspectable["context"]):
            methods = {said} if isinstance(said, str) else set(said or EVERY_METHOD)
            yield from ((name, method) for method in methods - {"HEAD"})


def _of_an_error(context: object) -> bool:
    """Whether a view is asked for how an error reads, and for nothing else."""
    return isinstance(context, type) and issubclass(context, Exception)
