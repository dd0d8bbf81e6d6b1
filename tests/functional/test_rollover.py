"""A key is replaced while people sign on: nobody notices, and nothing is started anew.

SPs here trust the metadata as they fetched it a minute ago. Two nodes answer, each with services of
its own on the one database, while four browsers sign on all the time.
"""

from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread
from time import monotonic, sleep

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from sqlalchemy import select
from webtest import TestApp

import idp.snapshot
from idp.errors import KeyRefused
from idp.keys import SigningKey
from idp.services import Services, build
from idp.settings import Settings
from tests.common.clock import FakeClock
from tests.common.fake_sp import NS, Refused, verify
from tests.conftest import spoken_to
from tests.functional.conftest import Visitor, World

MINUTE = timedelta(minutes=1)
ASKED_EVERY = 0.1  # seconds between a process's questions whether something changed; else one
PATIENCE = 100  # seconds, for a machine that is busy
EACH = 6  # sign-ons of every browser in each step
CODES = ("bip", "net-cotisations")


@dataclass
class Crowd:
    """Browsers that go on signing on, and the SPs' opinion of every answer."""

    world: World
    apps: list[TestApp]
    fetched: list[bytes] = field(default_factory=list)
    signed_by: list[tuple[str, bytes]] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    stopping: Event = field(default_factory=Event)

    def a_minute_passes(self) -> None:
        """Every SP fetches the metadata, on any node."""
        for app in self.apps:
            self.fetched.append(app.get("/saml/metadata").body)
        self.world.clock.advance(MINUTE)

    def work(self) -> int:
        """Wait for further sign-ons of everybody; returns how many there were before."""
        before, counts = len(self.signed_by), dict(self.counts)
        deadline = monotonic() + PATIENCE
        while any(self.counts[each] < count + EACH for each, count in counts.items()):
            assert monotonic() < deadline, "too slow"
            assert self.broken == []
            sleep(0.02)
        return before

    def publish(self, *expected: bytes) -> None:
        """Wait until every node's metadata names these certificates; then a minute passes."""
        for app in self.apps:
            _until(lambda app=app: certificates(app.get("/saml/metadata").body) == [*expected])
        self.a_minute_passes()

    def signs(self, *expected: tuple[str, bytes]) -> None:
        """Wait until everybody is signed for in this way: SP by SP, with which certificate."""
        _until(lambda: set(self.signed_by[self.work() :]) == {*expected})

    def run(self, number: int, visitor: Visitor) -> None:
        """One browser's thread."""
        sp = self.world.sps[CODES[number % len(CODES)]]
        try:
            while not self.stopping.is_set():
                trusted = certificates(self.fetched[-2])  # a minute ago, on the first node
                _id, page = visitor.open(sp, now=self.world.now)
                assert page.status_int == 200, page.text
                _action, response, _state = sp.read_page(page.text)
                self.signed_by.append((sp.entity_id, trusted_signer(response, trusted)))
                self.counts[number] += 1
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.broken.append(error)


def certificates(metadata: bytes, use: str = "signing") -> list[bytes]:
    """What an SP keeps of our metadata."""
    path = f".//md:KeyDescriptor[@use='{use}']//ds:X509Certificate"
    return [b64decode(each.text or "") for each in etree.fromstring(metadata).iterfind(path, NS)]


def certificate_of(services: Services, kid: str) -> bytes:
    """The certificate of this key, from the database: what is kept in memory may lag behind."""
    with services.db.reading() as session:
        pem = session.scalars(select(SigningKey.certificate).where(SigningKey.kid == kid)).one()
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


def trusted_signer(response: etree._Element, trusted: list[bytes]) -> bytes:
    """The certificate that verifies the assertion.

    Raises:
        Refused: none of those that the SP trusts does.
    """
    found = response.find("saml:Assertion", NS)
    assertion = etree.fromstring(etree.tostring(found, method="c14n", exclusive=True))
    for certificate in trusted:
        try:
            verify(assertion, certificate)
        except Refused:
            continue
        return certificate
    raise Refused("no key of the metadata verifies it")


@pytest.fixture
def crowd(
    world: World,
    services: Services,
    settings: Settings,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Crowd]:
    monkeypatch.setattr(idp.snapshot, "MAX_AGE", ASKED_EVERY)
    second = build(settings, clock=clock)
    second_directory = second.directory
    # The memory directory is each process's own; people are the same.
    second_directory.__dict__.update(services.directory.__dict__)
    apps = [spoken_to(settings, services), spoken_to(settings, second)]
    made = Crowd(world, apps)
    made.a_minute_passes()
    threads = []
    for number in range(4):
        app = apps[number // 2]
        visitor = Visitor(TestApp(app.app, extra_environ=app.extra_environ))
        visitor.sign_in("agent")
        made.counts[number] = 0
        threads.append(Thread(target=made.run, args=(number, visitor), daemon=True))
    for thread in threads:
        thread.start()
    yield made
    made.stopping.set()
    for thread in threads:
        thread.join(30)
    second.db.dispose()
    assert made.broken == []


def test_a_rollover_breaks_no_sign_on(crowd: Crowd, services: Services) -> None:
    keys = services.keys
    sps = [crowd.world.sps[code].entity_id for code in CODES]
    crowd.work()
    (old,) = keys.certificates()
    kid = keys.generate()
    new = certificate_of(services, kid)
    crowd.publish(old, new)
    crowd.a_minute_passes()
    crowd.signs(*((sp, old) for sp in sps))  # published, not used yet

    keys.promote(kid, force=True)
    crowd.signs(*((sp, new) for sp in sps))
    crowd.a_minute_passes()
    crowd.a_minute_passes()
    crowd.work()

    keys.retire("idp")
    crowd.publish(new)
    crowd.a_minute_passes()
    crowd.work()
    assert len(crowd.signed_by) >= 5 * 4 * EACH


def test_an_sp_that_reads_no_metadata_is_kept_on_the_old_key(
    crowd: Crowd, services: Services
) -> None:
    keys = services.keys
    bip, other = (crowd.world.sps[code].entity_id for code in CODES)
    (old,) = keys.certificates()
    kid = keys.generate()
    new = certificate_of(services, kid)
    crowd.publish(old, new)
    crowd.a_minute_passes()
    keys.assign(bip, "idp")
    crowd.work()
    keys.promote(kid, force=True)
    crowd.a_minute_passes()
    crowd.signs((bip, old), (other, new))
    with pytest.raises(KeyRefused, match=bip):
        keys.retire("idp")
    crowd.a_minute_passes()
    crowd.work()
    assert {each.entity_id: each.kid for each in keys.served()} == {bip: "idp", other: kid}

    keys.assign(bip, None)
    crowd.signs((bip, new), (other, new))


def test_a_rollover_without_waiting_would_be_seen(crowd: Crowd, services: Services) -> None:
    """The SPs of these tests do refuse what they cannot know."""
    crowd.work()
    services.keys.promote(services.keys.generate(), force=True)
    _until(lambda: len(crowd.broken) == len(crowd.counts))
    assert all(isinstance(error, Refused) for error in crowd.broken)
    crowd.broken.clear()


def _until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < deadline
        sleep(0.02)
