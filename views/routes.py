"""Every address of the product, on one page."""

from pyramid.config import Configurator

from idp.logo import LOGO_PATH


def includeme(config: Configurator) -> None:
    """Name the routes; which view answers is said where the view is."""
    route = config.add_route

    # the portal
    route("portal", "/")
    route("sign_in", "/connexion")
    route("sign_out", "/deconnexion")
    route("sign_out_next", "/deconnexion/suite")
    route("sign_out_application", "/deconnexion/application")
    route("sign_out_skip", "/deconnexion/passer")
    route("signed_out", "/deconnexion/terminee")
    route("profile", "/profil")

    # the directory of identities and accesses
    route("aia", "/aia")
    route("aia_sign_out", "/aia/deconnexion")

    # where an application sends whom it could not let in; our metadata names both
    route("help_failed", "/aide/erreur")
    route("logo", LOGO_PATH)

    # what every page's foot leads to
    route("accessibility", "/accessibilite")
    route("personal_data", "/donnees-personnelles")
    route("legal", "/mentions-legales")

    # SAML
    route("saml_metadata", "/saml/metadata")
    route("saml_sso", "/saml/sso")
    route("saml_init", "/saml/sso/init")
    route("saml_continue", "/saml/sso/suite")
    route("saml_structure", "/saml/sso/structure")
    route("saml_slo", "/saml/slo")
    route("saml_slo_soap", "/saml/slo/soap")
    route("saml_cancel", "/saml/sso/annuler")

    # operations
    route("healthz", "/healthz")
    route("readyz", "/readyz")
    route("metrics", "/metrics")
    route("static", "/static/{digest}/*path")

    # the demonstration's mailbox does not exist elsewhere
    if config.registry.services.settings.demonstration:
        route("demo_mails", "/demo/courriels")
