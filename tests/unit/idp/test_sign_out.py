"""What an SP that can be told but not answered, or neither, makes of a sign-out."""

from dataclasses import replace

import pytest

from idp.errors import BackChannelFailed, UnknownEndpoint, UnknownFlow, UnknownServiceProvider
from idp.messages import AcceptedLogout, TaskState
from idp.services import Services
from idp.types import AuthnContext, Binding, NameID, NameIDFormat, SpSession, SsoSession, Subject
from metadata.options import Choice
from metadata.registry import Registry
from tests.common.fake_sp import FakeSP

LEA = Subject("lea", "lea@b.fr", "Léa", "Martin")
SP = FakeSP("sp", signs=True, slo=("SOAP",))
MUTE = FakeSP("mute", signs=True)
NAME = NameID("v", NameIDFormat.PERSISTENT)
ASKED = AcceptedLogout(SP.entity_id, "_m", Binding.REDIRECT, NAME, ("_i",), "état")


class Dead:
    """A back channel on which nobody answers."""

    def post(self, location: str, envelope: bytes) -> bytes:
        del envelope
        raise BackChannelFailed(f"{location} is dead")


@pytest.fixture
def session(services: Services, monkeypatch: pytest.MonkeyPatch) -> SsoSession:
    """A person with a session at each SP."""
    monkeypatch.setattr(services.teller, "_back_channel", Dead())
    _, session = services.sessions.start(
        LEA, AuthnContext.PASSWORD_PROTECTED_TRANSPORT, user_agent="N"
    )
    for sp in (SP, MUTE):
        Registry(services.core).add(sp.metadata(), Choice(), application=sp.entity_id[8:12])
        services.sessions.record(
            session,
            SpSession(sp.entity_id, NAME, "_i", session.started_at, session.expires_at),
        )
    return session


def test_the_browser_goes_on_past_what_it_cannot_tell(
    services: Services, session: SsoSession
) -> None:
    sign_out = services.sign_out
    logout = sign_out.find(sign_out.start(session))
    states = {task.entity_id: task.state for task in logout.tasks}
    assert states == {SP.entity_id: TaskState.WAITING, MUTE.entity_id: TaskState.OPEN}
    assert sign_out.next(logout) is None, "SP has no address for it: the worker goes on"
    assert sign_out.ask(logout) is None
    assert sign_out.answer(logout) is None, "nobody asked"
    with pytest.raises(UnknownFlow):
        sign_out.skip(logout, -1)
    assert not any(sign_out.may_ask_again(task) for task in logout.tasks)


def test_who_takes_a_logout(services: Services, session: SsoSession) -> None:
    del session
    told = [services.sign_out.can_tell(each) for each in (SP.entity_id, MUTE.entity_id, "urn:x")]
    assert told == [True, False, False]


def test_an_sp_without_an_address_for_the_answer_leaves_the_sign_out_readable(
    services: Services, session: SsoSession
) -> None:
    """Its browser then reads on our last page what happened."""
    del session
    sign_out = services.sign_out
    flow = sign_out.obey(ASKED)
    with pytest.raises(UnknownEndpoint):
        sign_out.answer(sign_out.find(flow))
    assert [task.entity_id for task in sign_out.find(flow).tasks] == [MUTE.entity_id]


def test_an_sp_that_was_disabled_meanwhile_is_not_answered(
    services: Services, session: SsoSession
) -> None:
    del session
    sign_out = services.sign_out
    flow = sign_out.obey(ASKED)
    Registry(services.core).disable(SP.entity_id)
    services.service_providers._snapshot.forget()  # type: ignore[attr-defined]
    with pytest.raises(UnknownServiceProvider):
        sign_out.answer(sign_out.find(flow))


def test_an_answer_leaves_once(services: Services, session: SsoSession) -> None:
    asked = replace(ASKED, binding=Binding.SOAP)
    assert b"PartialLogout" in services.sign_out.obey_directly(asked)
    assert services.sessions.sp_sessions(session) == ()
