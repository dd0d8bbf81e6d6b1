"""The table of :mod:`tests.functional.test_aia_matrix`: who asks, and whose it is."""

from collections.abc import Callable
from dataclasses import dataclass, field

from directory.authorisation import OPERATOR
from directory.services.rights.administered import RoleRef
from directory.services.rights.role_members import RoleMembers
from directory.services.structures.closing import StructureClosing
from directory.services.structures.tree import StructureTree
from tests.functional.aia_realm import Realm

HOMES = {"A": "Almeria", "B": "Boskoop", "C": "Cadaques"}
"""The référents, and the word that is in every name of their collectivité and nowhere else."""
SHARED = "Quimperle"
"""The word in the name of the person who belongs to A's and to C's."""
ACTORS = ("anonymous", "agent", "A", "B", "C", "correspondant")
"""``agent`` and ``correspondant`` work at A's; C is the référent of somebody whom A shares."""
KINDS = ("own", "foreign", "shared")
ELSEWHERE = {"A": "B", "B": "A", "C": "A"}

Maker = Callable[[Realm, dict[str, str]], str]


@dataclass(frozen=True)
class Row:
    """What each gets: a status, and for a redirection where it leads.

    ``path`` and the values of ``form`` are filled with the names of the target; ``{shown}`` is the
    version in the form of the page. ``own`` is what the référent gets for somebody of his alone,
    ``foreign`` for another's, ``shared`` for somebody whom another shares; the correspondant gets
    ``own`` everywhere, a plain agent ``agent``. ``changes``: whether it changes anything where it
    is not refused.
    """

    route: str
    method: str
    path: str
    own: str
    foreign: str = "404"
    shared: str = ""
    agent: str = "404"
    anonymous: str = "303 /connexion…"
    central: str = ""
    form: dict[str, str | Maker] = field(default_factory=dict)
    changes: bool = True

    def expected(self, actor: str, kind: str) -> str:
        """A status, and where it leads."""
        if actor in {"anonymous", "agent"}:
            return str(getattr(self, actor))
        if actor == "correspondant":
            return self.central or self.own
        if kind == "foreign" or (kind == "shared" and actor == "B"):
            return self.foreign
        return self.shared or self.own if kind == "shared" else self.own


def reads(
    route: str, path: str, *, foreign: str = "404", shared: str = "", agent: str = "404"
) -> Row:
    """A page."""
    return Row(route, "GET", path, "200", foreign, shared, agent, changes=False)


def writes(
    route: str,
    path: str,
    own: str,
    *,
    foreign: str = "404",
    shared: str = "",
    changes: bool = True,
    **form: str | Maker,
) -> Row:
    """A form. Somebody outside of the AIA, whatever he sends, is led away."""
    return Row(route, "POST", path, own, foreign, shared, form=form, changes=changes)


def _version(realm: Realm, target: dict[str, str]) -> str:
    return StructureTree(realm.services.core).read(OPERATOR, target["structure"]).version


def _announced(realm: Realm, target: dict[str, str]) -> str:
    return StructureClosing(realm.services.core).preview(OPERATOR, target["structure"]).version


def _held(realm: Realm, target: dict[str, str]) -> str:
    ref = RoleRef(target["application"], "gest")
    return RoleMembers(realm.services.core).read(OPERATOR, ref, target["membership"]).version


