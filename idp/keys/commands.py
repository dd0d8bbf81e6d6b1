"""The commands ``convergences keys …``."""

import getpass
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from idp.cli import Callback, Cli, outside_unit_of_work
from idp.errors import NotFound
from idp.keys.expiry import THRESHOLDS, days_left
from idp.keys.ring import KeyRing
from idp.keys.tables import KeyState, KeyUse, SigningKey
from idp.keys.using import known_key
from idp.sessions.served import Served

STATES = {
    KeyState.NEXT: "prochaine",
    KeyState.ACTIVE: "active",
    KeyState.RETIRED: "retirée",
}
USES = {KeyUse.SIGNING: "signature", KeyUse.ENCRYPTION: "chiffrement"}
_UNTIL = {KeyUse.SIGNING: "publiée", KeyUse.ENCRYPTION: "déchiffre"}

use_option: Callable[[Callback], Callback] = click.option(
    "--use",
    type=click.Choice([use.value for use in KeyUse]),
    default=KeyUse.SIGNING.value,
    show_default=True,
    help="Signer (signing), ou recevoir ce que les applications chiffrent (encryption).",
)


@click.group()
def keys() -> None:
    """Les clés de signature et de chiffrement."""


@keys.command(name="list")
@click.pass_obj
def keys_list(cli: Cli) -> None:
    """Lister les clés, leur état, et qui a reçu une réponse signée avec laquelle."""
    ring, now = cli.services.keys, cli.services.clock.now()
    served, kept = ring.served(), ring.assignments()
    rows = [(key, _data(key, served, kept, now) | _promotable(key, ring)) for key in ring.list()]
    text = "\n".join(line for key, data in rows for line in _lines(key, data)) or "Aucune clé."
    cli.say(text, [data for _key, data in rows])


@keys.command(name="generate")
@use_option
@click.pass_obj
@outside_unit_of_work  # the arithmetic takes seconds, during which SQLite would take no other write
def keys_generate(cli: Cli, use: str) -> None:
    """Fabriquer une clé, qui ne sert qu'une fois promue."""
    _added(cli, cli.services.keys.generate(KeyUse(use)), KeyUse(use))


