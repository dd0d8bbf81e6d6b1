"""The pages on which a sign-on ends: handed over to the SP, refused, given up."""

from collections.abc import Sequence

from pyramid.renderers import render, render_to_response
from pyramid.response import Response

from idp.log import logger
from idp.messages import AcceptedRequest
from idp.names import of
from idp.outcomes import HandOver, Refused
from idp.request import Request
from idp.security import HAND_OVER_POLICY
from views.login.password_link import CHOSEN, CHOSEN_NOTICE
from views.templating import environment


def hand_over_page(request: Request, hand_over: HandOver) -> Response:
    """The Response, on its way to the SP."""
    title = f"Ouverture {of(hand_over.display_name)}"
    return form_page(request, title, hand_over.action, _fields(hand_over))


def form_page(
    request: Request,
    title: str,
    action: str,
    fields: Sequence[tuple[str, str]],
    *,
    back: str | None = None,
) -> Response:
    """A form that posts itself to an SP, with a visible button. [SAMLBind] 3.5.4.

    Its policy has no form-action, which would block the post. ``back``: the path of ours that goes
    on when the SP does not answer.
    """
    # Not Pyramid's renderer: its subscribers would read the person again, for nothing.
    template = environment(request).get_template("hand_over.jinja2")
    body = template.render(action=action, fields=fields, title=title, back=back)
    return Response(body, headerlist=[*_HEADERS])


def refused_page(request: Request, accepted: AcceptedRequest, refused: Refused) -> Response:
    """No role, no entry: which application, and who can help.

    Where the SP wants to know, a button takes the answer there: then the page has no form-action
    either, and is no other page for that.
    """
    logger.info("sign-on.refused", entity_id=accepted.entity_id)
    body = render(
        "views:templates/refused.jinja2",
        {
            "application_label": refused.not_entitled.application_label,
            "notice": CHOSEN if request.GET.get("avis") == CHOSEN_NOTICE else None,
            "referents": refused.not_entitled.referents,
            "closed_message": refused.not_entitled.closed_message,
            "request_id": request.id,
            "entity_id": accepted.entity_id,
            "action": refused.told.action if refused.told else None,
            "fields": _fields(refused.told) if refused.told else (),
        },
        request=request,
    )
    response = Response(body, status=403)
    if refused.told is not None:
        response.headers["Content-Security-Policy"] = HAND_OVER_POLICY
    return response


def backed_out_page(request: Request, accepted: AcceptedRequest) -> Response:
    """The person gave up, and the application does not want to know: a way on from here."""
    label = request.services.directory.application_label(accepted.entity_id)
    values = {"application_label": label}
    return render_to_response("views:templates/backed_out.jinja2", values, request)


def _fields(hand_over: HandOver) -> list[tuple[str, str]]:
    """What the form carries; a RelayState that came empty goes back empty."""
    fields = [("SAMLResponse", hand_over.saml_response)]
    if hand_over.relay_state is not None:
        fields.append(("RelayState", hand_over.relay_state))
    return fields


_HEADERS = (
    ("Content-Type", "text/html; charset=UTF-8"),
    ("Content-Security-Policy", HAND_OVER_POLICY),
    ("Cache-Control", "no-store"),
)
