"""A small directory drawn by dice."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from sqlalchemy.orm import Session

from directory.models import (
    AccessRequest,
    Account,
    Application,
    Assignment,
    Mandate,
    MandateApplication,
    Membership,
    Role,
    Structure,
)
from directory.models.rights import MandateKind
from directory.search import mail_key
from directory.services.structures.changes import refresh_subtree
from tests.common.clock import START
from tests.functional.aia_realm import Realm

ME = "moi@demo.example"
LETTERS = "bcdfghjklmnpqrstvwxz"


@dataclass
class Drawn:
    """The directory that was drawn. Each word stands for one thing and is nowhere else."""

    structures: list[str] = field(default_factory=list)
    roles: list[tuple[str, str]] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    memberships: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    words: dict[str, tuple[str, int]] = field(default_factory=dict)


def draw(realm: Realm, dice: Random) -> Drawn:
    """Put a directory into an empty database."""
    drawn = Drawn()
    with realm.services.db.unit_of_work() as session:
        _Drawing(session, dice, drawn).run()
    realm.give_password(ME)
    return drawn


class _Drawing:
    """One drawing of the dice."""

    def __init__(self, session: Session, dice: Random, drawn: Drawn) -> None:
        self._session = session
        self._dice = dice
        self._drawn = drawn
        self._structures: list[Structure] = []
        self._applications: list[Application] = []
        self._roles: list[Role] = []

    def run(self) -> None:
        """Structures, applications, people, what they hold and what they administer."""
        dice = self._dice
        for at in range(dice.randint(3, 7)):
            self._structure(
                dice.choice((None, dice.randrange(at), dice.randrange(at))) if at else None
            )
        for _ in range(dice.randint(2, 3)):
            self._application()
        people = [self._account(ME)]
        people += [self._account("") for _ in range(dice.randint(4, 8))]
        for _ in range(dice.randint(1, 2)):
            self._mandate(people[0])
        for other in people[1:3]:
            if dice.random() < 0.5:
                self._mandate(other)
        if dice.random() < 0.3:
            self._add(Mandate(account=people[3], kind=MandateKind.CENTRAL, **_GRANTED))

    def _add(self, row: object) -> None:
        self._session.add(row)
        self._session.flush()

    def _word(self) -> str:
        """Letters that no page has by chance."""
        return "".join(self._dice.choices(LETTERS, k=9)).capitalize()

    def _id(self) -> str:
        """An id as the product makes them, but the same for the same dice."""
        return f"{self._dice.getrandbits(128):032x}"

    def _structure(self, parent: int | None) -> None:
        word = self._word()
        structure = Structure(
            code=word.lower(),
            label=word,
            parent_id=None if parent is None else self._structures[parent].id,
            path="",
            label_path="",
            search_key="",
        )
        self._session.add(structure)
        refresh_subtree(self._session, structure)
        self._structures.append(structure)
        self._drawn.structures.append(structure.code)
        self._drawn.words[word] = "structure", structure.id

    def _application(self) -> None:
        word = self._word()
        application = Application(
            code=word.lower(), label=word, single_role=self._dice.random() < 0.3
        )
        self._add(application)
        self._applications.append(application)
        self._drawn.words[word] = "application", application.id
        for _ in range(self._dice.randint(1, 2)):
            named = self._word()
            role = Role(application=application, code=named.lower(), label=named, value=named)
            self._add(role)
            self._roles.append(role)
            self._drawn.words[named] = "role", role.id
            self._drawn.roles.append((application.code, role.code))

    def _account(self, mail: str) -> Account:
        dice, word, given_name = self._dice, self._word(), self._word()
        own = mail == ME
        address = mail or f"{self._word()}@demo.example".lower()
        account = Account(
            subject_id=self._id(),
            mail=address,
            mail_key=mail_key(address),
            sn=word,
            given_name=given_name,
            search_key="",
            locked=not own and dice.random() < 0.2,
            valid_from=START - timedelta(days=9),
            valid_until=None if own or dice.random() < 0.8 else START + timedelta(days=9),
            created_at=START - timedelta(days=9),
            deleted_at=None if own or dice.random() < 0.85 else START - timedelta(days=2),
        )
        self._add(account)
        self._drawn.subjects.append(account.subject_id)
        self._drawn.mails.append(address)
        for each in (word, given_name, address.partition("@")[0]):
            self._drawn.words[each] = "account", account.id
        number = 1 if own else dice.choice((1, 1, 2, 2, 3))
        for structure in dice.sample(self._structures, min(number, len(self._structures))):
            self._membership(account, structure, own=own)
        return account

    def _membership(self, account: Account, structure: Structure, *, own: bool) -> None:
        dice, word = self._dice, self._word()
        gone = account.deleted_at or (
            START - timedelta(days=3) if not own and dice.random() < 0.15 else None
        )
        membership = Membership(
            public_id=self._id(),
            account=account,
            structure=structure,
            service=word,
            function=word,
            phone=word,
            suspended=not own and dice.random() < 0.2,
            created_at=START - timedelta(days=9),
            confirmed_at=None if not own and dice.random() < 0.25 else START - timedelta(days=9),
            deleted_at=gone,
        )
        self._add(membership)
        self._drawn.memberships.append(membership.public_id)
        self._drawn.words[word] = "membership", membership.id
        for role in dice.sample(self._roles, dice.randint(0, 2)):
            self._add(Assignment(membership=membership, role=role, **_GRANTED))
        if not own and dice.random() < 0.4:
            self._request(membership)

    def _request(self, membership: Membership) -> None:
        request = AccessRequest(
            public_id=self._id(),
            membership=membership,
            application=self._dice.choice(self._applications),
            reason=str(membership.service),
            state="pending",
            created_at=START - timedelta(days=1),
        )
        self._add(request)
        self._drawn.requests.append(request.public_id)

    def _mandate(self, account: Account) -> None:
        structure = self._dice.choice(self._structures)
        known = self._session.query(Mandate).filter_by(account=account, structure=structure)
        if known.count():
            return
        mandate = Mandate(
            account=account, kind=MandateKind.REFERENT, structure=structure, **_GRANTED
        )
        self._add(mandate)
        number = self._dice.randint(1, len(self._applications))
        for application in self._dice.sample(self._applications, number):
            self._add(MandateApplication(mandate_id=mandate.id, application_id=application.id))


_GRANTED = {"granted_by": "", "granted_at": START - timedelta(days=9)}
