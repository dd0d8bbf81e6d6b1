"""One sign-on, from a decoded message to the Response, without HTTP. [SAMLProf] 4.1.

It reads first, signs with no transaction open, then does one short write; the Response leaves only
after the commit, so whatever an SP was told about a person is in the journal.

A session that ends meanwhile is noticed by that write. A role that is withdrawn in those
milliseconds is not: the assertion says what was true when it was read, and the next one says no.
"""

from secrets import token_hex
from typing import TypeVar

from idp.db import Database
from idp.errors import (
    AuthnFailed,
    NoPassive,
    RequestDenied,
    RequestUnsupported,
    SessionEnded,
    StatusError,
    UnknownEndpoint,
    UnknownServiceProvider,
)
from idp.identity import released_identity
from idp.interfaces import (
    IAuditLog,
    IAuthnRequests,
    IClock,
    IDirectory,
    IKeyRing,
    INameIDs,
    IServiceProviders,
    ISsoSessions,
)
from idp.log import logger
from idp.messages import AcceptedRequest
from idp.metrics import refusals, sign_ons
from idp.outcomes import ChoiceNeeded, HandOver, Outcome, Refused, SignInNeeded
from idp.saml import authn_request, xml
from idp.saml.assertion import ResponseDraft, build_response, build_status_response
from idp.saml.authn_context import declared_class
from idp.saml.bindings import USUAL_RELAY_STATE, Message, check_relay_state, encode_post
from idp.saml.enveloped import signer_towards
from idp.saml.name_id import check_readable, check_subject, choose_format
from idp.types import (
    AuthnContext,
    Entitlement,
    NotEntitled,
    Refusals,
    ServiceProvider,
    SpSession,
    SsoSession,
    Structures,
)


