from pathlib import Path
from types import SimpleNamespace

import colander
import pytest
from deform.widget import TextInputWidget
from pyramid.response import Response
from pyramid.testing import DummyRequest
from webob.multidict import MultiDict
from webtest import TestApp

from idp.errors import BadCredentials
from views import schemas
from views.forms import FormRefused, drafted_fields, handle_form_submission, make_form


class Schema(colander.MappingSchema):
    """One required field with help, one optional."""

    name = colander.SchemaNode(
        colander.String(),
        title='Nom <"complet">',
        description="Comme sur la fiche",
        missing_msg="Saisissez le nom.",
        widget=TextInputWidget(attributes={"autocomplete": "off"}),
    )
    note = colander.SchemaNode(colander.String(), title="Note", missing="")


@pytest.fixture
def request_of_form(app: TestApp) -> DummyRequest:
    """A request that knows the application's templates, and posts nothing yet."""
    request = DummyRequest()
    request.registry = app.app.registry
    request.csrf_token = "csrf"
    return request


def answer(request: DummyRequest, refusal: FormRefused | None = None) -> Response:
    """Handle the posted form as a view does."""
    form = make_form(request, Schema(), action="/ici", button="Valider")

    def succeed(values: dict[str, object]) -> Response:
        if refusal:
            raise refusal
        return Response(repr(sorted(values.items())), status=303)

    return handle_form_submission(request, form, succeed, lambda: Response(form.serialize()))


def test_a_right_form_reaches_the_service_without_the_token(request_of_form: DummyRequest) -> None:
    request_of_form.POST = MultiDict(name="Zoé", csrf_token="x", surplus="y")
    response = answer(request_of_form)
    assert response.status_int == 303
    assert response.text == "[('name', 'Zoé'), ('note', '')]"


def test_a_wrong_form_comes_back_with_what_was_typed(request_of_form: DummyRequest) -> None:
    request_of_form.POST = MultiDict(name="", note='<i>"mot"')
    response = answer(request_of_form)
    assert response.status_int == 400
    assert 'value="&lt;i&gt;&#34;mot&#34;"' in response.text
    assert response.text.count("Saisissez le nom.") == 2
    assert 'aria-invalid="true"' in response.text
    assert "Nom &lt;&#34;complet&#34;&gt;" in response.text
    assert "(facultatif)" in response.text


def test_a_refusal_of_the_service_is_shown_above(request_of_form: DummyRequest) -> None:
    request_of_form.POST = MultiDict(name="Zoé")
    refusal = FormRefused("Ce n'est <pas> possible.", status=409, headers={"Retry-After": "3"})
    response = answer(request_of_form, refusal)
    assert (response.status_int, response.headers["Retry-After"]) == (409, "3")
    assert "Ce n&#39;est &lt;pas&gt; possible." in response.text
    assert 'value="Zoé"' in response.text


def test_a_refusal_takes_the_public_text_of_an_error() -> None:
    refusal = FormRefused.because(BadCredentials("private"))
    assert (refusal.text, refusal.status) == (BadCredentials.public_text, 400)


def test_a_form_of_the_wrong_shape_is_refused_not_fatal(request_of_form: DummyRequest) -> None:
    request_of_form.POST = MultiDict(
        [("__start__", "name:mapping"), ("a", "b"), ("__end__", "name:mapping")]
    )
    assert answer(request_of_form).status_int == 400


def test_what_a_page_keeps_is_what_its_view_says(request_of_form: DummyRequest) -> None:
    assert drafted_fields(request_of_form) == ()
    said: dict[str | None, tuple[str, ...]] = {}
    for view in request_of_form.registry.introspector.get_category("views"):
        introspectable = view["introspectable"]
        name = introspectable["route_name"]
        said[name] = introspectable.get("draft") or said.get(name, ())
    assert "message" in said["report_problem"]
    for name, names in said.items():
        request_of_form.matched_route = SimpleNamespace(name=name)
        assert drafted_fields(request_of_form) == names


def test_no_schema_waits_for_a_request() -> None:
    """Forms do not bind their schemas: what one deferred would never be filled in."""
    folder = Path(schemas.__file__).parent
    assert not [file for file in folder.glob("*.py") if "deferred" in file.read_text("utf-8")]
