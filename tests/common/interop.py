"""The IdP of ``tests/interop``: our server on its own folder, its people, and what they do.

The people's names and the values of the roles are what real SPs get wrong: accents, ligatures,
quotes, markup, and the separators that the SPs themselves use.
"""

import re
import time
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from click.testing import CliRunner

from directory.authorisation import OPERATOR
from directory.services import DirectoryServices
from directory.services import build as build_directory
from directory.services.accounts.changes import Person
from directory.services.rights.assignments import Grant
from idp import cli, log, migrations
from idp.keys import KeyUse
from idp.services import Services, build, import_models
from idp.settings import from_file
from tests.common.ports import free_port
from tests.common.processes import REPOSITORY, running
from tests.common.settings import CHANGES
from tests.common.skewed import OFFSET_FILE, OffsetClock
from tests.common.sp_sites import BASIC_NAMES, ROLE, SITES, STRUCTURE, RealSP, Site
from tests.common.web_visitor import Page, WebVisitor
from views.demo.supervisor import granian

PASSWORD = "une phrase assez longue, été compris"
MADE_BEFORE = -3600  # seconds from now
KNOWN_AFTER = 1.5  # seconds after which every process of the server knows of a change

ROLES = {
    "gest": "Gestionnaire",
    "lect": "lecteur, « été » d'œuvre",
    "paie": "paie & <congés>; à 100 %",
}
PEOPLE = {
    "lea": ("Léa-Maëlle", "Noël d'Œuvreçaÿ"),
    "ali": ("Ali", "Ben Saïd"),
    "zoe": ("Zoé", "Sans-Droit"),
    "eva": ("Ève", "Déconnexion"),
}
STRUCTURES = {"vitry": "Ville de Vitry-sur-Œuvre", "ivry": "Ville d'Ivry"}
HELD = {
    ("lea", "vitry"): ("gest", "lect", "paie"),
    ("ali", "vitry"): ("gest", "lect"),
    ("ali", "ivry"): ("lect",),
    ("zoe", "vitry"): (),
    # Signs out: sessions that other tests leave open at mod_auth_mellon are none of hers.
    ("eva", "vitry"): ("gest", "lect", "paie"),
}


def mail(person: str) -> str:
    """The address by which a person signs in."""
    return f"{person}@demo.example"


def label(sp: RealSP, site: Site) -> str:
    """What people read as the application's name."""
    return f"Application {site.name} de {sp.name}"


@dataclass(frozen=True)
class Started:
    """A running SP program, registered, and what it complained of until then."""

    program: RealSP
    complaints: list[str]


@dataclass(frozen=True)
class World:
    """The running IdP."""

    config: Path
    url: str
    var: Path
    services: Services
    directory: DirectoryServices

    @property
    def entity_id(self) -> str:
        """Its entityID, at which its metadata is."""
        return f"{self.url}/saml/metadata"

    def defects(self) -> list[str]:
        """The lines of its log that speak of a defect of ours."""
        lines = (self.var / "server.log").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if re.search(r'"level": "(error|critical)"|Traceback', line)]

    def causes(self) -> list[str]:
        """What its log gives as causes of refusals, in order."""
        text = (self.var / "server.log").read_text(encoding="utf-8")
        return re.findall(r'"cause": "([^"]*)"', text)

    @contextmanager
    def ahead(self, seconds: float) -> Iterator[None]:
        """Its clock is that much ahead of everybody else's."""
        offset = self.var / OFFSET_FILE
        offset.write_text(str(seconds), encoding="ascii")
        try:
            yield
        finally:
            offset.unlink()

    def run(self, *words: str) -> str:
        """The command ``convergences``, which must succeed."""
        with pytest.MonkeyPatch.context() as patch:
            # The log of the command is not the log of the tests.
            patch.setattr(log, "configure", lambda **_options: None)
            result = CliRunner().invoke(cli.convergences, ["--config", str(self.config), *words])
        assert result.exit_code == 0, result.output
        return result.output

    def init(self, entity_id: str, relay_state: str | None = None) -> str:
        """What a tile links to."""
        query = {"sp": entity_id} | ({"RelayState": relay_state} if relay_state else {})
        return f"{self.url}/saml/sso/init?{urlencode(query)}"

    def register(self, sp: RealSP, folder: Path) -> None:
        """Make an application of each site, give people its roles, register its metadata."""
        for site in SITES.values():
            code = f"{sp.name}-{site.name}"
            self._add_application(code, label(sp, site))
            file = folder / f"{code}.xml"
            file.write_bytes(sp.metadata(site))
            self.run("sp", "add", str(file), "--application", code, *site.options)
        time.sleep(KNOWN_AFTER)

    def _add_application(self, code: str, name: str) -> None:
        self.directory.applications.add(OPERATOR, code, name)
        for role, value in ROLES.items():
            self.directory.applications.add_role(OPERATOR, code, role, value, value=value)
        for (person, structure), roles in HELD.items():
            for role in roles:
                grant = Grant(mail(person), structure, code, role)
                self.directory.assignments.assign(OPERATOR, grant)