class SignOn:
    """The use case; every collaborator is one of :mod:`idp.interfaces`."""

    def __init__(  # noqa: PLR0913 - the sign-on is where everything meets
        self,
        *,
        issuer: str,
        destination: str,
        scope: str,
        db: Database,
        clock: IClock,
        directory: IDirectory,
        service_providers: IServiceProviders,
        signer: IKeyRing,
        sessions: ISsoSessions,
        authn_requests: IAuthnRequests,
        name_ids: INameIDs,
        audit: IAuditLog,
    ) -> None:
        self._issuer = issuer
        self._destination = destination
        self._scope = scope
        self._db = db
        self._clock = clock
        self._directory = directory
        self._service_providers = service_providers
        self._signer = signer
        self._sessions = sessions
        self._authn_requests = authn_requests
        self._name_ids = name_ids
        self._audit = audit

    def receive(self, message: Message) -> AcceptedRequest:
        """Parse and accept an AuthnRequest; whether it was used before is asked when it is stored.

        Raises:
            ProtocolError: it cannot be believed or understood.
        """
        root = xml.parse(message.xml)
        request = authn_request.parse(root)
        accepted = authn_request.accept(
            request,
            root,
            message,
            self._service_providers.get(request.issuer),
            destination=self._destination,
            now=self._clock.now(),
        )
        if accepted.relay_state and len(accepted.relay_state.encode()) > USUAL_RELAY_STATE:
            logger.warning("long-relay-state", entity_id=accepted.entity_id)
        return accepted

    def start(self, entity_id: str, relay_state: str | None) -> AcceptedRequest:
        """An IdP-initiated sign-on, to the SP's default endpoint. [SAMLProf] 4.1.5.

        Raises:
            UnknownServiceProvider: none of this entityID, or disabled.
            RequestRefused: the RelayState is too long.
        """
        service_provider = self._service_providers.get(entity_id)
        return AcceptedRequest(
            entity_id=entity_id,
            acs=authn_request.find_acs(service_provider).location,
            received_at=self._clock.now(),
            relay_state=check_relay_state(relay_state, service_provider.exceptions),
        )

    def check(self, accepted: AcceptedRequest) -> None:
        """See whether the request can be answered at all, before anybody is asked to sign in.

        Raises:
            StatusError: it cannot; the SP is to be told (:meth:`decline`).
        """
        if accepted.unsupported is not None:
            raise RequestUnsupported(accepted.unsupported, message=accepted.unsupported)
        check_readable(accepted.subject)
        choose_format(accepted, self._service_providers.get(accepted.entity_id))
        declared_class(AuthnContext.PASSWORD_PROTECTED_TRANSPORT, accepted.requested_authn_context)

    def signed_in(self, session: SsoSession, accepted: AcceptedRequest, flow: str) -> None:
        """The person gave the password, just now and on the way of this pending sign-on."""
        if accepted.force_authn:
            self._authn_requests.meet(flow, session)

    def answer(
        self, session: SsoSession | None, accepted: AcceptedRequest, flow: str | None = None
    ) -> Outcome:
        """Answer for the person of this browser session; ``flow`` is the pending sign-on's id.

        Raises:
            StatusError: the SP is to be told why not (:meth:`decline`).
            ReplayedMessage, UnknownFlow: it was answered meanwhile.
            UnknownServiceProvider, UnknownEndpoint: the SP is gone, or its address, since it asked.
        """
        service_provider = self.still_registered(accepted)
        if session is None or must_authenticate(session, accepted):
            return _passive_or(accepted, NoPassive("nobody is signed in"), SignInNeeded())
        found = self._directory.entitlements(session.subject_id, accepted.entity_id)
        if isinstance(found, NotEntitled):
            return self._not_entitled(session, accepted, found, flow)
        if session.outdated(found[0].password_changed_at):
            return _passive_or(accepted, NoPassive("the password was changed"), SignInNeeded())
        entitlements = chosen(found, session, service_provider)
        if not entitlements:
            choice = ChoiceNeeded(found)
            return _passive_or(accepted, NoPassive("the structure must be asked"), choice)
        try:
            return self._hand_over(session, accepted, flow, service_provider, entitlements)
        except SessionEnded:
            return _passive_or(accepted, NoPassive("the session just ended"), SignInNeeded())

    def decline(
        self,
        accepted: AcceptedRequest,
        error: StatusError,
        session: SsoSession | None = None,
        flow: str | None = None,
    ) -> HandOver:
        """Tell the SP that the answer is no; journalled when somebody is signed in.

        Raises:
            ReplayedMessage, UnknownFlow: it was answered meanwhile.
            UnknownServiceProvider, UnknownEndpoint: the SP is gone, or its address, since it asked.
        """
        told = self._status(accepted, error)
        self._decline(accepted, error, session, flow)
        return told

    def back_out(
        self, accepted: AcceptedRequest, session: SsoSession | None, flow: str
    ) -> HandOver | None:
        """The person gives up; None when nothing leaves, because the SP does not want to know.

        Raises:
            UnknownFlow: it was answered meanwhile.
        """
        error = AuthnFailed("backed out")
        told = self._status(accepted, error) if self.tells(accepted) else None
        self._decline(accepted, error, session, flow)
        return told

    def still_registered(self, accepted: AcceptedRequest) -> ServiceProvider:
        """The SP as it is now: a sign-on may have waited an hour while its metadata changed.

        Raises:
            UnknownServiceProvider, UnknownEndpoint: the SP is gone, or its address, since it asked.
        """
        service_provider = self._service_providers.get(accepted.entity_id)
        authn_request.find_acs(service_provider, url=accepted.acs)
        return service_provider

    def tells(self, accepted: AcceptedRequest) -> bool:
        """Whether the SP learns that the person backed out or may not enter.

        It asked, its registration wants it, and its address is still registered.
        """
        if accepted.message_id is None:
            return False
        try:
            return self.still_registered(accepted).refusals is Refusals.STATUS
        except (UnknownServiceProvider, UnknownEndpoint):
            return False

    def _status(self, accepted: AcceptedRequest, error: StatusError) -> HandOver:
        service_provider = self.still_registered(accepted)
        response = build_status_response(
            accepted,
            error,
            issuer=self._issuer,
            response_id=_new_id(),
            now=self._clock.now(),
            signer=signer_towards(service_provider, self._signer),
        )
        return _posted(service_provider, accepted, response)

    def _decline(
        self,
        accepted: AcceptedRequest,
        error: StatusError,
        session: SsoSession | None,
        flow: str | None,
    ) -> None:
        with self._db.writing():
            self._settle(accepted, flow)
            if session is not None:
                self._audit.record(
                    "sign-on.declined",
                    subject_id=session.subject_id,
                    entity_id=accepted.entity_id,
                    parameters={"status": error.code},
                )
        refusals.labels(cause=error.code).inc()
        logger.info("sign-on.declined", entity_id=accepted.entity_id, cause=error.cause)

    def _not_entitled(
        self,
        session: SsoSession,
        accepted: AcceptedRequest,
        not_entitled: NotEntitled,
        flow: str | None,
    ) -> SignInNeeded | Refused:
        subject = self._directory.find_subject(session.subject_id)
        if subject is None or session.outdated(subject.password_changed_at):
            return _passive_or(accepted, NoPassive("the account is unusable"), SignInNeeded())
        denied = RequestDenied("no role there")
        if accepted.is_passive:
            raise denied
        told = self._status(accepted, denied) if self.tells(accepted) else None
        with self._db.writing():
            self._settle(accepted, flow)
            self._audit.record(
                "sign-on.refused", subject_id=session.subject_id, entity_id=accepted.entity_id
            )
        refusals.labels(cause="no-role").inc()
        return Refused(not_entitled, told)

    def _hand_over(
        self,
        session: SsoSession,
        accepted: AcceptedRequest,
        flow: str | None,
        service_provider: ServiceProvider,
        entitlements: tuple[Entitlement, ...],
    ) -> HandOver:
        check_subject(
            accepted,
            entitlements[0],
            self._name_ids,
            issuer=self._issuer,
            opened=lambda: self._sessions.sp_sessions(session),
        )
        now = self._clock.now()
        identity = released_identity(
            accepted, service_provider, entitlements, name_ids=self._name_ids, scope=self._scope
        )
        draft = ResponseDraft(
            issuer=self._issuer,
            response_id=_new_id(),
            assertion_id=_new_id(),
            session_index=_new_id(),
            now=now,
            authn_instant=session.authn_instant,
            authn_context=declared_class(session.authn_context, accepted.requested_authn_context),
            session_not_on_or_after=session.expires_at,
            identity=identity,
        )
        signer = signer_towards(service_provider, self._signer)
        response = build_response(accepted, service_provider, draft, signer)
        opened = SpSession(
            entity_id=accepted.entity_id,
            name_id=identity.name_id,
            session_index=draft.session_index,
            started_at=now,
            expires_at=session.expires_at,
            kid=signer.kid,
        )
        with self._db.writing():
            self._settle(accepted, flow)
            # Touched first: recording shares the session's row, and of two tabs that share it
            # neither could change it.
            self._sessions.touch(session)
            self._sessions.record(session, opened)
            self._audit.record(
                "sign-on.success",
                subject_id=session.subject_id,
                entity_id=accepted.entity_id,
                parameters=_journalled(draft, entitlements),
            )
        sign_ons.labels(entity_id=accepted.entity_id).inc()
        return _posted(service_provider, accepted, response)

    def _settle(self, accepted: AcceptedRequest, flow: str | None) -> None:
        if flow is not None:
            self._authn_requests.answer(flow)
        elif accepted.message_id is not None:
            self._authn_requests.answer_at_once(accepted)


