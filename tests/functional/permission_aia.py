"""The rows of *Administrer l'annuaire*, for people whom he may administer.

What each gets of whom, and what it changes, is in :mod:`tests.functional.aia_table`.
"""

from tests.functional.permission_row import (
    ADMINISTRATORS,
    EXPIRED,
    LATE,
    LATER,
    LEFT,
    SIGN_IN,
    Row,
)
from tests.functional.rows import (
    Filler,
    a_candidate,
    a_colleague,
    a_holder,
    a_structure,
    an_access_request,
    as_announced,
    as_doomed,
    as_held,
    as_recorded,
)

REQUESTS = "/aia/demandes"
REQUEST = REQUESTS + "/{}"
USERS = "/aia/utilisateurs"
STRUCTURES = "/aia/structures"
STRUCTURE_OF = STRUCTURES + "/{}"
RENAMED: dict[str, str | Filler] = {"libelle": "Personnel", "version": as_recorded}
NEW_STRUCTURE: dict[str, str | Filler] = {"libelle": "Service paie"}
CLOSED: dict[str, str | Filler] = {"version": as_announced}
BELOW = dict.fromkeys(("referent", "correspondant"), f"303 {STRUCTURES}/…") | {"inside": "404"}
APPLICATIONS = "/aia/applications"
ROLE = APPLICATIONS + "/bip/gest"
ASSIGNED: dict[str, str | Filler] = {"membre": a_candidate, "affecter": "1"}
HELD: dict[str, str | Filler] = {"membre": a_holder, "version": as_held, "nouveau": "lect"}
TO_HOLDERS = f"303 {ROLE}?charger=oui"
HOLDERS = {"inside": "404", "referent": TO_HOLDERS, "correspondant": TO_HOLDERS}


def to_users(answer: str) -> dict[str, str]:
    """What those get who administer people, and a plain agent inside the AIA."""
    return {"inside": "404", "referent": answer, "correspondant": answer}


def with_a_colleague(route: str, action: str, done: str, **form: str | Filler) -> tuple[Row, Row]:
    """Something is asked of, and done with, somebody in scope."""
    path = f"{USERS}/{{}}/{action}"
    return (
        Row(route, "GET", path, SIGN_IN, LATER, LATER, a_colleague, **ADMINISTRATORS),
        Row(route, "POST", path, EXPIRED, LEFT, LEFT, a_colleague, form, **to_users(done)),
    )


FILE: dict[str, str | Filler] = {"format": "csv"}

