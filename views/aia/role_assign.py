"""*Affecter*: look for people, tick them, give them the role; in a dialog or on a page.

One form for all of it, so that what is ticked outlives another search and another page: each of
its buttons sends the whole. Looking for people is a POST too: names stay out of addresses.
"""

from dataclasses import dataclass

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.people.lines import FEWEST_LETTERS, CandidateLine, Page, Sort
from directory.people.lists import People
from directory.search import search_key
from directory.services import days
from directory.services.rights.administered import Administered
from directory.services.rights.role_members import MOST, Assigned, NobodyAssigned, RoleMembers
from idp.errors import DirectoryError
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.applications import choose, in_days, ref_of, role_path
from views.aia.listing import CURSOR, FILTER, LONGEST, LONGEST_CURSOR, SIZE, SIZES, SORT, USUAL_SIZE
from views.forms import Form, FormRefused, Values, handle_form_submission, make_form
from views.schemas.roles import BEGINS, ENDS, MAX_ID, dates_schema
from views.toasts import Toast, toast
from views.urls import see_other

ASSIGN, SEARCH, PERSON, GO = "affecter", "recherche", "membre", "aller"
NAMED = 3
"""People that a message names; it stays short enough to be told whole."""
SEARCHED = "cherche"
"""What was looked for when the results were shown: another search begins on the first page."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form says but for its dates; what is wrong there is as if it were absent."""

    text: str
    filter: str
    sort: Sort
    descending: bool
    size: int
    cursor: str | None
    ticked: tuple[str, ...]

    @property
    def order(self) -> str:
        """The sort as the form sends it."""
        return f"-{self.sort}" if self.descending else str(self.sort)

    def sorted(self, key: str) -> str:
        """Sorted by this, the other way round if it is so already."""
        return f"-{key}" if key == self.sort and not self.descending else key

    @property
    def long_enough(self) -> bool:
        """Whether anybody is looked for."""
        return len(search_key(self.text)) >= FEWEST_LETTERS


def show(request: Request) -> Response:
    """Nothing is searched yet."""
    return _page(request, _asked(request), _dates_form(request))


def submit(request: Request) -> Response:
    """Search on, or give the role to those who are ticked."""
    asked, form = _asked(request), _dates_form(request)
    if ASSIGN not in request.POST:
        _keep_dates(request, form)
        return _page(request, asked, form)
    reasons: list[str] = []
    return handle_form_submission(
        request,
        form,
        on_success=lambda values: _assign(request, asked, values, reasons),
        on_failure=lambda: _page(request, asked, form, reasons=reasons),
    )


def _assign(request: Request, asked: Asked, values: Values, reasons: list[str]) -> Response:
    zone = request.configuration.organization.time_zone
    begins = days.moved_begin(None, values[BEGINS], zone)  # type: ignore[arg-type]
    ends = days.moved_end(None, values[ENDS], zone)  # type: ignore[arg-type]
    try:
        done = RoleMembers(request.services.core).assign(
            require_administrator(request),
            ref_of(request),
            asked.ticked,
            valid_from=begins,
            valid_until=ends,
        )
    except NobodyAssigned as error:
        reasons.extend(error.reasons)
        raise FormRefused.because(error) from error
    except DirectoryError as error:
        raise FormRefused.because(error) from error
    for told in sentences(done, in_days(begins, ends, request.services.clock.now(), zone)):
        toast(request, told.text, note=told.note)
    return see_other(request, path=role_path(request, charger="oui"))


def sentences(done: Assigned, when: str = "") -> tuple[Toast, ...]:
    """What is told of an assignment, the most important last: it stays when there are many.

    ``when``: from when to when it is given, in words; empty without dates.
    """
    role = f"au rôle {done.role} de l'application {done.application}"
    role += f", {when}" if when else ""
    told = []
    if done.oneself:
        text = (
            "Vous vous êtes affecté un rôle : les autres référents et le correspondant en sont "
            "informés par mail."
        )
        told.append(Toast(text, note=True))
    notes = [*done.waiting[:NAMED]]
    if len(done.waiting) > NAMED:
        notes.append(f"De même pour {len(done.waiting) - NAMED} autres : la liste dit leur état.")
    if done.already:
        notes.append(f"Déjà affecté, inchangé : {_names(done.already)}.")
    if done.to_come:
        notes.append("Pour un début plus tôt, choisissez « Modifier les dates » dans la liste.")
    if notes:
        text = " ".join(("Pas encore d'effet :" if done.waiting else "", *notes)).strip()
        told.append(Toast(text, note=True))
    if len(done.names) == 1:
        told.append(Toast(f"L'utilisateur {done.names[0]} a été affecté {role}."))
    elif done.names:
        many = f"{len(done.names)} utilisateurs ont été affectés {role}"
        told.append(Toast(f"{many} : {_names(done.names)}."))
    return tuple(told)


