"""Templates are compiled once in a process of the suite, however many applications it builds."""

from types import CodeType

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket


class Compiled(BytecodeCache):
    """Compiled templates, in memory; apart for environments that would compile them otherwise."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Hand out what an environment like this one compiled from the same text."""
        bucket.code = self._kept.get(_key(bucket))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        assert bucket.code is not None
        self._kept[_key(bucket)] = bucket.code


def _key(bucket: Bucket) -> tuple[object, ...]:
    of = bucket.environment
    options = (type(of), str(of.autoescape), of.trim_blocks, of.lstrip_blocks, of.optimized)
    return (bucket.key, bucket.checksum, *options, *sorted(of.extensions))


def compile_once() -> None:
    """Let every environment of this process share what is compiled."""
    compiled = Compiled()
    # an environment sets the attribute when it is made; here it keeps ours
    shared = property(lambda _: compiled, lambda _, __: None)
    setattr(Environment, "bytecode_cache", shared)  # noqa: B010 - mypy knows it as an attribute
