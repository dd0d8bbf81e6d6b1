"""The commands ``convergences sp …``."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from idp.cli import Cli, outside_unit_of_work
from idp.errors import ConvergencesError, MetadataError
from idp.types import Encrypt, NameIDFormat, Refusals, Requests, Sign, Structures
from metadata.document import choose
from metadata.exception_commands import exception
from metadata.lint import examine, notes
from metadata.options import Choice, as_words, complete
from metadata.parser import parse
from metadata.refresh import Refresher
from metadata.registry import Registry, check_followed
from metadata.report import as_json, details, line, lines_of, notes_of
from metadata.rule_sets import RULE_SETS
from metadata.sources import is_url, read_argument, read_signer, read_source

F = TypeVar("F", bound=Callable[..., None])

NAME_ID_FORMATS = {each.value.rpartition(":")[2]: each for each in NameIDFormat}


def register(group: click.Group) -> None:
    """Add the commands of this room to ``convergences``."""
    group.add_command(sp)


@click.group()
def sp() -> None:
    """Fournisseurs de service : les applications qui reçoivent nos assertions."""


sp.add_command(exception)


def _document_options(command: F) -> F:
    """Which entity of the document, and who must have signed it."""
    signer = click.option(
        "--signer",
        metavar="CERT.pem",
        callback=read_signer,
        help="Le certificat dont la clé doit avoir signé le document, à chaque lecture.",
    )
    entity = click.option(
        "--entity", "entity_id", metavar="ENTITYID", help="L'application à prendre d'un agrégat."
    )
    return signer(entity(command))


@sp.command()
@click.argument("source", metavar="FICHIER|URL", callback=read_argument)
@click.option("--application", required=True, metavar="CODE", help="Code de l'application.")
@click.option("--attributes", type=click.Choice(list(RULE_SETS)), help="Jeu d'attributs envoyés.")
@click.option("--nameid", type=click.Choice(list(NAME_ID_FORMATS)), help="Identifiant envoyé.")
@click.option("--sign", type=click.Choice([each.value for each in Sign]), help="Ce qui est signé.")
@click.option("--encrypt", type=click.Choice([each.value for each in Encrypt]), help="Chiffrement.")
@click.option(
    "--structures",
    type=click.Choice([each.value for each in Structures]),
    help="Ce qui est envoyé d'une personne de plusieurs structures.",
)
@click.option(
    "--requests",
    type=click.Choice([each.value for each in Requests]),
    help="Demandes acceptées : toutes, ou les seules signées.",
)
@click.option(
    "--refusals",
    type=click.Choice([each.value for each in Refusals]),
    help="Qui apprend un refus : la personne seule, ou l'application aussi.",
)
@click.option("--replace", is_flag=True, help="Remplacer les métadonnées déjà enregistrées.")
@_document_options
@outside_unit_of_work  # an aggregate of 20 MiB is read for seconds
@click.pass_obj
def add(  # noqa: PLR0913 - one argument for each option
    cli: Cli,
    source: tuple[str, bytes],
    *,
    application: str,
    attributes: str | None,
    nameid: str | None,
    sign: str | None,
    encrypt: str | None,
    structures: str | None,
    requests: str | None,
    refusals: str | None,
    replace: bool,
    signer: bytes | None,
    entity_id: str | None,
) -> None:
    """Enregistrer une application à partir de ses métadonnées SAML."""
    name, xml = source
    choice = Choice(
        rule_set=attributes,
        name_id_format=NAME_ID_FORMATS[nameid] if nameid else None,
        sign=Sign(sign) if sign else None,
        encrypt=Encrypt(encrypt) if encrypt else None,
        structures=Structures(structures) if structures else None,
        requests=Requests(requests) if requests else None,
        refusals=Refusals(refusals) if refusals else None,
    )
    registry = Registry(cli.services.core)
    try:
        judged = registry.judge(
            xml,
            source_url=name if is_url(name) else None,
            signer=signer,
            entity_id=entity_id,
            replace=replace,
        )
        with cli.services.db.unit_of_work():
            # Nothing to replace is no error: the same command may be given again and again.
            written = registry.put(judged, choice, application=application, replace=replace)
            cli.services.directory.attach(judged.parsed.entity_id, application, replace=replace)
    except MetadataError as error:
        raise _named(name, error) from error
    entity_id = written.registration.entity_id
    lines = [f"{entity_id} est enregistré pour l'application {application}."]
    lines += [*_lines_from(written.first_line), *lines_of(written.registration, written.changes)]
    data = as_json(written.registration, application, written.changes)
    cli.say("\n".join(lines), data)


def _lines_from(first_line: int | None) -> list[str]:
    if first_line is None or first_line == 1:
        return []
    return [f"  Les lignes sont comptées depuis la ligne {first_line} de l'agrégat."]


def _named(source: str, error: MetadataError) -> MetadataError:
    text = f"{source} : {error.public}"
    return MetadataError(text if error.cause == error.public else error.cause, public=text)


@sp.command("list")
@outside_unit_of_work
@click.pass_obj
def list_all(cli: Cli) -> None:
    """Lister les fournisseurs de service."""
    registrations = Registry(cli.services.core).list()
    application = cli.services.directory.application_code
    text = "\n".join(line(each, application(each.entity_id)) for each in registrations)
    cli.say(
        text or "Aucun fournisseur de service n'est enregistré.",
        [as_json(each, application(each.entity_id)) for each in registrations],
    )


@sp.command()
@click.argument("entity_id", metavar="ENTITYID")
@outside_unit_of_work
@click.pass_obj
def show(cli: Cli, entity_id: str) -> None:
    """Montrer un fournisseur de service."""
    registration = Registry(cli.services.core).find(entity_id)
    application = cli.services.directory.application_code(entity_id)
    now = cli.services.clock.now()
    cli.say(details(registration, application, now), as_json(registration, application))


@sp.command()
@click.argument("target", metavar="[ENTITYID|FICHIER|URL]", required=False)
@_document_options
@outside_unit_of_work
@click.pass_obj
def check(cli: Cli, target: str | None, signer: bytes | None, entity_id: str | None) -> None:
    """Vérifier les fournisseurs de service, l'un d'eux, ou un document avant de l'enregistrer."""
    registry = Registry(cli.services.core)
    known = target is None or registry.exists(target)
    if target is not None and not known and (is_url(target) or Path(target).is_file()):
        _check_document(cli, target, signer, entity_id)
        return
    found = registry.list() if target is None else (registry.find(target),)
    unusable = [each.entity_id for each in found if each.problem]
    application = cli.services.directory.application_code
    lines = [
        text
        for each in found
        for text in (line(each, application(each.entity_id)), *lines_of(each), *notes_of(each))
    ]
    cli.say(
        "\n".join(lines) or "Aucun fournisseur de service n'est enregistré.",
        [as_json(each, application(each.entity_id)) for each in found],
    )
    if unusable:
        text = f"Inutilisable : {', '.join(unusable)}."
        raise MetadataError(text, public=text)


