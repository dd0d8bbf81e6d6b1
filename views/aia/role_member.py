"""What is done to one member of a role: *Désaffecter*, *Réaffecter*, *Modifier les dates*.

Each asks first, in a dialog or on a page. Who was too late reads what happened meanwhile.
"""

from http import HTTPStatus

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services import days
from directory.services.rights.reassignment import Reassignment, ReassignmentSheet
from directory.services.rights.role_members import RoleMember, RoleMembers
from idp.errors import AlreadyDone, ConvergencesError, DirectoryError, StaleEdit
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.applications import in_days, ref_of, role_path
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form
from views.schemas.roles import BEGINS, ENDS, member_dates_schema, member_schema, other_role_schema
from views.toasts import done_already, toast
from views.urls import see_other

MEMBER = "membre"


# --- Désaffecter -----------------------------------------------------------------------------


def confirm_withdrawal(request: Request) -> Response:
    """What he loses."""
    try:
        member = _read(request, request.GET.get(MEMBER, ""))
    except StaleEdit as error:
        return _overtaken(request, error)
    return _withdrawal_page(request, member, _withdrawal_form(request, member.membership_id))


def withdraw(request: Request) -> Response:
    """Take the role from him."""
    form = _withdrawal_form(request, "")
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _withdraw(request, str(values[MEMBER])),
        on_failure=lambda: _overtaken(request, StaleEdit("a form without a member")),
    )


def _withdraw(request: Request, membership_id: str) -> Response:
    actor = require_administrator(request)
    try:
        was = RoleMembers(request.services.core).withdraw(actor, ref_of(request), membership_id)
    except AlreadyDone:
        return done_already(request, _list_path(request))
    toast(
        request,
        f"L'utilisateur {was.name} a été désaffecté du rôle {was.role} de l'application "
        f"{was.application}.",
    )
    return _back(request)


def _withdrawal_form(request: Request, membership_id: str) -> Form:
    return make_form(
        request,
        member_schema(),
        action=role_path(request, "aia_role_unassign"),
        button="Désaffecter",
        initial={MEMBER: membership_id},
    )


def _withdrawal_page(request: Request, member: RoleMember, form: Form) -> Response:
    return _render(request, "role_unassign", member=member, form=form)


# --- Réaffecter ------------------------------------------------------------------------------


def choose_other(request: Request) -> Response:
    """Which other roles there are."""
    try:
        sheet = _sheet(request, request.GET.get(MEMBER, ""))
    except StaleEdit as error:
        return _overtaken(request, error)
    return _other_page(request, sheet, _other_form(request, sheet))


def reassign(request: Request) -> Response:
    """Give the other role instead."""
    try:
        sheet = _sheet(request, request.POST.get(MEMBER, ""))
    except StaleEdit as gone:
        return _reassign_late(request, gone)
    form = _other_form(request, sheet)
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _reassign(request, values),
        on_failure=lambda: _other_page(request, sheet, form),
    )


def _reassign_late(request: Request, gone: StaleEdit) -> Response:
    """The role is not his any more: it was replaced as this form says already, or overtaken.

    Then no form is left to correct: whatever this one lacks, the same is said.
    """
    answer = handle_form_submission(
        request,
        _other_form(request, None),
        on_success=lambda values: _reassign(request, values),
        on_failure=lambda: _overtaken(request, gone),
    )
    if answer.status_int != HTTPStatus.SEE_OTHER:
        answer.status = gone.http_status
    return answer


def _reassign(request: Request, values: Values) -> Response:
    reassignment = Reassignment(request.services.core)
    try:
        done = reassignment.replace(
            require_administrator(request),
            ref_of(request),
            str(values[MEMBER]),
            str(values["nouveau"]),
            version=str(values["version"]),
        )
    except AlreadyDone:
        return done_already(request, _list_path(request))
    except StaleEdit as error:
        return _overtaken(request, error)
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    before = done.before
    toast(
        request,
        f"L'utilisateur {before.name} a été réaffecté : {before.role} → {done.role}, dans "
        f"l'application {before.application}.",
    )
    return _back(request)


def _other_form(request: Request, sheet: ReassignmentSheet | None) -> Form:
    """None: of somebody of whom nothing is shown."""
    roles = () if sheet is None else sheet.roles
    free = [(role.code, role.label, "") for role in roles if not role.held]
    member = None if sheet is None else sheet.member
    return make_form(
        request,
        other_role_schema(free),
        action=role_path(request, "aia_role_reassign"),
        button="Réaffecter",
        initial=member and {MEMBER: member.membership_id, "version": member.version},
    )