AIA = (
    Row("aia_requests", "GET", REQUESTS, SIGN_IN, LATER, LATER, **ADMINISTRATORS),
    Row("aia_request", "GET", REQUEST, SIGN_IN, LATER, LATER, an_access_request, **ADMINISTRATORS),
    Row(
        "aia_request",
        "POST",
        REQUEST,
        LATE,
        LEFT,
        LEFT,
        an_access_request,
        form={"refuser": "1", "message": "Non."},
        inside="404",
        referent=f"303 {REQUESTS}/…",
        correspondant=f"303 {REQUESTS}/…",
    ),
    Row("aia_structures", "GET", STRUCTURES, SIGN_IN, LATER, LATER, **ADMINISTRATORS),
    *(
        Row(route, "GET", STRUCTURE_OF + end, SIGN_IN, LATER, LATER, a_structure, **ADMINISTRATORS)
        for route, end in (
            ("aia_structure", ""),
            ("aia_structure_edit", "/editer"),
            ("aia_structure_new", "/creer"),
            ("aia_structure_close", "/fermer"),
        )
    ),
    Row(
        "aia_structure",
        "POST",
        STRUCTURE_OF,
        EXPIRED,
        LEFT,
        LEFT,
        a_structure,
        **to_users("200"),
    ),
    *(
        Row(route, "POST", STRUCTURE_OF + end, gone, LEFT, LEFT, a_structure, form=form, **BELOW)
        for route, end, gone, form in (
            ("aia_structure_edit", "/editer", LATE, RENAMED),
            ("aia_structure_new", "/creer", LATE, NEW_STRUCTURE),
            ("aia_structure_close", "/fermer", EXPIRED, CLOSED),
        )
    ),
    # nothing is created; tests/functional/creation/test_create.py does
    Row("aia_user_new", "GET", USERS + "/nouveau", SIGN_IN, LATER, LATER, **ADMINISTRATORS),
    Row(
        "aia_user_new",
        "POST",
        USERS + "/nouveau",
        LATE,
        LEFT,
        LEFT,
        form={"adresse": "nouveau@demo.example"},
        **to_users(f"303 {USERS}/nouveau?etape=1#resultat"),
    ),
    Row("aia_user_add", "GET", USERS + "/ajouter", SIGN_IN, LATER, LATER, **ADMINISTRATORS),
    Row("aia_user_add", "POST", USERS + "/ajouter", EXPIRED, LEFT, LEFT, **to_users("400")),
    # the list, and what is done with people; tests/functional/test_users.py does it
    Row("aia_users", "GET", USERS, SIGN_IN, LATER, LATER, **ADMINISTRATORS),
    Row("aia_users", "POST", USERS, EXPIRED, LEFT, LEFT, **to_users("200")),
    Row("aia_bulk", "GET", USERS + "/actions", SIGN_IN, LATER, LATER, **ADMINISTRATORS),
    Row(
        "aia_bulk",
        "POST",
        USERS + "/actions",
        EXPIRED,
        LEFT,
        LEFT,
        form={"action": "supprimer", "subject_id": a_colleague},
        inside="404",
        referent=f"303 {USERS}/actions?…",
        correspondant=f"303 {USERS}/actions?…",
    ),
    Row("aia_bin", "GET", USERS + "/corbeille", SIGN_IN, LATER, LATER, **ADMINISTRATORS),
    # nobody lies there: said on the page where one came from
    Row("aia_bin", "POST", USERS + "/corbeille", EXPIRED, LEFT, LEFT, **to_users(f"303 {USERS}")),
    *with_a_colleague("aia_user_delete", "supprimer", f"303 {USERS}", version=as_doomed),
    *with_a_colleague("aia_user_lock", "verrouiller", f"303 {USERS}"),
    *with_a_colleague("aia_user_unlock", "deverrouiller", f"303 {USERS}"),
    *with_a_colleague("aia_user_resend", "renvoyer", f"303 {USERS}"),
    # the sheet; tests/functional/test_people.py changes what is on it
    *(
        Row(
            route, "GET", f"{USERS}/{{}}{end}", SIGN_IN, LATER, LATER, a_colleague, **ADMINISTRATORS
        )
        for route, end in (
            ("aia_user", ""),
            ("aia_user_edit", "/editer"),
            ("aia_user_address", "/adresse"),
            ("aia_user_structure", "/structure"),
            ("aia_user_photo", "/photo"),
            ("aia_user_password", "/mot-de-passe"),
        )
    ),
    *(
        Row(
            route,
            "POST",
            f"{USERS}/{{}}{end}",
            gone,
            LEFT,
            LEFT,
            a_colleague,
            upload=end == "/photo",
            **to_users(answer),
        )
        for route, end, gone, answer in (
            ("aia_user_edit", "/editer", EXPIRED, "400"),
            ("aia_user_address", "/adresse", EXPIRED, "400"),
            # of no membership
            ("aia_user_structure", "/structure", EXPIRED, "404"),
            ("aia_user_photo", "/photo", EXPIRED, "400"),
            ("aia_user_password", "/mot-de-passe", EXPIRED, f"303 {USERS}/…"),
        )
    ),
    Row("aia_applications", "GET", APPLICATIONS, SIGN_IN, LATER, LATER, **ADMINISTRATORS),
    Row("aia_role", "GET", ROLE, SIGN_IN, LATER, LATER, **ADMINISTRATORS),
    Row("aia_role_assign", "GET", ROLE + "/affecter", SIGN_IN, LATER, LATER, **ADMINISTRATORS),
    Row(
        "aia_role_assign", "POST", ROLE + "/affecter", EXPIRED, LEFT, LEFT, form=ASSIGNED, **HOLDERS
    ),
    *(
        row
        for route, end in (
            ("aia_role_unassign", "/desaffecter"),
            ("aia_role_reassign", "/reaffecter"),
            ("aia_role_dates", "/dates"),
        )
        for row in (
            Row(
                route,
                "GET",
                ROLE + end + "?membre={}",
                SIGN_IN,
                LATER,
                LATER,
                a_holder,
                **ADMINISTRATORS,
            ),
            Row(route, "POST", ROLE + end, EXPIRED, LEFT, LEFT, form=HELD, **HOLDERS),
        )
    ),
    Row(
        "aia_user_history",
        "GET",
        USERS + "/{}/historique",
        SIGN_IN,
        LATER,
        LATER,
        a_colleague,
        **ADMINISTRATORS,
    ),
    *(
        Row(route, "GET", path, SIGN_IN, LATER, LATER, fill, **ADMINISTRATORS)
        for route, path, fill in (
            ("aia_structure_history", STRUCTURE_OF + "/historique", a_structure),
            ("aia_users_export", USERS + "/export", None),
            ("aia_structure_export", STRUCTURE_OF + "/export", a_structure),
            ("aia_role_export", ROLE + "/export", None),
        )
    ),
    *(
        Row(route, "POST", path, EXPIRED, LEFT, LEFT, fill, form=FILE, **ADMINISTRATORS)
        for route, path, fill in (
            ("aia_users_export", USERS + "/export", None),
            ("aia_structure_export", STRUCTURE_OF + "/export", a_structure),
            ("aia_role_export", ROLE + "/export", None),
        )
    ),
)
