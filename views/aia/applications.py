"""*Applications*: those that somebody administers, their roles, and who holds a role."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.people.lines import HolderLine, Page, Sort
from directory.people.lists import People
from directory.services import days
from directory.services.rights.administered import (
    NOT_YOURS,
    Administered,
    AdministeredApplication,
    RoleName,
    RoleRef,
)
from idp.errors import NotAllowed
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.listing import Listing, listing

LOADED = "charger"
"""Parameter: the members are shown."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The role of the page, with its application."""

    application: AdministeredApplication
    role: RoleName


@dataclass(frozen=True, slots=True)
class Holders:
    """Who holds the role; ``page`` is None until it is asked for, ``load`` is how."""

    list: Listing[Sort]
    page: Page[HolderLine] | None
    load: str


def list_all(request: Request) -> Response:
    """The applications; their roles unfold."""
    administered = Administered(request.services.core)
    return _page(request, administered.applications(require_administrator(request)), None, None)


def show_role(request: Request) -> Response:
    """A role beside the applications; its members once they are asked for."""
    applications = Administered(request.services.core).applications(require_administrator(request))
    chosen = choose(applications, ref_of(request))
    return _page(request, applications, chosen, _holders(request))


def choose(applications: tuple[AdministeredApplication, ...], ref: RoleRef) -> Chosen:
    """The role of these codes.

    Raises:
        NotAllowed: these applications have none; as for what does not exist.
    """
    for application in applications:
        if application.code == ref.application:
            for role in application.roles:
                if role.code == ref.role:
                    return Chosen(application, role)
    raise NotAllowed(f"role {ref.application}:{ref.role!r}", public=NOT_YOURS)


def ref_of(request: Request) -> RoleRef:
    """The role that the address names."""
    return RoleRef(request.matchdict["code"], request.matchdict["role"])


def role_path(request: Request, route: str = "aia_role", **query: str) -> str:
    """The address of the same role's page, or of what is done to it."""
    codes = {"code": request.matchdict["code"], "role": request.matchdict["role"]}
    return str(request.route_path(route, **codes, **({"_query": query} if query else {})))


def in_days(
    valid_from: datetime | None, valid_until: datetime | None, now: datetime, zone: tzinfo
) -> str:
    """From when to when a role is held, in words; empty when nothing bounds it any more."""
    begins, ends = days.first_day(valid_from, zone), days.last_day(valid_until, zone)
    if ends and valid_until is not None and valid_until <= now:
        return f"terminé le {ends:%d/%m/%Y}"
    to_come = begins if valid_from is not None and valid_from > now else None
    if to_come and ends:
        return f"du {to_come:%d/%m/%Y} au {ends:%d/%m/%Y}"
    if to_come:
        return f"à partir du {to_come:%d/%m/%Y}"
    return f"jusqu'au {ends:%d/%m/%Y}" if ends else ""


def _holders(request: Request) -> Holders:
    actor, ref, path = require_administrator(request), ref_of(request), role_path(request)
    wanted = listing(request, Sort, path=path, kept=(LOADED,), target="membres")
    if LOADED not in request.GET:
        return Holders(wanted, None, role_path(request, **{LOADED: "oui"}))
    page = People(request.services.core).holders(
        actor,
        ref.application,
        ref.role,
        text=wanted.text,
        sort=wanted.sort,
        descending=wanted.descending,
        cursor=wanted.cursor,
        size=wanted.size,
    )
    return Holders(wanted, page, wanted.path)


def _page(
    request: Request,
    applications: tuple[AdministeredApplication, ...],
    chosen: Chosen | None,
    holders: Holders | None,
) -> Response:
    now, zone = request.services.clock.now(), request.configuration.organization.time_zone

    def dated(line: HolderLine) -> str:
        return in_days(line.valid_from, line.valid_until, now, zone)

    values = {"applications": applications, "chosen": chosen, "holders": holders, "dated": dated}
    return render_to_response("views:templates/aia/applications.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    config.include("views.aia.role_assign")
    config.include("views.aia.role_member")
    for view, route in ((list_all, "aia_applications"), (show_role, "aia_role")):
        config.add_view(view, route_name=route, request_method="GET", decorator=inside)
