"""``convergences sp …``, from the arguments to what is said."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

from idp.errors import AlreadyExists, ConvergencesError, MetadataError, NotFound
from idp.saml.names import MDATTR, SAML
from idp.services import Core
from idp.settings import Settings
from metadata import commands
from metadata.extensions import SUBJECT_ID_REQ
from metadata.registry import Registry
from tests.common.clock import FakeClock
from tests.unit.metadata import samples
from tests.unit.metadata.conftest import Journal
from tests.unit.metadata.samples import ACS, ENTITY_ID, SLO, complete_entity, der, entity, key

URL = "https://bip.exemple.fr/metadata"
DATED = 'validUntil="2026-12-31T00:00:00Z"'


@dataclass
class Directory:
    """The methods of an ``IDirectory`` that these commands call."""

    attached: dict[str, str] = field(default_factory=dict)

    def application_code(self, entity_id: str) -> str | None:
        return self.attached.get(entity_id)

    def attach(self, entity_id: str, application_code: str, *, replace: bool = False) -> None:
        if application_code == "inconnue":
            raise NotFound("no application", public="Aucune application inconnue.")
        if not replace and application_code in self.attached.values():
            text = f"L'application {application_code} a déjà un fournisseur de service."
            raise AlreadyExists(text, public=text)
        self.attached[entity_id] = application_code

    def detach(self, entity_id: str) -> None:
        del self.attached[entity_id]


@dataclass
class Terminal:
    """Runs commands as the command line does: one unit of work, what is said is kept."""

    core: Core
    directory: Directory = field(default_factory=Directory)
    texts: list[str] = field(default_factory=list)
    data: list[Any] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    """The entityIDs for which no key is kept any more."""

    @property
    def settings(self) -> Settings:
        return self.core.settings

    @property
    def services(self) -> SimpleNamespace:
        core = self.core
        return SimpleNamespace(
            core=core,
            db=core.db,
            clock=core.clock,
            directory=self.directory,
            keys=SimpleNamespace(forget=self.forgotten.append),
        )

    def say(self, text: str, data: object) -> None:
        self.texts.append(text)
        self.data.append(json.loads(json.dumps(data)))

    def __call__(self, *arguments: str) -> str:
        """What the command says.

        Raises:
            ConvergencesError: what the command line words.
        """
        group = click.Group()
        commands.register(group)
        self.texts.clear()
        self.data.clear()
        alone = getattr(commands.sp.commands[arguments[0]].callback, "outside_unit_of_work", False)
        with nullcontext() if alone else self.core.db.unit_of_work():
            result = CliRunner().invoke(group, ["sp", *arguments], obj=self)
            if isinstance(result.exception, ConvergencesError):
                raise result.exception
        assert result.exit_code == 0, result.output
        return "\n".join(self.texts)


@pytest.fixture
def sp(core: Core) -> Terminal:
    return Terminal(core)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], str]:
    def write(document: bytes) -> str:
        path = tmp_path / "metadata.xml"
        path.write_bytes(document)
        return str(path)

    return write


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What addresses give; any other one fails."""
    documents: dict[str, bytes] = {}

    def fetch(url: str, *, loopback: bool) -> bytes:
        assert loopback
        if url not in documents:
            raise MetadataError(url, public=f"{url} ne répond pas.")
        return documents[url]

    monkeypatch.setattr("metadata.sources.fetch", fetch)
    monkeypatch.setattr("metadata.refresh.fetch", fetch)
    return documents


def refusal(sp: Terminal, *arguments: str) -> str:
    with pytest.raises(ConvergencesError) as caught:
        sp(*arguments)
    return caught.value.public


def test_add_registers_and_attaches(sp: Terminal, file: Callable[[bytes], str]) -> None:
    said = sp("add", file(complete_entity()), "--application", "bip")
    assert said == f"{ENTITY_ID} est enregistré pour l'application bip."
    assert sp.directory.attached == {ENTITY_ID: "bip"}
    assert sp.data[0]["rule_set"] == "bip"
    assert sp.data[0]["application"] == "bip"
    assert sp.data[0]["acs"] == [samples.ACS_URL]


