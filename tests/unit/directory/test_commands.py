"""The commands, as `convergences` runs them."""

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select, update

from directory.commands import register
from directory.demonstration import PASSWORD, load
from directory.models import Account, Application, Assignment, Mandate, Membership, Structure
from idp.cli import _wrap
from idp.errors import AlreadyExists, BadCredentials, ConvergencesError, NotFound
from idp.mail import OutboxMail
from idp.passwords import Passwords
from idp.services import Services
from idp.types import NotEntitled

PARIS = ZoneInfo("Europe/Paris")
ENTITIES = {
    code: f"https://{code}.example" for code in ("bip", "net-cotisations", "net-cap", "site")
}


@dataclass
class FakeCli:
    """What idp.cli.Cli gives to a command; keeps what is said."""

    services: Services
    as_json: bool = False
    said: list[tuple[str, object]] = field(default_factory=list)

    def say(self, text: str, data: object = None) -> None:
        self.said.append((text, data))
        json.dumps(data, default=str)


class Runner:
    def __init__(self, services: Services) -> None:
        self.cli = FakeCli(services)
        self.group = click.Group()
        register(self.group)

    def __call__(self, *words: str, stdin: str = "") -> Result:
        return CliRunner().invoke(
            self.group, words, obj=self.cli, input=stdin, catch_exceptions=False
        )

    def ok(self, *words: str, stdin: str = "") -> object:
        result = self(*words, stdin=stdin)
        assert result.exit_code == 0, result.output
        return self.cli.said[-1][1]

    @contextmanager
    def refused(self):  # noqa: ANN201 - a context manager
        before = len(self.cli.said)
        with pytest.raises(ConvergencesError):
            yield
        assert len(self.cli.said) == before


@pytest.fixture
def run(services: Services) -> Runner:
    runner = Runner(services)
    runner.ok("structure", "add", "cig", "cig-pc")
    runner.ok("structure", "add", "a", "Ville A", "--parent", "cig", "--siret", "21930000100019")
    runner.ok("application", "add", "bip", "BIP", "--url", "https://bip.example/")
    runner.ok("role", "add", "bip", "lecteur", "Lecteur", "--value", "LECT")
    return runner


def add(run: Runner, mail: str, *more: str, stdin: str = "") -> object:
    words = ("account", "add", mail, "--name", "Nom", "--first-name", "Prénom")
    return run.ok(*words, "--structure", "a", *more, stdin=stdin)


def test_structures(run: Runner) -> None:
    listed = run.ok("structure", "list")
    assert isinstance(listed, list)
    assert [(one["code"], one["depth"]) for one in listed] == [("cig", 0), ("a", 1)]
    assert run.cli.said[-1][0] == "cig  cig-pc\n  a  Ville A"
    with run.refused():
        run("structure", "add", "a", "Encore")


def test_notices(run: Runner) -> None:
    run.ok("application", "add", "vote", "Vote")
    run.ok("notice", "add", "Bonjour")
    number = run.ok(
        *("notice", "add", "Coupure", "--warning", "--application", "vote", "--sign-in"),
        *("--from", "20/11/2020", "--until", "2020-11-21"),
    )
    assert run.ok("notice", "list")[0] == {
        "number": number["number"],
        "text": "Coupure",
        "level": "warning",
        "application": "vote",
        "sign_in": True,
        # days of the organisation's clock: midnight in Paris
        "from": datetime(2020, 11, 19, 23, tzinfo=UTC),
        "until": datetime(2020, 11, 21, 23, tzinfo=UTC),
        "shown": False,
    }
    assert "Coupure  (avertissement, pas affiché, vote, connexion)" in run.cli.said[-1][0]
    run.ok("notice", "remove", str(number["number"]))
    assert [line["text"] for line in run.ok("notice", "list")] == ["Bonjour"]
    with run.refused():
        run("notice", "remove", "99")


def test_the_opening_of_an_application(run: Runner, services: Services) -> None:
    run.ok("application", "add", "vote", "Vote")
    run.ok("application", "schedule", "vote", "--until", "20/11/2020", "--message", "Fini.")
    with services.db.reading() as session:
        found = session.scalars(select(Application).where(Application.code == "vote")).one()
    assert (found.opens_at, found.closed_message) == (None, "Fini.")
    assert found.closes_at == datetime(2020, 11, 21, tzinfo=PARIS)


