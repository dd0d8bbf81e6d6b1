"""Signing in with a password: the use case behind the page ``/connexion``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from idp.audit import AuditLog
from idp.context import acting, origin
from idp.db import Database
from idp.errors import AuthenticationFailed, Busy, PasswordOutgrown
from idp.interfaces import IDirectory, ISsoSessions
from idp.log import logger
from idp.metrics import sign_ins
from idp.passwords import place
from idp.throttle import Throttle, device_token, known_device
from idp.types import AuthnContext, SsoSession, Subject


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A successful sign-in: ``token`` for the session's cookie, ``device_token`` for the device's.

    The device's cookie is long-lived and says only that this browser signed in with this login.
    """

    token: str
    session: SsoSession
    device_token: str
    subject: Subject


class SignIn:
    """Take a place, throttle, check the password, open a session, journal.

    Without a place (:mod:`idp.passwords`) nothing is read, counted or journalled. With one, three
    short transactions with the slow check between them, which holds none:

    1. the attempt is counted as a failure;
    2. (the directory reads the account and checks the password;)
    3. success: the failure is taken back, the session starts, ``sign-in.success`` is journalled;
       failure: its time is noted and ``sign-in.failure`` is journalled if the login is somebody's.
       That INSERT carries its own condition, so the statements, and the commit of a changed row,
       are the same for a login that nobody has, and strangers cannot fill the journal.
    """

    def __init__(
        self,
        db: Database,
        directory: IDirectory,
        sessions: ISsoSessions,
        throttle: Throttle,
        audit: AuditLog,
        *,
        secret: bytes,
    ) -> None:
        self._db = db
        self._directory = directory
        self._sessions = sessions
        self._throttle = throttle
        self._audit = audit
        self._secret = secret

    def sign_in(
        self,
        login: str,
        password: str,
        *,
        address: str,
        user_agent: str,
        device: str | None,
        current: SsoSession | None = None,
    ) -> SignedIn:
        """Open a session for the person of this login.

        ``device`` is the value of the device's cookie, None without one; ``current`` the session
        that this browser had until now. Must not be called inside a unit of work.

        Raises:
            Busy: too many people sign in at this moment; the login was not looked at.
            Throttled: too many failures; the password was not looked at.
            BadCredentials: unknown login, no password set, or a wrong one.
            AccountUnusable: the password is right, the account may not be used.
            PasswordOutgrown: the password is right, and a longer one must be chosen first.
        """
        known = known_device(self._secret, login, device)
        with _place(), acting(replace(origin(), address=address)):
            try:
                self._throttle.attempt(login, address, known)
            except AuthenticationFailed as error:
                self._count(error)
                raise
            try:
                subject = self._directory.authenticate(login, password)
                with acting(replace(origin(), actor=subject.id)), self._db.writing():
                    self._directory.note_sign_in(subject)
                    self._throttle.succeeded(login, address, known)
                    token, session = self._start(subject, user_agent, current)
            except AuthenticationFailed as error:
                self._fail(login, address, known, error)
                raise
            except PasswordOutgrown as error:
                self._outgrown(login, address, known, error)
                raise
        sign_ins.labels(outcome="success").inc()
        logger.info("sign-in.success", subject_id=subject.id)
        trusted = device if known and device else device_token(self._secret, login)
        return SignedIn(token, session, trusted, subject)

    def _start(
        self, subject: Subject, user_agent: str, current: SsoSession | None
    ) -> tuple[str, SsoSession]:
        token, session = self._sessions.start(
            subject, AuthnContext.PASSWORD_PROTECTED_TRANSPORT, user_agent=user_agent
        )
        if current is not None:
            self._sessions.replace(current, session)
        self._audit.record("sign-in.success", subject_id=subject.id)
        return token, session

    def _fail(
        self, login: str, address: str, known: str | None, error: AuthenticationFailed
    ) -> None:
        with self._db.writing():
            self._throttle.failed(login, address, known)
            self._audit.record_if_known(
                "sign-in.failure", subject_id=error.subject_id, parameters={"reason": error.code}
            )
        self._count(error)

    def _outgrown(
        self, login: str, address: str, known: str | None, error: PasswordOutgrown
    ) -> None:
        """Nobody failed: he knows the password, and has to choose a longer one first."""
        with self._db.writing():
            self._throttle.succeeded(login, address, known)
            self._audit.record("sign-in.password-outgrown", subject_id=error.subject_id)
        sign_ins.labels(outcome=error.code).inc()
        logger.info("sign-in.password-outgrown", subject_id=error.subject_id)

    def _count(self, error: AuthenticationFailed) -> None:
        # The login is not logged: people type their password into that field.
        sign_ins.labels(outcome=error.code).inc()
        logger.warning("sign-in.failure", reason=error.code, cause=error.cause)


@contextmanager
def _place() -> Iterator[None]:
    """A place in the queue of this process; that there is none is counted and logged."""
    try:
        with place():
            yield
    except Busy as error:
        sign_ins.labels(outcome=error.code).inc()
        logger.warning("sign-in.busy", cause=error.cause)
        raise