def test_add_takes_every_option(sp: Terminal, file: Callable[[bytes], str]) -> None:
    options = "--attributes uri --nameid persistent --sign assertion --encrypt never"
    arguments = [*options.split(), "--structures", "scoped"]
    arguments += ["--requests", "signed", "--refusals", "status"]
    sp("add", file(complete_entity()), "--application", "crm", *arguments)
    told = sp.data[0]
    assert told["rule_set"] == "uri"
    assert told["name_id_format"].endswith(":persistent")
    assert (told["sign"], told["encrypt"], told["structures"]) == ("assertion", "never", "scoped")
    assert (told["requests"], told["refusals"]) == ("signed", "status")


def test_show_tells_all_that_leaves_the_signalled_identifier_too(
    sp: Terminal, file: Callable[[bytes], str]
) -> None:
    extensions = (
        f'<md:Extensions><mdattr:EntityAttributes xmlns:mdattr="{MDATTR}"><saml:Attribute'
        f' xmlns:saml="{SAML}" Name="{SUBJECT_ID_REQ}"><saml:AttributeValue>any'
        "</saml:AttributeValue>"
        "</saml:Attribute></mdattr:EntityAttributes></md:Extensions><md:SPSSODescriptor"
    )
    service = (
        '<md:AttributeConsumingService index="4"><md:RequestedAttribute Name="mail"/>'
        "</md:AttributeConsumingService>"
    )
    document = entity(key(der()), SLO, ACS, service)
    path = file(document.replace(b"<md:SPSSODescriptor", extensions.encode(), 1))
    sp("add", path, "--application", "crm", "--attributes", "site")
    shown = sp("show", ENTITY_ID)
    pairwise_id = "urn:oasis:names:tc:SAML:attribute:pairwise-id"
    assert f"Attributs : mail, displayName, role, structure, {pairwise_id}\n" in shown
    assert "Attributs d'une demande de l'index 4, au plus : mail" in shown
    assert "pairwise-id part, en plus des règles enregistrées" in shown
    assert sp.data[0]["attributes"][-1] == pairwise_id
    assert sp.data[0]["requested_attributes"] == {"4": ["mail"]}
    assert sp.data[0]["subject_id_req"] == "any"
    assert "pairwise-id part, en plus des règles enregistrées" in sp("check", ENTITY_ID)


def test_add_demands_signed_requests_only_of_an_sp_that_can_sign(
    sp: Terminal, file: Callable[[bytes], str], core: Core
) -> None:
    path = file(entity(key(der(), use="encryption"), SLO, ACS))
    said = refusal(sp, "add", path, "--application", "bip", "--requests", "signed")
    assert said.startswith(f"{path} : Les demandes signées sont exigées")
    assert 'KeyDescriptor use="signing"' in said
    assert "\n" not in said
    assert Registry(core).list() == ()


def test_requests_and_refusals_are_shown_and_stay_when_metadata_are_replaced(
    sp: Terminal, file: Callable[[bytes], str]
) -> None:
    chosen = ["--requests", "signed", "--refusals", "status"]
    sp("add", file(complete_entity()), "--application", "bip", *chosen)
    assert "demandes signées exigées, refus annoncés à l'application" in sp("list")
    assert (sp.data[0][0]["requests"], sp.data[0][0]["refusals"]) == ("signed", "status")
    path = file(entity(key(der("b", number=1)), SLO, ACS))
    assert "demandes acceptées" not in sp("add", path, "--application", "bip", "--replace")
    assert "Demandes : signed ; refus : status" in sp("show", ENTITY_ID)
    assert (sp.data[0]["requests"], sp.data[0]["refusals"]) == ("signed", "status")
    said = sp("add", path, "--application", "bip", "--replace", "--requests", "any")
    assert "Changement : demandes acceptées : retiré signed ; ajouté any" in said
    assert "Demandes : any ; refus : status" in sp("show", ENTITY_ID)
    without_key = file(entity(key(der(), use="encryption"), SLO, ACS))
    again = ["add", without_key, "--application", "bip", "--replace", "--requests", "signed"]
    assert "aucune clé de signature" in refusal(sp, *again)
    assert "Demandes : any" in sp("show", ENTITY_ID)


