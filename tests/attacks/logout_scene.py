"""A person signed in at several SPs, and whoever wants that to end."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from lxml import etree
from sqlalchemy import func, select
from structlog.testing import capture_logs
from webtest import TestResponse

from idp.audit import AuditEvent
from idp.errors import UnknownServiceProvider
from idp.saml.names import q
from idp.sessions.tables import LogoutRow, SsoSessionRow, TaskRow
from idp.types import NameIDFormat
from metadata.options import Choice
from tests.attacks.conftest import Street, check_refusal
from tests.common.fake_slo import (
    SLO,
    envelope,
    logout_request,
    logout_response,
    opened,
    read_redirect,
)
from tests.common.fake_sp import FakeSP, Received
from tests.functional.conftest import SSO, Visitor, World

WAYS = ("redirect", "post", "soap")
DESTINATIONS = {"redirect": SLO, "post": SLO, "soap": f"{SLO}/soap"}
SOAP_TYPE = "text/xml; charset=utf-8"
SPS = {
    "victim": ("HTTP-Redirect", "HTTP-POST"),
    "told": ("SOAP", "HTTP-Redirect"),
    "evil": ("HTTP-Redirect",),
}


@dataclass
class Direct:
    """The back channel: every SP ends its session, and what was asked is kept."""

    sps: dict[str, FakeSP]
    now: Callable[[], datetime]
    asked: list[str] = field(default_factory=list)

    def post(self, location: str, data: bytes) -> bytes:
        """See :class:`idp.interfaces.IBackChannel`."""
        self.asked.append(location)
        sp = next(sp for sp in self.sps.values() if location in sp.slo.values())
        return envelope(logout_response(sp, opened(data), now=self.now()))


@dataclass
class Scene:
    """The person's browser, what the SPs received, and what we told them."""

    street: Street
    visitor: Visitor
    direct: Direct
    own: dict[str, Received] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """Who and what exists."""
        return self.street.world

    def sp(self, code: str = "victim") -> FakeSP:
        """One of the SPs; as the victim, with the attacker's key if a test gave it one."""
        return self.world.sps[code]

    def request(
        self, way: str, code: str = "victim", *, of: str | None = None, **options: object
    ) -> etree._Element:
        """A LogoutRequest for the person, which would be obeyed but for what is given."""
        options = {"Destination": DESTINATIONS[way], "now": self.world.now, **options}
        return logout_request(self.sp(code), self.own[of or code], **options)  # type: ignore[arg-type]

    def send(
        self, way: str, root: etree._Element, *, code: str = "victim", sign: bool = True
    ) -> TestResponse:
        """Whoever sends it does so from a browser of his own, in which nobody is signed in."""
        sp, app = self.sp(code), self.street.stranger().app
        if way == "redirect":
            return app.get(f"/saml/slo?{sp.redirect_query(root, sign=sign)}", status="*")
        if way == "post":
            return app.post("/saml/slo", sp.post_form(root, sign=sign), status="*")
        if sign:
            sp.sign(root)
        return self.soap(envelope(root))

    def soap(self, octets: bytes, content_type: str = SOAP_TYPE) -> TestResponse:
        """These octets to the back channel's address."""
        headers = {"Content-Type": content_type}
        return self.street.stranger().app.post(
            "/saml/slo/soap", octets, headers=headers, status="*"
        )

    def refused(self, send: Callable[[], TestResponse], code: str, cause: str = "") -> None:
        """Refused with this code and cause; nothing ended, nobody told, nothing written."""
        before = self.traces()
        with capture_logs() as lines:
            answer = send()
        if answer.content_type == "text/xml":
            check_fault(answer)
        else:
            check_refusal(answer, status=answer.status_int)
            assert 400 <= answer.status_int < 500
        told = [line for line in lines if line["log_level"] == "warning"]
        assert [line["event"] for line in told] == [code], lines
        assert cause in told[0]["cause"], told
        assert self.traces() == before
        self.is_untouched()

    def is_untouched(self) -> None:
        """The person is signed in, and no SP was told otherwise."""
        self.visitor.app.get("/profil", status=200)
        assert self.direct.asked == []

    def traces(self) -> list[int]:
        """How much is written of sessions, sign-outs, and in the journal."""
        counted = [select(func.count()).select_from(t) for t in (LogoutRow, TaskRow, AuditEvent)]
        counted.append(
            select(func.count()).select_from(SsoSessionRow).where(SsoSessionRow.ended_at.is_(None))
        )
        with self.world.services.db.reading() as session:
            return [session.scalar(each) or 0 for each in counted]

    def start(self) -> etree._Element:
        """The person signs out from the portal: what his browser carries to the victim."""
        app = self.visitor.app
        self.visitor.follow(app.get("/deconnexion").forms["formulaire"].submit())
        for _ in SPS:
            away = app.get("/deconnexion/application", status=303)
            if away.location.startswith("https://victim."):
                break
        certificate = self.world.services.signer.certificates()[0]
        return read_redirect(away.location, "SAMLRequest", certificate)

    def state(self, code: str = "victim") -> str:
        """How far the last task of this SP is."""
        last = select(TaskRow.state).where(TaskRow.entity_id == self.sp(code).entity_id)
        with self.world.services.db.reading() as session:
            return str(session.scalar(last.order_by(TaskRow.id.desc()).limit(1)))


def check_fault(answer: TestResponse) -> None:
    """A SOAP fault in French, with the id that the log knows; no SAML message."""
    assert answer.status_int == 500
    fault = etree.fromstring(answer.body).find(f".//{q('soap', 'Fault')}")
    assert fault.findtext("faultcode") == "soap:Client"
    assert answer.headers["X-Request-Id"] in fault.findtext("faultstring")
    assert b"LogoutResponse" not in answer.body


def scene_of(street: Street) -> Scene:
    """An agent signs in, in a browser of his own, and opens every SP."""
    world, visitor = street.world, street.stranger()
    for code, slo in SPS.items():
        _add(world, code, slo)
    made = Scene(street, visitor, Direct(world.sps, lambda: world.now))
    visitor.sign_in("agent")
    for code in SPS:
        request_id, page = visitor.open(world.sps[code], now=world.now)
        made.own[code] = world.consume(world.sps[code], page, request_id)
    return made


def _add(world: World, code: str, slo: tuple[str, ...]) -> None:
    sp = FakeSP(code, signs=True, idp_sso=SSO, slo=slo)
    try:
        world.services.service_providers.get(sp.entity_id)
    except UnknownServiceProvider:
        choice = Choice(name_id_format=NameIDFormat.PERSISTENT)
        world.add_sp(code, code.title(), choice, signs=True, slo=slo)
        world.services.service_providers._snapshot.forget()
        world.directory.assign(world.memberships["agent/vitry"], code, "gest")
    world.sps[code] = sp