USERS, STRUCTURES, ROLES = "/aia/utilisateurs", "/aia/structures", "/aia/applications"
USER, STRUCTURE, ROLE = USERS + "/{who}", STRUCTURES + "/{structure}", ROLES + "/{application}/gest"
LECT = ROLES + "/{application}/lect"
TO_USERS, TO_USER, TO_ROLE = f"303 {USERS}", f"303 {USERS}/…", f"303 {ROLES}/…"
TABLE = (
    reads("aia", "/aia", foreign="200", agent="200"),
    reads("aia_profile", "/aia/profil", foreign="200", agent="200"),
    reads("aia_sign_out", "/aia/deconnexion", foreign="200", agent="200"),
    reads("aia_requests", "/aia/demandes", foreign="200"),
    reads("aia_request", "/aia/demandes/{request}"),
    reads("aia_structures", STRUCTURES + "?recherche={word}", foreign="200"),
    reads("aia_structure", STRUCTURE + "?membres=1&sous=1"),
    reads("aia_structure_edit", STRUCTURE + "/editer"),
    reads("aia_structure_new", STRUCTURE + "/creer"),
    reads("aia_structure_close", STRUCTURE + "/fermer"),
    reads("aia_structure_history", STRUCTURE + "/historique"),
    reads("aia_structure_export", STRUCTURE + "/export"),
    reads("aia_users", USERS + "?charger=tous&nom={word}", foreign="200"),
    reads("aia_users_export", USERS + "/export?structure={structure}"),
    reads("aia_user_new", USERS + "/nouveau", foreign="200"),
    reads("aia_user_add", USERS + "/ajouter", foreign="200"),
    reads("aia_bulk", USERS + "/actions", foreign="200"),
    reads("aia_bin", USERS + "/corbeille?filtre={word}", foreign="200"),
    reads("aia_user", USER),
    reads("aia_user_edit", USER + "/editer"),
    reads("aia_user_address", USER + "/adresse", shared="404"),
    reads("aia_user_photo", USER + "/photo", shared="404"),
    reads("aia_user_structure", USER + "/structure?rattachement={membership}"),
    reads("aia_user_password", USER + "/mot-de-passe"),
    reads("aia_user_history", USER + "/historique"),
    # asked, and told why not
    reads("aia_user_delete", USER + "/supprimer"),
    reads("aia_user_lock", USER + "/verrouiller"),
    reads("aia_user_unlock", USER + "/deverrouiller"),
    reads("aia_user_resend", USER + "/renvoyer"),
    reads("aia_applications", ROLES, foreign="200"),
    reads("aia_role", ROLE + "?charger=oui"),
    reads("aia_role_export", ROLE + "/export"),
    reads("aia_role_assign", ROLE + "/affecter"),
    reads("aia_role_unassign", ROLE + "/desaffecter?membre={membership}"),
    reads("aia_role_reassign", ROLE + "/reaffecter?membre={membership}"),
    reads("aia_role_dates", ROLE + "/dates?membre={membership}"),
    *(
        Row(route, "POST", path, "200", form={"format": "csv"}, changes=False)
        for route, path in (
            ("aia_structure_export", STRUCTURE + "/export"),
            ("aia_users_export", USERS + "/export?structure={structure}"),
            ("aia_role_export", ROLE + "/export"),
        )
    ),
    writes(
        "aia_request", "/aia/demandes/{request}", "303 /aia/demandes/…", refuser="1", message="Non."
    ),
    writes(
        "aia_structure_edit",
        STRUCTURE + "/editer",
        f"303 {STRUCTURES}/…",
        libelle="X",
        version=_version,
    ),
    writes("aia_structure_new", STRUCTURE + "/creer", f"303 {STRUCTURES}/…", libelle="X"),
    writes(
        "aia_structure_close",
        STRUCTURE + "/fermer",
        f"303 {STRUCTURES}/…",
        accord="1",
        version=_announced,
    ),
    # what an address is may be asked of anybody's
    writes(
        "aia_user_new",
        USERS + "/nouveau",
        f"303 {USERS}/nouveau?etape=1#resultat",
        foreign="303 …",
        changes=False,
        adresse="{mail}",
    ),
    writes(
        "aia_user_add",
        USERS + "/ajouter",
        TO_USER,
        foreign="400",
        nom="X",
        prenom="X",
        adresse="x@demo.example",
        structure="{structure}",
    ),
    writes("aia_users", USERS + "?charger=tous&nom={word}", "200", foreign="200", changes=False),
    writes("aia_structure", STRUCTURE + "?membres=1&sous=1", "200", changes=False),
    writes(
        "aia_bulk",
        USERS + "/actions",
        f"303 {USERS}/actions?…",
        foreign=f"{TO_USERS}",
        action="supprimer",
        subject_id="{who}",
    ),
    writes(
        "aia_bin",
        USERS + "/corbeille",
        TO_USER,
        foreign=TO_USERS,
        shared=TO_USERS,
        subject_id="{binned}",
        ancienne="{binned_mail}",
    ),
    writes("aia_user_edit", USER + "/editer", "400", shared=TO_USER),
    writes(
        "aia_user_address",
        USER + "/adresse",
        TO_USER,
        shared="404",
        adresse="x@demo.example",
        ancienne="{mail}",
    ),
    writes("aia_user_photo", USER + "/photo", "400", shared="404"),
    writes("aia_user_structure", USER + "/structure", "400", rattachement="{membership}"),
    writes("aia_user_password", USER + "/mot-de-passe", TO_USER),
    writes("aia_user_delete", USER + "/supprimer", TO_USERS, version="{shown}"),
    writes("aia_user_lock", USER + "/verrouiller", TO_USERS, shared="409"),
    writes("aia_user_unlock", USER + "/deverrouiller", TO_USERS, shared="409", changes=False),
    writes("aia_user_resend", USER + "/renvoyer", TO_USERS),
    writes("aia_role_assign", LECT + "/affecter", TO_ROLE, membre="{membership}", affecter="1"),
    writes("aia_role_unassign", ROLE + "/desaffecter", TO_ROLE, membre="{membership}"),
    writes(
        "aia_role_reassign",
        ROLE + "/reaffecter",
        TO_ROLE,
        membre="{membership}",
        version=_held,
        nouveau="lect",
    ),
    writes(
        "aia_role_dates",
        ROLE + "/dates",
        TO_ROLE,
        membre="{membership}",
        version=_held,
        fin="2027-01-31",
    ),
    # whoever is signed in comes in and goes out
    Row("aia", "POST", "/aia", "303 /aia", "303 /aia", agent="303 /aia", changes=False),
    Row("aia_sign_out", "POST", "/aia/deconnexion", "303 /", "303 /", agent="303 /", changes=False),
)
