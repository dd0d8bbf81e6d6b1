"""The key ring: next, active, retired; and a node that cannot sign says so."""

import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from idp.errors import ConfigurationError, KeyRefused, NotFound
from idp.keys import KeyRing, KeyState, KeyUse, SigningKey
from idp.keys.ring import READ_WITHIN
from idp.saml.canonical import element, render
from idp.saml.signature import verify_element
from idp.saml.xml import parse
from idp.services import Services
from tests.common.clock import FakeClock


@pytest.fixture
def ring(services: Services) -> KeyRing:
    return services.keys


def states(ring: KeyRing) -> dict[str, str]:
    return {key.kid: key.state for key in ring.list()}


def test_a_generated_key_is_published_before_it_signs(ring: KeyRing, services: Services) -> None:
    before = ring.certificates()
    kid = ring.generate()
    assert states(ring) == {"idp": KeyState.ACTIVE, kid: KeyState.NEXT}
    assert ring.certificates()[0] == before[0]
    assert len(ring.certificates()) == 2
    file = services.settings.keys / f"{kid}.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_promotion_retires_the_key_before_and_keeps_it_published(
    ring: KeyRing, clock: FakeClock
) -> None:
    kid = ring.generate()
    old = ring.certificates()[0]
    ring.promote(kid, force=True)
    assert states(ring) == {"idp": KeyState.RETIRED, kid: KeyState.ACTIVE}
    assert ring.certificates()[1] == old
    message = render(element("samlp:Response", {"ID": "x"}, "x"))
    signed = message.replace("</samlp", f"{ring.sign_element(message, 'x')}</samlp")
    verify_element(parse(signed.encode()), [ring.certificates()[0]])
    clock.advance(timedelta(days=31))
    assert old not in ring.certificates(), "its time ran out, nobody changed anything"


def test_a_retired_key_is_published_until_its_date(ring: KeyRing, clock: FakeClock) -> None:
    kid = ring.generate()
    ring.retire(kid, clock.now() + timedelta(days=1))
    assert len(ring.certificates()) == 2
    ring.retire(kid)
    assert len(ring.certificates()) == 1


def test_a_key_that_is_published_no_more_cannot_sign_again(ring: KeyRing) -> None:
    kid = ring.generate()
    ring.retire(kid)
    with pytest.raises(KeyRefused, match="not published"):
        ring.promote(kid, force=True)
    assert states(ring) == {"idp": KeyState.ACTIVE, kid: KeyState.RETIRED}


def test_the_active_key_is_not_retired(ring: KeyRing) -> None:
    with pytest.raises(KeyRefused, match="active"):
        ring.retire("idp")
    for refused in (ring.promote, ring.retire):
        with pytest.raises(NotFound):
            refused("absent")
    assert states(ring) == {"idp": KeyState.ACTIVE}


def test_a_node_that_misses_the_new_key_goes_on_with_the_old_one_and_says_so(
    ring: KeyRing, services: Services, tmp_path: Path
) -> None:
    core = services.core
    shutil.copytree(core.settings.keys, tmp_path / "other-node")
    other = KeyRing(core.db, core.clock, core.audit, tmp_path / "other-node")
    other.ready()
    ring.promote(ring.generate(), force=True)
    other._snapshot.forget()
    assert other.sign_element("<a/>", "a")
    with pytest.raises(ConfigurationError, match="not on this node"):
        other.ready()


def test_there_is_one_active_key_whoever_promotes(ring: KeyRing, services: Services) -> None:
    kid = ring.generate()
    ring.promote("idp")
    assert states(ring) == {"idp": KeyState.ACTIVE, kid: KeyState.NEXT}
    with pytest.raises(IntegrityError), services.db.unit_of_work() as session:
        session.execute(update(SigningKey).values(state=KeyState.ACTIVE))


def test_another_process_s_promotion_is_seen(ring: KeyRing, services: Services) -> None:
    core = services.core
    other = KeyRing(core.db, core.clock, core.audit, core.settings.keys)
    assert other.certificates() == ring.certificates()
    kid = ring.generate()
    ring.promote(kid, force=True)
    other._snapshot.forget()
    assert other.certificates() == ring.certificates()


@pytest.mark.parametrize("spoil", ["absent", "garbage", "other"])
def test_a_node_without_the_active_key_s_own_file_is_not_ready(
    spoil: str, services: Services, keys_folder: Path
) -> None:
    file = services.settings.keys / "idp.pem"
    if spoil == "absent":
        file.unlink()
    elif spoil == "garbage":
        file.write_text("garbage")
    else:
        file.write_bytes((keys_folder / "sp.pem").read_bytes())
    with pytest.raises(ConfigurationError):
        services.keys.ready()


def test_without_an_active_key_the_node_is_not_ready(ring: KeyRing, services: Services) -> None:
    with services.db.unit_of_work() as session:
        for key in ring.list():
            session.merge(key).state = KeyState.RETIRED
    services.db.bump("signing_key")
    ring._snapshot.forget()
    with pytest.raises(ConfigurationError, match="keys generate"):
        ring.ready()


def test_a_key_in_the_folder_is_adopted_with_its_own_certificate_only(
    ring: KeyRing, services: Services, keys_folder: Path
) -> None:
    folder = services.settings.keys
    (folder / "mine.pem").write_bytes((keys_folder / "idp-next.pem").read_bytes())
    with pytest.raises(ConfigurationError, match="do not match"):
        ring.adopt("mine", (keys_folder / "sp.crt").read_text())
    ring.adopt("mine", (keys_folder / "idp-next.crt").read_text())
    assert states(ring)["mine"] == KeyState.NEXT


def test_a_key_waits_a_day_before_it_takes_the_place_of_another(
    ring: KeyRing, clock: FakeClock
) -> None:
    kid = ring.generate()
    clock.advance(READ_WITHIN - timedelta(seconds=1))
    with pytest.raises(KeyRefused) as refused:
        ring.promote(kid)
    assert f"{clock.now() + timedelta(seconds=1):%d/%m/%Y à %H:%M}" in refused.value.public
    assert states(ring) == {"idp": KeyState.ACTIVE, kid: KeyState.NEXT}
    clock.advance(timedelta(seconds=1))
    ring.promote(kid)
    ring.promote("idp")  # back again: it is known
    assert states(ring) == {"idp": KeyState.ACTIVE, kid: KeyState.RETIRED}


def test_the_first_key_and_one_for_encryption_wait_for_nobody(
    ring: KeyRing, services: Services
) -> None:
    ring.promote(ring.generate(KeyUse.ENCRYPTION))
    ring.promote(ring.generate(KeyUse.ENCRYPTION))
    with services.db.unit_of_work() as session:
        session.execute(delete(SigningKey).where(SigningKey.use == KeyUse.SIGNING))
    kid = ring.generate()
    ring.promote(kid)
    assert states(ring)[kid] == KeyState.ACTIVE
