"""*Changer de mot de passe*: the old one, and a new one that meets the policy."""

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from idp.errors import BadCredentials, Busy, DirectoryError, Throttled
from idp.request import Request
from idp.security import remember
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form
from views.person import signed_in
from views.profile.notices import PASSWORD_CHANGED
from views.schemas.change_password import change_schema
from views.urls import see_other


def show(request: Request) -> Response:
    """The form, with what a password must be."""
    return _page(request, _form(request))


def submit(request: Request) -> Response:
    """Change it; this browser stays signed in, the others do not."""
    form = _form(request)
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _change(request, values),
        on_failure=lambda: _page(request, form),
    )


def _change(request: Request, values: Values) -> Response:
    person = signed_in(request)
    try:
        changed = request.services.self_service.passwords.change(
            person.subject.id,
            str(values["old"]),
            str(values["new"]),
            keep=person.session,
            user_agent=(request.user_agent or "")[:400],
        )
    except BadCredentials as error:
        raise FormRefused(error.public, field="old") from error
    except (Throttled, Busy) as error:
        raise FormRefused.because(error) from error
    except DirectoryError as error:
        raise FormRefused(error.public, field="new") from error
    cookies = remember(request, changed.token)
    return see_other(request, "profile", query={"avis": PASSWORD_CHANGED}, headers=cookies)


def _form(request: Request) -> Form:
    subject = signed_in(request).subject
    policy = request.services.self_service.passwords.policy(subject.id)
    return make_form(
        request,
        change_schema(subject.login, policy),
        action=request.route_path("change_password"),
        button="Changer mon mot de passe",
        initial={"login": subject.login},
    )


def _page(request: Request, form: Form) -> Response:
    return render_to_response("views:templates/profile/password.jinja2", {"form": form}, request)


def includeme(config: Configurator) -> None:
    """For the person himself."""
    for view, method in ((show, "GET"), (submit, "POST")):
        config.add_view(view, route_name="change_password", request_method=method)
