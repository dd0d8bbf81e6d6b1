"""One sign-out, from who asks for it to what each SP said, without HTTP. [SAMLProf] 4.4.

The IdP's session ends first, in one transaction with what is still to be told. Then the SPs are
told: those with a back channel at once and in parallel, the others by the browser, in turn. What
the browser leaves undone, the worker goes on with.
"""

from collections.abc import Collection
from secrets import token_hex

from idp.errors import RequestRefused, UnknownEndpoint, UnknownFlow, UnknownServiceProvider
from idp.interfaces import IClock, IDecrypter, IServiceProviders
from idp.log import logger
from idp.messages import AcceptedLogout, Logout, LogoutTask, TaskState
from idp.saml import logout as messages
from idp.saml import xml
from idp.saml.bindings import Message, encode_soap
from idp.saml.enveloped import signed
from idp.saml.names import PARTIAL_LOGOUT, REQUESTER, SUCCESS, UNKNOWN_PRINCIPAL
from idp.sessions.logouts import Logouts
from idp.sessions.tasks import Tasks
from idp.telling import Outgoing, Teller
from idp.types import Binding, Endpoint, SsoSession


class SignOut:
    """The use case; the stores and the teller do the work."""

    def __init__(  # noqa: PLR0913 - the sign-out is where everything meets again
        self,
        *,
        issuer: str,
        destination: str,
        soap_destination: str,
        clock: IClock,
        service_providers: IServiceProviders,
        decrypter: IDecrypter,
        logouts: Logouts,
        tasks: Tasks,
        teller: Teller,
    ) -> None:
        self._issuer = issuer
        self._destination = destination
        self._soap_destination = soap_destination
        self._clock = clock
        self._service_providers = service_providers
        self._decrypter = decrypter
        self._logouts = logouts
        self._tasks = tasks
        self._teller = teller

    def start(self, session: SsoSession) -> str:
        """End this browser session and tell the SPs with a back channel; returns the flow."""
        flow = self._logouts.begin(session)
        self._teller.tell(self._logouts.find(flow).tasks, browser=True)
        return flow

    def receive(self, message: Message) -> AcceptedLogout:
        """Parse and accept a LogoutRequest.

        Raises:
            ProtocolError: it cannot be believed or understood.
        """
        root = xml.parse(message.xml)
        request = messages.parse_request(root)
        soap = message.binding is Binding.SOAP
        return messages.accept_request(
            request,
            root,
            message,
            self._service_providers.get(request.issuer),
            destination=self._soap_destination if soap else self._destination,
            now=self._clock.now(),
            decrypter=self._decrypter,
        )

    def obey(self, accepted: AcceptedLogout, own: str | None = None) -> str:
        """End the sessions that this SP means and tell the other SPs; returns the flow.

        ``own`` is the key of the session of the browser that brings the message, when it shows one.
        An SP that asks by the back channel has no browser that could tell others.

        Raises:
            ReplayedMessage: this SP already used this message ID.
        """
        flow, ended = self._logouts.obey(accepted, own)
        logger.info("logout.asked", entity_id=accepted.entity_id, sessions=ended)
        browser = accepted.binding is not Binding.SOAP
        self._teller.tell(self._logouts.find(flow).tasks, browser=browser)
        return flow

    def obey_directly(self, accepted: AcceptedLogout) -> bytes:
        """The same for an SP that asks by the back channel; returns the SOAP envelope for it.

        Raises:
            ReplayedMessage: this SP already used this message ID.
        """
        logout = self._logouts.find(self.obey(accepted))
        response_id, response = self._response(logout, accepted, None)
        answer = signed(response, response_id, self._teller.signer(accepted.entity_id))
        self._logouts.answer(logout)
        return encode_soap(answer)

    def find(self, flow: str) -> Logout:
        """How far the sign-out is.

        Raises:
            UnknownFlow: lost, expired or answered.
        """
        return self._logouts.find(flow)

    def next(self, logout: Logout) -> tuple[LogoutTask, str] | None:
        """The next SP that the browser is to tell, and where; None when there is none left."""
        lost = _lost(logout)
        for task in logout.tasks:
            if task.state is TaskState.WAITING and task.entity_id not in lost:
                address = self._teller.front_address(task)
                if address is not None:
                    return task, address
        return None

    def ask(self, logout: Logout) -> Outgoing | None:
        """The LogoutRequest that the browser carries to the next SP; None when nobody is left."""
        found = self.next(logout)
        return None if found is None else self._teller.request(found[0])

    def can_tell(self, entity_id: str) -> bool:
        """Whether this SP takes a logout at all."""
        try:
            service_provider = self._service_providers.get(entity_id)
        except UnknownServiceProvider:
            return False
        bindings = (Binding.SOAP, *messages.FRONT_CHANNEL)
        return messages.find_endpoint(service_provider, bindings) is not None

    def may_ask_again(self, task: LogoutTask) -> bool:
        """Whether the browser may tell an SP once more that did not confirm."""
        unconfirmed = task.state in {TaskState.TOLD, TaskState.FAILED}
        return unconfirmed and self._teller.front_address(task) is not None

    def ask_again(self, logout: Logout, task_id: int) -> Outgoing | None:
        """Another LogoutRequest for an SP that did not confirm; None when there is none to tell."""
        for task in logout.tasks:
            if task.id == task_id and self.may_ask_again(task):
                return self._teller.request(task)
        return None

    def skip(self, logout: Logout, task_id: int) -> None:
        """The browser does not reach this SP: go on without it, whatever else waits for it.

        Raises:
            UnknownFlow: this sign-out does not wait for such a task.
        """
        waiting = [task for task in logout.tasks if task.state is TaskState.WAITING]
        skipped = {task.entity_id for task in waiting if task.id == task_id}
        if not skipped:
            raise UnknownFlow(f"no task {task_id} waits in this sign-out")
        self._leave(logout, skipped, "the browser did not reach it")

    def leave_lost(self, logout: Logout) -> None:
        """The browser is back without the answer of an SP: what else waits for that one is left."""
        self._leave(logout, _lost(logout), "the browser did not come back from it")

    def _leave(self, logout: Logout, entity_ids: Collection[str], cause: str) -> None:
        for task in logout.tasks:
            waits = task.state is TaskState.WAITING and task.entity_id in entity_ids
            if waits and self._teller.front_address(task):
                self._teller.fail(task, cause, retry=False)

    def receive_answer(self, message: Message) -> None:
        """What an SP says, by the browser, about a LogoutRequest of ours.

        Raises:
            ProtocolError: it cannot be believed, or nobody asked.
        """
        root = xml.parse(message.xml)
        response = messages.parse_response(root)
        task = self._tasks.find(response.in_response_to)
        if task is None or task.entity_id != response.issuer:
            raise RequestRefused(f"nobody waits for an answer to {response.in_response_to}")
        messages.check_response(
            response,
            root,
            message,
            self._service_providers.get(response.issuer),
            destination=self._destination,
            now=self._clock.now(),
        )
        self._teller.settle(task, response)

    def answer(self, logout: Logout) -> Outgoing | None:
        """The LogoutResponse for the SP that asked, once; None when nobody did.

        Raises:
            UnknownFlow: it was answered meanwhile.
            UnknownServiceProvider, UnknownEndpoint: the SP, or its address, is gone.
        """
        accepted = logout.initiator
        if accepted is None:
            return None
        endpoint = self._answers_at(accepted)
        response_id, response = self._response(logout, accepted, endpoint.location)
        outgoing = self._teller.outgoing(
            endpoint,
            "SAMLResponse",
            response,
            response_id,
            entity_id=accepted.entity_id,
            relay_state=accepted.relay_state,
        )
        # Last: what cannot be answered stays, with what its last page tells.
        self._logouts.answer(logout)
        return outgoing

    def is_under_way(self, logout: Logout) -> bool:
        """Whether the browser is still to tell an SP, or to bring the one that asked its answer."""
        return self.next(logout) is not None or self._can_answer(logout)

    def _can_answer(self, logout: Logout) -> bool:
        if logout.initiator is None:
            return False
        try:
            self._answers_at(logout.initiator)
        except (UnknownServiceProvider, UnknownEndpoint):
            return False
        return True

    def _answers_at(self, accepted: AcceptedLogout) -> Endpoint:
        """Where the SP that asked takes our answer, by the registry of now."""
        service_provider = self._service_providers.get(accepted.entity_id)
        return messages.response_endpoint(service_provider)

    def _response(
        self, logout: Logout, accepted: AcceptedLogout, destination: str | None
    ) -> tuple[str, str]:
        response_id = f"_{token_hex(16)}"
        status, sub_status = _status(logout)
        text = messages.logout_response(
            idp=self._issuer,
            response_id=response_id,
            now=self._clock.now(),
            destination=destination,
            in_response_to=accepted.message_id,
            status=status,
            sub_status=sub_status,
        )
        return response_id, text


def _lost(logout: Logout) -> set[str]:
    """The SPs that were told and did not answer."""
    return {task.entity_id for task in logout.tasks if task.state is TaskState.TOLD}


def _status(logout: Logout) -> tuple[str, str | None]:
    """What the SP that asked is told. [SAMLCore] 3.7.3.2, [SAMLProf] 4.4.3.4."""
    if not logout.known:
        return REQUESTER, UNKNOWN_PRINCIPAL
    whole = all(task.state is TaskState.CLOSED for task in logout.tasks)
    return SUCCESS, None if whole else PARTIAL_LOGOUT