def _names(people: tuple[str, ...]) -> str:
    """The first of them by name, the others counted."""
    shown, others = list(people[:NAMED]), len(people) - NAMED
    if others > 0:
        shown.append(f"{others} autres" if others > 1 else "1 autre")
    return " et ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _asked(request: Request) -> Asked:
    sent = request.POST
    text, searched = _text(request, SEARCH), _text(request, SEARCHED)
    words = _text(request, FILTER) if text == searched else ""
    wanted = sent.get(SORT, sent.get(f"{SORT}-avant", ""))
    known = {str(each): each for each in Sort}
    sort = known.get(wanted.removeprefix("-"), Sort.NAME)
    size = sent.get(SIZE, "")
    # A page is that of one search; the buttons of its neighbours say where to go.
    cursor = sent.get(GO, sent.get(CURSOR, "")) if _same_list(request, text, searched) else ""
    return Asked(
        text=text,
        filter=words,
        sort=sort,
        descending=wanted.startswith("-") and wanted.removeprefix("-") in known,
        size=int(size) if size in map(str, SIZES) else USUAL_SIZE,
        cursor=cursor if 0 < len(cursor) <= LONGEST_CURSOR else None,
        ticked=_ticked(request),
    )


def _same_list(request: Request, text: str, searched: str) -> bool:
    """Whether it is sorted, narrowed and cut as when it was shown."""
    sent = request.POST
    same = (_text(request, name) == sent.get(f"{name}-avant", "") for name in (FILTER, SIZE))
    return text == searched and SORT not in sent and all(same)


def _text(request: Request, name: str) -> str:
    return " ".join(request.POST.get(name, "").split())[:LONGEST]


def _ticked(request: Request) -> tuple[str, ...]:
    """One more than may be ticked, at most: then the service says that it is too many."""
    named = (each for each in request.POST.getall(PERSON) if 0 < len(each) <= MAX_ID)
    return tuple(dict.fromkeys(named))[: MOST + 1]


def _keep_dates(request: Request, form: Form) -> None:
    """What was typed there stays; what is wrong with it is said when the role is given."""
    for field in form.children:
        field.cstruct = request.POST.get(field.name, "")[:LONGEST]


def _dates_form(request: Request) -> Form:
    return make_form(
        request,
        dates_schema(),
        action=role_path(request, "aia_role_assign"),
        button="Affecter",
        name=ASSIGN,
    )


def _page(
    request: Request, asked: Asked, form: Form, *, reasons: list[str] | None = None
) -> Response:
    actor, ref = require_administrator(request), ref_of(request)
    core = request.services.core
    chosen = choose(Administered(core).applications(actor), ref)
    page: Page[CandidateLine] | None = None
    if asked.long_enough:
        page = People(core).candidates(
            actor,
            ref.application,
            ref.role,
            f"{asked.text} {asked.filter}".strip(),
            sort=asked.sort,
            descending=asked.descending,
            cursor=asked.cursor,
            size=asked.size,
        )
    here = {line.membership_id for line in page.lines} if page else set()
    ticked = RoleMembers(core).ticked(actor, ref, asked.ticked) if asked.ticked else ()
    values = {
        "chosen": chosen,
        "asked": asked,
        "form": form,
        "page": page,
        "sizes": SIZES,
        "ticked": {one.membership_id for one in ticked},
        "elsewhere": [one for one in ticked if one.membership_id not in here],
        "reasons": reasons or [],
        "back": role_path(request),
    }
    return render_to_response("views:templates/aia/role_assign.jinja2", values, request)


def includeme(config: Configurator) -> None:
    """For référents and the correspondant, inside the AIA."""
    route = "aia_role_assign"
    config.add_view(show, route_name=route, request_method="GET", decorator=inside)
    config.add_view(submit, route_name=route, request_method="POST", decorator=inside)
