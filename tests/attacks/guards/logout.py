"""Guards of single logout: who may end a session, and who may say that his is closed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from unittest.mock import patch

from lxml import etree
from sqlalchemy import select
from structlog.testing import capture_logs

from idp.messages import AcceptedLogout
from idp.saml import bindings
from idp.saml.names import q
from idp.saml.xml import canonicalize
from idp.sessions.logouts import Logouts, Meant
from idp.sessions.tables import SpSessionRow
from idp.sessions.tokens import new_token
from idp.types import Binding
from tests.attacks.conftest import Street
from tests.attacks.guards.guard import Guard, nothing
from tests.attacks.guards.messages import REFUSED, UNREADABLE, last_wins
from tests.attacks.guards.requests import FOREVER
from tests.attacks.logout_scene import Scene, scene_of
from tests.common.fake_slo import envelope

ENDED, GOES_ON = "ended", "goes on"
SIGNATURE = "signature-refused"
LOGOUT = "idp.saml.logout"


@contextmanager
def played(street: Street) -> Iterator[Scene]:
    """The scene, with a back channel that calls nobody."""
    scene = scene_of(street)
    with patch.object(street.world.services.teller, "_back_channel", scene.direct):
        yield scene


def becomes(scene: Scene, send: Callable[[], object]) -> str:
    """Why it was refused; or whether the person's session ended."""
    with capture_logs() as lines:
        send()
    codes = [line["event"] for line in lines if line["log_level"] == "warning"]
    if codes:
        return str(codes[0])
    return ENDED if scene.visitor.app.get("/profil", status="*").status_int == 303 else GOES_ON


def asking(way: str, *, sign: bool = True, **options: object) -> Callable[[Street], str]:
    """The attack that is one LogoutRequest with these attributes."""

    def attack(street: Street) -> str:
        with played(street) as scene:
            root = scene.request(way, **options)  # type: ignore[arg-type]
            return becomes(scene, lambda: scene.send(way, root, sign=sign))

    return attack


def issued(street: Street, ago: timedelta) -> str:
    with played(street) as scene:
        root = scene.request("post", now=street.world.now - ago, NotOnOrAfter=None)
        return becomes(scene, lambda: scene.send("post", root))


