"""Tells SPs that sessions are over: directly (SOAP), or by a message that the browser carries.

[SAMLProf] 4.4.3. Each SP has a lane of its own, in which its tasks follow one another; when one of
them finds no answer the rest is not even tried, so that a dead SP holds nobody but itself. What
happened is settled on the task, counted and journalled.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from secrets import token_hex
from time import monotonic

from idp.db import Database
from idp.errors import (
    BackChannelFailed,
    ConfigurationError,
    ConvergencesError,
    UnknownServiceProvider,
)
from idp.interfaces import IAuditLog, IBackChannel, IClock, IKeyRing, IServiceProviders, ISigner
from idp.log import logger
from idp.messages import LogoutResponse, LogoutTask, TaskState
from idp.metrics import logouts
from idp.saml import logout as messages
from idp.saml import xml
from idp.saml.bindings import decode_soap, encode_post, encode_redirect, encode_soap
from idp.saml.enveloped import signed, signer_towards
from idp.saml.logout import FRONT_CHANNEL
from idp.saml.names import ADMIN_LOGOUT, USER_LOGOUT
from idp.sessions.tasks import Tasks
from idp.types import Binding, Endpoint, ServiceProvider

LIMIT = 6.0
"""Seconds until SPs told in parallel are no longer waited for; one answer may take 5."""
MOST_AT_ONCE = 16
"""How many SPs are asked in parallel."""
BATCH = 100
BACK_CHANNEL = timedelta(minutes=1)
"""After this an SP that was told directly is told again: this process did not live to settle it."""
BROWSER = timedelta(minutes=15)
"""How long an SP may keep the browser: it may ask the person, and be slow."""


Lane = deque[LogoutTask]
"""The tasks of one SP, as long as nothing was settled about them."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that the browser carries to ``location``.

    ``value`` None: by GET, the message is in the URL; otherwise posted as the field ``parameter``.
    """

    location: str
    parameter: str
    value: str | None = None
    relay_state: str | None = None


class Teller:
    """Writes the messages of a sign-out and settles what SPs say to them."""

    def __init__(  # noqa: PLR0913 - the collaborators
        self,
        *,
        issuer: str,
        db: Database,
        clock: IClock,
        service_providers: IServiceProviders,
        signer: IKeyRing,
        back_channel: IBackChannel,
        tasks: Tasks,
        audit: IAuditLog,
    ) -> None:
        self._issuer = issuer
        self._db = db
        self._clock = clock
        self._service_providers = service_providers
        self._signer = signer
        self._back_channel = back_channel
        self._tasks = tasks
        self._audit = audit

    def tell(self, tasks: Sequence[LogoutTask], *, browser: bool) -> None:
        """Tell the SPs that have a back channel, in parallel, and wait a few seconds for them.

        Those that nobody can tell are left open; ``browser``: one is there and will tell others.
        What took too long, the browser tells if it can, else the worker, at once.
        """
        lanes = self._lanes(tasks, browser=browser)
        _run(self._tell_lane, lanes, timeout=LIMIT)
        left = [task for lane in lanes for task in tuple(lane)]
        carried = [task for task in left if browser and self.front_address(task)]
        now = self._clock.now()
        self._hand_over(carried, due=now + BROWSER)
        self._hand_over([task for task in left if task not in carried], due=now)

    def tell_due(self) -> int:
        """The worker's: tell what is due, and settle what cannot be told; returns how many."""
        due = self._tasks.due(BATCH)
        # Without a limit: each exchange has its own, and after one in vain its lane ends.
        _run(self._tell_lane, self._lanes(due, browser=False), timeout=None)
        return len(due)

    def front_address(self, task: LogoutTask) -> str | None:
        """Where the browser would tell this SP; None when it cannot."""
        endpoint = self._endpoint(task, FRONT_CHANNEL) if task.in_browser else None
        return None if endpoint is None else endpoint.location

    def request(self, task: LogoutTask) -> Outgoing | None:
        """The LogoutRequest for the browser to carry.

        None when somebody else tells this SP, or nothing can be signed for it.
        """
        endpoint, request_id = self._endpoint(task, FRONT_CHANNEL), _new_id()
        if endpoint is None:
            return None
        try:
            outgoing = self.outgoing(
                endpoint,
                "SAMLRequest",
                self._logout_request(task, request_id, endpoint.location),
                request_id,
                entity_id=task.entity_id,
                relay_state=None,
            )
        except ConfigurationError as error:
            self.fail(task, error.cause, retry=False)
            return None
        return outgoing if self._tasks.told(task, request_id, within=BROWSER) else None

    def outgoing(
        self,
        endpoint: Endpoint,
        parameter: str,
        message: str,
        message_id: str,
        *,
        entity_id: str,
        relay_state: str | None,
    ) -> Outgoing:
        """The message, signed for this SP, ready for the browser by the endpoint's binding."""
        signer = self.signer(entity_id)
        if endpoint.binding == Binding.REDIRECT:
            url = encode_redirect(endpoint.location, parameter, message, relay_state, signer)
            return Outgoing(url, parameter)
        value = encode_post(signed(message, message_id, signer))
        return Outgoing(endpoint.location, parameter, value, relay_state)

    def settle(self, task: LogoutTask, response: LogoutResponse) -> None:
        """The SP answered."""
        if messages.succeeded(response):
            self._settle(task, TaskState.CLOSED, partial(self._tasks.close, task))
            return
        self.fail(task, f"status {response.status} {response.sub_status or ''}", retry=False)

    def fail(self, task: LogoutTask, cause: str, *, retry: bool) -> bool:
        """The SP did not end its session; returns False when the task was somebody else's."""
        logger.warning("logout.failed", entity_id=task.entity_id, cause=cause)
        fail = partial(self._tasks.fail, task, cause, retry=retry)
        return self._settle(task, TaskState.FAILED, fail)

    def signer(self, entity_id: str) -> ISigner:
        """What signs for this SP, by its exceptions.

        Raises:
            ConfigurationError: its key is not on this node.
        """
        service_provider = self._service_provider(entity_id)
        if service_provider is None:
            return self._signer.towards(entity_id)
        return signer_towards(service_provider, self._signer)

    def _give_up(self, task: LogoutTask) -> None:
        """Nobody tells it now: it was tried in vain, or nobody ever could."""
        if task.attempts:
            self.fail(task, self._why_given_up(task), retry=False)
        else:
            self._settle(task, TaskState.OPEN, partial(self._tasks.leave_open, task))

    def _why_given_up(self, task: LogoutTask) -> str:
        if self._service_provider(task.entity_id) is None:
            return "it is disabled or not registered any more"
        if self.front_address(task) is None:
            return "its metadata have no SingleLogoutService any more by which it could be told"
        return "the browser did not come back from it"

    def _lanes(self, tasks: Sequence[LogoutTask], *, browser: bool) -> list[Lane]:
        lanes: dict[str, Lane] = {}
        for task in tasks:
            if self._endpoint(task, (Binding.SOAP,)) is not None:
                lanes.setdefault(task.entity_id, deque()).append(task)
            elif not (browser and self.front_address(task)):
                self._give_up(task)
        return list(lanes.values())

    def _tell_lane(self, lane: Lane) -> None:
        """Tell one SP, task by task, for as long as it answers and somebody waits."""
        until = monotonic() + LIMIT
        entity_id = lane[0].entity_id
        try:
            while lane and monotonic() < until:
                task = lane[0]
                cause = self._tell_one(task)
                lane.popleft()
                if cause is not None:
                    self._tasks.put_off(task, tuple(lane), cause)
                    lane.clear()
        except Exception:  # noqa: BLE001 - in a thread whose outcome nobody reads
            logger.exception("logout.unexpected", entity_id=entity_id)

    def _tell_one(self, task: LogoutTask) -> str | None:
        """Tell it, or not when somebody else does; returns why the SP is not to be asked more."""
        endpoint, request_id = self._endpoint(task, (Binding.SOAP,)), _new_id()
        if endpoint is None:
            return None
        told: LogoutTask | None = task
        try:
            message = self._logout_request(task, request_id, endpoint.location)
            envelope = encode_soap(signed(message, request_id, self.signer(task.entity_id)))
            told = self._tasks.told(task, request_id, within=BACK_CHANNEL)
            if told is None:
                return None
            answer = self._back_channel.post(endpoint.location, envelope)
            self.settle(told, self._read(answer, told, endpoint.location))
        except Exception as error:  # noqa: BLE001 - whatever it is, the SP was not told
            if not isinstance(error, ConvergencesError):
                logger.exception("logout.unexpected", entity_id=task.entity_id)
            cause = error.cause if isinstance(error, ConvergencesError) else repr(error)
            return cause if self.fail(told or task, cause, retry=True) else None
        return None

    def _hand_over(self, tasks: Collection[LogoutTask], *, due: datetime) -> None:
        if tasks:
            logger.warning("logout.late", entities=sorted({task.entity_id for task in tasks}))
            self._tasks.hand_over(tuple(tasks), due=due)

    def _read(self, answer: bytes, task: LogoutTask, location: str) -> LogoutResponse:
        message = decode_soap(answer)
        root = xml.parse(message.xml)
        response = messages.parse_response(root)
        if response.in_response_to != task.request_id or response.issuer != task.entity_id:
            raise BackChannelFailed("the answer is another SP's, or to another request")
        messages.check_response(
            response,
            root,
            message,
            self._service_providers.get(task.entity_id),
            came_back_from=location,
            now=self._clock.now(),
        )
        return response

    def _logout_request(self, task: LogoutTask, request_id: str, destination: str) -> str:
        return messages.logout_request(
            idp=self._issuer,
            request_id=request_id,
            now=self._clock.now(),
            destination=destination,
            person=task.name_id,
            session_indexes=task.session_indexes,
            reason=USER_LOGOUT if task.by_person else ADMIN_LOGOUT,
        )

    def _endpoint(self, task: LogoutTask, bindings: tuple[Binding, ...]) -> Endpoint | None:
        service_provider = self._service_provider(task.entity_id)
        if service_provider is None:
            return None
        return messages.find_endpoint(service_provider, bindings)

    def _service_provider(self, entity_id: str) -> ServiceProvider | None:
        try:
            return self._service_providers.get(entity_id)
        except UnknownServiceProvider:
            return None  # removed or disabled: nothing is sent to it any more

    def _settle(
        self, task: LogoutTask, outcome: TaskState, change: Callable[[], TaskState | None]
    ) -> bool:
        """Change the task, unless it is settled already, and journal it in the same transaction.

        Of many failures the first and the last are journalled: the log has each.
        """
        with self._db.unit_of_work():
            state = change()
            if state is None:
                return False
            if state is not TaskState.WAITING or task.attempts <= 1:
                self._audit.record(
                    f"logout.{outcome}", subject_id=task.subject_id, entity_id=task.entity_id
                )
        logouts.labels(entity_id=task.entity_id, outcome=outcome.value).inc()
        return True


def _run(tell: Callable[[Lane], None], lanes: Sequence[Lane], *, timeout: float | None) -> None:
    """Each lane in a thread of its own, at most so many, waited for at most so long."""
    if not lanes:
        return
    pool = ThreadPoolExecutor(min(MOST_AT_ONCE, len(lanes)), thread_name_prefix="logout")
    wait([pool.submit(copy_context().run, tell, lane) for lane in lanes], timeout=timeout)
    pool.shutdown(wait=False, cancel_futures=True)


def _new_id() -> str:
    return f"_{token_hex(16)}"