@keys.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--password-stdin", is_flag=True, help="Lire le mot de passe du fichier sur l'entrée standard."
)
@use_option
@click.pass_obj
@outside_unit_of_work
def keys_import(cli: Cli, file: Path, password_stdin: bool, use: str) -> None:  # noqa: FBT001 - click
    """Reprendre la clé et le certificat d'un fichier PKCS#12 (.p12, .pfx)."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else _asked_password()
    kid = cli.services.keys.import_pkcs12(file.read_bytes(), password.encode(), KeyUse(use))
    _added(cli, kid, KeyUse(use))


@keys.command(name="promote")
@click.argument("kid")
@click.option(
    "--force", is_flag=True, help="Même si des applications n'ont pas pu encore la connaître."
)
@click.pass_obj
def keys_promote(cli: Cli, kid: str, force: bool) -> None:  # noqa: FBT001 - click
    """Se servir désormais de cette clé."""
    use = cli.services.keys.promote(kid, force=force)
    does = "signe" if use is KeyUse.SIGNING else "est publiée pour le chiffrement"
    cli.say(f"La clé {kid} {does} désormais.", {"kid": kid, "state": "active"})


@keys.command(name="retire")
@click.argument("kid")
@click.option(
    "--until",
    type=click.DateTime(formats=["%Y-%m-%d", "%d/%m/%Y"]),
    help="La publier jusqu'à cette date (par défaut : plus du tout).",
)
@click.option(
    "--force", is_flag=True, help="Même si des applications n'ont pas reçu d'autre clé depuis."
)
@click.pass_obj
def keys_retire(cli: Cli, kid: str, until: datetime | None, force: bool) -> None:  # noqa: FBT001 - click
    """Ne plus publier cette clé."""
    end = None if until is None else until.replace(tzinfo=UTC)
    cli.services.keys.retire(kid, end, force=force)
    cli.say(f"La clé {kid} est retirée.", {"kid": kid, "state": "retired"})


@keys.command(name="assign")
@click.argument("entity_id", metavar="SP")
@click.argument("kid", metavar="KEY", required=False)
@click.option("--default", is_flag=True, help="Revenir à la clé active.")
@click.option("--force", is_flag=True, help="Même si l'application n'a pas pu encore la connaître.")
@click.pass_obj
def keys_assign(cli: Cli, entity_id: str, kid: str | None, *, default: bool, force: bool) -> None:
    """Garder une application sur une clé : elle ne relit pas nos métadonnées."""
    if default == (kid is not None):
        raise click.UsageError("Nommez une clé, ou dites --default.")
    known = {each.entity_id for each in cli.services.service_providers.all()}
    if kid is not None and entity_id not in known:
        raise NotFound(
            f"no service provider {entity_id}",
            public=f"Aucun fournisseur de service « {entity_id} » (voir sp list).",
        )
    cli.services.keys.assign(entity_id, kid, force=force)
    text = f"{entity_id} reçoit des réponses signées avec " + (
        "la clé active." if kid is None else f"la clé {kid}, quelle que soit la clé active."
    )
    cli.say(text, {"entity_id": entity_id, "kid": kid})


def _asked_password() -> str:
    with warnings.catch_warnings():
        # Where nothing can hide what is typed, getpass would warn and read it all the same.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass("Mot de passe du fichier : ")
        except getpass.GetPassWarning:
            text = "Sans terminal, le mot de passe se donne avec --password-stdin."
            raise click.UsageError(text) from None


def _added(cli: Cli, kid: str, use: KeyUse) -> None:
    if use is KeyUse.SIGNING:
        text = f"Clé {kid} créée et publiée ; elle signera après « keys promote {kid} »."
    else:
        text = f"Clé {kid} créée ; elle sera publiée après « keys promote {kid} »."
    cli.say(text, {"kid": kid})


def _data(
    key: SigningKey, served: tuple[Served, ...], kept: dict[str, str], now: datetime
) -> dict[str, Any]:
    known = known_key(key)
    return {
        "kid": key.kid,
        "use": str(key.use),
        "state": str(key.state),
        "created_at": key.created_at.isoformat(),
        "promoted_at": key.promoted_at and key.promoted_at.isoformat(),
        "published_until": key.published_until and key.published_until.isoformat(),
        "ends_at": known.ends_at.isoformat(),
        "days_left": days_left(known, now),
        "assigned": sorted(sp for sp, kid in kept.items() if kid == key.kid),
        "served": [
            {"entity_id": one.entity_id, "at": one.at.isoformat()}
            for one in served
            if one.kid == key.kid
        ],
    }


def _promotable(key: SigningKey, ring: KeyRing) -> dict[str, Any]:
    """From when on it may sign, of a key that waits for it."""
    waits = key.state == KeyState.NEXT and key.use == KeyUse.SIGNING
    return {"promotable_at": ring.promotable_at(key).isoformat() if waits else None}


def _lines(key: SigningKey, data: dict[str, Any]) -> list[str]:
    until = key.published_until
    over = f", {_UNTIL[KeyUse(key.use)]} jusqu'au {until:%d/%m/%Y}" if until else ""
    made = f"créée le {key.created_at:%d/%m/%Y}"
    lines = [
        f"{key.kid} : {STATES[KeyState(key.state)]}, {USES[KeyUse(key.use)]}, {made}{over}",
        f"    certificat jusqu'au {datetime.fromisoformat(data['ends_at']):%d/%m/%Y}",
    ]
    if data["promotable_at"]:
        at = datetime.fromisoformat(data["promotable_at"])
        lines[0] += (
            f", publiée depuis le {key.created_at:%d/%m/%Y à %H:%M} UTC,"
            f" à promouvoir à partir du {at:%d/%m/%Y à %H:%M} UTC"
        )
    if data["days_left"] <= THRESHOLDS[0] and key.state != KeyState.RETIRED:
        lines[1] += f" : ATTENTION, {remaining(data['days_left'])}"
    lines += [f"    gardée pour {entity_id}" for entity_id in data["assigned"]]
    lines += [
        f"    dernière réponse à {one['entity_id']} : "
        f"{datetime.fromisoformat(one['at']):%d/%m/%Y à %H:%M} UTC"
        for one in data["served"]
    ]
    return lines


def remaining(days: int) -> str:
    """How long a certificate lasts, in words."""
    return f"il reste {days} jour{'s' if days > 1 else ''}" if days >= 0 else "il a pris fin"
