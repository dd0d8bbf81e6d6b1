"""The registry: what is written, and what the sign-on path reads of it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.audit import AuditEvent
from idp.errors import AlreadyExists, MetadataError, NotFound, UnknownServiceProvider
from idp.services import Core, Services
from idp.settings import Settings
from idp.types import Encrypt, NameIDFormat, Refusals, Requests, Sign, Structures
from metadata.options import Choice
from metadata.registry import Registry, ServiceProviders
from metadata.rule_sets import RULE_SETS
from metadata.tables import ServiceProviderRow
from tests.common.clock import FakeClock
from tests.unit.metadata import samples
from tests.unit.metadata.conftest import Journal, known, spoil
from tests.unit.metadata.samples import ACS, ENTITY_ID, SLO, complete_entity, der, entity, key

OTHER = "https://autre.exemple.fr"
NOTHING = Choice()
URL = "https://bip.exemple.fr/metadata"
DATED = 'validUntil="2026-12-31T00:00:00Z"'


# --- writing -----------------------------------------------------------------------------------


def test_an_sp_is_added_with_its_journal_event(
    registry: Registry, journal: Journal, clock: FakeClock
) -> None:
    written = registry.add(complete_entity(), NOTHING, application="net-cap")
    assert written.registration.warnings == ()
    found = registry.find(ENTITY_ID)
    assert found == written.registration
    assert (found.enabled, found.source_url, found.problem) == (True, None, None)
    assert found.created_at == found.updated_at == clock.now()
    assert found.options is not None
    assert found.options.rules == RULE_SETS["net-cap"]
    assert journal.events == [
        (
            "service-provider.added",
            ENTITY_ID,
            {
                "source_url": None,
                "rule_set": "net-cap",
                "name_id_format": NameIDFormat.TRANSIENT,
                "sign": "both",
                "encrypt": "auto",
                "structures": "ask",
                "requests": "any",
                "refusals": "page",
            },
        )
    ]


def test_the_file_is_kept_byte_for_byte(registry: Registry, core: Core) -> None:
    document = b"\xef\xbb\xbf" + complete_entity().replace(b"\n", b"\r\n") + "<!-- é -->".encode()
    registry.add(document, NOTHING, application="")
    with core.db.reading() as session:
        row = session.get_one(ServiceProviderRow, ENTITY_ID)
    assert row.xml.encode() == document


def test_what_is_chosen_is_kept(registry: Registry, providers: ServiceProviders) -> None:
    choice = Choice(
        "site",
        NameIDFormat.PERSISTENT,
        Sign.RESPONSE,
        Encrypt.NEVER,
        Structures.SCOPED,
        Requests.SIGNED,
        Refusals.STATUS,
    )
    registry.add(complete_entity(), choice, application="bip")
    provider = providers.get(ENTITY_ID)
    assert provider.rules == RULE_SETS["site"]
    assert provider.name_id_format is NameIDFormat.PERSISTENT
    assert provider.sign is Sign.RESPONSE
    assert provider.encrypt is Encrypt.NEVER
    assert provider.structures is Structures.SCOPED
    assert provider.requests is Requests.SIGNED
    assert provider.refusals is Refusals.STATUS


def test_an_sp_is_added_once(registry: Registry, journal: Journal) -> None:
    registry.add(complete_entity(), NOTHING, application="")
    with pytest.raises(AlreadyExists, match="déjà enregistré"):
        registry.add(complete_entity(), NOTHING, application="")
    assert len(journal.events) == 1


def test_of_two_who_add_at_once_one_is_told(
    registry: Registry, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add(complete_entity(), NOTHING, application="")
    # What the second one sees: no row when it asks, one when it writes.
    monkeypatch.setattr(Session, "get", lambda *_, **__: None)
    with pytest.raises(AlreadyExists):
        registry.add(complete_entity(), NOTHING, application="")
    assert len(journal.events) == 1


def test_an_endpoint_is_told_whole_when_it_changes(registry: Registry) -> None:
    registry.add(complete_entity(), NOTHING, application="")
    more = 'isDefault="true" ResponseLocation="https://bip.exemple.fr/r"'
    acs = samples.acs(samples.ACS_URL, more=more)
    written = registry.replace(entity(key(der()), SLO, acs), NOTHING)
    assert written.changes[0].removed == (f"{samples.ACS_URL} (HTTP-POST) n° 0",)
    assert written.changes[0].added == (
        f"{samples.ACS_URL} (HTTP-POST) n° 0 par défaut réponses : https://bip.exemple.fr/r",
    )


def test_refused_metadata_leaves_no_trace(registry: Registry, journal: Journal) -> None:
    with pytest.raises(MetadataError):
        registry.add(b"<a/>", NOTHING, application="")
    with pytest.raises(MetadataError):
        registry.add(entity(ACS), Choice(encrypt=Encrypt.ALWAYS), application="")
    assert registry.list() == ()
    assert journal.events == []


def test_the_portals_own_entity_id_is_refused(registry: Registry, settings: Settings) -> None:
    with pytest.raises(MetadataError, match="ce portail lui-même"):
        registry.add(complete_entity(settings.entity_id), NOTHING, application="")


def test_metadata_from_an_address_without_an_end_are_refused(
    registry: Registry,
) -> None:
    with pytest.raises(MetadataError, match="validUntil"):
        registry.add(complete_entity(), NOTHING, application="", source_url=URL)
    assert registry.list() == ()
    dated = complete_entity(root_attributes=DATED)
    registry.add(dated, NOTHING, application="", source_url=URL)
    assert registry.find(ENTITY_ID).source_url == URL
    with pytest.raises(MetadataError, match="validUntil"):
        registry.replace(complete_entity(), NOTHING, source_url=URL)
    with pytest.raises(MetadataError, match="validUntil"):
        registry.refresh(ENTITY_ID, complete_entity(), URL)
    assert registry.find(ENTITY_ID).source_url == URL, "the last good copy stays"


def test_metadata_from_an_address_that_last_too_long_are_refused(registry: Registry) -> None:
    # The clock of the tests stands at 2026-11-20T09:00:00Z, and 400 days later it is 25/12/2027.
    longest = complete_entity(root_attributes='validUntil="2027-12-25T09:00:00Z"')
    longer = complete_entity(root_attributes='validUntil="2027-12-25T09:00:01Z"')
    for_ever = complete_entity(root_attributes='validUntil="9999-12-31T00:00:00Z"')
    for document in (longer, for_ever):
        with pytest.raises(MetadataError, match="dans plus de 400 jours"):
            registry.add(document, NOTHING, application="", source_url=URL)
    registry.add(longest, NOTHING, application="", source_url=URL)
    with pytest.raises(MetadataError, match="31/12/9999"):
        registry.replace(for_ever, NOTHING, source_url=URL)
    with pytest.raises(MetadataError, match="31/12/9999"):
        registry.refresh(ENTITY_ID, for_ever, URL)
    registry.replace(for_ever, NOTHING)  # from a file, which somebody looked at


def test_a_replacement_tells_what_changed(registry: Registry, journal: Journal) -> None:
    before, after = der("a"), der("b", number=1)
    registry.add(entity(key(before), SLO, ACS), Choice(sign=Sign.ASSERTION), application="bip")
    written = registry.replace(
        entity(key(after), ACS, attributes='AuthnRequestsSigned="1"'), Choice(rule_set="site")
    )
    assert {each.field for each in written.changes} == {
        "signing_certificates",
        "encryption_certificates",
        "single_logout_services",
        "authn_requests_signed",
        "rule_set",
    }
    sentences = [each.sentence() for each in written.changes]
    assert "demandes signées : retiré non ; ajouté oui" in sentences
    options = registry.find(ENTITY_ID).options
    assert options is not None
    assert (options.rule_set, options.sign) == ("site", Sign.ASSERTION)
    code, entity_id, parameters = journal.events[-1]
    assert (code, entity_id) == ("service-provider.replaced", ENTITY_ID)
    assert {"field": "rule_set", "removed": ["bip"], "added": ["site"]} in parameters["changes"]


def test_an_order_that_changed_is_a_change(registry: Registry) -> None:
    one, two = der("a"), der("b", number=1)
    registry.add(entity(key(one), key(two), SLO, ACS), NOTHING, application="")
    written = registry.replace(entity(key(two), key(one), SLO, ACS), NOTHING)
    assert written.changes[0].sentence() == "certificats de signature : ordre changé"


def test_replacing_with_the_same_writes_nothing(
    registry: Registry, journal: Journal, core: Core, clock: FakeClock
) -> None:
    registry.add(complete_entity(), NOTHING, application="")
    revision = core.db.revision("service_provider")
    clock.advance(timedelta(hours=1))
    written = registry.replace(complete_entity(), NOTHING)
    assert written.changes == ()
    assert journal.codes == ["service-provider.added"]
    assert core.db.revision("service_provider") == revision
    assert written.registration.updated_at < clock.now()


def test_a_replacement_keeps_a_disabled_sp_disabled(
    registry: Registry, providers: ServiceProviders
) -> None:
    registry.add(complete_entity(), NOTHING, application="")
    registry.disable(ENTITY_ID)
    registry.replace(entity(key(der("b", number=1)), SLO, ACS), NOTHING)
    assert not known(providers)


def test_a_refused_replacement_keeps_what_was_there(registry: Registry) -> None:
    registry.add(complete_entity(), NOTHING, application="")
    before = registry.find(ENTITY_ID)
    with pytest.raises(MetadataError):
        registry.replace(entity(key(der()), SLO), NOTHING)
    with pytest.raises(MetadataError):
        registry.replace(entity(SLO, ACS), Choice(encrypt=Encrypt.ALWAYS))
    assert registry.find(ENTITY_ID) == before


def test_expired_metadata_is_replaced_without_losing_the_options(
    registry: Registry, clock: FakeClock
) -> None:
    choice = Choice(sign=Sign.ASSERTION)
    registry.add(complete_entity(root_attributes=DATED), choice, application="site")
    clock.advance(timedelta(days=60))
    assert "expiré" in (registry.find(ENTITY_ID).problem or "")
    written = registry.replace(complete_entity(), NOTHING)
    assert [each.field for each in written.changes] == ["valid_until"]
    options = registry.find(ENTITY_ID).options
    assert options is not None
    assert (options.rule_set, options.sign) == ("site", Sign.ASSERTION)


def test_an_unreadable_row_can_be_replaced(registry: Registry, core: Core) -> None:
    registry.add(complete_entity(), NOTHING, application="site")
    spoil(core, rules=[{"name": "x"}])
    written = registry.replace(complete_entity(), NOTHING)
    assert written.registration.problem is None
    assert registry.find(ENTITY_ID).options is not None


def test_a_refresh_takes_the_new_copy(registry: Registry, journal: Journal) -> None:
    dated = complete_entity(root_attributes=DATED)
    registry.add(dated, NOTHING, application="", source_url=URL)
    assert registry.refresh(ENTITY_ID, dated, URL).changes == ()
    nearer = complete_entity(root_attributes=DATED.replace("2026-12-31", "2026-12-01"))
    written = registry.refresh(ENTITY_ID, nearer, URL)
    assert written.changes[0].sentence() == (
        "fin de validité : retiré 31/12/2026 00:00 UTC ; ajouté 01/12/2026 00:00 UTC"
    )
    assert journal.codes == ["service-provider.added", "service-provider.refreshed"]
    assert registry.find(ENTITY_ID).source_url == URL


def test_a_poisoned_address_changes_nothing(registry: Registry) -> None:
    dated = complete_entity(root_attributes=DATED)
    registry.add(dated, NOTHING, application="", source_url=URL)
    before = registry.find(ENTITY_ID)
    for poisoned in (
        complete_entity(OTHER, root_attributes=DATED),
        complete_entity(),
        b"<html>",
        b"",
    ):
        with pytest.raises(MetadataError):
            registry.refresh(ENTITY_ID, poisoned, URL)
    assert registry.list() == (before,)


def test_disable_enable_remove(
    registry: Registry,
    journal: Journal,
    providers: ServiceProviders,
    monotonic: Callable[[float], None],
) -> None:
    registry.add(complete_entity(), NOTHING, application="")
    registry.add(complete_entity(OTHER), NOTHING, application="")
    assert [each.entity_id for each in providers.all()] == [OTHER, ENTITY_ID]
    registry.disable(ENTITY_ID)
    registry.disable(ENTITY_ID)
    monotonic(2)
    with pytest.raises(UnknownServiceProvider) as refused:
        providers.get(ENTITY_ID)
    assert "suspendue" in refused.value.public
    monotonic(1.1)
    assert not known(providers)
    assert [each.enabled for each in providers.all()] == [True, False]
    registry.enable(ENTITY_ID)
    monotonic(1.1)
    assert known(providers)
    registry.remove(ENTITY_ID)
    monotonic(1.1)
    assert not known(providers)
    assert known(providers, OTHER)
    assert not registry.exists(ENTITY_ID)
    assert journal.codes[2:] == [
        "service-provider.disabled",
        "service-provider.enabled",
        "service-provider.removed",
    ]


def test_what_is_not_registered_is_not_found(registry: Registry) -> None:
    for call in (registry.find, registry.disable, registry.enable, registry.remove):
        with pytest.raises(NotFound, match="n'est enregistré"):
            call(ENTITY_ID)
    with pytest.raises(NotFound):
        registry.replace(complete_entity(), NOTHING)
    with pytest.raises(NotFound):
        registry.refresh(ENTITY_ID, complete_entity(), URL)


class Undone(Exception):
    """Something went wrong later in the same unit of work."""


def add_and_undo(registry: Registry, core: Core) -> None:
    with core.db.unit_of_work():
        registry.add(complete_entity(), NOTHING, application="")
        raise Undone


def test_a_change_that_is_undone_leaves_neither_row_nor_revision(
    registry: Registry, core: Core
) -> None:
    with pytest.raises(Undone):
        add_and_undo(registry, core)
    assert registry.list() == ()
    assert core.db.revision("service_provider") == 0


def test_the_journal_event_is_of_the_same_transaction(services: Services) -> None:
    registry = Registry(services.core)
    with pytest.raises(Undone):
        add_and_undo(registry, services.core)
    assert _journalled(services) == []
    registry.add(complete_entity(), NOTHING, application="")
    assert _journalled(services) == [("service-provider.added", ENTITY_ID)]


def _journalled(services: Services) -> list[tuple[str, str | None]]:
    with services.db.reading() as session:
        return [(event.code, event.entity_id) for event in session.scalars(select(AuditEvent))]
