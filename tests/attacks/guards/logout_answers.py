"""Guards of single logout: who may say that a session is closed, and where we ask."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from unittest.mock import patch

from idp.back_channel import BackChannel
from idp.errors import BackChannelFailed
from idp.http_out import Answer, Deadline, HttpOut
from idp.messages import LogoutTask
from idp.saml import logout as messages
from idp.sessions.tasks import Tasks
from idp.types import Binding, Endpoint, ServiceProvider
from tests.attacks.conftest import Street
from tests.attacks.guards.guard import Guard, nothing
from tests.attacks.guards.logout import LOGOUT, played
from tests.attacks.logout_scene import Scene
from tests.common.fake_slo import envelope, logout_response, opened
from tests.common.raw_sp import answering, http, listening

CLOSED, OPEN, UNTOLD = "closed", "told", "waiting"
CALLED, LEFT = "another server was called", "left"


def answer_of(code: str, *, sign: bool = True) -> Callable[[Street], str]:
    """What the victim's task becomes once this SP says that it is closed."""

    def attack(street: Street) -> str:
        with played(street) as scene:
            asked = scene.start()
            root = logout_response(scene.sp(code), asked, now=street.world.now)
            scene.send("post", root, code=code, sign=sign)
            return scene.state()

    return attack


FIND_ENDPOINT = messages.find_endpoint


def in_clear(sp: ServiceProvider, bindings: tuple[Binding, ...]) -> Endpoint | None:
    """The same address, registered without TLS."""
    found = FIND_ENDPOINT(sp, bindings)
    return found and replace(found, location=found.location.replace("https://", "http://"))


class OnTheWay:
    """Whoever sits between us and the SP, which never hears that we asked."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def post(self, location: str, data: bytes) -> bytes:
        """See :class:`idp.interfaces.IBackChannel`."""
        assert location.startswith("http://")
        now = self.scene.world.now
        return envelope(logout_response(self.scene.sp("told"), opened(data), now=now))


def answered_on_the_way(street: Street) -> str:
    """What the task of an SP becomes in whose stead somebody answers."""
    with played(street) as scene, patch("idp.saml.logout.find_endpoint", in_clear):
        with patch.object(street.world.services.teller, "_back_channel", OnTheWay(scene)):
            scene.visitor.app.get("/deconnexion").forms["formulaire"].submit()
        return scene.state("told")


def anybody(location: str) -> bool:
    return bool(location)


FIND = Tasks.find


def asked_of_anybody(tasks: Tasks, request_id: str) -> LogoutTask | None:
    """Whoever answers is who was asked."""
    found = FIND(tasks, request_id)
    return found and replace(found, entity_id="https://evil.example/metadata")


def led_astray(street: Street) -> str:
    """An SP answers with a redirection to a server that only this one reaches."""
    del street
    with listening(answering(http(b"secret"))) as inside:
        to = f"Location: {inside.location}\r\n"
        with listening(answering(http(b"", status="302 Found", headers=to))) as sp:
            try:
                BackChannel(HttpOut(loopback=True)).post(sp.location, b"x")
            except BackChannelFailed:
                return LEFT
        return CALLED if inside.heard else LEFT


def following(
    http: HttpOut,
    url: str,
    *,
    deadline: Deadline,
    octets: int,
    headers: dict[str, str],
    body: bytes | None = None,
) -> Answer:
    answer = ASK(http, url, deadline=deadline, octets=octets, headers=headers, body=body)
    if answer.location is None:
        return answer
    return ASK(http, answer.location, deadline=deadline, octets=octets, headers=headers)


ASK = HttpOut.ask


def sent_inside(street: Street) -> str:
    """An SP's metadata name an address that this machine alone reaches."""
    del street
    with listening(answering(http(b"secret"))) as inside:
        with suppress(BackChannelFailed):
            BackChannel(HttpOut(loopback=False)).post(inside.location, b"x")
        return CALLED if inside.heard else LEFT


GUARDS = (
    Guard(
        "a LogoutResponse is signed",
        answer_of("victim", sign=False),
        {f"{LOGOUT}.check_signature": nothing},
        OPEN,
        CLOSED,
    ),
    Guard(
        "a LogoutResponse by SOAP without TLS is signed",
        answered_on_the_way,
        {f"{LOGOUT}._shows_who_answers": anybody},
        UNTOLD,
        CLOSED,
    ),
    Guard(
        "a LogoutResponse is of the SP that was asked",
        answer_of("evil"),
        {"idp.sessions.tasks.Tasks.find": asked_of_anybody},
        OPEN,
        CLOSED,
    ),
    Guard(
        "the back channel follows no redirection",
        led_astray,
        {"idp.http_out.HttpOut.ask": following},
        LEFT,
        CALLED,
    ),
    Guard(
        "an SP sends nobody inside this machine",
        sent_inside,
        {"idp.http_out.HttpOut._allows": lambda _http, _address: True},
        LEFT,
        CALLED,
    ),
)
