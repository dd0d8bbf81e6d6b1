"""Attacks on what SPs answer to a logout, and on the browser that carries it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from lxml import etree
from structlog.testing import capture_logs
from webtest import TestResponse

from tests.attacks.conftest import Street, check_refusal
from tests.attacks.logout_scene import Scene, scene_of
from tests.common.fake_slo import logout_response

REFUSED, SIGNATURE = "request-refused", "signature-refused"
EVIL = "https://evil.example/slo"


@pytest.fixture
def scene(street: Street, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """An agent signed in, with sessions at three SPs, one of which is the attacker's."""
    made = scene_of(street)
    monkeypatch.setattr(street.world.services.teller, "_back_channel", made.direct)
    return made


# --- what an SP answers -----------------------------------------------------------------------


def answering(scene: Scene, request: etree._Element, code: str = "victim") -> etree._Element:
    return logout_response(scene.sp(code), request, now=scene.world.now)


@pytest.mark.parametrize("way", ["redirect", "post"])
def test_an_answer_that_nobody_asked_for(scene: Scene, way: str) -> None:
    unasked = scene.request(way, ID="_nobody-asked")
    scene.refused(lambda: scene.send(way, answering(scene, unasked)), REFUSED, "nobody waits")


ANSWERS: dict[str, tuple[Callable[[Scene, str, etree._Element], TestResponse], str]] = {
    "another SP's": (
        lambda scene, way, asked: scene.send(way, answering(scene, asked, "evil"), code="evil"),
        REFUSED,
    ),
    "unsigned": (
        lambda scene, way, asked: scene.send(way, answering(scene, asked), sign=False),
        SIGNATURE,
    ),
    "to another address": (
        lambda scene, way, asked: scene.send(
            way,
            logout_response(scene.sp(), asked, now=scene.world.now, Destination=EVIL),
        ),
        REFUSED,
    ),
    "stale": (
        lambda scene, way, asked: scene.send(
            way, logout_response(scene.sp(), asked, now=scene.world.now - timedelta(minutes=9))
        ),
        REFUSED,
    ),
}


@pytest.mark.parametrize("way", ["redirect", "post"])
@pytest.mark.parametrize("name", ANSWERS)
def test_a_false_answer_closes_nothing(scene: Scene, way: str, name: str) -> None:
    asked = scene.start()
    before = scene.traces()
    send, code = ANSWERS[name]
    with capture_logs() as lines:
        check_refusal(send(scene, way, asked))
    assert [line["event"] for line in lines] == [code]
    assert scene.state() == "told"
    assert scene.traces() == before
    scene.send(way, answering(scene, asked))
    assert scene.state() == "closed"


@pytest.mark.parametrize("way", ["redirect", "post"])
def test_an_answer_again_and_to_what_is_settled(scene: Scene, way: str) -> None:
    asked = scene.start()
    scene.send(way, logout_response(scene.sp(), asked, now=scene.world.now, status="Responder"))
    assert scene.state() == "failed"
    before = scene.traces()
    check_refusal(scene.send(way, answering(scene, asked)))
    assert scene.state() == "failed"
    assert scene.traces() == before


# --- the browser ------------------------------------------------------------------------------


def test_csrf(scene: Scene) -> None:
    app = scene.visitor.app
    assert app.post("/deconnexion", status="*").status_int == 400
    scene.is_untouched()
    scene.start()
    before = scene.state()
    assert app.post("/deconnexion/passer", {"task": "1"}, status="*").status_int == 400
    assert scene.state() == before


def test_somebody_elses_flow(scene: Scene) -> None:
    """An attacker signs out, and plants his flow in the victim's browser."""
    attacker = scene_of(scene.street)
    attacker.visitor.follow(attacker.visitor.app.get("/deconnexion").forms["formulaire"].submit())
    name, flow = next(
        (one.name, one.value) for one in attacker.visitor.app.cookiejar if "depart" in one.name
    )
    app = scene.visitor.app
    app.set_cookie(name, flow)
    before = scene.traces()
    for path in ("/deconnexion/suite", "/deconnexion/application", "/deconnexion/terminee"):
        app.get(path, status="*")
    assert scene.traces() == before
    app.get("/profil", status=200)


@pytest.mark.parametrize("flow", ["", "x", "A" * 43, "é", "' OR 1=1 --"])
def test_a_flow_that_was_guessed(scene: Scene, flow: str) -> None:
    scene.start()
    app = scene.street.stranger().app
    headers = {"Cookie": f"depart={flow}".encode().decode("latin-1")}
    for path in ("/deconnexion/suite", "/deconnexion/application"):
        answer = app.get(path, headers=headers, status="*")
        assert answer.status_int in {303, 400}
        assert "victim" not in answer.headers.get("Location", "")


@pytest.mark.parametrize("relay_state", [EVIL, "//evil.example", "javascript:alert(1)"])
@pytest.mark.parametrize("way", ["redirect", "post"])
def test_open_redirect(scene: Scene, way: str, relay_state: str) -> None:
    """It is data for the SP that asked; the browser goes where that SP is registered."""
    sp, app = scene.sp(), scene.street.stranger().app
    root = scene.request(way)
    if way == "redirect":
        answer = app.get(f"/saml/slo?{sp.redirect_query(root, relay_state)}", status=303)
    else:
        answer = app.post("/saml/slo", sp.post_form(root, relay_state), status=303)
    assert answer.location == "http://localhost:6543/deconnexion/suite"
    # The attacker's SP is told first; it does not answer, and one may come back.
    app.get("/deconnexion/application", status=303)
    last = app.get("/deconnexion/suite", status=303)
    assert last.location.startswith(f"{sp.slo['HTTP-Redirect']}?SAMLResponse=")


def test_open_redirect_through_an_answer(scene: Scene) -> None:
    asked = scene.start()
    query = scene.sp().redirect_query(answering(scene, asked), EVIL)
    answer = scene.visitor.app.get(f"/saml/slo?{query}", status=303)
    assert answer.location == "http://localhost:6543/deconnexion/suite"
    assert EVIL not in scene.visitor.follow(answer).text
