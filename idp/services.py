"""Builds the services once per process: for the web, the command line and the worker alike.

``Core`` is what every plug-in receives; ``Services`` is what views see as ``request.services``.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from pyramid.path import DottedNameResolver

from idp.audit import AuditLog
from idp.back_channel import BackChannel
from idp.db import Database, DatabaseError
from idp.errors import ConfigurationError
from idp.http_out import HttpOut
from idp.installation import check_secret
from idp.interfaces import (
    IAuditLog,
    IAuthnRequests,
    IClock,
    IDirectory,
    IKeyRing,
    IMailer,
    IMetadata,
    INameIDs,
    IServiceProviders,
    ISsoSessions,
)
from idp.keys import KeyRing
from idp.mail import Mailer
from idp.mail_desk import MailDesk
from idp.preview import Preview
from idp.self_service import SelfService
from idp.sessions.authn_requests import AuthnRequests
from idp.sessions.drafts import Drafts
from idp.sessions.logouts import Logouts
from idp.sessions.name_ids import NameIDs
from idp.sessions.sign_in import SignIn
from idp.sessions.sso import SsoSessions
from idp.sessions.tasks import Tasks
from idp.settings import Settings
from idp.sign_on import SignOn
from idp.sign_out import SignOut
from idp.telling import Teller
from idp.throttle import Throttle


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Core:
    """What a plug-in (``idp.directory``, ``idp.service_providers``) may use."""

    settings: Settings
    db: Database
    clock: IClock
    audit: IAuditLog
    mailer: IMailer
    sessions: ISsoSessions


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a view may ask for."""

    core: Core
    directory: IDirectory
    self_service: SelfService
    service_providers: IServiceProviders
    metadata: IMetadata
    keys: KeyRing
    authn_requests: IAuthnRequests
    drafts: Drafts
    sign_in: SignIn
    name_ids: INameIDs
    sign_on: SignOn
    preview: Preview
    sign_out: SignOut
    teller: Teller
    mails: MailDesk

    @property
    def signer(self) -> IKeyRing:
        """The IdP's keys."""
        return self.keys

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.core.settings

    @property
    def db(self) -> Database:
        """The database and its unit of work."""
        return self.core.db

    @property
    def clock(self) -> IClock:
        """The clock."""
        return self.core.clock

    @property
    def audit(self) -> IAuditLog:
        """The journal."""
        return self.core.audit

    @property
    def sessions(self) -> ISsoSessions:
        """The sign-on sessions."""
        return self.core.sessions


def build(settings: Settings, *, clock: IClock | None = None, hurried: bool = False) -> Services:
    """Build every service; ``hurried`` for a server, see :class:`idp.db.Database`.

    Raises:
        ConfigurationError: a plug-in cannot be imported or built, or the database is used with
            another secret; the cause names the setting.
    """
    clock = clock or SystemClock()
    db = Database(settings.database_url, durable=settings.durable, hurried=hurried)
    try:
        with suppress(DatabaseError):  # not there yet is no reason: /readyz asks again
            check_secret(db, settings.secret)
        return _build(settings, db, clock)
    except Exception:
        db.dispose()
        raise


def _build(settings: Settings, db: Database, clock: IClock) -> Services:
    audit = AuditLog(db, clock)
    mailer = Mailer(db, clock, plugin("idp.mail_texts", settings.mail_texts)(settings))
    sessions = SsoSessions(
        db, clock, audit, idle=settings.session_idle, lifetime=settings.session_lifetime
    )
    core = Core(settings, db, clock, audit, mailer, sessions)
    return assemble(
        core,
        directory=plugin("idp.directory", settings.directory)(core),
        self_service=plugin("idp.self_service", settings.self_service)(core),
        service_providers=plugin("idp.service_providers", settings.service_providers)(core),
    )


def assemble(
    core: Core,
    *,
    directory: IDirectory,
    self_service: SelfService,
    service_providers: IServiceProviders,
) -> Services:
    """Put the plug-ins and the services of this room together."""
    settings, db, clock, audit = core.settings, core.db, core.clock, core.audit
    keys = KeyRing(db, clock, audit, settings.keys)
    authn_requests = AuthnRequests(db, clock)
    throttle = Throttle(db, clock)
    tasks = Tasks(db, clock)
    teller = Teller(
        issuer=settings.entity_id,
        db=db,
        clock=clock,
        service_providers=service_providers,
        signer=keys,
        back_channel=BackChannel(HttpOut(loopback=settings.on_loopback)),
        tasks=tasks,
        audit=audit,
    )
    name_ids = NameIDs(db, clock, settings.entity_id)
    sign_on = SignOn(
        issuer=settings.entity_id,
        destination=settings.url("/saml/sso"),
        scope=settings.scope,
        db=db,
        clock=clock,
        directory=directory,
        service_providers=service_providers,
        signer=keys,
        sessions=core.sessions,
        authn_requests=authn_requests,
        name_ids=name_ids,
        audit=audit,
    )
    return Services(
        core=core,
        directory=directory,
        self_service=self_service,
        service_providers=service_providers,
        metadata=plugin("idp.metadata", settings.metadata)(settings, keys, clock),
        keys=keys,
        authn_requests=authn_requests,
        drafts=Drafts(db, clock, secret=settings.secret),
        sign_in=SignIn(
            db, directory, core.sessions, throttle, AuditLog(db, clock), secret=settings.secret
        ),
        name_ids=name_ids,
        sign_on=sign_on,
        preview=Preview(sign_on, directory, service_providers, name_ids, scope=settings.scope),
        sign_out=SignOut(
            issuer=settings.entity_id,
            destination=settings.url("/saml/slo"),
            soap_destination=settings.url("/saml/slo/soap"),
            clock=clock,
            service_providers=service_providers,
            decrypter=keys,
            logouts=Logouts(db, clock, core.sessions, tasks),
            tasks=tasks,
            teller=teller,
        ),
        teller=teller,
        mails=MailDesk(db, clock, audit),
    )


def import_models(settings: Settings) -> None:
    """Import every module that declares tables (``idp.models``)."""
    for name in settings.models:
        import_module(name)


def plugin(key: str, dotted: str) -> Any:  # noqa: ANN401 - whatever the dotted name says
    """What the setting ``key`` names with a dotted word.

    Raises:
        ConfigurationError: it cannot be imported; the cause names the setting.
    """
    try:
        return DottedNameResolver().resolve(dotted)
    except (ImportError, AttributeError, ValueError) as error:
        kind = key.removeprefix("idp.")
        raise ConfigurationError(f"no {kind}; check the setting {key} ({error})") from error
