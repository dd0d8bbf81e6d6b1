"""What is done with one person from a line or a sheet: always asked first, answered by a toast."""

from collections.abc import Callable
from dataclasses import dataclass

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.authorisation import Actor
from directory.services import DirectoryServices, build
from directory.services.bulk.prospects import OnePerson
from directory.services.bulk.sheets import UNTOUCHED, Action, Outcome, Prospect
from idp.errors import AlreadyDone, DirectoryError, NotAllowed, NotFound, StaleEdit
from idp.names import full_name, of
from idp.request import Request
from views.aia import View, inside
from views.aia.actor import require_administrator
from views.aia.back import RETURN, back
from views.toasts import done_already, toast
from views.urls import see_other

DEACTIVATE = "desactiver"
"""The name of the button of a deletion's page that deactivates instead."""
OVERTAKEN = (
    "Rien n'a changé : la situation de cet utilisateur n'est plus celle que vous aviez lue. "
    "Regardez sa fiche, puis recommencez."
)
CHANGED = (
    "La situation a changé depuis que vous avez lu cette page : rien n'est supprimé. Voici ce qui "
    "serait perdu maintenant."
)


@dataclass(frozen=True, slots=True)
class Question:
    """An action on one person: how it is asked, done and told.

    In its texts ``{who}`` is the person's name, ``{of_who}`` the same with ``de``.
    """

    action: Action
    title: str
    text: str
    button: str
    refused: str
    done: str
    do: Callable[[DirectoryServices, Actor, str], object]


QUESTIONS = {
    "aia_user_lock": Question(
        Action.LOCK,
        "Verrouiller le compte {of_who} ?",
        "{who} ne pourra plus se connecter et ses sessions ouvertes se terminent tout de suite. "
        "Ses rôles sont conservés : vous pourrez déverrouiller son compte.",
        "Verrouiller le compte",
        "Le compte {of_who} ne peut pas être verrouillé",
        "Le compte {of_who} est verrouillé.",
        lambda services, actor, mail: services.accounts.lock(actor, mail),
    ),
    "aia_user_unlock": Question(
        Action.UNLOCK,
        "Déverrouiller le compte {of_who} ?",
        "{who} pourra de nouveau se connecter, avec les rôles qui sont les siens.",
        "Déverrouiller le compte",
        "Le compte {of_who} ne peut pas être déverrouillé",
        "Le compte {of_who} est déverrouillé.",
        lambda services, actor, mail: services.accounts.unlock(actor, mail),
    ),
    "aia_user_resend": Question(
        Action.RESEND,
        "Renvoyer le mail de création à {who} ?",
        "{who} ne s'est jamais connecté. Le mail lui rappelle son identifiant, l'adresse du "
        "portail et la façon de choisir son mot de passe.",
        "Renvoyer le mail",
        "Le mail ne peut pas être renvoyé à {who}",
        "Le mail de création est renvoyé à {who}.",
        lambda services, actor, mail: services.invitations.send(actor, mail),
    ),
}


def name_of(person: Prospect) -> str:
    """``Prénom NOM``."""
    return full_name(person.given_name, person.sn)


def _said(text: str, person: Prospect) -> str:
    """A question's text about this person."""
    name = name_of(person)
    return text.format(who=name, of_who=of(name))


def ask(request: Request) -> Response:
    """Say what it would do, or why it may not be done."""
    question = QUESTIONS[request.matched_route.name]
    return _question_page(request, question, _person(request, question.action))


def answer(request: Request) -> Response:
    """Do it, if it still can be done."""
    question = QUESTIONS[request.matched_route.name]
    actor, services = require_administrator(request), build(request.services.core)
    one = _person(request, question.action)
    if one.prospect.already:
        return done_already(request, back(request))
    if one.prospect.outcome is Outcome.REFUSED:
        return _question_page(request, question, one, status=409)
    try:
        question.do(services, actor, one.prospect.mail)
    except AlreadyDone as error:
        toast(request, error.public)
        return see_other(request, path=back(request))
    except (DirectoryError, NotAllowed) as error:
        return _question_page(request, question, one, error=_why(error), status=409)
    toast(request, _said(question.done, one.prospect))
    return see_other(request, path=back(request))


