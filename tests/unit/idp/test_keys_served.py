"""Which SP is answered with which key: kept on one, and last served with one."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from idp.errors import ConfigurationError, KeyRefused, NotFound
from idp.keys import KeyRing, KeyUse
from idp.keys.ring import READ_WITHIN, SERVED_LATELY
from idp.services import Services
from idp.sessions import sso
from idp.sessions.served import Served
from idp.types import AuthnContext, NameID, SpSession, Subject
from tests.common.clock import FakeClock

BIP, NET_CAP = "https://bip.example", "https://net-cap.example"


@pytest.fixture
def ring(services: Services) -> KeyRing:
    return services.keys


def serve(services: Services, entity_id: str) -> None:
    """What a sign-on writes."""
    now = services.clock.now()
    subject = Subject("s1", "lea@ville.example", "Léa", "Noël", now)
    _token, session = services.sessions.start(
        subject, AuthnContext.PASSWORD_PROTECTED_TRANSPORT, user_agent=""
    )
    kid = services.signer.towards(entity_id).kid
    name_id = NameID("x", "urn:x")
    opened = SpSession(entity_id, name_id, "_1", now, session.expires_at, kid)
    services.sessions.record(session, opened)


def test_an_sp_is_kept_on_a_key_until_it_is_let_go(ring: KeyRing, services: Services) -> None:
    kid = ring.generate()
    ring.promote(kid, force=True)
    assert ring.towards(BIP).kid == kid
    core = services.core
    other = KeyRing(core.db, core.clock, core.audit, core.settings.keys)
    assert other.towards(BIP).kid == kid
    ring.assign(BIP, "idp")
    other._snapshot.forget()  # a second later
    for each in (ring, other):
        assert each.towards(BIP).kid == "idp"
        assert each.towards(NET_CAP).kid == kid
        assert each.kid == kid, "metadata is signed by the active key"
    ring.assign(BIP, None)
    assert ring.towards(BIP).kid == kid
    assert ring.assignments() == {}


def test_the_key_that_an_sp_is_kept_on_is_the_one_that_signs(ring: KeyRing) -> None:
    octets = b"SAMLRequest=x"
    before = ring.towards(BIP).sign_octets(octets)
    ring.promote(ring.generate(), force=True)
    assert ring.towards(BIP).sign_octets(octets) != before
    ring.assign(BIP, "idp")
    assert ring.towards(BIP).sign_octets(octets) == before
    assert ring.sign_octets(octets) != before


def test_a_key_stays_published_while_an_sp_is_kept_on_it(ring: KeyRing, clock: FakeClock) -> None:
    old = ring.certificates()[0]
    ring.promote(ring.generate(), force=True)
    ring.assign(BIP, "idp")
    clock.advance(timedelta(days=90))
    assert old in ring.certificates()
    ring.assign(BIP, "idp")  # again: it is published
    ring.assign(BIP, None)
    assert old not in ring.certificates()
    with pytest.raises(KeyRefused, match="not published"):
        ring.assign(BIP, "idp")


def test_only_a_published_signing_key_that_is_here_may_be_chosen(
    ring: KeyRing, services: Services
) -> None:
    with pytest.raises(NotFound):
        ring.assign(BIP, "absent")
    with pytest.raises(KeyRefused, match="does not sign"):
        ring.assign(BIP, ring.generate(KeyUse.ENCRYPTION))
    kid = ring.generate()
    (services.settings.keys / f"{kid}.pem").unlink()
    with pytest.raises(ConfigurationError, match="not on this node"):
        ring.assign(BIP, kid)
    assert ring.assignments() == {}


def test_an_sp_is_given_a_key_of_which_it_may_have_read(ring: KeyRing, clock: FakeClock) -> None:
    kid = ring.generate()
    clock.advance(READ_WITHIN - timedelta(seconds=1))
    with pytest.raises(KeyRefused) as refused:
        ring.assign(BIP, kid)
    with pytest.raises(KeyRefused) as promoted:
        ring.promote(kid)
    assert refused.value.public == promoted.value.public
    assert ring.towards(BIP).kid == "idp"
    ring.assign(BIP, kid, force=True)
    assert ring.towards(BIP).kid == kid
    ring.assign(BIP, None)
    clock.advance(timedelta(seconds=1))
    ring.assign(BIP, kid)
    assert ring.towards(BIP).kid == kid


def test_a_node_without_a_chosen_key_signs_for_nobody_else_with_another(
    ring: KeyRing, services: Services
) -> None:
    ring.promote(ring.generate(), force=True)
    ring.assign(BIP, "idp")
    (services.settings.keys / "idp.pem").unlink()
    core = services.core
    other = KeyRing(core.db, core.clock, core.audit, core.settings.keys)
    assert other.towards(NET_CAP).kid == ring.kid
    with pytest.raises(ConfigurationError, match="not here"):
        other.towards(BIP)
    with pytest.raises(ConfigurationError, match="not on this node"):
        other.ready()


def test_a_node_without_the_encryption_key_signs_and_is_not_ready(
    ring: KeyRing, services: Services
) -> None:
    kid = ring.generate(KeyUse.ENCRYPTION)
    ring.promote(kid, force=True)
    (services.settings.keys / f"{kid}.pem").unlink()
    core = services.core
    other = KeyRing(core.db, core.clock, core.audit, core.settings.keys)
    assert other.towards(BIP).kid == "idp"
    with pytest.raises(ConfigurationError, match="not on this node"):
        other.ready()


def test_what_was_last_served_with_which_key_outlives_the_sessions(
    ring: KeyRing, services: Services, clock: FakeClock
) -> None:
    first = clock.now()
    serve(services, BIP)
    serve(services, NET_CAP)
    clock.advance(timedelta(minutes=1))
    kid = ring.generate()
    ring.promote(kid, force=True)
    second = clock.now()
    serve(services, BIP)
    expected = (Served(BIP, kid, second), Served(NET_CAP, "idp", first))
    assert ring.served() == expected
    clock.advance(timedelta(days=2))
    assert sso.purge(services.db, clock.now()) == 3
    assert ring.served() == expected
    serve(services, NET_CAP)
    assert ring.served()[1] == Served(NET_CAP, kid, clock.now())
    third = clock.now()
    clock.advance(timedelta(days=2))
    sso.purge(services.db, clock.now())
    assert ring.served() == (Served(BIP, kid, second), Served(NET_CAP, kid, third))


def test_a_key_is_not_retired_under_an_sp_that_may_know_no_other(
    ring: KeyRing, services: Services, clock: FakeClock
) -> None:
    serve(services, BIP)
    kid = ring.generate()
    ring.promote(kid, force=True)
    with pytest.raises(KeyRefused, match=BIP):
        ring.retire("idp")
    ring.retire("idp", clock.now() + timedelta(days=10))  # published, so nobody is left behind
    serve(services, BIP)
    clock.advance(timedelta(seconds=1))
    serve(services, BIP)
    ring.retire("idp")
    assert len(ring.certificates()) == 1


def test_who_was_served_long_ago_keeps_no_key(
    ring: KeyRing, services: Services, clock: FakeClock
) -> None:
    serve(services, BIP)
    ring.promote(ring.generate(), force=True)
    clock.advance(SERVED_LATELY - timedelta(seconds=1))
    with pytest.raises(KeyRefused, match=BIP):
        ring.retire("idp")
    clock.advance(timedelta(seconds=1))
    ring.retire("idp")


def test_a_key_with_sps_kept_on_it_goes_by_force_only(ring: KeyRing, clock: FakeClock) -> None:
    kid = ring.generate()
    ring.promote(kid, force=True)
    ring.assign(BIP, "idp")
    for until in (None, clock.now() + timedelta(days=5)):
        with pytest.raises(KeyRefused, match=BIP):
            ring.retire("idp", until)
    assert ring.towards(BIP).kid == "idp"
    ring.retire("idp", force=True)
    assert ring.towards(BIP).kid == kid
    assert len(ring.certificates()) == 1


def test_an_encryption_key_is_retired_without_a_successor(ring: KeyRing, clock: FakeClock) -> None:
    kid = ring.generate(KeyUse.ENCRYPTION)
    ring.promote(kid, force=True)
    assert len(ring.encryption_certificates()) == 1
    assert len(ring.certificates()) == 1, "it does not sign"
    ring.retire(kid)
    assert ring.encryption_certificates() == ()
    row = next(each for each in ring.list() if each.kid == kid)
    assert row.published_until == clock.now() + timedelta(days=30)


def test_a_choice_costs_a_sign_on_no_statement(ring: KeyRing, services: Services) -> None:
    ring.assign(BIP, "idp")
    ring.towards(BIP)
    said: list[str] = []

    @event.listens_for(services.db.engine, "before_cursor_execute")
    def note(*given: object) -> None:
        said.append(str(given[2]))

    for _ in range(50):
        ring.towards(BIP).sign_octets(b"x")
        ring.towards(NET_CAP).sign_octets(b"x")
    assert said == []


def test_a_minute_more_leaves_an_sp_behind_as_well(
    ring: KeyRing, services: Services, clock: FakeClock
) -> None:
    serve(services, BIP)
    ring.promote(ring.generate(), force=True)
    for wait in (timedelta(minutes=1), READ_WITHIN - timedelta(seconds=1)):
        with pytest.raises(KeyRefused, match=BIP):
            ring.retire("idp", clock.now() + wait)
    ring.retire("idp", clock.now() + READ_WITHIN)


def test_an_sp_that_is_registered_no_more_holds_no_key(
    ring: KeyRing, services: Services, clock: FakeClock
) -> None:
    serve(services, BIP)
    serve(services, NET_CAP)
    ring.promote(ring.generate(), force=True)
    ring.assign(BIP, "idp")
    clock.advance(timedelta(days=2))
    sso.purge(services.db, clock.now())
    serve(services, BIP)
    ring.forget(BIP)
    assert ring.assignments() == {}
    assert ring.towards(BIP).kid == ring.kid
    assert [each.entity_id for each in ring.served()] == [NET_CAP]
    ring.forget(NET_CAP)
    ring.retire("idp")
