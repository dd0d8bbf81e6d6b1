from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from idp.db import Database
from idp.errors import ReplayedMessage, RequestRefused, UnknownFlow
from idp.messages import AcceptedRequest, NameIDPolicy, RequestedAuthnContext
from idp.sessions.authn_requests import (
    FLOW_LIFETIME,
    MAX_PENDING,
    REPLAY_KEPT,
    AuthnRequests,
)
from idp.sessions.tables import AuthnRequestRow
from idp.sessions.tokens import hashed
from idp.types import NameID, NameIDFormat, SsoSession
from idp.worker import purge
from tests.common.clock import START, FakeClock
from tests.common.threads import all_at_once

SP = "https://sp.example/metadata"
OTHER_SP = "https://autre.example/metadata"


@pytest.fixture
def requests(database: Database, clock: FakeClock) -> AuthnRequests:
    return AuthnRequests(database, clock)


FULL = AcceptedRequest(
    entity_id=SP,
    acs="https://sp.example/acs",
    received_at=START,
    message_id="_m1",
    relay_state="é" * 40,
    name_id_policy=NameIDPolicy(NameIDFormat.PERSISTENT, SP, allow_create=True),
    requested_authn_context=RequestedAuthnContext(("a", "b"), "minimum", ("c",)),
    subject=NameID("v", NameIDFormat.EMAIL_ADDRESS, "q", "r"),
    force_authn=True,
    is_passive=True,
    provider_name="L'application",
    attribute_consuming_service_index=3,
)
BARE = AcceptedRequest(SP, "https://sp.example/acs", START)


@pytest.mark.parametrize("accepted", [FULL, BARE])
def test_a_sign_on_waits_unchanged(requests: AuthnRequests, accepted: AcceptedRequest) -> None:
    assert requests.find(requests.hold(accepted)) == accepted


