"""Every address of the product, on one page."""

from pyramid.config import Configurator

from idp.logo import LOGO_PATH


def includeme(config: Configurator) -> None:
    """Name the routes; which view answers is said where the view is.

    They are tried in this order, one after the other: sign-on's first, whatever else is added.
    """
    route = config.add_route

    _add_saml(config)

    # the portal
    route("portal", "/")
    route("sign_in", "/connexion")
    route("sign_out", "/deconnexion")
    route("sign_out_next", "/deconnexion/suite")
    route("sign_out_application", "/deconnexion/application")
    route("sign_out_skip", "/deconnexion/passer")
    route("signed_out", "/deconnexion/terminee")
    route("first_visit", "/premiere-visite")
    route("forgotten_password", "/mot-de-passe-oublie")
    route("password_link", "/mot-de-passe/{token}")
    route("password_link_again", "/mot-de-passe/{token}/nouveau")
    route("address_refusal", "/adresse-remplacee/{token}")
    route("hide_notice", "/avis/masquer")
    route("ask_access", "/demander-un-acces")
    route("withdraw_request", "/demander-un-acces/retirer")
    route("report_problem", "/signaler-un-probleme")

    _add_own(config)

    _add_aia(config)

    # the correspondant's desk
    route("central_mails", "/aia/administration/courriels")
    route("central_mail_again", r"/aia/administration/courriels/{mail:\d{1,15}}/renvoyer")
    route("central_mail_abandon", r"/aia/administration/courriels/{mail:\d{1,15}}/abandonner")

    # the session: when it ends, and what was typed when it did
    route("session", "/session")
    route("forget_draft", "/session/brouillon")

    # where an application sends whom it could not let in; our metadata names both
    route("help_failed", "/aide/erreur")
    route("logo", LOGO_PATH)

    # what every page's foot leads to
    route("accessibility", "/accessibilite")
    route("personal_data", "/donnees-personnelles")
    route("legal", "/mentions-legales")
    route("guide", "/guide-utilisateur")
    route("guide_referent", "/guide-referent")
    route("contact", "/contact")
    route("site_map", "/plan-du-site")

    # operations
    route("healthz", "/healthz")
    route("readyz", "/readyz")
    route("metrics", "/metrics")
    route("static", "/static/{digest}/*path")

    # the demonstration's mailbox does not exist elsewhere
    if config.registry.services.settings.demonstration:
        route("demo_mails", "/demo/courriels")
        route("demo_mail", "/demo/courriels/{name}")


def _add_saml(config: Configurator) -> None:
    """What service providers and their metadata name; a sign-on is at the first of all."""
    route = config.add_route
    route("saml_sso", "/saml/sso")
    route("saml_init", "/saml/sso/init")
    route("saml_continue", "/saml/sso/suite")
    route("saml_structure", "/saml/sso/structure")
    route("saml_cancel", "/saml/sso/annuler")
    route("saml_slo", "/saml/slo")
    route("saml_slo_soap", "/saml/slo/soap")
    route("saml_metadata", "/saml/metadata")


def _add_aia(config: Configurator) -> None:
    """The directory of identities and accesses."""
    route = config.add_route
    route("aia", "/aia")
    route("aia_profile", "/aia/profil")
    route("aia_sign_out", "/aia/deconnexion")
    route("aia_requests", "/aia/demandes")
    route("aia_request", "/aia/demandes/{request_id}")
    _add_aia_users(config)
    _add_aia_structures(config)
    _add_aia_applications(config)


def _add_aia_users(config: Configurator) -> None:
    """*Utilisateurs*: fixed addresses before those that name a person."""
    route = config.add_route
    route("aia_users", "/aia/utilisateurs")
    route("aia_user_new", "/aia/utilisateurs/nouveau")
    route("aia_user_add", "/aia/utilisateurs/ajouter")
    route("aia_bin", "/aia/utilisateurs/corbeille")
    route("aia_bulk", "/aia/utilisateurs/actions")
    route("aia_users_export", "/aia/utilisateurs/export")
    route("aia_user", "/aia/utilisateurs/{subject_id}")
    route("aia_user_edit", "/aia/utilisateurs/{subject_id}/editer")
    route("aia_user_address", "/aia/utilisateurs/{subject_id}/adresse")
    route("aia_user_photo", "/aia/utilisateurs/{subject_id}/photo")
    route("aia_user_structure", "/aia/utilisateurs/{subject_id}/structure")
    route("aia_user_delete", "/aia/utilisateurs/{subject_id}/supprimer")
    route("aia_user_lock", "/aia/utilisateurs/{subject_id}/verrouiller")
    route("aia_user_unlock", "/aia/utilisateurs/{subject_id}/deverrouiller")
    route("aia_user_password", "/aia/utilisateurs/{subject_id}/mot-de-passe")
    route("aia_user_resend", "/aia/utilisateurs/{subject_id}/renvoyer")
    route("aia_user_history", "/aia/utilisateurs/{subject_id}/historique")


def _add_aia_structures(config: Configurator) -> None:
    """*Structures*."""
    route = config.add_route
    route("aia_structures", "/aia/structures")
    route("aia_structure", "/aia/structures/{code}")
    route("aia_structure_edit", "/aia/structures/{code}/editer")
    route("aia_structure_new", "/aia/structures/{code}/creer")
    route("aia_structure_close", "/aia/structures/{code}/fermer")
    route("aia_structure_export", "/aia/structures/{code}/export")
    route("aia_structure_history", "/aia/structures/{code}/historique")


def _add_aia_applications(config: Configurator) -> None:
    """*Applications*."""
    route = config.add_route
    route("aia_applications", "/aia/applications")
    route("aia_role", "/aia/applications/{code}/{role}")
    route("aia_role_assign", "/aia/applications/{code}/{role}/affecter")
    route("aia_role_unassign", "/aia/applications/{code}/{role}/desaffecter")
    route("aia_role_reassign", "/aia/applications/{code}/{role}/reaffecter")
    route("aia_role_dates", "/aia/applications/{code}/{role}/dates")
    route("aia_role_export", "/aia/applications/{code}/{role}/export")


def _add_own(config: Configurator) -> None:
    """What is a person's own."""
    route = config.add_route
    route("profile", "/profil")
    route("profile_photo", "/profil/photo")
    route("profile_photo_save", "/profil/photo/enregistrer")
    route("profile_photo_remove", "/profil/photo/supprimer")
    route("photo", r"/photos/{digest:[0-9a-f]{40}}")
    route("accesses", "/profil/acces")
    route("received", "/profil/acces/{code}")
    route("confirmations", "/rattachements")
    route("refuse_membership", "/rattachements/refuser")
    route("change_password", "/profil/mot-de-passe")
    route("sessions", "/profil/sessions")
    route("close_session", "/profil/sessions/fermer")
    route("close_other_sessions", "/profil/sessions/fermer-les-autres")
    route("my_data", "/profil/donnees")
    route("my_data_file", "/profil/donnees/fichier")
