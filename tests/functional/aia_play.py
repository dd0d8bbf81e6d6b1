"""A référent in front of his browser: he opens pages, fills their forms in, and forges them."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random

from lxml import html
from webtest import TestApp, TestResponse

from directory import actors
from directory.authorisation import OPERATOR
from directory.services.bulk.sheets import Action
from directory.services.rights.administered import RoleRef
from directory.services.rights.role_members import RoleMembers
from idp.context import Origin, acting
from idp.errors import ConvergencesError
from tests.functional.aia_bounds import Bounds
from tests.functional.aia_calls import calls
from tests.functional.aia_chance import Drawn
from tests.functional.aia_realm import Realm, post
from tests.functional.aia_trespasses import trespasses

BASE = "http://localhost:6543"
USERS, STRUCTURES, ROLES = "/aia/utilisateurs", "/aia/structures", "/aia/applications"
PAGES = (
    "/aia",
    "/aia/demandes",
    "/aia/demandes/{request}",
    f"{USERS}?charger=tous&taille=100",
    f"{USERS}?structure={{structure}}&role={{application}}:{{role}}&filtre={{word}}",
    f"{USERS}?nom={{word}}&mail={{mail}}&identifiant={{word}}",
    f"{USERS}/nouveau",
    f"{USERS}/nouveau?etape=4",
    f"{USERS}/ajouter",
    f"{USERS}/actions",
    f"{USERS}/corbeille",
    f"{USERS}/export?structure={{structure}}&nom={{word}}",
    *(
        f"{USERS}/{{subject}}{end}"
        for end in (
            *("", "/editer", "/adresse", "/photo", "/structure?rattachement={membership}"),
            *("/mot-de-passe", "/supprimer", "/verrouiller", "/deverrouiller", "/renvoyer"),
            "/historique",
        )
    ),
    f"{STRUCTURES}?recherche={{word}}",
    f"{STRUCTURES}?ouvrir={{structure}}",
    *(
        f"{STRUCTURES}/{{structure}}{end}"
        for end in (
            *("", "?membres=1&sous=1&filtre={word}", "?branche=1", "/editer", "/creer"),
            *("/fermer", "/export", "/historique"),
        )
    ),
    ROLES,
    *(
        f"{ROLES}/{{application}}/{{role}}{end}"
        for end in (
            *("?charger=oui&filtre={word}", "/affecter", "/export"),
            *(
                f"/{action}?membre={{membership}}"
                for action in ("desaffecter", "reaffecter", "dates")
            ),
        )
    ),
)
POSTED = tuple(sorted({page.partition("?")[0] for page in PAGES} - {"/aia"}))
STEPS = 6
"""Forms in a row that one walk sends: as many as the wizard has."""
UNKNOWN = {
    "subject": "0" * 32,
    "membership": "0" * 32,
    "request": "0" * 32,
    "structure": "zzzzzzzzz",
}


@dataclass
class Play:
    """The référent of one drawn directory, in front of his browser."""

    realm: Realm
    drawn: Drawn
    browser: TestApp
    dice: Random
    sent: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    told: set[str] = field(default_factory=set)

    def some(self) -> dict[str, str]:
        """Ids of anything at all; half of the time of what is his."""
        dice, drawn = self.dice, self.drawn
        known = self.bounds().known() if dice.random() < 0.5 else {}
        application, role = dice.choice(drawn.roles)
        every = {
            "subject": drawn.subjects,
            "membership": drawn.memberships,
            "structure": drawn.structures,
            "request": drawn.requests or ["0" * 32],
            "mail": drawn.mails,
            "word": sorted(drawn.words),
        }
        picked = {kind: dice.choice(known.get(kind, ids)) for kind, ids in every.items()}
        return picked | {"application": application, "role": role}

    def bounds(self) -> Bounds:
        return Bounds(self.realm.rows())

    # --- sending -----------------------------------------------------------------------------

    def get(self, path: str) -> TestResponse:
        """A page, which changes nothing and names nobody else."""
        before = self.realm.rows()
        answer = self.browser.get(path, expect_errors=True)
        assert self.realm.rows() == before, f"reading {path} changed something"
        self._read(answer, path, Bounds(before))
        return answer

    def post(self, path: str, fields: list[tuple[str, str]]) -> TestResponse:
        """A form; what it changes is his, and where it is refused nothing is."""
        before = self.realm.rows()
        self._ask_of_addresses(fields)
        self._keep_ways_back(fields)
        answer = post(self.browser, path, fields)
        after = self.realm.rows()
        said = f"POST {path} {fields}: {answer.status}"
        assert trespasses(before, after) == [], said
        if answer.status_int >= HTTPStatus.BAD_REQUEST:
            assert after == before, f"{said} changed something"
        self._read(answer, f"{path} {fields}", Bounds(before), Bounds(after))
        self.sent.append((path, fields))
        return answer

    def _ask_of_addresses(self, fields: Sequence[tuple[str, str]]) -> None:
        """One of the two exceptions: of an address that he names he learns the structure.

        The next pages still show both.
        """
        rows = self.realm.rows()
        for name, value in fields:
            for (key,), row in rows["account"].items():
                if name in {"adresse", "vu"} and row["mail"] == value.strip().lower():
                    places = {
                        each["structure_id"]
                        for each in rows["membership"].values()
                        if each["account_id"] == key
                    }
                    paths = [str(rows["structure"][(place,)]["label_path"]) for place in places]
                    self.told |= {word for path in paths for word in path.split(" / ")}
                    self.told.add(value.strip().lower().partition("@")[0])

    def _keep_ways_back(self, fields: Sequence[tuple[str, str]]) -> None:
        """The next pages show the address to which he said that he would return."""
        ways = [value.casefold() for name, value in fields if name == "retour"]
        self.told |= {word for word in self.drawn.words for way in ways if word.casefold() in way}

    def _read(self, answer: TestResponse, said: str, *bounds: Bounds) -> None:
        assert answer.status_int < HTTPStatus.INTERNAL_SERVER_ERROR, said
        text, typed = answer.text.casefold(), said.casefold()
        for word, (kind, key) in self.drawn.words.items():
            if word.casefold() in text and word not in self.told and word.casefold() not in typed:
                assert any(each.may_read(kind, key) for each in bounds), (
                    f"{said} names {kind} {key}: {word}"
                )

    # --- what he tries -----------------------------------------------------------------------

    def walk(self) -> None:
        """Open a page, send a form of it with this and that changed, go on where that leads."""
        self._go(lambda fields: [*self._changed(fields), *self._forged()])

    def honestly(self) -> None:
        """The same, nothing forged: what he may do is done, so that more of it is tried."""
        self._go(lambda fields: [(name, self._typed(name, value)) for name, value in fields])

    def _go(self, filled: Callable[[list[tuple[str, str]]], list[tuple[str, str]]]) -> None:
        """From some page on, through the forms that it leads to."""
        answer = self.get(self.dice.choice(PAGES).format(**self.some()))
        for _ in range(STEPS):
            forms = list(_forms(answer))
            if not forms:
                answer = self.get(self.dice.choice(PAGES).format(**self.some()))
                continue
            path, fields = self.dice.choice(forms)
            answer = self.post(path, filled(fields))
            if answer.status_int == HTTPStatus.SEE_OTHER:
                answer = self.get(answer.location.removeprefix(BASE).partition("#")[0])

    def forge(self) -> None:
        """A form that no page showed."""
        some = self.some()
        path = self.dice.choice(POSTED).format(**some)
        self.post(path, [*self._forged(), *self._forged(), *self._orders(some)])

    def again(self) -> None:
        """An old page, or the same press twice."""
        if self.sent:
            path, fields = self.dice.choice(self.sent[-10:])
            self.post(path, fields)

    def compare(self) -> None:
        """What is another's answers as if it did not exist."""
        bounds, some = self.bounds(), self.some()
        foreign = {name: some[name] for name in UNKNOWN if not bounds.knows(name, some[name])}
        whole = some | foreign
        path = self.dice.choice(POSTED)
        wanted = {name for name in UNKNOWN if f"{{{name}}}" in path}
        fields = [
            ("membre", "membership"),
            ("rattachement", "membership"),
            ("subject_id", "subject"),
        ]
        forged = [pair for pair in fields if pair[1] in foreign]
        if not wanted <= foreign.keys() or not (wanted or forged):
            return
        answers = []
        for ids in (whole, whole | {name: UNKNOWN[name] for name in foreign}):
            sent = [(name, ids[key]) for name, key in forged]
            more = [("affecter", "1"), ("action", "supprimer"), ("version", "x"), ("format", "csv")]
            answer = self.post(path.format(**ids), [*sent, *more])
            text = answer.text
            for each in ids.values():
                text = text.replace(each, "")
            answers.append((answer.status_int, re.sub(r"[\w-]{12,}", "", text)))
        assert answers[0] == answers[1], f"{path} with {foreign} is not as if it did not exist"

    def look_around(self) -> None:
        """Every page, of what is his."""
        known = {kind: self.dice.choice(ids) for kind, ids in self.bounds().known().items()}
        for page in PAGES:
            self.get(page.format(**(self.some() | known)))

    def count(self) -> None:
        """Lists, numbers and files hold what is his: nothing more, and nothing less."""
        bounds = self.bounds()
        page = self.get(f"{USERS}?charger=tous&taille=100")
        if page.status_int == HTTPStatus.NOT_FOUND:
            return  # no mandate of his is in force
        listed = bounds.listed()
        assert set(re.findall(r'name="subject_id" value="(\w+)"', page.text)) == listed
        assert f"({len(listed)})" in self.get(USERS).text
        lines = post(self.browser, f"{USERS}/export", [("format", "csv")]).text.splitlines()[1:]
        mails = [bounds.rows["account"][(each["account_id"],)]["mail"] for each in bounds.members()]
        assert sorted(line.split(";")[2] for line in lines) == sorted(map(str, mails))
        for (key,), role in bounds.rows["role"].items():
            application = bounds.rows["application"][(role["application_id"],)]
            path = f"{ROLES}/{application['code']}/{role['code']}?charger=oui&taille=100"
            found = set(re.findall(r"/desaffecter\?membre=(\w+)", self.get(path).text))
            assert found == bounds.holders(key, role["application_id"]), path

    def serve(self) -> None:
        """What stands behind the pages, called with whatever ids."""
        core, some = self.realm.services.core, self.some()
        subject = self.drawn.subjects[0]
        actor = actors.load(core, subject)
        if actor is None:
            return
        before = self.realm.rows()
        call = self.dice.choice(list(calls(self.realm, actor, some, self.dice)))
        try:
            with acting(Origin(actor=subject, address="10.0.0.1")):
                call()
        except ConvergencesError:
            assert self.realm.rows() == before, f"{call} was refused and changed something"
        assert trespasses(before, self.realm.rows()) == [], f"{call} {some}"

    # --- what he sends -----------------------------------------------------------------------

    def _typed(self, name: str, value: str) -> str:
        """What a person types where a form is empty."""
        if name in {"adresse", "vu"} and not value:
            return self.dice.choice((*self.drawn.mails, "nouveau@demo.example"))
        wanted = {"nom": "Nom", "prenom": "Prénom", "libelle": "Libellé", "message": "Voici."}
        return value or wanted.get(name, "")

    def _changed(self, fields: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """A form as it was shown, an id of it replaced here and there."""
        some = self.some()
        instead = {
            "subject_id": some["subject"],
            "membre": some["membership"],
            "rattachement": some["membership"],
            "structure": some["structure"],
            "nouveau": some["role"],
            "roles": f"{some['application']}:{some['role']}",
        }
        return [
            (name, instead[name])
            if name in instead and self.dice.random() < 0.4
            else (name, self._typed(name, value))
            for name, value in fields
        ]

    def _forged(self) -> list[tuple[str, str]]:
        """Fields that the form did not have."""
        some = self.some()
        known = (
            ("subject_id", some["subject"]),
            ("membre", some["membership"]),
            ("rattachement", some["membership"]),
            ("structure", some["structure"]),
            ("roles", f"{some['application']}:{some['role']}"),
            ("roles", some["role"]),
            ("nouveau", some["role"]),
            (f"service-{some['membership']}", "Autre"),
            (f"suspendu-{some['membership']}", "true"),
            ("verrouille", "true"),
            ("nom", "Autre"),
            ("siret", "21930000100019"),
            ("mail", some["mail"]),
            ("tous", "1"),
            ("retour", f"{STRUCTURES}/{some['structure']}"),
        )
        return self.dice.sample(known, self.dice.randint(0, 4))

    def _orders(self, some: dict[str, str]) -> list[tuple[str, str]]:
        """What makes a form do what it is for."""
        core = self.realm.services.core
        orders = [
            *(("affecter", "1"), ("accepter", "1"), ("accord", "1"), ("format", "csv")),
            ("action", self.dice.choice(list(Action))),
            ("adresse", self.dice.choice((some["mail"], "nouveau@demo.example"))),
            ("ancienne", some["mail"]),
            *(("nom", "Autre"), ("prenom", "Autre"), ("libelle", "Autre"), ("message", "Non.")),
        ]
        with suppress(ConvergencesError):
            ref = RoleRef(some["application"], some["role"])
            held = RoleMembers(core).read(OPERATOR, ref, some["membership"])
            orders.append(("version", held.version))
        return orders


def _forms(answer: TestResponse) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What the forms of a page send, each with one of its buttons."""
    if answer.content_type != "text/html":
        return
    for form in html.fromstring(answer.body).forms:
        path = form.action or answer.request.path
        if form.method != "POST" or not path.startswith("/aia/") or path == "/aia/deconnexion":
            continue
        fields = [(name, value) for name, value in form.form_values() if name != "csrf_token"]
        buttons = form.xpath(".//button[@name]") or [None]
        for button in buttons:
            pressed = [] if button is None else [(button.get("name"), button.get("value", ""))]
            yield path, [*fields, *pressed]
