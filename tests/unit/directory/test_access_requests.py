"""*Demander un accès*: who may ask for what, who answers, and what happens meanwhile."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import Select, select, update

from directory import asking
from directory.authorisation import OPERATOR, Actor
from directory.models import AccessRequest, Account, Application, Assignment, Membership
from directory.models.rights import MandateKind
from directory.services.rights.access_requests import PER_DAY, AccessRequests, purge
from directory.services.rights.assignments import Grant
from directory.services.rights.request_answers import RequestAnswers
from idp.asking import RequestState
from idp.audit import AuditEvent
from idp.errors import (
    AlreadyAnswered,
    AlreadyExists,
    ConvergencesError,
    DirectoryError,
    NotAllowed,
    NotFound,
    TooMany,
)
from tests.common.clock import FakeClock
from tests.unit.directory.conftest import World

AGENT = "agent@ville.fr"
REASON = "Je remplace une collègue."


class Scene:
    """A world with one who asks."""

    def __init__(self, world: World, subject_id: str) -> None:
        self.world = world
        self.subject_id = subject_id
        self.mine = AccessRequests(world.core)
        self.answers = RequestAnswers(world.core)

    def place(self, structure: str = "a-rh", mail: str = AGENT) -> str:
        """The public id of a membership."""
        with self.world.core.db.reading() as session:
            statement = (
                select(Membership.public_id)
                .join(Membership.account)
                .join(Membership.structure)
                .where(Account.mail == mail, Membership.structure.has(code=structure))
            )
            return str(session.scalar(statement))

    def ask(self, application: str = "bip") -> str:
        """Ask; returns the request's id."""
        self.mine.ask(self.subject_id, self.place(), application, REASON)
        return self.mine.own(self.subject_id)[0].id

    def offered(self) -> dict[str, list[str]]:
        """What may be asked for, by structure."""
        return {
            place.structure_label: [each.code for each in place.applications]
            for place in self.mine.workplaces(self.subject_id)
        }

    def held(self) -> list[tuple[str, str]]:
        """The assignments that there are: role, by whom."""
        with self.world.core.db.reading() as session:
            rows = session.scalars(select(Assignment)).all()
            return [
                (f"{row.role.application.code}:{row.role.code}", row.granted_by) for row in rows
            ]

    def parameters(self, code: str) -> dict[str, object]:
        """What the journal keeps of the last event of this code."""
        with self.world.core.db.reading() as session:
            event = session.scalars(
                select(AuditEvent).where(AuditEvent.code == code).order_by(AuditEvent.id.desc())
            ).first()
            assert event is not None
            assert event.subject_id == self.subject_id
            return event.parameters


@pytest.fixture
def scene(world: World, referent: Actor) -> Scene:
    """An agent of a-rh, of which ``referent`` is the référent for BIP."""
    del referent
    return Scene(world, world.add(AGENT).subject_id)


@contextmanager
def refused(kind: type[ConvergencesError], said: str) -> Iterator[None]:
    """It is, and the person reads why."""
    with pytest.raises(kind) as caught:
        yield
    assert re.search(said, caught.value.public)


def another_referent(world: World, mail: str = "autre@ville.fr", on: str = "a-rh") -> Actor:
    added = world.add(mail, "a")
    world.directory.mandates.add(OPERATOR, mail, on, ("bip",))
    return world.actor(added.subject_id)


# --- what may be asked for -------------------------------------------------------------------


def test_every_open_application_is_on_offer(scene: Scene) -> None:
    assert scene.offered() == {"Structure a-rh": ["bip", "cap"]}


def test_what_no_referent_administers_is_asked_of_the_correspondant(
    scene: Scene, central: Actor
) -> None:
    request_id = scene.ask("cap")
    correspondant = scene.world.core.settings.organization.correspondant
    assert scene.world.mails() == [("access-requested", correspondant)]
    scene.answers.grant(central, request_id, ("r1",), "")
    assert [role for role, _ in scene.held()] == ["cap:r1"]


def test_an_unknown_person_is_offered_nothing(scene: Scene) -> None:
    assert scene.mine.workplaces("nobody") == ()
    assert scene.mine.own("nobody") == ()
    assert scene.mine.waiting("nobody") is None


