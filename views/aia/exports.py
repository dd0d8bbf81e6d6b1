"""*Exporter*: all users that meet the criteria, a structure's, a role's; as CSV or Excel.

The page (or dialog) asks for the kind of file and whether phones and addresses go along; its form
answers with the file, made while it is sent (:mod:`directory.services.exports.exports`).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any
from zoneinfo import ZoneInfo

from pyramid.config import Configurator
from pyramid.renderers import render_to_response
from pyramid.response import Response

from directory.authorisation import Actor
from directory.people.lines import Criteria
from directory.services.days import first_day, last_day
from directory.services.exports.exports import Export, ExportLine, Exports, Options
from idp.folding import search_key
from idp.request import Request
from views.aia import inside
from views.aia.actor import require_administrator
from views.aia.listing import FILTER, LONGEST
from views.aia.spreadsheets import Batch, Cell, Column, CsvWriter, Writer, XlsxWriter
from views.aia.structures import BELOW, LOADED
from views.aia.users import criteria_of

FORMAT, CONTACT = "format", "coordonnees"
WRITERS: dict[str, Callable[[], Writer]] = {"csv": CsvWriter, "xlsx": XlsxWriter}
BROKEN = (
    "EXPORT INTERROMPU : ce fichier n'est pas complet. Le service n'a pas pu lire la suite ; "
    "recommencez l'export dans quelques minutes."
)
NO_FORMAT = "Choisissez le type de fichier : CSV ou Excel."

_PERSON = (
    Column("Nom"),
    Column("Prénom"),
    Column("Adresse mail", wide=True),
    Column("Structure", wide=True),
    Column("Chemin de la structure", wide=True),
    Column("Service"),
    Column("Fonction"),
    Column("Identifiant applicatif"),
)
_USER = (
    Column("Télétravail"),
    Column("État du compte"),
    Column("État du rattachement"),
    Column("Dernière connexion"),
    Column("Début de validité du compte"),
    Column("Fin de validité du compte"),
)
_HOLDER = (
    Column("État du compte"),
    Column("État du rattachement"),
    Column("Rôle donné le"),
    Column("Rôle donné par"),
    Column("Début du rôle"),
    Column("Fin du rôle"),
)
OFF = {
    "teleworking": "Télétravail",
    "phone": "Numéro de téléphone",
    "postal_address": "Adresse postale",
}
"""What ``directory.fields_off`` may switch off, and the columns that then are in no file."""
_CONTACT = (Column("Numéro de téléphone"), Column("Adresse postale", wide=True))


@dataclass(frozen=True, slots=True)
class Asked:
    """A kind of export: where it is asked for, and what it is called.

    ``below``: how *Inclure les sous-structures* is ticked, None where it is not offered. ``back``
    is the list as it was left; ``above`` what stands before it on the page: a name and where to.
    """

    title: str
    text: str
    back: str
    above: tuple[str, str]
    make: Callable[[Actor, Options], Export]
    below: bool | None = None
    role: bool = False

    @property
    def of_one(self) -> bool:
        """Whether it is of one structure or one role, whose name is told."""
        return self.role or self.below is not None


def users(request: Request) -> Asked:
    """The list of users, with the criteria in the address."""
    criteria = criteria_of(request.GET)
    back = _back(request, "aia_users")
    narrowed = criteria != Criteria()
    return Asked(
        title="Exporter les utilisateurs",
        text="Le fichier contient les utilisateurs de votre recherche, "
        "une ligne par rattachement à une structure."
        if narrowed
        else "Le fichier contient tous les utilisateurs de vos structures, "
        "une ligne par rattachement à une structure.",
        back=back,
        above=("Utilisateurs", back),
        make=lambda actor, options: Exports(request.services.core).users(actor, criteria, options),
    )


def structure(request: Request) -> Asked:
    """The members of a structure."""
    code = request.matchdict["code"]
    back = _back(request, "aia_structure", code=code)
    text = _filter(request)
    # From the list as it is shown; where none is shown, all that is below comes with it.
    asked = request.POST if request.method == "POST" else request.GET
    below = BELOW in asked or (request.method == "GET" and LOADED not in asked)
    return Asked(
        title="Exporter les membres de la structure",
        text=f"Le fichier contient une ligne par membre{_only(text)}.",
        back=back,
        above=("Structures", request.route_path("aia_structures")),
        make=lambda actor, options: Exports(request.services.core).structure(
            actor, code, options, below=below, text=text
        ),
        below=below,
    )


def role(request: Request) -> Asked:
    """The holders of a role, narrowed as its page is."""
    codes = request.matchdict["code"], request.matchdict["role"]
    back = _back(request, "aia_role", code=codes[0], role=codes[1])
    text = _filter(request)
    return Asked(
        title="Exporter les membres du rôle",
        text=f"Le fichier contient une ligne par personne et par structure{_only(text)}, "
        "avec les dates du rôle et qui l'a donné.",
        back=back,
        above=("Applications", request.route_path("aia_applications")),
        make=lambda actor, options: Exports(request.services.core).holders(
            actor, *codes, options, text=text
        ),
        role=True,
    )


def _back(request: Request, route: str, **codes: str) -> str:
    return str(request.route_path(route, **codes, _query=list(request.GET.items()) or None))


def _filter(request: Request) -> str:
    return request.GET.get(FILTER, "").strip()[:LONGEST]


def _only(text: str) -> str:
    """Of those whom the filter of the list leaves."""
    return f", de ceux qui correspondent à « {text} »" if text else ""


def ask(kind: Callable[[Request], Asked], request: Request) -> Response:
    """The page; whoever may not export this learns nothing of it."""
    asked = kind(request)
    export = asked.make(require_administrator(request), Options(contact=False, file_format=""))
    return _page(request, asked, export)


def send(kind: Callable[[Request], Asked], request: Request) -> Response:
    """The file."""
    asked, actor = kind(request), require_administrator(request)
    file_format = request.POST.get(FORMAT, "")
    options = Options(contact=CONTACT in request.POST, file_format=file_format)
    export = asked.make(actor, options)
    if file_format not in WRITERS:
        return _page(request, asked, export, error=NO_FORMAT)
    writer = WRITERS[file_format]()
    zone = request.configuration.organization.time_zone
    cells = holder_columns if asked.role else user_columns
    every = (*_PERSON, *(_HOLDER if asked.role else _USER), *(_CONTACT if options.contact else ()))
    off = {OFF[field] for field in request.configuration.fields_off}
    kept = [at for at, column in enumerate(every) if column.title not in off]
    columns = [every[at] for at in kept]
    sending = Exports(request.services.core).send(
        export,
        begin=writer.begin(columns),
        encode=lambda batch: writer.lines(rows_of(cells(batch, zone), kept)),
        end=writer.end,
        broken=lambda: writer.lines([[BROKEN]]) + writer.end(),
    )
    response = Response(app_iter=sending, content_type=None)
    response.headers["Content-Type"] = writer.content_type
    response.headers["Content-Disposition"] = (
        f'attachment; filename="{_name(request, export, writer)}"'
    )
    return response


def _details(off: Collection[str]) -> str:
    """What *Ajouter …* adds, without the fields that are switched off."""
    words = {"phone": "le téléphone", "postal_address": "l'adresse postale"}
    return " et ".join(word for field, word in words.items() if field not in off)


def _page(request: Request, asked: Asked, export: Export, *, error: str = "") -> Response:
    named = ((export.name, asked.back),) if asked.of_one else ()
    values = {
        "asked": asked,
        "crumbs": (asked.above, *named, ("Exporter", None)),
        "name": export.name,
        "action": request.path_qs,
        "error": error,
        "contact": CONTACT in request.POST,
        "details": _details(request.configuration.fields_off),
    }
    response = render_to_response("views:templates/aia/export.jinja2", values, request)
    response.status = 400 if error else 200
    return response


def _name(request: Request, export: Export, writer: Writer) -> str:
    """``utilisateurs-20-11-2026.csv``: letters, digits and dashes that every system takes."""
    today = request.services.clock.now().astimezone(request.configuration.organization.time_zone)
    words = "-".join(search_key(export.name).split())[:80]
    plain = "".join(each for each in words if each.isascii() and (each.isalnum() or each == "-"))
    return f"{plain or 'export'}-{today:%d-%m-%Y}.{writer.extension}"


def rows_of(columns: Sequence[Iterable[Cell]], kept: Iterable[int]) -> Batch:
    """The rows of these columns."""
    return zip(*(columns[at] for at in kept), strict=True)


def user_columns(batch: Sequence[ExportLine], zone: ZoneInfo) -> list[Iterable[Cell]]:
    """The cells of some lines, column by column: what is done for each of half a million counts."""
    (*person, teleworking, account, membership, activity, since, until, phone, address) = _columns(
        batch
    )[:16]
    return [
        *person,
        ["oui" if each else "non" for each in teleworking],
        account,
        membership,
        activity,
        map(first_day, since, repeat(zone)),
        map(last_day, until, repeat(zone)),
        phone,
        address,
    ]


def holder_columns(batch: Sequence[ExportLine], zone: ZoneInfo) -> list[Iterable[Cell]]:
    """The same of the lines of a role."""
    every = _columns(batch)
    (account, membership), (phone, address) = every[9:11], every[14:16]
    granted_at, granted_by, since, until = every[16:]
    return [
        *every[:8],
        account,
        membership,
        map(first_day, granted_at, repeat(zone)),
        granted_by,
        map(first_day, since, repeat(zone)),
        map(last_day, until, repeat(zone)),
        phone,
        address,
    ]


def _columns(batch: Sequence[ExportLine]) -> list[Sequence[Any]]:
    return list(zip(*batch, strict=True)) or [()] * len(ExportLine._fields)


def includeme(config: Configurator) -> None:
    """For administrators, inside the AIA."""
    for kind, route in (
        (users, "aia_users_export"),
        (structure, "aia_structure_export"),
        (role, "aia_role_export"),
    ):
        for view, method in ((ask, "GET"), (send, "POST")):
            config.add_view(
                partial(view, kind), route_name=route, request_method=method, decorator=inside
            )
