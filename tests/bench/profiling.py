"""Where the time of a sign-on goes: cProfile around the WSGI application, in this process."""

import cProfile
import io
import pstats
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from webob import Request

from idp import log, make_app
from idp.request import session_cookie
from idp.saml.signature import sign_bytes
from tests.bench.client import Target
from tests.bench.measures import WARM_UP, target
from tests.bench.world import (
    BOTH,
    ENCRYPTED,
    KEY,
    LOGIN,
    PASSWORD,
    PLAIN,
    World,
    prepared,
)
from tests.bench.yardstick import Unmeasurable
from tests.common.fake_sp import key_pair
from tests.common.processes import REPOSITORY

SHAPES = {"P1": PLAIN, "P2a": BOTH, "P2b": ENCRYPTED}
TOP = 25
TOP_PACKAGES = 12
PORT = 6543  # of the URLs only: nobody listens

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


def profile(folder: Path, number: str, sign_ons: int) -> str:
    """Sign on in this process, first by the clock, then under the profiler; the text of both.

    ``number`` is the row's: P1, P2a or P2b.

    Raises:
        Unmeasurable: an answer holds no Response.
    """
    with prepared(folder, PORT) as world, (folder / "server.log").open("w") as stream:
        log.configure(demonstration=True, stream=stream)
        application: Application = make_app(world.settings, world.services)
        cookie = _sign_in(world)
        expected = target(world, SHAPES[number])
        _run(application, expected, cookie, WARM_UP)
        cpu = _run(application, expected, cookie, sign_ons)
        profiler = cProfile.Profile()
        _run(application, expected, cookie, sign_ons, profiler)
    unit = _unit(sign_ons)
    lines = [
        f"{number} in this process, without server and client, {sign_ons} sign-ons:",
        f"{cpu:.3f} ms CPU = {cpu / unit:.2f} RSA-2048 signatures of {unit:.3f} ms of our library.",
        "",
        "Under the profiler (wall time, the disk's too; small calls look dearer than they are):",
        *_by_package(profiler, sign_ons),
        "",
        _by_function(profiler),
    ]
    return "\n".join(lines)


def _sign_in(world: World) -> str:
    signed_in = world.services.sign_in.sign_in(
        LOGIN, PASSWORD, address="127.0.0.1", user_agent="bench", device=None
    )
    return f"{session_cookie(world.settings)}={signed_in.token}"


def _run(
    application: Application,
    expected: Target,
    cookie: str,
    count: int,
    profiler: cProfile.Profile | None = None,
) -> float:
    """CPU milliseconds of each sign-on."""
    requests = expected.requests(count)
    environs = [Request.blank(path, headers={"Cookie": cookie}).environ for _, path in requests]
    started = time.process_time()
    if profiler:
        profiler.enable()
    pages = [b"".join(application(environ, _start_response)) for environ in environs]
    if profiler:
        profiler.disable()
    spent = time.process_time() - started
    for page, (request_id, _) in list(zip(pages, requests, strict=True))[::50]:
        expected.verify(page.decode(), request_id)
    return spent / count * 1000


def _start_response(status: str, headers: object, error: object = None) -> None:
    del headers, error
    if not status.startswith("200"):
        raise Unmeasurable(f"an answer is {status}")


def _unit(count: int) -> float:
    """Milliseconds of one signature with the key and the library of the server."""
    key = load_pem_private_key(key_pair(KEY)[0], None)
    if not isinstance(key, RSAPrivateKey):
        raise Unmeasurable("the key of the bench is no RSA key")
    started = time.process_time()
    for _ in range(count):
        sign_bytes(b"SignedInfo", key)
    return (time.process_time() - started) / count * 1000


def _by_package(profiler: cProfile.Profile, sign_ons: int) -> list[str]:
    own: Counter[str] = Counter()
    for (file, _, name), (_, _, seconds, _, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        own[package(file, name)] += seconds
    total = sum(own.values())
    return [
        f"{seconds / total:7.1%}  {seconds / sign_ons * 1000:.3f} ms  {name}"
        for name, seconds in own.most_common(TOP_PACKAGES)
    ]


def _by_function(profiler: cProfile.Profile) -> str:
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).strip_dirs().sort_stats("tottime").print_stats(TOP)
    return text.getvalue().strip()


def package(file: str, name: str) -> str:
    """Whose function this is: a room of ours, an outside package, or Python itself.

    The profiler knows functions written in C or Rust by ``name`` alone: ``<method 'sign' of
    'cryptography….RSAPrivateKey' objects>``, ``<built-in method zlib.compress>``.
    """
    if file == "~":
        found = re.search(r" of '(\w+)\.", name) or re.search(r"built-in method (\w+)\.", name)
        return found[1] if found and found[1] != "builtins" else "python, in C"
    parts = Path(file).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    if Path(file).is_relative_to(REPOSITORY):
        return f"{Path(file).relative_to(REPOSITORY).parts[0]} (ours)"
    return "python"