def test_several_structures_are_apart(scene: Scene) -> None:
    scene.world.add(AGENT, "b")
    assert scene.offered() == {"Structure a-rh": ["bip", "cap"], "Structure b": ["bip", "cap"]}


def hold_a_role(scene: Scene) -> None:
    grant = Grant(AGENT, "a-rh", "bip", "r1")
    scene.world.directory.assignments.assign(OPERATOR, grant)


def close_the_application(scene: Scene) -> None:
    scene.world.directory.applications.schedule(
        OPERATOR, "bip", closes_at=scene.world.core.clock.now()
    )


def open_it_later(scene: Scene) -> None:
    later = scene.world.core.clock.now() + timedelta(days=1)
    scene.world.directory.applications.schedule(OPERATOR, "bip", opens_at=later)


def ask_already(scene: Scene) -> None:
    scene.ask()


@pytest.mark.parametrize("change", [hold_a_role, close_the_application, open_it_later, ask_already])
def test_what_is_not_on_offer_cannot_be_asked_for(
    scene: Scene, change: Callable[[Scene], None]
) -> None:
    change(scene)
    assert "bip" not in scene.offered()["Structure a-rh"]
    before = scene.world.mails()
    with pytest.raises((NotFound, AlreadyExists)):
        scene.mine.ask(scene.subject_id, scene.place(), "bip", REASON)
    assert scene.world.mails() == before


def test_a_membership_of_somebody_else_is_not_there(scene: Scene) -> None:
    scene.world.add("voisin@ville.fr", "a-rh")
    with pytest.raises(NotFound):
        scene.mine.ask(scene.subject_id, scene.place(mail="voisin@ville.fr"), "bip", REASON)
    assert scene.world.mails() == []


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "avec\x00zéro"])
def test_a_reason_is_a_text(scene: Scene, reason: str) -> None:
    with refused(DirectoryError, "Motif"):
        scene.mine.ask(scene.subject_id, scene.place(), "bip", reason)


def test_a_locked_account_asks_for_nothing(scene: Scene) -> None:
    scene.world.directory.accounts.lock(OPERATOR, AGENT)
    with pytest.raises(NotFound):
        scene.mine.ask(scene.subject_id, scene.place(), "bip", REASON)


# --- asking ----------------------------------------------------------------------------------


def test_a_request_is_mailed_to_every_referent_the_nearest_first(scene: Scene) -> None:
    another_referent(scene.world)
    scene.ask()
    assert scene.world.mails() == [
        ("access-requested", "autre@ville.fr"),
        ("access-requested", "referent@ville.fr"),
    ]
    parameters = scene.parameters("access-request.made")
    assert parameters["after"] == {"reason": REASON}
    assert parameters["before"] is None


def test_without_a_referent_the_correspondant_is_asked(world: World) -> None:
    scene = Scene(world, world.add(AGENT, "b").subject_id)
    scene.mine.ask(scene.subject_id, scene.place("b"), "cap", REASON)
    correspondant = world.core.settings.organization.correspondant
    assert world.mails() == [("access-requested", correspondant)]


def test_the_same_request_is_not_made_twice(scene: Scene) -> None:
    scene.ask()
    with refused(AlreadyExists, "attend une réponse"):
        scene.ask()
    assert len(scene.mine.own(scene.subject_id)) == 1


def test_ten_requests_a_day(scene: Scene, clock: FakeClock) -> None:
    for _ in range(PER_DAY):
        scene.mine.withdraw(scene.subject_id, scene.ask())
    with pytest.raises(TooMany):
        scene.ask()
    clock.advance(timedelta(days=1))
    scene.ask()


def test_a_request_is_withdrawn_once_and_only_by_its_owner(scene: Scene) -> None:
    request, other = scene.ask(), scene.world.add("voisin@ville.fr").subject_id
    with pytest.raises(NotFound):
        scene.mine.withdraw(other, request)
    scene.mine.withdraw(scene.subject_id, request)
    assert scene.mine.own(scene.subject_id) == ()
    assert scene.parameters("access-request.withdrawn")["after"] == {
        "state": "withdrawn",
        "answer": None,
    }
    with refused(AlreadyAnswered, "déjà été retirée"):
        scene.mine.withdraw(scene.subject_id, request)
    assert scene.offered() == {"Structure a-rh": ["bip", "cap"]}, "it may be asked for again"