def test_add_tells_the_warnings(sp: Terminal, file: Callable[[bytes], str]) -> None:
    said = sp("add", file(entity(key(der()), ACS)), "--application", "bip")
    assert "  Attention : L'application n'annonce pas d'adresse de déconnexion" in said


def test_add_names_the_file_the_line_and_the_remedy(
    sp: Terminal, file: Callable[[bytes], str]
) -> None:
    path = file(entity(samples.acs("javascript:x")))
    text = refusal(sp, "add", path, "--application", "bip")
    assert text.startswith(f"{path} : Ligne 3 : l'adresse Location")
    assert "\n" not in text


def test_add_for_an_unknown_application_registers_nothing(
    sp: Terminal, file: Callable[[bytes], str], core: Core
) -> None:
    path = file(complete_entity())
    assert refusal(sp, "add", path, "--application", "inconnue") == "Aucune application inconnue."
    assert Registry(core).list() == ()


def test_a_file_that_is_not_there(sp: Terminal, tmp_path: Path) -> None:
    text = refusal(sp, "add", str(tmp_path / "absent.xml"), "--application", "bip")
    assert "ne peut pas être lu" in text


def test_add_twice_needs_replace(sp: Terminal, file: Callable[[bytes], str]) -> None:
    path = file(complete_entity())
    sp("add", path, "--application", "bip", "--replace")
    assert "déjà enregistré" in refusal(sp, "add", path, "--application", "bip")
    path = file(entity(key(der("b", number=1)), SLO, ACS))
    said = sp("add", path, "--application", "net-cap", "--replace")
    assert "Changement : certificats de signature" in said
    assert sp.directory.attached == {ENTITY_ID: "net-cap"}


def test_add_from_an_address_without_an_end_is_refused(sp: Terminal, web: dict[str, bytes]) -> None:
    web[URL] = complete_entity()
    assert "--signer" in refusal(sp, "add", URL, "--application", "bip")
    assert "--signer" in refusal(sp, "check", URL)
    web[URL] = complete_entity(root_attributes=DATED)
    assert "peut être enregistré" in sp("check", URL)
    sp("add", URL, "--application", "bip", "--replace")
    assert sp.data[0]["source_url"] == URL


def test_an_application_is_not_taken_from_its_sp_by_a_slip(
    sp: Terminal, file: Callable[[bytes], str]
) -> None:
    sp("add", file(complete_entity()), "--application", "bip")
    other = complete_entity().replace(ENTITY_ID.encode(), b"https://autre.exemple.fr/saml")
    assert "a déjà un fournisseur" in refusal(sp, "add", file(other), "--application", "bip")
    assert "autre.exemple.fr" not in sp("list"), "nothing is half done"
    assert sp.directory.attached == {ENTITY_ID: "bip"}


def test_list_and_show(sp: Terminal, file: Callable[[bytes], str]) -> None:
    assert sp("list") == "Aucun fournisseur de service n'est enregistré."
    assert sp.data == [[]]
    sp("add", file(complete_entity()), "--application", "bip")
    assert sp("list") == f"{ENTITY_ID} ({ENTITY_ID}), application bip : actif, attributs bip"
    said = sp("show", ENTITY_ID)
    assert f"Réponses : {samples.ACS_URL} (HTTP-POST)" in said
    assert "Certificat de signature : CN=sp, jusqu'au 01/01/2060" in said
    assert "Attributs : uid, mail, givenName, sn, displayName, role, structure" in said
    assert sp.data[0]["entity_id"] == ENTITY_ID
    assert "n'est enregistré" in refusal(sp, "show", "autre")


def test_disable_enable_remove(sp: Terminal, file: Callable[[bytes], str]) -> None:
    sp("add", file(complete_entity()), "--application", "bip")
    assert sp("disable", ENTITY_ID) == f"{ENTITY_ID} est désactivé."
    assert ": désactivé," in sp("list")
    assert sp("enable", ENTITY_ID) == f"{ENTITY_ID} est activé."
    assert ": actif," in sp("list")
    assert sp.directory.attached == {ENTITY_ID: "bip"}
    assert sp("remove", ENTITY_ID) == f"{ENTITY_ID} est retiré."
    assert sp.directory.attached == {}
    assert "n'est enregistré" in refusal(sp, "remove", ENTITY_ID)