def ask_delete(request: Request) -> Response:
    """Say what a deletion would end; *Désactiver* is offered first."""
    return _delete_page(request, _person(request, Action.DELETE))


def delete(request: Request) -> Response:
    """Delete, or deactivate instead."""
    try:
        return _delete(request)
    except NotFound:
        if DEACTIVATE in request.POST:
            raise
    actor, subject_id = require_administrator(request), request.matchdict["subject_id"]
    build(request.services.core).bin.require_deleted(actor, subject_id)
    gone = request.route_path("aia_user", subject_id=subject_id)
    return done_already(request, back(request, gone=gone))


def _delete(request: Request) -> Response:
    """The same for somebody who is there.

    Raises:
        NotFound: he is not, or not any more.
    """
    actor, services = require_administrator(request), build(request.services.core)
    one = _person(request, Action.DELETE)
    name, mail = name_of(one.prospect), one.prospect.mail
    try:
        if DEACTIVATE in request.POST:
            done = services.deactivation.run(actor, one.prospect.subject_id)
            told = _deactivated(name, done.structures)
        elif one.prospect.outcome is Outcome.REFUSED:
            return _delete_page(request, one, status=409)
        else:
            read = request.POST.get("version", "")
            removal = services.bin.delete(actor, mail, announced=read)
            told = _deleted(name, removal.structures, account=removal.account)
    except StaleEdit as error:
        now = _person(request, Action.DELETE)
        return _delete_page(request, now, error=CHANGED, status=error.http_status)
    except NotFound:
        raise
    except (DirectoryError, NotAllowed) as error:
        return _delete_page(request, one, error=_why(error), status=409)
    toast(request, told)
    gone = (
        ""
        if DEACTIVATE in request.POST
        else request.route_path("aia_user", subject_id=one.prospect.subject_id)
    )
    return see_other(request, path=back(request, gone=gone))


def _person(request: Request, action: Action) -> OnePerson:
    actor = require_administrator(request)
    subject_id = request.matchdict["subject_id"]
    return build(request.services.core).prospects.one(actor, action, subject_id)


def _why(error: DirectoryError | NotAllowed) -> str:
    return OVERTAKEN if isinstance(error, NotAllowed) else error.public


def _deactivated(name: str, structures: tuple[str, ...]) -> str:
    if not structures:
        return f"Le compte {of(name)} est désactivé : il est verrouillé."
    return f"{name} est désactivé dans vos structures : {', '.join(structures)}."


def _deleted(name: str, structures: tuple[str, ...], *, account: bool) -> str:
    if account:
        return f"{name} est supprimé. Pendant 20 jours, la corbeille permet de le rétablir."
    return (
        f"{name} ne fait plus partie de {', '.join(structures)}. Pendant 20 jours, la corbeille "
        "permet de l'y rétablir."
    )


def _question_page(
    request: Request, question: Question, one: OnePerson, *, error: str = "", status: int = 200
) -> Response:
    values = {
        "question": question,
        "said": _said,
        "who": one.prospect,
        "refused": one.prospect.outcome in UNTOUCHED,
    }
    return _page(request, "user_question", values, error, status)


def _delete_page(
    request: Request, one: OnePerson, *, error: str = "", status: int = 200
) -> Response:
    values = {
        "one": one,
        "who": one.prospect,
        "refused": one.prospect.outcome is Outcome.REFUSED,
        "kept": one.prospect.outcome is Outcome.KEPT,
    }
    return _page(request, "user_delete", values, error, status)


def _page(
    request: Request, template: str, values: dict[str, object], error: str, status: int
) -> Response:
    values |= {"error": error, "back": back(request), "back_name": RETURN, "name_of": name_of}
    response = render_to_response(f"views:templates/aia/{template}.jinja2", values, request)
    response.status = status
    return response


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    pairs: list[tuple[str, View, View]] = [(route, ask, answer) for route in QUESTIONS]
    pairs.append(("aia_user_delete", ask_delete, delete))
    for route, get, post in pairs:
        config.add_view(get, route_name=route, request_method="GET", decorator=inside)
        config.add_view(post, route_name=route, request_method="POST", decorator=inside)
