"""*Une autre structure vous a ajouté*: the person confirms that, refuses, or leaves it for later.

Asked once, when a session begins (:func:`views.login.sign_in.enter`), on the way to wherever he was
going: the sign-on that waits, or the page. Later the portal and *Mes accès* lead here, as does the
link of the mail; opening it changes nothing.
"""

from dataclasses import dataclass, replace

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from idp.asking import WaitingMembership
from idp.errors import (
    AlreadyAnswered,
    DirectoryError,
    NotFound,
    StaleEdit,
    UnknownEndpoint,
    UnknownServiceProvider,
)
from idp.log import logger
from idp.request import Request
from views import toasts, way_back
from views.login.sign_in import Flow, find_flow, go_on
from views.person import signed_in
from views.structures import told_apart
from views.urls import see_other

NAMED = 3
"""Applications that one sentence names."""

_LONGEST = 100
_MOST_LATER = 50


@dataclass(frozen=True, slots=True)
class Way:
    """Where the person goes on to, as the address of every page here keeps it.

    ``suite`` is of :mod:`views.way_back`, ``notice`` what the next page says; ``later``: the
    memberships (ids) that he left for later.
    """

    flow: str = ""
    suite: str = ""
    notice: str = ""
    later: tuple[str, ...] = ()

    @property
    def query(self) -> list[tuple[str, str]]:
        """For an address of this module."""
        named = [("flow", self.flow), ("suite", self.suite), ("avis", self.notice)]
        return [pair for pair in named if pair[1]] + [("plus-tard", each) for each in self.later]

    @property
    def leads_on(self) -> bool:
        """Whether he is on his way, rather than here on purpose."""
        return bool(self.flow or self.suite or self.later)

    def without(self, membership: WaitingMembership) -> list[tuple[str, str]]:
        """The same with this one left for later."""
        return replace(self, later=(*self.later, membership.id)).query


@dataclass(frozen=True, slots=True)
class Onward:
    """What leads on when nothing is left to answer, and what that is called."""

    answer: Response
    label: str

    @property
    def href(self) -> str:
        """The same as a link."""
        return str(self.answer.location)


def show(request: Request) -> Response:
    """What waits; nothing left on somebody's way: he goes on."""
    way = _way(request)
    told = toasts.shown(request)
    waiting = [each for each in _waiting(request) if each.id not in way.later]
    onward = _onward(request, way)
    if not waiting and not told and way.leads_on:
        return onward.answer
    values = {
        "waiting": waiting,
        "names": told_apart([each.structure_path for each in waiting]),
        "way": way,
        "told": told,
        "onward": onward,
    }
    return render_to_response("views:templates/confirmations.jinja2", values, request)


def confirm(request: Request) -> Response:
    """Its roles take effect at once."""
    service, subject = request.services.self_service.confirmations, signed_in(request).subject
    try:
        done = service.confirm(subject.id, _named(request), version=_version(request))
    except DirectoryError as error:
        return _too_late(request, error)
    toasts.toast(request, _confirmed(done))
    return _back(request)


def ask_refusal(request: Request) -> Response:
    """*Voulez-vous refuser ?*: somebody else reads of it, so no press of one button does it."""
    way, wanted = _way(request), request.GET.get("rattachement", "")
    for one in _waiting(request):
        if one.id == wanted:
            values = {"one": one, "way": way}
            return render_to_response("views:templates/refuse_membership.jinja2", values, request)
    return see_other(request, path=_address(request, way))


def refuse(request: Request) -> Response:
    """It ends, and a référent of that structure is told."""
    service, subject = request.services.self_service.confirmations, signed_in(request).subject
    try:
        done = service.refuse(subject.id, _named(request), version=_version(request))
    except DirectoryError as error:
        return _too_late(request, error)
    toasts.toast(
        request,
        f"Le rattachement à la structure « {done.structure_label} » est refusé. Son référent "
        "administrateur en est prévenu par mail.",
    )
    return _back(request)


def _confirmed(done: WaitingMembership) -> str:
    said = f"Votre rattachement à la structure « {done.structure_label} » est confirmé."
    labels = list(dict.fromkeys(role.application_label for role in done.roles))
    if not labels or done.valid_from is not None:
        return said
    others = len(labels) - NAMED
    named = ", ".join(labels[:NAMED])
    if others > 0:
        named += f" et {others} autre{'s' if others > 1 else ''}"
    return f"{said} Vous pouvez y travailler avec {named}."


def _too_late(request: Request, error: DirectoryError) -> Response:
    """Not his, answered in another tab, withdrawn or moved meanwhile: the page shows what waits.

    Raises:
        DirectoryError: anything else.
    """
    if not isinstance(error, NotFound | AlreadyAnswered | StaleEdit):
        raise error
    logger.info("confirmation.too-late", cause=error.cause)
    toasts.toast(request, error.public, wrong=not isinstance(error, AlreadyAnswered))
    return _back(request)


def _named(request: Request) -> str:
    return str(request.POST.get("rattachement", ""))[:_LONGEST]


def _version(request: Request) -> str:
    """What he read of the one that he answers."""
    return str(request.POST.get("version", ""))[:_LONGEST]


def _waiting(request: Request) -> tuple[WaitingMembership, ...]:
    return request.services.self_service.confirmations.waiting(signed_in(request).subject.id)


def _way(request: Request) -> Way:
    """From the address alone: what is posted names a membership."""
    named = request.GET
    return Way(
        flow=named.get("flow", "")[: 2 * _LONGEST],
        suite=named.get("suite", "")[: way_back.LONGEST + _LONGEST],
        notice=named.get("avis", "")[:_LONGEST],
        later=tuple(each[:_LONGEST] for each in named.getall("plus-tard")[:_MOST_LATER]),
    )


def _address(request: Request, way: Way) -> str:
    return str(request.route_path("confirmations", _query=way.query))


def _back(request: Request) -> Response:
    return see_other(request, path=_address(request, _way(request)))


def _onward(request: Request, way: Way) -> Onward:
    """To the application that waits, to the page he came for, or to the portal."""
    flow = _flow(request, way.flow)
    where = way_back.unseal(request, way.suite, subject_id=signed_in(request).subject.id)
    answer = go_on(request, flow, where=where, notice=way.notice)
    if flow.accepted is not None:
        return Onward(answer, f"Continuer vers {flow.application_label}")
    leads_elsewhere = where is not None and not flow.lost
    return Onward(answer, "Continuer" if leads_elsewhere else "Aller aux applications")


def _flow(request: Request, flow_id: str) -> Flow:
    """The sign-on that waits; one whose application is gone since is lost."""
    try:
        return find_flow(request, flow_id)
    except (UnknownServiceProvider, UnknownEndpoint) as error:
        logger.info("confirmation.flow-lost", cause=error.cause)
        return Flow(flow_id, None, "")


def includeme(config: Configurator) -> None:
    """For the signed-in person."""
    for view, route, method in (
        (show, "confirmations", "GET"),
        (confirm, "confirmations", "POST"),
        (ask_refusal, "refuse_membership", "GET"),
        (refuse, "refuse_membership", "POST"),
    ):
        config.add_view(view, route_name=route, request_method=method)
