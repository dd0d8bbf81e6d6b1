"""Exports: every line of a list within an actor's scope, read in batches while the file is sent.

Batches go by key, each in a statement of its own, read while the one before is written. Then
nothing is held, neither a transaction nor a connection, however slowly the file is fetched; and
where the database was away, reading goes on behind the last line. A line is in the file if it was
there when its batch was read.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache, partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Row, select

from directory.authorisation import Actor
from directory.people.columns import GRANT_COLUMNS
from directory.people.lines import Criteria, Sort
from directory.people.order import Order
from directory.people.resolving import Resolver
from directory.people.statements import lines
from directory.people.wanted import Wanted, words_of
from directory.people.within import Within
from directory.scope import sees_state
from directory.services.exports.read_ahead import read_ahead
from directory.services.exports.sending import Sending, Told, patiently
from directory.services.telling.doers import doer, known
from directory.states import UNCONFIRMED, account_state, activity, membership_state
from directory.validity import ACCOUNT, APPLICATION, MEMBERSHIP, ROLE, STRUCTURE

if TYPE_CHECKING:
    from idp.services import Core

BATCH = 2500
"""Lines read at a time: some megabytes."""

_ORDER = Order.of(Sort.NAME, descending=False, lines=True)
_COLUMNS = (
    *_ORDER.key,
    ACCOUNT.c.sn,
    ACCOUNT.c.given_name,
    ACCOUNT.c.mail,
    ACCOUNT.c.locked,
    ACCOUNT.c.deleted_at,
    ACCOUNT.c.valid_from,
    ACCOUNT.c.valid_until,
    ACCOUNT.c.last_sign_in_at,
    MEMBERSHIP.c.service,
    MEMBERSHIP.c.function,
    MEMBERSHIP.c.application_identifier,
    MEMBERSHIP.c.teleworking,
    MEMBERSHIP.c.suspended,
    MEMBERSHIP.c.confirmed_at,
    MEMBERSHIP.c.valid_from.label("membership_from"),
    MEMBERSHIP.c.valid_until.label("membership_until"),
    STRUCTURE.c.label,
    STRUCTURE.c.label_path,
    STRUCTURE.c.closed_at,
)
_CONTACT = (MEMBERSHIP.c.phone, MEMBERSHIP.c.postal_address)


@dataclass(frozen=True, slots=True)
class Options:
    """What was chosen: ``contact``, phones and postal addresses too; ``file_format`` by name."""

    contact: bool
    file_format: str


class ExportLine(NamedTuple):
    """A membership. The last four are empty but in the export of a role.

    Of one that waits for its person's confirmation ``account_state`` is *à confirmer* and the
    account's dates and activity are empty, unless the actor may see them all the same.
    """

    sn: str
    given_name: str
    mail: str
    structure: str
    structure_path: str
    service: str | None
    function: str | None
    application_identifier: str | None
    teleworking: bool
    account_state: str
    membership_state: str
    activity: str
    valid_from: datetime | None
    valid_until: datetime | None
    phone: str | None
    postal_address: str | None
    granted_at: datetime | None = None
    granted_by: str | None = None
    role_from: datetime | None = None
    role_until: datetime | None = None


Lines = Sequence[ExportLine]


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be exported, all of it in its actor's scope. ``name`` is what it is called."""

    actor: Actor
    name: str
    contact: bool
    wanted: Wanted
    role_id: int | None
    target: str | None
    told: dict[str, object]