def must_authenticate(session: SsoSession, accepted: AcceptedRequest) -> bool:
    """ForceAuthn: a real challenge is wanted that this session has not met. [SAMLCore] 3.4.1.

    The sign-in on the way of this very sign-on meets it: no clock is asked, since the nodes that
    received the request and checked the password may have different ones.
    """
    return accepted.force_authn and session.key != accepted.met_by


Page = TypeVar("Page", SignInNeeded, ChoiceNeeded)


def _passive_or(accepted: AcceptedRequest, error: StatusError, outcome: Page) -> Page:
    """IsPassive: never a page. [SAMLCore] 3.4.1."""
    if accepted.is_passive:
        raise error
    return outcome


def chosen(
    entitlements: tuple[Entitlement, ...], session: SsoSession, service_provider: ServiceProvider
) -> tuple[Entitlement, ...]:
    """The entitlements to release; empty when the person must be asked."""
    if service_provider.structures is not Structures.ASK or len(entitlements) == 1:
        return entitlements
    choice = session.choices.get(service_provider.entity_id)
    return tuple(one for one in entitlements if one.membership_id == choice)


def _journalled(draft: ResponseDraft, entitlements: tuple[Entitlement, ...]) -> dict[str, object]:
    return {
        "session_index": draft.session_index,
        "name_id_format": draft.identity.name_id.format,
        "roles": [
            f"{role.value}@{entitlement.structure_code}"
            for entitlement in entitlements
            for role in entitlement.roles
        ],
    }


def _posted(
    service_provider: ServiceProvider, accepted: AcceptedRequest, response: str
) -> HandOver:
    return HandOver(
        service_provider.display_name, accepted.acs, encode_post(response), accepted.relay_state
    )


def _new_id() -> str:
    return f"_{token_hex(16)}"
