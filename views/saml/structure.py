"""*Pour quelle structure travaillez-vous ?*: asked when several memberships hold a role there.

Both views are public to the permission: a session that ended meanwhile, or a role that was
withdrawn, goes back to where the sign-on goes on, which asks for the password or refuses.
"""

from dataclasses import dataclass

from pyramid.renderers import render_to_response
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from idp.messages import AcceptedRequest
from idp.request import Request
from idp.types import Entitlement, NotEntitled, SsoSession
from views.structures import told_apart
from views.urls import see_other

IMPOSSIBLE = "choix-impossible"
NOTICES = {
    IMPOSSIBLE: (
        "La structure choisie ne peut pas être choisie pour cette application, ou ne peut plus "
        "l'être. Choisissez-en une dans la liste."
    ),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Who chooses, for which sign-on, among what."""

    session: SsoSession
    accepted: AcceptedRequest
    entitlements: tuple[Entitlement, ...]


@view_config(route_name="saml_structure", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def ask(request: Request) -> Response:
    """Show the memberships that hold a role on this SP."""
    flow = request.GET.get("flow", "")
    choice = _choice(request, flow)
    if choice is None:
        return see_other(request, "saml_continue", query={"flow": flow})
    label = request.services.directory.application_label(choice.accepted.entity_id)
    values = {
        "application_label": label,
        "entitlements": choice.entitlements,
        "names": told_apart([one.structure_path for one in choice.entitlements]),
        "flow": flow,
        "notice": NOTICES.get(request.GET.get("avis", "")),
    }
    return render_to_response("views:templates/choose_structure.jinja2", values, request)


@view_config(route_name="saml_structure", request_method="POST", permission=NO_PERMISSION_REQUIRED)
def choose(request: Request) -> Response:
    """Remember the choice for the session and go on.

    The membership is looked for among the person's own entitlements there, never elsewhere.
    """
    flow = request.POST.get("flow", "")
    choice = _choice(request, flow)
    if choice is None:
        return see_other(request, "saml_continue", query={"flow": flow})
    wanted = request.POST.get("membership", "")
    if wanted not in {one.membership_id for one in choice.entitlements}:
        return see_other(request, "saml_structure", query={"flow": flow, "avis": IMPOSSIBLE})
    request.services.sessions.choose(choice.session, choice.accepted.entity_id, wanted)
    return see_other(request, "saml_continue", query={"flow": flow})


def _choice(request: Request, flow: str) -> Choice | None:
    """None when nobody is signed in, or the person holds no role there any more.

    Raises:
        UnknownFlow: lost, expired or answered; so no text of a stranger reaches a redirection.
    """
    accepted = request.services.authn_requests.find(flow)
    subject, session = request.subject, request.sso_session
    if subject is None or session is None:
        return None
    found = request.services.directory.entitlements(subject.id, accepted.entity_id)
    return None if isinstance(found, NotEntitled) else Choice(session, accepted, found)