def _other_page(request: Request, sheet: ReassignmentSheet, form: Form) -> Response:
    held = [role.label for role in sheet.roles if role.held]
    free = any(not role.held for role in sheet.roles)
    member = sheet.member
    return _render(request, "role_reassign", member=member, form=form, held=held, free=free)


# --- Modifier les dates ----------------------------------------------------------------------


def show_dates(request: Request) -> Response:
    """From when to when he holds the role."""
    try:
        member = _read(request, request.GET.get(MEMBER, ""))
    except StaleEdit as error:
        return _overtaken(request, error)
    return _dates_page(request, member, _dates_form(request, member))


def change_dates(request: Request) -> Response:
    """Let it begin and end then."""
    try:
        member = _read(request, request.POST.get(MEMBER, ""))
    except StaleEdit as error:
        return _overtaken(request, error)
    form = _dates_form(request, member)
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _change_dates(request, member, values),
        on_failure=lambda: _dates_page(request, member, form),
    )


def _change_dates(request: Request, member: RoleMember, values: Values) -> Response:
    """A stale edit shows both versions: what is recorded now above, what was typed in the form."""
    zone = request.configuration.organization.time_zone
    begins, ends = values[BEGINS], values[ENDS]
    try:
        now_is = RoleMembers(request.services.core).change_dates(
            require_administrator(request),
            ref_of(request),
            member.membership_id,
            days.moved_begin(member.valid_from, begins, zone),  # type: ignore[arg-type]
            days.moved_end(member.valid_until, ends, zone),  # type: ignore[arg-type]
            version=str(values["version"]),
        )
    except StaleEdit as error:
        return _dates_overtaken(request, member.membership_id, values, error)
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    when = _in_days(request, now_is) or "sans date de fin"
    toast(
        request,
        f"Les dates de l'utilisateur {now_is.name} pour le rôle {now_is.role} de l'application "
        f"{now_is.application} sont enregistrées : {when}.",
    )
    return _back(request)


def _dates_overtaken(
    request: Request, membership_id: str, values: Values, error: StaleEdit
) -> Response:
    """What is recorded is read again: it changed after this request had read it, perhaps."""
    try:
        member = _read(request, membership_id)
    except StaleEdit as withdrawn:
        return _overtaken(request, withdrawn)
    form = _dates_form(request, member, typed={name: values[name] for name in (BEGINS, ENDS)})
    response = _dates_page(request, member, form, stale=True)
    response.status = error.http_status
    return response


def _dates_form(request: Request, member: RoleMember, typed: Values | None = None) -> Form:
    zone = request.configuration.organization.time_zone
    recorded = {
        BEGINS: days.first_day(member.valid_from, zone),
        ENDS: days.last_day(member.valid_until, zone),
    }
    return make_form(
        request,
        member_dates_schema(),
        action=role_path(request, "aia_role_dates"),
        button="Enregistrer",
        initial={
            MEMBER: member.membership_id,
            "version": member.version,
            **(recorded if typed is None else typed),
        },
    )


def _dates_page(
    request: Request, member: RoleMember, form: Form, *, stale: bool = False
) -> Response:
    recorded = _in_days(request, member) or "sans date de fin"
    return _render(request, "role_dates", member=member, form=form, recorded=recorded, stale=stale)


# --- together --------------------------------------------------------------------------------


def _read(request: Request, membership_id: str) -> RoleMember:
    actor = require_administrator(request)
    return RoleMembers(request.services.core).read(actor, ref_of(request), membership_id)


def _sheet(request: Request, membership_id: str) -> ReassignmentSheet:
    actor = require_administrator(request)
    return Reassignment(request.services.core).read(actor, ref_of(request), membership_id)


def _in_days(request: Request, member: RoleMember) -> str:
    now, zone = request.services.clock.now(), request.configuration.organization.time_zone
    return in_days(member.valid_from, member.valid_until, now, zone)


def _overtaken(request: Request, error: ConvergencesError) -> Response:
    """Somebody was faster: what happened, and the way back to the list as it is now."""
    response = _render(request, "role_overtaken", text=error.public)
    response.status = error.http_status
    return response


def _list_path(request: Request) -> str:
    return role_path(request, charger="oui")


def _back(request: Request) -> Response:
    return see_other(request, path=_list_path(request))


def _render(request: Request, name: str, **values: object) -> Response:
    values["back"] = _list_path(request)
    return render_to_response(f"views:templates/aia/{name}.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    for route, ask, do in (
        ("aia_role_unassign", confirm_withdrawal, withdraw),
        ("aia_role_reassign", choose_other, reassign),
        ("aia_role_dates", show_dates, change_dates),
    ):
        config.add_view(ask, route_name=route, request_method="GET", decorator=inside)
        config.add_view(do, route_name=route, request_method="POST", decorator=inside)
