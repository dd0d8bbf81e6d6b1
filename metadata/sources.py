"""Where the command line takes metadata and certificates from: a file, or an address."""

from pathlib import Path

import click

from idp.cli import Cli
from idp.errors import MetadataError
from idp.saml.signature import check_certificate
from idp.saml.xml import AGGREGATE
from metadata.certificates import decode, read
from metadata.fetch import fetch


def is_url(source: str) -> bool:
    """Whether this names an address rather than a file."""
    return "://" in source


def read_source(source: str, *, loopback: bool) -> bytes:
    """The document in this file or at this address; ``loopback``: it may be on this machine.

    Raises:
        MetadataError: no such file, or the address gave nothing.
    """
    if is_url(source):
        return fetch(source, loopback=loopback)
    try:
        with Path(source).open("rb") as file:
            return file.read(AGGREGATE.octets + 1)  # one byte more, for the parser to refuse it
    except OSError as error:
        raise MetadataError(
            f"{source}: {error!r}",
            public=f"Le fichier {source} ne peut pas être lu. Vérifiez son nom et ses droits.",
        ) from error


def read_argument(
    context: click.Context, parameter: click.Parameter, value: str
) -> tuple[str, bytes]:
    """Callback of ``sp add``: the source and its content.

    The network is asked while the arguments are read, before the command's unit of work begins:
    a slow SP must not hold the database's lock.
    """
    del parameter
    cli: Cli = context.obj
    return value, read_source(value, loopback=cli.settings.on_loopback)


def read_signer(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> bytes | None:
    """Callback of ``--signer``: the DER of the certificate (PEM) in this file."""
    del context, parameter
    if value is None:
        return None
    try:
        certificate = read(decode(Path(value).read_text(encoding="ascii")))
        check_certificate(certificate.der)
    except (OSError, ValueError, MetadataError) as error:
        raise MetadataError(
            f"{value}: {error!r}",
            public=f"Le fichier {value} ne contient pas un certificat lisible. Donnez un "
            "certificat en PEM (le texte de BEGIN CERTIFICATE à END CERTIFICATE).",
        ) from error
    return certificate.der