def test_check_judges_what_is_registered(
    sp: Terminal, file: Callable[[bytes], str], clock: FakeClock
) -> None:
    assert "n'est enregistré" in sp("check")
    dated = entity(key(der()), ACS, root_attributes=DATED)
    sp("add", file(dated), "--application", "bip")
    assert "Attention : L'application n'annonce pas" in sp("check")
    clock.advance(timedelta(days=60))
    assert refusal(sp, "check", ENTITY_ID) == f"Inutilisable : {ENTITY_ID}."
    assert "Erreur : Ligne 1 : ces métadonnées ont expiré le 31/12/2026" in sp.texts[0]
    assert "illisible" in sp("list")
    assert sp("show", ENTITY_ID).startswith(
        f"{ENTITY_ID} (illisible), application bip : inutilisable"
    )
    assert sp.data[0]["problem"]


def test_check_judges_a_file_before_it_is_registered(
    sp: Terminal, file: Callable[[bytes], str], core: Core
) -> None:
    said = sp("check", file(entity(key(der()), ACS)))
    assert f"{ENTITY_ID} peut être enregistré" in said
    assert "Attention" in said
    assert Registry(core).list() == ()
    assert "Ligne" in refusal(sp, "check", file(entity(SLO)))
    assert "n'est enregistré" in refusal(sp, "check", "autre")


def test_refresh_shows_what_changed(sp: Terminal, web: dict[str, bytes], journal: Journal) -> None:
    assert "d'adresse à relire" in sp("refresh")
    web[URL] = complete_entity(root_attributes=DATED)
    sp("add", URL, "--application", "bip")
    assert sp("refresh") == f"{ENTITY_ID} : sans changement"
    web[URL] = entity(key(der("b", number=1)), SLO, ACS, root_attributes=DATED)
    said = sp("refresh", ENTITY_ID)
    assert said.startswith(f"{ENTITY_ID} : actualisé\n  Changement : certificats de signature")
    assert journal.codes == ["service-provider.added", "service-provider.refreshed"]
    assert sp("show", ENTITY_ID).splitlines()[1] == f"  Adresse des métadonnées : {URL}"


def test_one_address_that_fails_does_not_stop_the_others(
    sp: Terminal, web: dict[str, bytes], core: Core
) -> None:
    other, other_url = "https://a.exemple.fr", "https://a.exemple.fr/metadata"
    web[URL] = complete_entity(root_attributes=DATED)
    web[other_url] = complete_entity(other, root_attributes=DATED)
    sp("add", URL, "--application", "bip")
    sp("add", other_url, "--application", "crm")
    web[URL] = complete_entity(root_attributes=DATED.replace("12-31", "12-01"))
    del web[other_url]
    with pytest.raises(MetadataError, match=f"Non actualisé : {other}"):
        sp("refresh")
    assert f"{other} : non actualisé. {other_url} ne répond pas." in sp.texts[0]
    assert f"{ENTITY_ID} : actualisé" in sp.texts[0]
    parsed = Registry(core).find(ENTITY_ID).parsed
    assert parsed is not None
    assert parsed.valid_until is not None
    assert parsed.valid_until.day == 1


def test_an_sp_that_came_from_a_file_is_not_refreshed(
    sp: Terminal, file: Callable[[bytes], str]
) -> None:
    sp("add", file(complete_entity()), "--application", "bip")
    assert "Non actualisé" in refusal(sp, "refresh", ENTITY_ID)
    assert "--replace" in sp.texts[0]
    assert "Non actualisé : autre" in refusal(sp, "refresh", "autre")


def test_commands_that_read_take_no_write_lock() -> None:
    for name in ("list", "show", "check", "refresh", "add"):
        callback = commands.sp.commands[name].callback
        assert getattr(callback, "outside_unit_of_work", False), name
    for name in ("disable", "enable", "remove"):
        callback = commands.sp.commands[name].callback
        assert not hasattr(callback, "outside_unit_of_work"), name
