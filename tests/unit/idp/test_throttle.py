from datetime import timedelta
from itertools import islice

import pytest
from sqlalchemy import event, select

from idp.db import Database
from idp.errors import Throttled
from idp.throttle import (
    LOGINS_PER_ADDRESS,
    UNDER_WAY,
    Throttle,
    ThrottleRow,
    device_token,
    known_device,
)
from idp.worker import purge
from tests.common.clock import FakeClock

SECRET = b"s" * 32
HOME = "192.0.2.1"


@pytest.fixture
def throttle(database: Database, clock: FakeClock) -> Throttle:
    return Throttle(database, clock)


def fail(
    throttle: Throttle,
    times: int,
    login: str = "a@b.fr",
    address: str = HOME,
    device: str | None = None,
) -> None:
    for _ in range(times):
        throttle.attempt(login, address, device)
        throttle.failed(login, address, device)


def test_the_delay_grows_after_five_failures(throttle: Throttle, clock: FakeClock) -> None:
    fail(throttle, 5)

    delays = []
    for _ in range(7):
        with pytest.raises(Throttled) as refused:
            throttle.attempt("a@b.fr", HOME)
        delays.append(refused.value.retry_after)
        clock.advance(timedelta(seconds=delays[-1]))
        throttle.attempt("a@b.fr", HOME)

    assert delays == [2, 4, 8, 16, 32, 60, 60]


def test_nobody_is_refused_for_what_is_still_being_checked(throttle: Throttle) -> None:
    for _ in range(UNDER_WAY):
        throttle.attempt("a@b.fr", HOME)
    with pytest.raises(Throttled):
        throttle.attempt("a@b.fr", HOME)

    throttle.succeeded("a@b.fr", HOME)
    throttle.attempt("a@b.fr", HOME)


def test_one_wrong_password_ends_the_patience_with_many_at_once(throttle: Throttle) -> None:
    for _ in range(10):
        throttle.attempt("a@b.fr", HOME)
    throttle.failed("a@b.fr", HOME)

    with pytest.raises(Throttled):
        throttle.attempt("a@b.fr", HOME)


def test_what_is_refused_is_not_counted(throttle: Throttle, clock: FakeClock) -> None:
    fail(throttle, 5)
    for _ in range(20):
        with pytest.raises(Throttled):
            throttle.attempt("a@b.fr", HOME)

    clock.advance(timedelta(seconds=2))
    throttle.attempt("a@b.fr", HOME)


def test_an_attempt_is_committed_before_the_check(database: Database, clock: FakeClock) -> None:
    Throttle(database, clock).attempt("a@b.fr", HOME)

    other = Database(database.url.render_as_string(hide_password=False), durable=False)
    with other.reading() as session:
        buckets = set(session.scalars(select(ThrottleRow.bucket)))
    other.dispose()
    assert buckets == {"account", "network:192.0.2.0/24", f"address:{HOME}/32"}


def test_the_delay_runs_from_the_end_of_the_check(throttle: Throttle, clock: FakeClock) -> None:
    fail(throttle, 5)
    clock.advance(timedelta(seconds=2))
    throttle.failed("a@b.fr", HOME)

    with pytest.raises(Throttled) as refused:
        throttle.attempt("a@b.fr", HOME)
    assert refused.value.retry_after == 2


def test_success_forgets_the_failures(throttle: Throttle) -> None:
    fail(throttle, 5)
    throttle.succeeded("a@b.fr", HOME)

    fail(throttle, 5)


def test_a_login_is_folded_and_hashed(throttle: Throttle, database: Database) -> None:
    fail(throttle, 4)
    throttle.attempt(" A@B.fr", HOME)

    with pytest.raises(Throttled):
        throttle.attempt("a@b.fr", HOME)
    with database.reading() as session:
        subjects = set(session.scalars(select(ThrottleRow.subject)))
    assert len(subjects) == 1
    assert "a@b.fr" not in str(subjects)


def test_a_login_is_one_however_its_domain_is_spelled(throttle: Throttle) -> None:
    fail(throttle, 5, "x@café.fr")
    with pytest.raises(Throttled):
        throttle.attempt("X@xn--caf-dma.fr", HOME)
    token = device_token(SECRET, "x@café.fr")
    assert known_device(SECRET, "x@xn--caf-dma.fr", token) is not None


def test_a_stranger_cannot_keep_a_known_device_out(throttle: Throttle) -> None:
    token = device_token(SECRET, "a@b.fr")
    device = known_device(SECRET, "a@b.fr", token)
    assert device is not None
    fail(throttle, 5)

    throttle.attempt("a@b.fr", HOME, device)


@pytest.mark.parametrize(
    ("stranger", "owner"),
    [(HOME, "198.51.100.1"), ("2001:db8::1", "2001:db8:0:1::1"), ("2001:db8::1", HOME)],
)
def test_a_stranger_of_another_network_cannot_keep_a_person_out_of_a_new_browser(
    throttle: Throttle, clock: FakeClock, stranger: str, owner: str
) -> None:
    for _ in range(20):
        throttle.attempt("a@b.fr", stranger)
        throttle.failed("a@b.fr", stranger)
        clock.advance(timedelta(seconds=60))
    with pytest.raises(Throttled):
        fail(throttle, 2, address=stranger)

    throttle.attempt("a@b.fr", owner)


@pytest.mark.parametrize(
    ("one", "other"), [(HOME, "192.0.2.200"), ("2001:db8::1", "2001:db8::2"), (HOME, HOME)]
)
def test_a_network_counts_as_one(throttle: Throttle, one: str, other: str) -> None:
    fail(throttle, 5, address=one)

    with pytest.raises(Throttled):
        throttle.attempt("a@b.fr", other)


