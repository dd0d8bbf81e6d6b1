"""Loads the demonstration: people and rights, and the four service providers."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from directory import demonstration
from idp.errors import AlreadyExists
from idp.interfaces import IDirectory
from idp.services import Services
from idp.types import NameIDFormat, Refusals, Structures
from metadata.options import Choice
from metadata.registry import Registry
from views.demo.applications import APPLICATIONS, DemoApplication
from views.demo.description import entity_descriptor

CHOICES = {
    "bip": Choice(
        rule_set="bip", name_id_format=NameIDFormat.PERSISTENT, structures=Structures.ASK
    ),
    "net-cotisations": Choice(
        rule_set="net-cotisations",
        name_id_format=NameIDFormat.EMAIL_ADDRESS,
        structures=Structures.SCOPED,
    ),
    "net-cap": Choice(
        rule_set="net-cap",
        name_id_format=NameIDFormat.TRANSIENT,
        structures=Structures.ASK,
        refusals=Refusals.STATUS,
    ),
    "site": Choice(
        rule_set="site", name_id_format=NameIDFormat.EMAIL_ADDRESS, structures=Structures.PARALLEL
    ),
}


@dataclass(frozen=True, slots=True)
class Account:
    """An account that the demonstration is shown with."""

    mail: str
    shows: str


ACCOUNTS = (
    Account("agent@demo.example", "des rôles dans les quatre applications"),
    Account("multi@demo.example", "deux structures, des rôles différents dans chacune"),
    Account("sansdroit@demo.example", "aucun rôle : le refus, et à qui s'adresser"),
    Account("referent@demo.example", "référent de la collectivité A"),
    Account("referent.b@demo.example", "référent de la collectivité B, pour BIP seulement"),
    Account("correspondant@demo.example", "correspondant CIG"),
)
PASSWORD = demonstration.PASSWORD


def load(services: Services, sp_port: int, var: Path) -> None:
    """Bring the demonstration in; what is there already, and was changed since, stays.

    Raises:
        MetadataError: a service provider cannot be registered.
        NotFound: its application was removed.
    """
    # Keys take a moment to make: before the transaction, during which nobody else may write.
    described = [(each, entity_descriptor(each, sp_port, var)) for each in APPLICATIONS]
    demonstration.load(services.core)
    registry = Registry(services.core)
    with services.db.unit_of_work():
        _forget_other_ports(registry, services.directory, sp_port)
        for application, xml in described:
            _register(services, registry, application, xml, sp_port)


def _register(
    services: Services, registry: Registry, application: DemoApplication, xml: bytes, sp_port: int
) -> None:
    if registry.exists(application.entity_id(sp_port)):
        # Its key may be new (another VAR on the same database); nothing happens when it is not.
        registry.replace(xml, Choice())
    else:
        registry.add(xml, CHOICES[application.name], application=application.name)
    with suppress(AlreadyExists):  # somebody connected the application to another SP since
        services.directory.attach(application.entity_id(sp_port), application.name)


def _forget_other_ports(registry: Registry, directory: IDirectory, sp_port: int) -> None:
    """The same applications as they were on another SP_PORT: nothing answers there now."""
    names = "|".join(re.escape(application.name) for application in APPLICATIONS)
    ours = re.compile(rf"http://localhost:(\d+)/(?:{names})/metadata")
    for registration in registry.list():
        match = ours.fullmatch(registration.entity_id)
        if match and int(match[1]) != sp_port:
            registry.remove(registration.entity_id)
            directory.detach(registration.entity_id)
