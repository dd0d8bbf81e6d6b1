"""The sheet of a person: everything recorded, what he holds, and what can be done with him."""

from dataclasses import dataclass

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.services.accounts.invitations import Invitations
from directory.services.accounts.sheets import AccountSheet, PersonSheet, Sheets, absent
from directory.states import INVITATIONS, NEVER
from idp.errors import AlreadyDone, DirectoryError
from idp.names import full_name
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.back import here
from views.toasts import toast
from views.urls import see_other

UNCONFIRMED = (
    "Cette personne n'a pas encore confirmé son rattachement : l'état de son compte n'est pas "
    "visible jusque-là, et seul le correspondant peut le changer."
)
"""Instead of all that is hidden, once."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whether the person was reached: he never signed in, and the newest mail did not arrive."""

    never: bool
    undelivered: bool


def show(request: Request) -> Response:
    """Everything that this reader may see."""
    person = read(request)
    values = {
        "sheet": person.sheet,
        "can": person.can,
        "in_bin": person.in_bin,
        "invitation": _invitation(request, person.sheet),
        "name": name_of(person.sheet),
        "here": here(request),
        "unconfirmed": "" if person.sheet.state_seen else UNCONFIRMED,
        "off": request.configuration.fields_off,
    }
    return render_to_response("views:templates/aia/user.jinja2", values, request)


def read(request: Request) -> PersonSheet:
    """The person whom the address names, as whoever asks may see him.

    Raises:
        NotAllowed: whoever asks administers nothing.
        NotFound: nobody has this id, or he may not be seen: alike.
    """
    actor = require_administrator(request)
    return Sheets(request.services.core).read(actor, request.matchdict["subject_id"])


def read_living(request: Request) -> PersonSheet:
    """The same, of somebody who is not in the bin, where nothing is done with him but restoring.

    Raises:
        NotAllowed, NotFound: as :func:`read`; also he lies there.
    """
    person = read(request)
    if person.in_bin:
        raise absent(person.sheet.subject_id)
    return person


def name_of(sheet: AccountSheet) -> str:
    """``Prénom NOM``."""
    return full_name(sheet.given_name, sheet.sn)


def path_of(request: Request, sheet: AccountSheet, route: str = "aia_user") -> str:
    """The address of a page of this person."""
    return str(request.route_path(route, subject_id=sheet.subject_id))


def _invitation(request: Request, sheet: AccountSheet) -> Invitation:
    if not sheet.state_seen:
        return Invitation(never=False, undelivered=False)
    slip = request.services.mails.deliveries([sheet.mail], INVITATIONS).get(sheet.mail)
    return Invitation(
        never=sheet.activity == NEVER, undelivered=slip is not None and slip.undelivered
    )


def ask_password(request: Request) -> Response:
    """Say what *Réinitialisation mot de passe* does."""
    return _password_page(request, read_living(request))


def reset_password(request: Request) -> Response:
    """Mail a link, and end the sessions."""
    person = read_living(request)
    told = f"Un mail est envoyé à {person.sheet.mail} pour choisir un nouveau mot de passe."
    try:
        Invitations(request.services.core).reset(require_administrator(request), person.sheet.mail)
    except AlreadyDone as error:
        told = error.public
    except DirectoryError as error:
        return _password_page(request, person, error=error.public, status=error.http_status)
    toast(request, told)
    return see_other(request, path=path_of(request, person.sheet))


def _password_page(
    request: Request, person: PersonSheet, *, error: str = "", status: int = 200
) -> Response:
    values = {
        "sheet": person.sheet,
        "can": person.can,
        "name": name_of(person.sheet),
        "error": error,
    }
    response = render_to_response("views:templates/aia/user_password.jinja2", values, request)
    response.status = status
    return response


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    for view, route, method in (
        (show, "aia_user", "GET"),
        (ask_password, "aia_user_password", "GET"),
        (reset_password, "aia_user_password", "POST"),
    ):
        config.add_view(view, route_name=route, request_method=method, decorator=inside)