@contextmanager
def running_world(var: Path) -> Iterator[World]:
    """The IdP under granian, with two structures, three people and no service provider yet."""
    port = free_port()
    (var / "metrics").mkdir()
    with _prepared(var, port) as world:
        environment = {
            "CONVERGENCES_CONFIG": str(world.config),
            "PROMETHEUS_MULTIPROC_DIR": str(var / "metrics"),
            "PYTHONWARNINGS": "ignore",
        }
        command = granian("tests.common.skewed:from_environment", port, workers=2)
        with running(
            [*command, "--factory"],
            log=var / "server.log",
            ready_url=f"http://127.0.0.1:{port}/readyz",
            environment=environment,
        ):
            yield world


@contextmanager
def _prepared(var: Path, port: int) -> Iterator[World]:
    config, url = var / "interop.ini", f"http://localhost:{port}"
    parser = ConfigParser(interpolation=None)
    parser.read(REPOSITORY / "development.ini", encoding="utf-8")
    own = {"convergences.var": str(var), "convergences.public_url": url}
    parser["app:main"].update(CHANGES | own)
    with config.open("w", encoding="utf-8") as file:
        parser.write(file)
    settings = from_file(config)
    import_models(settings)
    migrations.upgrade(settings)
    # People's rights begin when they are given, and some tests put the clock back.
    (var / OFFSET_FILE).write_text(str(MADE_BEFORE), encoding="ascii")
    services = build(settings, clock=OffsetClock(var))
    try:
        for use in KeyUse:
            services.keys.promote(services.keys.generate(use))
        world = World(config, url, var, services, build_directory(services.core))
        _fill(world.directory)
        (var / OFFSET_FILE).unlink()
        yield world
    finally:
        services.db.dispose()


def _fill(directory: DirectoryServices) -> None:
    directory.structures.add(OPERATOR, "cig", "CIG")
    for code, name in STRUCTURES.items():
        directory.structures.add(OPERATOR, code, name, parent="cig")
    for person, structure in HELD:
        given_name, sn = PEOPLE[person]
        new = Person(mail(person), sn, given_name)
        directory.accounts.add(OPERATOR, new, structure, password=PASSWORD, no_mail=True)


def expected(site: Site, person: str, *structures: str) -> dict[str, list[str]]:
    """What the site must receive of this person's memberships in these structures."""
    pairs = [(ROLES[role], code) for code in structures for role in HELD[person, code]]
    given_name, sn = PEOPLE[person]
    values = {
        "uid": [mail(person)],
        "mail": [mail(person)],
        "givenName": [given_name],
        "sn": [sn],
        "displayName": [f"{given_name} {sn}"],
        ROLE: [f"{role}@{code}" if site.structures == "scoped" else role for role, code in pairs],
        STRUCTURE: [code for _, code in pairs] if _is_parallel(site) else list(structures),
        "structurePath": [f"CIG / {STRUCTURES[code]}" for code in structures],
    }
    return {name: values[name] for name in _released(site)}


def _is_parallel(site: Site) -> bool:
    return site.structures == "parallel"


def _released(site: Site) -> tuple[str, ...]:
    if site.attributes == "site":
        return ("mail", "displayName", ROLE, STRUCTURE)
    return BASIC_NAMES if site.attributes == "net-cap" else BASIC_NAMES[:-1]


def sorted_values(site: Site, attributes: Mapping[str, list[str]]) -> dict[str, object]:
    """Comparable: the order of values says nothing, but that of parallel ones their pairing."""
    found: dict[str, object] = {name: sorted(values) for name, values in attributes.items()}
    if _is_parallel(site):
        found[ROLE] = sorted(zip(attributes[ROLE], attributes[STRUCTURE], strict=True))
    return found


class Visitor(WebVisitor):
    """One browser, and what a person does with our pages in it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def sign_in(self, page: Page, person: str) -> Page:
        """Fill the sign-in form in; ends where that leads."""
        assert page.url.startswith(f"{self._world.url}/connexion"), (page.url, page.body)
        assert page.status == 200, page.text
        return self.submit(page, {"login": mail(person), "password": PASSWORD})

    def sign_out(self) -> Page:
        """Sign out from the portal, and go to each application that the browser is to tell."""
        return self.tell(self.submit(self.go(f"{self._world.url}/deconnexion"), {}))

    def tell(self, page: Page) -> Page:
        """Go to each application that our page says is to be told; ends on the last page."""
        for _ in SITES:
            if urlsplit(page.url).path != "/deconnexion/suite":
                break
            page = self.click(page, "/deconnexion/application")
        return page

    def is_signed_in(self) -> bool:
        """Whether the portal knows this browser."""
        return urlsplit(self.go(f"{self._world.url}/").url).path == "/"

    def reach(self, url: str, person: str) -> Page:
        """Type an address that leads to the sign-in page, and sign in."""
        return self.sign_in(self.go(url), person)