def test_an_answer_is_shown_for_a_month(scene: Scene, referent: Actor, clock: FakeClock) -> None:
    scene.answers.refuse(referent, scene.ask(), "Pas besoin.")
    clock.advance(timedelta(days=29))
    (own,) = scene.mine.own(scene.subject_id)
    assert (own.state, own.answer) == (RequestState.REFUSED, "Pas besoin.")
    clock.advance(timedelta(days=2))
    assert scene.mine.own(scene.subject_id) == ()
    assert scene.answers.list(referent) == ()
    scene.ask()
    clock.advance(timedelta(days=60))
    assert purge(scene.world.core.db, clock.now()) == 1
    assert [own.state for own in scene.mine.own(scene.subject_id)] == [RequestState.PENDING]


# --- answering -------------------------------------------------------------------------------


def test_granting_gives_the_role_and_tells_the_person(scene: Scene, referent: Actor) -> None:
    request = scene.ask()
    sheet = scene.answers.read(referent, request)
    assert (sheet.name, sheet.reason, sheet.obstacle) == ("Prénom NOM", REASON, "")
    assert [role.code for role in sheet.roles] == ["r1", "r2"]
    scene.answers.grant(referent, request, ["r2"], "Bienvenue.")
    assert [role for role, _ in scene.held()] == ["bip:r2"]
    assert scene.world.mails()[-1] == ("access-granted", AGENT)
    assert scene.world.events()[-2:] == ["assignment.granted", "access-request.granted"]
    parameters = scene.parameters("access-request.granted")
    assert parameters["before"] == {"state": "pending"}
    assert parameters["after"] == {"state": "granted", "answer": "Bienvenue.", "roles": ["r2"]}
    assert scene.answers.read(referent, request).roles[1].held
    assert scene.mine.own(scene.subject_id)[0].state is RequestState.GRANTED


def test_refusing_needs_a_reason_and_tells_it(scene: Scene, referent: Actor) -> None:
    request = scene.ask()
    with refused(DirectoryError, "pourquoi"):
        scene.answers.refuse(referent, request, "  ")
    scene.answers.refuse(referent, request, "Ce poste n'en a pas besoin.")
    assert scene.held() == []
    assert scene.world.mails()[-1] == ("access-refused", AGENT)
    assert scene.parameters("access-request.refused")["after"] == {
        "state": "refused",
        "answer": "Ce poste n'en a pas besoin.",
    }


@pytest.mark.parametrize("roles", [[], ["r9"], ["r1", "r9"]])
def test_only_roles_of_the_application_can_be_given(
    scene: Scene, referent: Actor, roles: list[str]
) -> None:
    request = scene.ask()
    with pytest.raises(DirectoryError):
        scene.answers.grant(referent, request, roles)
    assert scene.held() == []
    assert scene.answers.read(referent, request).state is RequestState.PENDING


def test_an_application_of_a_single_role_takes_one(scene: Scene, referent: Actor) -> None:
    with scene.world.core.db.unit_of_work() as session:
        session.execute(update(Application).values(single_role=True))
    request = scene.ask()
    with refused(DirectoryError, "n'accepte qu'un rôle"):
        scene.answers.grant(referent, request, ["r1", "r2"])
    assert scene.held() == [], "all or nothing"
    scene.answers.grant(referent, request, ["r1"])


def everybody(world: World) -> dict[str, Actor]:
    """Who is not the référent of A for BIP."""
    world.add("b@ville.fr", "b")
    world.directory.mandates.add(OPERATOR, "b@ville.fr", "b", ("bip", "cap"))
    world.add("cap@ville.fr", "a")
    world.directory.mandates.add(OPERATOR, "cap@ville.fr", "a", ("cap",))
    world.add("agent2@ville.fr", "a")
    with world.core.db.reading() as session:
        ids = {row.mail: row.subject_id for row in session.scalars(select(Account))}
    names = ("b@ville.fr", "cap@ville.fr", "agent2@ville.fr", AGENT)
    return {mail: world.actor(ids[mail]) for mail in names}


