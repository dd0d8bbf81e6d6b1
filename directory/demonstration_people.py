"""The people of the demonstration and what they hold. All invented."""

from directory.services.accounts.changes import Person
from directory.services.memberships.changes import MembershipFields


def _person(
    mail: str,
    given_name: str,
    sn: str,
    structure: str,
    function: str,
    service: str | None = None,
) -> tuple[Person, str]:
    fields = MembershipFields(service=service, function=function)
    return Person(f"{mail}@demo.example", sn, given_name, fields), structure


PEOPLE = (
    _person("agent", "Agnès", "Martin", "a-carrieres", "Gestionnaire de carrières", "Carrières"),
    _person("referent", "Rémi", "Lefèvre", "a-rh", "Directeur adjoint", "Direction"),
    _person("referent.b", "Béatrice", "Nguyen", "b-rh", "Responsable du personnel"),
    _person("referent.c", "Hélène", "Castaño", "c-personnel", "Responsable du service"),
    _person("correspondant", "Corinne", "Dubreuil", "services-cig", "Correspondante CIG"),
    _person("multi", "Mélanie", "Ménard", "a-formation", "Chargée de formation", "Formation"),
    _person("sansdroit", "Sylvain", "Droüet", "a-education", "Coordinateur périscolaire"),
    _person("leila.benali", "Leïla", "Benali", "a-carrieres", "Gestionnaire paie", "Paie"),
    _person("francois.noel", "François", "Noël", "a-carrieres", "Gestionnaire retraites"),
    _person("cecile.garcon", "Cécile", "Garçon", "a-rh", "Assistante de direction"),
    _person("jean-pierre.roux", "Jean-Pierre", "Roux", "a-budget", "Agent comptable", "Budget"),
    _person("amelie.faure", "Amélie", "Faure", "a-budget", "Responsable du service", "Budget"),
    _person("karim.haddad", "Karim", "Haddad", "a-finances", "Directeur des finances"),
    _person("oceane.petit", "Océane", "Petit", "a-formation", "Assistante formation"),
    _person("gaetan.lambert", "Gaëtan", "Lambert", "a-education", "Directeur de l'éducation"),
    _person("ines.moreau", "Inès", "Moreau", "a-education", "Responsable des écoles"),
    _person("theo.bernard", "Théo", "Bernard", "collectivite-a", "Directeur général"),
    _person("zoe.lemaitre", "Zoé", "Lemaître", "b-rh", "Gestionnaire du personnel"),
    _person("mathias.herve", "Mathias", "Hervé", "b-paie", "Gestionnaire paie"),
    _person("aicha.diallo", "Aïcha", "Diallo", "b-paie", "Responsable paie"),
    _person("noemie.perrin", "Noémie", "Perrin", "b-generale", "Directrice générale"),
    _person("joel.d-almeida", "Joël", "d'Almeida", "b-technique", "Directeur technique"),
    _person("solene.leguen", "Solène", "Le Guen", "b-technique", "Assistante"),
    _person("stephane.kowalski", "Stéphane", "Kowalski", "c-personnel", "Gestionnaire"),
    _person("maelle.carpentier", "Maëlle", "Carpentier", "c-administration", "Secrétaire générale"),
    _person("raphael.coeur", "Raphaël", "Cœur", "c-personnel", "Gestionnaire de carrières"),
    _person("eloise.traore", "Éloïse", "Traoré", "cig-concours", "Chargée de concours"),
    _person("benoit.vasseur", "Benoît", "Vasseur", "cig-carrieres", "Juriste statutaire"),
    _person("nadege.olivier", "Nadège", "Olivier", "cig-carrieres", "Gestionnaire CAP"),
    _person("anais.schmitt", "Anaïs", "Schmitt", "cig-concours", "Conseillère emploi"),
    _person("loic.fernandes", "Loïc", "Fernandes", "services-cig", "Chef de projet numérique"),
)

# Second structures, of people above: address, structure, function.
MEMBERSHIPS = (
    ("multi@demo.example", "b-rh", "Chargée de mission mutualisée"),
    ("karim.haddad@demo.example", "c-administration", "Conseil financier"),
)

ASSIGNMENTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "agent@demo.example",
        "a-carrieres",
        (
            "bip:lecteur",
            "bip:abonne",
            "net-cotisations:declarant",
            "net-cotisations:consultant",
            "net-cap:gestionnaire",
            "site:adherent",
            "site:employeur",
        ),
    ),
    (
        "multi@demo.example",
        "a-formation",
        ("bip:lecteur", "net-cotisations:consultant", "net-cap:gestionnaire", "site:adherent"),
    ),
    (
        "multi@demo.example",
        "b-rh",
        (
            "bip:redacteur",
            "bip:abonne",
            "net-cotisations:declarant",
            "net-cap:signataire",
            "net-cap:representant",
            "site:contributeur",
        ),
    ),
    ("referent@demo.example", "a-rh", ("bip:lecteur", "net-cap:signataire", "site:adherent")),
    ("referent.b@demo.example", "b-rh", ("bip:lecteur", "site:adherent")),
    ("referent.c@demo.example", "c-personnel", ("bip:lecteur", "net-cap:gestionnaire")),
    ("correspondant@demo.example", "services-cig", ("bip:redacteur", "site:contributeur")),
    ("leila.benali@demo.example", "a-carrieres", ("bip:lecteur", "net-cotisations:declarant")),
    ("francois.noel@demo.example", "a-carrieres", ("bip:lecteur", "net-cap:gestionnaire")),
    ("cecile.garcon@demo.example", "a-rh", ("site:adherent",)),
    ("jean-pierre.roux@demo.example", "a-budget", ("net-cotisations:declarant",)),
    (
        "amelie.faure@demo.example",
        "a-budget",
        ("net-cotisations:valideur", "net-cotisations:consultant"),
    ),
    ("karim.haddad@demo.example", "a-finances", ("net-cotisations:consultant", "bip:lecteur")),
    ("karim.haddad@demo.example", "c-administration", ("net-cotisations:consultant",)),
    ("oceane.petit@demo.example", "a-formation", ("site:adherent",)),
    ("theo.bernard@demo.example", "collectivite-a", ("net-cap:signataire", "site:employeur")),
    ("zoe.lemaitre@demo.example", "b-rh", ("bip:lecteur", "net-cap:gestionnaire")),
    ("mathias.herve@demo.example", "b-paie", ("net-cotisations:declarant",)),
    ("aicha.diallo@demo.example", "b-paie", ("net-cotisations:valideur", "bip:lecteur")),
    ("noemie.perrin@demo.example", "b-generale", ("net-cap:signataire", "site:employeur")),
    ("stephane.kowalski@demo.example", "c-personnel", ("net-cap:gestionnaire", "bip:lecteur")),
    ("maelle.carpentier@demo.example", "c-administration", ("site:adherent",)),
    ("raphael.coeur@demo.example", "c-personnel", ("bip:lecteur",)),
    ("eloise.traore@demo.example", "cig-concours", ("site:contributeur",)),
    ("benoit.vasseur@demo.example", "cig-carrieres", ("bip:redacteur",)),
    ("nadege.olivier@demo.example", "cig-carrieres", ("bip:lecteur", "net-cap:gestionnaire")),
)
