"""The table of :mod:`tests.functional.test_permissions`: who gets what at every address."""

from tests.functional.conftest import PASSWORD
from tests.functional.permission_aia import AIA
from tests.functional.permission_row import (
    EVERYBODY,
    EXPIRED,
    GO_ON,
    LATE,
    LATER,
    LEFT,
    NEXT,
    ON_THE_WAY,
    OUT,
    SIGN_IN,
    SIGNED_OUT,
    Row,
    open_to_all,
)
from tests.functional.rows import (
    Filler,
    a_dead_mail,
    a_flow,
    a_logout,
    a_logout_message,
    a_membership,
    a_message,
    a_query,
    a_soap_logout,
)

EFFECT = {"saml_sso", "saml_init", "saml_continue", "my_data_file"}
"""Where a GET has an effect: a HEAD, whose answer nobody would see, is refused."""

INIT = "/saml/sso/init?sp=https://net-cap.example/metadata"
CONTINUE = "/saml/sso/suite?flow={}"
STRUCTURE = "/saml/sso/structure"
MAILS = "/aia/administration/courriels"
AGAIN, ABANDON = MAILS + "/{}/renvoyer", MAILS + "/{}/abandonner"
GONE: tuple[str, str, Filler] = ("404", "404", a_dead_mail)
JOINED = "/rattachements"
PHOTO = "/profil/photo"
SESSIONS = "/profil/sessions"
SOMEBODY: dict[str, str | Filler] = {"login": "referent@demo.example", "password": PASSWORD}
CHOICE: dict[str, str | Filler] = {"flow": a_flow, "membership": a_membership}
MESSAGE: dict[str, str | Filler] = {"SAMLRequest": a_message}
FLOW: dict[str, str | Filler] = {"flow": a_flow}
TASK: dict[str, str | Filler] = {"task": "1"}
LOGOUT: dict[str, str | Filler] = {"SAMLRequest": a_logout_message}

SENT = ("303 …",) * 3
UNASKED = ("303 /mot-de-passe-oublie",) * 3
ASK, ASKED = "/demander-un-acces", "303 /?avis=demande-envoyee"
WANTED: dict[str, str | Filler] = {"application": "bip", "motif": "x", "demande": "1"}