def test_account_with_password(run: Runner, services: Services) -> None:
    add(run, "one@ville.fr", "--password-stdin", "--no-mail", stdin="une phrase assez longue\n")
    subject = services.directory.authenticate("one@ville.fr", "une phrase assez longue")
    run.ok("account", "lock", "one@ville.fr")
    assert services.directory.find_subject(subject.id) is None
    run.ok("account", "unlock", "one@ville.fr")
    assert services.directory.find_subject(subject.id) is not None
    run.ok("account", "delete", "one@ville.fr")
    assert services.directory.find_subject(subject.id) is None
    run.ok("account", "restore", "one@ville.fr")
    assert services.directory.find_subject(subject.id) is not None


@pytest.mark.parametrize("stdin", ["", "\n", "court\n"])
def test_password_refused(run: Runner, stdin: str, services: Services) -> None:
    words = ("account", "add", "one@ville.fr", "--name", "N", "--first-name", "P")
    with run.refused():
        run(*words, "--structure", "a", "--password-stdin", stdin=stdin)
    with services.db.reading() as session:
        assert session.scalars(select(Account)).all() == []


class Typed(BytesIO):
    """What somebody types; notes how many connections are held while it is waited for."""

    def __init__(self, services: Services, content: bytes) -> None:
        super().__init__(content)
        self._services = services
        self.held: list[int] = []

    def read1(self, size: int | None = -1, /) -> bytes:
        self.held.append(self._services.db.engine.pool.checkedout())  # type: ignore[attr-defined]
        return super().read1(-1 if size is None else size)