def test_outside_the_reach_a_request_is_not_there(scene: Scene) -> None:
    request = scene.ask()
    for mail, actor in everybody(scene.world).items():
        assert scene.answers.list(actor) == (), mail
        assert not scene.mine.waiting(actor.subject_id), mail
        for call in (
            lambda actor=actor: scene.answers.read(actor, request),
            lambda actor=actor: scene.answers.grant(actor, request, ["r1"]),
            lambda actor=actor: scene.answers.refuse(actor, request, "Non."),
        ):
            with pytest.raises(NotAllowed):
                call()
    assert scene.held() == []


def test_a_referent_does_not_answer_himself(world: World, referent: Actor) -> None:
    scene = Scene(world, referent.subject_id)
    place = scene.place("a", "referent@ville.fr")
    scene.mine.ask(referent.subject_id, place, "bip", REASON)
    correspondant = world.core.settings.organization.correspondant
    assert world.mails() == [("access-requested", correspondant)]
    request = scene.mine.own(referent.subject_id)[0].id
    assert scene.answers.list(referent) == ()
    with pytest.raises(NotAllowed):
        scene.answers.grant(referent, request, ["r1"])


def test_the_correspondant_answers_everywhere_but_himself(scene: Scene, central: Actor) -> None:
    request = scene.ask()
    assert [line.id for line in scene.answers.list(central)] == [request]
    assert scene.mine.waiting(central.subject_id) == 1
    scene.answers.grant(central, request, ["r1"])
    assert scene.mine.waiting(central.subject_id) == 0
    own = Scene(scene.world, central.subject_id)
    place = own.place("cig", "correspondant@cig.fr")
    own.mine.ask(central.subject_id, place, "cap", REASON)
    with pytest.raises(NotAllowed):
        own.answers.grant(central, own.mine.own(central.subject_id)[0].id, ["r1"])


def test_an_unknown_request_is_not_there(scene: Scene, referent: Actor) -> None:
    for made_up in ("", "x", "é" * 300):
        with pytest.raises(NotFound):
            scene.answers.read(referent, made_up)


# --- meanwhile -------------------------------------------------------------------------------


def test_the_second_referent_reads_who_was_faster(scene: Scene, referent: Actor) -> None:
    second, request = another_referent(scene.world), scene.ask()
    scene.answers.refuse(referent, request, "Non.")
    with refused(AlreadyAnswered, "déjà été refusée le .* à "):
        scene.answers.grant(second, request, ["r1"])
    assert scene.held() == []