def past_its_end(street: Street) -> str:
    until = (street.world.now - timedelta(minutes=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return asking("post", NotOnOrAfter=until)(street)


def replayed(street: Street) -> str:
    """A message that was obeyed, again, when the person is signed in again."""
    message_id = f"_{new_token()}"
    with played(street) as scene:
        scene.send("post", scene.request("post", indexes=(), ID=message_id))
    with played(street) as scene:
        root = scene.request("post", indexes=(), ID=message_id)
        return becomes(scene, lambda: scene.send("post", root))


def used_again(
    logouts: Logouts, accepted: AcceptedLogout | None, *, known: bool
) -> tuple[str, int]:
    """Every message counts as new."""
    if accepted is not None:
        accepted = replace(accepted, message_id=f"_{new_token()}")
    return ADD(logouts, accepted, known=known)


ADD = Logouts._add


def of_another_sp(street: Street) -> str:
    """The attacker's SP asks, in its own name, about the victim SP's session."""
    with played(street) as scene:
        root = scene.request("post", "evil", of="victim")
        return becomes(scene, lambda: scene.send("post", root, code="evil"))


def whosesoever(logouts: Logouts, accepted: AcceptedLogout) -> list[Meant]:
    """A session of this NameID, whichever SP's it is."""
    found = select(SpSessionRow).where(
        SpSessionRow.name_id == accepted.name_id.value, SpSessionRow.ended_at.is_(None)
    )
    with logouts._db.reading() as session:
        return [Meant(row.id, row.sso_key, live=True) for row in session.scalars(found)]


def after_its_end(street: Street) -> str:
    """The victim SP's session is over, the role withdrawn; then it asks about it."""
    with played(street) as scene:
        root = scene.request("post")
        people, sessions = street.world.people, street.world.services.sessions
        sessions.end(people["agent"], entity_id=scene.sp().entity_id, reason="role-withdrawn")
        return becomes(scene, lambda: scene.send("post", root))


def of_another_browser(street: Street) -> str:
    """A genuine request for one browser's session does not end the other's."""
    with played(street) as other, played(street) as scene:
        root = other.request("post")
        return becomes(scene, lambda: other.send("post", root))


MEANT = Logouts._meant


def every_session(logouts: Logouts, accepted: AcceptedLogout) -> object:
    return MEANT(logouts, replace(accepted, session_indexes=()))


def over_or_not(logouts: Logouts, accepted: AcceptedLogout) -> list[Meant]:
    return [replace(each, live=True) for each in MEANT(logouts, accepted)]


def two_persons(street: Street) -> str:
    """The first is somebody else, who was signed in once; the last is the victim."""
    with played(street) as scene:
        root = scene.request("post")
        another = etree.Element(q("saml", "NameID"))
        another.text = "somebody-else"
        root.insert(1, another)
        return becomes(scene, lambda: scene.send("post", root))


def two_messages(street: Street) -> str:
    """The first in the envelope is genuine; whoever reads on reads another."""
    with played(street) as scene:
        root = scene.request("soap")
        scene.sp().sign(root)
        tree = etree.fromstring(envelope(root))
        etree.SubElement(tree[0], "another")
        return becomes(scene, lambda: scene.soap(etree.tostring(tree)))


def first_message(octets: bytes) -> bindings.Message:
    body = etree.fromstring(octets)[0]
    return bindings.Message(canonicalize(body[0]), Binding.SOAP, relay_state=None)


GUARDS = (
    Guard(
        "a LogoutRequest is signed (Redirect)",
        asking("redirect", sign=False),
        {f"{LOGOUT}.check_signature": nothing},
        SIGNATURE,
        ENDED,
    ),
    Guard(
        "a LogoutRequest is signed (POST)",
        asking("post", sign=False),
        {f"{LOGOUT}.check_signature": nothing},
        SIGNATURE,
        ENDED,
    ),
    Guard(
        "a LogoutRequest is signed (SOAP)",
        asking("soap", sign=False),
        {f"{LOGOUT}.check_signature": nothing},
        SIGNATURE,
        ENDED,
    ),
    Guard(
        "the Destination of a LogoutRequest",
        asking("post", Destination="https://another-idp.example/saml/slo"),
        {f"{LOGOUT}.check_destination": nothing},
        REFUSED,
        ENDED,
    ),
    Guard(
        "the Version of a LogoutRequest",
        asking("post", Version="1.1"),
        {f"{LOGOUT}.check_version": nothing},
        REFUSED,
        ENDED,
    ),
    Guard(
        "an old LogoutRequest",
        partial(issued, ago=timedelta(minutes=8, seconds=1)),
        {"idp.saml.checks.LIFETIME": FOREVER},
        REFUSED,
        ENDED,
    ),
    Guard(
        "a LogoutRequest to come",
        partial(issued, ago=-timedelta(seconds=181)),
        {"idp.saml.checks.SKEW": FOREVER},
        REFUSED,
        ENDED,
    ),
    Guard(
        "NotOnOrAfter of a LogoutRequest",
        past_its_end,
        {f"{LOGOUT}.SKEW": FOREVER},
        REFUSED,
        ENDED,
    ),
    Guard(
        "a LogoutRequest is used once",
        replayed,
        {"idp.sessions.logouts.Logouts._add": used_again},
        "replayed-message",
        ENDED,
    ),
    Guard(
        "an SP ends only sessions of its own",
        of_another_sp,
        {"idp.sessions.logouts.Logouts._meant": whosesoever},
        GOES_ON,
        ENDED,
    ),
    Guard(
        "a SessionIndex ends one session",
        of_another_browser,
        {"idp.sessions.logouts.Logouts._meant": every_session},
        GOES_ON,
        ENDED,
    ),
    Guard(
        "a session that is over ends nothing",
        after_its_end,
        {"idp.sessions.logouts.Logouts._meant": over_or_not},
        GOES_ON,
        ENDED,
    ),
    Guard(
        "a LogoutRequest names one person",
        two_persons,
        {f"{LOGOUT}.sequence": last_wins},
        UNREADABLE,
        ENDED,
    ),
    Guard(
        "SessionIndexes are bounded",
        asking("post", indexes=tuple(f"_{i}" for i in range(101))),
        {
            f"{LOGOUT}._REQUEST": (
                (q("saml", "Issuer"), 1, 1),
                (q("ds", "Signature"), 0, 1),
                (q("samlp", "Extensions"), 0, 1),
                (q("saml", "NameID"), 0, 1),
                (q("saml", "EncryptedID"), 0, 1),
                (q("samlp", "SessionIndex"), 0, 10_000),
            )
        },
        UNREADABLE,
        GOES_ON,
    ),
    Guard(
        "one message in a SOAP body",
        two_messages,
        {"views.saml.slo.decode_soap": first_message},
        UNREADABLE,
        ENDED,
    ),
)