def test_nothing_is_held_while_the_password_is_typed_and_hashed(
    run: Runner, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = Typed(services, b"une phrase assez longue\n")
    held: list[int] = []
    real = Passwords.hash

    def hash_(self: Passwords, password: str) -> str:
        held.append(services.db.engine.pool.checkedout())  # type: ignore[attr-defined]
        return real(self, password)

    monkeypatch.setattr(Passwords, "hash", hash_)
    _wrap(run.group)  # as the command line does: one unit of work for each command
    words = ("account", "add", "one@ville.fr", "--name", "N", "--first-name", "P")
    result = CliRunner().invoke(
        run.group,
        (*words, "--structure", "a", "--password-stdin", "--no-mail"),
        obj=run.cli,
        input=typed,
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    assert set(typed.held) == {0}
    assert held == [0]
    assert services.directory.authenticate("one@ville.fr", "une phrase assez longue")


def test_address_in_the_bin_names_the_command(run: Runner) -> None:
    add(run, "one@ville.fr")
    run.ok("account", "delete", "one@ville.fr")
    words = ("account", "add", "ONE@ville.fr", "--name", "N", "--first-name", "P")
    with pytest.raises(AlreadyExists) as refused:
        run(*words, "--structure", "a")
    assert "« convergences account restore one@ville.fr »" in refused.value.public


def test_what_waits_in_a_structures_bin_names_the_command_that_brings_back_that_alone(
    run: Runner, services: Services
) -> None:
    add(run, "one@ville.fr")
    words = ("account", "add", "ONE@ville.fr", "--name", "N", "--first-name", "P", "--structure")
    restore = ("account", "restore", "one@ville.fr")
    run.ok(*words, "cig")
    with services.db.unit_of_work() as session:
        before = services.clock.now() - timedelta(hours=1)
        session.execute(update(Membership).values(deleted_at=before))
    with pytest.raises(AlreadyExists) as refused:
        run(*words, "a")
    assert "Il attend dans la corbeille, avec ses rôles" in refused.value.public
    assert f"Tapez « convergences {' '.join(restore)} --structure a »" in refused.value.public
    run.ok(*restore, "--structure", "a")
    assert run.cli.said[-1][0] == "Rattachement rétabli : one@ville.fr (cig-pc / Ville A)."
    sheet = run.ok("account", "show", "one@ville.fr")
    assert [each["structure"] for each in sheet["memberships"]] == ["a"]  # type: ignore[index]
    run.ok("account", "delete", "one@ville.fr")
    for structure, why in (
        ("nowhere", "Aucune structure n'a le code « nowhere »."),
        ("a", "en entier : rétablissez-le sans nommer de structure."),
    ):
        with pytest.raises(NotFound) as unknown:
            run(*restore, "--structure", structure)
        assert unknown.value.public.endswith(why)
    run.ok(*restore)
    assert run.cli.said[-1][0].endswith("à rétablir par la même commande : cig-pc.")
    with pytest.raises(NotFound) as nothing:
        run(*restore, "--structure", "a")
    assert "n'est dans la corbeille de la structure « a »." in nothing.value.public


def test_known_address_gets_a_confirmed_membership(run: Runner) -> None:
    add(run, "one@ville.fr")
    words = ("account", "add", "ONE@ville.fr", "--name", "X", "--first-name", "Y")
    added = run.ok(*words, "--structure", "cig")
    assert isinstance(added, dict)
    assert (added["created"], added["confirmed"]) == (False, True)


def test_known_address_keeps_the_password_of_its_owner(run: Runner, services: Services) -> None:
    words = ("--name", "X", "--first-name", "Y", "--password-stdin", "--structure")
    own, other = "le sel de la mer 94", "un autre que le sien 75"
    run.ok("account", "add", "one@ville.fr", *words, "a", stdin=own)
    run.ok("account", "add", "one@ville.fr", *words, "cig", stdin=other)

    assert "Son mot de passe n'est pas changé." in run.cli.said[-1][0]
    assert services.directory.authenticate("one@ville.fr", own)
    with pytest.raises(BadCredentials):
        services.directory.authenticate("one@ville.fr", other)
    assert add(run, "rh@ville.fr")["warnings"]  # type: ignore[index]


def test_show(run: Runner) -> None:
    add(run, "one@ville.fr")
    run.ok("assign", "one@ville.fr", "--structure", "a", "--role", "bip:lecteur")
    run.ok("mandate", "add", "one@ville.fr", "--structure", "a", "--application", "bip")
    shown = run.ok("account", "show", "one@ville.fr")
    assert isinstance(shown, dict)
    assert shown["memberships"][0]["roles"][0]["role"] == "lecteur"
    text = run.cli.said[-1][0]
    assert text.splitlines()[0] == "Prénom NOM <one@ville.fr> : actif"
    assert "bip:lecteur" in text
    assert "référent de a" in text
    with run.refused():
        run("account", "show", "nobody@ville.fr")


@pytest.mark.parametrize("until", ["2026-11-25", "25/11/2026"])
def test_dates_are_whole_days(run: Runner, services: Services, until: str) -> None:
    """Of the organisation's clock, which the screens show: an end is not a day later there."""
    add(run, "one@ville.fr")
    role = ("one@ville.fr", "--structure", "a", "--role", "bip:lecteur")
    run.ok("assign", *role, "--from", "2026-11-20", "--until", until)
    assert held(services) == [
        (datetime(2026, 11, 20, tzinfo=PARIS), datetime(2026, 11, 26, tzinfo=PARIS))
    ]
    run.ok("unassign", *role, "--from", "24/11/2026")
    assert held(services)[0][1] == datetime(2026, 11, 24, tzinfo=PARIS)
    run.ok("unassign", *role, "--until", "2026-11-22")
    assert held(services)[0][1] == datetime(2026, 11, 23, tzinfo=PARIS)
    run.ok("unassign", *role)
    assert held(services) == []
    with pytest.raises(NotFound):
        run("unassign", *role)


def held(services: Services) -> list[tuple[datetime | None, datetime | None]]:
    with services.db.reading() as session:
        rows = session.execute(select(Assignment.valid_from, Assignment.valid_until))
        return [(row.valid_from, row.valid_until) for row in rows]


@pytest.mark.parametrize("never", ["sans-fin", "none", "Sans Fin"])
def test_end_is_kept_until_it_is_removed(run: Runner, services: Services, never: str) -> None:
    add(run, "one@ville.fr")
    run.ok("application", "add", "cap", "CAP")
    role = ("one@ville.fr", "--structure", "a", "--role", "bip:lecteur")
    place = ("mandate", "add", "one@ville.fr", "--structure", "a", "--application")
    start, end = datetime(2026, 11, 20, tzinfo=PARIS), datetime(2027, 1, 2, tzinfo=PARIS)
    run.ok("assign", *role, "--from", "2026-11-20", "--until", "2027-01-01")
    run.ok("assign", *role)
    assert held(services) == [(start, end)]
    run.ok("assign", *role, "--until", never)
    assert held(services) == [(start, None)]
    run.ok(*place, "bip", "--until", "2027-01-01")
    run.ok(*place, "cap")
    with services.db.reading() as session:
        assert session.scalars(select(Mandate.valid_until)).all() == [end]
    run.ok(*place, "cap", "--until", never)
    with services.db.reading() as session:
        assert session.scalars(select(Mandate.valid_until)).all() == [None]
    assert run("unassign", *role, "--until", never).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("assign", "x@y.fr", "--structure", "a", "--role", "bip"),
        ("assign", "x@y.fr", "--structure", "a", "--role", "bip:l", "--from", "31/02/2026"),
        ("assign", "x@y.fr", "--structure", "a", "--role", "bip:l", "--until", "9999-12-31"),
        ("assign", "x@y.fr", "--structure", "a", "--role", "bip:l", "--until", "0001-01-01"),
        (
            "unassign",
            "x@y.fr",
            "--structure",
            "a",
            "--role",
            "b:l",
            "--from",
            "2026-01-01",
            "--until",
            "2026-01-02",
        ),
        ("mandate", "add", "x@y.fr"),
        ("mandate", "add", "x@y.fr", "--central", "--structure", "a"),
        ("mandate", "add", "x@y.fr", "--central", "--until", "2026-01-02"),
    ],
)
def test_wrong_use(run: Runner, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_mandates(run: Runner, services: Services) -> None:
    add(run, "one@ville.fr")
    run.ok("application", "add", "cap", "CAP")
    place = ("one@ville.fr", "--structure", "a", "--application", "bip")
    run.ok("mandate", "add", *place, "cap", "--until", "2027-01-01")
    with services.db.reading() as session:
        mandate = session.scalars(select(Mandate)).one()
        assert sorted(one.code for one in mandate.applications) == ["bip", "cap"]
    run.ok("mandate", "remove", *place)
    run.ok("mandate", "remove", "one@ville.fr", "--structure", "a")
    run.ok("mandate", "add", "one@ville.fr", "--central")
    with run.refused():
        run("mandate", "remove", "one@ville.fr", "--central")


# --- the demonstration -----------------------------------------------------------------------


def test_demonstration(services: Services) -> None:
    assert load(services.core)
    assert not load(services.core)
    directory = services.directory
    for code, entity_id in ENTITIES.items():
        directory.attach(entity_id, code)
    people = {
        name: directory.authenticate(f"{name}@demo.example", PASSWORD)
        for name in ("agent", "referent", "referent.b", "correspondant", "multi", "sansdroit")
    }
    for entity_id in ENTITIES.values():
        assert isinstance(directory.entitlements(people["agent"].id, entity_id), tuple)
        refused = directory.entitlements(people["sansdroit"].id, entity_id)
        assert isinstance(refused, NotEntitled)
        assert [one.mail for one in refused.referents] == ["referent@demo.example"]
    assert len(directory.tiles(people["agent"].id)) == len(ENTITIES)
    for entity_id in ENTITIES.values():
        found = directory.entitlements(people["multi"].id, entity_id)
        assert isinstance(found, tuple)
        first, second = found
        assert set(first.roles).isdisjoint(second.roles)
        assert {first.siret, second.siret} == {"21930000100019", "21940000200016"}
    with services.db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Account)) == 31
        codes = set(session.scalars(select(Structure.code)))
    assert {"cig-pc", "collectivites", "collectivite-a", "collectivite-b"} <= codes


def test_a_link_is_sent_to_whoever_may_use_it(run: Runner, services: Services) -> None:
    named = ("--name", "N", "--first-name", "P", "--structure", "a")
    run.ok("account", "add", "one@ville.fr", *named, "--no-mail")
    sent = run.ok("account", "send-link", "one@ville.fr")
    assert sent == {"mail": "one@ville.fr", "purpose": "first-visit"}
    with services.db.reading() as session:
        [(kind, text)] = session.execute(select(OutboxMail.kind, OutboxMail.text)).all()
    assert kind == "password-first-visit"
    assert "/mot-de-passe/" in text
    run.ok("account", "lock", "one@ville.fr")
    with run.refused():
        run("account", "send-link", "one@ville.fr")
    with run.refused():
        run("account", "send-link", "nobody@ville.fr")
