"""``structure`` and ``account``."""

import sys
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from directory.authorisation import OPERATOR
from directory.commands.options import services_of
from directory.search import mail_key
from directory.services.accounts.changes import Person
from directory.services.accounts.returning import InBin
from directory.services.accounts.sheets import AccountSheet
from directory.services.removal.binned import MembershipInBin
from idp.cli import outside_unit_of_work
from idp.errors import AlreadyExists, DirectoryError
from idp.names import full_name

if TYPE_CHECKING:
    from idp.cli import Cli


@click.group()
def structure() -> None:
    """Les structures."""


@structure.command("add")
@click.argument("code")
@click.argument("label")
@click.option("--parent", metavar="CODE", help="La structure au-dessus ; sans elle, une racine.")
@click.option("--siret", help="Son SIRET ; sans lui, celui d'au-dessus vaut.")
@click.pass_obj
def structure_add(cli: "Cli", code: str, label: str, parent: str | None, siret: str | None) -> None:
    """Créer une structure."""
    made = services_of(cli).structures.add(OPERATOR, code, label, parent=parent, siret=siret)
    cli.say(f"Structure « {made.label_path} » créée.", {"code": made.code, "path": made.label_path})


@structure.command("list")
@click.pass_obj
def structure_list(cli: "Cli") -> None:
    """Lister les structures."""
    lines = services_of(cli).structures.list(OPERATOR)
    text = "\n".join(
        f"{'  ' * line.depth}{line.code}  {line.label}{' (fermée)' if line.closed else ''}"
        for line in lines
    )
    cli.say(text or "Aucune structure.", [asdict(line) for line in lines])


def _read_password(
    ctx: click.Context,
    param: click.Parameter,
    value: bool,  # noqa: FBT001 - click's own signature
) -> str | None:
    """One line of the standard input, without its end; None when it was not asked for.

    A callback, because it is read before any unit of work: whoever types takes his time.

    Raises:
        DirectoryError: there is none.
    """
    del param
    if not value or ctx.resilient_parsing:
        return None
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise DirectoryError(
            "no password on stdin", public="Aucun mot de passe n'a été lu sur l'entrée standard."
        )
    return line


@click.group()
def account() -> None:
    """Les comptes utilisateurs."""


@account.command("add")
@click.argument("email")
@click.option("--name", required=True, help="Nom.")
@click.option("--first-name", required=True, help="Prénom.")
@click.option("--structure", required=True, metavar="CODE", help="Structure d'appartenance.")
@click.option(
    "--password-stdin",
    "password",
    is_flag=True,
    callback=_read_password,
    help="Lire le mot de passe sur une ligne d'entrée.",
)
@click.option("--no-mail", is_flag=True, help="Ne pas envoyer de mail à la personne.")
@outside_unit_of_work
@click.pass_obj
def account_add(
    cli: "Cli",
    email: str,
    name: str,
    first_name: str,
    structure: str,
    password: str | None,
    no_mail: bool,  # noqa: FBT001 - click calls by name
) -> None:
    """Créer un compte ; une adresse connue reçoit un rattachement de plus."""
    # In a unit of work of the service's own, which begins once the password is hashed.
    try:
        added = services_of(cli).accounts.add(
            OPERATOR,
            Person(mail=email, sn=name, given_name=first_name),
            structure,
            password=password,
            accept_generic=True,
            no_mail=no_mail,
        )
    except (InBin, MembershipInBin) as error:
        alone = f" --structure {structure}" if isinstance(error, MembershipInBin) else ""
        remedy = f"« convergences account restore {mail_key(email)}{alone} »"
        raise AlreadyExists(error.cause, public=f"{error.public} Tapez {remedy}.") from error
    what = "Compte créé" if added.created else "Rattachement ajouté au compte"
    kept = () if added.created or password is None else ("Son mot de passe n'est pas changé.",)
    cli.say(" ".join((f"{what} : {added.mail}.", *kept, *added.warnings)), asdict(added))


@account.command("lock")
@click.argument("email")
@click.pass_obj
def account_lock(cli: "Cli", email: str) -> None:
    """Verrouiller un compte : ses sessions se ferment."""
    services_of(cli).accounts.lock(OPERATOR, email)
    cli.say(f"Compte verrouillé : {email}.", {"mail": email, "locked": True})


@account.command("unlock")
@click.argument("email")
@click.pass_obj
def account_unlock(cli: "Cli", email: str) -> None:
    """Déverrouiller un compte."""
    services_of(cli).accounts.unlock(OPERATOR, email)
    cli.say(f"Compte déverrouillé : {email}.", {"mail": email, "locked": False})


@account.command("send-link")
@click.argument("email")
@click.pass_obj
def account_send_link(cli: "Cli", email: str) -> None:
    """Envoyer à la personne un lien pour choisir son mot de passe (24 heures, une seule fois)."""
    purpose = services_of(cli).password_mails.send(OPERATOR, email)
    cli.say(f"Lien envoyé à {email}.", {"mail": email, "purpose": purpose.value})


@account.command("delete")
@click.argument("email")
@click.pass_obj
def account_delete(cli: "Cli", email: str) -> None:
    """Mettre un compte à la corbeille, pour 20 jours."""
    removal = services_of(cli).bin.delete(OPERATOR, email)
    cli.say(
        f"Compte supprimé : {email} (peut être rétabli pendant 20 jours).",
        {"mail": email, **asdict(removal)},
    )


@account.command("restore")
@click.argument("email")
@click.option("--structure", metavar="CODE", help="Ce rattachement seul, d'un compte vivant.")
@click.pass_obj
def account_restore(cli: "Cli", email: str, structure: str | None) -> None:
    """Rétablir ce qui est dans la corbeille : un compte, ou des rattachements, avec leurs rôles.

    Un compte revient avec ce qui est parti avec lui ; la commande nomme ce que la corbeille garde
    encore. D'un compte vivant, tous ses rattachements reviennent.
    """
    removal = services_of(cli).bin.restore(OPERATOR, email, structure=structure)
    alone = "Rattachement rétabli" if len(removal.structures) == 1 else "Rattachements rétablis"
    what = "Compte rétabli" if removal.account else alone
    said = [f"{what} : {email} ({', '.join(removal.structures) or 'sans structure'})."]
    if removal.waiting:
        said.append(f"À confirmer par la personne : {', '.join(removal.waiting)}.")
    if removal.closed:
        said.append(f"Structure fermée, où rien n'a d'effet : {', '.join(removal.closed)}.")
    if removal.left:
        left = ", ".join(removal.left)
        said.append(f"Reste dans la corbeille, à rétablir par la même commande : {left}.")
    cli.say(" ".join(said), {"mail": email, **asdict(removal)})


@account.command("show")
@click.argument("email")
@click.pass_obj
def account_show(cli: "Cli", email: str) -> None:
    """Montrer un compte, ses rattachements, ses rôles et ses mandats."""
    sheet = services_of(cli).accounts.show(OPERATOR, email)
    cli.say(_sheet_text(sheet), _plain(asdict(sheet)))


def _sheet_text(sheet: AccountSheet) -> str:
    lines = [f"{full_name(sheet.given_name, sheet.sn)} <{sheet.mail}> : {sheet.state}"]
    for membership in sheet.memberships:
        lines.append(f"  {membership.label_path} ({membership.state})")
        lines.extend(
            f"    {held.application}:{held.role}  {held.label}" for held in membership.roles
        )
    for given in sheet.mandates:
        where = f"référent de {given.structure}" if given.structure else "correspondant"
        lines.append(f"  {' '.join((where, *given.applications))}")
    return "\n".join(lines)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """The same with dates as text."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value