def _check_document(cli: Cli, source: str, signer: bytes | None, entity_id: str | None) -> None:
    now = cli.services.clock.now()
    try:
        chosen = choose(
            read_source(source, loopback=cli.settings.on_loopback),
            entity_id=entity_id,
            signer=signer,
        )
        parsed = parse(chosen.xml, now=now)
        if is_url(source):
            check_followed(parsed, source, signer, now=now)
        options = complete(Choice(), parsed, application="")
        warnings = examine(parsed, options, now=now)
    except MetadataError as error:
        raise _named(source, error) from error
    good = notes(parsed, options)
    lines = [f"{source} : {parsed.entity_id} peut être enregistré."]
    lines += _lines_from(chosen.first_line)
    lines += [f"  Attention : {warning}" for warning in warnings]
    lines += [f"  À noter : {note}" for note in good]
    data = {
        "entity_id": parsed.entity_id,
        "first_line": chosen.first_line,
        "warnings": list(warnings),
        "notes": list(good),
        **as_words(options),
    }
    cli.say("\n".join(lines), data)


@sp.command()
@click.argument("entity_ids", metavar="[ENTITYID]…", nargs=-1)
@outside_unit_of_work
@click.pass_obj
def refresh(cli: Cli, entity_ids: tuple[str, ...]) -> None:
    """Relire les métadonnées à leur adresse et montrer ce qui a changé."""
    # Each in a unit of work of its own: a slow one must not hold the database's lock.
    registry, refresher = Registry(cli.services.core), Refresher(cli.services.core)
    chosen = entity_ids or tuple(each.entity_id for each in registry.list() if each.source_url)
    lines: list[str] = []
    data: list[dict[str, object]] = []
    failed: list[str] = []
    for entity_id in chosen:
        try:
            written = refresher.refresh(entity_id)
        except ConvergencesError as error:
            failed.append(entity_id)
            lines.append(f"{entity_id} : non actualisé. {error.public}")
            data.append({"entity_id": entity_id, "problem": error.public})
        else:
            state = "actualisé" if written.changes else "sans changement"
            lines += [f"{entity_id} : {state}", *lines_of(written.registration, written.changes)]
            application = cli.services.directory.application_code(entity_id)
            data.append(as_json(written.registration, application, written.changes))
    cli.say("\n".join(lines) or "Aucun fournisseur de service n'a d'adresse à relire.", data)
    if failed:
        text = f"Non actualisé : {', '.join(failed)}."
        raise MetadataError(text, public=text)


@sp.command()
@click.argument("entity_id", metavar="ENTITYID")
@click.pass_obj
def disable(cli: Cli, entity_id: str) -> None:
    """Fermer un fournisseur de service sans l'oublier."""
    Registry(cli.services.core).disable(entity_id)
    cli.say(f"{entity_id} est désactivé.", {"entity_id": entity_id, "enabled": False})


@sp.command()
@click.argument("entity_id", metavar="ENTITYID")
@click.pass_obj
def enable(cli: Cli, entity_id: str) -> None:
    """Rouvrir un fournisseur de service désactivé."""
    Registry(cli.services.core).enable(entity_id)
    cli.say(f"{entity_id} est activé.", {"entity_id": entity_id, "enabled": True})


@sp.command()
@click.argument("entity_id", metavar="ENTITYID")
@click.pass_obj
def remove(cli: Cli, entity_id: str) -> None:
    """Oublier un fournisseur de service."""
    Registry(cli.services.core).remove(entity_id)
    cli.services.directory.detach(entity_id)
    cli.services.keys.forget(entity_id)
    cli.say(f"{entity_id} est retiré.", {"entity_id": entity_id, "removed": True})