def test_of_two_who_answer_at_once_exactly_one_wins(scene: Scene, referent: Actor) -> None:
    second, request = another_referent(scene.world), scene.ask()
    together, outcomes = Barrier(2), []

    def answer(call: Callable[[], None]) -> None:
        together.wait()
        try:
            call()
        except ConvergencesError as error:
            outcomes.append(error.code)
        else:
            outcomes.append("done")

    calls: tuple[Callable[[], None], ...] = (
        lambda: scene.answers.grant(referent, request, ["r1"]),
        lambda: scene.answers.refuse(second, request, "Non."),
    )
    threads = [Thread(target=answer, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["already-answered", "done"]
    granted = scene.answers.read(referent, request).state is RequestState.GRANTED
    assert bool(scene.held()) == granted
    assert [kind for kind, to in scene.world.mails() if to == AGENT] == [
        "access-granted" if granted else "access-refused"
    ]


def test_the_same_request_twice_at_once_is_one(scene: Scene) -> None:
    together, outcomes, place = Barrier(2), [], scene.place()

    def ask() -> None:
        together.wait()
        try:
            scene.mine.ask(scene.subject_id, place, "bip", REASON)
        except AlreadyExists as error:
            outcomes.append(error.code)
        else:
            outcomes.append("done")

    threads = [Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["already-exists", "done"]
    with scene.world.core.db.reading() as session:
        assert len(session.scalars(select(AccessRequest)).all()) == 1


def test_a_role_that_was_given_meanwhile_stays(scene: Scene, referent: Actor) -> None:
    request = scene.ask()
    hold_a_role(scene)
    scene.answers.grant(referent, request, ["r1"])
    assert len(scene.held()) == 1
    assert scene.world.events().count("assignment.granted") == 1


def test_a_mandate_that_ended_meanwhile_answers_nothing(scene: Scene) -> None:
    request = scene.ask()
    scene.world.directory.mandates.remove(OPERATOR, "referent@ville.fr", "a")
    with scene.world.core.db.reading() as session:
        subject_id = session.scalar(
            select(Account.subject_id).where(Account.mail == "referent@ville.fr")
        )
    former = scene.world.actor(str(subject_id))
    with pytest.raises(NotAllowed):
        scene.answers.grant(former, request, ["r1"])


def test_an_account_locked_meanwhile_can_only_be_refused(scene: Scene, referent: Actor) -> None:
    request = scene.ask()
    scene.world.directory.accounts.lock(OPERATOR, AGENT)
    assert "est verrouillé" in scene.answers.read(referent, request).obstacle
    with refused(DirectoryError, "est verrouillé"):
        scene.answers.grant(referent, request, ["r1"])
    assert scene.held() == []
    with scene.world.core.db.unit_of_work() as session:
        session.execute(update(Membership).values(confirmed_at=None))
    assert "est verrouillé" not in scene.answers.read(referent, request).obstacle, "not his to know"
    scene.answers.refuse(referent, request, "Compte verrouillé.")


def test_a_suspended_membership_can_only_be_refused(scene: Scene, referent: Actor) -> None:
    request = scene.ask()
    with scene.world.core.db.unit_of_work() as session:
        session.execute(update(Membership).values(suspended=True))
    with refused(DirectoryError, "n'est pas valable"):
        scene.answers.grant(referent, request, ["r1"])


def test_a_deleted_account_takes_its_requests_away(scene: Scene, referent: Actor) -> None:
    request = scene.ask()
    scene.world.directory.bin.delete(OPERATOR, AGENT)
    assert scene.answers.list(referent) == ()
    assert scene.mine.waiting(referent.subject_id) == 0
    with pytest.raises(NotFound):
        scene.answers.grant(referent, request, ["r1"])


def test_who_administers_nothing_never_looks_at_the_requests(scene: Scene, referent: Actor) -> None:
    scene.ask()
    db = scene.world.core.db
    if db.engine.dialect.name != "postgresql":
        pytest.skip("only PostgreSQL says what it ran")

    def plan(subject_id: str) -> str:
        values = {"subject_id": subject_id, "now": scene.world.core.clock.now()}
        compiled = asking.WAITING.compile(db.engine, compile_kwargs={"render_postcompile": True})
        with db.reading() as session:
            rows = session.connection().exec_driver_sql(
                f"EXPLAIN ANALYZE {compiled}", compiled.construct_params(values)
            )
            return "\n".join(row[0] for row in rows)

    assert re.search(r"on access_request .*never executed", plan(scene.subject_id))
    assert not re.search(r"on access_request .*never executed", plan(referent.subject_id))


@pytest.mark.parametrize("statement", [asking.OWN, asking.WAITING, asking.LINES])
def test_what_partial_indexes_depend_on_is_not_bound(statement: Select[tuple[object]]) -> None:
    bound = set(map(str, statement.compile().params.values()))
    assert not bound & {RequestState.PENDING, RequestState.WITHDRAWN, MandateKind.CENTRAL}


def test_the_lists_cost_one_statement_each(scene: Scene, referent: Actor) -> None:
    scene.ask()
    scene.world.add(AGENT, "b")
    for call in (
        lambda: scene.mine.workplaces(scene.subject_id),
        lambda: scene.mine.own(scene.subject_id),
        lambda: scene.mine.waiting(referent.subject_id),
        lambda: scene.answers.list(referent),
    ):
        assert scene.world.statements(call) == 1