TABLE = (
    # route, method, path, what a stranger, the agent, a person without a role there gets
    Row("portal", "GET", "/", SIGN_IN, "200", "200"),
    Row("sign_in", "GET", "/connexion", "200", "303 /", "303 /"),
    Row("sign_in", "POST", "/connexion", "303 /", "303 /", "303 /", form=SOMEBODY),
    open_to_all("first_visit", "/premiere-visite"),
    Row("first_visit", "POST", "/premiere-visite", *SENT, form=SOMEBODY),
    open_to_all("forgotten_password", "/mot-de-passe-oublie"),
    Row("forgotten_password", "POST", "/mot-de-passe-oublie", *SENT, form=SOMEBODY),
    # a link that nobody was sent; tests/functional/test_passwords.py has others
    Row("password_link", "GET", "/mot-de-passe/x", "404", "404", "404"),
    Row("password_link", "POST", "/mot-de-passe/x", "404", "404", "404"),
    Row("password_link_again", "POST", "/mot-de-passe/x/nouveau", *UNASKED),
    Row("sign_out", "GET", "/deconnexion", SIGN_IN, "200", "200"),
    Row("sign_out", "POST", "/deconnexion", EXPIRED, NEXT, NEXT),
    # without the cookie of a sign-out under way, which the form above gives
    Row("sign_out_next", "GET", "/deconnexion/suite", SIGNED_OUT, SIGNED_OUT, SIGNED_OUT),
    Row("sign_out_application", "GET", "/deconnexion/application", NEXT, NEXT, NEXT),
    Row("sign_out_skip", "POST", "/deconnexion/passer", NEXT, NEXT, NEXT, form=TASK),
    Row("signed_out", "GET", "/deconnexion/terminee", "200", "303 /", "303 /"),
    Row("profile", "GET", "/profil", SIGN_IN, "200", "200"),
    Row("profile_photo", "GET", PHOTO, SIGN_IN, "200", "200"),
    # without a file; tests/functional/test_profile.py has some
    Row("profile_photo", "POST", PHOTO, EXPIRED, "400", "400", upload=True),
    Row("profile_photo_save", "POST", PHOTO + "/enregistrer", EXPIRED, "400", "400"),
    Row("profile_photo_remove", "GET", PHOTO + "/supprimer", SIGN_IN, *(f"303 {PHOTO}",) * 2),
    Row("profile_photo_remove", "POST", PHOTO + "/supprimer", EXPIRED, *("303 /profil?…",) * 2),
    Row("photo", "GET", "/photos/" + "0" * 40, SIGN_IN, "404", "404"),
    Row("accesses", "GET", "/profil/acces", SIGN_IN, "200", "200"),
    Row("received", "GET", "/profil/acces/bip", SIGN_IN, "200", "404"),
    Row("change_password", "GET", "/profil/mot-de-passe", SIGN_IN, "200", "200"),
    Row("change_password", "POST", "/profil/mot-de-passe", EXPIRED, "400", "400"),
    Row("sessions", "GET", SESSIONS, SIGN_IN, "200", "200"),
    Row("close_session", "POST", SESSIONS + "/fermer", EXPIRED, "404", "404"),
    Row(
        "close_other_sessions",
        "POST",
        SESSIONS + "/fermer-les-autres",
        EXPIRED,
        *(f"303 {SESSIONS}?…",) * 2,
    ),
    Row("my_data", "GET", "/profil/donnees", SIGN_IN, "200", "200"),
    Row("my_data_file", "GET", "/profil/donnees/fichier", SIGN_IN, "200", "200"),
    Row("hide_notice", "POST", "/avis/masquer", EXPIRED, "303 /", "303 /", form={"avis": "1"}),
    Row("ask_access", "GET", ASK, SIGN_IN, "200", "200"),
    # what somebody typed whose account was locked meanwhile is kept
    Row("ask_access", "POST", ASK, LATE, ASKED, ASKED, form=WANTED),
    Row("withdraw_request", "POST", f"{ASK}/retirer", EXPIRED, "404", "404", form=WANTED),
    Row("confirmations", "GET", JOINED, SIGN_IN, "200", "200"),
    Row("confirmations", "POST", JOINED, EXPIRED, *(f"303 {JOINED}",) * 2),
    Row("refuse_membership", "GET", f"{JOINED}/refuser", SIGN_IN, *(f"303 {JOINED}",) * 2),
    Row("refuse_membership", "POST", f"{JOINED}/refuser", EXPIRED, *(f"303 {JOINED}",) * 2),
    open_to_all("report_problem", "/signaler-un-probleme"),
    Row("report_problem", "POST", "/signaler-un-probleme", EXPIRED, *("303 /?avis=…",) * 2),
    *AIA,
    # a link that nobody was sent; tests/functional/test_people_moves.py has another
    Row("address_refusal", "GET", "/adresse-remplacee/x", "404", "404", "404"),
    Row("address_refusal", "POST", "/adresse-remplacee/x", "404", "404", "404"),
    open_to_all("session", "/session"),
    Row("session", "POST", "/session", EXPIRED, "200", "200"),
    Row("forget_draft", "POST", "/session/brouillon", EXPIRED, "303 /", "303 /"),
    Row("aia", "GET", "/aia", SIGN_IN, OUT, OUT, **EVERYBODY),
    Row("aia_profile", "GET", "/aia/profil", SIGN_IN, LATER, LATER, **EVERYBODY),
    Row("aia_sign_out", "GET", "/aia/deconnexion", SIGN_IN, OUT, OUT, **EVERYBODY),
    Row("aia_sign_out", "POST", "/aia/deconnexion", EXPIRED, OUT, OUT),
    Row("aia", "POST", "/aia", EXPIRED, "303 /aia", "303 /aia"),
    Row("saml_sso", "GET", "/saml/sso?{}", GO_ON, "200", "403", a_query),
    Row("saml_sso", "POST", "/saml/sso", GO_ON, GO_ON, GO_ON, form=MESSAGE, csrf=False),
    Row("saml_init", "GET", INIT, GO_ON, "200", "403"),
    Row("saml_continue", "GET", CONTINUE, ON_THE_WAY, "200", "403", a_flow),
    Row("saml_structure", "GET", STRUCTURE + "?flow={}", GO_ON, "200", GO_ON, a_flow),
    Row("saml_structure", "POST", STRUCTURE, GO_ON, GO_ON, GO_ON, form=CHOICE),
    Row("saml_slo", "GET", "/saml/slo?{}", NEXT, NEXT, NEXT, a_logout),
    Row("saml_slo", "POST", "/saml/slo", NEXT, NEXT, NEXT, form=LOGOUT, csrf=False),
    Row(
        "saml_slo_soap",
        "POST",
        "/saml/slo/soap",
        "200",
        "200",
        "200",
        csrf=False,
        xml=a_soap_logout,
    ),
    Row("saml_cancel", "POST", "/saml/sso/annuler", "200", "200", "200", form=FLOW),
    open_to_all("help_failed", "/aide/erreur"),
    open_to_all("logo", "/logo"),
    open_to_all("accessibility", "/accessibilite"),
    open_to_all("personal_data", "/donnees-personnelles"),
    open_to_all("legal", "/mentions-legales"),
    open_to_all("guide", "/guide-utilisateur"),
    open_to_all("guide_referent", "/guide-referent"),
    open_to_all("contact", "/contact"),
    open_to_all("site_map", "/plan-du-site"),
    open_to_all("saml_metadata", "/saml/metadata"),
    open_to_all("healthz", "/healthz"),
    open_to_all("readyz", "/readyz"),
    open_to_all("metrics", "/metrics"),
    open_to_all("static", "/static/x/css/site.css"),
    open_to_all("demo_mails", "/demo/courriels"),
    # there is no such mail; tests/unit/views/test_demo_mails.py has some
    Row("demo_mail", "GET", "/demo/courriels/aucun", "404", "404", "404"),
    # the correspondant alone; who is not inside is nobody here
    Row("central_mails", "GET", MAILS, SIGN_IN, "404", "404", correspondant="200"),
    Row("central_mail_again", "POST", AGAIN, EXPIRED, *GONE, correspondant=f"303 {MAILS}…"),
    Row("central_mail_abandon", "POST", ABANDON, EXPIRED, *GONE, correspondant=f"303 {MAILS}…"),
)
BEFORE_SIGN_IN = {
    *("sign_in", "first_visit", "forgotten_password", "password_link", "password_link_again"),
}
"""Forms that are shown anew: nobody is told of an error before he is even signed in."""
READ = [row for row in TABLE if row.method == "GET" and row.route not in EFFECT]
DONE = [row for row in TABLE if row not in READ]
POSTS = [row for row in TABLE if row.method == "POST" and row.csrf]
ONE_A_ROUTE = {row.route: row for row in TABLE}


def row_id(row: Row) -> str:
    return f"{row.method} {row.route}"


def refuses(row: Row, who: str) -> bool:
    """Whether this person is sent away there, or finds nothing."""
    answer = row.expected(who)
    return answer in {EXPIRED, LATE, LEFT, "404"}
