"""Where the command line takes metadata from: a file, or an address."""

from pathlib import Path

import click

from idp.errors import MetadataError
from idp.saml.xml import DOCUMENT
from metadata.fetch import fetch


def is_url(source: str) -> bool:
    """Whether this names an address rather than a file."""
    return "://" in source


def read_source(source: str) -> bytes:
    """The document in this file or at this address.

    Raises:
        MetadataError: no such file, or the address gave nothing.
    """
    if is_url(source):
        return fetch(source)
    try:
        with Path(source).open("rb") as file:
            return file.read(DOCUMENT.octets + 1)  # one byte more, for the parser to refuse it
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
    del context, parameter
    return value, read_source(value)
