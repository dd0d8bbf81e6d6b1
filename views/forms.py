"""Deform forms with our own widget templates, and the one way in which a form is handled."""

from collections.abc import Callable, Mapping

import colander
from deform import Button, Form, ValidationFailure
from markupsafe import Markup
from pyramid.response import Response

from idp.errors import ConvergencesError
from idp.request import Request
from views.templating import environment

__all__ = ["Form", "FormRefused", "Values", "handle_form_submission", "make_form", "renderer"]

Values = dict[str, object]


class FormRefused(Exception):
    """A well-shaped form that a service refuses; shown above the form, in the person's words.

    ``headers`` join the answer (``Retry-After``).
    """

    def __init__(
        self, text: str, *, status: int = 400, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.text = text
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
    initial: Values | None = None,
) -> Form:
    """A form that posts to ``action`` with one button; ``initial`` are the values it starts with.

    Its template adds the CSRF token; Pyramid's deriver has checked it before a view runs, so it is
    no field of the schema.
    """
    form = Form(
        schema.bind(request=request),
        action=action,
        buttons=(Button("envoyer", title=button),),
        formid="formulaire",
        focus="off",
        renderer=renderer(request),
    )
    if initial:
        form.set_appstruct(initial)
    return form


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
        return on_success(values)
    except FormRefused as refused:
        form.error = colander.Invalid(form.schema, refused.text)
        response = on_failure()
        response.status = refused.status
        response.headers.update(refused.headers)
        return response
