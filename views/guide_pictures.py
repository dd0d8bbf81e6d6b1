"""The pictures of the guide pages: taken of the product itself by ``make guide``.

It leaves a picture of every step in the folder ``guide`` of ``$VAR``, called
``<guide>-<chapter number>-<chapter>-<step number>-<name>.png``. Pages show those below, under names
without numbers, and read well without any.
"""

import re
from pathlib import Path

FOLDER = "guide"
WIDTH, HEIGHT = 1280, 900
"""Pixels of every picture."""

AGENT = (
    "agent-convergences-premiere-visite",
    "agent-convergences-choisir-le-mot-de-passe",
    "agent-convergences-se-connecter",
    "agent-convergences-applications",
    "agent-convergences-mon-profil",
    "agent-convergences-enregistrer-la-photo",
    "agent-convergences-choisir-deconnexion",
)
REFERENT = (
    "referent-connexion-ouvrir-l-annuaire",
    "referent-connexion-accueil",
    "referent-connexion-choisir-deconnexion",
    "referent-creer-adresse-inconnue",
    "referent-creer-adresse-connue",
    "referent-creer-saisir-les-informations",
    "referent-creer-choisir-un-role",
    "referent-creer-recapitulatif",
    "referent-creer-utilisateur-cree",
    "referent-ajouter-charger-tous",
    "referent-modifier-recherche-par-criteres",
    "referent-modifier-filtrer",
    "referent-modifier-fiche",
    "referent-modifier-editer-l-utilisateur",
    "referent-habiliter-affecter",
    "referent-habiliter-selectionner-l-agent",
    "referent-desaffecter-desaffecter",
    "referent-reaffecter-choisir-le-nouveau-role",
    "referent-supprimer-supprimer-l-utilisateur",
    "referent-supprimer-confirmer-la-suppression",
    "referent-supprimer-structure-liste-des-membres",
    "referent-exporter-utilisateurs-exporter",
)

_FILE = re.compile(r"(\w+)-\d\d-(.+)-\d\d-(.+)\.png")


def shown_name(file_name: str) -> str:
    """The name of a picture without the numbers that order the files; empty when it is none."""
    found = _FILE.fullmatch(file_name)
    return "-".join(found.groups()) if found else ""


def path_of(name: str) -> str:
    """Where among the static files the picture of this name is."""
    return f"{FOLDER}/{name}.png"


def read(var: Path) -> dict[str, bytes]:
    """The pictures that pages show, by their paths; none where ``make guide`` never ran."""
    wanted = {*AGENT, *REFERENT}
    files = sorted((var / FOLDER).glob("*.png"))
    return {
        path_of(name): file.read_bytes()
        for file in files
        if (name := shown_name(file.name)) in wanted
    }
