"""The two pages on which a sign-on ends: the hand-over to the SP, and the refusal."""

from pyramid.renderers import render
from pyramid.response import Response

from idp.log import logger
from idp.request import Request
from idp.security import HAND_OVER_POLICY
from idp.sign_on import HandOver, Refused
from idp.types import AcceptedRequest
from views.templating import environment


def hand_over_page(request: Request, hand_over: HandOver) -> Response:
    """The form that posts itself to the SP, with a visible button. [SAMLBind] 3.5.4.

    Its policy has no form-action, which would block the post.
    """
    fields = [("SAMLResponse", hand_over.saml_response)]
    if hand_over.relay_state is not None:
        fields.append(("RelayState", hand_over.relay_state))
    # Not Pyramid's renderer: its subscribers would read the person again, for nothing.
    body = (
        environment(request)
        .get_template("hand_over.jinja2")
        .render(action=hand_over.action, fields=fields, application_label=hand_over.display_name)
    )
    return Response(body, headerlist=[*_HEADERS])


def refused_page(request: Request, accepted: AcceptedRequest, refused: Refused) -> Response:
    """No role, no entry: which application, and who can help."""
    logger.info("sign-on.refused", entity_id=accepted.entity_id)
    body = render(
        "views:templates/refused.jinja2",
        {
            "application_label": refused.not_entitled.application_label,
            "referents": refused.not_entitled.referents,
            "closed_message": refused.not_entitled.closed_message,
            "request_id": request.id,
        },
        request=request,
    )
    return Response(body, status=403)


_HEADERS = (
    ("Content-Type", "text/html; charset=UTF-8"),
    ("Content-Security-Policy", HAND_OVER_POLICY),
    ("Cache-Control", "no-store"),
)