def test_a_sign_on_that_waits_takes_little_room(
    requests: AuthnRequests, database: Database
) -> None:
    refs = tuple(f"{number:0>1000}" for number in range(MAX_PENDING // 1000 + 1))
    large = replace(BARE, requested_authn_context=RequestedAuthnContext(refs, "exact"))
    with pytest.raises(RequestRefused):
        requests.hold(large)
    with database.reading() as reading:
        assert reading.scalars(select(AuthnRequestRow)).all() == []
    requests.hold(replace(BARE, requested_authn_context=RequestedAuthnContext(refs[:9], "exact")))


def test_a_flow_is_answered_once(requests: AuthnRequests, database: Database) -> None:
    flow = requests.hold(FULL)
    requests.answer(flow)

    with pytest.raises(UnknownFlow):
        requests.answer(flow)
    with pytest.raises(UnknownFlow):
        requests.find(flow)
    with database.reading() as reading:
        row = reading.scalars(select(AuthnRequestRow)).one()
    assert (row.pending, row.flow) == (None, hashed(flow))


def test_a_sign_in_meets_its_flow_and_no_other(
    requests: AuthnRequests, database: Database, clock: FakeClock
) -> None:
    flow, other = requests.hold(FULL), requests.hold(BARE)
    requests.meet(flow, session("first"))
    assert requests.find(flow) == replace(FULL, met_by="first")
    assert requests.find(other) == BARE
    AuthnRequests(database, clock).meet(flow, session("second"))
    assert requests.find(flow) == replace(FULL, met_by="second"), "the last, on whatever node"


def test_who_signs_in_too_late_meets_nothing(
    requests: AuthnRequests, database: Database, clock: FakeClock
) -> None:
    answered, expired = requests.hold(FULL), requests.hold(BARE)
    requests.answer(answered)
    clock.advance(FLOW_LIFETIME)
    for flow in (answered, expired, "inconnu"):
        requests.meet(flow, session("late"))
        with pytest.raises(UnknownFlow):
            requests.find(flow)
    with database.reading() as reading:
        assert "late" not in str([row.pending for row in reading.scalars(select(AuthnRequestRow))])


def test_a_flow_that_was_held_before_an_upgrade_is_met_by_nobody(
    requests: AuthnRequests, database: Database
) -> None:
    flow = requests.hold(FULL)
    with database.unit_of_work() as work:
        row = work.scalars(select(AuthnRequestRow)).one()
        row.pending = {name: value for name, value in row.pending.items() if name != "met_by"}
    assert requests.find(flow) == FULL


def session(key: str) -> SsoSession:
    return SsoSession(key, "subject", START, "urn:password", START, START, START)


def test_a_flow_expires(requests: AuthnRequests, clock: FakeClock) -> None:
    flow = requests.hold(FULL)
    clock.advance(FLOW_LIFETIME - timedelta(seconds=1))
    assert requests.find(flow) == FULL
    clock.advance(timedelta(seconds=1))

    with pytest.raises(UnknownFlow):
        requests.find(flow)
    with pytest.raises(UnknownFlow):
        requests.answer(flow)


@pytest.mark.parametrize("flow", ["", "inconnu", "é\ud800"])
def test_an_invented_flow_is_unknown(requests: AuthnRequests, flow: str) -> None:
    requests.answer_at_once(FULL)

    with pytest.raises(UnknownFlow):
        requests.find(flow)
    with pytest.raises(UnknownFlow):
        requests.answer(flow)


def test_a_message_serves_once(requests: AuthnRequests) -> None:
    requests.answer_at_once(FULL)

    with pytest.raises(ReplayedMessage):
        requests.answer_at_once(FULL)
    with pytest.raises(ReplayedMessage):
        requests.hold(FULL)


def test_a_pending_message_is_not_accepted_again(requests: AuthnRequests) -> None:
    flow = requests.hold(FULL)

    with pytest.raises(ReplayedMessage):
        requests.hold(FULL)
    assert requests.find(flow) == FULL


def test_message_ids_belong_to_their_service_provider(requests: AuthnRequests) -> None:
    requests.answer_at_once(FULL)
    requests.answer_at_once(AcceptedRequest(OTHER_SP, "https://a/", START, message_id="_m1"))


def test_sign_ons_that_start_here_never_collide(requests: AuthnRequests) -> None:
    assert requests.hold(BARE) != requests.hold(BARE)


def test_a_replay_leaves_the_transaction_usable(
    requests: AuthnRequests, database: Database
) -> None:
    requests.answer_at_once(FULL)
    with database.unit_of_work():
        with pytest.raises(ReplayedMessage):
            requests.answer_at_once(FULL)
        requests.answer_at_once(AcceptedRequest(SP, "https://a/", START, message_id="_m2"))

    with database.reading() as reading:
        ids = set(reading.scalars(select(AuthnRequestRow.message_id)))
    assert ids == {"_m1", "_m2"}


def test_of_two_replays_at_once_one_wins(requests: AuthnRequests) -> None:
    outcomes: list[str] = []

    def answer() -> None:
        try:
            requests.answer_at_once(FULL)
        except ReplayedMessage:
            outcomes.append("replayed")
        else:
            outcomes.append("answered")

    all_at_once(answer)

    assert sorted(outcomes) == ["answered", "replayed", "replayed", "replayed"]


def test_of_two_tabs_at_once_one_answers(requests: AuthnRequests) -> None:
    flow = requests.hold(FULL)
    outcomes: list[str] = []

    def answer() -> None:
        try:
            requests.answer(flow)
        except UnknownFlow:
            outcomes.append("unknown")
        else:
            outcomes.append("answered")

    all_at_once(answer)

    assert sorted(outcomes) == ["answered", "unknown", "unknown", "unknown"]


def test_a_replay_is_remembered_as_long_as_the_message_is_acceptable(
    requests: AuthnRequests, database: Database, clock: FakeClock
) -> None:
    assert timedelta(minutes=5, seconds=2 * 180) < REPLAY_KEPT
    requests.answer_at_once(FULL)
    clock.advance(timedelta(minutes=11))
    purge(database, clock)
    with pytest.raises(ReplayedMessage):
        requests.answer_at_once(FULL)

    clock.advance(REPLAY_KEPT)
    assert purge(database, clock)["authn_request"] == 1


def test_a_purge_takes_all_and_spares_what_waits(
    requests: AuthnRequests, database: Database, clock: FakeClock
) -> None:
    for _ in range(1100):
        requests.answer_at_once(BARE)
    flow = requests.hold(BARE)
    clock.advance(REPLAY_KEPT)

    assert purge(database, clock)["authn_request"] == 1100
    assert requests.find(flow) == BARE
