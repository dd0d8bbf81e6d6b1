"""The SAML endpoints: HTTP in front of :mod:`idp.sign_on`, and nothing else."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Register the views of this folder."""
    config.scan(__name__)