def test_many_networks_together_wait_a_little(throttle: Throttle, clock: FakeClock) -> None:
    networks = iter(f"10.{high}.{low}.1" for high in range(10) for low in range(100))
    for network in islice(networks, 100):
        throttle.attempt("a@b.fr", network)

    delays = []
    for _ in range(6):
        with pytest.raises(Throttled) as refused:
            throttle.attempt("a@b.fr", "198.51.100.1")
        delays.append(refused.value.retry_after)
        for network in islice(networks, 100):
            clock.advance(timedelta(seconds=5))
            throttle.attempt("a@b.fr", network)
    assert delays == [1, 2, 3, 4, 5, 5]

    throttle.attempt("a@b.fr", HOME, "device")
    throttle.attempt("autre@b.fr", "198.51.100.1")
    clock.advance(timedelta(seconds=5))
    throttle.attempt("a@b.fr", "198.51.100.1")


def test_success_elsewhere_gives_a_stranger_nothing(throttle: Throttle, clock: FakeClock) -> None:
    for number in range(99):
        throttle.attempt("a@b.fr", f"10.0.{number}.1")
    throttle.attempt("a@b.fr", "198.51.100.1")
    throttle.succeeded("a@b.fr", "198.51.100.1")

    throttle.attempt("a@b.fr", "10.1.0.1")
    with pytest.raises(Throttled):
        throttle.attempt("a@b.fr", "10.1.1.1")
    clock.advance(timedelta(seconds=1))
    throttle.attempt("a@b.fr", "10.1.1.1")


def test_a_known_device_has_a_delay_of_its_own(throttle: Throttle) -> None:
    fail(throttle, 5, device="device")

    with pytest.raises(Throttled):
        throttle.attempt("a@b.fr", HOME, "device")
    throttle.attempt("a@b.fr", HOME)


def test_success_on_a_known_device_gives_a_stranger_nothing(throttle: Throttle) -> None:
    fail(throttle, 5)
    throttle.attempt("a@b.fr", HOME, "device")
    throttle.succeeded("a@b.fr", HOME, "device")

    with pytest.raises(Throttled):
        throttle.attempt("a@b.fr", HOME)


def test_an_address_may_fail_on_many_logins_but_not_on_all(
    throttle: Throttle, clock: FakeClock
) -> None:
    for number in range(LOGINS_PER_ADDRESS):
        throttle.attempt(f"agent{number}@b.fr", HOME)
    clock.advance(timedelta(minutes=10))

    with pytest.raises(Throttled) as refused:
        throttle.attempt("nouveau@b.fr", HOME)
    assert refused.value.retry_after == 50 * 60
    throttle.attempt("nouveau@b.fr", "192.0.2.2")
    throttle.attempt("nouveau@b.fr", HOME, "device")


def test_those_who_succeed_do_not_count_against_their_address(throttle: Throttle) -> None:
    for number in range(LOGINS_PER_ADDRESS + 5):
        throttle.attempt(f"agent{number}@b.fr", HOME)
        throttle.succeeded(f"agent{number}@b.fr", HOME)

    throttle.attempt("nouveau@b.fr", HOME)


def test_one_ipv6_network_is_one_address(throttle: Throttle) -> None:
    for number in range(LOGINS_PER_ADDRESS):
        throttle.attempt(f"agent{number}@b.fr", f"2001:db8::{number:x}")

    with pytest.raises(Throttled):
        throttle.attempt("nouveau@b.fr", "2001:db8::ffff")
    throttle.attempt("nouveau@b.fr", "2001:db8:0:1::1")


@pytest.mark.parametrize("address", ["", "unix:socket", "x" * 200, "::ffff:192.0.2.1"])
def test_any_address_will_do(throttle: Throttle, address: str) -> None:
    fail(throttle, 5, address=address)

    with pytest.raises(Throttled):
        throttle.attempt("a@b.fr", address)


def test_failures_are_forgotten_after_an_hour(throttle: Throttle, clock: FakeClock) -> None:
    fail(throttle, 5)
    clock.advance(timedelta(hours=1))

    fail(throttle, 5)


def test_old_rows_are_purged(throttle: Throttle, database: Database, clock: FakeClock) -> None:
    fail(throttle, 1)
    clock.advance(timedelta(minutes=30))
    fail(throttle, 1, "c@d.fr")
    clock.advance(timedelta(minutes=30))

    assert purge(database, clock)["throttle"] == 3
    assert purge(database, clock)["throttle"] == 0


def test_every_login_runs_the_same_statements(throttle: Throttle, database: Database) -> None:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    throttle.attempt("connu@b.fr", HOME)
    throttle.failed("connu@b.fr", HOME)
    first = list(statements)
    statements.clear()
    throttle.attempt("inconnu@b.fr", HOME)
    throttle.failed("inconnu@b.fr", HOME)

    assert statements == first


def test_a_device_token_is_of_one_login_and_one_server() -> None:
    token = device_token(SECRET, "a@b.fr")

    assert known_device(SECRET, " A@B.FR", token) == token.partition(".")[0]
    for secret, login, given in (
        (SECRET, "autre@b.fr", token),
        (b"t" * 32, "a@b.fr", token),
        (SECRET, "a@b.fr", token + "x"),
        (SECRET, "a@b.fr", "x" + token),
        (SECRET, "a@b.fr", "é.é"),
        (SECRET, "a@b.fr", ""),
        (SECRET, "a@b.fr", None),
    ):
        assert known_device(secret, login, given) is None