class Exports:
    """Prepares exports and sends them."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._resolver = Resolver(core)

    def users(self, actor: Actor, criteria: Criteria, options: Options) -> Export:
        """The memberships that meet the criteria.

        Raises:
            NotFound: a code that is unknown or out of scope.
            DirectoryError: a state that does not exist.
        """
        wanted = self._resolver.wanted(actor, criteria)
        meant = {name: value for name, value in asdict(criteria).items() if value != ""}
        told = {"of": "users", "criteria": meant, **asdict(options)}
        return Export(actor, "utilisateurs", options.contact, wanted, None, None, told)

    def structure(
        self, actor: Actor, code: str, options: Options, *, below: bool, text: str = ""
    ) -> Export:
        """The members of a structure, with those beneath it if ``below``; ``text`` as on its page.

        Raises:
            NotFound: unknown or out of scope.
        """
        wanted = self._resolver.wanted(actor, Criteria(structure=code, below=below, text=text))
        label = select(STRUCTURE.c.label).where(STRUCTURE.c.code == code)
        told = {"of": "structure", "below": below, "text": text, **asdict(options)}
        target = f"structure:{code}"
        return Export(actor, self._label(label), options.contact, wanted, None, target, told)

    def holders(
        self, actor: Actor, application: str, role: str, options: Options, *, text: str = ""
    ) -> Export:
        """Who holds a role, in the mandates that cover its application.

        Raises:
            NotFound: the role is unknown, or its application not the actor's.
        """
        application_id, role_id = self._resolver.role(actor, application, role)
        within = Within.reach(actor, application_id)
        wanted = Wanted(within, words_of(text), actor=actor)
        label = (
            select(APPLICATION.c.label + " " + ROLE.c.label)
            .join(ROLE, ROLE.c.application_id == APPLICATION.c.id)
            .where(ROLE.c.id == role_id)
        )
        told = {"of": "role", "text": text, **asdict(options)}
        target = f"role:{application}:{role}"
        return Export(actor, self._label(label), options.contact, wanted, role_id, target, told)

    def send(
        self,
        export: Export,
        *,
        begin: bytes,
        encode: Callable[[Lines], bytes],
        end: Callable[[], bytes],
        broken: Callable[[], bytes],
    ) -> Sending[ExportLine]:
        """The bytes of the file. The first lines are read, and the journal told, before it returns.

        ``begin``, ``encode``, ``end`` make them; ``broken`` ends a file whose lines are not all
        there.

        Raises:
            Busy: too many exports are being sent, to him or in all.
            sqlalchemy.exc.SQLAlchemyError: the database does not answer.
        """
        return Sending.begun(
            self._core,
            read_ahead(self.batches(export)),
            Told(export.actor, export.target, export.told),
            begin=begin,
            encode=encode,
            end=end,
            broken=broken,
        )

    def _label(self, statement: Any) -> str:  # noqa: ANN401 - a select of one text
        return str(self._core.db.rows(statement, {})[0][0])

    def batches(self, export: Export) -> Iterator[Lines]:
        """The first without patience: somebody waits for a page."""
        now = self._core.clock.now()
        granted = GRANT_COLUMNS if export.role_id is not None else ()
        columns = (*_COLUMNS, *(_CONTACT if export.contact else ()), *granted)
        of_all = _ORDER.sort(lines(export.wanted, columns, export.role_id)).limit(BATCH)
        rows = self._core.db.rows_planned(of_all, {"now": now})
        while rows:
            yield self._made(export, rows, now)
            if len(rows) < BATCH:
                return
            key = tuple(rows[-1][: len(_ORDER.key)])
            behind = of_all.where(_ORDER.behind(key))
            rows = patiently(partial(self._core.db.rows_planned, behind, {"now": now}))

    def _made(self, export: Export, rows: Sequence[Row[Any]], now: datetime) -> Lines:
        """Lines of rows, a column at a time: half a million come by here.

        Of what ``directory.fields_off`` switches off nothing leaves.
        """
        every = list(zip(*rows, strict=True))
        columns = _columns(every[_KEYS:_FIXED], now)
        _hide(columns, export.actor, every[_ACCOUNT], every[_CONFIRMED])
        beyond = iter(every[_FIXED:])
        columns += [next(beyond), next(beyond)] if export.contact else [repeat(None), repeat(None)]
        if export.role_id is not None:
            since, until, by, at = beyond
            people = patiently(partial(known, self._core.db.rows, set(by), now))
            columns += [at, [doer(export.actor, one, people) for one in by], since, until]
        else:
            columns += [repeat(None)] * 4
        for field in self._core.settings.fields_off:
            nothing = False if field == "teleworking" else None
            columns[ExportLine._fields.index(field)] = repeat(nothing)
        return list(map(ExportLine._make, zip(*columns)))  # noqa: B905 - some repeat for ever


_KEYS = len(_ORDER.key)
_FIXED = len(_COLUMNS)
_ACCOUNT = [column is ACCOUNT.c.id for column in _ORDER.key].index(True)
_CONFIRMED = [column.key for column in _COLUMNS].index("confirmed_at")
_INSTEAD = {"account_state": UNCONFIRMED, "activity": "", "valid_from": None, "valid_until": None}
"""What stands instead where the account's state may not be seen."""


class _AccountFacts(NamedTuple):
    """What :func:`directory.states.account_state` asks."""

    locked: bool
    deleted_at: datetime | None
    valid_from: datetime
    valid_until: datetime | None


class _Facts(NamedTuple):
    """What :func:`directory.states.membership_state` asks besides dates."""

    confirmed_at: datetime | None
    suspended: bool


def _columns(every: Sequence[Sequence[Any]], now: datetime) -> list[Iterable[Any]]:
    """What a line begins with, of the fixed columns that were read."""
    sn, given_name, mail, *account, signed_in = every[:8]
    service, function, identifier, teleworking, suspended, confirmed_at = every[8:14]
    since, until, label, label_path, closed_at = every[14:]
    confirmed = [each is not None for each in confirmed_at]
    return [
        sn,
        given_name,
        mail,
        label,
        label_path,
        service,
        function,
        identifier,
        teleworking,
        map(account_state, map(_AccountFacts, *account), repeat(now)),
        map(_membership_state, confirmed, suspended, since, until, closed_at, repeat(now)),
        map(activity, signed_in, repeat(now)),
        *account[2:],
    ]


def _hide(
    columns: list[Iterable[Any]],
    actor: Actor,
    account_ids: Sequence[int],
    confirmed_at: Sequence[datetime | None],
) -> None:
    """Take what tells of the account from the lines whose reader may not see its state.

    The decider is asked of those that wait for a confirmation: few, or none. The others lie in the
    actor's subtrees, which shows it.
    """
    hidden = {
        line
        for line, confirmed in enumerate(confirmed_at)
        if confirmed is None and not sees_state(actor, account_ids[line])
    }
    for field, instead in _INSTEAD.items() if hidden else ():
        at = ExportLine._fields.index(field)
        columns[at] = [
            instead if line in hidden else value for line, value in enumerate(columns[at])
        ]


@lru_cache(4096)
def _membership_state(
    confirmed: bool,  # noqa: FBT001
    suspended: bool,  # noqa: FBT001
    valid_from: datetime | None,
    valid_until: datetime | None,
    closed_at: datetime | None,
    now: datetime,
) -> str:
    """The state, reckoned once for all memberships alike: most are."""
    facts = _Facts(now if confirmed else None, suspended)
    return membership_state(facts, valid_from, valid_until, closed_at, now)
