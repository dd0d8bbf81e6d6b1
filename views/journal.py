"""The events of the journal in words: those that happen to a person."""

from collections.abc import Mapping

OTHER = "Autre événement"

WORDS: Mapping[str, str] = {
    "access-request.granted": "Demande d'accès acceptée",
    "access-request.made": "Demande d'accès envoyée",
    "access-request.refused": "Demande d'accès refusée",
    "access-request.withdrawn": "Demande d'accès retirée",
    "account.address-changed": "Adresse mail remplacée",
    "account.address-refused": "Changement d'adresse mail refusé",
    "account.address-checked": "Adresse vérifiée dans l'annuaire",
    "account.created": "Compte créé",
    "account.data-exported": "Copie de vos données téléchargée",
    "account.deleted": "Compte mis à la corbeille",
    "account.invited-again": "Mail de création du compte renvoyé",
    "account.locked": "Compte verrouillé",
    "account.password-refused": "Changement de mot de passe refusé",
    "account.password-set": "Mot de passe choisi ou changé",
    "account.photo-added": "Photo ajoutée",
    "account.photo-changed": "Photo modifiée",
    "account.photo-removed": "Photo supprimée",
    "account.purged": "Compte effacé",
    "account.renamed": "Nom ou prénom modifié",
    "account.reset-asked": "Réinitialisation du mot de passe demandée pour vous",
    "account.restored": "Compte rétabli",
    "account.unlocked": "Compte déverrouillé",
    "account.validity-changed": "Dates de validité du compte modifiées",
    "assignment.dates-changed": "Dates d'un rôle modifiées",
    "assignment.granted": "Rôle donné",
    "assignment.withdrawn": "Rôle retiré",
    "mandate.given": "Mandat donné",
    "mandate.withdrawn": "Mandat retiré",
    "membership.added": "Rattachement à une structure",
    "membership.confirmed": "Rattachement confirmé",
    "membership.dates-changed": "Dates d'un rattachement modifiées",
    "membership.edited": "Informations d'un rattachement modifiées",
    "membership.left": "Départ d'une structure",
    "membership.moved": "Changement de structure",
    "membership.refused": "Rattachement refusé",
    "membership.removed": "Rattachement retiré",
    "membership.restored": "Rattachement rétabli",
    "membership.resumed": "Rattachement repris",
    "membership.suspended": "Rattachement suspendu",
    "password.link-made": "Lien créé pour choisir un mot de passe",
    "password.link-refused": "Lien pour choisir un mot de passe refusé",
    "problem.reported": "Problème signalé",
    "session.ended": "Session terminée",
    "sign-in.failure": "Connexion refusée",
    "sign-in.password-outgrown": "Connexion refusée : mot de passe devenu trop court",
    "sign-in.success": "Connexion",
    "sign-on.declined": "Ouverture d'une application abandonnée ou impossible",
    "sign-on.refused": "Ouverture d'une application refusée : aucun rôle",
    "sign-on.success": "Ouverture d'une application",
}


def in_words(code: str) -> str:
    """What happened."""
    return WORDS.get(code, OTHER)
