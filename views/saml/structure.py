"""*Pour quelle structure travaillez-vous ?*: asked when several memberships hold a role there."""

from pyramid.response import Response
from pyramid.view import view_config

from idp.errors import UnknownFlow
from idp.request import Request
from idp.types import AcceptedRequest, Entitlement, NotEntitled
from views.urls import see_other


@view_config(
    route_name="saml_structure",
    request_method="GET",
    renderer="views:templates/choose_structure.jinja2",
)
def ask(request: Request) -> dict[str, object]:
    """Show the memberships that hold a role on this SP."""
    flow = request.GET.get("flow", "")
    accepted = request.services.authn_requests.find(flow)
    return {
        "application_label": request.services.directory.application_label(accepted.entity_id),
        "entitlements": _entitlements(request, accepted),
        "flow": flow,
    }


@view_config(route_name="saml_structure", request_method="POST")
def choose(request: Request) -> Response:
    """Remember the choice for the session and go on.

    The membership is looked for among the person's own entitlements there, never elsewhere.
    """
    flow = request.POST.get("flow", "")
    accepted = request.services.authn_requests.find(flow)
    wanted = request.POST.get("membership", "")
    own = [one for one in _entitlements(request, accepted) if one.membership_id == wanted]
    if not own:
        return see_other(request, "saml_structure", query={"flow": flow})
    request.services.sessions.choose(request.sso_session, accepted.entity_id, own[0].membership_id)
    return see_other(request, "saml_continue", query={"flow": flow})


def _entitlements(request: Request, accepted: AcceptedRequest) -> tuple[Entitlement, ...]:
    found = request.services.directory.entitlements(request.subject.id, accepted.entity_id)
    if isinstance(found, NotEntitled):
        raise UnknownFlow("the person no longer holds a role there")
    return found
