"""Deform forms with our own widget templates, and the one way in which a form is handled."""

from collections.abc import Callable, Mapping
from typing import cast

import colander
from deform import Button, Form, ValidationFailure
from markupsafe import Markup
from pyramid.response import Response

from idp.errors import ConvergencesError
from idp.request import Request
from views.templating import environment
from views.way_back import form_address

__all__ = [
    "Form",
    "FormRefused",
    "Values",
    "handle_form_submission",
    "make_form",
    "refuse",
    "renderer",
]

Values = dict[str, object]


class FormRefused(Exception):
    """A well-shaped form that a service refuses; shown above the form, in the person's words.

    ``field``: the name of the field that is wrong, which then says so; ``headers`` join the answer
    (``Retry-After``).
    """

    def __init__(
        self,
        text: str,
        *,
        field: str | None = None,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.field = field
        self.status = status
        self.headers = dict(headers or {})

    @classmethod
    def because(cls, error: ConvergencesError) -> "FormRefused":
        """With the public text and the status of that error, and when to come back."""
        again = error.retry_after
        headers = None if again is None else {"Retry-After": str(again)}
        return cls(error.public, status=error.http_status, headers=headers)


def renderer(request: Request) -> Callable[..., Markup]:
    """Deform's renderer: ``(name, **values) → Markup`` from ``templates/widgets``."""
    templates = environment(request)

    def render(name: str, **values: object) -> Markup:
        template = templates.get_template(f"widgets/{name}.jinja2")
        return Markup(template.render(request=request, **values))  # noqa: S704 - autoescaped

    return render


def make_form(
    request: Request,
    schema: colander.MappingSchema,
    *,
    action: str,
    button: str,
    name: str = "envoyer",
    other: tuple[str, str] | None = None,
    initial: Values | None = None,
) -> Form:
    """A form that posts to ``action``; ``initial`` are the values it starts with.

    ``button`` is its button's title; ``other``, the name and title of a second, quieter one. Then
    the name of the one that was pressed is posted (``name`` for the first), and the Enter key
    presses neither: a form that two answers fit has none by default.

    Its template adds the CSRF token; Pyramid's deriver has checked it before a view runs, so it is
    no field of the schema. The schema is not bound: none of ours defers anything to the request,
    and binding looks at every attribute of every node, which costs more than the form itself.
    """
    form = Form(
        schema,
        action=action,
        buttons=(Button(name, title=button), *(Button(*each) for each in (other,) if each)),
        formid="formulaire",
        focus="off",
        renderer=renderer(request),
    )
    if initial:
        form.set_appstruct(initial)
    _offer_draft(request, form)
    return form


def _offer_draft(request: Request, form: Form) -> None:
    """Fill the form in with what the person had typed when his session ended, if anything.

    ``form.drafted``: it would be kept; ``form.draft``: the address of the one that is shown.
    """
    form.draft = None
    form.drafted = bool(drafted_fields(request))
    if not form.drafted or request.method != "GET" or request.subject is None:
        return
    typed = request.services.drafts.find(request.subject.id, form_address(request))
    if typed is None:
        return
    for child in form.children:
        if child.name in typed:
            child.cstruct = child.widget.deserialize(child, typed[child.name])
    form.draft = form_address(request)


def drafted_fields(request: Request) -> tuple[str, ...]:
    """What the view that takes this page's form keeps of it (``draft=``); empty for no view."""
    route = getattr(getattr(request, "matched_route", None), "name", None)
    return cast("tuple[str, ...]", request.registry.views_drafted.get(route, ()))


def handle_form_submission(
    request: Request,
    form: Form,
    on_success: Callable[[Values], Response],
    on_failure: Callable[[], Response],
) -> Response:
    """Validate, then let ``on_success`` answer (with a 303).

    A wrong form is rendered again by ``on_failure`` with status 400, with what was typed and what
    to correct; a form that ``on_success`` refuses (:class:`FormRefused`) with the refusal's status.
    """
    try:
        values = form.validate(request.POST.items())
    except ValidationFailure:
        response = on_failure()
        response.status = 400
        return response
    try:
        response = on_success(values)
    except FormRefused as refused:
        refuse(form, refused)
        response = on_failure()
        response.status = refused.status
        response.headers.update(refused.headers)
        return response
    if "brouillon-repris" in request.POST and request.subject is not None:
        request.services.drafts.forget(request.subject.id, form_address(request))
    return response


def refuse(form: Form, refused: FormRefused) -> None:
    """Show the refusal above the form or at its field."""
    if refused.field is None:
        form.error = colander.Invalid(form.schema, refused.text)
        return
    error = colander.Invalid(form.schema)
    error[refused.field] = refused.text
    form.widget.handle_error(form, error)
