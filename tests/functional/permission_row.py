"""A row of :mod:`tests.functional.permission_table`: what each person gets at one address."""

from dataclasses import dataclass, field

from tests.functional.rows import Filler

SIGNS_IN = {
    "agent": "agent",
    "without_role": "sansdroit",
    "locked": "agent",
    "inside": "agent",
    "referent": "referent",
    "correspondant": "correspondant",
}
"""As whom; the last three have clicked the AIA's tile."""
INSIDE = {"inside", "referent", "correspondant"}
WHO = ("stranger", *SIGNS_IN)
CSRF_COOKIE = "convergences-csrf"

SIGN_IN = "303 /connexion…"
EXPIRED = "303 /connexion?avis=session-terminee…"
LATE = "303 /connexion?avis=s…"
SIGNED_OUT = "303 /deconnexion/terminee"
NEXT = "303 /deconnexion/suite"
ON_THE_WAY = "303 /connexion?flow="
GO_ON = "303 /saml/sso/suite?flow="
OUT = "303 /"
LATER, LEFT = "303 /?suite=…", "303 /?avis=annuaire-quitte…"
EVERYBODY = dict.fromkeys(("inside", "referent", "correspondant"), "200")
ADMINISTRATORS = EVERYBODY | {"inside": "404"}


@dataclass(frozen=True)
class Row:
    """What each person gets: a status, and for a redirection where it leads.

    ``fill`` fills the ``{}`` of the path in; a value of ``form`` may be made the same way.
    ``csrf`` is false where another site's form is the normal case; ``xml`` makes a body that is no
    form; ``upload``: the form comes in parts, with a file that was not chosen. A person whose
    account was locked a moment ago is a stranger. ``inside``: the agent within the AIA, if not as
    outside of it; ``referent`` and ``correspondant``: there as well, else as without a role.
    """

    route: str
    method: str
    path: str
    stranger: str
    agent: str
    without_role: str
    fill: Filler | None = None
    form: dict[str, str | Filler] = field(default_factory=dict)
    csrf: bool = True
    xml: Filler | None = None
    upload: bool = False
    inside: str = ""
    referent: str = ""
    correspondant: str = ""

    def expected(self, who: str) -> str:
        """A status, and where it leads."""
        like = {"locked": "stranger", "inside": "agent"}.get(who, "without_role")
        return str(getattr(self, who, "") or getattr(self, like))


def open_to_all(route: str, path: str, **more: object) -> Row:
    """The same page for everybody."""
    return Row(route, "GET", path, "200", "200", "200", **more)  # type: ignore[arg-type]
