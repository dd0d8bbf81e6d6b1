"""*Éditer* a structure, and *Créer une sous-structure*."""

from secrets import token_urlsafe

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.authorisation import Permission
from directory.services.structures.changes import AlreadyCreated, Edit, Structures
from directory.services.structures.tree import StructureSheet, StructureTree
from idp.errors import AlreadyDone, AlreadyExists, DirectoryError, StaleEdit
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form, refuse
from views.schemas.structures import new_structure_schema, structure_schema
from views.toasts import done_already, toast
from views.urls import see_other

DRAFT = ("libelle", "siret", "version", "dossier")
EDIT, NEW = "structure_edit", "structure_new"
TWIN = " Si c'est voulu, cochez la case avant d'enregistrer."


def edit(request: Request) -> Response:
    """The form with what is recorded."""
    sheet = _read(request, Permission.RENAME_STRUCTURE)
    return _page(request, EDIT, sheet, _edit_form(request, sheet))


def save(request: Request) -> Response:
    """Rename it, or change its SIRET."""
    sheet = _read(request, Permission.RENAME_STRUCTURE)
    form = _edit_form(request, sheet, twin="homonyme" in request.POST)
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _save(request, sheet, values),
        on_failure=lambda: _page(request, EDIT, sheet, form),
    )


def _save(request: Request, sheet: StructureSheet, values: Values) -> Response:
    wanted = Edit(
        label=str(values["libelle"]),
        siret=(str(values["siret"]) or None) if "siret" in values else sheet.own_siret,
        version=str(values["version"]),
        twin_ok=bool(values.get("homonyme")),
    )
    there = request.route_path("aia_structure", code=sheet.code)
    try:
        Structures(request.services.core).edit(require_administrator(request), sheet.code, wanted)
    except AlreadyDone:
        return done_already(request, there)
    except StaleEdit as error:
        return _stale(request, wanted, error)
    except AlreadyExists as error:
        form = _edit_form(request, sheet, twin=True, typed=values)
        refuse(form, FormRefused(error.public + TWIN))
        return _page(request, EDIT, sheet, form, status=error.http_status)
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    toast(request, f"La structure « {wanted.label} » est enregistrée.")
    return see_other(request, path=there)


def _stale(request: Request, wanted: Edit, error: StaleEdit) -> Response:
    """Both versions, and a form that starts from what is recorded now with what was typed."""
    now = _read(request, Permission.RENAME_STRUCTURE)
    typed: Values = {"libelle": wanted.label, "siret": wanted.siret or "", "version": now.version}
    form = _edit_form(request, now, typed=typed)
    return _page(request, EDIT, now, form, status=error.http_status, wanted=wanted)


def new(request: Request) -> Response:
    """The form of a structure below this one."""
    sheet = _read(request, Permission.CREATE_STRUCTURE)
    fresh: Values = {"dossier": token_urlsafe(12)}
    return _page(request, NEW, sheet, _new_form(request, sheet, typed=fresh))


def create(request: Request) -> Response:
    """Create it."""
    sheet = _read(request, Permission.CREATE_STRUCTURE)
    form = _new_form(request, sheet, twin="homonyme" in request.POST)
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _create(request, sheet, values),
        on_failure=lambda: _page(request, NEW, sheet, form),
    )


def _create(request: Request, sheet: StructureSheet, values: Values) -> Response:
    label = str(values["libelle"])
    try:
        code = Structures(request.services.core).create(
            require_administrator(request),
            sheet.code,
            label,
            form=str(values["dossier"]),
            twin_ok=bool(values.get("homonyme")),
        )
    except AlreadyCreated as error:
        return done_already(request, request.route_path("aia_structure", code=error.structure))
    except AlreadyExists as error:
        form = _new_form(request, sheet, twin=True, typed=values)
        refuse(form, FormRefused(error.public + TWIN))
        return _page(request, NEW, sheet, form, status=error.http_status)
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    toast(request, f"La structure « {label} » est créée dans « {sheet.label} ».")
    return see_other(request, path=request.route_path("aia_structure", code=code))


def _read(request: Request, permission: Permission) -> StructureSheet:
    structures = StructureTree(request.services.core)
    return structures.read(require_administrator(request), request.matchdict["code"], permission)


def _edit_form(
    request: Request, sheet: StructureSheet, *, twin: bool = False, typed: Values | None = None
) -> Form:
    recorded: Values = {
        "libelle": sheet.label,
        "siret": sheet.own_siret or "",
        "version": sheet.version,
    }
    return make_form(
        request,
        structure_schema(siret=sheet.may_set_siret, twin=twin),
        action=request.route_path("aia_structure_edit", code=sheet.code),
        button="Enregistrer",
        initial=typed or recorded,
    )


def _new_form(
    request: Request, sheet: StructureSheet, *, twin: bool = False, typed: Values | None = None
) -> Form:
    return make_form(
        request,
        new_structure_schema(twin=twin),
        action=request.route_path("aia_structure_new", code=sheet.code),
        button="Créer",
        initial=typed,
    )


def _page(
    request: Request,
    template: str,
    sheet: StructureSheet,
    form: Form,
    *,
    status: int = 200,
    wanted: Edit | None = None,
) -> Response:
    values = {"sheet": sheet, "form": form, "wanted": wanted}
    response = render_to_response(f"views:templates/aia/{template}.jinja2", values, request)
    response.status = status
    return response


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    for view, route in ((edit, "aia_structure_edit"), (new, "aia_structure_new")):
        config.add_view(view, route_name=route, request_method="GET", decorator=inside)
    for view, route in ((save, "aia_structure_edit"), (create, "aia_structure_new")):
        config.add_view(
            view, route_name=route, request_method="POST", decorator=inside, draft=DRAFT
        )
